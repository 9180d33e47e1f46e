//! The asynchronous runtime, within the limits of the system: a limit on processes (`ulimit -u`, a cgroup's pids) or on
//! open files (`ulimit -n`) makes a run slower or ends it with an error, but never with a panic or a hang.

use std::fs::File;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::failure::Failure;
use crate::pack::MAX_THREADS;

/// Threads that a command needs besides the workers, so that waiting for disks and names does not deadlock.
const SPARE_THREADS: usize = 4;

/// The system counts a thread for a moment after it was joined: twice as many as needed must fit.
const PROBE_FACTOR: usize = 2;

/// Assumed length of that moment, if threads are scarce.
const AFTERLIFE: Duration = Duration::from_millis(50);

/// Fewest threads that a run needs: one that waits for the disk, and one that unpacks.
const MIN_THREADS: usize = 2;

/// Number of threads from which on one can be spared for periodic work, which nothing depends on.
const MIN_THREADS_WITH_TICKER: usize = 4;

/// Whether a thread can be spared for periodic work.
static SPARES_TICKER: AtomicBool = AtomicBool::new(true);

/// Open files that every command needs: the runtime's own five, temporary files, and the files that are read and
/// written.
const MIN_DESCRIPTORS: usize = 16;

/// How long an idle thread is kept if threads are scarce: forever, since it may not be possible to start it again.
const KEPT: Duration = Duration::from_secs(u32::MAX as u64);

/// Starts the runtime.
///
/// # Errors
/// Fails if the system allows too few threads or open files.
pub fn start() -> Result<Runtime, Failure> {
    check_descriptors()?;
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let workers = processors.min(MAX_THREADS);
    let wanted = PROBE_FACTOR * (workers + SPARE_THREADS);
    let started = startable_threads(wanted);
    let runtime = match started {
        Ok(()) => Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build()
            .map_err(no_runtime)?,
        Err((count, cause)) => {
            thread::sleep(AFTERLIFE);
            if count < MIN_THREADS {
                return Err(no_threads(&cause));
            }
            tracing::info!(count, "cannot start more threads: using one");
            start_small(count).ok_or_else(|| no_threads(&cause))?
        }
    };
    Ok(runtime)
}

/// Returns `true` if a thread can be spared for periodic work.
pub fn spares_ticker() -> bool {
    SPARES_TICKER.load(Ordering::Relaxed)
}

/// Builds a runtime on the calling thread, with blocking threads out of the `count` that can be started. One of them is
/// started now: later work waits for it if no other can be started. Idle threads are kept. So one is left for
/// unpacking, and one for periodic work.
fn start_small(count: usize) -> Option<Runtime> {
    let spares_ticker = count >= MIN_THREADS_WITH_TICKER;
    SPARES_TICKER.store(spares_ticker, Ordering::Relaxed);
    let waiting = count.saturating_sub(1 + usize::from(spares_ticker)).max(1);
    let mut builder = Builder::new_current_thread();
    let runtime = builder
        .enable_all()
        .thread_keep_alive(KEPT)
        .max_blocking_threads(waiting)
        .build()
        .ok()?;
    // If no thread can be started, tokio panics. The message of that panic is suppressed.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let first = panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(runtime.spawn_blocking(|| ()))));
    panic::set_hook(hook);
    matches!(first, Ok(Ok(()))).then_some(runtime)
}

/// Starts `count` threads at once, and ends them. The error is the number of threads that could be started, and why no
/// other could.
fn startable_threads(count: usize) -> Result<(), (usize, io::Error)> {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let mut threads = Vec::with_capacity(count);
    let mut outcome = Ok(());
    for number in 0..count {
        let gate = Arc::clone(&gate);
        let wait = move || {
            let (is_open, opened) = &*gate;
            let is_open = is_open.lock().unwrap_or_else(PoisonError::into_inner);
            drop(opened.wait_while(is_open, |is_open| !*is_open));
        };
        match thread::Builder::new().spawn(wait) {
            Ok(thread) => threads.push(thread),
            Err(cause) => {
                outcome = Err((number, cause));
                break;
            }
        }
    }
    let (is_open, opened) = &*gate;
    *is_open.lock().unwrap_or_else(PoisonError::into_inner) = true;
    opened.notify_all();
    for thread in threads {
        // They do nothing that could fail.
        let _ = thread.join();
    }
    outcome
}

fn no_threads(cause: &io::Error) -> Failure {
    Failure::here("cannot start the threads this command needs")
        .caused_by(cause)
        .help("raise the limit on processes: `ulimit -u`, or the pids limit of the container")
}

/// Checks that as many files as needed can be open at once.
fn check_descriptors() -> Result<(), Failure> {
    let opened = || -> io::Result<()> {
        let mut held = vec![File::open("/dev/null")?];
        for _ in 1..MIN_DESCRIPTORS {
            held.push(held[0].try_clone()?);
        }
        Ok(())
    };
    match opened() {
        Err(cause) if matches!(cause.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => Err(Failure::here(
            &format!("cannot open the {MIN_DESCRIPTORS} files that this command needs at once"),
        )
        .caused_by(&cause)
        .help("raise the limit on open files: `ulimit -n`")),
        // If /dev/null does not exist, later errors say more.
        _ => Ok(()),
    }
}

fn no_runtime(cause: io::Error) -> Failure {
    Failure::here("cannot start the runtime").caused_by(&cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_on_one_thread_reads_from_the_disk() {
        let runtime = start_small(MIN_THREADS).unwrap();
        let read = runtime.block_on(async { tokio::fs::read("/dev/null").await.unwrap() });
        assert!(read.is_empty());
    }

    #[test]
    fn threads_that_were_tried_are_gone() {
        assert!(startable_threads(3).is_ok());
    }
}
