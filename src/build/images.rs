//! The images that a build reads: bases, and those that files are taken from. Each is opened once, and its facts are read
//! once and kept in the cache.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::build::BuildError;
use crate::build::cache::FactsCache;
use crate::build::events::{Event, Observer, Task};
use crate::build::places::Places;
use crate::build::run::BuildOptions;
use crate::model::{Digest, Image, ImageName, Platform, Root};
use crate::store::{Source, StoreError, read_image, select_platform};
use crate::tree::{Facts, read_facts};

/// An image as it serves one platform.
#[derive(Clone)]
pub(super) struct PlatformImage {
    /// As the spec names it.
    pub name: ImageName,
    /// Where its blobs are.
    pub source: Arc<dyn Source>,
    /// Manifest and config.
    pub image: Image,
    /// The index that it was chosen from.
    pub index: Option<Digest>,
    /// What is in its layers.
    pub facts: Arc<Facts>,
}

/// Opens images, and remembers them.
pub(super) struct Images<'a> {
    places: &'a Places,
    cache: FactsCache,
    scratch_directory: PathBuf,
    observer: Arc<dyn Observer>,
    opened: BTreeMap<ImageName, (Arc<dyn Source>, Root)>,
    facts: BTreeMap<Digest, Arc<Facts>>,
}

impl<'a> Images<'a> {
    /// With nothing opened yet.
    pub fn new(places: &'a Places, cache: FactsCache, scratch_directory: PathBuf, observer: Arc<dyn Observer>) -> Self {
        Self { places, cache, scratch_directory, observer, opened: BTreeMap::new(), facts: BTreeMap::new() }
    }

    /// The image as it serves a platform, with its facts.
    pub async fn for_platform(&mut self, name: &ImageName, platform: &Platform) -> Result<PlatformImage, BuildError> {
        let failed = |cause: StoreError| BuildError::Image {
            image: name.to_string(),
            platform: platform.clone(),
            cause: Box::new(cause),
        };
        let (source, root) = self.open(name).await.map_err(failed)?;
        let found = select_platform(source.as_ref(), &root, platform).await.map_err(failed)?;
        let facts = self.facts(name, platform, source.as_ref(), &found.image).await?;
        Ok(PlatformImage { name: name.clone(), source, image: found.image, index: found.index, facts })
    }

    async fn open(&mut self, name: &ImageName) -> Result<(Arc<dyn Source>, Root), StoreError> {
        if let Some(opened) = self.opened.get(name) {
            return Ok(opened.clone());
        }
        let task = Task::start(&self.observer, format!("resolving {name}"), None);
        let (source, selector) = self.places.source(name).await?;
        let root = source.resolve(&selector).await?;
        task.finish(format!("resolved {name} to {}", root.descriptor().digest));
        self.opened.insert(name.clone(), (source.clone(), root.clone()));
        Ok((source, root))
    }

    async fn facts(
        &mut self,
        name: &ImageName,
        platform: &Platform,
        source: &dyn Source,
        image: &Image,
    ) -> Result<Arc<Facts>, BuildError> {
        let manifest = image.manifest().descriptor().digest;
        if let Some(facts) = self.facts.get(&manifest) {
            return Ok(facts.clone());
        }
        let facts = match self.cache.load(&manifest) {
            Some(facts) => facts,
            None => {
                let size_bytes = image.layers().map(|(layer, _)| layer.size_bytes).fold(0, u64::saturating_add);
                let task = Task::start(&self.observer, format!("reading {name} for {platform}"), Some(size_bytes));
                let task = Arc::new(task);
                let (told, done_bytes) = (task.clone(), AtomicU64::new(0));
                let progress = move |bytes| told.progress(done_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes);
                let read = read_facts(source, image, &self.scratch_directory, progress).await;
                let facts = read.map_err(|cause| BuildError::Tree {
                    image: name.to_string(),
                    platform: platform.clone(),
                    cause: Box::new(cause),
                })?;
                task.finish(format!("read {name} for {platform}"));
                self.cache.store(&manifest, &facts);
                facts
            }
        };
        let facts = Arc::new(facts);
        self.facts.insert(manifest, facts.clone());
        Ok(facts)
    }

    /// Tells of something that is worth a warning.
    pub fn warn(&self, text: String) {
        self.observer.event(Event::Warning(text));
    }
}

/// One platform's image, opened, with its facts.
pub struct Opened {
    /// Manifest and config.
    pub image: Image,
    /// The platform: the one that was asked for, else what the config says.
    pub platform: Platform,
    /// What is in its layers.
    pub facts: Arc<Facts>,
}

/// Opens one platform of an image that was resolved already (`None`: the only one of a single manifest), with its facts.
pub async fn image_facts(
    name: &ImageName,
    source: Arc<dyn Source>,
    root: &Root,
    platform: Option<&Platform>,
    places: &Places,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<Opened, BuildError> {
    let cache = FactsCache::new(options.cache_directory.clone(), observer.clone());
    let mut images = Images::new(places, cache, options.scratch_directory.clone(), observer.clone());
    let failed = |platform: Platform| {
        move |cause: StoreError| BuildError::Image { image: name.to_string(), platform, cause: Box::new(cause) }
    };
    let (image, platform) = match (root, platform) {
        (Root::Manifest(manifest), None) => {
            let unknown = Platform::new("unknown", "unknown");
            let image = read_image(source.as_ref(), manifest.clone()).await.map_err(failed(unknown))?;
            let platform = image.config().value().platform().clone();
            (image, platform)
        }
        (root, platform) => {
            let platform = platform.cloned().unwrap_or_else(|| Platform::new("linux", "amd64"));
            let found = select_platform(source.as_ref(), root, &platform).await.map_err(failed(platform.clone()))?;
            (found.image, platform)
        }
    };
    let facts = images.facts(name, &platform, source.as_ref(), &image).await?;
    Ok(Opened { image, platform, facts })
}
