//! The algorithms that layers are compressed with.

use std::fmt;

/// The compression algorithm of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// gzip, RFC 1952; media type suffix `+gzip`.
    Gzip,
    /// Zstandard, RFC 8878; media type suffix `+zstd`.
    Zstd,
    /// Not compressed; media type without suffix.
    None,
}

impl Algorithm {
    /// Returns its name: `gzip`, `zstd` or `none`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
