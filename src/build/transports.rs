//! Opens the sources and targets of images.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::archive::{DockerArchive, DockerArchiveSink, OciArchive, OciArchiveSink, Output};
use crate::build::offline::OfflineImage;
use crate::build::origins::{Origins, RememberingSink};
use crate::build::target::{Target, TargetPlace};
use crate::cache::Cache;
use crate::events::Traffic;
use crate::layout::{Layout, LayoutSink};
use crate::model::{ImageName, Repository, Selector};
use crate::registry::Client;
use crate::store::{Sink, Source, StoreError, local};

/// The file name that means standard output for archives.
const STDOUT: &str = "-";

/// Opens images by name.
#[derive(Clone)]
pub struct Transports {
    registries: Client,
    /// Directory of temporary files without a name.
    scratch_directory: PathBuf,
    stdout: fn() -> Box<dyn std::io::Write + Send>,
    is_offline: bool,
    /// `None` remembers nothing.
    origins: Option<Arc<Origins>>,
}

impl Transports {
    /// Uses the client `registries`. Compressed archives are unpacked to temporary files in `scratch_directory`; an
    /// archive named `-` is written to `stdout`.
    pub fn new(registries: Client, scratch_directory: PathBuf, stdout: fn() -> Box<dyn std::io::Write + Send>) -> Self {
        Self {
            registries,
            scratch_directory,
            stdout,
            is_offline: false,
            origins: None,
        }
    }

    /// Remembers in `cache` which repositories have a layer, so that later a push out of a layout or an archive mounts
    /// it.
    pub fn remembering(self, cache: Option<Cache>) -> Self {
        Self {
            origins: cache.map(|cache| Arc::new(Origins::new(cache))),
            ..self
        }
    }

    /// Disables registries: opening an image of one fails with an error that says so. No socket is opened.
    pub fn offline(self) -> Self {
        Self {
            is_offline: true,
            ..self
        }
    }

    /// Returns `true` if the image is in a registry and registries are disabled.
    pub fn is_offline(&self, name: &ImageName) -> bool {
        self.is_offline && matches!(name, ImageName::Registry(_))
    }

    /// Announces the registry repositories that will be written to, so that one token covers all requests.
    pub fn expect(&self, targets: &[Target]) {
        for target in targets {
            if let TargetPlace::Registry(repository) = &target.place {
                self.registries.expect(repository, true);
            }
        }
    }

    /// Returns the traffic to and from registries so far.
    pub fn traffic(&self) -> Traffic {
        self.registries.traffic()
    }

    /// Opens a source, and returns which of its images is meant. Sends no request to a registry yet.
    pub async fn source(&self, name: &ImageName) -> Result<(Arc<dyn Source>, Selector), StoreError> {
        let (path, selector) = match name {
            ImageName::Registry(reference) if self.is_offline => {
                return Ok((Arc::new(OfflineImage::new(reference.clone())), reference.selector()));
            }
            ImageName::Registry(reference) => {
                self.registries.expect(&reference.repository, false);
                let repository = self.registries.repository(reference.repository.clone());
                return Ok((Arc::new(repository), reference.selector()));
            }
            ImageName::Layout { path, selector }
            | ImageName::OciArchive { path, selector }
            | ImageName::DockerArchive { path, selector } => (path.clone(), selector.clone()),
        };
        let name = name.clone();
        let spool = self.scratch_directory.clone();
        let source = local::blocking(move || open_local(&name, &path, &spool)).await?;
        Ok((source, selector))
    }

    /// Opens a target; `name` is the image's name there. Writes nothing yet.
    pub async fn sink(&self, target: &Target, name: Option<&Repository>) -> Result<Box<dyn Sink>, StoreError> {
        let inner = self.plain_sink(target, name).await?;
        let Some(origins) = self.origins.clone() else {
            return Ok(inner);
        };
        let repository = match &target.place {
            TargetPlace::Registry(repository) => Some(repository.clone()),
            TargetPlace::Local(_) => None,
        };
        Ok(Box::new(RememberingSink {
            inner,
            repository,
            origins,
        }))
    }

    async fn plain_sink(&self, target: &Target, name: Option<&Repository>) -> Result<Box<dyn Sink>, StoreError> {
        let place = match &target.place {
            TargetPlace::Registry(repository) if self.is_offline => {
                return Err(StoreError::Unsupported {
                    place: repository.to_string(),
                    what: "be written to with --offline".to_owned(),
                    help: Some("write to a layout or an archive, and push it later".to_owned()),
                });
            }
            TargetPlace::Registry(repository) => return Ok(Box::new(self.registries.repository(repository.clone()))),
            TargetPlace::Local(place) => place.clone(),
        };
        let target = target.clone();
        let name = name.cloned();
        let stdout = self.stdout;
        local::blocking(move || open_sink(&place, &target, name, stdout)).await
    }
}

fn open_local(name: &ImageName, path: &Path, spool: &Path) -> Result<Arc<dyn Source>, StoreError> {
    Ok(match name {
        ImageName::OciArchive { .. } => Arc::new(OciArchive::open(path, spool)?),
        ImageName::DockerArchive { .. } => Arc::new(DockerArchive::open(path, spool)?),
        _ => Arc::new(Layout::open(path)?),
    })
}

fn open_sink(
    place: &ImageName,
    target: &Target,
    name: Option<Repository>,
    stdout: fn() -> Box<dyn std::io::Write + Send>,
) -> Result<Box<dyn Sink>, StoreError> {
    let output = |path: &Path| match path.to_str() {
        Some(STDOUT) => Output::Stream(stdout()),
        _ => Output::File(path.to_owned()),
    };
    let own_name = |selector: &Selector| match selector {
        Selector::Tag(text) => Some(text.clone()),
        _ => None,
    };
    Ok(match place {
        ImageName::OciArchive { path, selector } => {
            Box::new(OciArchiveSink::new(output(path), name, own_name(selector)))
        }
        ImageName::DockerArchive { path, .. } => {
            Box::new(DockerArchiveSink::new(output(path), target.full_names.clone()))
        }
        ImageName::Layout { path, .. } => {
            let sink = LayoutSink::new(Layout::create_or_open(path)?, name);
            sink.check_tags(&target.tags)?;
            Box::new(sink)
        }
        ImageName::Registry(reference) => {
            return Err(StoreError::Unsupported {
                place: reference.to_string(),
                what: "be written as a local file".to_owned(),
                help: None,
            });
        }
    })
}
