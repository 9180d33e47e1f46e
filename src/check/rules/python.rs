//! Python: modules and scripts that are passed to it, and what it imports (Python, "Command line and environment";
//! `site`; PEP 405, virtual environments).

mod command;
mod command_line;
mod environments;
mod markers;
mod reach;
mod records;
mod requirements;
mod search;
mod servers;
mod stdlib;

pub(super) use command::check_python;
pub(super) use command_line::is_python;
pub(super) use environments::WRONG_PYTHON;
pub(super) use reach::{MISSING_IMPORT, Reach};
pub(super) use records::LOST_NATIVE_FILES;
pub(super) use requirements::{MISSING_REQUIREMENT, requirements_of};
pub(super) use servers::check_server;
