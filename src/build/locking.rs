//! Between a spec and its lock: what the spec needs, what the lock lacks, and how it is written.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::build::BuildError;
use crate::build::events::{Event, Observer};
use crate::lock::Lock;
use crate::model::{Platform, escape};
use crate::spec::{NamedImage, Spec};
use crate::store::StoreError;
use crate::store::output::{Access, write_output};
use crate::tree::FACTS_VERSION;

/// An image that one platform of a spec reads from.
pub(super) type Need = (NamedImage, Platform);

/// All images that these platforms of a spec read from.
pub(super) fn needs(spec: &Spec, platforms: &[Platform]) -> Result<BTreeSet<Need>, BuildError> {
    let mut needs = BTreeSet::new();
    for platform in platforms {
        let images = spec.platform(platform)?.images();
        needs.extend(images.into_iter().map(|image| (image, platform.clone())));
    }
    Ok(needs)
}

/// What a build starts from: the lock as it is; `None` where there is none, or the spec needs none. With `locked`,
/// everything that is needed must be in it.
pub(super) fn load(spec: &Spec, platforms: &[Platform], locked: bool) -> Result<Option<Lock>, BuildError> {
    let needs = needs(spec, platforms)?;
    if needs.is_empty() {
        return Ok(None);
    }
    let path = spec.lock_path();
    let lock = Lock::load(&path)?;
    let missing = if locked { missing(lock.as_ref(), &needs) } else { Vec::new() };
    if missing.is_empty() { Ok(lock) } else { Err(BuildError::NotLocked { path, has_lock: lock.is_some(), missing }) }
}

/// What a lock lacks, for people.
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

/// A lock that is to be written, once everything else has gone well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LockUpdate {
    pub path: PathBuf,
    pub lock: Lock,
}

impl LockUpdate {
    /// What is to be written for `spec`; `None` where it is there already.
    pub fn new(spec: &Spec, before: Option<&Lock>, lock: &Lock) -> Option<Self> {
        let is_new = match before {
            Some(before) => before != lock,
            None => !lock.images().is_empty(),
        };
        is_new.then(|| Self { path: spec.lock_path(), lock: lock.clone() })
    }

    /// Writes it. A checkout that cannot be written is no reason to fail a build: it is told of.
    pub fn write_or_warn(&self, observer: &Arc<dyn Observer>) {
        let path = escape(self.path.as_os_str().as_encoded_bytes());
        observer.event(match write(&self.path, &self.lock) {
            Ok(()) => Event::Note(format!("wrote {path}")),
            Err(cause) => {
                let reason = std::error::Error::source(&cause).map(|source| format!(": {source}")).unwrap_or_default();
                Event::Warning(format!("cannot write the lockfile {path}, building without it: {cause}{reason}"))
            }
        });
    }
}

/// Writes a lock, whole or not at all. Where it is a link, what it leads to is replaced.
pub(super) fn write(path: &Path, lock: &Lock) -> Result<(), StoreError> {
    write_output(path, lock.to_text().as_bytes(), Access::Umask)
}
