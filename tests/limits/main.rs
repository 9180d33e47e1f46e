//! How much memory the program takes, measured from outside: layers of 2 GiB, 100,000 small files, large bases, and copies
//! from anywhere to anywhere. Each peak is held under what is promised, and printed.

mod bases;
mod copies;
mod fixtures;
mod layers;
mod memory;
mod processes;
#[path = "../support/sandbox.rs"]
mod support;
