//! The queue of directories to read, and the threads that read them.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::directory::Directory;
use super::found::Found;

/// Greatest number of threads that read directories. With more threads, the kernel's own locks are the limit.
const MAX_THREADS: usize = 8;

/// Number of waiting directories that justifies another thread: reading one takes some 20 µs, starting a thread 50 µs.
const WORTH_A_THREAD: usize = 16;

/// Reads `root` and everything below it on up to `threads` threads. `read` returns the content of a directory and the
/// directories in it. The order of the results varies, except that `root` comes first. Each result has the index of its
/// first child; the other children follow it.
pub(super) fn run(
    root: Directory,
    threads: usize,
    read: impl Fn(&Directory) -> (Found, Vec<Directory>) + Sync,
) -> Vec<Found> {
    let threads = threads.min(MAX_THREADS);
    let queue = Queue {
        state: Mutex::new(State {
            pending: vec![(0, root)],
            busy: 0,
            waiting: 0,
            found: vec![Found::default()],
        }),
        changed: Condvar::new(),
    };
    let worth = if threads > 1 { WORTH_A_THREAD } else { usize::MAX };
    if !queue.work(&read, worth) {
        thread::scope(|scope| {
            for _ in 1..threads {
                // If a thread cannot be started, the others do its work.
                let _ = thread::Builder::new().spawn_scoped(scope, || queue.work(&read, usize::MAX));
            }
            queue.work(&read, usize::MAX);
        });
    }
    queue.state.into_inner().unwrap_or_else(PoisonError::into_inner).found
}

struct Queue {
    state: Mutex<State>,
    /// Signals a new directory, or that the last one was read.
    changed: Condvar,
}

struct State {
    /// Each with the index of its result.
    pending: Vec<(usize, Directory)>,
    /// Threads that are reading a directory, and may find more.
    busy: usize,
    /// Threads that wait for a directory.
    waiting: usize,
    found: Vec<Found>,
}

impl Queue {
    /// Reads directories until none is left (returns `true`), or until more than `enough` wait (returns `false`).
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
