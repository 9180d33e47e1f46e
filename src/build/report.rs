//! The results of a build, for the summary and for `--metadata`.

use serde_json::{Value, json};

use crate::events::Outcome;
use crate::model::{Descriptor, ImageState, Part, Platform, Repository, Tag};
use crate::transfer::Report;

/// How a layer was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerOrigin {
    /// It belongs to the base image.
    Base,
    /// It was packed for this platform.
    Packed,
    /// It was packed for another platform that shares it.
    Shared,
    /// Its inputs are unchanged since it was packed.
    Kept,
    /// It was reused from an earlier image.
    Earlier,
    /// It belongs to a part that was merged.
    Merged,
}

impl LayerOrigin {
    /// Returns one word for people and programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Packed => "packed",
            Self::Shared => "reused",
            Self::Kept => "unchanged",
            Self::Earlier => "earlier",
            Self::Merged => "merged",
        }
    }
}

/// One layer of one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerReport {
    /// Its name in the spec; `base` for a layer of the base image.
    pub name: String,
    /// Its descriptor.
    pub descriptor: Descriptor,
    /// How it was made.
    pub origin: LayerOrigin,
}

/// One platform's image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformReport {
    /// The platform.
    pub platform: Platform,
    /// Its manifest.
    pub manifest: Descriptor,
    /// Its config.
    pub config: Descriptor,
    /// Its layers, lowest first.
    pub layers: Vec<LayerReport>,
    /// Compressed size of config and layers.
    pub size_bytes: u64,
    /// `max-size`.
    pub max_size_bytes: Option<u64>,
}

/// One target that the image was written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetReport {
    /// The place.
    pub target: String,
    /// The tags that were written there.
    pub tags: Vec<Tag>,
    /// The outcome for each blob.
    pub transfer: Report,
    /// `true` if it had the image with its tags. Layouts and archives are not asked for tags.
    pub is_unchanged: bool,
}

/// The result of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildReport {
    /// The image's name.
    pub name: Option<Repository>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// The index, or the manifest if the image has no index.
    pub root: Descriptor,
    /// Its platforms, in the spec's order.
    pub platforms: Vec<PlatformReport>,
    /// The targets that it was written to.
    pub targets: Vec<TargetReport>,
    /// The whole that it is a part of, if it does not have all platforms of its spec.
    pub part: Option<Part>,
}

impl BuildReport {
    /// Returns `NAME@DIGEST`, or `@DIGEST` without a name.
    pub fn pinned_name(&self) -> String {
        let name = self.name.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{name}@{}", self.root.digest)
    }

    /// Returns the outcomes for a blob at the targets, in order and without duplicates.
    pub fn outcomes(&self, descriptor: &Descriptor) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> = Vec::new();
        for outcome in self
            .targets
            .iter()
            .filter_map(|target| target.transfer.outcome(&descriptor.digest))
        {
            if !outcomes.contains(&outcome) {
                outcomes.push(outcome);
            }
        }
        outcomes
    }

    /// Returns the content of `--metadata` for a member of a workspace, with the members that it is based on.
    pub fn to_member_json(&self, id: &str, bases: impl IntoIterator<Item = String>) -> Value {
        let mut value = self.to_json();
        value["member"] = id.into();
        value["base_members"] = bases.into_iter().collect::<Vec<_>>().into();
        value["state"] = self.state().as_str().into();
        value
    }

    /// Returns what happened to the image at its targets. It is unchanged if all of them had it with its tags.
    pub fn state(&self) -> ImageState {
        match &self.targets[..] {
            [] => ImageState::NotWritten,
            targets if targets.iter().all(|target| target.is_unchanged) => ImageState::Unchanged,
            _ => ImageState::Written,
        }
    }

    /// Returns the content of `--metadata`: name, tags, digests, platforms and sizes.
    pub fn to_json(&self) -> Value {
        let layer = |layer: &LayerReport| {
            let targets = self.targets.iter().map(|target| {
                let outcome = target.transfer.outcome(&layer.descriptor.digest).map(Outcome::as_str);
                (target.target.clone(), json!(outcome))
            });
            json!({
                "name": layer.name,
                "digest": layer.descriptor.digest,
                "media_type": layer.descriptor.media_type,
                "size_bytes": layer.descriptor.size_bytes,
                "origin": layer.origin.as_str(),
                "targets": targets.collect::<serde_json::Map<String, Value>>(),
            })
        };
        let platform = |platform: &PlatformReport| {
            json!({
                "platform": platform.platform.to_string(),
                "digest": platform.manifest.digest,
                "config_digest": platform.config.digest,
                "size_bytes": platform.size_bytes,
                "max_size_bytes": platform.max_size_bytes,
                "layers": platform.layers.iter().map(layer).collect::<Vec<_>>(),
            })
        };
        let mut value = json!({
            "name": self.name.as_ref().map(ToString::to_string),
            "tags": self.tags.iter().map(Tag::as_str).collect::<Vec<_>>(),
            "digest": self.root.digest,
            "media_type": self.root.media_type,
            "size_bytes": self.root.size_bytes,
            "image": self.pinned_name(),
            "platforms": self.platforms.iter().map(platform).collect::<Vec<_>>(),
            "targets": self.targets.iter().map(|target| json!({
                "target": target.target,
                "tags": target.tags.iter().map(Tag::as_str).collect::<Vec<_>>(),
                "copied_bytes": target.transfer.copied_bytes(),
            })).collect::<Vec<_>>(),
        });
        if let Some(part) = &self.part {
            value["part"] = json!(part);
        }
        value
    }
}
