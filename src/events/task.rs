//! A running task.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::event::{Event, Observer, Silent, TaskId};
use super::work::{Item, Work};

/// Bytes between two events of one task: some hundred events a second at the speed of a disk.
const EVENT_EVERY_BYTES: u64 = 1024 * 1024;

static NEXT_TASK: AtomicU64 = AtomicU64::new(1);

/// A running task. Emits its end when dropped, unless [`Task::finish`] did.
pub struct Task {
    id: TaskId,
    observer: Arc<dyn Observer>,
    done_bytes: AtomicU64,
    reported_bytes: AtomicU64,
    is_finished: AtomicBool,
}

impl Task {
    /// Starts a task and emits the event.
    pub fn start(observer: &Arc<dyn Observer>, work: Work, size_bytes: Option<u64>) -> Self {
        // Numbers only distinguish tasks on the screen; they do not reach any output.
        let id = NEXT_TASK.fetch_add(1, Ordering::Relaxed);
        observer.event(Event::Started {
            task: id,
            work,
            size_bytes,
        });
        Self {
            id,
            observer: observer.clone(),
            done_bytes: AtomicU64::new(0),
            reported_bytes: AtomicU64::new(0),
            is_finished: AtomicBool::new(false),
        }
    }

    /// Returns a task that reports nothing.
    pub fn silent() -> Self {
        let observer: Arc<dyn Observer> = Arc::new(Silent);
        Self::start(&observer, Work::new("working", Item::default()), None)
    }

    /// Adds bytes to those that were processed. May be called from several threads. Most calls emit no event.
    pub fn advance(&self, size_bytes: u64) {
        let done_bytes = self.done_bytes.fetch_add(size_bytes, Ordering::Relaxed) + size_bytes;
        let next = |reported_bytes| {
            (reported_bytes / EVENT_EVERY_BYTES < done_bytes / EVENT_EVERY_BYTES).then_some(done_bytes)
        };
        let reported = self
            .reported_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        if reported.is_ok() {
            self.report(done_bytes);
        }
    }

    /// Ends the task; `what` describes what was done. Bytes that were not reported yet are reported first.
    pub fn finish(&self, what: String) {
        if self.is_finished.swap(true, Ordering::Relaxed) {
            return;
        }
        let done_bytes = self.done_bytes.load(Ordering::Relaxed);
        if self.reported_bytes.swap(done_bytes, Ordering::Relaxed) != done_bytes {
            self.report(done_bytes);
        }
        self.observer.event(Event::Finished { task: self.id, what });
    }

    fn report(&self, done_bytes: u64) {
        self.observer.event(Event::Progress {
            task: self.id,
            done_bytes,
        });
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.finish(String::new());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Recorder(Mutex<Vec<Event>>);

    impl Observer for Recorder {
        fn event(&self, event: Event) {
            self.0.lock().unwrap().push(event);
        }
    }

    #[test]
    fn small_advances_are_reported_together_and_the_end_always() {
        let recorder = Arc::new(Recorder::default());
        let observer: Arc<dyn Observer> = recorder.clone();
        let task = Task::start(&observer, Work::new("packing", Item::new("app")), None);
        for _ in 0..3000 {
            task.advance(1000);
        }
        task.finish("packed app".to_owned());
        drop(task);
        let events = recorder.0.lock().unwrap();
        let done: Vec<u64> = events
            .iter()
            .filter_map(|event| match event {
                Event::Progress { done_bytes, .. } => Some(*done_bytes),
                _ => None,
            })
            .collect();
        assert_eq!(done, [1_049_000, 2_098_000, 3_000_000]);
        assert_eq!(events.len(), 5);
        assert!(matches!(&events[4], Event::Finished { what, .. } if what == "packed app"));
    }

    #[test]
    fn a_task_without_bytes_has_a_start_and_an_end() {
        let recorder = Arc::new(Recorder::default());
        let observer: Arc<dyn Observer> = recorder.clone();
        drop(Task::start(&observer, Work::new("checking", Item::default()), None));
        assert_eq!(recorder.0.lock().unwrap().len(), 2);
    }
}
