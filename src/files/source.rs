//! Resolves `from` to a directory, a file, or a glob below its fixed part.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::error::FilesError;
use super::pattern::GlobPath;
use crate::model::{self, escape, escape_path, is_glob, split_fixed};
use crate::spec::FilesEntry;

/// Number of names of a directory that a hint shows.
const SHOWN_NAMES: usize = 8;

/// A source on the disk.
pub(super) enum Source {
    /// A directory; symbolic links to it are followed.
    Directory(PathBuf),
    /// Anything else that exists; symbolic links to it are followed.
    File {
        /// The path as the user wrote it.
        path: PathBuf,
        /// The metadata of the file that it refers to.
        metadata: Metadata,
    },
    /// A glob.
    Glob {
        /// The directory that the glob begins in.
        fixed: PathBuf,
        /// The part of the glob after it.
        glob: GlobPath,
    },
}

impl Source {
    /// Returns the path, or the fixed part of a glob.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Directory(path) | Self::File { path, .. } | Self::Glob { fixed: path, .. } => path,
        }
    }
}

/// Resolves `text`, relative to `directory`. A path that exists exactly as written is used; otherwise wildcards make it
/// a glob.
pub(super) fn find(entry: &FilesEntry, directory: &Path, text: &str) -> Result<Source, FilesError> {
    let failed = |path: &Path, source| FilesError::Io {
        place: entry.place.clone(),
        action: "access",
        path: path.into(),
        source,
    };
    let path = joined(directory, text);
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => return Ok(Source::Directory(path)),
        Ok(metadata) => return Ok(Source::File { path, metadata }),
        Err(error) if is_absent(error.kind()) => {}
        Err(error) => return Err(failed(&path, error)),
    }
    if !is_glob(text) {
        return Err(nothing_matches(entry, &path));
    }
    let (fixed, rest) = split_fixed(text);
    let fixed = joined(directory, fixed);
    let glob = GlobPath::new(rest).map_err(|reason| FilesError::Pattern {
        place: entry.place.clone(),
        key: "from",
        pattern: text.to_owned(),
        reason,
    })?;
    match fs::metadata(&fixed) {
        Ok(metadata) if metadata.is_dir() => Ok(Source::Glob { fixed, glob }),
        Ok(_) => Err(nothing_matches(entry, &fixed)),
        Err(error) if is_absent(error.kind()) => Err(nothing_matches(entry, &fixed)),
        Err(error) => Err(failed(&fixed, error)),
    }
}

/// Returns the error for a missing source at or below `path`. Its hint lists the names that exist.
pub(super) fn nothing_matches(entry: &FilesEntry, path: &Path) -> FilesError {
    FilesError::NothingMatches {
        place: entry.place.clone(),
        pattern: entry.from_text.clone(),
        help: hint(path),
    }
}

fn hint(path: &Path) -> String {
    if let Ok(target) = fs::read_link(path) {
        return format!(
            "{} is a symbolic link to {}, which does not exist",
            escape_path(path),
            escape_path(&target)
        );
    }
    let nearest = path
        .ancestors()
        .map(or_here)
        .find(|ancestor| ancestor.exists())
        .unwrap_or(Path::new("/"));
    let Ok(entries) = fs::read_dir(nearest) else {
        return format!("{} is not a directory", escape_path(nearest));
    };
    let names: Vec<OsString> = entries.flatten().map(|entry| entry.file_name()).collect();
    if let Some(near) = near_path(path, nearest, &names) {
        return format!("did you mean {}?", escape_path(near.strip_prefix(".").unwrap_or(&near)));
    }
    let mut names: Vec<String> = names.iter().map(|name| escape(name.as_encoded_bytes())).collect();
    names.sort();
    let more = if names.len() > SHOWN_NAMES { ", …" } else { "" };
    names.truncate(SHOWN_NAMES);
    let found = if names.is_empty() {
        "is empty".to_owned()
    } else {
        format!("contains {}{more}", names.join(", "))
    };
    format!("build it first, or correct the path; {} {found}", escape_path(nearest))
}

/// Returns the existing path that was probably meant by `path`: in `directory`, its deepest part that exists, with one
/// of the names in it.
fn near_path(path: &Path, directory: &Path, names: &[OsString]) -> Option<PathBuf> {
    let path = Path::new(".").join(path);
    let mut rest = path.strip_prefix(Path::new(".").join(directory)).ok()?.components();
    let missing = rest.next()?.as_os_str();
    let names = names.iter().map(|name| name.as_encoded_bytes());
    let near = model::nearest(missing.as_encoded_bytes(), names)?;
    let mut near = directory.join(OsStr::from_bytes(near));
    near.extend(rest);
    near.exists().then_some(near)
}

/// Returns `path`, or the working directory if it is empty.
fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    }
}

/// Joins `text` to `directory`, without the slash that joining an empty text would add.
fn joined(directory: &Path, text: &str) -> PathBuf {
    match text {
        "" => or_here(directory).to_owned(),
        text => directory.join(OsStr::new(text)),
    }
}

fn is_absent(kind: ErrorKind) -> bool {
    // A path below a file, or with a component that is too long for a name, cannot exist.
    matches!(
        kind,
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename
    )
}
