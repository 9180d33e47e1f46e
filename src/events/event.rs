//! The kinds of events, and their receiver.

use std::collections::BTreeMap;
use std::fmt;

use super::work::Work;
use crate::model::finding::Finding;

/// Identifies a task from its start to its end.
pub type TaskId = u64;

/// Something that happened in a build, a check or a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A task that may take time starts.
    Started {
        /// The task.
        task: TaskId,
        /// What the task does.
        work: Work,
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
    Findings {
        /// The ID of the member of a workspace that they are about; `None` for a spec on its own.
        member: Option<String>,
        /// The findings.
        findings: Vec<Finding>,
    },
    /// An image and its tags were written completely to this output.
    Published(String),
    /// A blob or a manifest exists at its target.
    Settled(Outcome),
    /// Total network traffic, once nothing more is transferred.
    Traffic(Traffic),
}

/// Receives events. May be called from any thread; must not block.
pub trait Observer: Send + Sync {
    /// Receives one event.
    fn event(&self, event: Event);
}

impl fmt::Debug for dyn Observer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Observer")
    }
}

/// An observer that does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: Event) {}
}

/// How a blob or a manifest got to its target.
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

/// What was sent to and received from registries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests by method, including redirects, token services and retries.
    pub requests: BTreeMap<String, u64>,
    /// Bytes of request bodies that were sent, without headers.
    pub sent_bytes: u64,
    /// Bytes of received bodies, without headers.
    pub received_bytes: u64,
    /// Number of retries.
    pub retries: u64,
}
