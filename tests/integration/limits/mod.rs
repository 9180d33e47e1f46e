//! The program's memory, measured from outside: layers of 2 GiB, 100,000 small files, large bases, and copies between
//! places of every kind. Each peak is compared with the documented limit, and printed.

mod bases;
mod copies;
mod fixtures;
mod layers;
mod memory;
mod processes;
