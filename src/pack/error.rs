//! What can go wrong while a layer is packed.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::compress::CompressError;
use crate::model::{Class, Diagnose, EntryPath, MAX_PATH_BYTES, escape};

/// An error of packing. Nothing is left behind by it: the temporary file has no name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The plan's entries are not sorted by the bytes of their paths, or one path stands twice: a bug of its maker.
    #[error("entry {path} does not come after {previous}: the plan of the layer is not sorted")]
    Unsorted {
        /// The entry that is out of place.
        path: EntryPath,
        /// The entry before it.
        previous: EntryPath,
    },
    /// An entry that no tar can hold.
    #[error("cannot write entry {path} to a layer")]
    Entry {
        /// The entry.
        path: EntryPath,
        /// What is wrong with it.
        #[source]
        problem: EntryProblem,
    },
    /// The plan asks for a compression that there is not.
    #[error("cannot compress layer \"{}\"", escape(.layer.as_bytes()))]
    Compression {
        /// The layer's name.
        layer: String,
        /// What is wrong.
        source: CompressError,
    },
    /// A file of the disk is not what it was when it was listed.
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
        /// What the system said.
        source: io::Error,
    },
    /// A file of the disk could not be read.
    #[error("cannot read {}", shown(.path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the disk that has another size than the system says, without having changed: the kernel makes it up as it is
    /// read, as those of procfs and sysfs.
    #[error("{} does not have the size that the system reports: its content is generated on read", shown(.path))]
    Unsized {
        /// The file.
        path: PathBuf,
    },
    /// Content out of an archive or an image could not be read.
    #[error("cannot read the content of {path} from {origin}")]
    Content {
        /// The entry.
        path: EntryPath,
        /// Where its content comes from.
        origin: Origin,
        /// What the reader said.
        source: io::Error,
    },
    /// Content out of an archive or an image is shorter than it was listed.
    #[error("content of {path} from {origin} ended after {actual_bytes} of {expected_bytes} bytes")]
    ContentShort {
        /// The entry.
        path: EntryPath,
        /// Where its content comes from.
        origin: Origin,
        /// The size that was listed, in bytes.
        expected_bytes: u64,
        /// What there was, in bytes.
        actual_bytes: u64,
    },
    /// Content out of an archive or an image is longer than it was listed.
    #[error("content of {path} from {origin} has more than the expected {expected_bytes} bytes")]
    ContentLong {
        /// The entry.
        path: EntryPath,
        /// Where its content comes from.
        origin: Origin,
        /// The size that was listed, in bytes.
        expected_bytes: u64,
    },
    /// The temporary file could not be made or written.
    #[error("cannot write the layer to a temporary file in {}", shown(.directory))]
    Scratch {
        /// The directory that it lies in.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A tar could not be written to the writer that it was meant for.
    #[error("cannot write the tar of the layer")]
    Write {
        /// What the writer said.
        source: io::Error,
    },
    /// A block could not be compressed, which is a bug.
    #[error("cannot compress a block of the layer")]
    Encode {
        /// What the encoder said.
        source: CompressError,
    },
    /// A thread ended without a result, which is a bug.
    #[error("the thread for {stage} the layer ended unexpectedly")]
    Panicked {
        /// What it was doing.
        stage: &'static str,
    },
}

/// What is wrong with an entry that no tar can hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryProblem {
    /// The root of the image is never written.
    #[error("the root of the image cannot be an entry")]
    Root,
    /// A symbolic link without target.
    #[error("the link's target is empty")]
    EmptyTarget,
    /// A symbolic link whose target has a NUL byte.
    #[error("the link's target has a NUL byte")]
    NulInTarget,
    /// A symbolic link whose target is longer than any system would accept.
    #[error("the link's target of {0} bytes is over the limit of {MAX_PATH_BYTES}")]
    TargetTooLong(usize),
    /// The name of an extended attribute that no record can hold.
    #[error("extended attribute \"{}\": the name is empty, or has a NUL byte or `=` in it", escape(.0))]
    XattrName(Vec<u8>),
    /// `security.capability` that Linux would not take either.
    #[error("the value of security.capability has an unknown version")]
    Capability,
    /// Paths, targets and extended attributes that take more room than readers grant.
    #[error("its headers take {size_bytes} bytes, over the limit of {limit_bytes}")]
    HeadersTooLarge {
        /// Size of the headers, in bytes.
        size_bytes: u64,
        /// The most there may be, in bytes.
        limit_bytes: u64,
    },
    /// The entry and its content are planned with two sizes: a bug of the plan's maker.
    #[error("expected {size_bytes} bytes of content, found {content_bytes}")]
    Size {
        /// Size of the entry, in bytes.
        size_bytes: u64,
        /// Size of the content, in bytes.
        content_bytes: u64,
    },
}

/// How a file of the disk differs from what was listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is gone.
    Vanished,
    /// Another file, or something that is no file, stands in its place.
    Replaced,
    /// It has another size.
    Resized {
        /// The size that was listed, in bytes.
        expected_bytes: u64,
        /// The size that was found, in bytes.
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
            Self::Resized { expected_bytes, actual_bytes } => {
                write!(formatter, "expected {expected_bytes} bytes, found {actual_bytes}")
            }
            Self::Written => formatter.write_str("it was written to"),
            Self::Mode => formatter.write_str("its mode changed"),
        }
    }
}

/// Where content comes from that the caller opens.
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

impl Diagnose for PackError {
    fn class(&self) -> Class {
        match self {
            Self::Entry { problem: EntryProblem::Root | EntryProblem::Size { .. }, .. } => Class::Here,
            Self::Entry { .. } | Self::Compression { .. } | Self::Unsized { .. } => Class::Input,
            Self::Content { origin, source, .. } => content_class(*origin, source.kind()),
            Self::ContentShort { origin: Origin::Image, .. } | Self::ContentLong { origin: Origin::Image, .. } => {
                Class::OtherSide
            }
            _ => Class::Here,
        }
    }

    fn help(&self) -> Option<String> {
        let help = match self {
            Self::Unsized { .. } => "copy it to a regular file (cat FILE > COPY), and pack the copy",
            Self::Changed { .. } => "build again when nothing writes to it",
            Self::ContentShort { origin: Origin::Archive, .. } | Self::ContentLong { origin: Origin::Archive, .. } => {
                "build again when nothing writes to the archive"
            }
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
            Self::Entry { problem: EntryProblem::XattrName(_), .. } => "remove the attribute from `xattrs`",
            Self::Entry { problem: EntryProblem::HeadersTooLarge { .. }, .. } => {
                "remove large attributes from `xattrs`"
            }
            Self::Unsorted { .. } | Self::Encode { .. } | Self::Panicked { .. } => "this is a bug: please report it",
            _ => return None,
        };
        Some(help.to_owned())
    }
}

/// A damaged archive is bad input, a damaged image is the other side's; all else failed here.
fn content_class(origin: Origin, kind: io::ErrorKind) -> Class {
    match (origin, kind) {
        (Origin::Archive, io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => Class::Input,
        (Origin::Image, io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => Class::OtherSide,
        (Origin::Image, io::ErrorKind::NotFound) => Class::NotFound,
        _ => Class::Here,
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_bytes())
}
