//! Periodic work beside everything else.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::cli::runtime;

/// Runs its work at an interval, on its own thread, until it is dropped.
pub struct Ticker {
    is_over: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts the ticker. If no thread can be spared, the work does not run: it is for waiting users, and nothing
    /// depends on it.
    pub fn start(interval: Duration, mut work: impl FnMut() + Send + 'static) -> Self {
        let is_over = Arc::new((Mutex::new(false), Condvar::new()));
        let shared = Arc::clone(&is_over);
        let run = move || {
            let (is_over, ended) = &*shared;
            let mut over = is_over.lock().unwrap_or_else(PoisonError::into_inner);
            loop {
                let waited = ended.wait_timeout_while(over, interval, |over| !*over);
                over = waited.unwrap_or_else(PoisonError::into_inner).0;
                if *over {
                    return;
                }
                drop(over);
                work();
                over = is_over.lock().unwrap_or_else(PoisonError::into_inner);
            }
        };
        let builder = thread::Builder::new().name("ticker".to_owned());
        let thread = if runtime::spares_ticker() {
            builder.spawn(run).ok()
        } else {
            None
        };
        Self { is_over, thread }
    }
}

impl Drop for Ticker {
    /// Waits for work in progress: the work does not run after the drop.
    fn drop(&mut self) {
        let (is_over, ended) = &*self.is_over;
        *is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        ended.notify_all();
        let is_own = self
            .thread
            .as_ref()
            .is_some_and(|thread| thread.thread().id() == thread::current().id());
        if let Some(thread) = self.thread.take().filter(|_| !is_own) {
            let _ = thread.join();
        }
    }
}
