//! Invalid input: each kind ends with an error that says what, where and how to fix it, with the exit status of its
//! kind, and without any output written. The tests run the real binary.

mod archives;
mod changes;
mod damage;
mod disks;
mod documents;
mod full;
mod helpers;
mod hostile;
mod liar;
mod names;
mod paths;
mod pipes;
mod platforms;
mod refusal;
mod registries;
mod spec;
mod usage;
