//! The observers of the kinds of progress.

use std::io::IsTerminal as _;
use std::sync::Arc;

use super::bars::Bars;
use super::json::JsonLines;
use super::lines::{self, Lines};
use crate::cli::arguments::OutputArguments;
use crate::cli::choices::Progress;
use crate::cli::interrupt;
use crate::cli::stderr::eprintln_line;
use crate::events::{Event, Observer};

/// Returns the observer for the requested output.
pub fn observer(output: &OutputArguments) -> Arc<dyn Observer> {
    observer_of(output.progress, output.verbose > 0)
}

fn observer_of(progress: Progress, verbose: bool) -> Arc<dyn Observer> {
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
        if !matches!(event, Event::Warning(_) | Event::Findings { .. }) {
            return;
        }
        if let Some(text) = lines::text(event) {
            eprintln_line(&text);
        }
    }
}

/// Prints a warning, which is not a failure.
pub fn warn(progress: Progress, text: &str) {
    observer_of(progress, false).event(Event::Warning(text.to_owned()));
}

/// Prints what a command without progress has done.
pub fn note(progress: Progress, text: &str) {
    observer_of(progress, false).event(Event::Note(text.to_owned()));
}
