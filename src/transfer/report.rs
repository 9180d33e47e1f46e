//! The progress of a copy while it runs, and its report at the end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::graph::Graph;
use crate::events::{Event, Item, Observer, Outcome, Task, Work};
use crate::model::{Descriptor, Digest};

/// Reports a copy to one target: a task for each blob whose bytes are sent.
pub struct Reporter {
    observer: Arc<dyn Observer>,
    target: String,
    /// Names of blobs that are more than a digest, such as a layer's name in the spec.
    names: Mutex<BTreeMap<Digest, Item>>,
    /// The work between blobs: queries for existing blobs, and writing tags.
    _whole: Task,
}

impl Reporter {
    /// Starts to report the copy to `target`.
    pub fn new(observer: &Arc<dyn Observer>, target: String, names: BTreeMap<Digest, Item>) -> Self {
        let whole = Task::start(observer, Work::writing(Item::default(), &target), None);
        Self {
            observer: observer.clone(),
            target,
            names: Mutex::new(names),
            _whole: whole,
        }
    }

    /// Sets the name of a blob. Must be called before the blob is copied.
    pub fn name_blob(&self, digest: Digest, name: Item) {
        // Each change of the map is one call, so a poisoned lock holds a consistent map.
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(digest, name);
    }

    /// Starts the task of sending a blob.
    pub(super) fn start(&self, descriptor: &Descriptor, graph: Option<&Graph>) -> Task {
        let work = Work::writing(self.item(descriptor, graph), &self.target);
        Task::start(&self.observer, work, Some(descriptor.size_bytes))
    }

    /// Reports that a blob exists in the target. `task` is the task of sending it, if it was sent.
    pub(super) fn settled(
        &self,
        descriptor: &Descriptor,
        graph: Option<&Graph>,
        outcome: Outcome,
        task: Option<&Task>,
    ) {
        self.observer.event(Event::Settled(outcome));
        let item = self.item(descriptor, graph);
        let what = format!("{} {item} in {}", outcome.as_str(), self.target);
        match task {
            Some(task) => task.finish(what),
            None => self.observer.event(Event::Note(what)),
        }
    }

    /// Reports that the root and its tags are written.
    pub(super) fn published(&self) {
        self.observer.event(Event::Published(self.target.clone()));
    }

    fn item(&self, descriptor: &Descriptor, graph: Option<&Graph>) -> Item {
        let digest = descriptor.digest;
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        match names.get(&digest) {
            Some(name) => Item {
                digest: Some(digest),
                ..name.clone()
            },
            None => {
                let platform = graph.and_then(|graph| graph.platform(&digest));
                unnamed(descriptor).for_platform(platform.cloned())
            }
        }
    }
}

/// Returns what a blob is by its media type, or else the blob without a name.
fn unnamed(descriptor: &Descriptor) -> Item {
    let media_type = &descriptor.media_type;
    let kind = if media_type.is_config() {
        "config"
    } else if media_type.is_layer() {
        "layer"
    } else if media_type.is_manifest() {
        "manifest"
    } else if media_type.is_index() {
        "index"
    } else {
        return Item::blob(&descriptor.digest);
    };
    Item {
        digest: Some(descriptor.digest),
        ..Item::new(kind)
    }
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
    pub fn outcome(&self, digest: &Digest) -> Option<Outcome> {
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
