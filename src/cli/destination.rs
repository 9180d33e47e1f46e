//! Destinations of files named on the command line: a path, or the process's standard output or error, by any of its
//! names.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::failure::{Done, Failure};
use super::habits;
use super::stdout::print;
use crate::model::{ImageName, ReferenceError, escape};
use crate::store::output::{Access, write_output};

/// Name of standard output in place of a file.
const STDOUT: &str = "-";

/// The destination of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard output: `-`, `/dev/stdout`, or the file that it is redirected to.
    Stdout,
    /// Standard error, if it is redirected elsewhere.
    Stderr,
    /// A file, a device or a pipe.
    Path(PathBuf),
}

impl Destination {
    /// Interprets `path` as given on the command line.
    pub fn of(path: &Path) -> Self {
        if path == Path::new(STDOUT) || leads_to(path, std::io::stdout().as_fd()) {
            Self::Stdout
        } else if leads_to(path, std::io::stderr().as_fd()) {
            Self::Stderr
        } else {
            Self::Path(path.to_owned())
        }
    }

    /// Returns the path, unless it is a standard stream.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::Stdout | Self::Stderr => None,
        }
    }

    /// Writes the whole file.
    pub fn write(&self, bytes: &[u8]) -> Done {
        match self {
            Self::Stdout => print(bytes),
            Self::Stderr => {
                let failed = |error| Failure::here(&format!("cannot write to standard error: {error}"));
                std::io::stderr().lock().write_all(bytes).map_err(failed)
            }
            Self::Path(path) => Ok(write_output(path, bytes, Access::Umask)?),
        }
    }
}

/// Returns `true` if `path` is the file, the device or the pipe that `stream` writes to.
fn leads_to(path: &Path, stream: BorrowedFd<'_>) -> bool {
    let Ok(found) = std::fs::metadata(path) else {
        return false;
    };
    let stream = stream
        .try_clone_to_owned()
        .and_then(|owned| File::from(owned).metadata());
    stream.is_ok_and(|stream| (stream.dev(), stream.ino()) == (found.dev(), found.ino()))
}

/// Parses the values of `-o`.
pub fn parse_outputs(texts: &[String]) -> Result<Vec<ImageName>, Failure> {
    let outputs = texts.iter().map(|text| {
        let name = text.parse().map_err(|_: ReferenceError| {
            let message = format!("-o {}: invalid output", escape(text.as_bytes()));
            Failure::usage(&message, &habits::output_help(text))
        })?;
        resolve_archive(name)
    });
    outputs.collect()
}

/// Returns `true` if standard output is used for an archive or metadata, and so not for the line with the digest.
pub fn taken_stdout(outputs: &[ImageName], metadata: Option<&Destination>) -> Result<bool, Failure> {
    let archive = outputs.iter().find(|output| is_stdout(output));
    let metadata = metadata.is_some_and(|metadata| *metadata == Destination::Stdout);
    match archive {
        Some(archive) if metadata => Err(Failure::usage(
            &format!("{archive} and --metadata are both written to standard output"),
            "write one of them to a file",
        )),
        archive => Ok(metadata || archive.is_some()),
    }
}

/// Returns `true` for an archive that is written to standard output.
pub fn is_stdout(name: &ImageName) -> bool {
    archive_path(name).is_some_and(|path| path == Path::new(STDOUT))
}

/// Replaces any name of standard output by `-`. An archive to a terminal is rejected.
pub fn resolve_archive(name: ImageName) -> Result<ImageName, Failure> {
    let Some(path) = archive_path(&name).map(Path::to_owned) else {
        return Ok(name);
    };
    let is_stdout = Destination::of(&path) == Destination::Stdout;
    let fills_terminal = if is_stdout {
        std::io::stdout().is_terminal()
    } else {
        is_terminal(&path)
    };
    if fills_terminal {
        return Err(Failure::usage(
            &format!("cannot write the archive {name} to a terminal"),
            "redirect standard output, pipe it to another program, or name a file",
        ));
    }
    Ok(match name {
        ImageName::OciArchive { selector, .. } if is_stdout => ImageName::OciArchive {
            path: STDOUT.into(),
            selector,
        },
        ImageName::DockerArchive { selector, .. } if is_stdout => ImageName::DockerArchive {
            path: STDOUT.into(),
            selector,
        },
        other => other,
    })
}

fn archive_path(name: &ImageName) -> Option<&Path> {
    match name {
        ImageName::OciArchive { path, .. } | ImageName::DockerArchive { path, .. } => Some(path),
        ImageName::Layout { .. } | ImageName::Registry(_) => None,
    }
}

fn is_terminal(path: &Path) -> bool {
    let is_device = std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_char_device());
    let opened = || {
        OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK)
            .open(path)
    };
    is_device && opened().is_ok_and(|device| device.is_terminal())
}
