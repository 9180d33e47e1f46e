//! What can be wrong with a `files` entry and what it names.

use std::io;
use std::path::{Path, PathBuf};

use super::archive::ArchiveError;
use crate::model::{Class, Diagnose, EntryPathError, escape, is_irregular};
use crate::spec::Place;

/// An error of listing what a `files` entry names.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// `from` names nothing that exists.
    #[error("{place}: `from = \"{}\"` matches nothing", escape(.pattern.as_bytes()))]
    NothingMatches {
        /// Where the entry stands.
        place: Place,
        /// `from`, as the spec writes it.
        pattern: String,
        /// What there is instead.
        help: String,
    },
    /// `from` matches, but nothing of it is left to pack.
    #[error("{place}: no files of `from = \"{}\"` are left to pack", escape(.pattern.as_bytes()))]
    NothingLeft {
        /// Where the entry stands.
        place: Place,
        /// `from`, as the spec writes it.
        pattern: String,
    },
    /// Several files for one name.
    #[error(
        "{place}: `from = \"{}\"` matches {count} files, which cannot all be written to {}: {matches}",
        escape(.pattern.as_bytes()),
        escape(.to.as_bytes())
    )]
    SeveralMatches {
        /// Where the entry stands.
        place: Place,
        /// `from`, as the spec writes it.
        pattern: String,
        /// `to`, as the spec writes it.
        to: String,
        /// How many there are.
        count: usize,
        /// The first of them, escaped.
        matches: String,
    },
    /// A pattern that cannot be understood.
    #[error("{place}: bad pattern \"{}\" in `{key}`: {reason}", escape(.pattern.as_bytes()))]
    Pattern {
        /// Where the entry stands.
        place: Place,
        /// The key that holds it.
        key: &'static str,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something that no layer can hold.
    #[error("{place}: {origin} is {what}, which cannot be packed")]
    Refused {
        /// Where the entry stands.
        place: Place,
        /// What was found, escaped.
        origin: String,
        /// Its kind, with an article.
        what: &'static str,
    },
    /// A name that would delete files at the reader.
    #[error("{place}: cannot pack {origin}: a name that begins with `.wh.` deletes files when the image is unpacked")]
    Whiteout {
        /// Where the entry stands.
        place: Place,
        /// What was found, escaped.
        origin: String,
    },
    /// A path that cannot stand in an image.
    #[error("{place}: {origin} cannot be written to an image")]
    Path {
        /// Where the entry stands.
        place: Place,
        /// What was found, escaped.
        origin: String,
        /// What is wrong with it.
        source: EntryPathError,
    },
    /// `unpack` of something that is not a regular file.
    #[error("{place}: `unpack` needs an archive, but {} is {what}", shown(.path))]
    UnpackOther {
        /// Where the entry stands.
        place: Place,
        /// What was found.
        path: PathBuf,
        /// Its kind, with an article.
        what: &'static str,
    },
    /// An archive that cannot be unpacked.
    #[error("{place}: cannot unpack {}", shown(.path))]
    Archive {
        /// Where the entry stands.
        place: Place,
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<ArchiveError>,
    },
    /// A member of an archive that cannot be read.
    #[error("cannot read from archive {}", shown(.path))]
    Member {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<ArchiveError>,
    },
    /// Two archives of one glob hold different things at one path.
    #[error("{place}: {first} and {second} are unpacked to the same path with different content")]
    Conflict {
        /// Where the entry stands.
        place: Place,
        /// The one, escaped.
        first: String,
        /// The other, escaped.
        second: String,
    },
    /// A capability that Linux does not have.
    #[error("{place}: unknown capability \"{}\"", escape(.name.as_bytes()))]
    Capability {
        /// Where the entry stands.
        place: Place,
        /// Its name.
        name: String,
    },
    /// `capabilities` of something that is not one file.
    #[error(
        "{place}: `capabilities` needs a single file, but `from = \"{}\"` is not one",
        escape(.pattern.as_bytes())
    )]
    CapabilitySource {
        /// Where the entry stands.
        place: Place,
        /// `from`, as the spec writes it.
        pattern: String,
    },
    /// A directory or a symbolic link was replaced while it was listed.
    #[error("{place}: {} was replaced while it was listed", shown(.path))]
    Replaced {
        /// Where the entry stands.
        place: Place,
        /// What was there.
        path: PathBuf,
    },
    /// An output of this build is a file that would be packed if it were not written over.
    #[error("{place}: {} is an output of this build and a file of `from`", shown(.path))]
    Overwritten {
        /// Where the entry stands.
        place: Place,
        /// The file.
        path: PathBuf,
    },
    /// `from` lies in what this build writes.
    #[error("{place}: {} is an output of this build", shown(.path))]
    Output {
        /// Where the entry stands.
        place: Place,
        /// What `from` names.
        path: PathBuf,
    },
    /// `from` is an image, which is not listed here.
    #[error("{place}: `from = \"{}\"` is not a path on the disk", escape(.pattern.as_bytes()))]
    NotLocal {
        /// Where the entry stands.
        place: Place,
        /// `from`, as the spec writes it.
        pattern: String,
    },
    /// The system said no.
    #[error("{place}: cannot {action} {}", shown(.path))]
    Io {
        /// Where the entry stands.
        place: Place,
        /// What was tried: `read directory`, say.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The ignore file cannot be read.
    #[error("cannot read ignore file {}", shown(.path))]
    IgnoreFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line of the ignore file cannot be understood.
    #[error("{}:{line}: {reason}", shown(.path))]
    IgnoreLine {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// A path as messages show it.
pub(super) fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}

impl Diagnose for FilesError {
    fn class(&self) -> Class {
        match self {
            Self::Io { .. } | Self::Replaced { .. } => Class::Here,
            Self::IgnoreFile { source, .. } if source.kind() != io::ErrorKind::NotFound && !is_irregular(source) => {
                Class::Here
            }
            Self::Archive { source, .. } | Self::Member { source, .. } => source.class(),
            _ => Class::Input,
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
