//! Compares a spec with its lockfile: what the spec needs, what the lockfile does not contain, and how it is written.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::build::BuildError;
use crate::build::member::Member;
use crate::events::{Event, Observer};
use crate::lock::Lock;
use crate::model::{Platform, escape};
use crate::spec::{NamedImage, Spec};
use crate::store::StoreError;
use crate::store::output::{Access, write_output};
use crate::tree::FACTS_VERSION;

/// An image that a platform of a spec reads from.
pub(super) type Need = (NamedImage, Platform);

/// Returns all images that these platforms of a spec read from.
pub(super) fn needs(spec: &Spec, platforms: &[Platform]) -> Result<BTreeSet<Need>, BuildError> {
    let mut needs = BTreeSet::new();
    for platform in platforms {
        let images = spec.platform(platform)?.images();
        needs.extend(images.into_iter().map(|image| (image, platform.clone())));
    }
    Ok(needs)
}

/// Loads the lockfile of the members. Returns `None` if it does not exist or the specs need none. With `locked`,
/// everything that the specs need must be in it.
pub(super) fn load(members: &[Member<'_>], locked: bool) -> Result<Option<Lock>, BuildError> {
    let mut needs = BTreeSet::new();
    for member in members {
        needs.extend(self::needs(member.spec, &member.outputs.platforms)?);
    }
    let Some(first) = members.first().filter(|_| !needs.is_empty()) else {
        return Ok(None);
    };
    let path = first.lock_path();
    let lock = Lock::load(&path)?;
    let missing = if locked {
        missing(lock.as_ref(), &needs)
    } else {
        Vec::new()
    };
    if missing.is_empty() {
        Ok(lock)
    } else {
        Err(BuildError::NotLocked {
            path,
            has_lock: lock.is_some(),
            missing,
        })
    }
}

/// Returns what a lockfile does not contain, as text for messages.
fn missing(lock: Option<&Lock>, needs: &BTreeSet<Need>) -> Vec<String> {
    let lacks = |(named, platform): &Need| {
        let image = escape(named.text.as_bytes());
        match lock.and_then(|lock| lock.pin(&named.text, platform)) {
            None => Some(format!("{image} for {platform}")),
            Some(pin) if pin.facts.is_current() => None,
            Some(pin) => Some(format!(
                "the facts of {image} for {platform} (found version {}, expected version {FACTS_VERSION})",
                pin.facts.version
            )),
        }
    };
    needs.iter().filter_map(lacks).collect()
}

/// A lockfile to write after all other steps succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LockUpdate {
    pub path: PathBuf,
    pub lock: Lock,
}

impl LockUpdate {
    /// Returns the update for the file at `path`, or `None` if it already has this content.
    pub fn new(path: PathBuf, before: Option<&Lock>, lock: &Lock) -> Option<Self> {
        let is_new = match before {
            Some(before) => before != lock,
            None => !lock.images().is_empty(),
        };
        is_new.then(|| Self {
            path,
            lock: lock.clone(),
        })
    }

    /// Writes the lockfile. If it cannot be written, emits a warning; the build does not fail.
    pub fn write_or_warn(&self, observer: &Arc<dyn Observer>) {
        let path = escape(self.path.as_os_str().as_encoded_bytes());
        observer.event(match write(&self.path, &self.lock) {
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

/// Writes a lockfile atomically. If it is a symbolic link, the file that the link refers to is replaced.
pub(super) fn write(path: &Path, lock: &Lock) -> Result<(), StoreError> {
    write_output(path, lock.to_text().as_bytes(), Access::Umask)
}
