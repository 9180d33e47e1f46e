//! What a build or a copy tells while it runs: tasks that take time, notes and warnings.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::check::Finding;
use crate::model::{Descriptor, Digest};
use crate::registry::Traffic;
use crate::transfer;

/// Names a task from its start to its end.
pub type TaskId = u64;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Something that may take time begins.
    Started {
        /// The task.
        task: TaskId,
        /// What it does, in the -ing form: `packing app`.
        what: String,
        /// Bytes that it has to go through, where that is known.
        size_bytes: Option<u64>,
    },
    /// A task has gone through so many bytes since it started.
    Progress {
        /// The task.
        task: TaskId,
        /// Bytes so far.
        done_bytes: u64,
    },
    /// A task ends.
    Finished {
        /// The task.
        task: TaskId,
        /// What it has done: `packed app`; empty where that is not worth a line.
        what: String,
    },
    /// Something worth knowing.
    Note(String),
    /// Something that is probably not what the user wants.
    Warning(String),
    /// What the check found, errors first.
    Findings(Vec<Finding>),
    /// An image and its tags are written to this output, whole.
    Published(String),
    /// A blob or a manifest is where it is wanted.
    Settled(transfer::Outcome),
    /// All that went over the line, when nothing more will.
    Traffic(Traffic),
}

/// Is told of what happens. Called from any thread: it must return at once.
pub trait Observer: Send + Sync {
    /// One event.
    fn event(&self, event: Event);
}

/// An observer that does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: Event) {}
}

static NEXT_TASK: AtomicU64 = AtomicU64::new(1);

/// A task that is under way. It tells of its end when it is dropped, if [`Task::finish`] has not.
pub struct Task {
    id: TaskId,
    observer: Arc<dyn Observer>,
    finished: AtomicBool,
}

impl Task {
    /// Tells that a task begins.
    pub fn start(observer: &Arc<dyn Observer>, what: String, size_bytes: Option<u64>) -> Self {
        // Numbers tell tasks apart on the screen; they reach no output.
        let id = NEXT_TASK.fetch_add(1, Ordering::Relaxed);
        observer.event(Event::Started { task: id, what, size_bytes });
        Self { id, observer: observer.clone(), finished: AtomicBool::new(false) }
    }

    /// Tells how far it is.
    pub fn progress(&self, done_bytes: u64) {
        self.observer.event(Event::Progress { task: self.id, done_bytes });
    }

    /// Tells that it is done, and what was done.
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

/// Tells an [`Observer`] of a transfer's events: one task a blob.
pub struct TransferTasks {
    observer: Arc<dyn Observer>,
    target: String,
    /// What each blob is called, such as a layer's name in the spec.
    names: Mutex<BTreeMap<Digest, String>>,
    under_way: Mutex<BTreeMap<Digest, Task>>,
    /// What is done between the blobs: asking what is there, and writing tags.
    _whole: Task,
}

impl TransferTasks {
    /// For a copy to `target`.
    pub fn new(observer: Arc<dyn Observer>, target: String, names: BTreeMap<Digest, String>) -> Self {
        let whole = Task::start(&observer, format!("writing to {target}"), None);
        Self { observer, target, names: Mutex::new(names), under_way: Mutex::default(), _whole: whole }
    }

    /// Says what a blob is called, before anything is told of it.
    pub fn name_blob(&self, digest: Digest, name: String) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(digest, name);
    }

    fn name(&self, descriptor: &Descriptor) -> String {
        let short = &descriptor.digest.hex()[..12];
        match self.names.lock().unwrap_or_else(PoisonError::into_inner).get(&descriptor.digest) {
            Some(name) => format!("{name} ({short})"),
            None => short.to_owned(),
        }
    }
}

impl transfer::Observer for TransferTasks {
    fn event(&self, event: transfer::Event<'_>) {
        // Each change of the map is one call: a poisoned lock holds nothing half-made.
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
