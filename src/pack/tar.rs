//! The tar of a layer, block by block: entries in order, each with its headers, content and padding, and the end
//! marker.

use std::io::Write;

use super::content::{OpenContent, Reading};
use super::cuts::{Block, Cuts, Part, padding, write_headers};
use super::error::PackError;
use crate::events::Task;
use crate::model::{Content, ContentOpener, EntryKind, LayerPlan};

/// Unit of the blocks that [`write_tar`] writes, in bytes. It does not affect the output.
const WRITE_UNIT_BYTES: usize = 1024 * 1024;

/// Writes the uncompressed tar of `plan` to `target` in one thread, and returns its length in bytes. It equals the
/// content of the layer before compression. `target` is not flushed.
///
/// # Errors
/// Those of [`super::pack_layer`] that concern entries and their contents; [`PackError::Write`] for `target`.
pub fn write_tar(
    plan: &LayerPlan,
    opener: &dyn ContentOpener,
    task: &Task,
    target: &mut dyn Write,
) -> Result<u64, PackError> {
    let mut tar = Tar::new(
        plan,
        WRITE_UNIT_BYTES,
        Reading {
            opener,
            task,
            scan: None,
        },
    );
    let mut size_bytes = 0;
    while let Some(block) = tar.next_block()? {
        let bytes = block.read(plan, tar.reading)?;
        target.write_all(&bytes).map_err(|source| PackError::Write { source })?;
        size_bytes += bytes.len() as u64;
    }
    Ok(size_bytes)
}

/// The tar of a plan. Its blocks can be read independently.
pub(super) struct Tar<'a> {
    plan: &'a LayerPlan,
    cuts: Cuts<'a>,
    reading: Reading<'a>,
    /// A large content that must be read in order, while its slices are cut.
    open: Option<OpenContent<'a>>,
}

/// A block that was cut, with the content that had to be read in order.
pub(super) struct CutBlock {
    block: Block,
    /// The content of its slice, if it was read already.
    slice: Option<Vec<u8>>,
}

impl<'a> Tar<'a> {
    /// Creates the tar of `plan`, cut by a unit of `unit_bytes`.
    pub(super) fn new(plan: &'a LayerPlan, unit_bytes: usize, reading: Reading<'a>) -> Self {
        Self {
            plan,
            cuts: Cuts::new(plan, unit_bytes),
            reading,
            open: None,
        }
    }

    /// Returns the number of blocks that were cut so far.
    pub(super) fn cut_blocks(&self) -> u64 {
        self.cuts.cut_blocks()
    }

    /// Returns the next block; `None` after the end. Large contents of archives and images are read here, in order;
    /// [`CutBlock::read`] reads all others.
    pub(super) fn next_block(&mut self) -> Result<Option<CutBlock>, PackError> {
        let Some(block) = self.cuts.next()? else {
            return Ok(None);
        };
        let slice = match block.parts.first() {
            Some(Part::Slice(at, slice)) => self.read_in_order(*at, slice.end, block.size_bytes)?,
            _ => None,
        };
        Ok(Some(CutBlock { block, slice }))
    }

    /// Reads the slice of a large content up to `to`, with its padding. Returns `None` if the content supports random
    /// access.
    fn read_in_order(&mut self, at: usize, to: u64, block_bytes: usize) -> Result<Option<Vec<u8>>, PackError> {
        let entry = &self.plan.entries[at];
        let EntryKind::File {
            size_bytes,
            content: content @ (Content::Member { .. } | Content::Image { .. }),
        } = &entry.kind
        else {
            return Ok(None);
        };
        let mut open = match self.open.take() {
            Some(open) => open,
            None => OpenContent::new(entry, content, self.reading.opener)?,
        };
        let mut bytes = vec![0; block_bytes];
        let is_last = to == *size_bytes;
        let content_bytes = block_bytes - if is_last { padding(*size_bytes) as usize } else { 0 };
        open.read(&mut bytes[..content_bytes])?;
        self.reading.task.advance(content_bytes as u64);
        if is_last {
            open.finish()?;
        } else {
            self.open = Some(open);
        }
        Ok(Some(bytes))
    }
}

impl CutBlock {
    /// Returns its index among the blocks.
    pub(super) fn index(&self) -> u64 {
        self.block.index
    }

    /// Reads its bytes. Blocks may be read in any order and by any thread.
    pub(super) fn read(self, plan: &LayerPlan, reading: Reading<'_>) -> Result<Vec<u8>, PackError> {
        if let Some(bytes) = self.slice {
            if let (Some(scan), Some(Part::Slice(index, slice))) = (reading.scan, self.block.parts.first()) {
                let content = &bytes[..(slice.end - slice.start) as usize];
                scan.slice(*index, &plan.entries[*index], slice, content);
            }
            return Ok(bytes);
        }
        let mut filling = Filling {
            plan,
            reading,
            bytes: vec![0; self.block.size_bytes],
            at: 0,
            headers: Vec::new(),
        };
        for part in &self.block.parts {
            filling.put(part)?;
        }
        Ok(filling.bytes)
    }
}

/// A block that is being filled. Initially it consists of zeros, like padding and the end marker.
struct Filling<'a> {
    plan: &'a LayerPlan,
    reading: Reading<'a>,
    bytes: Vec<u8>,
    /// Position of the next part.
    at: usize,
    /// Buffer that is reused for all entries.
    headers: Vec<u8>,
}

impl Filling<'_> {
    fn put(&mut self, part: &Part) -> Result<(), PackError> {
        match part {
            Part::Entries(range) => range.clone().try_for_each(|index| self.put_entry(index)),
            Part::Headers(index) => self.put_headers(*index),
            Part::Slice(index, slice) => {
                let entry = &self.plan.entries[*index];
                let room = &mut self.bytes[self.at..][..(slice.end - slice.start) as usize];
                self.reading.slice(entry, slice.clone(), room)?;
                if let Some(scan) = self.reading.scan {
                    scan.slice(*index, entry, slice, room);
                }
                Ok(())
            }
            Part::End => Ok(()),
        }
    }

    fn put_entry(&mut self, index: usize) -> Result<(), PackError> {
        self.put_headers(index)?;
        let entry = &self.plan.entries[index];
        let size_bytes = entry.kind.size_bytes();
        let room = &mut self.bytes[self.at..][..size_bytes as usize];
        self.reading.whole(entry, room)?;
        if let Some(scan) = self.reading.scan.filter(|_| size_bytes > 0) {
            scan.file(index, entry, room);
        }
        self.at += (size_bytes + padding(size_bytes)) as usize;
        Ok(())
    }

    fn put_headers(&mut self, index: usize) -> Result<(), PackError> {
        self.headers.clear();
        write_headers(self.plan, &self.plan.entries[index], &mut self.headers)?;
        self.bytes[self.at..][..self.headers.len()].copy_from_slice(&self.headers);
        self.at += self.headers.len();
        Ok(())
    }
}
