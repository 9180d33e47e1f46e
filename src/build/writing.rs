//! Writes a build to its targets: layers to registries while others are packed, and then the whole image to each
//! target.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::try_join_all;
use futures_util::stream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::build::BuildError;
use crate::build::built::BuildOutput;
use crate::build::failures::Failures;
use crate::build::homes::Homes;
use crate::build::layer::BuiltLayer;
use crate::build::member::Member;
use crate::build::naming::Outputs;
use crate::build::packing::named;
use crate::build::report::{LayerOrigin, LayerReport, PlatformReport, TargetReport};
use crate::build::target::{Target, TargetPlace};
use crate::build::transports::Transports;
use crate::events::{Event, Item, Observer};
use crate::model::Digest;
use crate::store::Sink;
use crate::transfer::{Ahead, Reporter, Supplied, copy_ahead, copy_rest, publish, supply};

/// Passes each finished layer to the registries that accept layers before the image is complete.
pub(super) struct EagerUpload(Vec<UnboundedSender<Arc<BuiltLayer>>>);

impl EagerUpload {
    /// Creates a value without receivers.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Passes on a layer. Returns `false` if an upload to a registry failed, so that it accepts no more layers.
    pub fn give(&self, layer: &Arc<BuiltLayer>) -> bool {
        self.0.iter().all(|registry| registry.send(layer.clone()).is_ok())
    }
}

/// The layers for each target of each member ahead of the image, in the targets' order; `None` for a target that receives
/// none.
pub(super) struct EagerUploads(Vec<Vec<Option<UnboundedReceiver<Arc<BuiltLayer>>>>>);

