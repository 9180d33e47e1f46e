//! The asynchronous runtime, started in whatever room the system leaves: a limit on processes (`ulimit -u`, a cgroup's
//! pids) or on open files (`ulimit -n`) makes a run slower or ends it with an error, and never in a panic or a wait
//! without end.

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

/// Threads that a command needs beside the workers at the least to wait for disks and names without waiting for itself.
const SPARE_THREADS: usize = 4;

/// The system counts a thread for a moment longer than anybody can wait for: twice as many as are needed must fit.
const PROBE_FACTOR: usize = 2;

/// How long that moment is taken to be, where there is little room.
const AFTERLIFE: Duration = Duration::from_millis(50);

/// Threads without which nothing can be done: one that waits for the disk, and one that unpacks.
const MIN_THREADS: usize = 2;

/// Threads from which on one can be spared for what is done at intervals, which nothing depends on.
const MIN_THREADS_WITH_TICKER: usize = 4;

/// Whether a thread can be spared for what is done at intervals.
static SPARES_TICKER: AtomicBool = AtomicBool::new(true);

/// Open files that every command needs: the runtime's own five, temporary files, and the files that are read and written.
const MIN_DESCRIPTORS: usize = 16;

/// How long a thread that has nothing to do is kept where there is little room: for good, since it may not come back.
const KEPT: Duration = Duration::from_secs(u32::MAX as u64);

/// Starts the runtime.
///
/// # Errors
/// Where the system allows too few threads or open files.
pub fn start() -> Result<Runtime, Failure> {
    check_descriptors()?;
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let workers = processors.min(MAX_THREADS);
    let wanted = PROBE_FACTOR * (workers + SPARE_THREADS);
    let started = startable_threads(wanted);
    let runtime = match started {
        Ok(()) => Builder::new_multi_thread().worker_threads(workers).enable_all().build().map_err(no_runtime)?,
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

/// Returns `true` if a thread can be spared for what is done at intervals.
pub fn spares_ticker() -> bool {
    SPARES_TICKER.load(Ordering::Relaxed)
}

/// A runtime on the calling thread, and others that wait for the disk, of the `count` that can be started. One of these is
/// started now: what comes later waits for it where no other can be started. They stay, and so one is left for what
/// unpacks, and one for what is done at intervals.
fn start_small(count: usize) -> Option<Runtime> {
    let spares_ticker = count >= MIN_THREADS_WITH_TICKER;
    SPARES_TICKER.store(spares_ticker, Ordering::Relaxed);
    let waiting = count.saturating_sub(1 + usize::from(spares_ticker)).max(1);
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_all().thread_keep_alive(KEPT).max_blocking_threads(waiting).build().ok()?;
    // Where there is no thread tokio knows but a panic, which is no reason to speak of one.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let first = panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(runtime.spawn_blocking(|| ()))));
    panic::set_hook(hook);
    matches!(first, Ok(Ok(()))).then_some(runtime)
}

/// Starts `count` threads at once, and ends them; else says how many there were, and why there was no other.
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

/// Opens as many files at once as are needed.
fn check_descriptors() -> Result<(), Failure> {
    let opened = || -> io::Result<()> {
        let mut held = vec![File::open("/dev/null")?];
        for _ in 1..MIN_DESCRIPTORS {
            held.push(held[0].try_clone()?);
        }
        Ok(())
    };
    match opened() {
        Err(cause) if matches!(cause.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
            Err(Failure::here(&format!("cannot open the {MIN_DESCRIPTORS} files that this command needs at once"))
                .caused_by(&cause)
                .help("raise the limit on open files: `ulimit -n`"))
        }
        // A system without /dev/null says more where it matters.
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
