//! Errors of packing a layer.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::compress::CompressError;
use crate::model::{Diagnostic, EntryPath, ErrorKind, MAX_PATH_BYTES, escape};

/// An error of packing. No file is left behind, since the temporary file has no name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The plan's entries are not sorted by the bytes of their paths, or a path occurs twice. This is a bug in the
    /// planner.
    #[error("entry {path} does not come after {previous}: the plan of the layer is not sorted")]
    Unsorted {
        /// The entry in the wrong position.
        path: EntryPath,
        /// The entry before it.
        previous: EntryPath,
    },
    /// A tar cannot hold the entry.
    #[error("cannot write entry {path} to a layer")]
    Entry {
        /// The entry.
        path: EntryPath,
        /// What is wrong with it.
        #[source]
        problem: EntryProblem,
    },
    /// The plan requests an unsupported compression.
    #[error("cannot compress layer \"{}\"", escape(.layer.as_bytes()))]
    Compression {
        /// The layer's name.
        layer: String,
        /// What is wrong.
        source: CompressError,
    },
    /// A file of the disk changed since it was listed.
    #[error("{} changed while it was packed: {what}", shown(.path))]
    Changed {
        /// The file.
        path: PathBuf,
        /// What changed.
        what: Change,
    },
    /// A file of the disk could not be opened.
    #[error("cannot open {}", shown(.path))]
    Open {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A file of the disk could not be read.
    #[error("cannot read {}", shown(.path))]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A file of the disk does not have the size that the system reports, although it did not change: the kernel
    /// generates it on reading, as in procfs and sysfs.
    #[error("{} does not have the size that the system reports: its content is generated on read", shown(.path))]
    Unsized {
        /// The file.
        path: PathBuf,
    },
    /// Content of an archive or an image could not be read.
    #[error("cannot read the content of {path} from {origin}")]
    Content {
        /// The entry.
        path: EntryPath,
        /// The source of the content.
        origin: Origin,
        /// The error of the reader.
        source: io::Error,
    },
    /// Content of an archive or an image is shorter than listed.
    #[error("content of {path} from {origin} ended after {actual_bytes} of {expected_bytes} bytes")]
    ContentShort {
        /// The entry.
        path: EntryPath,
        /// The source of the content.
        origin: Origin,
        /// The listed size, in bytes.
        expected_bytes: u64,
        /// The actual size, in bytes.
        actual_bytes: u64,
    },
    /// Content of an archive or an image is longer than listed.
    #[error("content of {path} from {origin} has more than the expected {expected_bytes} bytes")]
    ContentLong {
        /// The entry.
        path: EntryPath,
        /// The source of the content.
        origin: Origin,
        /// The listed size, in bytes.
        expected_bytes: u64,
    },
    /// The temporary file could not be created or written.
    #[error("cannot write the layer to a temporary file in {}", shown(.directory))]
    Scratch {
        /// Its directory.
        directory: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A tar could not be written to the given writer.
    #[error("cannot write the tar of the layer")]
    Write {
        /// The error of the writer.
        source: io::Error,
    },
    /// A block could not be compressed. This is a bug.
    #[error("cannot compress a block of the layer")]
    Encode {
        /// The error of the encoder.
        source: CompressError,
    },
    /// A thread ended without a result. This is a bug.
    #[error("the thread for {stage} the layer ended unexpectedly")]
    Panicked {
        /// What the thread was doing.
        stage: &'static str,
    },
}

/// The problem of an entry that a tar cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryProblem {
    /// It is the root of the image, which is never written.
    #[error("the root of the image cannot be an entry")]
    Root,
    /// It is a symbolic link without target.
    #[error("the link's target is empty")]
    EmptyTarget,
    /// It is a symbolic link whose target contains a NUL byte.
    #[error("the link's target has a NUL byte")]
    NulInTarget,
    /// It is a symbolic link whose target is longer than any system accepts.
    #[error("the link's target of {0} bytes is over the limit of {MAX_PATH_BYTES}")]
    TargetTooLong(usize),
    /// A record cannot hold the name of its extended attribute.
    #[error("extended attribute \"{}\": the name is empty, or has a NUL byte or `=` in it", escape(.0))]
    XattrName(Vec<u8>),
    /// Linux does not accept its `security.capability`.
    #[error("the value of security.capability has an unknown version")]
    Capability,
    /// Its path, target and extended attributes are larger than readers accept.
    #[error("its headers take {size_bytes} bytes, over the limit of {limit_bytes}")]
    HeadersTooLarge {
        /// Size of the headers, in bytes.
        size_bytes: u64,
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// The plan has different sizes for the entry and its content. This is a bug in the planner.
    #[error("expected {size_bytes} bytes of content, found {content_bytes}")]
    Size {
        /// Size of the entry, in bytes.
        size_bytes: u64,
        /// Size of the content, in bytes.
        content_bytes: u64,
    },
}

/// The difference of a file of the disk to its listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It no longer exists.
    Vanished,
    /// Another file, or something that is not a file, replaced it.
    Replaced,
    /// Its size changed.
    Resized {
        /// The listed size, in bytes.
        expected_bytes: u64,
        /// The actual size, in bytes.
        actual_bytes: u64,
    },
    /// It was written to.
    Written,
    /// Its mode changed.
    Mode,
}