/// Returns the sending and the receiving end. Without `is_allowed`, nothing is sent, since an image may still be
/// refused. Layouts and archives never receive layers ahead of the image.
pub(super) fn eager_uploads(members: &[Member<'_>], is_allowed: bool) -> (EagerUpload, EagerUploads) {
    let mut senders = Vec::new();
    let mut receiver = |target: &Target| {
        let is_wanted = is_allowed && matches!(target.place, TargetPlace::Registry(_));
        is_wanted.then(|| {
            let (sender, receiver) = unbounded_channel();
            senders.push(sender);
            receiver
        })
    };
    let receivers = members
        .iter()
        .map(|member| member.outputs.targets.iter().map(&mut receiver).collect())
        .collect();
    (EagerUpload(senders), EagerUploads(receivers))
}

impl EagerUploads {
    /// Copies the layers that are passed on until the sender is dropped. Returns the blobs that each target of each
    /// member has by then.
    pub async fn copy(
        self,
        members: &[Member<'_>],
        transports: &Transports,
        observer: &Arc<dyn Observer>,
    ) -> Result<Vec<Vec<Ahead>>, BuildError> {
        let copies = members.iter().zip(self.0).map(|(member, receivers)| async move {
            let outputs = member.outputs;
            let targets = outputs.targets.iter().zip(receivers);
            try_join_all(targets.map(|(target, layers)| copy_eagerly(outputs, target, layers, transports, observer)))
                .await
        });
        try_join_all(copies).await
    }
}

async fn copy_eagerly(
    outputs: &Outputs,
    target: &Target,
    layers: Option<UnboundedReceiver<Arc<BuiltLayer>>>,
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Result<Ahead, BuildError> {
    let Some(layers) = layers else {
        return Ok(Ahead::default());
    };
    let sink = open_sink(target, outputs, transports).await?;
    let reporter = Reporter::new(observer, target.to_string(), BTreeMap::new());
    let blobs = stream::unfold(layers, |mut layers| async {
        let layer = layers.recv().await?;
        let descriptor = layer.layer.descriptor.clone();
        reporter.name_blob(descriptor.digest, layer.item.clone());
        Some(((descriptor, layer), layers))
    });
    Ok(copy_ahead(blobs, sink.as_ref(), &reporter).await?)
}

/// Asks every registry whether it accepts the push, before any work is done. HEAD and GET requests find missing or
/// wrong credentials.
pub(super) async fn check_access(naming: &Outputs, transports: &Transports) -> Result<(), BuildError> {
    for target in naming
        .targets
        .iter()
        .filter(|target| matches!(target.place, TargetPlace::Registry(_)))
    {
        let checked = open_sink(target, naming, transports)
            .await?
            .check_access(&target.tags)
            .await;
        checked.map_err(|error| BuildError::Access(Box::new(error)))?;
    }
    Ok(())
}

/// An image to write.
pub(super) struct WrittenImage<'a> {
    /// Its ID in the workspace.
    pub id: Option<&'a str>,
    /// The images that it is not written without.
    pub needs: BTreeSet<String>,
    pub outputs: &'a Outputs,
    pub output: &'a Arc<BuildOutput>,
    /// The names of its blobs for progress.
    pub names: BTreeMap<Digest, Item>,
}

/// Writes every image to each of its targets, in order. Of several images, all content is written before the first tag.
/// Returns the reports of each image; `None` for one that failed, or needs one that did.
pub(super) async fn write_all(
    images: &[WrittenImage<'_>],
    ahead: &[Vec<Ahead>],
    failures: &mut Failures,
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Vec<Option<Vec<TargetReport>>> {
    if let ([only], [ahead]) = (images, ahead) {
        let written = write(only, ahead, transports, observer).await;
        return vec![noted(written, only, failures)];
    }
    let supplied = supply_all(images, failures, transports, observer).await;
    publish_all(images, supplied, failures, transports, observer).await
}

/// Returns what was written, or adds the error to the failures.
fn noted<T>(result: Result<T, BuildError>, image: &WrittenImage<'_>, failures: &mut Failures) -> Option<T> {
    match result {
        Ok(written) => Some(written),
        Err(error) => {
            failures.add_and_stop(image.id, error);
            None
        }
    }
}

/// Copies the content of every image to each of its targets, without tags. Returns what each image's targets got.
pub(super) async fn supply_all(
    images: &[WrittenImage<'_>],
    failures: &mut Failures,
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Vec<Option<Vec<Supplied>>> {
    let mut known = Known::default();
    let mut supplied = Vec::new();
    for image in images {
        if failures.concern(image.id, &image.needs) {
            supplied.push(None);
            continue;
        }
        let of_image = supply_image(image, &mut known, transports, observer).await;
        supplied.push(noted(of_image, image, failures));
    }
    supplied
}

/// The blobs that targets have, since this run wrote them or found them there.
#[derive(Default)]
struct Known {
    /// Where to mount them from.
    homes: Homes,
    /// By target. They are not looked at again for the next image: a layout would hash them once an image.
    there: BTreeMap<TargetPlace, Ahead>,
}

async fn supply_image(
    image: &WrittenImage<'_>,
    known: &mut Known,
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<Supplied>, BuildError> {
    let mut supplied = Vec::new();
    for target in &image.outputs.targets {
        supplied.push(supply_target(image, target, known, transports, observer).await?);
    }
    Ok(supplied)
}

/// Writes the tags of images whose content [`supply_all`] copied, in order. Returns the reports of each image. If that
/// fails, reports which tags were written.
pub(super) async fn publish_all(
    images: &[WrittenImage<'_>],
    supplied: Vec<Option<Vec<Supplied>>>,
    failures: &mut Failures,
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Vec<Option<Vec<TargetReport>>> {
    let mut written: Vec<Option<Vec<TargetReport>>> = Vec::new();
    for (image, supplied) in images.iter().zip(supplied) {
        let Some(supplied) = supplied.filter(|_| !failures.concern(image.id, &image.needs)) else {
            written.push(None);
            continue;
        };
        let published = publish_image(image, supplied, transports, observer).await;
        if published.is_err() && !failures.keeps_going() {
            report_tags(images, written.len(), observer);
        }
        written.push(noted(published, image, failures));
    }
    written
}

async fn publish_image(
    image: &WrittenImage<'_>,
    supplied: Vec<Supplied>,
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<TargetReport>, BuildError> {
    let mut written = Vec::new();
    for (target, supplied) in image.outputs.targets.iter().zip(supplied) {
        written.push(publish_target(image, target, supplied, transports, observer).await?);
    }
    Ok(written)
}

/// Reports the images whose tags are written and those whose tags are not, since the image after the first `count`
/// failed: tags of several images cannot be written at once.
fn report_tags(images: &[WrittenImage<'_>], count: usize, observer: &Arc<dyn Observer>) {
    let ids = |images: &[WrittenImage<'_>]| {
        let tagged = images
            .iter()
            .filter(|image| image.outputs.targets.iter().any(|target| !target.tags.is_empty()));
        let ids: Vec<&str> = tagged.filter_map(|image| image.id).collect();
        if ids.is_empty() {
            "none".to_owned()
        } else {
            ids.join(", ")
        }
    };
    let (written, left) = images.split_at(count);
    observer.event(Event::Warning(format!(
        "tags written: {}; not written: {} (run the command again: it sends only what is missing)",
        ids(written),
        ids(left)
    )));
}

/// Copies an image to one target, without its tags.
async fn supply_target(
    image: &WrittenImage<'_>,
    target: &Target,
    known: &mut Known,
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Result<Supplied, BuildError> {
    let sink = open_sink(target, image.outputs, transports).await?;
    let reporter = Reporter::new(observer, target.to_string(), image.names.clone());
    let source = known.homes.seen_from(image.output, target);
    let there = known.there.entry(target.place.clone()).or_default();
    let root = image.output.root();
    let supplied = supply(&source, sink.as_ref(), root, &target.tags, &reporter, there).await?;
    there.add(&supplied.report);
    known.homes.note(target, &supplied.report);
    Ok(supplied)
}

/// Writes the tags of an image that one target has.
async fn publish_target(
    image: &WrittenImage<'_>,
    target: &Target,
    supplied: Supplied,
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Result<TargetReport, BuildError> {
    let is_by_digest = target.tags.is_empty() && matches!(target.place, TargetPlace::Registry(_));
    if !supplied.is_published && !is_by_digest {
        let output = image.output;
        let sink = open_sink(target, image.outputs, transports).await?;
        let reporter = Reporter::new(observer, target.to_string(), BTreeMap::new());
        publish(output.as_ref(), sink.as_ref(), output.root(), &target.tags, &reporter).await?;
    }
    let is_same_content = supplied.report.copied_bytes() == 0;
    let is_local = matches!(target.place, TargetPlace::Local(_));
    Ok(TargetReport {
        target: target.to_string(),
        tags: target.tags.clone(),
        is_unchanged: supplied.is_published || (is_local && is_same_content),
        transfer: supplied.report,
    })
}

/// Writes one image to every target, in order.
async fn write(
    image: &WrittenImage<'_>,
    ahead: &[Ahead],
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<TargetReport>, BuildError> {
    let built = image.output.as_ref();
    let mut written = Vec::new();
    for (target, ahead) in image.outputs.targets.iter().zip(ahead) {
        let sink = open_sink(target, image.outputs, transports).await?;
        let reporter = Reporter::new(observer, target.to_string(), image.names.clone());
        let transfer = copy_rest(built, sink.as_ref(), built.root(), &target.tags, &reporter, ahead).await?;
        written.push(TargetReport {
            target: target.to_string(),
            tags: target.tags.clone(),
            is_unchanged: transfer.copied_bytes() == 0,
            transfer,
        });
    }
    Ok(written)
}

async fn open_sink(target: &Target, naming: &Outputs, transports: &Transports) -> Result<Box<dyn Sink>, BuildError> {
    let sink = transports.sink(target, naming.name.as_ref()).await;
    sink.map_err(|cause| BuildError::Output {
        output: target.to_string(),
        cause: Box::new(cause),
    })
}

/// Returns the names of blobs for progress. A layer that several platforms share has no platform.
pub(super) fn blob_names(id: Option<&str>, reports: &[PlatformReport]) -> BTreeMap<Digest, Item> {
    let mut names: BTreeMap<Digest, Item> = BTreeMap::new();
    for report in reports {
        let name = |name: &str| named(id, name).for_platform(Some(report.platform.clone()));
        for layer in &report.layers {
            let known = names
                .entry(layer.descriptor.digest)
                .or_insert_with(|| name(part(id, layer)));
            if known.platform.as_ref() != Some(&report.platform) {
                known.platform = None;
            }
        }
        names.insert(report.config.digest, name("config"));
        names.insert(report.manifest.digest, name("manifest"));
    }
    names
}

/// Returns the name of a layer for progress. Among several images, "base" alone could be one of them.
fn part<'a>(id: Option<&str>, layer: &'a LayerReport) -> &'a str {
    match layer.origin {
        LayerOrigin::Base if id.is_some() => "base layer",
        _ => &layer.name,
    }
}
