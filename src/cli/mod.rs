//! The command line: arguments, commands, rendering, exit statuses.
//!
//! The only module that accesses stdout, stderr, the environment, the clock and the home directory. The library
//! receives them as values.

mod affected;
mod arguments;
mod build;
mod cache;
mod changed;
mod check;
mod choices;
mod compose;
mod copy;
mod destination;
mod earlier;
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
mod matrix;
mod member_outputs;
mod members;
mod merge;
mod metadata;
mod pin;
mod pin_inputs;
mod pin_override;
mod pin_text;
mod planning;
mod platforms;
mod progress;
mod render;
mod run;
mod run_report;
mod runtime;
mod sizes;
mod stderr;
mod stdout;
mod terminal;

pub use run::run;
