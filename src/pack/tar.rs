//! The tar of a layer: entries in order, each with its headers, content and padding, and the end.

use std::io::Write;

use super::blocks::Blocks;
use super::content;
use super::entry::append_headers;
use super::error::{PackError, Stop};
use super::header::RECORD_BYTES;
use super::layer::PackObserver;
use crate::model::{ContentOpener, EntryKind, EntryPath, LayerPlan};

/// What ends every tar, and is followed by nothing.
const END: [u8; 2 * RECORD_BYTES] = [0; 2 * RECORD_BYTES];

/// Size of the blocks that [`write_tar`] writes, in bytes. It shows in no output.
const WRITE_SIZE_BYTES: usize = 1024 * 1024;

/// Writes the uncompressed tar of `plan` to `target`, in one thread, and says how long it is, in bytes. It is what a
/// layer holds under its compression. `target` is not flushed.
///
/// # Errors
/// Those of [`super::pack_layer`] that concern entries and their contents; [`PackError::Write`] for `target`.
pub fn write_tar(
    plan: &LayerPlan,
    opener: &dyn ContentOpener,
    observer: &dyn PackObserver,
    target: &mut dyn Write,
) -> Result<u64, PackError> {
    let mut emit = |block: Vec<u8>| -> Result<(), Stop> {
        target.write_all(&block).map_err(|source| Stop::Failed(PackError::Write { source }))
    };
    write_plan(plan, opener, observer, Blocks::new(WRITE_SIZE_BYTES, &mut emit)).map_err(|stop| match stop {
        Stop::Failed(error) => error,
        // Only a pipeline has something behind its blocks that can end before them.
        Stop::Downstream => PackError::Panicked { stage: "writing" },
    })
}

/// Writes the tar of `plan` into `blocks`, and says how long it is, in bytes.
pub(super) fn write_plan(
    plan: &LayerPlan,
    opener: &dyn ContentOpener,
    observer: &dyn PackObserver,
    mut blocks: Blocks<'_>,
) -> Result<u64, Stop> {
    let mut headers = Vec::new();
    let mut previous: Option<&EntryPath> = None;
    for entry in &plan.entries {
        if let Some(previous) = previous.filter(|previous| **previous >= entry.path) {
            return Err(PackError::Unsorted { path: entry.path.clone(), previous: previous.clone() }.into());
        }
        previous = Some(&entry.path);

        headers.clear();
        append_headers(entry, plan.mtime_s, &mut headers)
            .map_err(|problem| PackError::Entry { path: entry.path.clone(), problem })?;
        blocks.write(&headers)?;
        if let EntryKind::File { size_bytes, content } = &entry.kind {
            content::write(&entry.path, content, *size_bytes, opener, observer, &mut blocks)?;
            blocks.write(&END[..padding(*size_bytes)])?;
        }
    }
    blocks.write(&END)?;
    blocks.finish()
}

/// How many bytes lead from the end of a content to the next header.
fn padding(size_bytes: u64) -> usize {
    let over = (size_bytes % RECORD_BYTES as u64) as usize;
    (RECORD_BYTES - over) % RECORD_BYTES
}
