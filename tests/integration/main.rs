//! Tests of the real binary that need the environment of `tests/run`: registries, podman, base images, root. A test
//! fails if a part of it is missing. `cargo test` leaves this crate out.

mod bases;
mod cache;
mod check;
mod cli;
mod deploy;
mod errors;
mod faults;
mod install;
mod limits;
mod lock;
mod outputs;
mod projects;
mod registries;
mod reproducibility;
mod systems;

#[path = "../support"]
mod support {
    mod environment;
    #[allow(dead_code, reason = "the crate `portable` uses the rest")]
    pub mod faults;
    pub mod foreign;
    pub mod images;
    mod layout;
    pub mod liar;
    mod memory;
    pub mod mount;
    #[allow(dead_code, reason = "the crate `portable` uses the rest")]
    pub mod odd_yaml;
    pub mod page;
    pub mod refusal;
    mod sandbox;
    pub mod supervisor;
    mod terminal;

    pub use environment::{Request, is_put_of, on_base, part, requests};
    pub use layout::Layout;
    pub use sandbox::{Outcome, Sandbox, files_below, tool};
    pub use terminal::on_terminal;
}
