//! Packs the layers of all platforms: equal ones once, several at a time.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::build::events::{Observer, Task};
use crate::model::{ContentOpener, LayerPlan};
use crate::pack::{MAX_THREADS, PackError, PackObserver, PackOptions, PackedLayer, pack_layer};
use crate::plan::BuildPlan;

/// The packed layers of one platform, in the plan's order, each with whether another platform's packing served it.
pub(super) type PlatformLayers = Vec<(Arc<PackedLayer>, bool)>;

/// Packs every layer of every plan. Equal plans of layers are packed once, for the first platform that has them.
pub(super) fn pack_all(
    plans: &[&BuildPlan],
    opener: &dyn ContentOpener,
    options: &PackOptions<'_>,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<PlatformLayers>, PackError> {
    let mut distinct: Vec<(&Arc<LayerPlan>, String)> = Vec::new();
    // For each platform and layer: its place among the distinct ones, and whether it stood there already.
    let mut places: Vec<Vec<(usize, bool)>> = Vec::new();
    for plan in plans {
        let mut of_platform = Vec::new();
        for layer in &plan.layers {
            let known = distinct.iter().position(|(other, _)| *other == layer);
            of_platform.push((known.unwrap_or(distinct.len()), known.is_some()));
            if known.is_none() {
                distinct.push((layer, format!("{} of {}", layer.name, plan.platform)));
            }
        }
        places.push(of_platform);
    }
    let packed = pack_distinct(&distinct, opener, options, observer)?;
    let layers = |of_platform: &Vec<(usize, bool)>| {
        of_platform.iter().map(|(at, shared)| (packed[*at].clone(), *shared)).collect()
    };
    Ok(places.iter().map(layers).collect())
}

/// A layer that outweighs all that are left together is packed alone, by all threads; the rest side by side, each by one.
fn pack_distinct(
    layers: &[(&Arc<LayerPlan>, String)],
    opener: &dyn ContentOpener,
    options: &PackOptions<'_>,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<Arc<PackedLayer>>, PackError> {
    let mut order: Vec<(u64, usize)> =
        layers.iter().enumerate().map(|(at, (layer, _))| (content_bytes(layer), at)).collect();
    order.sort_by_key(|(size_bytes, at)| (std::cmp::Reverse(*size_bytes), *at));
    let mut left = order.iter().fold(0u64, |sum, (size_bytes, _)| sum.saturating_add(*size_bytes));
    let mut alone = 0;
    while let Some((size_bytes, _)) = order.get(alone)
        && left.saturating_sub(*size_bytes) <= *size_bytes
        && *size_bytes > 0
    {
        left = left.saturating_sub(*size_bytes);
        alone += 1;
    }

    let results: Mutex<Vec<Option<Arc<PackedLayer>>>> = Mutex::new(vec![None; layers.len()]);
    let pack_one = |at: usize, threads: usize| -> Result<(), PackError> {
        let packed = pack_with_task(&layers[at], opener, &PackOptions { threads, ..options.clone() }, observer)?;
        // Each change is one assignment: a poisoned lock holds nothing half-made.
        results.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(Arc::new(packed));
        Ok(())
    };
    for (_, at) in &order[..alone] {
        pack_one(*at, options.threads)?;
    }
    let beside: Vec<usize> = order[alone..].iter().map(|(_, at)| *at).collect();
    side_by_side(&beside, options.threads, |at| pack_one(at, 1))?;
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(results.into_iter().flatten().collect())
}

/// Runs `work` for each of `items` on up to `threads` threads. Of several errors, that of the first item is given.
fn side_by_side<E: Send>(
    items: &[usize],
    threads: usize,
    work: impl Fn(usize) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    let failure: Mutex<Option<(usize, E)>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, MAX_THREADS).min(items.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { return };
                    if let Err(error) = work(*item) {
                        // No further item is begun.
                        next.store(items.len(), Ordering::Relaxed);
                        let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                        if failure.as_ref().is_none_or(|(earlier, _)| at < *earlier) {
                            *failure = Some((at, error));
                        }
                        return;
                    }
                }
            });
        }
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

fn pack_with_task(
    (layer, name): &(&Arc<LayerPlan>, String),
    opener: &dyn ContentOpener,
    options: &PackOptions<'_>,
    observer: &Arc<dyn Observer>,
) -> Result<PackedLayer, PackError> {
    let task = Task::start(observer, format!("packing {name}"), Some(content_bytes(layer)));
    let progress = Progress { task, done_bytes: AtomicU64::new(0) };
    let packed = pack_layer(layer, opener, options, &progress)?;
    progress.task.finish(format!("packed {name}"));
    Ok(packed)
}

/// Adds up what was read, and tells of it.
struct Progress {
    task: Task,
    done_bytes: AtomicU64,
}

impl PackObserver for Progress {
    fn content_read(&self, size_bytes: u64) {
        let done_bytes = self.done_bytes.fetch_add(size_bytes, Ordering::Relaxed) + size_bytes;
        self.task.progress(done_bytes);
    }
}

/// Bytes of all files of a layer.
fn content_bytes(layer: &LayerPlan) -> u64 {
    layer.entries.iter().map(|entry| entry.kind.size_bytes()).fold(0, u64::saturating_add)
}
