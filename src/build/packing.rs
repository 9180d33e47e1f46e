//! Makes the layers of all platforms: each distinct layer once, several at a time, and only if its bytes are not known
//! yet.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::build::cache_from::CacheFrom;
use crate::build::events::{Event, Observer, Task};
use crate::build::gate::SecretGate;
use crate::build::layer::{BuiltLayer, PackContext};
use crate::model::LayerPlan;
use crate::pack::{HashedLayer, MAX_THREADS, PackError, PackObserver, hash_layer};
use crate::plan::BuildPlan;

/// Least number of bytes left to read for which a finished layer is uploaded while others are packed. Below it, packing
/// takes less time than a few requests to a registry, and a single request for the tag may answer all of them.
const WORTH_OVERLAPPING_BYTES: u64 = 16 * 1024 * 1024;

/// The layers of one platform, in the plan's order, each with whether it was packed for another platform.
pub(super) type PlatformLayers = Vec<(Arc<BuiltLayer>, bool)>;

/// Why not all layers were made.
pub(super) enum Unfinished {
    /// Packing a layer failed.
    Failed(PackError),
    /// The result is no longer needed.
    Unwanted,
}

impl From<PackError> for Unfinished {
    fn from(error: PackError) -> Self {
        Self::Failed(error)
    }
}

/// Makes layers.
pub(super) struct Packing<'a> {
    pub context: &'a Arc<PackContext>,
    pub earlier: &'a CacheFrom,
    pub observer: &'a Arc<dyn Observer>,
    /// Closes at a layer that contains a secret which stops the build. From then on no layer is uploaded early.
    pub gate: &'a SecretGate<'a>,
    /// Receives a finished layer while much is left to do. Returns `false` if the other layers are no longer needed.
    pub take: &'a (dyn Fn(&Arc<BuiltLayer>) -> bool + Sync),
}

/// A layer that some platforms share, and its display name.
struct Distinct<'a> {
    plan: &'a Arc<LayerPlan>,
    name: String,
    content_bytes: u64,
}

impl Packing<'_> {
    /// Makes every layer of every plan. Equal layer plans are packed once, for the first platform that has them.
    pub(super) fn make_all(&self, plans: &[&BuildPlan]) -> Result<Vec<PlatformLayers>, Unfinished> {
        let mut distinct: Vec<Distinct<'_>> = Vec::new();
        // For each platform and layer: its index among the distinct ones, and whether it was there already.
        let mut places: Vec<Vec<(usize, bool)>> = Vec::new();
        for plan in plans {
            let mut of_platform = Vec::new();
            for layer in &plan.layers {
                // Equal layers share one allocation by now.
                let known = distinct.iter().position(|other| Arc::ptr_eq(other.plan, layer));
                of_platform.push((known.unwrap_or(distinct.len()), known.is_some()));
                if known.is_none() {
                    let name = format!("{} of {}", layer.name, plan.platform);
                    distinct.push(Distinct {
                        plan: layer,
                        name,
                        content_bytes: content_bytes(layer),
                    });
                }
            }
            places.push(of_platform);
        }
        let made = self.make_distinct(&distinct)?;
        let layers = |of_platform: &Vec<(usize, bool)>| {
            of_platform
                .iter()
                .map(|(at, shared)| (made[*at].clone(), *shared))
                .collect()
        };
        Ok(places.iter().map(layers).collect())
    }

    /// Makes the layers. A layer that is larger than all remaining ones together is packed alone on all threads; the
    /// others are packed in parallel, each on one thread. Layers with unchanged inputs are found before anything is
    /// read.
    fn make_distinct(&self, layers: &[Distinct<'_>]) -> Result<Vec<Arc<BuiltLayer>>, Unfinished> {
        let kept = |layer: &Distinct<'_>| {
            let kept = self.context.records.load(layer.plan)?;
            self.gate.look(layer.plan, &kept.sighted);
            Some(Arc::new(BuiltLayer::kept(
                kept,
                layer.plan.clone(),
                self.context.clone(),
            )))
        };
        let known: Vec<Option<Arc<BuiltLayer>>> = layers.iter().map(kept).collect();
        let mut order: Vec<usize> = (0..layers.len()).filter(|at| known[*at].is_none()).collect();
        order.sort_by_key(|at| (std::cmp::Reverse(layers[*at].content_bytes), *at));
        let total_bytes = order
            .iter()
            .fold(0u64, |sum, at| sum.saturating_add(layers[*at].content_bytes));

        let alone = outweighing(&order, layers, total_bytes);
        let left_bytes = AtomicU64::new(total_bytes);
        let results = Mutex::new(known);
        let make = |at: usize, threads: usize| -> Result<(), Unfinished> {
            let made = Arc::new(self.make(&layers[at], threads)?);
            self.gate.look(layers[at].plan, &made.sighted);
            // Each change is one assignment, so a poisoned lock holds consistent results.
            results.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(made.clone());
            let own_bytes = layers[at].content_bytes;
            let left_bytes = left_bytes
                .fetch_sub(own_bytes, Ordering::Relaxed)
                .saturating_sub(own_bytes);
            let is_kept_back = left_bytes < WORTH_OVERLAPPING_BYTES || self.gate.is_shut();
            if is_kept_back || (self.take)(&made) {
                Ok(())
            } else {
                Err(Unfinished::Unwanted)
            }
        };
        let threads = self.context.threads;
        order[..alone].iter().try_for_each(|at| make(*at, threads))?;
        side_by_side(&order[alone..], threads, |at| make(at, 1))?;
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(results.into_iter().flatten().collect())
    }

    /// Makes one layer: reuses that of an earlier image if one has it, else packs it.
    fn make(&self, layer: &Distinct<'_>, threads: usize) -> Result<BuiltLayer, PackError> {
        let Distinct {
            plan,
            name,
            content_bytes,
        } = layer;
        if !self.earlier.is_empty() {
            let progress = Progress::start(self.observer, format!("hashing {name}"), *content_bytes);
            let hashed = hash_layer(plan, &self.context.contents, threads, &progress)?;
            let HashedLayer {
                diff_id,
                tar_size_bytes,
                sighted,
            } = hashed;
            if let Some((layer, source)) = self.earlier.find(plan, diff_id, tar_size_bytes) {
                let place = source.describe();
                progress.task.finish(format!("found {name} in {place}"));
                self.observer.event(Event::Note(format!(
                    "reusing {name} from {place}: the layer itself is not scanned for secrets, only its source files"
                )));
                return Ok(BuiltLayer::elsewhere(plan.name.clone(), layer, sighted, source));
            }
        }
        let progress = Progress::start(self.observer, format!("packing {name}"), *content_bytes);
        let packed = self.context.pack(plan, threads, &progress)?;
        progress.task.finish(format!("packed {name}"));
        Ok(BuiltLayer::packed(plan.name.clone(), packed))
    }
}

