//! What a rule says of itself.

use crate::check::{Code, Evidence, Finding, Interest, Subject};
use crate::model::EntryPath;

/// A function that adds the findings of a rule.
type Find = fn(&Subject, &mut Vec<Finding>);

/// Returns the part of the file at a path that a rule needs; the number is the file's mode.
type Reads = fn(&EntryPath, u32) -> Interest;

/// Reads a part of a file of your layers. Returns `None` for a file that cannot be read, and for a part that was asked for
/// before.
pub type ReadPart<'r> = dyn FnMut(&EntryPath, Interest) -> Option<Evidence> + 'r;

/// Reads the files of your layers that those which were read refer to.
type Follows = fn(&Subject, &mut ReadPart<'_>);

/// One rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The codes of its findings.
    pub codes: &'static [Code],
    /// Returns the part of a file of your layers that must be read for it, by path and mode alone.
    pub reads: Reads,
    /// Reads the files that must be read for it because others refer to them. It is called again as long as it comes to
    /// files that were not read.
    pub follows: Follows,
    /// Adds its findings.
    pub find: Find,
}

impl Rule {
    /// Creates a rule that needs no file to be read, or what others have read for it.
    pub const fn new(codes: &'static [Code], find: Find) -> Self {
        Self {
            codes,
            reads: |_, _| Interest::Nothing,
            follows: |_, _| {},
            find,
        }
    }

    /// Returns the rule with the files that must be read for it.
    #[must_use]
    pub const fn reading(self, reads: Reads) -> Self {
        Self { reads, ..self }
    }

    /// Returns the rule with the files that must be read for it because others refer to them.
    #[must_use]
    pub const fn following(self, follows: Follows) -> Self {
        Self { follows, ..self }
    }
}

/// Reads these parts of files.
pub fn read_all(parts: impl IntoIterator<Item = (EntryPath, Interest)>, read: &mut ReadPart<'_>) {
    for (path, interest) in parts {
        let _kept_by_the_caller = read(&path, interest);
    }
}
