//! The plan of one platform, and the inputs that it is made from.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::model::{Digest, Family, Image, LayerPlan, Listing, Platform};
use crate::spec::{ConfigSpec, PlatformSpec};
use crate::tree::Tree;

/// A base image of one platform, with the facts that a plan needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseImage {
    /// Its manifest and config.
    pub image: Image,
    /// For a base image from a registry: the full reference, as the spec writes it.
    pub name: Option<String>,
    /// Digest of the index that the reference resolves to; `None` for a single manifest.
    pub index: Option<Digest>,
    /// Its file tree.
    pub tree: Arc<Tree>,
    /// Content of `/etc/passwd`, following links; empty if it does not exist.
    pub passwd: Bytes,
    /// Content of `/etc/group`, following links; empty if it does not exist.
    pub group: Bytes,
}

impl BaseImage {
    /// Returns the digest that the reference resolves to: the index, else the manifest.
    pub fn reference_digest(&self) -> Digest {
        self.index.unwrap_or(self.image.manifest().descriptor().digest)
    }
}

/// All inputs of one platform's plan.
#[derive(Debug, Clone)]
pub struct PlanInput {
    /// The settings of the spec for the platform.
    pub platform_spec: PlatformSpec,
    /// Its `[config]`, with the variables of the base image expanded.
    pub config: ConfigSpec,
    /// The base image; `None` for `scratch`.
    pub base: Option<Arc<BaseImage>>,
    /// For each layer of the spec and each of its `files` entries, the filtered listing.
    pub listings: Vec<Vec<Listing>>,
    /// The family of the manifest.
    pub family: Family,
    /// Time of the image and of its history, in seconds since 1970.
    pub created_s: i64,
}

impl PlanInput {
    pub(super) fn tree(&self) -> Arc<Tree> {
        self.base.as_ref().map(|base| base.tree.clone()).unwrap_or_default()
    }

    /// Returns passwd and group of the base image.
    pub(super) fn accounts(&self) -> [Bytes; 2] {
        self.base
            .as_ref()
            .map(|base| [base.passwd.clone(), base.group.clone()])
            .unwrap_or_default()
    }
}

/// The plan of one platform: everything is decided, and no content is read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildPlan {
    /// The platform, as the spec writes it.
    pub platform: Platform,
    /// The base image; `None` for `scratch`.
    pub base: Option<Arc<BaseImage>>,
    /// The layers above the base image, lowest first. Layers without entries are left out. Platforms with equal layers
    /// share them.
    pub layers: Vec<Arc<LayerPlan>>,
    /// The config, as far as it does not depend on the packed layers.
    pub config: ConfigPlan,
    /// The spec's `annotations` for the manifest, without those about the base image.
    pub annotations: BTreeMap<String, String>,
    /// The family of the manifest.
    pub family: Family,
    /// Limit of the compressed size in bytes, including the base image.
    pub max_size_bytes: Option<u64>,
    /// Warnings that do not stop the build.
    pub warnings: Vec<String>,
}

/// The config of an image without its layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigPlan {
    /// The table `config`: that of the base image, with the changes of the spec.
    pub execution: Map<String, Value>,
    /// `created` of the image and of its own history entries, in RFC 3339 form.
    pub created: String,
}
