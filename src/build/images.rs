//! The images that a build reads: base images, and images that files are copied from. Each is opened once: by its pin
//! if the lockfile has one, else by resolving its name. Its facts come from the lockfile, the cache, or its layers,
//! which are then read once. All three give the same facts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::build::BuildError;
use crate::build::cache::{BuildCache, KeptFacts};
use crate::build::documents::{keep_documents, read_documents};
use crate::build::options::BuildOptions;
use crate::build::transports::Transports;
use crate::events::{Event, Item, Observer, Task, Work};
use crate::lock::{Lock, LockedFacts, LockedImage, Pin};
use crate::model::{Digest, Image, ImageName, Platform, Root, Selector, escape};
use crate::plan::check_platform;
use crate::spec::NamedImage;
use crate::store::{PlatformMatch, Source, StoreError, read_image, select_platform};
use crate::tree::{Facts, read_facts};

/// The name of an image that is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReadName {
    /// An image that exists, by its name in the spec.
    Image(ImageName),
    /// A member of the same build.
    Member {
        /// Its ID.
        id: String,
        /// Its first full name, if it has a name.
        reference: Option<String>,
        /// The path of its spec.
        spec: PathBuf,
    },
}

impl ReadName {
    /// Returns the spec of a member.
    pub fn spec(&self) -> Option<&Path> {
        match self {
            Self::Member { spec, .. } => Some(spec),
            Self::Image(_) => None,
        }
    }

    /// Returns the full reference of an image in a registry.
    pub fn reference(&self) -> Option<String> {
        match self {
            Self::Image(ImageName::Registry(reference)) => Some(reference.to_string()),
            Self::Image(_) => None,
            Self::Member { reference, .. } => reference.clone(),
        }
    }
}

impl fmt::Display for ReadName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(name) => name.fmt(formatter),
            Self::Member { id, .. } => write!(formatter, "workspace:{id}"),
        }
    }
}

/// An image, as selected for one platform.
#[derive(Clone)]
pub(super) struct PlatformImage {
    /// What it is called.
    pub name: ReadName,
    /// The source of its blobs.
    pub source: Arc<dyn Source>,
    /// Manifest and config.
    pub image: Image,
    /// Digest of the index that it was selected from.
    pub index: Option<Digest>,
    /// Facts about its layers.
    pub facts: Arc<Facts>,
}

/// Facts in memory, and in stored form.
#[derive(Clone)]
struct KnownFacts {
    facts: Arc<Facts>,
    kept: LockedFacts,
}

/// Opens images, and keeps them open.
pub(super) struct Images<'a> {
    transports: &'a Transports,
    cache: Arc<BuildCache>,
    scratch_directory: PathBuf,
    observer: Arc<dyn Observer>,
    /// The given pins, and those added since.
    lock: Lock,
    /// Facts of every manifest that was in a lockfile, by digest.
    locked_facts: BTreeMap<Digest, LockedFacts>,
    opened: BTreeMap<ImageName, (Arc<dyn Source>, Root)>,
    found: BTreeMap<(NamedImage, Platform), PlatformImage>,
    facts: BTreeMap<Digest, KnownFacts>,
    /// Local images for which the user was warned that they changed since they were pinned.
    moved: BTreeSet<String>,
}

impl<'a> Images<'a> {
    /// Creates a value without open images and without pins.
    pub fn new(transports: &'a Transports, options: &BuildOptions, observer: &Arc<dyn Observer>) -> Self {
        Self {
            transports,
            cache: Arc::new(BuildCache::new(options.cache.clone(), observer.clone())),
            scratch_directory: options.scratch_directory.clone(),
            observer: observer.clone(),
            lock: Lock::new(),
            locked_facts: BTreeMap::new(),
            opened: BTreeMap::new(),
            found: BTreeMap::new(),
            facts: BTreeMap::new(),
            moved: BTreeSet::new(),
        }
    }

