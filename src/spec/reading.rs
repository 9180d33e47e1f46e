//! Reads the text files of a spec, and parses them.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::error::{Problem, SourceText, SpecError};
use super::tree::Node;
use super::{foreign, resolve, tree};
use crate::model::{Pipes, read_input};

/// Greatest size of a spec, in bytes. A spec is written by hand; the limit keeps a wrong file out of memory.
pub const MAX_SPEC_BYTES: u64 = 1024 * 1024;

/// Reads a whole text file of at most `limit_bytes`.
pub(super) fn read_bounded(path: &Path, limit_bytes: u64, pipes: Pipes) -> Result<String, SpecError> {
    let bytes = read_input(path, pipes, limit_bytes).map_err(|cause| {
        let path = path.to_owned();
        match cause.kind() {
            io::ErrorKind::FileTooLarge => SpecError::TooLarge { path, limit_bytes },
            _ => SpecError::Read { path, cause },
        }
    })?;
    String::from_utf8(bytes).map_err(|_| SpecError::NotUtf8 { path: path.to_owned() })
}

/// Parses the text of a spec, and checks its format.
pub(super) fn parsed(path: &Path, text: &str) -> Result<Node, SpecError> {
    let invalid = |problem| Arc::new(SourceText::new(path, text)).error(vec![problem]);
    let document = tree::parse(text).map_err(|problem| invalid(named(problem, path, text)))?;
    resolve::check_format(&document).map_err(invalid)?;
    Ok(document)
}

/// Adds the format of a text that is not TOML to the problem, if it is known.
fn named(problem: Problem, path: &Path, text: &str) -> Problem {
    match foreign::recognise(path, text) {
        Some(foreign::DOCKERFILE) => Problem::new(
            &(0..0),
            format!("expected a spec in TOML, found {}", foreign::DOCKERFILE),
        )
        .help("run `ocitect init` to write a spec; docs/guides/dockerfile.md translates each instruction"),
        Some(what) => Problem::new(&(0..0), format!("expected a spec in TOML, found {what}")).help(
            "give the path of an ocitect.toml, which has `format = 1` and tables such as [image], [[layers]] and \
             [config]",
        ),
        None => problem,
    }
}
