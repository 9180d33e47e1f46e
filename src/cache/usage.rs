//! What is kept, for people: how much of each kind, and whether it is whole.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use super::entry::{self, Flaw};
use super::kind::NAMES;
use super::scan::{Kept, scan};
use super::trim::UPLOADS;
use super::{Cache, Count, Kind};

/// What is kept of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindUsage {
    /// The kind's name: `blocks`, `layers`, `facts`, `documents`, `uploads`.
    pub name: &'static str,
    /// Its files, whole.
    pub count: Count,
    /// When the file was used that was not used for the longest time.
    pub oldest_use: Option<SystemTime>,
}

/// What became of reading everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// What was read and is whole.
    pub sound: Count,
    /// What is not, by path.
    pub unsound: BTreeMap<PathBuf, Unsound>,
}

/// What is wrong with a file, and what was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsound {
    /// It was damaged, and is deleted.
    Deleted,
    /// It is damaged, and could not be deleted.
    Kept,
    /// It could not be read.
    Unreadable,
}

impl Cache {
    /// What is kept, for each kind in a fixed order; notes of uploads come last. Changes nothing.
    ///
    /// # Errors
    /// What the system said of the directory; one that is not there keeps nothing.
    pub fn usage(&self) -> io::Result<Vec<KindUsage>> {
        self.is_there()?;
        let empty = |name| KindUsage { name, count: Count::default(), oldest_use: None };
        let mut kinds: BTreeMap<&str, KindUsage> = NAMES.map(|name| (name, empty(name))).into();
        for kept in scan(self.root()) {
            if let Some(kind) = kinds.get_mut(kept.kind_name) {
                kind.add(kept.size_bytes, kept.used);
            }
        }
        let mut uploads = empty(UPLOADS);
        for entry in fs::read_dir(self.root().join(UPLOADS)).into_iter().flatten().flatten() {
            let is_note = entry.path().extension().is_some_and(|extension| extension == "json");
            if let (true, Ok(metadata)) = (is_note, entry.metadata())
                && let Ok(modified) = metadata.modified()
            {
                uploads.add(metadata.len(), modified);
            }
        }
        let kinds = NAMES.iter().filter_map(|name| kinds.remove(name));
        Ok(kinds.chain([uploads]).collect())
    }

    /// Reads every file of `kinds`, and deletes those that are damaged. Files of other versions are left alone: another
    /// ocitect wrote them.
    ///
    /// # Errors
    /// What the system said of the directory; one that is not there keeps nothing.
    pub fn verify(&self, kinds: &[Kind]) -> io::Result<Verified> {
        let mut verified = Verified::default();
        self.is_there()?;
        for kept in scan(self.root()) {
            let path = kept.path();
            let is_of = |kind: &&Kind| path.starts_with(self.kind_directory(**kind));
            if let Some(kind) = kinds.iter().find(is_of) {
                verified.add(&kept, path, *kind);
            }
        }
        Ok(verified)
    }

    /// False where there is no such directory.
    pub(super) fn is_there(&self) -> io::Result<bool> {
        match fs::read_dir(self.root()) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl KindUsage {
    fn add(&mut self, size_bytes: u64, used: SystemTime) {
        self.count = self.count.with(size_bytes);
        self.oldest_use = Some(self.oldest_use.map_or(used, |oldest| oldest.min(used)));
    }
}

impl Verified {
    fn add(&mut self, kept: &Kept, path: PathBuf, kind: Kind) {
        let unsound = match entry::check(&path, kind, &kept.key) {
            Ok(_) => {
                self.sound = self.sound.with(kept.size_bytes);
                return;
            }
            Err(Flaw::Damaged) if fs::remove_file(&path).is_ok() => Unsound::Deleted,
            // Deleted, or replaced, by another process in this moment.
            Err(_) if !path.exists() => return,
            Err(Flaw::Damaged) => Unsound::Kept,
            Err(Flaw::Unreadable) => Unsound::Unreadable,
        };
        self.unsound.insert(path, unsound);
    }
}
