//! Errors of `files` entries and of the files that they name.

use std::io;
use std::path::PathBuf;

use super::archive::ArchiveError;
use crate::model::{Diagnostic, EntryPathError, ErrorKind, escape, escape_path, is_irregular};
use crate::spec::Place;

/// An error of listing the files of an entry.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// `from` does not match anything that exists.
    #[error("{place}: `from = \"{}\"` matches nothing", escape(.pattern.as_bytes()))]
    NothingMatches {
        /// The place of the entry in the spec.
        place: Place,
        /// `from`, as the spec writes it.
        pattern: String,
        /// The names that exist instead.
        help: String,
    },
    /// `from` matches, but all matches are left out.
    #[error("{place}: no files of `from = \"{}\"` are left to pack", escape(.pattern.as_bytes()))]
    NothingLeft {
        /// The place of the entry in the spec.
        place: Place,
        /// `from`, as the spec writes it.
        pattern: String,
    },
    /// Several files match a `to` that names a single file.
    #[error(
        "{place}: `from = \"{}\"` matches {count} files, which cannot all be written to {}: {matches}",
        escape(.pattern.as_bytes()),
        escape(.to.as_bytes())
    )]
    SeveralMatches {
        /// The place of the entry in the spec.
        place: Place,
        /// `from`, as the spec writes it.
        pattern: String,
        /// `to`, as the spec writes it.
        to: String,
        /// Number of files.
        count: usize,
        /// The first of them, escaped.
        matches: String,
    },
    /// A pattern is invalid.
    #[error("{place}: bad pattern \"{}\" in `{key}`: {reason}", escape(.pattern.as_bytes()))]
    Pattern {
        /// The place of the entry in the spec.
        place: Place,
        /// The key of the pattern.
        key: &'static str,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A layer cannot hold this kind of file.
    #[error("{place}: {origin} is {what}, which cannot be packed")]
    Refused {
        /// The place of the entry in the spec.
        place: Place,
        /// The path, escaped.
        origin: String,
        /// Its kind, with an article.
        what: &'static str,
    },
    /// The name is that of a whiteout, which would delete files when the layer is applied.
    #[error("{place}: cannot pack {origin}: a name that begins with `.wh.` deletes files when the image is unpacked")]
    Whiteout {
        /// The place of the entry in the spec.
        place: Place,
        /// The path, escaped.
        origin: String,
    },
    /// The path is not allowed in an image.
    #[error("{place}: {origin} cannot be written to an image")]
    Path {
        /// The place of the entry in the spec.
        place: Place,
        /// The path, escaped.
        origin: String,
        /// What is wrong with it.
        source: EntryPathError,
    },
    /// `unpack` is set for something that is not a regular file.
    #[error("{place}: `unpack` needs an archive, but {} is {what}", escape_path(.path))]
    UnpackOther {
        /// The place of the entry in the spec.
        place: Place,
        /// The path.
        path: PathBuf,
        /// Its kind, with an article.
        what: &'static str,
    },
    /// An archive cannot be unpacked.
    #[error("{place}: cannot unpack {}", escape_path(.path))]
    Archive {
        /// The place of the entry in the spec.
        place: Place,
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<ArchiveError>,
    },
    /// A member of an archive cannot be read.
    #[error("cannot read from archive {}", escape_path(.path))]
    Member {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<ArchiveError>,
    },
    /// Two archives of one glob hold different content at one path.
    #[error("{place}: {first} and {second} are unpacked to the same path with different content")]
    Conflict {
        /// The place of the entry in the spec.
        place: Place,
        /// The first archive, escaped.
        first: String,
        /// The second archive, escaped.
        second: String,
    },
    /// Linux does not have the capability.
    #[error("{place}: unknown capability \"{}\"", escape(.name.as_bytes()))]
    Capability {
        /// The place of the entry in the spec.
        place: Place,
        /// Its name.
        name: String,
    },
    /// `capabilities` is set for something that is not a single file.
    #[error(
        "{place}: `capabilities` needs a single file, but `from = \"{}\"` is not one",
        escape(.pattern.as_bytes())
    )]
    CapabilitySource {
        /// The place of the entry in the spec.
        place: Place,
        /// `from`, as the spec writes it.
        pattern: String,
    },
    /// A directory or a symbolic link was replaced while it was listed.
    #[error("{place}: {} was replaced while it was listed", escape_path(.path))]
    Replaced {
        /// The place of the entry in the spec.
        place: Place,
        /// The path of what was replaced.
        path: PathBuf,
    },
    /// An output of this build would overwrite a file that would be packed.
    #[error("{place}: {} is an output of this build and a file of `from`", escape_path(.path))]
    Overwritten {
        /// The place of the entry in the spec.
        place: Place,
        /// The file.
        path: PathBuf,
    },
    /// `from` is inside an output of this build.
    #[error("{place}: {} is an output of this build", escape_path(.path))]
    Output {
        /// The place of the entry in the spec.
        place: Place,
        /// The path of `from`.
        path: PathBuf,
    },
    /// `from` is an image, which this module does not list.
    #[error("{place}: `from = \"{}\"` is not a path on the disk", escape(.pattern.as_bytes()))]
    NotLocal {
        /// The place of the entry in the spec.
        place: Place,
        /// `from`, as the spec writes it.
        pattern: String,
    },
    /// An operation of the system failed.
    #[error("{place}: cannot {action} {}", escape_path(.path))]
    Io {
        /// The place of the entry in the spec.
        place: Place,
        /// The operation: `read directory`, for example.
        action: &'static str,
        /// Its path.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The ignore file cannot be read.
    #[error("cannot read ignore file {}", escape_path(.path))]
    IgnoreFile {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A line of the ignore file is invalid.
    #[error("{}:{line}: {reason}", escape_path(.path))]
    IgnoreLine {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

impl Diagnostic for FilesError {
    fn error_kind(&self) -> ErrorKind {
        match self {
            Self::Io { .. } | Self::Replaced { .. } => ErrorKind::Local,
            Self::IgnoreFile { source, .. } if source.kind() != io::ErrorKind::NotFound && !is_irregular(source) => {
                ErrorKind::Local
            }
            Self::Archive { source, .. } | Self::Member { source, .. } => source.error_kind(),
            _ => ErrorKind::Input,
        }
    }

    fn help(&self) -> Option<String> {
        let help = match self {
            Self::NothingMatches { help, .. } => help,
            Self::NothingLeft { .. } => {
                "check `include`, `exclude`, `strip` and the ignore file: `include` and `exclude` are relative to \
                 `from`"
            }
            Self::SeveralMatches { .. } => {
                "end `to` with a slash to put them into that directory, or match a single file"
            }
            Self::Refused { .. } => "exclude it with `exclude`",
            Self::Whiteout { .. } => {
                "rename it, or exclude it with `exclude`; use `remove` to remove paths from the image"
            }
            Self::UnpackOther { .. } => "remove `unpack`, or use an archive as `from`",
            Self::Archive { source, .. } | Self::Member { source, .. } => return source.help(),
            Self::Conflict { .. } => "exclude one of them with `exclude`, or unpack them in two entries",
            Self::Capability { .. } => "use a name from capabilities(7), such as \"cap_net_bind_service\"",
            Self::CapabilitySource { .. } => "use a separate entry for the file",
            Self::Overwritten { .. } => "write the output to another path, or exclude the file with `exclude`",
            Self::Output { .. } => "write the output to another path, or use another `from`",
            Self::Replaced { .. } => "build again when no other program writes to the files",
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "make it readable for the user who builds, or exclude it with `exclude`"
            }
            Self::IgnoreFile { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "create it, or remove `ignore-file` from the spec"
            }
            _ => return None,
        };
        Some(help.to_owned())
    }
}
