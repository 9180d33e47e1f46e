//! Files and symbolic links of your layers, and the evidence of those that were opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::evidence::Evidence;
use super::marks::Marks;
use crate::model::{Content, Entry, EntryKind};

/// A file or a symbolic link of your layers that exists in the finished image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnFile {
    /// The layer's name.
    pub layer: Arc<str>,
    /// Size in bytes; 0 of a link.
    pub size_bytes: u64,
    /// The rules that may apply to it.
    pub(super) marks: Marks,
    /// Boxed, since most files are never opened, and images have very many.
    seen: Option<Box<Seen>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    source: Option<PathBuf>,
    evidence: Evidence,
}

impl OwnFile {
    /// Creates a file of a layer that was not opened.
    pub fn new(layer: Arc<str>, size_bytes: u64) -> Self {
        Self {
            layer,
            size_bytes,
            marks: Marks::default(),
            seen: None,
        }
    }

    /// Adds its evidence, and its path on the disk for files that come from there.
    #[must_use]
    pub fn seen(self, evidence: Evidence, source: Option<PathBuf>) -> Self {
        let seen = (evidence != Evidence::NotRead).then(|| Box::new(Seen { source, evidence }));
        Self { seen, ..self }
    }

    /// Returns `true` if a rule that goes by `marks` is to look at it.
    pub(super) fn has(&self, marks: Marks) -> bool {
        self.marks.has(marks)
    }

    /// Returns its evidence.
    pub fn evidence(&self) -> &Evidence {
        self.seen.as_ref().map_or(&Evidence::NotRead, |seen| &seen.evidence)
    }

    /// Returns its path on the disk; `None` for files that were not opened or come from elsewhere.
    pub fn source(&self) -> Option<&Path> {
        self.seen.as_ref()?.source.as_deref()
    }
}

/// Returns the file of an entry, with its evidence.
pub(super) fn own_file(entry: &Entry, layer: Arc<str>, evidence: Evidence) -> OwnFile {
    let EntryKind::File { size_bytes, content } = &entry.kind else {
        return OwnFile::new(layer, 0);
    };
    let file = OwnFile::new(layer, *size_bytes);
    match (evidence, content) {
        (Evidence::NotRead, _) => file,
        (evidence, Content::Disk(source)) => file.seen(evidence, Some(source.path.clone())),
        (evidence, _) => file.seen(evidence, None),
    }
}
