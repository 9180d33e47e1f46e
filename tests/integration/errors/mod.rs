//! Invalid input: each kind ends with an error that says what, where and how to fix it, with the exit status of its
//! kind, and without any output written. The tests run the real binary.

mod damage;
mod disks;
mod full;
mod helpers;
mod hostile;
mod paths;
mod pipes;
mod refusal;
mod registries;
mod spec;
