//! The threads that pack: each takes the next block of the tar, reads it, and processes it to the end.
//!
//! There are as many threads as workers, including the calling one; fewer if the system does not allow as many. The
//! number of blocks in progress is limited by the allowed memory: a worker waits before it cuts another block. If a
//! worker fails or panics, the others stop after their current block.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::content::Reading;
use super::error::PackError;
use super::tar::{CutBlock, Tar};
use crate::model::LayerPlan;

/// Blocks in progress per worker: one that is being encoded, which uses twice the memory, and one that is encoded and
/// waits for an earlier block to be written.
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

/// What is read, and the number of threads.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) plan: &'a LayerPlan,
    /// Unit of the cuts, in bytes.
    pub(super) unit_bytes: usize,
    pub(super) reading: Reading<'a>,
    /// Number of threads, at least one.
    pub(super) threads: usize,
}

/// Processes the blocks of a job.
pub(super) trait Way: Sync {
    /// The state that a worker keeps from block to block.
    type Tools;

    /// Creates the state of one worker.
    fn tools(&self) -> Self::Tools;

    /// Processes a block. When a block is finished, `room` is notified.
    fn take(&self, index: u64, block: Vec<u8>, tools: &mut Self::Tools, room: &Room) -> Result<(), Failure>;
}

/// Processes all blocks of a job. All threads have ended on return, even after an error. Of several errors, returns
/// that of the earliest block.
pub(super) fn run<W: Way>(job: &Job<'_>, way: &W) -> Result<(), Failure> {
    let tar = Mutex::new(Tar::new(job.plan, job.unit_bytes, job.reading));
    let room = Room {
        state: Mutex::new(State {
            ended: 0,
            failure: None,
        }),
        moved: Condvar::new(),
    };
    let workers = Workers { job, way, tar, room };
    thread::scope(|scope| {
        for _ in 1..job.threads {
            let thread = thread::Builder::new().name("pack".to_owned());
            // If a thread cannot be started, the others do its work; the calling thread always exists.
            if thread.spawn_scoped(scope, || workers.work()).is_err() {
                break;
            }
        }
        workers.work();
    });
    match workers
        .room
        .state
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .failure
    {
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

/// The number of finished blocks, and whether there will be more.
pub(super) struct Room {
    state: Mutex<State>,
    /// Signals that a block was finished, or a worker failed.
    moved: Condvar,
}

struct State {
    ended: u64,
    /// The failure of the earliest block, with the index of the block.
    failure: Option<(u64, Failure)>,
}

impl<W: Way> Workers<'_, W> {
    /// Runs one worker. If it panics, the others are notified, since they would wait for its block. Its partial results
    /// are not used.
    fn work(&self) {
        if panic::catch_unwind(AssertUnwindSafe(|| self.take_blocks())).is_err() {
            self.room
                .fail(u64::MAX, PackError::Panicked { stage: "packing" }.into());
        }
    }

    /// Processes blocks until there are no more, or an error occurs.
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

    /// Waits until another block may be in progress, and cuts it.
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
    /// Reports that a block is finished.
    pub(super) fn leave(&self) {
        self.state().ended += 1;
        self.moved.notify_all();
    }

    /// Waits until block `index` is one of `count` in progress. Returns `false` after an error.
    fn wait_for(&self, index: u64, count: u64) -> bool {
        let is_full = |state: &mut State| state.failure.is_none() && index >= state.ended + count;
        let state = self
            .moved
            .wait_while(self.state(), is_full)
            .unwrap_or_else(PoisonError::into_inner);
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
        // Each change is one assignment, so a poisoned lock holds a consistent state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
