//! A stage that accepts items in any order and processes them in their order.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Receives items from several threads, and processes them one by one by their numbers from 0, with a shared state.
///
/// There is no separate thread: the thread that adds an item processes all that are due, unless another thread is
/// already processing, which then includes this item. No thread waits.
pub(super) struct InOrder<T, S> {
    queue: Mutex<Queue<T>>,
    state: Mutex<S>,
}

struct Queue<T> {
    /// Items that arrived before their turn.
    waiting: BTreeMap<u64, T>,
    next: u64,
    is_worked_off: bool,
}

impl<T, S> InOrder<T, S> {
    /// Creates a stage that waits for item 0.
    pub(super) fn new(state: S) -> Self {
        let queue = Queue {
            waiting: BTreeMap::new(),
            next: 0,
            is_worked_off: false,
        };
        Self {
            queue: Mutex::new(queue),
            state: Mutex::new(state),
        }
    }

    /// Adds an item, and processes the items that are due with `work`. After an error no further item is processed.
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

    /// Returns the state after all items were added.
    pub(super) fn into_state(self) -> S {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Locks a mutex. A thread that panicked leaves the stage marked as busy, so that no other thread continues with its
/// state.
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
        let next = std::sync::atomic::AtomicU64::new(0);
        let stage_ref = &stage;
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
