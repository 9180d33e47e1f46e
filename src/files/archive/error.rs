//! Errors of archives.

use std::io;
use std::path::PathBuf;

use crate::compress::CompressError;
use crate::model::{Diagnostic, EntryPathError, ErrorKind, escape, escape_path};

/// An error of reading an archive. The wrapping error names the archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file is not an archive of a known format.
    #[error("expected a supported archive, found {found}")]
    NotAnArchive {
        /// What it is, with an article.
        found: &'static str,
    },
    /// The archive ends too early.
    #[error("the archive is truncated in {inside}: expected {expected_bytes} bytes, found {actual_bytes}")]
    CutShort {
        /// The part in which it ends.
        inside: &'static str,
        /// The least size that is needed, in bytes.
        expected_bytes: u64,
        /// The actual size, in bytes.
        actual_bytes: u64,
    },
    /// The archive violates its format.
    #[error("the archive is damaged at byte {offset}: {reason}")]
    Damaged {
        /// Offset in the uncompressed archive.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// A zip archive violates its format.
    #[error("the zip archive is damaged: {}", escape(.reason.as_bytes()))]
    Zip {
        /// What is wrong.
        reason: String,
    },
    /// The compression is not supported, or the compressed bytes are damaged.
    #[error("cannot decompress the archive")]
    Compression {
        /// The error of the decoder, which contains a [`CompressError`].
        source: io::Error,
    },
    /// The archive has too many members.
    #[error("the archive has more than {limit} members")]
    TooManyMembers {
        /// [`super::MAX_MEMBERS`].
        limit: usize,
    },
    /// The archive is too large when decompressed.
    #[error("the decompressed archive is over the limit of {limit_bytes} bytes")]
    TooLarge {
        /// [`super::MAX_SPOOL_BYTES`].
        limit_bytes: u64,
    },
    /// The expansion ratio is far beyond that of programs and texts: a decompression bomb.
    #[error("the archive expands to more than {limit} times its size, after the first GiB")]
    Expansion {
        /// [`crate::model::MAX_EXPANSION`].
        limit: u64,
    },
    /// The names or link targets are too long in total.
    #[error("the {what} of the archive are over the limit of {limit_bytes} bytes")]
    TooMuchText {
        /// The kind of text that exceeds the limit.
        what: &'static str,
        /// The limit.
        limit_bytes: u64,
    },
    /// A member cannot be packed.
    #[error("member \"{}\" {reason}", escape(.name))]
    Member {
        /// The member's name.
        name: Vec<u8>,
        /// What is wrong with it.
        reason: Reason,
    },
    /// The content of a member does not match what the archive says about it.
    #[error("a member of the archive is damaged: its {what} does not match the archive")]
    Content {
        /// What differs.
        what: &'static str,
    },
    /// The archive changed since it was listed.
    #[error("the archive changed while it was read")]
    Changed,
    /// The archive does not have the member.
    #[error("the archive has no member {index}")]
    NoMember {
        /// Position among the members, from 0.
        index: u64,
    },
    /// The decompressed copy cannot be written.
    #[error("cannot write the decompressed archive to a temporary file in {}", escape_path(.directory))]
    Spool {
        /// Its directory.
        directory: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// An operation of the system failed.
    #[error("cannot {action} the archive")]
    Io {
        /// The operation.
        action: &'static str,
        /// The error of the system.
        source: io::Error,
    },
}

/// The problem of a member of an archive. The text follows the member's name.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// Its name begins with a slash.
    #[error("has an absolute name")]
    Absolute,
    /// Its name begins with a DOS drive.
    #[error("has a name with a drive letter")]
    Drive,
    /// Its stored bytes are also those of another member, as in an archive that unpacks to far more than it holds.
    #[error("overlaps the member \"{}\"", escape(.other))]
    Overlaps {
        /// The other member.
        other: Vec<u8>,
    },
    /// It is the archive's root, but not a directory.
    #[error("has no name")]
    Unnamed,
    /// Its name is not allowed in an image.
    #[error("has a name that is not allowed: {0}")]
    Name(EntryPathError),
    /// It is inside something that is not a directory.
    #[error("is inside \"{}\", which is {what} in the archive", escape(.parent))]
    Below {
        /// The member that it is inside of.
        parent: Vec<u8>,
        /// The kind of that member, with an article.
        what: &'static str,
    },
    /// It is a symbolic link that leads above the archive's root.
    #[error("is a symbolic link that points outside of the archive: \"{}\"", escape(.target))]
    LinkLeaves {
        /// Its target.
        target: Vec<u8>,
    },
    /// It is a hard link to a member that does not exist.
    #[error("is a hard link to \"{}\", which is not an earlier file of the archive", escape(.target))]
    LinkTarget {
        /// Its target.
        target: Vec<u8>,
    },
    /// It is a hard link whose target is outside the archive.
    #[error("is a hard link to \"{}\", which is outside of the archive", escape(.target))]
    LinkOutside {
        /// Its target.
        target: Vec<u8>,
    },
    /// It is a sparse file.
    #[error("is stored as a sparse file, which is not supported")]
    Sparse,
    /// Its type of tar entry is not known.
    #[error("has the unknown type \"{}\"", escape(&[*.0]))]
    Type(u8),
    /// It is encrypted.
    #[error("is encrypted")]
    Encrypted,
    /// Its zip compression method is not supported.
    #[error("is compressed by {0}; only stored and deflated members are supported")]
    Method(String),
    /// It is a symbolic link whose target cannot be read or is not valid.
    #[error("is a symbolic link without a valid target")]
    Target,
    /// `strip` gives another member the same path.
    #[error("has the same path as \"{}\" after `strip`", escape(.other))]
    Collision {
        /// The other member.
        other: Vec<u8>,
    },
}

