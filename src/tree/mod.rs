//! The file tree of an image: from its layers as a stream, without unpacking them; and what a build must know of a base.
//!
//! Paths are resolved as the system would see them inside the image, rooted there (image-spec, layer.md).

mod node;
mod view;

pub use node::{Node, NodeKind, Tree};
pub use view::{MAX_LINKS, ResolveError, View};
