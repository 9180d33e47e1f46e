//! Access to images by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OnceCell;

use super::access::Access;
use super::image::Pulled;
use super::{Error, Image};
use crate::build::{
    BuildError, BuildOptions, BuildOutput, BuildReport, CheckedImages, Member, OutputRequest, Outputs, Target,
    Transports, build, check_image, plan_build,
};
use crate::environment::Environment;
use crate::events::{Observer, Silent};
use crate::model::{Descriptor, Digest, Family, ImageName, MediaType, Platform, Root};
use crate::plan::index;
use crate::registry::{Client, RegistryOptions};
use crate::spec::Spec;
use crate::store::{Entries, Sink, Source, list_entries, put_bytes, read_image, select_platform};
use crate::transfer::{Reporter, copy};

/// Access to registries, layouts and archives: pulls, pushes, copies and checks images by name.
///
/// Clones share connections, tokens and credentials.
#[derive(Clone)]
pub struct Registry {
    access: Arc<Access>,
}

impl Registry {
    /// Returns the access that the environment describes, as the command line uses it: the credentials, certificates,
    /// proxies and mirrors of Docker and podman, ocitect's cache, and `SOURCE_DATE_EPOCH`. Connects to nothing yet.
    ///
    /// # Errors
    /// Refuses a variable with a value that cannot be used.
    pub fn from_env() -> Result<Self, Error> {
        let environment = Environment::read();
        Self::new(
            environment.registries(None, Vec::new()),
            environment.build_options(None)?,
        )
    }

    /// Returns the access with these settings. Connects to nothing yet.
    pub fn new(registries: RegistryOptions, options: BuildOptions) -> Result<Self, Error> {
        let client = Client::new(registries)?;
        let transports = Transports::new(client, options.scratch_directory.clone(), || Box::new(std::io::sink()))
            .remembering(options.cache.clone());
        Ok(Self::with_transports(transports, options))
    }

    /// Returns the access that uses `transports`.
    pub fn with_transports(transports: Transports, options: BuildOptions) -> Self {
        let access = Access {
            transports,
            options,
            observer: Arc::new(Silent),
        };
        Self {
            access: Arc::new(access),
        }
    }

    /// Returns the access that reports its progress to `observer`.
    pub fn observed(&self, observer: Arc<dyn Observer>) -> Self {
        let access = Access {
            transports: self.access.transports.clone(),
            options: self.access.options.clone(),
            observer,
        };
        Self {
            access: Arc::new(access),
        }
    }

    /// Returns the image of `name` for a platform. Reads its manifest and config; no layer is downloaded.
    pub async fn pull(&self, name: &str, platform: &Platform) -> Result<Image, Error> {
        let (name, source, root) = self.resolve(name).await?;
        let found = select_platform(source.as_ref(), &root, platform).await?;
        let pulled = Pulled {
            name,
            source,
            image: found.image,
            index: found.index,
            facts: OnceCell::new(),
        };
        Ok(Image::new(self.access.clone(), platform.clone(), Some(pulled)))
    }

    /// Returns an image without layers.
    pub fn scratch(&self, platform: &Platform) -> Image {
        Image::new(self.access.clone(), platform.clone(), None)
    }

    /// Returns the platforms of an image. Entries of its index that are not images, such as attestations, are left out.
    pub async fn platforms(&self, name: &str) -> Result<Vec<Platform>, Error> {
        let (_, source, root) = self.resolve(name).await?;
        if let Root::Manifest(manifest) = &root {
            let image = read_image(source.as_ref(), manifest.clone()).await?;
            return Ok(vec![image.config().value().platform().clone()]);
        }
        let Entries { images, .. } = list_entries(source.as_ref(), &root).await?;
        Ok(images.into_iter().map(|listed| listed.platform).collect())
    }

    /// Pushes an image, and returns the digest of its manifest. Content that the target has is skipped, base layers are
    /// mounted or streamed, and the tag is written last. Without a tag, `latest` is written in a registry.
    pub async fn push(&self, image: &Image, target: &str) -> Result<Digest, Error> {
        let built = image.built().await?;
        let root = Root::Manifest(built.image.manifest().clone());
        self.write(built.source.as_ref(), &root, target).await
    }

