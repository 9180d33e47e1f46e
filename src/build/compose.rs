//! Packs an image that was planned without a spec: the engine of the library's `Image`.

use std::sync::Arc;

use crate::build::BuildError;
use crate::build::background::in_background;
use crate::build::built::BuildOutput;
use crate::build::cache::BuildCache;
use crate::build::cache_from::CacheFrom;
use crate::build::contents::Contents;
use crate::build::gate::SecretGate;
use crate::build::layer::PackContext;
use crate::build::options::BuildOptions;
use crate::build::packing::{Packing, Unmade, all_made};
use crate::build::planned_images::planned_image;
use crate::events::Observer;
use crate::files::Archives;
use crate::model::{Image, Layer, Root};
use crate::plan::BuildPlan;
use crate::store::Source;

/// An image of one platform that is not written anywhere yet.
pub(crate) struct Composed {
    /// Its manifest and config.
    pub image: Image,
    /// The source of everything that the manifest refers to.
    pub source: Arc<dyn Source>,
}

/// Packs the layers of `plan`. Layers with unchanged inputs are taken from the cache. `base` is the source of the base
/// image's layers, which are not read.
pub(crate) async fn compose(
    plan: BuildPlan,
    base: Option<Arc<dyn Source>>,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<Composed, BuildError> {
    let archives = Arc::new(Archives::new(options.scratch_directory.clone()));
    let contents = Contents::new(archives, &options.scratch_directory)?;
    let cache = Arc::new(BuildCache::new(options.cache.clone(), observer.clone()));
    let context = Arc::new(PackContext::new(contents, cache, options));
    let observer = observer.clone();
    let (plan, layers) = in_background(move || {
        let packing = Packing {
            context: &context,
            earlier: &CacheFrom::default(),
            observer: &observer,
            gate: &SecretGate::new(Vec::new()),
            take: &|_| true,
            keeps_going: false,
        };
        let layers = all_made(packing.make_all(&[(None, &plan)])).map_err(|unmade| match unmade {
            Unmade::Failed(error) => BuildError::Pack(error),
            Unmade::Unwanted => BuildError::GivenUp,
        })?;
        Ok((
            plan,
            layers.into_iter().flatten().map(|(layer, _)| layer).collect::<Vec<_>>(),
        ))
    })
    .await?;
    let packed: Vec<Layer> = layers.iter().map(|layer| layer.layer.clone()).collect();
    let image = planned_image(&plan, &packed)?;
    let mut built = BuildOutput::new(Root::Manifest(image.manifest().clone()));
    built.add_documents(&image);
    layers.into_iter().for_each(|layer| built.add_layer(layer));
    if let (Some(planned), Some(source)) = (&plan.base, base) {
        built.add_base(&planned.image, &source);
    }
    let source = Arc::new(built);
    Ok(Composed { image, source })
}
