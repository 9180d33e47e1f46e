//! The heartbeat of line-by-line progress: after a silence it prints the tasks that are running.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::events::TaskId;
use crate::model::size_text;

/// Silence after which a heartbeat is printed. CI systems and people take a longer one for a hang.
const SILENCE: Duration = Duration::from_secs(9);

/// Limit on tasks in one heartbeat; there may be one for each layer.
const MAX_NAMED: usize = 4;

/// The running tasks, and the time of the last output.
pub struct Heartbeat {
    under_way: BTreeMap<TaskId, Running>,
    since: Instant,
    spoke: Instant,
}

struct Running {
    what: String,
    size_bytes: Option<u64>,
    done_bytes: u64,
    since: Instant,
}

impl Heartbeat {
    /// Returns the heartbeat of a command that starts at `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            under_way: BTreeMap::new(),
            since: now,
            spoke: now,
        }
    }

    /// Records that a task starts.
    pub fn started(&mut self, task: TaskId, what: String, size_bytes: Option<u64>) {
        self.under_way.insert(
            task,
            Running {
                what,
                size_bytes,
                done_bytes: 0,
                since: Instant::now(),
            },
        );
    }

    /// Records the progress of a task.
    pub fn moved(&mut self, task: TaskId, done_bytes: u64) {
        if let Some(running) = self.under_way.get_mut(&task) {
            running.done_bytes = done_bytes;
        }
    }

    /// Records that a task ends.
    pub fn finished(&mut self, task: TaskId) {
        self.under_way.remove(&task);
    }

    /// Records that something was printed.
    pub fn spoke(&mut self, now: Instant) {
        self.spoke = now;
    }

    /// Returns the lines to print now; none if something was printed lately.
    pub fn lines(&mut self, now: Instant) -> Vec<String> {
        if now.saturating_duration_since(self.spoke) < SILENCE {
            return Vec::new();
        }
        self.spoke = now;
        if self.under_way.is_empty() {
            return vec![format!("still running after {}", seconds(now, self.since))];
        }
        let mut lines: Vec<String> = self
            .under_way
            .values()
            .take(MAX_NAMED)
            .map(|running| running.line(now))
            .collect();
        if self.under_way.len() > MAX_NAMED {
            lines.push(format!("and {} more", self.under_way.len() - MAX_NAMED));
        }
        lines
    }
}

impl Running {
    fn line(&self, now: Instant) -> String {
        let Self {
            what,
            size_bytes,
            done_bytes,
            since,
        } = self;
        let done = match (size_bytes, done_bytes) {
            (Some(size_bytes), done_bytes) => {
                format!(": {} of {}", size_text(*done_bytes), size_text(*size_bytes))
            }
            (None, 0) => String::new(),
            (None, done_bytes) => format!(": {}", size_text(*done_bytes)),
        };
        format!("still {what}{done} after {}", seconds(now, *since))
    }
}

fn seconds(now: Instant, since: Instant) -> String {
    format!("{} s", now.saturating_duration_since(since).as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_broken_by_what_is_waited_for() {
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let mut heartbeat = Heartbeat::new(begin);
        assert!(heartbeat.lines(after(8)).is_empty());
        assert_eq!(heartbeat.lines(after(10)), ["still running after 10 s"]);
        assert!(heartbeat.lines(after(12)).is_empty(), "it was just said");
        heartbeat.started(7, "writing app (0123) to ghcr.io/me/app".to_owned(), Some(80_000_000));
        heartbeat.started(8, "resolving ghcr.io/me/base:1".to_owned(), None);
        heartbeat.moved(7, 12_000_000);
        heartbeat.moved(9, 1);
        let lines = heartbeat.lines(after(3600));
        assert!(
            lines[0].starts_with("still writing app (0123) to ghcr.io/me/app: 12.0 MB of 80.0 MB after "),
            "{lines:?}"
        );
        assert!(
            lines[1].starts_with("still resolving ghcr.io/me/base:1 after "),
            "{lines:?}"
        );
        heartbeat.finished(7);
        heartbeat.spoke(after(3608));
        assert!(heartbeat.lines(after(3610)).is_empty());
        assert_eq!(heartbeat.lines(after(3620)).len(), 1);
    }

    #[test]
    fn of_many_tasks_some_are_named() {
        let mut heartbeat = Heartbeat::new(Instant::now());
        for task in 0..9 {
            heartbeat.started(task, format!("packing {task}"), None);
        }
        let lines = heartbeat.lines(Instant::now() + SILENCE);
        assert_eq!((lines.len(), lines[4].as_str()), (5, "and 5 more"));
    }
}
