//! Runs equal pieces of work on several threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::pack::MAX_THREADS;

/// Returns the results of `work` for all `items`, in their order. It runs on up to `threads` threads, at most
/// [`MAX_THREADS`]. Where the system allows no more threads, the current one does the rest.
///
/// # Errors
/// Of several errors, returns that of the first item, whatever the threads did first. After an error, no further item
/// is started.
pub(super) fn map<T: Sync, R: Send, E: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<R, E>)>> = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        let work_off = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(at) else { return };
                let result = work(item);
                if result.is_err() {
                    next.store(items.len(), Ordering::Relaxed);
                }
                done.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
            }
        };
        for _ in 1..threads.clamp(1, MAX_THREADS).min(items.len()) {
            if std::thread::Builder::new().spawn_scoped(scope, work_off).is_err() {
                break;
            }
        }
        work_off();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items_on_any_number_of_threads() {
        let items: Vec<u32> = (0..1000).collect();
        let expected: Vec<u32> = items.iter().map(|item| item * 2).collect();
        for threads in [0, 1, 2, 7, 1000] {
            let doubled = map(&items, threads, |item| Ok::<_, ()>(item * 2));
            assert_eq!(doubled.as_ref(), Ok(&expected), "{threads} threads");
        }
        assert_eq!(map(&[], 4, |(): &()| Ok::<_, ()>(())), Ok(Vec::new()));
    }

    #[test]
    fn the_error_of_the_first_item_is_returned_and_no_further_item_is_started() {
        let items: Vec<u32> = (0..1000).collect();
        for threads in [1, 4] {
            let started = AtomicUsize::new(0);
            let result = map(&items, threads, |item| {
                started.fetch_add(1, Ordering::Relaxed);
                if *item >= 10 { Err(*item) } else { Ok(()) }
            });
            assert_eq!(result, Err(10));
            assert!(started.into_inner() <= 10 + threads);
        }
    }
}
