//! Tests of the real binary that need nothing but a temporary directory. Their registries are in this process.

mod cache;
mod check;
mod cli;
mod deploy;
mod errors;
mod faults;
mod outputs;
mod reproducibility;
mod workspace;

#[path = "../support"]
mod support {
    #[allow(dead_code, reason = "the crate `integration` uses the rest")]
    pub mod faults;
    pub mod foreign;
    pub mod images;
    #[allow(dead_code, reason = "the crate `integration` uses the rest")]
    mod layout;
    #[allow(dead_code, reason = "the crate `integration` uses the rest")]
    pub mod liar;
    #[allow(dead_code, reason = "the crate `integration` uses the rest")]
    pub mod odd_yaml;
    #[allow(dead_code, reason = "the crate `integration` uses the rest")]
    pub mod page;
    pub mod refusal;
    mod sandbox;
    pub mod schema;

    pub use layout::Layout;
    pub use sandbox::{Outcome, Sandbox, files_below, tool};
}
