//! Layers of images that were built earlier, which need not be packed and uploaded again: `--cache-from`.
//!
//! These images are trusted: that a layer has the diff ID that its image's config claims is not verified.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::build::transports::Transports;
use crate::events::{Event, Item, Observer, Task, Work};
use crate::model::{Descriptor, DiffId, Image, ImageName, Layer, LayerPlan, PACKED_ANNOTATION, Platform, Root};
use crate::store::{Source, StoreError, read_image, select_platform};

/// Own layers of earlier images, by diff ID and packing parameters.
#[derive(Default)]
pub(super) struct CacheFrom {
    layers: BTreeMap<(DiffId, String), (Descriptor, Arc<dyn Source>)>,
}

impl CacheFrom {
    /// Reads the layers of `images` for `platforms`. An image that is not found or cannot be read causes a warning and
    /// provides no layers.
    pub async fn read(
        images: &[ImageName],
        platforms: &[Platform],
        transports: &Transports,
        observer: &Arc<dyn Observer>,
    ) -> Self {
        let mut earlier = Self::default();
        for name in images {
            let task = Task::start(
                observer,
                Work::new("reading the layers of", Item::new(name.to_string())),
                None,
            );
            let before = earlier.layers.len();
            match earlier.add(name, platforms, transports).await {
                Ok(()) => task.finish(format!("found {} layers in {name}", earlier.layers.len() - before)),
                Err(cause) => {
                    let text = format!("cannot reuse layers from {name}: {}", reason(&cause));
                    observer.event(Event::Warning(text));
                }
            }
        }
        earlier
    }

    async fn add(
        &mut self,
        name: &ImageName,
        platforms: &[Platform],
        transports: &Transports,
    ) -> Result<(), StoreError> {
        let (source, selector) = transports.source(name).await?;
        let root = source.resolve(&selector).await?;
        if let Root::Manifest(manifest) = &root {
            let image = read_image(source.as_ref(), manifest.clone()).await?;
            self.add_image(&image, &source);
            return Ok(());
        }
        for platform in platforms {
            match select_platform(source.as_ref(), &root, platform).await {
                Ok(found) => self.add_image(&found.image, &source),
                Err(StoreError::NoPlatform { .. }) => {}
                Err(cause) => return Err(cause),
            }
        }
        Ok(())
    }

    fn add_image(&mut self, image: &Image, source: &Arc<dyn Source>) {
        for (descriptor, diff_id) in image.layers() {
            if let Some(packed) = descriptor.annotations.get(PACKED_ANNOTATION) {
                let key = (*diff_id, packed.clone());
                self.layers
                    .entry(key)
                    .or_insert_with(|| (descriptor.clone(), source.clone()));
            }
        }
    }

    /// Returns `true` if there are no layers.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Returns the layer that `plan` packs to, and the image that has it. Its digest is the one that packing would
    /// produce.
    pub fn find(&self, plan: &LayerPlan, diff_id: DiffId, tar_size_bytes: u64) -> Option<(Layer, Arc<dyn Source>)> {
        let (found, source) = self.layers.get(&(diff_id, plan.compression.packed_as()))?;
        let mut descriptor = Descriptor::new(plan.compression.media_type(), found.digest, found.size_bytes);
        descriptor.annotations.clone_from(&plan.annotations);
        Some((
            Layer {
                descriptor,
                diff_id,
                tar_size_bytes,
            },
            source.clone(),
        ))
    }
}

fn reason(error: &StoreError) -> String {
    let source = std::error::Error::source(error).map(|source| format!(": {source}"));
    format!("{error}{}", source.unwrap_or_default())
}
