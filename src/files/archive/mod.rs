//! Lists the members of archives on the disk, and reads them in any order.
//!
//! Supports tar (POSIX.1-1988 and -2001, and GNU's long names), plain or compressed by gzip or zstd, and zip (APPNOTE
//! 6.3.10). The format is detected from the content. A compressed tar is spooled once to an unlinked temporary file. An
//! archive that ends early, violates its format, or changes while it is used is an error; members are never truncated
//! silently.

mod archives;
mod bounds;
mod error;
mod format;
mod member;
mod reader;
mod tar;
mod unpack;
mod zip;

pub use archives::Archives;
pub use bounds::{MAX_MEMBERS, MAX_SPOOL_BYTES};
pub use error::{ArchiveError, Reason};
pub(super) use unpack::unpack;
