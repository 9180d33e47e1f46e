//! `--affected-by`: the members that changed paths may affect.

use std::io::{ErrorKind, Read as _};
use std::path::Path;

use super::arguments::{ListArguments, OutputArguments};
use super::failure::Failure;
use super::members::{Selected, Subject, refuse_alone};
use super::progress::note;
use crate::model::{Pipes, escape_path, read_input};
use crate::workspace::{MAX_CHANGED_BYTES, changed_paths};

/// Name of standard input in place of a file.
const STDIN: &str = "-";

/// Returns the selected members that the paths in `list` may affect. With `-v`, reports the paths that no member uses.
pub fn only_affected(
    subject: Subject,
    list: &Path,
    arguments: &ListArguments,
    output: &OutputArguments,
) -> Result<Subject, Failure> {
    let Subject::Members(selected) = subject else {
        refuse_alone(&arguments.spec, Some("--affected-by"), None)?;
        return Ok(subject);
    };
    let paths = changed_paths(&read(list)?)?;
    let affected = selected.workspace.affected(&selected.root, &paths)?;
    if output.verbose > 0 {
        for path in &affected.unused {
            note(output.progress, &format!("no member uses {}", escape_path(path)));
        }
    }
    Ok(Subject::Members(Box::new(Selected {
        ids: &selected.ids & &affected.ids,
        ..*selected
    })))
}

fn read(list: &Path) -> Result<Vec<u8>, Failure> {
    let is_stdin = list == Path::new(STDIN);
    let shown = if is_stdin {
        "standard input".to_owned()
    } else {
        escape_path(list)
    };
    let too_large = || {
        Failure::usage(
            &format!("{shown} has more than {MAX_CHANGED_BYTES} bytes"),
            "pass the paths that changed, as `git diff --name-only` prints them",
        )
    };
    let failed = |cause: std::io::Error| match cause.kind() {
        ErrorKind::FileTooLarge => too_large(),
        ErrorKind::NotFound => Failure::usage(
            &format!("{shown} does not exist"),
            "name a file with the output of `git diff --name-only`, or - for standard input",
        ),
        _ => Failure::here(&format!("cannot read {shown}")).caused_by(&cause),
    };
    if !is_stdin {
        return read_input(list, Pipes::Read, MAX_CHANGED_BYTES).map_err(failed);
    }
    let mut bytes = Vec::new();
    let mut stdin = std::io::stdin().lock().take(MAX_CHANGED_BYTES + 1);
    stdin.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_CHANGED_BYTES {
        return Err(too_large());
    }
    Ok(bytes)
}
