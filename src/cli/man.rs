//! `man`: the man pages, generated from the command line's own definition.

use std::path::Path;

use clap::CommandFactory as _;

use super::arguments::Arguments;
use super::choices::Progress;
use super::failure::{Done, Failure};
use super::progress;
use crate::model::escape_path;
use crate::store::output::{Access, write_output};

/// The directory of the pages of commands. `man` searches it in the directories of its path.
const SECTION: &str = "man1";

/// Writes `ocitect.1` and a page for each command, such as `ocitect-build.1`, into `man1` in a directory.
pub fn write_pages(directory: &Path, progress: Progress) -> Done {
    let directory = directory.join(SECTION);
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    let pages = pages(&command)?;
    for (name, page) in &pages {
        write_output(&directory.join(format!("{name}.1")), page, Access::Umask)?;
    }
    let directory = escape_path(&directory);
    progress::note(
        progress,
        &format!(
            "wrote {} man pages to {directory}; read one: man -l {directory}/ocitect.1",
            pages.len()
        ),
    );
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
