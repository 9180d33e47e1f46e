//! Writes what was built to its targets: layers to registries while others are packed, and then the whole image to each.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join_all;
use futures_util::stream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::build::BuildError;
use crate::build::built::BuiltImage;
use crate::build::events::{Observer, TransferTasks};
use crate::build::layer::BuiltLayer;
use crate::build::naming::{Naming, Target, TargetPlace};
use crate::build::places::Places;
use crate::build::report::{PlatformReport, TargetReport};
use crate::model::Digest;
use crate::store::Sink;
use crate::transfer::{Ahead, copy_ahead, copy_rest};

/// Gives each layer that is ready to the registries that want it before the image is whole.
pub(super) struct Handover(Vec<UnboundedSender<Arc<BuiltLayer>>>);

impl Handover {
    /// Nobody wants any layer ahead.
    pub fn to_nobody() -> Self {
        Self(Vec::new())
    }

    /// Gives a layer away; false where a registry takes no more, since it failed.
    pub fn give(&self, layer: &Arc<BuiltLayer>) -> bool {
        self.0.iter().all(|registry| registry.send(layer.clone()).is_ok())
    }
}

/// What each target gets ahead of the image, in the targets' order; `None` for targets that get nothing.
pub(super) struct AheadOfImage(Vec<Option<UnboundedReceiver<Arc<BuiltLayer>>>>);

/// Two ends: layers that are given to the one are copied by the other. Without `is_allowed`, since the image may still be
/// refused, and to layouts and archives nothing is copied ahead.
pub(super) fn handover(naming: &Naming, is_allowed: bool) -> (Handover, AheadOfImage) {
    let (mut senders, mut receivers) = (Vec::new(), Vec::new());
    for target in &naming.targets {
        let is_wanted = is_allowed && matches!(target.place, TargetPlace::Registry(_));
        receivers.push(is_wanted.then(|| {
            let (sender, receiver) = unbounded_channel();
            senders.push(sender);
            receiver
        }));
    }
    (Handover(senders), AheadOfImage(receivers))
}

impl AheadOfImage {
    /// Copies what is given to the other end, until that is dropped. Tells for each target what it has by then.
    pub async fn copy(
        self,
        naming: &Naming,
        places: &Places,
        observer: &Arc<dyn Observer>,
    ) -> Result<Vec<Ahead>, BuildError> {
        let copies = naming.targets.iter().zip(self.0).map(|(target, layers)| async move {
            let Some(layers) = layers else { return Ok(Ahead::default()) };
            let sink = open_sink(target, naming, places).await?;
            let tasks = Arc::new(TransferTasks::new(observer.clone(), target.to_string(), BTreeMap::new()));
            let named = tasks.clone();
            let blobs = stream::unfold(layers, move |mut layers| {
                let tasks = named.clone();
                async move {
                    let layer = layers.recv().await?;
                    let descriptor = layer.layer.descriptor.clone();
                    tasks.name_blob(descriptor.digest, layer.name.clone());
                    Some(((descriptor, layer), layers))
                }
            });
            Ok(copy_ahead(blobs, sink.as_ref(), tasks).await?)
        });
        try_join_all(copies).await
    }
}

/// Asks every registry whether it takes the image from whoever asks, before any work is done for it: credentials that are
/// missing or wrong are found by HEAD and GET.
pub(super) async fn check_access(naming: &Naming, places: &Places) -> Result<(), BuildError> {
    for target in naming.targets.iter().filter(|target| matches!(target.place, TargetPlace::Registry(_))) {
        let checked = open_sink(target, naming, places).await?.check_access(&target.tags).await;
        checked.map_err(|error| BuildError::Access(Box::new(error)))?;
    }
    Ok(())
}

/// Writes the image to every target, in order.
pub(super) async fn write(
    naming: &Naming,
    built: &BuiltImage,
    reports: &[PlatformReport],
    ahead: &[Ahead],
    places: &Places,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<TargetReport>, BuildError> {
    let names = blob_names(reports);
    let mut written = Vec::new();
    for (target, ahead) in naming.targets.iter().zip(ahead) {
        let sink = open_sink(target, naming, places).await?;
        let tasks = Arc::new(TransferTasks::new(observer.clone(), target.to_string(), names.clone()));
        let transfer = copy_rest(built, sink.as_ref(), built.root(), &target.tags, tasks, ahead).await?;
        written.push(TargetReport { target: target.to_string(), tags: target.tags.clone(), transfer });
    }
    Ok(written)
}

async fn open_sink(target: &Target, naming: &Naming, places: &Places) -> Result<Box<dyn Sink>, BuildError> {
    let sink = places.sink(target, naming.name.as_ref()).await;
    sink.map_err(|cause| BuildError::Output { output: target.to_string(), cause: Box::new(cause) })
}

/// What blobs are called while they are written.
fn blob_names(reports: &[PlatformReport]) -> BTreeMap<Digest, String> {
    let mut names = BTreeMap::new();
    for report in reports {
        for layer in &report.layers {
            names.entry(layer.descriptor.digest).or_insert_with(|| layer.name.clone());
        }
        names.insert(report.config.digest, format!("config of {}", report.platform));
        names.insert(report.manifest.digest, format!("manifest of {}", report.platform));
    }
    names
}
