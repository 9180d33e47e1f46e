//! Copies an image, a graph of blobs, from any source to any target: children before parents, tags last.
//!
//! Existing content is skipped, content in another repository of the target's registry is mounted, and the rest is
//! streamed, never whole in memory and never to a disk. This module names no backend. Copying changes no byte.

mod copy;
mod counting;
mod graph;
mod report;

pub use copy::{Ahead, CopyError, Supplied, copy, copy_ahead, copy_rest, publish, supply};
pub use report::{Report, Reporter};
