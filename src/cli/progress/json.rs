//! Progress as lines of JSON.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use serde_json::{Value, json};

use super::lock::lock;
use super::pace::Pace;
use crate::cli::stderr::{eprintln_json, event_json};
use crate::events::{Event, Observer, Outcome, TaskId, Traffic};
use crate::model::Platform;
use crate::model::finding::Finding;

/// Prints events as lines of JSON, and limits how often the progress of a task is among them.
#[derive(Default)]
pub struct JsonLines(Mutex<Events>);

impl Observer for JsonLines {
    fn event(&self, event: Event) {
        // Lines are printed under the lock, so that they are in the order of the events.
        let mut events = lock(&self.0);
        for line in events.lines(event, Instant::now()) {
            eprintln_json(line);
        }
    }
}

/// The running tasks, and what was counted so far.
#[derive(Default)]
struct Events {
    running: BTreeMap<TaskId, Running>,
    outcomes: BTreeMap<Outcome, u64>,
}

struct Running {
    what: String,
    pace: Pace,
}

impl Events {
    /// Returns the lines for an event at `now`.
    fn lines(&mut self, event: Event, now: Instant) -> Vec<Value> {
        match event {
            Event::Started { task, work, size_bytes } => {
                let what = work.to_string();
                let platform = work.item.platform.as_ref().map(Platform::to_string);
                let line = json!({
                    "event": "started",
                    "task": task,
                    "what": what,
                    "platform": platform,
                    "size_bytes": size_bytes,
                });
                let pace = Pace::default();
                self.running.insert(task, Running { what, pace });
                vec![line]
            }
            Event::Progress { task, done_bytes } => self.progress(task, done_bytes, now).into_iter().collect(),
            Event::Finished { task, what } => {
                let end = json!({"event": "finished", "task": task, "what": what});
                let last = self.running.remove(&task).and_then(|running| running.last_line(task));
                last.into_iter().chain([end]).collect()
            }
            Event::Note(text) => vec![json!({"event": "note", "text": text})],
            Event::Warning(text) => vec![json!({"event": "warning", "text": text})],
            Event::Findings(findings) => {
                let line = |finding: &Finding| event_json("finding", finding.to_json());
                findings.iter().map(line).collect()
            }
            Event::Settled(outcome) => {
                *self.outcomes.entry(outcome).or_default() += 1;
                Vec::new()
            }
            Event::Published(_) => Vec::new(),
            Event::Traffic(traffic) => vec![self.traffic(&traffic)],
        }
    }

    fn progress(&mut self, task: TaskId, done_bytes: u64, now: Instant) -> Option<Value> {
        let running = self.running.get_mut(&task)?;
        running
            .pace
            .admits(done_bytes, now)
            .then(|| progress_line(task, &running.what, done_bytes))
    }

    fn traffic(&self, traffic: &Traffic) -> Value {
        let count = |outcome| self.outcomes.get(&outcome).copied().unwrap_or_default();
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

impl Running {
    fn last_line(self, task: TaskId) -> Option<Value> {
        let done_bytes = self.pace.into_last()?;
        Some(progress_line(task, &self.what, done_bytes))
    }
}

fn progress_line(task: TaskId, what: &str, done_bytes: u64) -> Value {
    json!({"event": "progress", "task": task, "what": what, "done_bytes": done_bytes})
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::events::{Item, Task, Work};

    /// Collects the lines, with a clock that each event moves on.
    struct Clocked {
        events: Mutex<(Events, Instant)>,
        step: Duration,
        lines: Mutex<Vec<Value>>,
    }

    impl Observer for Clocked {
        fn event(&self, event: Event) {
            let mut events = lock(&self.events);
            events.1 += self.step;
            let now = events.1;
            lock(&self.lines).extend(events.0.lines(event, now));
        }
    }

    /// Returns the lines of a transfer of small chunks, 4 KiB at a time, 100 MiB in total: 100 events of the library.
    fn lines_of_small_chunks(step: Duration) -> Vec<Value> {
        let clocked = Arc::new(Clocked {
            events: Mutex::new((Events::default(), Instant::now())),
            step,
            lines: Mutex::default(),
        });
        let observer: Arc<dyn Observer> = clocked.clone();
        let work = Work::writing(Item::new("app"), "oci:out");
        let task = Task::start(&observer, work, Some(100 << 20));
        for _ in 0..100 << 8 {
            task.advance(1 << 12);
        }
        task.finish("copied app in oci:out".to_owned());
        lock(&clocked.lines).clone()
    }

    fn counts(lines: &[Value]) -> (usize, usize, usize) {
        let count = |name| lines.iter().filter(|line| line["event"] == name).count();
        (count("started"), count("progress"), count("finished"))
    }

    #[test]
    fn a_transfer_of_many_small_chunks_has_few_events() {
        // Within a second: the first one and the last one.
        let fast = lines_of_small_chunks(Duration::from_millis(5));
        assert_eq!(counts(&fast), (1, 2, 1), "{fast:#?}");
        assert_eq!(fast[1]["done_bytes"], 1 << 20);
        assert_eq!(fast[2]["done_bytes"], 100 << 20);
        assert_eq!(fast[3]["event"], "finished");
        // In ten seconds: one a second, and the last one.
        let slow = lines_of_small_chunks(Duration::from_millis(100));
        assert_eq!(counts(&slow), (1, 11, 1), "{slow:#?}");
    }

    #[test]
    fn each_task_has_its_own_rate() {
        let mut events = Events::default();
        let now = Instant::now();
        let start = |task| Event::Started {
            task,
            work: Work::new("packing", Item::new("app")),
            size_bytes: None,
        };
        events.lines(start(1), now);
        events.lines(start(2), now);
        let progress = |task| Event::Progress { task, done_bytes: 1 };
        assert_eq!(events.lines(progress(1), now).len(), 1);
        assert_eq!(events.lines(progress(2), now).len(), 1);
        assert_eq!(events.lines(progress(1), now).len(), 0);
    }
}
