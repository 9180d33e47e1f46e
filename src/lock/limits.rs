//! Versions and sizes of lockfiles.

/// Greatest size of a lockfile, in bytes. A platform of a large base image needs some 200 KB in a lockfile of version 1,
/// so there is room for hundreds of them.
pub const MAX_LOCK_BYTES: u64 = 64 * 1024 * 1024;

/// Greatest size of all facts files of a lockfile together, in bytes. It has the same room.
pub const MAX_FACTS_BYTES: u64 = 64 * 1024 * 1024;

/// Version of the format. A lockfile of a later version is refused, since its meaning is not known.
pub const LOCK_VERSION: i64 = 2;

/// Version of the format that held the facts too. It is read, and never written.
pub const FIRST_VERSION: i64 = 1;
