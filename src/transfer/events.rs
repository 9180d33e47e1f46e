//! The events of a copy while it runs, and its report at the end.

use crate::model::Descriptor;

/// The outcome for one blob or manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Its bytes were sent.
    Copied,
    /// It was mounted from another repository of the target's registry.
    Mounted,
    /// The target had it.
    Skipped,
    /// A non-distributable layer that the source does not have: its descriptor says where it is.
    Foreign,
}

impl Outcome {
    /// Returns one word for people and programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Copied => "copied",
            Self::Mounted => "mounted",
            Self::Skipped => "skipped",
            Self::Foreign => "foreign",
        }
    }
}

/// An event during the copy of an image.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The graph is known: the number of blobs and manifests, and an upper bound of the bytes.
    Planned {
        /// Number of blobs and manifests.
        blobs: usize,
        /// Sum of their sizes.
        size_bytes: u64,
    },
    /// Sending of a blob's bytes starts. It is repeated if a target restarts the blob.
    Started(&'a Descriptor),
    /// Bytes of the blob that have been read since it started.
    Progress(&'a Descriptor, u64),
    /// The blob exists in the target.
    Finished(&'a Descriptor, Outcome),
    /// The root and its tags are written.
    Published(&'a Descriptor),
}

/// Receives the events of a copy. It is called from the task that copies, and must not block.
pub trait Observer: Send + Sync {
    /// Handles one event.
    fn event(&self, event: Event<'_>);
}

/// An observer that does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: Event<'_>) {}
}

/// The outcome for one blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobReport {
    /// The blob.
    pub descriptor: Descriptor,
    /// Its outcome.
    pub outcome: Outcome,
}

/// The result of a copy: every blob and manifest except the root, in the order of the graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// One entry for each blob and manifest.
    pub blobs: Vec<BlobReport>,
}

impl Report {
    /// Returns the outcome for a blob, or `None` if it is not in the graph.
    pub fn outcome(&self, digest: &crate::model::Digest) -> Option<Outcome> {
        self.blobs
            .iter()
            .find(|blob| blob.descriptor.digest == *digest)
            .map(|blob| blob.outcome)
    }

    /// Returns the number of bytes that were sent.
    pub fn copied_bytes(&self) -> u64 {
        let copied = self.blobs.iter().filter(|blob| blob.outcome == Outcome::Copied);
        copied
            .map(|blob| blob.descriptor.size_bytes)
            .fold(0, u64::saturating_add)
    }
}
