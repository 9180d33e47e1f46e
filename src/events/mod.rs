//! The events with which every module reports what it does: tasks that take time, notes, warnings and findings.
//!
//! A caller passes an [`Observer`] in and renders what it receives. Nothing else reports progress.

mod event;
mod task;
mod work;

pub use event::{Event, Observer, Outcome, Silent, TaskId, Traffic};
pub use task::Task;
pub use work::{Item, Work};