/// The help for archives that are unusual but may be intended.
const UNPACK_YOURSELF: &str = "if you trust the archive, unpack it yourself and use the directory as `from`";

impl ArchiveError {
    /// Creates an error for the member `name`.
    pub(super) fn member(name: &[u8], reason: Reason) -> Self {
        Self::Member {
            name: name.to_vec(),
            reason,
        }
    }

    /// Converts an error of reading a member's content: the [`ArchiveError`] inside, or an error of the system.
    pub(super) fn of_member(source: io::Error) -> Self {
        match source.downcast() {
            Ok(error) => error,
            Err(source) => Self::Io { action: "read", source },
        }
    }

    /// Converts an error of reading bytes: of the system or of a decoder.
    pub(super) fn reading(source: io::Error) -> Self {
        match CompressError::of(&source) {
            Some(_) => Self::Compression { source },
            None => Self::Io { action: "read", source },
        }
    }
}

impl Diagnostic for ArchiveError {
    fn error_kind(&self) -> ErrorKind {
        match self {
            Self::Io { .. } | Self::Spool { .. } | Self::Changed => ErrorKind::Local,
            _ => ErrorKind::Input,
        }
    }

    fn help(&self) -> Option<String> {
        let help = match self {
            Self::NotAnArchive { .. } => "use a tar, tar.gz, tar.zst or zip archive",
            Self::CutShort { .. } | Self::Damaged { .. } | Self::Zip { .. } | Self::Content { .. } => {
                "create or download the archive again"
            }
            Self::Compression { source } => CompressError::of(source)?.help()?,
            Self::TooManyMembers { .. } | Self::TooLarge { .. } | Self::TooMuchText { .. } => "split the archive",
            Self::Expansion { .. } => UNPACK_YOURSELF,
            Self::Member { reason, .. } => reason.help()?,
            Self::Spool { .. } => "free some space there, or set TMPDIR to a directory with more space",
            Self::Changed => "build again when nothing writes to it",
            Self::NoMember { .. } | Self::Io { .. } => return None,
        };
        Some(help.to_owned())
    }
}

impl Reason {
    /// Returns the help for the error, if there is any.
    pub(in crate::files) fn help(&self) -> Option<&'static str> {
        Some(match self {
            Self::Absolute | Self::Unnamed | Self::Name(_) => "create the archive with relative names, without `..`",
            Self::Below { .. }
            | Self::LinkLeaves { .. }
            | Self::LinkTarget { .. }
            | Self::LinkOutside { .. }
            | Self::Overlaps { .. } => UNPACK_YOURSELF,
            Self::Drive => "create the archive with relative names, without drive letters",
            Self::Sparse => "create the archive without sparse files (GNU tar: without `--sparse`)",
            Self::Encrypted => "unpack it yourself and use the directory as `from`",
            Self::Method(_) => "create the archive again with deflate",
            Self::Target => "create or download the archive again",
            Self::Collision { .. } => "strip fewer components, or select files with `include` and `exclude`",
            Self::Type(_) => return None,
        })
    }
}
