//! Places in compose files.

use crate::deploy::yaml::{Node, ScalarStyle, Span};

/// A place in one of the compose files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Index of the file.
    pub file: usize,
    /// The bytes in its text.
    pub span: Span,
}

impl Place {
    /// Returns the place of a part of a scalar, given in bytes of its decoded text. If the text is not written as it is
    /// decoded, it is the place of the whole scalar.
    pub fn of_part(file: usize, source: &str, node: Node<'_>, part: &Span) -> Self {
        let span = node.span();
        let quote = match node.as_scalar().map(|scalar| scalar.style) {
            Some(ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted) => 1,
            _ => 0,
        };
        let start = span.start + quote;
        let written = source.get(start..span.end.saturating_sub(quote));
        let is_literal = !node.is_alias() && written.is_some() && written == node.as_text();
        if is_literal && !part.is_empty() {
            let span = start + part.start..start + part.end;
            return Self { file, span };
        }
        Self { file, span }
    }

    /// Returns the place of a node.
    pub fn of(file: usize, node: Node<'_>) -> Self {
        Self {
            file,
            span: node.span(),
        }
    }
}
