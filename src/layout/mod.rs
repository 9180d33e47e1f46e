//! OCI image layouts as directories (image-spec, image-layout.md).
//!
//! Everything is written to a temporary file, made durable and renamed: `oci-layout` first, then blobs, and `index.json`
//! last, read, merged and replaced under a lock, so that a killed process or a second writer leaves the layout as it was
//! or as it should be. A blob that is there already is trusted only after its size and hash were checked.
//!
//! What nothing reaches is deleted when that is asked for, and never by itself. Writers hold the directory of the blobs,
//! shared, from the first blob that they look for to their end; who deletes holds it alone, so that no blob goes that a
//! writer has found or put and not listed yet.
//!
//! It must never follow a symbolic link inside of a layout, replace a tag of an image of another name, or drop what
//! another tool has put into `index.json`. File systems without `flock` (some NFS) are not supported for writing.

mod disk;
mod prune;
mod sink;
mod source;
#[cfg(test)]
mod tests;

pub use disk::{LOCK_TIMEOUT, Layout};
pub use prune::PrunedLayout;
pub use sink::LayoutSink;
