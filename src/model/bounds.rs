//! Limits for untrusted input: how much an archive or a layer may expand to, and how much text its members may hold.
//! All readers share them, so that an image is either accepted everywhere or nowhere.

/// Uncompressed bytes that are always allowed, regardless of the stored size: 1 GiB, which is read in seconds.
pub const FREE_EXPANSION_BYTES: u64 = 1024 * 1024 * 1024;

/// The effective value of [`FREE_EXPANSION_BYTES`]. It is smaller in unit tests, so that they reach it quickly.
const FREE_BYTES: u64 = if cfg!(test) {
    16 * 1024 * 1024
} else {
    FREE_EXPANSION_BYTES
};

/// Uncompressed bytes per stored byte that are allowed in addition. Programs have two to five, text has about twenty. A
/// higher ratio is a decompression bomb that keeps its readers busy or fills their disks.
pub const MAX_EXPANSION: u64 = 256;

/// Greatest total size of the names of all entries, in bytes. They are held in memory once. The largest known images
/// have some hundred thousand entries, and 10 MB of names.
pub const MAX_NAMES_BYTES: u64 = 256 * 1024 * 1024;

/// Greatest total size of the targets of all links, in bytes. They are held in memory once. This is enough for a
/// million links of 64 bytes; longer links compress to almost nothing.
pub const MAX_LINK_TARGETS_BYTES: u64 = 64 * 1024 * 1024;

/// Returns the greatest number of uncompressed bytes that is accepted for `stored_bytes`.
pub fn max_expanded_bytes(stored_bytes: u64) -> u64 {
    FREE_BYTES.saturating_add(stored_bytes.saturating_mul(MAX_EXPANSION))
}

/// Returns `true` if `size_bytes` uncompressed bytes are more than is accepted for `stored_bytes`.
pub fn is_overexpanded(size_bytes: u64, stored_bytes: u64) -> bool {
    size_bytes > max_expanded_bytes(stored_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_counts_beyond_what_is_free() {
        assert!(!is_overexpanded(FREE_BYTES, 0));
        assert!(is_overexpanded(FREE_BYTES + 1, 0));
        assert!(!is_overexpanded(FREE_BYTES + MAX_EXPANSION, 1));
        assert!(is_overexpanded(FREE_BYTES + MAX_EXPANSION + 1, 1));
        assert!(!is_overexpanded(u64::MAX, u64::MAX));
    }

    #[test]
    fn the_bounds_are_those_that_the_messages_and_the_documentation_give() {
        assert_eq!(FREE_EXPANSION_BYTES, 1 << 30);
        assert_eq!(MAX_EXPANSION, 256);
    }
}
