//! A stage that takes items in any order and works them off in theirs.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Items that come from several threads, and a state that takes them one by one, by their numbers from 0.
///
/// There is no thread behind it: whoever brings an item works off what is due, unless another thread is at it already,
/// which then takes this item along. Nobody waits.
pub(super) struct InOrder<T, S> {
    queue: Mutex<Queue<T>>,
    state: Mutex<S>,
}

struct Queue<T> {
    /// What came before its turn.
    waiting: BTreeMap<u64, T>,
    next: u64,
    is_worked_off: bool,
}

impl<T, S> InOrder<T, S> {
    /// A stage that waits for item 0.
    pub(super) fn new(state: S) -> Self {
        let queue = Queue { waiting: BTreeMap::new(), next: 0, is_worked_off: false };
        Self { queue: Mutex::new(queue), state: Mutex::new(state) }
    }

    /// Brings an item, and works off with `work` what is due. After an error nothing is worked off any more.
    pub(super) fn bring<E>(
        &self,
        number: u64,
        item: T,
        mut work: impl FnMut(&mut S, T) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut queue = lock(&self.queue);
        queue.waiting.insert(number, item);
        if queue.is_worked_off {
            return Ok(());
        }
        queue.is_worked_off = true;
        loop {
            let next = queue.next;
            let Some(item) = queue.waiting.remove(&next) else { break };
            queue.next += 1;
            drop(queue);
            work(&mut lock(&self.state), item)?;
            queue = lock(&self.queue);
        }
        queue.is_worked_off = false;
        Ok(())
    }

    /// The state, once all items were brought.
    pub(super) fn into_state(self) -> S {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that panicked inside leaves a stage that is still being worked off, so that nobody goes on with its state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::InOrder;

    #[test]
    fn items_are_worked_off_in_their_order() {
        let stage = InOrder::new(Vec::new());
        let work = |done: &mut Vec<u64>, item| {
            done.push(item);
            Ok::<_, ()>(())
        };
        for number in [2, 0, 3, 1, 5] {
            stage.bring(number, number * 10, work).unwrap();
        }
        assert_eq!(stage.into_state(), [0, 10, 20, 30]);
    }

    #[test]
    fn items_of_several_threads_are_all_worked_off() {
        let stage = InOrder::new(Vec::new());
        let (next, stage_ref) = (std::sync::atomic::AtomicU64::new(0), &stage);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        if number >= 10_000 {
                            return;
                        }
                        let keep = |done: &mut Vec<u64>, item| {
                            done.push(item);
                            Ok::<_, ()>(())
                        };
                        stage_ref.bring(number, number, keep).unwrap();
                    }
                });
            }
        });
        assert!(stage.into_state().into_iter().eq(0..10_000));
    }

    #[test]
    fn nothing_is_worked_off_after_an_error() {
        let stage = InOrder::new(0);
        assert_eq!(stage.bring(0, 0, |_, _| Err("no")), Err("no"));
        let count = |done: &mut i32, _| {
            *done += 1;
            Ok::<_, ()>(())
        };
        stage.bring(1, 1, count).unwrap();
        assert_eq!(stage.into_state(), 0);
    }
}
