//! Checks whether an image will start: compares what it contains with what it needs to run, before anything is written.
//!
//! [`Subject`] is the image of one platform as a tree in memory. Rules read it and return [`Finding`]s. This module
//! must never write, run what it reads, or show a secret's value. It reports nothing that it cannot know.

mod abi;
mod coverage;
mod evidence;
mod execution;
mod folders;
mod following;
mod jar;
mod javascript;
mod leftovers;
mod loader;
mod marks;
mod modes;
mod node_modules;
mod own_file;
mod policy;
mod python_settings;
mod python_source;
mod rules;
mod sarif;
mod subject;
#[cfg(test)]
mod testing;

use marks::Marks;
use rules::Rule;

pub use crate::model::code::{Code, Severity};
pub use crate::model::finding::Finding;
pub use abi::{Libc, architecture_of};
pub use coverage::{Coverage, gap};
pub use evidence::{Evidence, Interest, MAX_WHOLE_BYTES, read_disk_evidence, read_evidence, read_stream_evidence};
pub use execution::Execution;
pub use following::{first_files, follow, may_be_followed};
pub use jar::JarFacts;
pub use javascript::{Load, Script, Surety, System};
pub use loader::{Closure, Loaded, Loader, Need};
pub use own_file::OwnFile;
pub use policy::{Policy, PolicyError, Verdict};
pub use python_source::{Import, ImportKind, Source};
pub use rules::{check, check_secrets, check_variables, interest, required_variables};
pub use sarif::sarif;
pub use subject::{OnDisk, Shadowed, Subject};
