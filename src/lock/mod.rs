//! The lockfile: the images of a spec, pinned by digest for each platform, with the facts of each image.
//!
//! A lockfile is sorted TOML with only one valid form, made for review in a diff. Its checksum covers everything that
//! follows it, so that a manual edit or a wrong merge is detected. It must never contain anything that depends on the
//! machine or on the location of the checkout.
//!
//! Digests and descriptors are those of the image-spec (descriptor.md). Facts are those of [`crate::tree`], compressed.

mod error;
mod format;
mod lockfile;
mod pin;
#[cfg(test)]
mod tests;

pub use error::LockError;
pub use lockfile::Lock;
pub use pin::{LockedFacts, LockedImage, Pin};
