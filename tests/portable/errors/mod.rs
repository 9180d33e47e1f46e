//! Invalid input: each kind ends with an error that says what, where and how to fix it, with the exit status of its
//! kind, and without any output written. The tests run the real binary.

mod archives;
mod changes;
mod documents;
mod names;
mod paths;
mod platforms;
mod spec;
mod usage;
