//! Access to images: the two traits that layouts, archives, registries and memory implement, and the one function that
//! opens a blob.
//!
//! A backend does not verify what it reads: [`open`] wraps every reader in a [`VerifiedReader`], and nothing else calls
//! [`Source::open_unverified`].

mod choose;
#[cfg(test)]
pub(crate) mod contract;
mod entries;
mod error;
mod error_code;
mod layout_images;
mod layout_index;
pub mod local;
mod memory;
pub mod output;
mod put;
mod read;
mod resolve;
mod restrict;
mod sink;
mod source;
mod verified;

pub use choose::{Candidate, choose, not_found};
pub use entries::{
    Entries, ListedImage, ReadEntry, SkippedEntry, check_listed, is_attached, is_unknown, list_entries, read_listed,
    reference_of, why_no_image,
};
pub use error::{Side, StoreError};
pub use error_code::ErrorCode;
pub use layout_images::resolve_listed;
pub use layout_index::{
    INDEX_NAME, LAYOUT_MARKER, LAYOUT_MARKER_NAME, LayoutIndex, MAX_MARKER_BYTES, check_layout_marker, named,
};
pub use memory::MemoryStore;
pub use put::put_bytes;
pub use read::{read_config, read_image, read_root};
pub use resolve::{PlatformMatch, select_platform};
pub use restrict::select_platforms;
pub use sink::{Ensured, Sink};
pub use source::{BlobReader, Source};
pub use verified::{VerifiedReader, open};
