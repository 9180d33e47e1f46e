//! Progress as a line for each event.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::heartbeat::Heartbeat;
use super::lock::lock;
use super::ticker::Ticker;
use crate::cli::stderr::eprintln_line;
use crate::cli::{findings, render};
use crate::events::{Event, Observer};

/// Interval at which the heartbeat is checked.
const HEARTBEAT_CHECK: Duration = Duration::from_secs(1);

/// Prints a line for each event, and the running tasks after a silence.
pub struct Lines {
    heartbeat: Arc<Mutex<Heartbeat>>,
    _ticker: Ticker,
}

impl Lines {
    /// Starts the heartbeat.
    pub fn new() -> Self {
        let heartbeat = Arc::new(Mutex::new(Heartbeat::new(Instant::now())));
        let beating = Arc::clone(&heartbeat);
        let beat = move || {
            lock(&beating)
                .lines(Instant::now())
                .iter()
                .for_each(|line| eprintln_line(line))
        };
        Self {
            heartbeat,
            _ticker: Ticker::start(HEARTBEAT_CHECK, beat),
        }
    }
}

impl Observer for Lines {
    fn event(&self, event: Event) {
        let mut heartbeat = lock(&self.heartbeat);
        match &event {
            Event::Started { task, work, size_bytes } => heartbeat.started(*task, work.to_string(), *size_bytes),
            Event::Progress { task, done_bytes } => heartbeat.moved(*task, *done_bytes),
            Event::Finished { task, .. } => heartbeat.finished(*task),
            _ => {}
        }
        if let Some(line) = text(event) {
            heartbeat.spoke(Instant::now());
            eprintln_line(&line);
        }
    }
}

/// Returns the text that people get for an event, if it is worth one.
pub fn text(event: Event) -> Option<String> {
    let text = match event {
        Event::Finished { what, .. } => what,
        Event::Note(text) => text,
        Event::Warning(text) => format!("warning: {text}"),
        Event::Findings(found) => findings::text(&found, render::color_on_stderr()).trim_end().to_owned(),
        _ => String::new(),
    };
    (!text.is_empty()).then_some(text)
}
