//! Bad input: each kind ends with an error that says what, where and what to do, with the exit code for its kind, and with
//! nothing written to any output. Driven through the real binary.

mod archives;
mod changes;
mod damage;
mod disks;
mod documents;
mod full;
mod helpers;
mod hostile;
mod liar;
#[path = "../support/mount.rs"]
mod mount;
mod names;
mod paths;
mod pipes;
mod platforms;
mod refusal;
mod registries;
mod spec;
#[path = "../support/sandbox.rs"]
mod support;
mod usage;
