//! Writes a build to its targets: layers to registries while others are packed, and then the whole image to each
//! target.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join_all;
use futures_util::stream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::build::BuildError;
use crate::build::built::BuildOutput;
use crate::build::layer::BuiltLayer;
use crate::build::naming::Outputs;
use crate::build::report::{PlatformReport, TargetReport};
use crate::build::target::{Target, TargetPlace};
use crate::build::transports::Transports;
use crate::events::{Item, Observer};
use crate::model::Digest;
use crate::store::Sink;
use crate::transfer::{Ahead, Reporter, copy_ahead, copy_rest};

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

/// The layers for each target ahead of the image, in the targets' order; `None` for a target that receives none.
pub(super) struct EagerUploads(Vec<Option<UnboundedReceiver<Arc<BuiltLayer>>>>);

/// Returns the sending and the receiving end. Without `is_allowed`, nothing is sent, since the image may still be
/// refused. Layouts and archives never receive layers ahead of the image.
pub(super) fn eager_uploads(naming: &Outputs, is_allowed: bool) -> (EagerUpload, EagerUploads) {
    let mut senders = Vec::new();
    let mut receivers = Vec::new();
    for target in &naming.targets {
        let is_wanted = is_allowed && matches!(target.place, TargetPlace::Registry(_));
        receivers.push(is_wanted.then(|| {
            let (sender, receiver) = unbounded_channel();
            senders.push(sender);
            receiver
        }));
    }
    (EagerUpload(senders), EagerUploads(receivers))
}

impl EagerUploads {
    /// Copies the layers that are passed on until the sender is dropped. Returns the blobs that each target has by
    /// then.
    pub async fn copy(
        self,
        naming: &Outputs,
        transports: &Transports,
        observer: &Arc<dyn Observer>,
    ) -> Result<Vec<Ahead>, BuildError> {
        let copies = naming.targets.iter().zip(self.0).map(|(target, layers)| async move {
            let Some(layers) = layers else {
                return Ok(Ahead::default());
            };
            let sink = open_sink(target, naming, transports).await?;
            let reporter = Reporter::new(observer, target.to_string(), BTreeMap::new());
            let blobs = stream::unfold(layers, |mut layers| async {
                let layer = layers.recv().await?;
                let descriptor = layer.layer.descriptor.clone();
                reporter.name_blob(descriptor.digest, layer.item.clone());
                Some(((descriptor, layer), layers))
            });
            Ok(copy_ahead(blobs, sink.as_ref(), &reporter).await?)
        });
        try_join_all(copies).await
    }
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

/// Writes the image to every target, in order.
pub(super) async fn write(
    naming: &Outputs,
    built: &BuildOutput,
    reports: &[PlatformReport],
    ahead: &[Ahead],
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<TargetReport>, BuildError> {
    let names = blob_names(reports);
    let mut written = Vec::new();
    for (target, ahead) in naming.targets.iter().zip(ahead) {
        let sink = open_sink(target, naming, transports).await?;
        let reporter = Reporter::new(observer, target.to_string(), names.clone());
        let transfer = copy_rest(built, sink.as_ref(), built.root(), &target.tags, &reporter, ahead).await?;
        written.push(TargetReport {
            target: target.to_string(),
            tags: target.tags.clone(),
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
fn blob_names(reports: &[PlatformReport]) -> BTreeMap<Digest, Item> {
    let mut names: BTreeMap<Digest, Item> = BTreeMap::new();
    for report in reports {
        let name = |name: &str| Item::new(name).for_platform(Some(report.platform.clone()));
        for layer in &report.layers {
            let known = names
                .entry(layer.descriptor.digest)
                .or_insert_with(|| name(&layer.name));
            if known.platform.as_ref() != Some(&report.platform) {
                known.platform = None;
            }
        }
        names.insert(report.config.digest, name("config"));
        names.insert(report.manifest.digest, name("manifest"));
    }
    names
}
