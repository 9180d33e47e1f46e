//! The command line: arguments, commands, rendering, exit statuses.
//!
//! The only module that accesses stdout, stderr, the environment, the clock and the home directory. The library
//! receives them as values.

mod arguments;
mod build;
mod cache;
mod check;
mod choices;
mod compose;
mod copy;
mod destination;
mod environment;
mod failure;
mod findings;
mod habits;
mod image_names;
mod init;
mod inspect;
mod interrupt;
mod list;
mod local_names;
mod lock;
mod lock_text;
mod login;
mod ls;
mod man;
mod members;
mod platforms;
mod progress;
mod render;
mod run;
mod runtime;
mod sizes;
mod stderr;
mod stdout;
mod terminal;

pub use run::run;
