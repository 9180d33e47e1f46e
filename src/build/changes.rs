//! What an update of the lockfile changed in an image: digests, dates, layers, packages.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::build::images::{Images, PlatformImage};
use crate::lock::Lock;
use crate::model::{DiffId, Digest, Image, Platform};
use crate::spec::NamedImage;
use crate::tree::{Facts, Package, PackageSystem};

/// How the pins of an image changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageChange {
    /// The image, as the spec writes it.
    pub name: String,
    /// The digest that the name resolved to before: that of the index, or else of the manifest. `None` if it was not
    /// pinned.
    pub old: Option<Digest>,
    /// The digest that it resolves to now.
    pub new: Option<Digest>,
    /// Each platform of the spec.
    pub platforms: Vec<PinChange>,
}

/// How the pin of one platform changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinChange {
    /// The platform.
    pub platform: Platform,
    /// The manifest that was pinned.
    pub old: Option<Digest>,
    /// The manifest that is pinned now.
    pub new: Digest,
    /// Creation time of the old image, from its config. `None` if it is not set or the config is no longer available.
    pub old_created: Option<String>,
    /// Creation time of the new image, from its config.
    pub new_created: Option<String>,
    /// Number of layers that the old image has too.
    pub shared_layer_count: usize,
    /// Number of layers of the new image.
    pub layer_count: usize,
    /// Differences between the package databases.
    pub packages: PackageChanges,
}

/// Differences between two package databases.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PackageChanges {
    /// Name and version, sorted.
    pub added: Vec<(String, String)>,
    /// Name and version, sorted.
    pub removed: Vec<(String, String)>,
    /// Name, old version and new version, sorted.
    pub changed: Vec<(String, String, String)>,
}

impl ImageChange {
    /// Returns `true` if a pin was added or changed.
    pub fn is_change(&self) -> bool {
        self.old != self.new || self.platforms.iter().any(|change| change.old != Some(change.new))
    }

    /// Returns the change in the form of `--json`.
    pub fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "changed": self.is_change(),
            "old_digest": self.old,
            "new_digest": self.new,
            "platforms": self.platforms.iter().map(PinChange::to_json).collect::<Vec<_>>(),
        })
    }
}

impl PinChange {
    fn to_json(&self) -> Value {
        let listed = |packages: &[(String, String)]| -> Vec<Value> {
            packages
                .iter()
                .map(|(name, version)| json!({ "name": name, "version": version }))
                .collect()
        };
        let changed = self.packages.changed.iter();
        let changed = changed.map(|(name, old, new)| json!({ "name": name, "old_version": old, "new_version": new }));
        json!({
            "platform": self.platform.to_string(),
            "old_digest": self.old,
            "new_digest": self.new,
            "old_created": self.old_created,
            "new_created": self.new_created,
            "shared_layers": self.shared_layer_count,
            "layers": self.layer_count,
            "packages": {
                "added": listed(&self.packages.added),
                "removed": listed(&self.packages.removed),
                "changed": changed.collect::<Vec<_>>(),
            },
        })
    }
}

/// What is known of the image that was pinned for a platform.
struct Earlier {
    manifest: Digest,
    layers: BTreeSet<DiffId>,
    created: Option<String>,
    /// `None` if they are not at hand, or of another version: they cannot be compared then.
    facts: Option<Facts>,
}

impl Earlier {
    /// Looks up what was pinned: by the pin, else by the digest of its image. Returns `None` if nothing is known.
    async fn find(named: &NamedImage, platform: &Platform, old: &Lock, images: &Images<'_>) -> Option<Self> {
        if let Some(pin) = old.pin(&named.text, platform) {
            let image = images.read_pinned(&named.name, pin).await;
            return Some(Self {
                manifest: pin.manifest.digest,
                layers: pin.layers.iter().map(|layer| layer.diff_id).collect(),
                created: image.as_ref().and_then(created),
                facts: pin.facts.read().ok(),
            });
        }
        let digest = old.image(&named.text)?.digest;
        let (image, facts) = images.find_earlier(&named.name, digest, platform).await?;
        Some(Self {
            facts,
            ..Self::of(&image)
        })
    }

    fn of(image: &Image) -> Self {
        Self {
            manifest: image.manifest().descriptor().digest,
            layers: image.config().value().diff_ids().iter().copied().collect(),
            created: created(image),
            facts: None,
        }
    }
}

