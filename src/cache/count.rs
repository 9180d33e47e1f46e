//! A number of files, and their size.

/// A number of files, and their size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Number of files.
    pub files: u64,
    /// Total size in bytes.
    pub size_bytes: u64,
}

impl Count {
    /// Returns the count with one more file.
    pub(super) fn with(self, size_bytes: u64) -> Self {
        Self {
            files: self.files + 1,
            size_bytes: self.size_bytes.saturating_add(size_bytes),
        }
    }
}
