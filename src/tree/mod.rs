//! The file tree of an image: from its layers as a stream, without unpacking them; and what a build must know of a base.
//!
//! Paths are resolved as the system would see them inside the image, rooted there (image-spec, layer.md).

mod accounts;
mod entries;
mod error;
mod layers;
mod node;
mod pax;
mod resolve;
#[cfg(test)]
mod testing;
mod view;

pub use accounts::{Accounts, GroupEntry, UserEntry};
pub use entries::MAX_EXTENDED_HEADER_BYTES;
pub use error::{LayerError, TreeError};
pub use layers::{MAX_NODES, MAX_TEXT_BYTES, TreeBuilder, Visit};
pub use node::{Node, NodeKind, Tree, Xattrs};
pub use pax::{MAX_XATTR_NAME_BYTES, MAX_XATTR_VALUE_BYTES};
pub use resolve::{MAX_LINKS, ResolveError};
pub use view::View;
