//! The contents of the cache, for people: the size of each kind, and whether its files are valid.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use super::count::Count;
use super::directory::Cache;
use super::entry::{self, Flaw};
use super::kind::{Kind, NAMES, UPLOADS};
use super::scan::{Kept, scan};

/// The usage of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindUsage {
    /// The kind's name: `blocks`, `layers`, `facts`, `documents`, `uploads`.
    pub name: &'static str,
    /// Its files.
    pub count: Count,
    /// The time of use of the least recently used file.
    pub oldest_use: Option<SystemTime>,
}

/// The result of reading everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// The valid files.
    pub sound: Count,
    /// The invalid files, by path.
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
    /// Returns the usage of each kind in a fixed order, upload entries last. Changes nothing.
    ///
    /// # Errors
    /// I/O errors of the directory. If it does not exist, the usage is 0.
    pub fn usage(&self) -> io::Result<Vec<KindUsage>> {
        self.is_there()?;
        let empty = |name| KindUsage {
            name,
            count: Count::default(),
            oldest_use: None,
        };
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

    /// Reads every file of `kinds`, and deletes damaged ones. Files of other versions are ignored: another version of
    /// ocitect wrote them.
    ///
    /// # Errors
    /// I/O errors of the directory. If it does not exist, there are no files.
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
            // Deleted or replaced by another process at this moment.
            Err(_) if !path.exists() => return,
            Err(Flaw::Damaged) => Unsound::Kept,
            Err(Flaw::Unreadable) => Unsound::Unreadable,
        };
        self.unsound.insert(path, unsound);
    }
}
