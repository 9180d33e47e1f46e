//! Makes the layers of all platforms: each distinct layer once, several at a time, and only if its bytes are not known
//! yet.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::build::cache_from::CacheFrom;
use crate::build::gate::SecretGate;
use crate::build::layer::{BuiltLayer, PackContext};
use crate::build::parallel;
use crate::events::{Event, Item, Observer, Task, Work};
use crate::model::{LayerPlan, Platform};
use crate::pack::{HashedLayer, PackError, hash_layer};
use crate::plan::BuildPlan;

/// Least number of bytes left to read for which a finished layer is uploaded while others are packed. Below it, packing
/// takes less time than a few requests to a registry, and a single request for the tag may answer all of them.
const WORTH_OVERLAPPING_BYTES: u64 = 16 * 1024 * 1024;

/// The layers of one platform, in the plan's order, each with whether it was packed for another platform.
pub(super) type PlatformLayers = Vec<(Arc<BuiltLayer>, bool)>;

/// Why a layer was not made.
#[derive(Clone)]
pub(super) enum Unmade {
    /// It cannot be packed. Several platforms and images may have it.
    Failed(Arc<PackError>),
    /// Another layer cannot be packed, or the result is no longer needed.
    Unwanted,
}

/// A layer, once it was made or failed.
type Made = Result<Arc<BuiltLayer>, Unmade>;

/// No further layer is started.
struct Stopped;

/// Makes layers.
pub(super) struct Packing<'a> {
    pub context: &'a Arc<PackContext>,
    pub earlier: &'a CacheFrom,
    pub observer: &'a Arc<dyn Observer>,
    /// Closes at a layer that contains a secret which stops the build. From then on no layer is uploaded early.
    pub gate: &'a SecretGate<'a>,
    /// Receives a finished layer while much is left to do. Returns `false` if the other layers are no longer needed.
    pub take: &'a (dyn Fn(&Arc<BuiltLayer>) -> bool + Sync),
    /// Whether the other layers are made if one cannot be packed.
    pub keeps_going: bool,
}

/// A layer of one or several platforms.
struct Distinct<'a> {
    plan: &'a Arc<LayerPlan>,
    item: Item,
    content_bytes: u64,
}

