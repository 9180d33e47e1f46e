//! What a rule says of itself.

use crate::check::code::Code;
use crate::check::evidence::Interest;
use crate::check::finding::Finding;
use crate::check::subject::Subject;
use crate::model::EntryPath;

/// A function that adds the findings of a rule.
type Find = fn(&Subject, &mut Vec<Finding>);

/// Returns the part of the file at a path that a rule needs; the number is the file's mode.
type Reads = fn(&EntryPath, u32) -> Interest;

/// One rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The codes of its findings.
    pub codes: &'static [Code],
    /// Returns the part of a file of your layers that must be read for it, by path and mode alone.
    pub reads: Reads,
    /// Adds its findings.
    pub find: Find,
}

impl Rule {
    /// Creates a rule that needs no file to be read, or what others have read for it.
    pub const fn new(codes: &'static [Code], find: Find) -> Self {
        Self {
            codes,
            reads: |_, _| Interest::Nothing,
            find,
        }
    }

    /// Returns the rule with the files that must be read for it.
    #[must_use]
    pub const fn reading(self, reads: Reads) -> Self {
        Self { reads, ..self }
    }
}