impl std::fmt::Display for Change {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Vanished => formatter.write_str("it no longer exists"),
            Self::Replaced => formatter.write_str("it was replaced"),
            Self::Resized {
                expected_bytes,
                actual_bytes,
            } => {
                write!(formatter, "expected {expected_bytes} bytes, found {actual_bytes}")
            }
            Self::Written => formatter.write_str("it was written to"),
            Self::Mode => formatter.write_str("its mode changed"),
        }
    }
}

/// The source of content that the caller opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// An archive on the disk.
    Archive,
    /// An image.
    Image,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Archive => "its archive",
            Self::Image => "its image",
        })
    }
}

impl Diagnostic for PackError {
    fn error_kind(&self) -> ErrorKind {
        match self {
            Self::Entry {
                problem: EntryProblem::Root | EntryProblem::Size { .. },
                ..
            } => ErrorKind::Local,
            Self::Entry { .. } | Self::Compression { .. } | Self::Unsized { .. } => ErrorKind::Input,
            Self::Content { origin, source, .. } => content_class(*origin, source.kind()),
            Self::ContentShort {
                origin: Origin::Image, ..
            }
            | Self::ContentLong {
                origin: Origin::Image, ..
            } => ErrorKind::Remote,
            _ => ErrorKind::Local,
        }
    }

    fn help(&self) -> Option<String> {
        let help = match self {
            Self::Unsized { .. } => "copy it to a regular file (cat FILE > COPY), and pack the copy",
            Self::Changed { .. } => "build again when nothing writes to it",
            Self::ContentShort {
                origin: Origin::Archive,
                ..
            }
            | Self::ContentLong {
                origin: Origin::Archive,
                ..
            } => "build again when nothing writes to the archive",
            Self::Open { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "make it readable for the user who builds, or exclude it with `exclude`"
            }
            Self::Scratch { source, .. } if is_full(source) => {
                "free some space there, or set TMPDIR to a directory with more space"
            }
            Self::Scratch { source, .. } if source.kind() == io::ErrorKind::FileTooLarge => {
                "raise the limit on file size (`ulimit -f`), or set TMPDIR to a directory that allows larger files"
            }
            Self::Scratch { .. } => "set TMPDIR to a writable directory",
            Self::Compression { source, .. } => return source.help().map(str::to_owned),
            Self::Entry {
                problem: EntryProblem::XattrName(_),
                ..
            } => "remove the attribute from `xattrs`",
            Self::Entry {
                problem: EntryProblem::HeadersTooLarge { .. },
                ..
            } => "remove large attributes from `xattrs`",
            Self::Unsorted { .. } | Self::Encode { .. } | Self::Panicked { .. } => "this is a bug: please report it",
            _ => return None,
        };
        Some(help.to_owned())
    }
}

/// Returns the class of an error of content: a damaged archive is invalid input, a damaged image is a registry error,
/// and everything else is a local error.
fn content_class(origin: Origin, kind: io::ErrorKind) -> ErrorKind {
    match (origin, kind) {
        (Origin::Archive, io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => ErrorKind::Input,
        (Origin::Image, io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => ErrorKind::Remote,
        (Origin::Image, io::ErrorKind::NotFound) => ErrorKind::NotFound,
        _ => ErrorKind::Local,
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_bytes())
}
