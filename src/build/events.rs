//! Events of a running build or copy: tasks that take time, notes and warnings.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::check::Finding;
use crate::model::{Descriptor, Digest};
use crate::registry::Traffic;
use crate::transfer;

/// Identifies a task from its start to its end.
pub type TaskId = u64;

/// An event of a build or a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A task that may take time starts.
    Started {
        /// The task.
        task: TaskId,
        /// What the task does, in the -ing form: `packing app`.
        what: String,
        /// Total bytes of the task, if known.
        size_bytes: Option<u64>,
    },
    /// Reports how many bytes a task has processed since it started.
    Progress {
        /// The task.
        task: TaskId,
        /// Bytes processed so far.
        done_bytes: u64,
    },
    /// A task ends.
    Finished {
        /// The task.
        task: TaskId,
        /// What the task did: `packed app`. Empty if it is not worth a line.
        what: String,
    },
    /// Something the user may want to know.
    Note(String),
    /// Something that is probably not what the user wants.
    Warning(String),
    /// Findings of the check, errors first.
    Findings(Vec<Finding>),
    /// An image and its tags were written completely to this output.
    Published(String),
    /// A blob or a manifest exists at its target.
    Settled(transfer::Outcome),
    /// Total network traffic, once nothing more is transferred.
    Traffic(Traffic),
}

/// Receives the events of a build. May be called from any thread; must not block.
pub trait Observer: Send + Sync {
    /// Receives one event.
    fn event(&self, event: Event);
}

/// An observer that does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: Event) {}
}

static NEXT_TASK: AtomicU64 = AtomicU64::new(1);

/// A running task. Emits its end when dropped, unless [`Task::finish`] did.
pub struct Task {
    id: TaskId,
    observer: Arc<dyn Observer>,
    finished: AtomicBool,
}

impl Task {
    /// Starts a task and emits the event.
    pub fn start(observer: &Arc<dyn Observer>, what: String, size_bytes: Option<u64>) -> Self {
        // Numbers only distinguish tasks on the screen; they do not reach any output.
        let id = NEXT_TASK.fetch_add(1, Ordering::Relaxed);
        observer.event(Event::Started {
            task: id,
            what,
            size_bytes,
        });
        Self {
            id,
            observer: observer.clone(),
            finished: AtomicBool::new(false),
        }
    }

    /// Reports the bytes processed so far.
    pub fn progress(&self, done_bytes: u64) {
        self.observer.event(Event::Progress {
            task: self.id,
            done_bytes,
        });
    }

    /// Ends the task; `what` describes what was done.
    pub fn finish(&self, what: String) {
        if !self.finished.swap(true, Ordering::Relaxed) {
            self.observer.event(Event::Finished { task: self.id, what });
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.finish(String::new());
    }
}

/// Passes the events of a transfer to an [`Observer`]: one task for each blob.
pub struct TransferTasks {
    observer: Arc<dyn Observer>,
    target: String,
    /// Display name of each blob, such as a layer's name in the spec.
    names: Mutex<BTreeMap<Digest, String>>,
    under_way: Mutex<BTreeMap<Digest, Task>>,
    /// The work between blobs: queries for existing blobs, and writing tags.
    _whole: Task,
}

impl TransferTasks {
    /// Creates the tasks of a copy to `target`.
    pub fn new(observer: Arc<dyn Observer>, target: String, names: BTreeMap<Digest, String>) -> Self {
        let whole = Task::start(&observer, format!("writing to {target}"), None);
        Self {
            observer,
            target,
            names: Mutex::new(names),
            under_way: Mutex::default(),
            _whole: whole,
        }
    }

    /// Sets the display name of a blob. Must be called before the first event of the blob.
    pub fn name_blob(&self, digest: Digest, name: String) {
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(digest, name);
    }

    fn name(&self, descriptor: &Descriptor) -> String {
        let short = &descriptor.digest.hex()[..12];
        match self
            .names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&descriptor.digest)
        {
            Some(name) => format!("{name} ({short})"),
            None => short.to_owned(),
        }
    }
}

impl transfer::Observer for TransferTasks {
    fn event(&self, event: transfer::Event<'_>) {
        // Each change of the map is one call, so a poisoned lock holds a consistent map.
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            transfer::Event::Planned { .. } => {}
            transfer::Event::Published(_) => self.observer.event(Event::Published(self.target.clone())),
            transfer::Event::Started(descriptor) => {
                let what = format!("writing {} to {}", self.name(descriptor), self.target);
                let task = Task::start(&self.observer, what, Some(descriptor.size_bytes));
                under_way.insert(descriptor.digest, task);
            }
            transfer::Event::Progress(descriptor, done_bytes) => {
                if let Some(task) = under_way.get(&descriptor.digest) {
                    task.progress(done_bytes);
                }
            }
            transfer::Event::Finished(descriptor, outcome) => {
                self.observer.event(Event::Settled(outcome));
                let what = format!("{} {} in {}", outcome.as_str(), self.name(descriptor), self.target);
                match under_way.remove(&descriptor.digest) {
                    Some(task) => task.finish(what),
                    None => self.observer.event(Event::Note(what)),
                }
            }
        }
    }
}