    /// Pushes the images of several platforms as one index, and returns its digest.
    ///
    /// # Errors
    /// Refuses images of which some have Docker's media types and some OCI's: their index would be of neither family.
    pub async fn push_index(&self, images: &[Image], target: &str) -> Result<Digest, Error> {
        let mut children = Vec::new();
        for image in images {
            let manifest = image.manifest().await?.descriptor().clone();
            children.push((image.platform().clone(), manifest));
        }
        let root = Root::Index(index(&children, BTreeMap::new(), common_family(&children)?)?);
        let mut joined = BuildOutput::new(root.clone());
        for image in images {
            let built = image.built().await?;
            joined.add_documents(&built.image);
            joined.add_base(&built.image, &built.source);
        }
        self.write(&joined, &root, target).await
    }

    /// Copies an image with everything below it, unchanged, and returns its digest.
    pub async fn copy(&self, source: &str, target: &str) -> Result<Digest, Error> {
        let (_, source, root) = self.resolve(source).await?;
        self.write(source.as_ref(), &root, target).await
    }

    /// Stores bytes as a blob of the target, and returns its descriptor. Nothing refers to the blob yet; a registry may
    /// delete it if no manifest does so soon.
    pub async fn put_bytes(&self, target: &str, media_type: MediaType, bytes: Bytes) -> Result<Descriptor, Error> {
        let (sink, _) = self.sink(target).await?;
        Ok(put_bytes(sink.as_ref(), media_type, bytes).await?)
    }

    /// Checks an image, for each of its platforms, for problems that would keep it from starting. Reads its layers.
    pub async fn check(&self, name: &str) -> Result<CheckedImages, Error> {
        let (name, source, root) = self.resolve(name).await?;
        let Access {
            transports,
            options,
            observer,
        } = &*self.access;
        Ok(check_image(&name, source, &root, &[], transports, options, observer).await?)
    }

    /// Builds a spec, as `ocitect build` does: checks it, and writes it to the requested outputs.
    pub async fn build(&self, spec: &Spec, request: &OutputRequest) -> Result<BuildReport, Error> {
        let Access {
            transports,
            options,
            observer,
        } = &*self.access;
        let outputs = Outputs::decide(spec.image(), request)?;
        transports.expect(&outputs.targets);
        let member = [Member::alone(spec, &outputs)];
        let planned = plan_build(&member, options, transports, observer).await?;
        let mut reports = build(&member, planned, options, transports, observer).await?;
        Ok(reports.remove(0))
    }

    async fn resolve(&self, name: &str) -> Result<(ImageName, Arc<dyn Source>, Root), Error> {
        let name: ImageName = name.parse()?;
        let (source, selector) = self.access.transports.source(&name).await?;
        let root = source.resolve(&selector).await?;
        Ok((name, source, root))
    }

    async fn sink(&self, target: &str) -> Result<(Box<dyn Sink>, Target), Error> {
        let name: ImageName = target.parse()?;
        let repository = match &name {
            ImageName::Registry(reference) => Some(reference.repository.clone()),
            _ => None,
        };
        let target = Target::of(name)?;
        self.access.transports.expect(std::slice::from_ref(&target));
        let sink = self.access.transports.sink(&target, repository.as_ref()).await?;
        Ok((sink, target))
    }

    async fn write(&self, source: &dyn Source, root: &Root, target: &str) -> Result<Digest, Error> {
        let (sink, target) = self.sink(target).await?;
        let reporter = Reporter::new(&self.access.observer, target.to_string(), BTreeMap::new());
        copy(source, sink.as_ref(), root, &target.tags, &reporter).await?;
        Ok(root.descriptor().digest)
    }
}

/// Returns the family that all manifests belong to.
fn common_family(manifests: &[(Platform, Descriptor)]) -> Result<Family, BuildError> {
    let docker = manifests
        .iter()
        .filter(|(_, manifest)| manifest.media_type == MediaType::DockerManifest)
        .count();
    match docker {
        0 => Ok(Family::Oci),
        count if count == manifests.len() => Ok(Family::Docker),
        _ => Err(BuildError::Usage {
            reason: "some images have Docker's media types, and some OCI's".to_owned(),
            help: "push images of one family as one index".to_owned(),
        }),
    }
}
