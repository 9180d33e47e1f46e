//! Progress on stderr: bars on a terminal, a line per event elsewhere, JSON lines on request.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::arguments::Progress;
use super::heartbeat::Heartbeat;
pub use super::stderr::{emit_event, tell};
use super::ticker::Ticker;
use super::{findings, interrupt, render, stderr};
use crate::build::{Event, Observer, TaskId, Transports};
use crate::check::Finding;
use crate::registry::Traffic;
use crate::transfer::Outcome;

/// Delay before a task gets a bar: the bar of a shorter task would only flicker.
const BAR_AFTER: Duration = Duration::from_millis(300);

/// Interval of the bars' spinners.
const TICK: Duration = Duration::from_millis(120);

/// Interval at which the heartbeat is checked.
const HEARTBEAT_CHECK: Duration = Duration::from_secs(1);

/// Returns the observer for the requested kind of progress.
pub fn observer(progress: Progress, verbose: bool) -> Arc<dyn Observer> {
    match progress {
        // Bars and log lines would overwrite each other.
        Progress::Auto if std::io::stderr().is_terminal() && !verbose => Arc::new(Noting(Bars::new())),
        Progress::Auto | Progress::Plain => Arc::new(Noting(Lines::new())),
        Progress::Json => Arc::new(Noting(JsonLines::default())),
        Progress::None => Arc::new(Noting(WarningsOnly)),
    }
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

struct WarningsOnly;

impl Observer for WarningsOnly {
    fn event(&self, event: Event) {
        match event {
            Event::Warning(text) => tell(&format!("warning: {text}")),
            Event::Findings(findings) => tell_findings(&findings),
            _ => {}
        }
    }
}

/// Prints a line for each event, and the running tasks after a silence.
struct Lines {
    heartbeat: Arc<Mutex<Heartbeat>>,
    _ticker: Ticker,
}

impl Lines {
    fn new() -> Self {
        let heartbeat = Arc::new(Mutex::new(Heartbeat::new(Instant::now())));
        let beating = Arc::clone(&heartbeat);
        let beat = move || lock(&beating).lines(Instant::now()).iter().for_each(|line| tell(line));
        Self {
            heartbeat,
            _ticker: Ticker::start(HEARTBEAT_CHECK, beat),
        }
    }
}

impl Observer for Lines {
    fn event(&self, event: Event) {
        let mut heartbeat = lock(&self.heartbeat);
        let line = match event {
            Event::Started { task, what, size_bytes } => return heartbeat.started(task, what, size_bytes),
            Event::Progress { task, done_bytes } => return heartbeat.moved(task, done_bytes),
            Event::Finished { task, what } => {
                heartbeat.finished(task);
                what
            }
            Event::Note(what) => what,
            Event::Warning(text) => format!("warning: {text}"),
            Event::Findings(findings) => findings::text(&findings, render::color_on_stderr())
                .trim_end()
                .to_owned(),
            Event::Settled(_) | Event::Published(_) | Event::Traffic(_) => return,
        };
        if !line.is_empty() {
            heartbeat.spoke(Instant::now());
            tell(&line);
        }
    }
}

/// A poisoned lock holds no partial change: each change is atomic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tell_findings(findings: &[Finding]) {
    let text = findings::text(findings, render::color_on_stderr());
    if !text.is_empty() {
        tell(text.trim_end());
    }
}

#[derive(Default)]
struct JsonLines {
    names: Mutex<BTreeMap<TaskId, String>>,
    outcomes: Mutex<BTreeMap<Outcome, u64>>,
}

impl JsonLines {
    fn outcomes(&self) -> MutexGuard<'_, BTreeMap<Outcome, u64>> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn traffic(&self, traffic: &Traffic) -> serde_json::Value {
        let count = |outcome| self.outcomes().get(&outcome).copied().unwrap_or_default();
        json!({
            "event": "traffic",
            "requests": traffic.requests,
            "sent_bytes": traffic.sent_bytes,
            "received_bytes": traffic.received_bytes,
            "retries": traffic.retries,
            "mounts": count(Outcome::Mounted),
            "skips": count(Outcome::Skipped),
        })
    }
}

