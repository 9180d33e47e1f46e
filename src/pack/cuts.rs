//! Cuts the tar of a layer into blocks, as byte format 1 specifies.
//!
//! A cut depends only on the entries near it. After an insertion, a deletion or a change of size, the same cuts are
//! found again shortly after, and with them the same blocks:
//!
//! - The content of a large file, of at least a unit, is cut every unit from its start. A remainder of less than a unit
//!   belongs to the last slice, with the padding. The headers of the file end the run before it.
//! - Everything in between is a run. If it has at least a unit, it ends before the next entry that is a
//!   [landmark](is_landmark), and in any case before the entry that would make it larger than two units.
//! - The end of the tar belongs to the last run.

use std::ops::Range;

use super::entry::append_headers;
use super::error::{EntryProblem, PackError};
use super::header::RECORD_BYTES;
use crate::compress::Checksum;
use crate::model::{Entry, LayerPlan};

/// Size of the end marker: two records of zeros.
pub(super) const END_BYTES: usize = 2 * RECORD_BYTES;

/// Greatest size of the headers of one entry, in bytes. Readers refuse larger ones: the runtimes use Go's archive/tar,
/// which accepts a mebibyte.
const MAX_HEADERS_BYTES: u64 = 1024 * 1024;

/// Average number of landmarks per unit. A run ends about a fourth of a unit after it may, and only one in fifty
/// reaches its greatest size without a landmark.
const LANDMARKS_PER_UNIT: u64 = 4;

/// A range of the tar that is compressed on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// Its index among the blocks.
    pub(super) index: u64,
    /// Its size, in uncompressed bytes.
    pub(super) size_bytes: usize,
    /// Its parts, in order.
    pub(super) parts: Vec<Part>,
}

/// A part of a block. Entries are identified by their index in the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Entries with their headers, contents and padding.
    Entries(Range<usize>),
    /// The headers of a large file.
    Headers(usize),
    /// A slice of a large file's content, and the padding where it is the last one.
    Slice(usize, Range<u64>),
    /// The end of the tar.
    End,
}

/// The blocks of a plan, in order. Also checks that the plan is sorted and that its entries fit into a tar.
pub(super) struct Cuts<'a> {
    plan: &'a LayerPlan,
    unit_bytes: u64,
    /// The next entry.
    entry: usize,
    /// How much of its content was cut off, if it is large and its headers are done.
    sliced_bytes: Option<u64>,
    index: u64,
    is_done: bool,
    headers: Vec<u8>,
}

impl<'a> Cuts<'a> {
    /// Cuts `plan` by a unit that is a multiple of a record, and at least a mebibyte.
    pub(super) fn new(plan: &'a LayerPlan, unit_bytes: usize) -> Self {
        let unit_bytes = unit_bytes as u64;
        Self {
            plan,
            unit_bytes,
            entry: 0,
            sliced_bytes: None,
            index: 0,
            is_done: false,
            headers: Vec::new(),
        }
    }

    /// Returns the number of blocks that were cut so far.
    pub(super) fn cut_blocks(&self) -> u64 {
        self.index
    }

    /// Returns the next block; `None` after the end of the tar.
    pub(super) fn next(&mut self) -> Result<Option<Block>, PackError> {
        if self.is_done {
            return Ok(None);
        }
        let (size_bytes, parts) = match self.sliced_bytes {
            Some(from) => self.slice(from),
            None => self.run()?,
        };
        let block = Block {
            index: self.index,
            size_bytes: size_bytes as usize,
            parts,
        };
        self.index += 1;
        Ok(Some(block))
    }

    fn slice(&mut self, from: u64) -> (u64, Vec<Part>) {
        let at = self.entry;
        let size_bytes = self.plan.entries[self.entry].kind.size_bytes();
        if size_bytes - from >= 2 * self.unit_bytes {
            let to = from + self.unit_bytes;
            self.sliced_bytes = Some(to);
            return (self.unit_bytes, vec![Part::Slice(at, from..to)]);
        }
        self.sliced_bytes = None;
        self.entry += 1;
        (
            size_bytes - from + padding(size_bytes),
            vec![Part::Slice(at, from..size_bytes)],
        )
    }

