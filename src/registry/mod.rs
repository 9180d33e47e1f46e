//! Registries: the only HTTP of this crate (distribution-spec; token authentication as distribution and Docker
//! implement it).
//!
//! Every request goes through one function in `transport`. Every request with a credential goes through `client`. Three
//! rules hold everywhere in this module:
//!
//! - A credential is sent only to the origin (scheme, host, port) that it belongs to: not to a redirect's target, not
//!   to an upload's `Location`, and to a token service only if `origin` allows it.
//! - Input is checked before it is used, and no buffer is allocated by a size from a header.
//! - No message and no log line has a secret: query strings, user names in addresses and header values are left out.
//!
//! The module reads neither the environment nor the home directory: [`RegistryOptions`] has all settings.
//!
//! | where | what |
//! |---|---|
//! | `routed`, `mirrors`, `config` | a repository by its name: mirrors and upstream, `registries.conf`, `hosts.toml` |
//! | `repository` | a repository at one host; `source`, `pull`, `sink`, `upload`, `referrers`, `manifests` are its parts |
//! | `client`, `authorize`, `session`, `auth`, `challenge`, `scope`, `grant` | registries, accounts and tokens |
//! | `retry` | which failures are retried, when, and for how long: the only retry policy |
//! | `redirect`, `origin` | allowed targets of redirects, and the credentials that they may get |
//! | `credential`, `credentials`, `auth_file`, `helper`, `login`, `secret` | where credentials are stored |
//! | `secrets`, `secrets_view` | masking of secrets in output |
//! | `transport`, `failure`, `tls`, `certificates`, `proxy`, `body`, `small_body`, `traffic` | one request and its reply, bounded and counted |
//! | `reply`, `request_error`, `redact` | errors from replies, and what may be shown of them |

mod auth;
mod auth_file;
mod authorize;
mod body;
mod certificates;
mod challenge;
mod client;
mod config;
mod credential;
mod credentials;
mod failure;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod grant;
mod helper;
mod login;
mod manifests;
mod mirrors;
mod options;
mod origin;
mod proxy;
mod pull;
mod redact;
mod redirect;
mod referrers;
mod reply;
mod repository;
mod request_error;
mod retry;
mod routed;
mod scope;
mod secret;
mod secrets;
mod secrets_view;
mod session;
mod sink;
mod small_body;
mod source;
mod tls;
mod traffic;
mod transport;
mod upload;

#[cfg(test)]
mod tests;

pub use client::Client;
pub use config::{ConfigFiles, short_names};
pub use login::{remove_login, store_login};
pub use options::{Credentials, Login, ProxyOptions, ProxySetting, RegistryOptions, Roots};
use repository::RegistryRepository;
pub use retry::RetryOptions;
pub use routed::RoutedRepository;
pub use secret::Secret;
pub use secrets::Secrets;