impl Packing<'_> {
    /// Makes every layer of every plan. Equal layer plans are packed once, for the first platform that has them. Each
    /// plan has the ID of its member, if it has one. Returns for each plan its layers, or why the first one that is
    /// missing was not made.
    pub(super) fn make_all(&self, plans: &[(Option<&str>, &BuildPlan)]) -> Vec<Result<PlatformLayers, Unmade>> {
        let mut distinct: Vec<Distinct<'_>> = Vec::new();
        // For each platform and layer: its index among the distinct ones, and whether it was there already.
        let mut places: Vec<Vec<(usize, bool)>> = Vec::new();
        let all: Vec<&BuildPlan> = plans.iter().map(|(_, plan)| *plan).collect();
        for (id, plan) in plans {
            let mut of_platform = Vec::new();
            for layer in &plan.layers {
                // Equal layers share one allocation by now.
                let known = distinct.iter().position(|other| Arc::ptr_eq(other.plan, layer));
                of_platform.push((known.unwrap_or(distinct.len()), known.is_some()));
                if known.is_none() {
                    distinct.push(Distinct {
                        plan: layer,
                        item: named(*id, &layer.name).for_platform(only_platform(&all, layer)),
                        content_bytes: content_bytes(layer),
                    });
                }
            }
            places.push(of_platform);
        }
        let made = self.make_distinct(&distinct);
        let layers = |of_platform: &Vec<(usize, bool)>| {
            let layers = of_platform.iter().map(|(at, shared)| Ok((made[*at].clone()?, *shared)));
            all_made(layers)
        };
        places.iter().map(layers).collect()
    }

    /// Makes the layers. A layer that is larger than all remaining ones together is packed alone on all threads; the
    /// others are packed in parallel, each on one thread. Layers with unchanged inputs are found before anything is
    /// read.
    fn make_distinct(&self, layers: &[Distinct<'_>]) -> Vec<Made> {
        let kept = |layer: &Distinct<'_>| {
            let kept = self.context.records.load(layer.plan)?;
            self.gate.look(layer.plan, &kept.sighted);
            Some(Arc::new(BuiltLayer::kept(
                layer.item.clone(),
                kept,
                layer.plan.clone(),
                self.context.clone(),
            )))
        };
        let known: Vec<Made> = layers.iter().map(|layer| kept(layer).ok_or(Unmade::Unwanted)).collect();
        let mut order: Vec<usize> = (0..layers.len()).filter(|at| known[*at].is_err()).collect();
        order.sort_by_key(|at| (std::cmp::Reverse(layers[*at].content_bytes), *at));
        let total_bytes = order
            .iter()
            .fold(0u64, |sum, at| sum.saturating_add(layers[*at].content_bytes));

        let alone = outweighing(&order, layers, total_bytes);
        let left_bytes = AtomicU64::new(total_bytes);
        let results = Mutex::new(known);
        // Each change is one assignment, so a poisoned lock holds consistent results.
        let set = |at: usize, made: Made| results.lock().unwrap_or_else(PoisonError::into_inner)[at] = made;
        let make = |at: usize, threads: usize| -> Result<(), Stopped> {
            let made = match self.make(&layers[at], threads) {
                Ok(made) => Arc::new(made),
                Err(error) => {
                    set(at, Err(Unmade::Failed(Arc::new(error))));
                    return if self.keeps_going { Ok(()) } else { Err(Stopped) };
                }
            };
            self.gate.look(layers[at].plan, &made.sighted);
            set(at, Ok(made.clone()));
            let own_bytes = layers[at].content_bytes;
            let left_bytes = left_bytes
                .fetch_sub(own_bytes, Ordering::Relaxed)
                .saturating_sub(own_bytes);
            let is_kept_back = left_bytes < WORTH_OVERLAPPING_BYTES || self.gate.is_shut();
            if is_kept_back || (self.take)(&made) {
                Ok(())
            } else {
                Err(Stopped)
            }
        };
        let threads = self.context.threads;
        let alone_made = order[..alone].iter().try_for_each(|at| make(*at, threads));
        // What was made is in the results, and so is the error that stopped the others.
        let _stopped = alone_made.and_then(|()| parallel::map(&order[alone..], threads, |at| make(*at, 1)).map(drop));
        results.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes one layer: reuses that of an earlier image if one has it, else packs it.
    fn make(&self, layer: &Distinct<'_>, threads: usize) -> Result<BuiltLayer, PackError> {
        let Distinct {
            plan,
            item,
            content_bytes,
        } = layer;
        let start = |verb| Task::start(self.observer, Work::new(verb, item.clone()), Some(*content_bytes));
        if !self.earlier.is_empty() {
            let task = start("hashing");
            let hashed = hash_layer(plan, &self.context.contents, threads, &task)?;
            let HashedLayer {
                diff_id,
                tar_size_bytes,
                sighted,
            } = hashed;
            if let Some((layer, source)) = self.earlier.find(plan, diff_id, tar_size_bytes) {
                let place = source.describe();
                task.finish(format!("found {item} in {place}"));
                self.observer.event(Event::Note(format!(
                    "reusing {item} from {place}: the layer itself is not scanned for secrets, only its source files"
                )));
                return Ok(BuiltLayer::elsewhere(item.clone(), layer, sighted, source));
            }
        }
        let task = start("packing");
        let packed = self.context.pack(plan, threads, &task)?;
        task.finish(format!("packed {item}"));
        Ok(BuiltLayer::packed(item.clone(), packed))
    }
}

/// Returns all results, or why one of them was not made. An error that stopped others says more than that it did, wherever
/// it is in the order.
pub(super) fn all_made<T>(results: impl IntoIterator<Item = Result<T, Unmade>>) -> Result<Vec<T>, Unmade> {
    let mut made = Vec::new();
    let mut missing = None;
    for result in results {
        match result {
            Ok(one) => made.push(one),
            Err(failed @ Unmade::Failed(_)) => return Err(failed),
            Err(unwanted) => missing = Some(unwanted),
        }
    }
    missing.map_or(Ok(made), Err)
}

/// Returns a part of an image, with the member that it belongs to.
pub(super) fn named(id: Option<&str>, part: &str) -> Item {
    match id {
        Some(id) => Item::new(format!("{part} of {id}")),
        None => Item::new(part),
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

/// Returns the platform that a layer belongs to, unless it belongs to several.
pub(super) fn only_platform(plans: &[&BuildPlan], layer: &Arc<LayerPlan>) -> Option<Platform> {
    let has_layer = |plan: &&&BuildPlan| plan.layers.iter().any(|other| Arc::ptr_eq(other, layer));
    let mut owners = plans.iter().filter(has_layer);
    let first = owners.next()?;
    owners.next().is_none().then(|| first.platform.clone())
}

/// Returns the total size of all files of a layer, in bytes.
pub(super) fn content_bytes(layer: &LayerPlan) -> u64 {
    layer
        .entries
        .iter()
        .map(|entry| entry.kind.size_bytes())
        .fold(0, u64::saturating_add)
}
