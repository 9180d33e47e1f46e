//! `ocitect pin`: digests into the files that deploy images.

mod forms;
mod images;
mod overrides;
mod quadlets;
mod run;
mod values;

use crate::support::Sandbox;
use crate::support::odd_yaml::metadata;

/// Returns a sandbox with the metadata of a build in `m.json`.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("m.json", metadata());
    sandbox
}

/// Returns the file `relative` as text.
fn read(sandbox: &Sandbox, relative: &str) -> String {
    std::fs::read_to_string(sandbox.path(relative)).unwrap()
}