    fn run(&mut self) -> Result<(u64, Vec<Part>), PackError> {
        let start = self.entry;
        let mut run_bytes = 0;
        while let Some(entry) = self.plan.entries.get(self.entry) {
            let headers_bytes = self.headers_bytes(entry)?;
            let content_bytes = entry.kind.size_bytes();
            let is_large = content_bytes >= self.unit_bytes;
            let entry_bytes = if is_large {
                headers_bytes
            } else {
                headers_bytes + padded(content_bytes)
            };
            let ends = run_bytes >= self.unit_bytes && !is_large && is_landmark(entry, entry_bytes, self.unit_bytes);
            if run_bytes > 0 && (ends || run_bytes + entry_bytes > 2 * self.unit_bytes) {
                return Ok((run_bytes, vec![Part::Entries(start..self.entry)]));
            }
            run_bytes += entry_bytes;
            if is_large {
                self.sliced_bytes = Some(0);
                return Ok((
                    run_bytes,
                    vec![Part::Entries(start..self.entry), Part::Headers(self.entry)],
                ));
            }
            self.entry += 1;
        }
        if run_bytes + END_BYTES as u64 > 2 * self.unit_bytes {
            return Ok((run_bytes, vec![Part::Entries(start..self.entry)]));
        }
        self.is_done = true;
        Ok((
            run_bytes + END_BYTES as u64,
            vec![Part::Entries(start..self.entry), Part::End],
        ))
    }

    /// Checks that an entry may follow here, and returns the size of its headers.
    fn headers_bytes(&mut self, entry: &Entry) -> Result<u64, PackError> {
        let previous = self.entry.checked_sub(1).map(|at| &self.plan.entries[at].path);
        if let Some(previous) = previous.filter(|previous| **previous >= entry.path) {
            return Err(PackError::Unsorted {
                path: entry.path.clone(),
                previous: previous.clone(),
            });
        }
        self.headers.clear();
        write_headers(self.plan, entry, &mut self.headers)?;
        let size_bytes = self.headers.len() as u64;
        if size_bytes > MAX_HEADERS_BYTES {
            let problem = EntryProblem::HeadersTooLarge {
                size_bytes,
                limit_bytes: MAX_HEADERS_BYTES,
            };
            return Err(PackError::Entry {
                path: entry.path.clone(),
                problem,
            });
        }
        Ok(size_bytes)
    }
}

/// Appends the headers of an entry of `plan`.
pub(super) fn write_headers(plan: &LayerPlan, entry: &Entry, headers: &mut Vec<u8>) -> Result<(), PackError> {
    append_headers(entry, plan.mtime_s, headers).map_err(|problem| PackError::Entry {
        path: entry.path.clone(),
        problem,
    })
}

/// Returns `true` if a run that is long enough ends before this entry. The probability grows with the entry's size, so
/// that a mebibyte of small files has as many landmarks as one of large files. The CRC-32 of the entry's path decides.
fn is_landmark(entry: &Entry, entry_bytes: u64, unit_bytes: u64) -> bool {
    let crc32 = u64::from(Checksum::of(entry.path.as_bytes()).crc32());
    // Both products are below 2^57: an entry of a run has less than two units, and units have some mebibytes.
    crc32 * unit_bytes < (entry_bytes * LANDMARKS_PER_UNIT) << 32
}

/// Returns the number of bytes from the end of a content to the next header.
pub(super) fn padding(size_bytes: u64) -> u64 {
    padded(size_bytes) - size_bytes
}

/// Returns the size of a content with its padding. A damaged archive may claim any size.
fn padded(size_bytes: u64) -> u64 {
    size_bytes
        .div_ceil(RECORD_BYTES as u64)
        .saturating_mul(RECORD_BYTES as u64)
}