/// Compares the pins of an image in `old` with those that were found now.
pub(super) async fn image_change(
    named: &NamedImage,
    old: &Lock,
    images: &Images<'_>,
    found: &BTreeMap<Platform, PlatformImage>,
) -> ImageChange {
    let digest = |lock: &Lock| lock.image(&named.text).map(|image| image.digest);
    let is_same = digest(old) == digest(images.lock());
    let mut platforms = Vec::new();
    for (platform, image) in found {
        let earlier = if is_same {
            Some(Earlier::of(&image.image))
        } else {
            Earlier::find(named, platform, old, images).await
        };
        platforms.push(pin_change(platform, earlier, image));
    }
    ImageChange {
        name: named.text.clone(),
        old: digest(old),
        new: digest(images.lock()),
        platforms,
    }
}

fn pin_change(platform: &Platform, earlier: Option<Earlier>, image: &PlatformImage) -> PinChange {
    let layers = image.image.config().value().diff_ids();
    let is_shared = |layer: &&DiffId| earlier.as_ref().is_some_and(|earlier| earlier.layers.contains(*layer));
    let facts = earlier.as_ref().and_then(|earlier| earlier.facts.as_ref());
    PinChange {
        platform: platform.clone(),
        old: earlier.as_ref().map(|earlier| earlier.manifest),
        new: image.image.manifest().descriptor().digest,
        old_created: earlier.as_ref().and_then(|earlier| earlier.created.clone()),
        new_created: created(&image.image),
        shared_layer_count: layers.iter().filter(is_shared).count(),
        layer_count: layers.len(),
        packages: facts
            .map(|facts| package_changes(facts, &image.facts))
            .unwrap_or_default(),
    }
}

fn created(image: &Image) -> Option<String> {
    Some(image.config().value().fields().get("created")?.as_str()?.to_owned())
}

/// Returns the versions by package. A package that is installed in several versions has all of them.
fn versions(packages: &[Package]) -> BTreeMap<(PackageSystem, &str), String> {
    let mut versions: BTreeMap<(PackageSystem, &str), String> = BTreeMap::new();
    for Package { system, name, version } in packages {
        let all = versions.entry((*system, name)).or_default();
        let separator = if all.is_empty() { "" } else { ", " };
        all.push_str(&format!("{separator}{version}"));
    }
    versions
}

fn package_changes(old: &Facts, new: &Facts) -> PackageChanges {
    let old = versions(&old.packages);
    let new = versions(&new.packages);
    let mut changes = PackageChanges::default();
    for ((system, name), version) in &new {
        match old.get(&(*system, *name)) {
            None => changes.added.push(((*name).to_owned(), version.clone())),
            Some(before) if before != version => {
                changes
                    .changed
                    .push(((*name).to_owned(), before.clone(), version.clone()));
            }
            Some(_) => {}
        }
    }
    let gone = old.iter().filter(|(package, _)| !new.contains_key(*package));
    changes.removed = gone
        .map(|((_, name), version)| ((*name).to_owned(), version.clone()))
        .collect();
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(packages: &[(PackageSystem, &str, &str)]) -> Facts {
        let package = |(system, name, version): &(PackageSystem, &str, &str)| Package {
            system: *system,
            name: (*name).to_owned(),
            version: (*version).to_owned(),
        };
        Facts {
            packages: packages.iter().map(package).collect(),
            ..Facts::empty()
        }
    }

    #[test]
    fn packages_are_added_removed_and_changed() {
        use PackageSystem::{Apk, Dpkg};
        let old = facts(&[
            (Dpkg, "a", "1"),
            (Dpkg, "b", "1"),
            (Dpkg, "c", "1"),
            (Dpkg, "c", "2"),
            (Apk, "a", "1"),
        ]);
        let new = facts(&[
            (Dpkg, "b", "2"),
            (Dpkg, "c", "1"),
            (Dpkg, "c", "3"),
            (Dpkg, "d", "1"),
            (Apk, "a", "1"),
        ]);
        let pair = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        let changes = package_changes(&old, &new);
        assert_eq!(changes.added, [pair("d", "1")]);
        assert_eq!(changes.removed, [pair("a", "1")]);
        let triple = |name: &str, old: &str, new: &str| (name.to_owned(), old.to_owned(), new.to_owned());
        assert_eq!(changes.changed, [triple("b", "1", "2"), triple("c", "1, 2", "1, 3")]);
        assert_eq!(package_changes(&old, &old), PackageChanges::default());
    }
}
