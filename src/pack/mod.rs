//! Packs layers: converts a [`LayerPlan`](crate::model::LayerPlan) to the bytes of a layer in one pass: tar, diff ID,
//! compression, digest, temporary file.
//!
//! The tar is USTAR. PAX extended headers (POSIX.1-2017, pax, "ustar Interchange Format" and "pax Interchange Format")
//! are only used if a field cannot hold its value, as byte format 1 specifies. Layers are those of image-spec,
//! layer.md.
//!
//! Contents are scanned for secrets in the same pass, so that no file is read only for the scan.
//!
//! Memory is limited by the blocks in progress, about three per thread, and does not grow with the layer. The bytes
//! must depend on nothing but the plan and the contents: not on the number of threads, the size of a buffer, or the
//! state of the disk. This module must never return a layer whose content differs from the listed state of its sources,
//! never follow a link that replaced a file, and never leave a file behind, even after an error.

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
    HashedLayer, LayerReader, MAX_THREADS, PackOptions, PackedLayer, hash_layer, pack_layer, put_together, scan_layer,
};
pub use tar::write_tar;
