//! The settings in which readers of tar differ.

/// Greatest size that any caller should allow for an extended header or a GNU long name, in bytes: the limit of Go's
/// archive/tar. It is held in memory. The largest real ones are a few KiB, with attributes a few values of 64 KiB.
pub const MAX_EXTENDED_HEADER_BYTES: u64 = 1024 * 1024;

/// The settings in which readers of tar differ.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Greatest size of a PAX extended header, in bytes.
    pub max_extended_header_bytes: u64,
    /// Greatest size of a GNU long name or link target, in bytes, with the NUL that ends it.
    pub max_long_name_bytes: u64,
    /// What may be missing at the end of a stream.
    pub end: EndRule,
    /// A global header that sets path, link target or size of all members is an error. Otherwise it is ignored, as the
    /// runtimes do.
    pub refuses_global_values: bool,
    /// Sparse files are read with their holes. Otherwise they are an error.
    pub reads_sparse: bool,
    /// Extended attributes are read, within the limits of Linux. Otherwise they are ignored.
    pub reads_xattrs: bool,
}

/// The required end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndRule {
    /// The complete end marker, two blocks of zeros. A stream without it is truncated.
    Whole,
    /// At least one block of zeros. The second one may be missing.
    Half,
    /// Nothing. A stream may end between two members, and without the padding of the last one, as accepted by Go's
    /// archive/tar and thus by the runtimes. For streams whose digest is known from elsewhere.
    None,
}
