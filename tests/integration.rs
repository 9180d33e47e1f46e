//! Runs the real binary against real registries and real readers. `tests/run` starts them and sets their addresses; a
//! test fails if one is missing.

mod bases;
mod cache;
mod check;
mod cli;
mod errors;
mod faults;
mod install;
mod limits;
mod lock;
mod outputs;
mod projects;
mod registries;
mod reproducibility;
mod support;
mod systems;