/// Returns how many layers at the start of `order`, sorted from the largest, are larger than all later ones together.
fn outweighing(order: &[usize], layers: &[Distinct<'_>], total_bytes: u64) -> usize {
    let mut left_bytes = total_bytes;
    let outweighs = |at: &&usize| {
        let size_bytes = layers[**at].content_bytes;
        left_bytes = left_bytes.saturating_sub(size_bytes);
        left_bytes <= size_bytes && size_bytes > 0
    };
    order.iter().take_while(outweighs).count()
}

/// Runs `work` for each of `items` on up to `threads` threads. Of several errors, returns that of the first item.
fn side_by_side<E: Send>(
    items: &[usize],
    threads: usize,
    work: impl Fn(usize) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    let failure: Mutex<Option<(usize, E)>> = Mutex::new(None);
    std::thread::scope(|scope| {
        let work_off = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(at) else { return };
                if let Err(error) = work(*item) {
                    // No further item is started.
                    next.store(items.len(), Ordering::Relaxed);
                    let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                    if failure.as_ref().is_none_or(|(earlier, _)| at < *earlier) {
                        *failure = Some((at, error));
                    }
                    return;
                }
            }
        };
        for _ in 1..threads.clamp(1, MAX_THREADS).min(items.len()) {
            // If a thread cannot be started, the current one does the rest of the work.
            if std::thread::Builder::new().spawn_scoped(scope, work_off).is_err() {
                break;
            }
        }
        work_off();
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

/// Adds up the bytes that were read, and reports them as progress.
pub(super) struct Progress {
    task: Task,
    done_bytes: AtomicU64,
    told_mib: AtomicU64,
}

/// Bytes between two events.
const EVENT_EVERY_BYTES: u64 = 1024 * 1024;

impl Progress {
    /// Starts a task of this many bytes.
    pub fn start(observer: &Arc<dyn Observer>, what: String, size_bytes: u64) -> Self {
        let task = Task::start(observer, what, Some(size_bytes));
        Self {
            task,
            done_bytes: AtomicU64::new(0),
            told_mib: AtomicU64::new(0),
        }
    }
}

impl PackObserver for Progress {
    fn content_read(&self, size_bytes: u64) {
        let done_bytes = self.done_bytes.fetch_add(size_bytes, Ordering::Relaxed) + size_bytes;
        let done_mib = done_bytes / EVENT_EVERY_BYTES;
        if self.told_mib.fetch_max(done_mib, Ordering::Relaxed) < done_mib {
            self.task.progress(done_bytes);
        }
    }
}

/// Returns the total size of all files of a layer, in bytes.
pub(super) fn content_bytes(layer: &LayerPlan) -> u64 {
    layer
        .entries
        .iter()
        .map(|entry| entry.kind.size_bytes())
        .fold(0, u64::saturating_add)
}
