//! Bounds on what others wrote: how much an archive or a layer may unpack to, and how much text its members may hold. They
//! are shared by all that read such things, so that one image is not refused here and taken there.

/// Uncompressed bytes that anything may have, in however few it is stored: 1 GiB, which is read in seconds.
pub const FREE_EXPANSION_BYTES: u64 = 1024 * 1024 * 1024;

/// The same, as it is held to. Unit tests reach it in a moment.
const FREE_BYTES: u64 = if cfg!(test) { 16 * 1024 * 1024 } else { FREE_EXPANSION_BYTES };

/// Uncompressed bytes beyond those for each stored byte. Programs have two to five, and text twenty; what has more was made to
/// keep its readers busy for ever, or to fill their disks.
pub const MAX_EXPANSION: u64 = 256;

/// Greatest size of the names of all entries together, in bytes: held in memory, once. The largest images in the wild have
/// some hundred thousand entries, and names of 10 MB.
pub const MAX_NAMES_BYTES: u64 = 256 * 1024 * 1024;

/// Greatest size of the targets of all links together, in bytes: held in memory, once. A million links of 64 bytes; links
/// that large compress to next to nothing.
pub const MAX_LINK_TARGETS_BYTES: u64 = 64 * 1024 * 1024;

/// The most uncompressed bytes that `stored_bytes` can be meant to hold.
pub fn max_expanded_bytes(stored_bytes: u64) -> u64 {
    FREE_BYTES.saturating_add(stored_bytes.saturating_mul(MAX_EXPANSION))
}

/// True where so many uncompressed bytes are more than `stored_bytes` can be meant to hold.
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
