//! YAML as a tree whose nodes know their bytes in the text, so that a value can be replaced and everything else stays.
//!
//! Follows YAML 1.2.2. The tree is bounded in bytes, nodes, depth, and what its aliases expand to, so a caller may walk
//! it by recursion and follow aliases.

mod bounds;
mod builder;
mod document;
mod duplicates;
mod error;
#[cfg(test)]
mod tests;

pub use bounds::{MAX_DEPTH, MAX_EXPANDED_NODES, MAX_NODES, MAX_YAML_BYTES};
pub use document::{Anchor, Document, Mapping, Node, Scalar, ScalarKind, ScalarStyle, Sequence, Span, Value};
pub use duplicates::Duplicate;
pub use error::YamlError;

/// Parses the documents of a file. A byte-order mark is skipped, and counts in the positions.
///
/// # Errors
///
/// Text that is not YAML, that exceeds a bound, or that has an alias inside of its own anchor.
pub fn parse(text: &str) -> Result<Vec<Document>, YamlError> {
    builder::parse(text)
}
