//! The file tree of an image, read from its layers as streams without unpacking them; and the facts that a build needs
//! about a base image.
//!
//! Paths are resolved like inside the image, with its root as the root directory (image-spec, layer.md).

mod accounts;
mod capture;
mod cursor;
mod encoding;
mod entries;
mod error;
mod extract;
mod facts;
mod file_tree;
mod layers;
mod node;
mod packages;
mod planned;
mod planned_facts;
mod read_set;
mod resolve;
mod rpm;
mod sqlite;
mod stream;
#[cfg(test)]
mod testing;
mod view;

pub use accounts::{Accounts, GroupEntry, UserEntry};
pub use capture::{MAX_KEPT_BYTES, MAX_KEPT_FILE_BYTES, SHEBANG_BYTES};
pub use cursor::Cursor;
pub use encoding::MAX_ENCODED_BYTES;
pub use error::{LAYER_TYPE_HELP, LayerError, TreeError};
pub use extract::{Wanted, extract, read_files};
pub use facts::{FACTS_VERSION, Facts, read_facts};
pub use file_tree::Tree;
pub use layers::{MAX_NODES, MAX_XATTRS_BYTES, TreeBuilder, Visit};
pub use node::{Node, NodeKind, Xattrs};
pub use packages::{MAX_DATABASE_BYTES, MAX_PACKAGES, Package, PackageSystem};
pub use planned::OpenContent;
pub use planned_facts::planned_facts;
pub use read_set::ReadSet;
pub use resolve::{MAX_LINKS, ResolveError};
pub use rpm::MAX_RPM_DATABASE_BYTES;
pub use view::View;