impl Observer for JsonLines {
    fn event(&self, event: Event) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let line = match event {
            Event::Started { task, what, size_bytes } => {
                let line = json!({"event": "started", "task": task, "what": what, "size_bytes": size_bytes});
                names.insert(task, what);
                line
            }
            Event::Progress { task, done_bytes } => {
                json!({"event": "progress", "task": task, "what": names.get(&task), "done_bytes": done_bytes})
            }
            Event::Finished { task, what } => {
                names.remove(&task);
                json!({"event": "finished", "task": task, "what": what})
            }
            Event::Note(text) => json!({"event": "note", "text": text}),
            Event::Warning(text) => json!({"event": "warning", "text": text}),
            Event::Settled(outcome) => return *self.outcomes().entry(outcome).or_default() += 1,
            Event::Published(_) => return,
            Event::Traffic(traffic) => self.traffic(&traffic),
            Event::Findings(findings) => {
                return findings
                    .iter()
                    .for_each(|finding| emit_event("finding", finding.to_json()));
            }
        };
        stderr::tell_json(line);
    }
}

/// The bars on the screen, for the signal handler.
static SHOWN: OnceLock<MultiProgress> = OnceLock::new();

/// Removes the bars from the screen.
pub fn clear_bars() {
    if let Some(bars) = SHOWN.get() {
        let _ = bars.clear();
    }
}

struct Bars {
    all: MultiProgress,
    under_way: Arc<Mutex<BTreeMap<TaskId, Bar>>>,
    /// Moves the spinners, from the first bar on.
    ticker: OnceLock<Ticker>,
}

/// A task, and its bar once it has run for a while.
struct Bar {
    what: String,
    size_bytes: Option<u64>,
    since: Instant,
    bar: Option<ProgressBar>,
}

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let _ = SHOWN.set(all.clone());
        Self {
            all,
            under_way: Arc::default(),
            ticker: OnceLock::new(),
        }
    }

    /// Starts to move the spinners. indicatif's own thread panics if no thread can be started.
    fn tick(&self) {
        self.ticker.get_or_init(|| {
            let under_way = Arc::clone(&self.under_way);
            let tick = move || {
                lock(&under_way)
                    .values()
                    .filter_map(|task| task.bar.as_ref())
                    .for_each(ProgressBar::tick)
            };
            Ticker::start(TICK, tick)
        });
    }

    fn say(&self, line: &str) {
        if self.all.println(stderr::shown(line)).is_err() {
            tell(line);
        }
    }

    fn show(&self, task: &Bar) -> ProgressBar {
        let bar = match task.size_bytes {
            Some(size_bytes) => ProgressBar::new(size_bytes).with_style(style(
                "{spinner} {msg:<44!} {bar:24} {binary_bytes:>11}/{binary_total_bytes:<11} {eta:>4}",
            )),
            None => ProgressBar::no_length().with_style(style("{spinner} {msg:<44!} {binary_bytes:>11}")),
        };
        let bar = self.all.add(bar);
        bar.set_message(stderr::shown(&task.what).into_owned());
        self.tick();
        bar
    }
}

/// Parses a template. They are constant and valid; an invalid one would only look plainer.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Observer for Bars {
    fn event(&self, event: Event) {
        let mut under_way = lock(&self.under_way);
        match event {
            Event::Started { task, what, size_bytes } => {
                under_way.insert(
                    task,
                    Bar {
                        what,
                        size_bytes,
                        since: Instant::now(),
                        bar: None,
                    },
                );
            }
            Event::Progress { task, done_bytes } => {
                let Some(task) = under_way.get_mut(&task) else { return };
                if task.bar.is_none() && task.since.elapsed() >= BAR_AFTER {
                    task.bar = Some(self.show(task));
                }
                if let Some(bar) = &task.bar {
                    bar.set_position(done_bytes);
                }
            }
            Event::Finished { task, what } => {
                if let Some(bar) = under_way.remove(&task).and_then(|task| task.bar) {
                    bar.finish_and_clear();
                    self.all.remove(&bar);
                }
                if !what.is_empty() {
                    self.say(&what);
                }
            }
            Event::Note(text) => self.say(&text),
            Event::Warning(text) => self.say(&format!("warning: {text}")),
            Event::Findings(findings) => {
                let text = findings::text(&findings, render::color_on_stderr());
                if !text.is_empty() {
                    self.say(text.trim_end());
                }
            }
            Event::Settled(_) | Event::Published(_) | Event::Traffic(_) => {}
        }
    }
}
