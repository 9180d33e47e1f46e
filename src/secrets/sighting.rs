//! Something that looks like a secret, and where it is. The value itself is never kept.

use super::kind::Kind;

/// Something that looks like a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// What it looks like.
    pub kind: Kind,
    /// Where it is in its file.
    pub place: Place,
    /// `false` for what a person may have made up: its checksum is wrong, or it looks typed in.
    pub is_certain: bool,
}

/// Where in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The file as a whole.
    Whole,
    /// On this line, from 1.
    Line(u64),
    /// At this byte, from 0, in files that are not text, and in large ones.
    Byte(u64),
}

impl Place {
    /// ` (line 3)`, for messages; empty for the whole file.
    pub fn suffix(self) -> String {
        match self {
            Self::Whole => String::new(),
            Self::Line(line) => format!(" (line {line})"),
            Self::Byte(byte) => format!(" (byte {byte})"),
        }
    }
}

/// A secret in a text, before it is known where the text lies in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) kind: Kind,
    /// Where it begins, in bytes from the start of the text.
    pub(super) at: usize,
    pub(super) is_certain: bool,
}

impl Hit {
    /// A hit that there is no doubt of.
    pub(super) fn certain(kind: Kind, at: usize) -> Self {
        Self { kind, at, is_certain: true }
    }
}
