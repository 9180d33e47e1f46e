//! Copies an image, a graph of blobs, from any source to any target: children before parents, tags last.
//!
//! What is there already is passed over, what the target's registry has elsewhere is mounted, and the rest is streamed
//! through, never whole in memory and never to a disk. Nothing here names a backend. Copying changes no byte.

mod copy;
mod counting;
mod events;
mod graph;

pub use copy::{Ahead, CopyError, copy, copy_ahead, copy_rest};
pub use events::{BlobReport, Event, Observer, Outcome, Report, Silent};
pub use graph::{Graph, MAX_BLOBS};
