//! OCI image layouts as directories (image-spec, image-layout.md).
//!
//! Everything is written to a temporary file, made durable and renamed: `oci-layout` first, then blobs, and `index.json`
//! last, read, merged and replaced under a lock, so that a killed process or a second writer leaves the layout as it was
//! or as it should be. A blob that is there already is trusted only after its size and hash were checked.
//!
//! It must never follow a symbolic link inside of a layout, replace a tag of an image of another name, or drop what
//! another tool has put into `index.json`. File systems without `flock` (some NFS) are not supported for writing.

mod disk;
mod sink;
mod source;
#[cfg(test)]
mod tests;

pub use disk::{LOCK_TIMEOUT, Layout};
pub use sink::LayoutSink;
