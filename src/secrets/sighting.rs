//! Something that looks like a secret, and its position. The value itself is never stored.

use super::kind::Kind;

/// Something that looks like a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// The kind of secret that it looks like.
    pub kind: Kind,
    /// Its position in the file.
    pub place: Place,
    /// `false` if it may be an example: its checksum is wrong, or it looks typed by a person.
    pub is_certain: bool,
}

/// A position in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The file as a whole.
    Whole,
    /// This line, from 1.
    Line(u64),
    /// This byte, from 0; used for large files and files that are not text.
    Byte(u64),
}

impl Place {
    /// Returns ` (line 3)`, for messages; empty for the whole file.
    pub fn suffix(self) -> String {
        match self {
            Self::Whole => String::new(),
            Self::Line(line) => format!(" (line {line})"),
            Self::Byte(byte) => format!(" (byte {byte})"),
        }
    }
}

/// A secret in a text, before the position of the text in its file is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) kind: Kind,
    /// Its start, in bytes from the start of the text.
    pub(super) at: usize,
    pub(super) is_certain: bool,
}

impl Hit {
    /// Creates a hit without doubt.
    pub(super) fn certain(kind: Kind, at: usize) -> Self {
        Self {
            kind,
            at,
            is_certain: true,
        }
    }
}
