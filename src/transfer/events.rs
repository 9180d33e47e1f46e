//! What a copy tells while it runs, and what it has done in the end.

use crate::model::Descriptor;

/// What became of one blob or manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Its bytes were sent.
    Copied,
    /// The target's registry had it in another repository.
    Mounted,
    /// The target had it.
    Skipped,
    /// A layer that need not be distributed, which the source does not hold: its descriptor says where it is.
    Foreign,
}

impl Outcome {
    /// One word for a person or a machine.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Copied => "copied",
            Self::Mounted => "mounted",
            Self::Skipped => "skipped",
            Self::Foreign => "foreign",
        }
    }
}

/// Something that happened while an image was copied.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The graph is known: so many blobs and manifests, so many bytes at the most.
    Planned {
        /// Blobs and manifests.
        blobs: usize,
        /// Their sizes, added.
        size_bytes: u64,
    },
    /// The bytes of a blob begin to be sent. Comes again where a target starts anew.
    Started(&'a Descriptor),
    /// So many bytes of it have been read since it started.
    Progress(&'a Descriptor, u64),
    /// It is there.
    Finished(&'a Descriptor, Outcome),
    /// The root and its tags are written.
    Published(&'a Descriptor),
}

/// Is told of what happens. Called from the task that copies: it must return at once.
pub trait Observer: Send + Sync {
    /// One event.
    fn event(&self, event: Event<'_>);
}

/// An observer that does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: Event<'_>) {}
}

/// What became of one blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobReport {
    /// The blob.
    pub descriptor: Descriptor,
    /// What became of it.
    pub outcome: Outcome,
}

/// What a copy has done: every blob and manifest but the root, in the order of the graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// One line a blob.
    pub blobs: Vec<BlobReport>,
}

impl Report {
    /// What became of a blob; `None` where the graph does not hold it.
    pub fn outcome(&self, digest: &crate::model::Digest) -> Option<Outcome> {
        self.blobs.iter().find(|blob| blob.descriptor.digest == *digest).map(|blob| blob.outcome)
    }

    /// Bytes that were sent.
    pub fn copied_bytes(&self) -> u64 {
        let copied = self.blobs.iter().filter(|blob| blob.outcome == Outcome::Copied);
        copied.map(|blob| blob.descriptor.size_bytes).fold(0, u64::saturating_add)
    }
}
