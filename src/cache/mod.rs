//! The cache: content that can be recreated, stored for later builds.
//!
//! Each file is named by a key that covers all of its inputs, so that an entry is never out of date. Files are at
//! `KIND/vVERSION/AB/ABCDEF…` below the root, beside the journal of uploads (`uploads`, which the registry module
//! writes) and the total size (`size`). Everything may be deleted at any time, also by other processes, also while it
//! is used: a missing file is a cache miss.
//!
//! A file is written to a temporary one and renamed, so that it is never visible in part. It is not synced: each begins
//! with the digest of kind, key and content, which is verified at every read, so a file damaged by a power failure is a
//! cache miss too, and is deleted. That digest detects damage but no forgery: a user who can write here can change what
//! is built.
//!
//! The age of a file is the time since its last use. Most reads cause no write: the time is updated only if it is older
//! than an hour.

mod count;
mod directory;
mod entry;
mod kind;
mod ledger;
mod modes;
mod scan;
#[cfg(test)]
mod tests;
mod trim;
mod usage;

pub use count::Count;
pub use directory::{Cache, DEFAULT_LIMIT_BYTES};
pub use kind::Kind;
pub use trim::Trimmed;
pub use usage::{KindUsage, Unsound, Verified};
