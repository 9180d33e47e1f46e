//! The command `ocitect`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ocitect::cli::run(std::env::args_os())
}
