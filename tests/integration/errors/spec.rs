//! Errors in a spec that depend on its base image.

use crate::errors::refusal::test_base;
use crate::support::Sandbox;
use crate::support::refusal::{refused, spec};

#[test]
fn a_variable_that_the_base_lacks_is_marked_inside_the_string() {
    let sandbox = Sandbox::new();
    spec(
        &sandbox,
        &[&test_base(), "[config]\nenv = { PATH = \"/app/bin:${base.PTH}\" }\n"],
    );
    let shown = "error: the base's environment has no `PTH`
 --> ./ocitect.toml:6:26
  |
6 | env = { PATH = \"/app/bin:${base.PTH}\" }
  |                          ^^^^^^^^^^^
  |
  = help: write ${base.PTH:-default} if the variable may be missing in the base";
    refused(&sandbox, &["build"], 2, &[shown]);
    spec(&sandbox, &["[config]\nenv = { A = \"${base.PATH}\" }\n"]);
    refused(&sandbox, &["build"], 2, &["the base's environment has no `PATH`"]);
}
