//! `man`: the man pages, generated from the command line's own definition.

use std::path::Path;

use clap::CommandFactory as _;

use super::Done;
use super::arguments::Arguments;
use super::failure::Failure;
use crate::store::output::{Access, write_output};

/// Writes `ocitect.1` and a page for each command, such as `ocitect-build.1`, into a directory.
pub fn write_pages(directory: &Path) -> Done {
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    for (name, page) in pages(&command)? {
        let path = directory.join(format!("{name}.1"));
        write_output(&path, &page, Access::Umask).map_err(|error| Failure::here(&error.to_string()))?;
    }
    Ok(())
}

/// Returns the page of a command and those of its commands, each with its name.
fn pages(command: &clap::Command) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(command.clone()).render(&mut page);
    rendered.map_err(|error| Failure::here(&error.to_string()))?;
    let mut found = vec![(name, page)];
    for inner in command.get_subcommands() {
        found.extend(pages(inner)?);
    }
    Ok(found)
}
