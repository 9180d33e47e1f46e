//! Progress as bars on a terminal.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::layout::{self, Done};
use super::lines;
use super::lock::lock;
use super::ticker::Ticker;
use crate::cli::stderr::{eprintln_line, return_cursor, shown};
use crate::events::{Event, Item, Observer, TaskId, Work};

/// Delay before a task that moves gets a line: that of a shorter task would only flicker.
const LINE_AFTER: Duration = Duration::from_millis(300);

/// Delay before a task that does not move gets a line, if no other task has one: a silent terminal looks like a hang.
const WAITING_AFTER: Duration = Duration::from_secs(1);

/// Interval at which the lines are drawn.
const TICK: Duration = Duration::from_millis(120);

/// Width of a terminal that does not report one.
const DEFAULT_COLUMNS: usize = 80;

/// The bars on the screen, for the signal handler.
static SHOWN: OnceLock<Arc<Mutex<Screen>>> = OnceLock::new();

/// Removes the bars from the screen for good. Tasks that still run draw nothing more.
pub fn clear_bars() {
    if let Some(screen) = SHOWN.get() {
        lock(screen).close();
    }
}

/// Draws a line for each task that takes time.
pub struct Bars {
    screen: Arc<Mutex<Screen>>,
    /// indicatif's own thread panics if no thread can be started.
    _ticker: Ticker,
}

struct Screen {
    all: MultiProgress,
    running: BTreeMap<TaskId, Running>,
    drawn: Instant,
}

struct Running {
    /// Without secrets.
    work: Work,
    size_bytes: Option<u64>,
    done_bytes: u64,
    since: Instant,
    line: Option<ProgressBar>,
}

impl Bars {
    /// Creates an empty screen.
    pub fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let screen = Arc::new(Mutex::new(Screen {
            all,
            running: BTreeMap::new(),
            drawn: Instant::now(),
        }));
        let _ = SHOWN.set(Arc::clone(&screen));
        let ticking = Arc::clone(&screen);
        Self {
            screen,
            _ticker: Ticker::start(TICK, move || lock(&ticking).draw(Instant::now())),
        }
    }
}

impl Observer for Bars {
    fn event(&self, event: Event) {
        let mut screen = lock(&self.screen);
        match &event {
            Event::Started { task, work, size_bytes } => screen.started(*task, work, *size_bytes),
            Event::Progress { task, done_bytes } => screen.moved(*task, *done_bytes),
            Event::Finished { task, .. } => screen.finished(*task),
            _ => {}
        }
        if let Some(text) = lines::text(event) {
            screen.print(&text);
        }
    }
}

impl Screen {
    fn started(&mut self, task: TaskId, work: &Work, size_bytes: Option<u64>) {
        let running = Running {
            work: without_secrets(work),
            size_bytes,
            done_bytes: 0,
            since: Instant::now(),
            line: None,
        };
        self.running.insert(task, running);
    }

    fn moved(&mut self, task: TaskId, done_bytes: u64) {
        if let Some(running) = self.running.get_mut(&task) {
            running.done_bytes = done_bytes;
        }
        // The ticker may have no thread.
        let now = Instant::now();
        if now.saturating_duration_since(self.drawn) >= TICK {
            self.draw(now);
        }
    }

    fn finished(&mut self, task: TaskId) {
        if let Some(line) = self.running.remove(&task).and_then(|running| running.line) {
            line.finish_and_clear();
            self.all.remove(&line);
            self.rest_cursor();
        }
    }

    /// Prints text above the lines. It does not go through indicatif, which ends text with spaces in place of a line end.
    fn print(&self, text: &str) {
        let _ = self.all.clear();
        eprintln_line(text);
        if let Some(line) = self.lines().next() {
            // Draws all of them.
            line.force_draw();
            self.rest_cursor();
        }
    }

    fn close(&self) {
        let _ = self.all.clear();
        self.all.set_draw_target(ProgressDrawTarget::hidden());
    }

    fn lines(&self) -> impl Iterator<Item = &ProgressBar> {
        self.running.values().filter_map(|running| running.line.as_ref())
    }

    /// Moves the cursor to the start of the last line. indicatif leaves it at the end, where the `^C` that a terminal
    /// shows would go to the next line, and what is cleared would be that line.
    fn rest_cursor(&self) {
        if self.lines().next().is_some() && !self.all.is_hidden() {
            return_cursor();
        }
    }

    fn draw(&mut self, now: Instant) {
        self.drawn = now;
        let is_idle = self.running.values().all(|running| running.line.is_none());
        // The last task that started is what the others wait for.
        let last = self.running.keys().next_back().copied().filter(|_| is_idle);
        let columns = columns();
        for (task, running) in &mut self.running {
            let age = now.saturating_duration_since(running.since);
            let has_moved = running.done_bytes > 0 && age >= LINE_AFTER;
            let is_awaited = last == Some(*task) && age >= WAITING_AFTER;
            if running.line.is_none() && (has_moved || is_awaited) {
                running.line = Some(self.all.add(ProgressBar::no_length().with_style(style())));
            }
            if let Some(line) = &running.line {
                line.set_message(running.text(age, columns));
                line.tick();
            }
        }
        self.rest_cursor();
    }
}

impl Running {
    fn text(&self, elapsed: Duration, columns: usize) -> String {
        let done = Done {
            done_bytes: self.done_bytes,
            size_bytes: self.size_bytes,
            elapsed,
        };
        layout::line(&self.work, done, columns)
    }
}

/// Masks secrets before text is shortened: a part of a secret would not be found.
fn without_secrets(work: &Work) -> Work {
    let item = Item {
        name: shown(&work.item.name).into_owned(),
        ..work.item.clone()
    };
    Work {
        item,
        target: work.target.as_ref().map(|target| shown(target).into_owned()),
        ..work.clone()
    }
}

/// Returns the width of the terminal.
fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr());
    size.map(|size| usize::from(size.ws_col))
        .ok()
        .filter(|columns| *columns > 0)
        .unwrap_or(DEFAULT_COLUMNS)
}

/// Returns the style of a line. The template is constant and valid; an invalid one would only look plainer.
fn style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}
