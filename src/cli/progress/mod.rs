//! Progress on stderr: bars on a terminal, a line per event elsewhere, JSON lines on request.

mod bars;
mod heartbeat;
mod json;
mod layout;
mod lines;
mod pace;
mod ticker;

use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bars::Bars;
pub use bars::clear_bars;
use json::JsonLines;
use lines::Lines;

use super::choices::Progress;
use super::interrupt;
use super::stderr::eprintln_line;
use crate::build::Transports;
use crate::events::{Event, Observer};

/// Returns the observer for the requested kind of progress.
pub fn observer(progress: Progress, verbose: bool) -> Arc<dyn Observer> {
    match progress {
        // Bars and log lines would overwrite each other.
        Progress::Auto if takes_bars() && !verbose => Arc::new(Noting(Bars::new())),
        Progress::Auto | Progress::Plain => Arc::new(Noting(Lines::new())),
        Progress::Json => Arc::new(Noting(JsonLines::default())),
        Progress::None => Arc::new(Noting(WarningsOnly)),
    }
}

/// Returns `true` if stderr is a terminal on which lines can be drawn again. `TERM=dumb` says that the cursor cannot be
/// moved; without `TERM`, it is not known.
fn takes_bars() -> bool {
    let moves_cursor = std::env::var_os("TERM").is_some_and(|name| !name.is_empty() && name != "dumb");
    moves_cursor && std::io::stderr().is_terminal()
}

/// Records which outputs are complete, for the report after a signal, and passes all events on.
struct Noting<O>(O);

impl<O: Observer> Observer for Noting<O> {
    fn event(&self, event: Event) {
        if let Event::Published(target) = &event {
            interrupt::published(target);
        }
        self.0.event(event);
    }
}

/// Prints warnings and findings.
struct WarningsOnly;

impl Observer for WarningsOnly {
    fn event(&self, event: Event) {
        if !matches!(event, Event::Warning(_) | Event::Findings(_)) {
            return;
        }
        if let Some(text) = lines::text(event) {
            eprintln_line(&text);
        }
    }
}

/// Reports the network traffic, if there was any, when it is dropped: at the end of a command, even of a failed one.
pub struct TrafficAtEnd {
    transports: Transports,
    observer: Arc<dyn Observer>,
}

impl TrafficAtEnd {
    /// Returns the report for the traffic of `transports`.
    pub fn of(transports: &Transports, observer: &Arc<dyn Observer>) -> Self {
        Self {
            transports: transports.clone(),
            observer: observer.clone(),
        }
    }
}

impl Drop for TrafficAtEnd {
    fn drop(&mut self) {
        let traffic = self.transports.traffic();
        if !traffic.requests.is_empty() {
            self.observer.event(Event::Traffic(traffic));
        }
    }
}

/// Prints a warning, which is not a failure.
pub fn warn(progress: Progress, text: &str) {
    observer(progress, false).event(Event::Warning(text.to_owned()));
}

/// Prints what a command without progress has done.
pub fn note(progress: Progress, text: &str) {
    observer(progress, false).event(Event::Note(text.to_owned()));
}

/// A poisoned lock holds no partial change: each change is atomic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
