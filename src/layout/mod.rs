//! OCI image layouts as directories (image-spec, image-layout.md).
//!
//! Every file is written to a temporary file, made durable and renamed: `oci-layout` first, then blobs, and
//! `index.json` last, which is read, merged and replaced under a lock. A killed process or a second writer leaves the
//! layout in the old or in the new state. An existing blob is used only after its size and hash were verified.
//!
//! Unreachable blobs are deleted on request only. Writers hold a shared lock on the directory of the blobs, from the
//! first blob that they look up to their end; deleting needs an exclusive lock. So no blob is deleted that a writer has
//! found or put and not listed yet.
//!
//! This module must never follow a symbolic link inside of a layout, replace a tag of an image of another name, or drop
//! content of `index.json` that another tool has written. File systems without `flock` (some NFS) are not supported for
//! writing.

mod disk;
mod prune;
mod sink;
mod source;
#[cfg(test)]
mod tests;

pub use disk::{LOCK_TIMEOUT, Layout};
pub use prune::PrunedLayout;
pub use sink::LayoutSink;