    /// Uses the pins of `lock`. The facts in `known`, an earlier state of the lockfile, are reused for the same
    /// manifests.
    pub fn pinned_by(self, lock: Lock, known: &Lock) -> Self {
        let pins = known.images().values().flat_map(|image| image.platforms().values());
        let current = pins.filter(|pin| pin.facts.is_current());
        let locked_facts = current.map(|pin| (pin.manifest.digest, pin.facts.clone())).collect();
        Self {
            lock,
            locked_facts,
            ..self
        }
    }

    /// Returns the pins: the given ones, and those added since.
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// Opens the image for a platform, with its facts, and pins it.
    pub async fn for_platform(&mut self, named: &NamedImage, platform: &Platform) -> Result<PlatformImage, BuildError> {
        let key = (named.clone(), platform.clone());
        if let Some(found) = self.found.get(&key) {
            return Ok(found.clone());
        }
        let NamedImage { text, name } = named;
        let pin = self.lock.pin(text, platform).cloned();
        let (source, PlatformMatch { image, index }) = self.open_for_platform(named, platform, pin.as_ref()).await?;
        // Checked before any layer is downloaded for it.
        check_platform(platform).map_err(|cause| BuildError::Plan {
            platform: platform.clone(),
            cause: Box::new(cause),
        })?;
        let layers = &image.manifest().value().layers;
        source.check_blobs(layers).await.map_err(failed(name, platform))?;
        let known = self.facts(name, platform, source.as_ref(), &image).await?;
        if !pin.is_some_and(|pin| pin.facts.is_current()) {
            let digest = index.unwrap_or(image.manifest().descriptor().digest);
            self.lock = self
                .lock
                .with_pin(text, digest, platform, Pin::new(&image, known.kept)?);
        }
        let found = PlatformImage {
            name: ReadName::Image(name.clone()),
            source,
            image,
            index,
            facts: known.facts,
        };
        self.found.insert(key, found.clone());
        Ok(found)
    }

    /// Opens the manifest and the config of the image for a platform. Its layers are not read, and it is not pinned.
    pub async fn documents_for_platform(
        &mut self,
        named: &NamedImage,
        platform: &Platform,
    ) -> Result<Image, BuildError> {
        let pin = self.lock.pin(&named.text, platform).cloned();
        let (_, found) = self.open_for_platform(named, platform, pin.as_ref()).await?;
        Ok(found.image)
    }

    async fn open_for_platform(
        &mut self,
        named: &NamedImage,
        platform: &Platform,
        pin: Option<&Pin>,
    ) -> Result<(Arc<dyn Source>, PlatformMatch), BuildError> {
        let opened = match pin {
            Some(pin) => self.open_pinned(named, platform, pin).await?,
            None => self.choose(named, platform).await?,
        };
        if let Some(locked) = self.lock.image(&named.text).map(|image| image.digest) {
            self.note_moved(named, opened.0.as_ref(), locked).await;
        }
        Ok(opened)
    }

    /// Opens a pinned image. Only documents that the cache does not contain are requested from its source.
    async fn open_pinned(
        &self,
        named: &NamedImage,
        platform: &Platform,
        pin: &Pin,
    ) -> Result<(Arc<dyn Source>, PlatformMatch), BuildError> {
        let NamedImage { text, name } = named;
        let (source, selector) = self.transports.source(name).await.map_err(failed(name, platform))?;
        let image = self.lock.image(text);
        let index = image.and_then(LockedImage::index);
        match read_documents(source.as_ref(), &self.cache, &pin.manifest).await {
            Ok(image) => Ok((source, PlatformMatch { image, index })),
            Err(cause @ StoreError::NotFound { .. }) if !self.transports.is_offline(name) => {
                let locked = image.map_or(pin.manifest.digest, |image| image.digest);
                Err(gone(named, platform, locked, source.as_ref(), &selector, cause).await)
            }
            Err(cause) => Err(failed(name, platform)(cause)),
        }
    }

