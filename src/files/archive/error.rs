//! What can be wrong with an archive.

use std::io;
use std::path::PathBuf;

use crate::compress::CompressError;
use crate::model::{Class, Diagnose, EntryPathError, escape};

/// An error of reading an archive; what holds it names the archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It is not of a format that is known.
    #[error("expected a supported archive, found {found}")]
    NotAnArchive {
        /// What it is, with an article.
        found: &'static str,
    },
    /// It ends too early.
    #[error("the archive is truncated in {inside}: expected {expected_bytes} bytes, found {actual_bytes}")]
    CutShort {
        /// Where it ends.
        inside: &'static str,
        /// The least size that it would need, in bytes.
        expected_bytes: u64,
        /// Its size, in bytes.
        actual_bytes: u64,
    },
    /// It breaks its format.
    #[error("the archive is damaged at byte {offset}: {reason}")]
    Damaged {
        /// Where, in the uncompressed archive.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// A zip archive that breaks its format.
    #[error("the zip archive is damaged: {}", escape(.reason.as_bytes()))]
    Zip {
        /// What is wrong.
        reason: String,
    },
    /// It is compressed in a way that cannot be read, or its compressed bytes are damaged.
    #[error("cannot decompress the archive")]
    Compression {
        /// What the decoder said; a [`CompressError`] is inside.
        source: io::Error,
    },
    /// It has more members than can be meant.
    #[error("the archive has more than {limit} members")]
    TooManyMembers {
        /// [`super::MAX_MEMBERS`].
        limit: usize,
    },
    /// It grows more than can be meant.
    #[error("the decompressed archive is over the limit of {limit_bytes} bytes")]
    TooLarge {
        /// [`super::MAX_SPOOL_BYTES`].
        limit_bytes: u64,
    },
    /// It grows far more than programs and texts do: it was made to fill a disk.
    #[error("the archive expands to more than {limit} times its size, after the first GiB")]
    Expansion {
        /// [`crate::model::MAX_EXPANSION`].
        limit: u64,
    },
    /// Its names or link targets are more than can be meant.
    #[error("the {what} of the archive are over the limit of {limit_bytes} bytes")]
    TooMuchText {
        /// What is too large together.
        what: &'static str,
        /// The limit.
        limit_bytes: u64,
    },
    /// One of its members cannot be taken.
    #[error("member \"{}\" {reason}", escape(.name))]
    Member {
        /// The member's name.
        name: Vec<u8>,
        /// What is wrong with it.
        reason: Reason,
    },
    /// The content of a member is not what the archive says of it.
    #[error("a member of the archive is damaged: its {what} does not match the archive")]
    Content {
        /// What differs.
        what: &'static str,
    },
    /// It is not what it was when it was listed.
    #[error("the archive changed while it was read")]
    Changed,
    /// It has no such member.
    #[error("the archive has no member {index}")]
    NoMember {
        /// Position among the members, from 0.
        index: u64,
    },
    /// The decompressed copy could not be made.
    #[error("cannot write the decompressed archive to a temporary file in {}", escape(.directory.as_os_str().as_encoded_bytes()))]
    Spool {
        /// The directory that it lies in.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system said no.
    #[error("cannot {action} the archive")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// What is wrong with a member of an archive; reads after its name.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// Its name begins with a slash.
    #[error("has an absolute name")]
    Absolute,
    /// Its name begins with a drive of DOS.
    #[error("has a name with a drive letter")]
    Drive,
    /// Its stored bytes are those of another member too, as in an archive that unpacks to far more than it holds.
    #[error("overlaps the member \"{}\"", escape(.other))]
    Overlaps {
        /// The other member.
        other: Vec<u8>,
    },
    /// It is the archive's root, but no directory.
    #[error("has no name")]
    Unnamed,
    /// Its name cannot stand in an image.
    #[error("has a name that is not allowed: {0}")]
    Name(EntryPathError),
    /// It stands below something that is not a directory.
    #[error("is inside \"{}\", which is {what} in the archive", escape(.parent))]
    Below {
        /// The member that it stands below.
        parent: Vec<u8>,
        /// What that is, with an article.
        what: &'static str,
    },
    /// A symbolic link that climbs above the archive's root.
    #[error("is a symbolic link that points outside of the archive: \"{}\"", escape(.target))]
    LinkLeaves {
        /// Its target.
        target: Vec<u8>,
    },
    /// A hard link to nothing.
    #[error("is a hard link to \"{}\", which is not an earlier file of the archive", escape(.target))]
    LinkTarget {
        /// Its target.
        target: Vec<u8>,
    },
    /// A hard link whose target leaves the archive.
    #[error("is a hard link to \"{}\", which is outside of the archive", escape(.target))]
    LinkOutside {
        /// Its target.
        target: Vec<u8>,
    },
    /// A sparse file.
    #[error("is stored as a sparse file, which is not supported")]
    Sparse,
    /// A type of tar entry that is not known.
    #[error("has the unknown type \"{}\"", escape(&[*.0]))]
    Type(u8),
    /// It is encrypted.
    #[error("is encrypted")]
    Encrypted,
    /// A compression method of zip that is not supported.
    #[error("is compressed by {0}; only stored and deflated members are supported")]
    Method(String),
    /// A symbolic link whose target cannot be read, or is none.
    #[error("is a symbolic link without a valid target")]
    Target,
    /// Another member gets the same path by `strip`.
    #[error("has the same path as \"{}\" after `strip`", escape(.other))]
    Collision {
        /// The other member.
        other: Vec<u8>,
    },
}

/// What helps where an archive is odd, and may be meant to be.
const UNPACK_YOURSELF: &str = "if you trust the archive, unpack it yourself and use the directory as `from`";

impl ArchiveError {
    /// An error about the member `name`.
    pub(super) fn member(name: &[u8], reason: Reason) -> Self {
        Self::Member { name: name.to_vec(), reason }
    }

    /// An error of reading a member's content: what its reader put into it, or the system's.
    pub(super) fn of_member(source: io::Error) -> Self {
        match source.downcast() {
            Ok(error) => error,
            Err(source) => Self::Io { action: "read", source },
        }
    }

    /// An error of reading bytes: of the system, or of a decoder.
    pub(super) fn reading(source: io::Error) -> Self {
        match CompressError::of(&source) {
            Some(_) => Self::Compression { source },
            None => Self::Io { action: "read", source },
        }
    }
}

impl Diagnose for ArchiveError {
    fn class(&self) -> Class {
        match self {
            Self::Io { .. } | Self::Spool { .. } | Self::Changed => Class::Here,
            _ => Class::Input,
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
    /// What helps against it, where something does.
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
