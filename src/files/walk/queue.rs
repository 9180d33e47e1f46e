//! Directories that wait to be read, and the threads that read them.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::Directory;
use super::found::Found;

/// Threads that read directories: with more of them the kernel's own locks are what is waited for.
const MAX_THREADS: usize = 8;

/// So many waiting directories are worth another thread: one is read in some 20 µs, and a thread started in 50.
const WORTH_A_THREAD: usize = 16;

/// Reads `root` and all below it with `read`, which gives what a directory holds and the directories in it; on as many as
/// `threads` threads. The results are in no order but that `root` comes first, and each with the number of its first child,
/// which the others follow.
pub(super) fn run(
    root: Directory,
    threads: usize,
    read: impl Fn(&Directory) -> (Found, Vec<Directory>) + Sync,
) -> Vec<Found> {
    let threads = threads.min(MAX_THREADS);
    let queue = Queue {
        state: Mutex::new(State { pending: vec![(0, root)], busy: 0, waiting: 0, found: vec![Found::default()] }),
        changed: Condvar::new(),
    };
    let worth = if threads > 1 { WORTH_A_THREAD } else { usize::MAX };
    if !queue.work(&read, worth) {
        thread::scope(|scope| {
            for _ in 1..threads {
                // One that cannot be started is not needed.
                let _ = thread::Builder::new().spawn_scoped(scope, || queue.work(&read, usize::MAX));
            }
            queue.work(&read, usize::MAX);
        });
    }
    queue.state.into_inner().unwrap_or_else(PoisonError::into_inner).found
}

struct Queue {
    state: Mutex<State>,
    /// A directory came, or the last one was read.
    changed: Condvar,
}

struct State {
    /// With the number of the result.
    pending: Vec<(usize, Directory)>,
    /// Threads that read one, and may find more.
    busy: usize,
    /// Threads that wait for one.
    waiting: usize,
    found: Vec<Found>,
}

impl Queue {
    /// Reads directories until none is left (true), or until more than `enough` wait (false).
    fn work(&self, read: impl Fn(&Directory) -> (Found, Vec<Directory>), enough: usize) -> bool {
        let mut state = self.lock();
        loop {
            if state.pending.len() > enough {
                return false;
            }
            let Some((number, directory)) = state.pending.pop() else {
                if state.busy == 0 {
                    return true;
                }
                state.waiting += 1;
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.waiting -= 1;
                continue;
            };
            state.busy += 1;
            drop(state);
            let (found, directories) = read(&directory);
            state = self.lock();
            state.busy -= 1;
            state.put(number, found, directories);
            if state.waiting > 0 && (state.pending.len() > 1 || state.busy == 0) {
                self.changed.notify_all();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put(&mut self, number: usize, mut found: Found, directories: Vec<Directory>) {
        found.first_child = self.found.len();
        self.found[number] = found;
        for directory in directories {
            self.pending.push((self.found.len(), directory));
            self.found.push(Found::default());
        }
    }
}