    /// Warns, once for each image, that a local image was rebuilt since it was pinned. Registries are not queried;
    /// `ocitect outdated` does that.
    async fn note_moved(&mut self, named: &NamedImage, source: &dyn Source, locked: Digest) {
        let selector = match &named.name {
            ImageName::Registry(_) => return,
            ImageName::Layout { selector, .. }
            | ImageName::OciArchive { selector, .. }
            | ImageName::DockerArchive { selector, .. } => selector,
        };
        let Ok(root) = source.resolve(selector).await else {
            return;
        };
        let current = root.descriptor().digest;
        if current != locked && self.moved.insert(named.text.clone()) {
            let text = escape(named.text.as_bytes());
            self.warn(format!(
                "{text} now points to {current}, but the lockfile pins {locked}, which is used: run `ocitect update` \
                 to update the pin"
            ));
        }
    }

    /// Selects an image whose pin for the platform is not at hand: from the digest that its name is pinned to, else by its
    /// name.
    async fn choose(
        &mut self,
        named: &NamedImage,
        platform: &Platform,
    ) -> Result<(Arc<dyn Source>, PlatformMatch), BuildError> {
        let NamedImage { text, name } = named;
        let locked = self.lock.image(text).map(|image| image.digest);
        let (source, root) = match (self.open(name, locked).await, locked) {
            (Ok(opened), _) => opened,
            (Err(cause @ StoreError::NotFound { .. }), Some(locked)) if !self.transports.is_offline(name) => {
                let (source, selector) = self.transports.source(name).await.map_err(failed(name, platform))?;
                return Err(gone(named, platform, locked, source.as_ref(), &selector, cause).await);
            }
            (Err(cause), _) => return Err(failed(name, platform)(cause)),
        };
        let found = select_platform(source.as_ref(), &root, platform)
            .await
            .map_err(failed(name, platform))?;
        keep_documents(&self.cache, &found.image);
        Ok((source, found))
    }

    async fn open(&mut self, name: &ImageName, locked: Option<Digest>) -> Result<(Arc<dyn Source>, Root), StoreError> {
        if let Some(opened) = self.opened.get(name) {
            return Ok(opened.clone());
        }
        let task = Task::start(
            &self.observer,
            Work::new("resolving", Item::new(name.to_string())),
            None,
        );
        let (source, selector) = self.transports.source(name).await?;
        let root = source.resolve(&locked.map_or(selector, Selector::Digest)).await?;
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
    ) -> Result<KnownFacts, BuildError> {
        let manifest = image.manifest().descriptor().digest;
        if let Some(known) = self.facts.get(&manifest) {
            return Ok(known.clone());
        }
        let (facts, kept) = match self.kept_facts(&manifest) {
            Some(found) => found,
            None => self.read_layers(name, platform, source, image).await?,
        };
        let known = KnownFacts {
            facts: Arc::new(facts),
            kept,
        };
        self.facts.insert(manifest, known.clone());
        Ok(known)
    }

    /// Returns facts that were read before: those of the lockfile, else those of the cache.
    fn kept_facts(&self, manifest: &Digest) -> Option<(Facts, LockedFacts)> {
        let locked = self
            .locked_facts
            .get(manifest)
            .and_then(|kept| Some((kept.read().ok()?, kept.clone())));
        locked.or_else(|| {
            let KeptFacts { facts, compressed } = self.cache.load_facts(manifest)?;
            Some((facts, LockedFacts::new(compressed)))
        })
    }

    /// Streams the layers of an image, and stores the facts read from them.
    async fn read_layers(
        &self,
        name: &ImageName,
        platform: &Platform,
        source: &dyn Source,
        image: &Image,
    ) -> Result<(Facts, LockedFacts), BuildError> {
        let size_bytes = image
            .layers()
            .map(|(layer, _)| layer.size_bytes)
            .fold(0, u64::saturating_add);
        let item = Item::new(name.to_string()).for_platform(Some(platform.clone()));
        let task = Arc::new(Task::start(
            &self.observer,
            Work::new("reading", item.clone()),
            Some(size_bytes),
        ));
        let failed = |cause| BuildError::Tree {
            image: name.to_string(),
            platform: platform.clone(),
            cause: Box::new(cause),
        };
        let facts = read_facts(source, image, &self.scratch_directory, &task)
            .await
            .map_err(failed)?;
        let compressed = facts.compress().map_err(failed)?;
        task.finish(format!("read {item}"));
        self.cache
            .store_facts(&image.manifest().descriptor().digest, &compressed);
        Ok((facts, LockedFacts::new(compressed)))
    }

