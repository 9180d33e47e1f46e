//! Compares a spec with its lockfile: what the spec needs, what the lockfile does not contain, and when it is written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::build::BuildError;
use crate::build::lock_files;
use crate::build::member::Member;
use crate::build::options::BuildOptions;
use crate::build::transports::Transports;
use crate::events::{Event, Observer};
use crate::lock::{LoadedLock, Lock, LockedImage};
use crate::model::{Platform, escape, facts_directory};
use crate::spec::{NamedImage, Spec};

/// An image that a platform of a spec reads from.
pub(super) type Need = (NamedImage, Platform);

/// Returns all images that these platforms of specs read from.
pub(super) fn needs<'a>(
    specs: impl IntoIterator<Item = (&'a Spec, &'a [Platform])>,
) -> Result<BTreeSet<Need>, BuildError> {
    let mut needs = BTreeSet::new();
    for (spec, platforms) in specs {
        for platform in platforms {
            let images = spec.platform(platform)?.images();
            needs.extend(images.into_iter().map(|image| (image, platform.clone())));
        }
    }
    Ok(needs)
}

/// Returns all images that specs read from for all of their platforms.
pub(super) fn all_needs(specs: &[&Spec]) -> Result<BTreeSet<Need>, BuildError> {
    needs(specs.iter().map(|spec| (*spec, spec.platforms())))
}

/// Returns the lockfile of specs. Several specs are members of one workspace, which has one.
pub(super) fn lock_path(specs: &[&Spec]) -> PathBuf {
    specs.first().map(|spec| spec.lock_path()).unwrap_or_default()
}

/// Returns the platforms that need each image, by its name in the lockfile.
pub(super) fn by_name(needs: &BTreeSet<Need>) -> BTreeMap<&str, BTreeSet<&Platform>> {
    let mut names: BTreeMap<&str, BTreeSet<&Platform>> = BTreeMap::new();
    for (named, platform) in needs {
        names.entry(&named.text).or_default().insert(platform);
    }
    names
}

/// Loads a lockfile, and emits its warnings. Returns `None` if it does not exist.
pub(super) fn load(path: &Path, observer: &Arc<dyn Observer>) -> Result<Option<LoadedLock>, BuildError> {
    let loaded = Lock::load(path)?;
    for warning in loaded.iter().flat_map(|loaded| &loaded.warnings) {
        observer.event(Event::Warning(warning.clone()));
    }
    Ok(loaded)
}

/// Loads the lockfile for a build of members. Returns `None` if it does not exist or no member needs one. With
/// `--locked`, every image that they need must be pinned. Without a network, the facts of every pinned image must be
/// at hand.
pub(super) fn load_for_build(
    members: &[Member<'_>],
    options: &BuildOptions,
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Result<Option<Lock>, BuildError> {
    let specs: Vec<&Spec> = members.iter().map(|member| member.spec).collect();
    let needs = needs(
        members
            .iter()
            .map(|member| (member.spec, &member.outputs.platforms[..])),
    )?;
    if needs.is_empty() {
        return Ok(None);
    }
    let path = lock_path(&specs);
    let lock = load(&path, observer)?.map(|loaded| loaded.lock);
    let image = |named: &NamedImage| lock.as_ref().and_then(|lock| lock.image(&named.text));
    let listed = |needs: Vec<&Need>| -> Vec<String> { needs.into_iter().map(need_text).collect() };
    let is_unpinned = |(named, _): &&Need| image(named).is_none();
    let unpinned: Vec<&Need> = needs.iter().filter(is_unpinned).collect();
    if options.locked && !unpinned.is_empty() {
        return Err(BuildError::NotLocked {
            path,
            has_lock: lock.is_some(),
            missing: listed(unpinned),
        });
    }
    let is_absent = |(named, platform): &&Need| {
        let pinned = image(named).filter(|_| transports.is_offline(&named.name));
        pinned.is_some_and(|image| image.pin(platform).is_none())
    };
    let absent: Vec<&Need> = needs.iter().filter(is_absent).collect();
    if absent.is_empty() {
        return Ok(lock);
    }
    Err(BuildError::NoFacts {
        directory: facts_directory(&path),
        lock: path,
        missing: listed(absent),
    })
}

fn need_text((named, platform): &Need) -> String {
    format!("{} for {platform}", escape(named.text.as_bytes()))
}

/// A lockfile to write after all other steps succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LockUpdate {
    pub path: PathBuf,
    pub lock: Lock,
}

impl LockUpdate {
    /// Returns the update for specs, or `None` if the files already have this content.
    pub fn new(specs: &[&Spec], before: Option<&Lock>, lock: &Lock) -> Option<Self> {
        let nothing = Lock::new();
        let before = before.unwrap_or(&nothing);
        // A platform that is not built may have errors: then it is not known what it needs.
        let needs = all_needs(specs).ok();
        let lock = settled(before, lock, needs.as_ref());
        (lock != *before).then(|| Self {
            path: lock_path(specs),
            lock,
        })
    }

    /// Writes the lockfile and its facts files. If they cannot be written, emits a warning; the build does not fail.
    pub fn write_or_warn(&self, observer: &Arc<dyn Observer>) {
        let path = escape(self.path.as_os_str().as_encoded_bytes());
        observer.event(match lock_files::write(&self.path, &self.lock) {
            Ok(()) => Event::Note(format!("wrote {path}")),
            Err(cause) => {
                let reason = std::error::Error::source(&cause)
                    .map(|source| format!(": {source}"))
                    .unwrap_or_default();
                Event::Warning(format!(
                    "cannot write the lockfile {path}, building without it: {cause}{reason}"
                ))
            }
        });
    }
}

/// Returns the lockfile after a build. Where facts files are not kept, a build of some platforms must not replace the
/// digest of a file with the facts of all platforms: an image whose facts were not at hand stays as it was, unless the
/// build found the same facts again, or those of all platforms of the spec. `needs` is what the whole spec needs.
fn settled(before: &Lock, after: &Lock, needs: Option<&BTreeSet<Need>>) -> Lock {
    let needed = needs.map(by_name);
    let is_whole = |name: &str, image: &LockedImage| {
        needed.as_ref().is_some_and(|needed| {
            let mut platforms = needed.get(name).into_iter().flatten();
            platforms.all(|platform| image.pin(platform).is_some())
        })
    };
    let mut lock = after.clone();
    for (name, image) in after.images() {
        let earlier = before.image(name).filter(|earlier| earlier.digest == image.digest);
        let Some((earlier, facts)) = earlier.and_then(|earlier| Some((earlier, earlier.absent_facts()?))) else {
            continue;
        };
        if !is_whole(name, image) && image.facts_digest() != Some(facts) {
            lock = lock.with_image(name, earlier.clone());
        }
    }
    lock
}

#[cfg(test)]
mod tests;
