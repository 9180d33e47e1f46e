//! YAML as a tree whose nodes know their bytes in the text, so that a value can be replaced and everything else stays.
//!
//! Follows YAML 1.2.2. The tree is bounded in bytes, nodes, depth, and what its aliases expand to, so a caller may walk
//! it by recursion and follow aliases.

mod builder;
mod document;
mod duplicates;
mod error;
#[cfg(test)]
mod tests;

pub use document::{Anchor, Document, Mapping, Node, Scalar, ScalarKind, ScalarStyle, Sequence, Span, Value};
pub use duplicates::Duplicate;
pub use error::YamlError;

/// Greatest size of a file: 16 MiB. Lists of all custom resources of an operator have about 5 MB.
pub const MAX_YAML_BYTES: usize = 16 * 1024 * 1024;

/// Greatest number of nodes of a file. A tree holds them all, in about 100 bytes each; the lists of custom resources
/// have about 100 000.
pub const MAX_NODES: usize = 500_000;

/// Greatest depth, also through aliases. Schemas of custom resources reach about 50; 128 is what `serde_json` allows.
pub const MAX_DEPTH: usize = 128;

/// Greatest number of nodes of a file if each alias is replaced by what it stands for. It bounds the time of a walk that
/// follows aliases.
pub const MAX_EXPANDED_NODES: usize = 4 * MAX_NODES;

/// Parses the documents of a file. A byte-order mark is skipped, and counts in the positions.
///
/// # Errors
///
/// Text that is not YAML, that exceeds a bound, or that has an alias inside of its own anchor.
pub fn parse(text: &str) -> Result<Vec<Document>, YamlError> {
    builder::parse(text)
}
