//! The threads that pack: each takes the next block of the tar, reads it, and takes it all the way to its end.
//!
//! There are as many threads as workers, the calling one among them; fewer where the system allows no more. So many blocks are on their way at the most as
//! memory is granted for: a worker waits before it cuts another one. When a worker fails or panics, the others end after
//! the block that they are at.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::content::Reading;
use super::error::PackError;
use super::tar::{CutBlock, Tar};
use crate::model::LayerPlan;

/// Blocks on their way, for each worker: one that it encodes, twice in memory then, and one that is encoded and waits
/// for an earlier one to be written.
const BLOCKS_PER_WORKER: u64 = 2;

/// Why a layer was not packed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The file could not be written.
    File(io::Error),
    /// Anything else.
    Other(PackError),
}

impl From<PackError> for Failure {
    fn from(error: PackError) -> Self {
        Self::Other(error)
    }
}

/// What is read, and by how many.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) plan: &'a LayerPlan,
    /// The unit of the cuts.
    pub(super) unit_bytes: usize,
    pub(super) reading: Reading<'a>,
    /// At least one.
    pub(super) threads: usize,
}

/// What becomes of each block.
pub(super) trait Way: Sync {
    /// What a worker keeps from block to block.
    type Tools;

    /// The tools of one worker.
    fn tools(&self) -> Self::Tools;

    /// Takes a block. When it, or any other block, is at its end, `room` is told.
    fn take(&self, index: u64, block: Vec<u8>, tools: &mut Self::Tools, room: &Room) -> Result<(), Failure>;
}

/// Takes all blocks of a job their way. All threads have ended on return, whatever happened. Of several failures, that of
/// the earliest block is given.
pub(super) fn run<W: Way>(job: &Job<'_>, way: &W) -> Result<(), Failure> {
    let tar = Mutex::new(Tar::new(job.plan, job.unit_bytes, job.reading));
    let room = Room { state: Mutex::new(State { ended: 0, failure: None }), moved: Condvar::new() };
    let workers = Workers { job, way, tar, room };
    thread::scope(|scope| {
        for _ in 1..job.threads {
            let thread = thread::Builder::new().name("pack".to_owned());
            // One that cannot be started is not needed: there is always this one.
            if thread.spawn_scoped(scope, || workers.work()).is_err() {
                break;
            }
        }
        workers.work();
    });
    match workers.room.state.into_inner().unwrap_or_else(PoisonError::into_inner).failure {
        Some((_, failure)) => Err(failure),
        None => Ok(()),
    }
}

struct Workers<'a, W> {
    job: &'a Job<'a>,
    way: &'a W,
    tar: Mutex<Tar<'a>>,
    room: Room,
}

/// How many blocks are at their end, and whether there will be more.
pub(super) struct Room {
    state: Mutex<State>,
    /// A block came to its end, or a worker failed.
    moved: Condvar,
}

struct State {
    ended: u64,
    /// The failure of the earliest block, with the block's place.
    failure: Option<(u64, Failure)>,
}

impl<W: Way> Workers<'_, W> {
    /// One worker. The others would wait for the block of one that panicked, so they are told; nobody looks at what it
    /// left half-done.
    fn work(&self) {
        if panic::catch_unwind(AssertUnwindSafe(|| self.take_blocks())).is_err() {
            self.room.fail(u64::MAX, PackError::Panicked { stage: "packing" }.into());
        }
    }

    /// Takes blocks until there are no more, or something failed.
    fn take_blocks(&self) {
        let mut tools = self.way.tools();
        while let Some(block) = self.next_block() {
            let index = block.index();
            let read = block.read(self.job.plan, self.job.reading).map_err(Failure::Other);
            let taken = read.and_then(|bytes| self.way.take(index, bytes, &mut tools, &self.room));
            if let Err(failure) = taken {
                self.room.fail(index, failure);
            }
        }
    }

    /// Waits until there is room for another block, and cuts it.
    fn next_block(&self) -> Option<CutBlock> {
        let mut tar = self.tar.lock().unwrap_or_else(PoisonError::into_inner);
        let index = tar.cut_blocks();
        if !self.room.wait_for(index, BLOCKS_PER_WORKER * self.job.threads as u64) {
            return None;
        }
        tar.next_block().unwrap_or_else(|error| {
            self.room.fail(index, error.into());
            None
        })
    }
}

impl Room {
    /// A block came to its end.
    pub(super) fn leave(&self) {
        self.state().ended += 1;
        self.moved.notify_all();
    }

    /// Waits until block `index` is one of `count` that are on their way; false where something failed.
    fn wait_for(&self, index: u64, count: u64) -> bool {
        let is_full = |state: &mut State| state.failure.is_none() && index >= state.ended + count;
        let state = self.moved.wait_while(self.state(), is_full).unwrap_or_else(PoisonError::into_inner);
        state.failure.is_none()
    }

    fn fail(&self, index: u64, failure: Failure) {
        let mut state = self.state();
        if state.failure.as_ref().is_none_or(|(earlier, _)| index < *earlier) {
            state.failure = Some((index, failure));
        }
        self.moved.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment: a poisoned lock holds nothing half-made.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
