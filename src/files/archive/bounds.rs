//! Limits of archives.

/// Greatest number of members of an archive: ten times the largest trees that were seen, and few enough to hold in
/// memory.
pub const MAX_MEMBERS: usize = 1_000_000;

/// Greatest size of a decompressed archive, in bytes: 64 GiB, more than any real artifact. A larger one is a
/// decompression bomb that would fill the disk.
pub const MAX_SPOOL_BYTES: u64 = 64 * 1024 * 1024 * 1024;
