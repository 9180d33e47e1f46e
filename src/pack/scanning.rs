//! Scans contents for secrets while they are packed: each worker scans what it has just read.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::{Entry, LayerPlan};
use crate::secrets::{LargeFile, SightedFile, Sighting, Slice, scan_file};

/// The sightings in the contents of a layer so far.
#[derive(Debug, Default)]
pub(super) struct LayerScan {
    /// By the index of the entry in the plan.
    files: Mutex<BTreeMap<usize, Vec<Sighting>>>,
    large_files: Mutex<BTreeMap<usize, LargeFile>>,
}

impl LayerScan {
    /// Scans the whole content of entry `index`.
    pub(super) fn file(&self, index: usize, entry: &Entry, content: &[u8]) {
        let sightings = scan_file(&entry.path, content);
        if !sightings.is_empty() {
            lock(&self.files).insert(index, sightings);
        }
    }

    /// Scans a slice of the content of entry `index`. Slices may arrive in any order.
    pub(super) fn slice(&self, index: usize, entry: &Entry, range: &Range<u64>, content: &[u8]) {
        let size_bytes = entry.kind.size_bytes();
        if range.start == 0 && range.end == size_bytes {
            return self.file(index, entry, content);
        }
        let slice = Slice::scan(content, range.start, range.end == size_bytes);
        lock(&self.large_files).entry(index).or_default().add(slice);
    }

    /// Returns the files with sightings, in the order of the plan. Must be called after everything was scanned.
    pub(super) fn finish(self, plan: &LayerPlan) -> Vec<SightedFile> {
        let mut files = self.files.into_inner().unwrap_or_else(PoisonError::into_inner);
        let large_files = self.large_files.into_inner().unwrap_or_else(PoisonError::into_inner);
        files.extend(large_files.into_iter().map(|(index, file)| (index, file.finish())));
        files.retain(|_, sightings| !sightings.is_empty());
        let sighted = |(index, sightings): (usize, Vec<Sighting>)| SightedFile {
            path: plan.entries[index].path.clone(),
            sightings,
        };
        files.into_iter().map(sighted).collect()
    }
}

/// Locks a mutex. The results of a worker that panicked are discarded with the layer.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
