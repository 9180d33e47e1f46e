//! The lockfile: the images of specs, each pinned by one digest, and beside it what a build must know of each image.
//!
//! The lockfile has one line for each image, made for review, for merges and for programs that move pins. The facts of an
//! image are in a file of their own in the directory beside it, named by its digest. They can be read from the image
//! again, so a missing file costs time and nothing else. Neither ever contains anything that depends on the machine or on
//! the location of the checkout.
//!
//! Digests and descriptors are those of the image-spec (descriptor.md). Facts are those of [`crate::tree`], compressed.

mod error;
mod facts_file;
mod first_version;
mod limits;
mod lockfile;
mod pin;
mod pin_text;
mod text;

pub use error::LockError;
pub use facts_file::{facts_file_digest, facts_file_name};
pub use lockfile::{LoadedLock, Lock};
pub use pin::{LockedFacts, LockedImage, Pin};

#[cfg(test)]
mod tests;
