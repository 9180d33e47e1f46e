//! Prints which tests `cargo test` leaves out. `tests/run` sets the variable, and runs them too.

use std::env;

/// A variable that is set in the environment of the tests.
const ENVIRONMENT: &str = "OCITECT_TEST_DIR";

const NOTICE: &str = "
NOT RUN: the tests of tests/integration. They need registries, podman and other tools, and root on Debian:
`tests/run` starts all that and runs every test (tests/support/README.md).
";

fn main() {
    let is_listing = env::args().any(|argument| argument == "--list");
    if env::var_os(ENVIRONMENT).is_none() && !is_listing {
        println!("{NOTICE}");
    }
}
