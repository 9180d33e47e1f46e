//! Packing: a [`LayerPlan`](crate::model::LayerPlan) becomes the bytes of a layer, in one pass: tar, diff id,
//! compression, digest, temporary file.
//!
//! The tar is USTAR with PAX extended headers (POSIX.1-2017, pax, "ustar Interchange Format" and "pax Interchange
//! Format") only where a field cannot hold its value, as byte format 1 says; layers are those of image-spec, layer.md.
//!
//! What passes is looked through for secrets on the way, so that no file is read for that alone.
//!
//! Memory is bounded by the blocks that are on their way, about three for each thread, and does not grow with the
//! layer. This module must never let anything but the plan and the contents reach the bytes: no thread count, no
//! buffer size, no state of the disk. It must never give out a layer that holds anything but the state of its sources
//! that was listed, never follow a link in place of a file, and never leave a file behind, whatever fails.

mod cache;
mod content;
mod cuts;
mod entry;
mod error;
mod header;
mod in_order;
mod layer;
mod pipeline;
mod scanning;
mod tar;
#[cfg(test)]
mod tests;
mod workers;

pub use cache::{BlockCache, KeptLayer};
pub use error::{Change, EntryProblem, Origin, PackError};
pub use layer::{
    HashedLayer, LayerReader, MAX_THREADS, PackObserver, PackOptions, PackedLayer, hash_layer, pack_layer,
    put_together, scan_layer,
};
pub use tar::write_tar;