    /// Returns the cache, to share with the steps after planning.
    pub fn cache(&self) -> Arc<BuildCache> {
        self.cache.clone()
    }

    /// Emits a warning.
    pub fn warn(&self, text: String) {
        self.observer.event(Event::Warning(text));
    }

    /// Returns the image of a pin if its documents are still available.
    pub async fn read_pinned(&self, name: &ImageName, pin: &Pin) -> Option<Image> {
        let (source, _) = self.transports.source(name).await.ok()?;
        read_documents(source.as_ref(), &self.cache, &pin.manifest).await.ok()
    }

    /// Returns the image for a platform of a digest that was pinned, if it is still available, and its facts if they were
    /// read before. No layer is read.
    pub async fn find_earlier(
        &self,
        name: &ImageName,
        digest: Digest,
        platform: &Platform,
    ) -> Option<(Image, Option<Facts>)> {
        let (source, _) = self.transports.source(name).await.ok()?;
        let root = source.resolve(&Selector::Digest(digest)).await.ok()?;
        let image = select_platform(source.as_ref(), &root, platform).await.ok()?.image;
        let facts = self.kept_facts(&image.manifest().descriptor().digest);
        Some((image, facts.map(|(facts, _)| facts)))
    }
}

pub(super) fn failed(name: &ImageName, platform: &Platform) -> impl FnOnce(StoreError) -> BuildError {
    let image = name.to_string();
    let platform = platform.clone();
    move |cause| BuildError::Image {
        image,
        platform,
        cause: Box::new(cause),
    }
}

/// Returns the error for a locked digest that was not found: its tag refers to another image, or no longer exists.
async fn gone(
    named: &NamedImage,
    platform: &Platform,
    locked: Digest,
    source: &dyn Source,
    selector: &Selector,
    not_found: StoreError,
) -> BuildError {
    let image = named.text.clone();
    let platform = platform.clone();
    let current = match source.resolve(selector).await {
        Ok(root) if root.descriptor().digest == locked => return failed(&named.name, &platform)(not_found),
        Ok(root) => Some(root.descriptor().digest),
        Err(StoreError::NotFound { .. }) => None,
        Err(cause) => return failed(&named.name, &platform)(cause),
    };
    BuildError::LockedGone {
        image,
        platform,
        locked,
        current,
    }
}

/// The opened image of one platform, with its facts.
pub struct Opened {
    /// Manifest and config.
    pub image: Image,
    /// The requested platform, or else the one that the config names.
    pub platform: Platform,
    /// Facts about its layers.
    pub facts: Arc<Facts>,
}

/// Opens the image for a platform of a resolved name (`None`: the only one of a single manifest), with its facts.
pub async fn image_facts(
    name: &ImageName,
    source: Arc<dyn Source>,
    root: &Root,
    platform: Option<&Platform>,
    transports: &Transports,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<Opened, BuildError> {
    let (image, platform) = match (root, platform) {
        (Root::Manifest(manifest), None) => {
            let unknown = Platform::new("unknown", "unknown");
            let image = read_image(source.as_ref(), manifest.clone())
                .await
                .map_err(failed(name, &unknown))?;
            let platform = image.config().value().platform().clone();
            (image, platform)
        }
        (root, platform) => {
            let platform = platform.cloned().unwrap_or_else(|| Platform::new("linux", "amd64"));
            let found = select_platform(source.as_ref(), root, &platform)
                .await
                .map_err(failed(name, &platform))?;
            (found.image, platform)
        }
    };
    open_image(name, source.as_ref(), image, platform, transports, options, observer).await
}

/// An image that was read, with its facts.
pub(crate) async fn open_image(
    name: &ImageName,
    source: &dyn Source,
    image: Image,
    platform: Platform,
    transports: &Transports,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<Opened, BuildError> {
    let mut images = Images::new(transports, options, observer);
    let facts = images.facts(name, &platform, source, &image).await?.facts;
    Ok(Opened { image, platform, facts })
}
