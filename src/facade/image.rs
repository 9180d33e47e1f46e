//! An image of one platform, with the changes that were made to it.

use std::sync::Arc;

use tokio::sync::OnceCell;

use super::access::Access;
use super::{Config, Error, Layer};
use crate::build::{Composed, compose, open_image};
use crate::events::Observer;
use crate::files::Archives;
use crate::model::{
    self, Compression, Digest, Document, Family, ImageConfig, ImageManifest, ImageName, MediaType, Platform,
};
use crate::plan::{BaseImage, BuildPlan, PlanInput, plan};
use crate::spec::{Base, CheckSpec, DEFAULT_MTIME_S, IgnoreFile, PlatformSpec};
use crate::store::Source;
use crate::tree::Facts;

/// An image of one platform: one that was pulled, or `scratch`, with changes on top of it.
///
/// A change returns a new image and reads nothing. The layers are packed when the image is pushed or its digest is
/// asked for, once: clones share the result. Base layers are read only if the paths of the image must be known to place
/// a layer, and only if the cache does not know them.
#[derive(Clone)]
pub struct Image {
    access: Arc<Access>,
    platform: Platform,
    base: Option<Arc<Pulled>>,
    layers: Vec<Layer>,
    config: Config,
    built: Arc<OnceCell<Built>>,
}

/// An image as it is in a registry, a layout or an archive.
pub(super) struct Pulled {
    pub name: ImageName,
    pub source: Arc<dyn Source>,
    pub image: model::Image,
    /// Digest of the index that it was selected from.
    pub index: Option<Digest>,
    /// Read on demand.
    pub facts: OnceCell<Arc<Facts>>,
}

/// The image with its changes, packed.
pub(super) struct Built {
    pub image: model::Image,
    pub source: Arc<dyn Source>,
    /// The plan that it was packed from; `None` for an image without changes.
    pub plan: Option<BuildPlan>,
}

impl Image {
    pub(super) fn new(access: Arc<Access>, platform: Platform, base: Option<Pulled>) -> Self {
        Self {
            access,
            platform,
            base: base.map(Arc::new),
            layers: Vec::new(),
            config: Config::new(),
            built: Arc::default(),
        }
    }

    /// Returns the image with a layer on top.
    pub fn append(&self, layer: Layer) -> Self {
        let mut layers = self.layers.clone();
        layers.push(layer);
        Self {
            layers,
            built: Arc::default(),
            ..self.clone()
        }
    }

    /// Returns the image with these changes to its config, on top of earlier ones.
    pub fn with_config(&self, changes: Config) -> Self {
        Self {
            config: self.config.clone().then(changes),
            built: Arc::default(),
            ..self.clone()
        }
    }

    /// Returns the platform.
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Returns the digest of the manifest. Packs the layers.
    pub async fn digest(&self) -> Result<Digest, Error> {
        Ok(self.manifest().await?.descriptor().digest)
    }

    /// Returns the manifest, with its bytes and its descriptor. Packs the layers.
    pub async fn manifest(&self) -> Result<&Document<ImageManifest>, Error> {
        Ok(self.built().await?.image.manifest())
    }

    /// Returns the config, with its bytes and its descriptor. Packs the layers.
    pub async fn config(&self) -> Result<&Document<ImageConfig>, Error> {
        Ok(self.built().await?.image.config())
    }

    pub(super) async fn built(&self) -> Result<&Built, Error> {
        self.built.get_or_try_init(|| self.build()).await
    }

    pub(super) fn base(&self) -> Option<&Pulled> {
        self.base.as_deref()
    }

    pub(super) fn observer(&self) -> &Arc<dyn Observer> {
        &self.access.observer
    }

    async fn build(&self) -> Result<Built, Error> {
        if let (Some(base), true) = (&self.base, self.is_unchanged()) {
            return Ok(Built {
                image: base.image.clone(),
                source: base.source.clone(),
                plan: None,
            });
        }
        let plan = self.plan().await?;
        let source = self.base.as_ref().map(|base| base.source.clone());
        let Access { options, observer, .. } = &*self.access;
        let Composed { image, source } = compose(plan.clone(), source, options, observer).await?;
        Ok(Built {
            image,
            source,
            plan: Some(plan),
        })
    }

    fn is_unchanged(&self) -> bool {
        self.layers.is_empty() && self.config == Config::new()
    }

    async fn plan(&self) -> Result<BuildPlan, Error> {
        let base = match &self.base {
            Some(base) => Some(Arc::new(self.planning_base(base).await?)),
            None => None,
        };
        let options = &self.access.options;
        let platform_spec = self.platform_spec();
        let layers = self.layers.clone();
        let scratch = options.scratch_directory.clone();
        let threads = options.threads;
        let list = move || {
            let archives = Archives::new(scratch);
            let listed = (1..)
                .zip(&layers)
                .map(|(number, layer)| layer.list(number, &archives, threads));
            listed.collect::<Result<Vec<_>, _>>()
        };
        let listings = tokio::task::spawn_blocking(list)
            .await
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        let family = match &self.base {
            Some(base) if base.image.manifest().descriptor().media_type == MediaType::DockerManifest => Family::Docker,
            _ => Family::Oci,
        };
        Ok(plan(PlanInput {
            platform_spec,
            config: self.config.spec().clone(),
            base,
            listings,
            family,
            created_s: options.created_s,
        })?)
    }

    /// Returns the base for planning. Its paths are read only if a layer or a working directory is placed among them.
    async fn planning_base(&self, base: &Pulled) -> Result<BaseImage, Error> {
        let needs_paths = !self.layers.is_empty() || self.config.spec().workdir.is_some();
        let facts = if needs_paths {
            self.facts(base).await?
        } else {
            Arc::new(Facts::empty())
        };
        let name = match &base.name {
            ImageName::Registry(reference) => Some(reference.to_string()),
            _ => None,
        };
        Ok(BaseImage {
            image: base.image.clone(),
            name,
            index: base.index,
            tree: facts.tree.clone(),
            passwd: facts.passwd.clone().unwrap_or_default().into(),
            group: facts.group.clone().unwrap_or_default().into(),
        })
    }

    pub(super) async fn facts(&self, base: &Pulled) -> Result<Arc<Facts>, Error> {
        let Access {
            transports,
            options,
            observer,
        } = &*self.access;
        let read = || async {
            let opened = open_image(
                &base.name,
                base.source.as_ref(),
                base.image.clone(),
                self.platform.clone(),
                transports,
                options,
                observer,
            );
            Ok::<_, Error>(opened.await?.facts)
        };
        base.facts.get_or_try_init(read).await.cloned()
    }

    /// Returns the platform as a spec would describe it.
    fn platform_spec(&self) -> PlatformSpec {
        let (base, base_text) = match &self.base {
            Some(base) => (Base::Image(base.name.clone()), base.name.to_string()),
            None => (Base::Scratch, "scratch".to_owned()),
        };
        PlatformSpec {
            platform: self.platform.clone(),
            base,
            base_text,
            max_size_bytes: None,
            annotations: Default::default(),
            mtime_s: DEFAULT_MTIME_S,
            ignore_file: IgnoreFile {
                path: Default::default(),
                required: false,
            },
            users: Vec::new(),
            groups: Vec::new(),
            dirs: Vec::new(),
            compression: Compression::Gzip(Compression::GZIP_DEFAULT_LEVEL),
            layers: (1..)
                .zip(&self.layers)
                .map(|(number, layer)| layer.spec(number))
                .collect(),
            check: CheckSpec::default(),
        }
    }
}
