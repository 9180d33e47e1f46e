//! Registries: the only HTTP of this crate (distribution-spec; token authentication as distribution and Docker do it).
//!
//! Every request goes through `transport`, in one function; everything that carries a credential goes through
//! `client`. Three rules hold everywhere in this module:
//!
//! - A credential is sent to the origin (scheme, host, port) that it belongs to and to no other: not to a redirect's
//!   target, not to an upload's `Location`, and to a token service only where `origin` lets it.
//! - Nothing that was read is believed before it was checked, and nothing is allocated by what a header says.
//! - No message and no log line holds a secret: query strings, user names in addresses and header values are left out.
//!
//! It reads neither environment nor home directory: [`RegistryOptions`] says everything.
//!
//! | where | what |
//! |---|---|
//! | `routed`, `mirrors`, `config` | a repository by its name: mirrors and upstream, `registries.conf`, `hosts.toml` |
//! | `repository` | a repository at one host; `source`, `pull`, `sink`, `upload`, `tags`, `pages`, `link`, `referrers`, `delete` are its parts |
//! | `client`, `session`, `auth`, `challenge`, `scope`, `grant` | who is asked, as whom, with which token |
//! | `retry` | what is tried again, when, and for how long: the one policy |
//! | `redirect`, `origin` | where a request may go on to, and what may go with it |
//! | `credentials`, `auth_file`, `helper`, `login`, `secret` | where credentials come from and are kept |
//! | `secrets`, `secrets_view` | what was sent as a secret, and taking it out of what is shown |
//! | `transport`, `failure`, `tls`, `certificates`, `proxy`, `body`, `traffic` | one request and its reply, bounded and counted |
//! | `reply`, `redact` | what a refusal means to the user, and what may be shown of it |

mod auth;
mod auth_file;
mod body;
mod certificates;
mod challenge;
mod client;
mod config;
mod credentials;
mod delete;
mod failure;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod grant;
mod helper;
mod link;
mod login;
mod mirrors;
mod options;
mod origin;
mod pages;
mod proxy;
mod pull;
mod redact;
mod redirect;
mod referrers;
mod reply;
mod repository;
mod retry;
mod routed;
mod scope;
mod secret;
mod secrets;
mod secrets_view;
mod session;
mod sink;
mod source;
mod tags;
mod tls;
mod traffic;
mod transport;
mod upload;

#[cfg(test)]
mod tests;

pub use client::Client;
pub use config::{ConfigFiles, short_names};
pub use link::{LinkError, next_page};
pub use login::{remove_login, store_login};
pub use options::{Credentials, Login, Notice, ProxyOptions, ProxySetting, RegistryOptions, Roots};
use repository::RegistryRepository;
pub use retry::RetryOptions;
pub use routed::RoutedRepository;
pub use secret::Secret;
pub use secrets::Secrets;
pub use traffic::Traffic;
