//! The operations on the lockfile: complete it, update its pins, and report outdated pins.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::build::BuildError;
use crate::build::changes::{ImageChange, image_change};
use crate::build::images::Images;
use crate::build::lock_files;
use crate::build::lock_scope::LockScope;
use crate::build::locking::{self, Need, by_name};
use crate::build::options::BuildOptions;
use crate::build::transports::Transports;
use crate::events::Observer;
use crate::lock::{LoadedLock, Lock};
use crate::model::{Digest, ImageName, Platform};
use crate::spec::NamedImage;
use crate::store::StoreError;

/// The changes of completing a lockfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockChange {
    /// The lockfile.
    pub path: PathBuf,
    /// Number of images that it pins now.
    pub image_count: usize,
    /// Whether it was written or removed.
    pub is_written: bool,
    /// Pins that were added, and pins whose facts were read again.
    pub added: Vec<(String, Platform)>,
    /// Pins that were removed because the spec no longer names their images. The platform is `None` if the facts of the
    /// image were not at hand.
    pub removed: Vec<(String, Option<Platform>)>,
}

/// Resolves the images that the lockfile does not contain, reads facts that are not at hand, removes pins that no spec
/// names any more, and leaves all other pins unchanged. Specs that need no image have no lockfile: an existing one is
/// removed. A lockfile in an earlier form is written in the present one. If only some specs are selected, no pin is
/// removed, and without a missing pin the lockfile stays byte for byte as it is.
///
/// # Errors
/// Those of resolving and reading images, and of reading and writing the lockfile.
pub async fn complete_lock(
    scope: &LockScope<'_>,
    options: &BuildOptions,
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Result<LockChange, BuildError> {
    let needs = scope.needs()?;
    let before = locking::load(&scope.lock_path(), observer)?;
    let old = pins_of(before.as_ref());
    let mut images = Images::new(transports, options, observer).pinned_by(old.clone(), &old);
    let mut added = Vec::new();
    for (named, platform) in &needs {
        if !old.pin(&named.text, platform).is_some_and(|pin| pin.facts.is_current()) {
            images.for_platform(named, platform).await?;
            added.push((named.text.clone(), platform.clone()));
        }
    }
    let new = if scope.is_partial() {
        images.lock().clone()
    } else {
        images.lock().only(&by_name(&needs))
    };
    Ok(LockChange {
        path: scope.lock_path(),
        image_count: new.images().len(),
        is_written: write(scope, before.as_ref(), &new)?,
        added,
        removed: removed(&old, &new),
    })
}

/// Updates the pins of the images in `names` (as the spec writes them; empty for all), and returns the change of each
/// image. Pins that the spec does not use are kept. If nothing changed, the lockfile is not written, unless it is in an
/// earlier form.
///
/// # Errors
/// Returns [`BuildError::UnknownImage`] for a name that the spec does not have, and the errors of resolving and reading
/// images and of reading and writing the lockfile.
pub async fn update_lock(
    scope: &LockScope<'_>,
    names: &[String],
    options: &BuildOptions,
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<ImageChange>, BuildError> {
    let needs = scope.needs()?;
    let chosen = choose(&needs, names)?;
    let before = locking::load(&scope.lock_path(), observer)?;
    let old = pins_of(before.as_ref());
    let start = chosen.iter().fold(old.clone(), |lock, named| lock.without(&named.text));
    let mut images = Images::new(transports, options, observer).pinned_by(start, &old);
    let mut changes = Vec::new();
    for named in &chosen {
        let mut found = BTreeMap::new();
        for (_, platform) in needs.iter().filter(|(need, _)| need == named) {
            found.insert(platform.clone(), images.for_platform(named, platform).await?);
        }
        changes.push(image_change(named, &old, &images, &found).await);
    }
    write(scope, before.as_ref(), images.lock())?;
    Ok(changes)
}

/// The pin of a name, and the digest that it resolves to now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedName {
    /// The image, as the spec writes it.
    pub name: String,
    /// The digest in the lockfile; `None` if the name is not pinned.
    pub locked: Option<Digest>,
    /// The digest that the name resolves to now.
    pub current: Digest,
    /// Platforms of the spec that are not pinned: all that need the name, or none.
    pub missing: Vec<Platform>,
}

impl PinnedName {
    /// Returns `true` if the name resolves to another digest than the locked one, or is not pinned.
    pub fn is_outdated(&self) -> bool {
        self.locked != Some(self.current)
    }
}

/// Resolves every name of the spec, and compares it with the lockfile. Writes nothing, not even to the cache.
///
/// # Errors
/// Those of resolving, and of reading the lockfile.
pub async fn outdated(scope: &LockScope<'_>, transports: &Transports) -> Result<Vec<PinnedName>, BuildError> {
    let needs = scope.needs()?;
    let lock = Lock::load(&scope.lock_path())?;
    let lock = pins_of(lock.as_ref());
    let mut found = Vec::new();
    for named in choose(&needs, &[])? {
        let locked = lock.image(&named.text).map(|image| image.digest);
        let is_missing = |(need, _): &&Need| *need == named && locked.is_none();
        let missing = needs.iter().filter(is_missing);
        let missing = missing.map(|(_, platform)| platform.clone()).collect();
        let failed = |cause| BuildError::Resolve {
            image: named.name.to_string(),
            cause: Box::new(cause),
        };
        let current = current(&named, transports).await.map_err(failed)?;
        found.push(PinnedName {
            name: named.text,
            locked,
            current,
            missing,
        });
    }
    Ok(found)
}

async fn current(named: &NamedImage, transports: &Transports) -> Result<Digest, StoreError> {
    let (source, selector) = transports.source(&named.name).await?;
    Ok(source.resolve(&selector).await?.descriptor().digest)
}

/// Returns the images that `names` select, without duplicates: by the whole name as the spec writes it, or without tag
/// and digest.
fn choose(needs: &BTreeSet<Need>, names: &[String]) -> Result<BTreeSet<NamedImage>, BuildError> {
    let all: BTreeSet<NamedImage> = needs.iter().map(|(named, _)| named.clone()).collect();
    if names.is_empty() {
        return Ok(all);
    }
    let mut chosen = BTreeSet::new();
    for name in names {
        let meant: Vec<&NamedImage> = all.iter().filter(|named| is_meant(named, name)).collect();
        if meant.is_empty() {
            let known = all.iter().map(|named| named.text.clone()).collect();
            return Err(BuildError::UnknownImage {
                name: name.clone(),
                known,
            });
        }
        chosen.extend(meant.into_iter().cloned());
    }
    Ok(chosen)
}

fn is_meant(named: &NamedImage, name: &str) -> bool {
    let written = name.parse().map(|name: ImageName| name.to_string());
    let repository = match &named.name {
        ImageName::Registry(reference) => Some(reference.repository.to_string()),
        _ => None,
    };
    named.text == name || written.is_ok_and(|written| written == named.text) || repository.as_deref() == Some(name)
}

fn pins_of(loaded: Option<&LoadedLock>) -> Lock {
    loaded.map(|loaded| loaded.lock.clone()).unwrap_or_default()
}

/// Returns what `new` does not pin any more: the platforms of each image, or the image itself.
fn removed(old: &Lock, new: &Lock) -> Vec<(String, Option<Platform>)> {
    let mut removed = Vec::new();
    for (name, image) in old.images() {
        let platforms = image.platforms().keys();
        let gone = platforms.filter(|platform| new.pin(name, platform).is_none());
        removed.extend(gone.map(|platform| (name.clone(), Some(platform.clone()))));
        if image.platforms().is_empty() && new.image(name).is_none() {
            removed.push((name.clone(), None));
        }
    }
    removed
}

/// Writes a lockfile if it changed or is in an earlier form, and removes one without pins. Returns `false` if it stays as
/// it is. Facts files that no pin needs are removed in any case: a killed process may have left some.
fn write(scope: &LockScope<'_>, before: Option<&LoadedLock>, lock: &Lock) -> Result<bool, BuildError> {
    let path = scope.lock_path();
    let is_empty = lock.images().is_empty();
    let may_stay = |before: &LoadedLock| before.is_canonical || scope.is_partial();
    let is_same = before.is_some_and(|before| may_stay(before) && before.lock == *lock);
    let written = match before {
        Some(_) if is_empty => lock_files::remove(&path).map(|()| true),
        Some(_) if is_same => lock_files::tidy(&path, lock).map(|()| false),
        None if is_empty => Ok(false),
        _ => lock_files::write(&path, lock).map(|()| true),
    };
    written.map_err(|cause| BuildError::WriteLock {
        path,
        cause: Box::new(cause),
    })
}
