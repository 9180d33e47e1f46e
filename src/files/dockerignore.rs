//! Reports what a `.dockerignore` would leave out if a spec does not read an ignore file. Docker reads it by default;
//! ocitect does not.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::ignore_rules::{IgnoreRules, IgnoreState};
use crate::model::{Content, EntryKind, Listing};
use crate::spec::IgnoreFile;

/// Docker's name of the file.
const NAME: &str = ".dockerignore";

/// A `.dockerignore` beside a spec that does not read it.
#[derive(Debug)]
pub struct UnreadDockerignore {
    rules: IgnoreRules,
}

/// Files that are packed although a `.dockerignore` leaves them out.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct NotLeftOut {
    /// Number of files.
    pub count: usize,
    /// The first of them, as a path on the disk.
    pub first: Option<PathBuf>,
}

impl UnreadDockerignore {
    /// Finds the file beside a spec in `directory`. Returns `None` if it does not exist or has no usable rules, or if
    /// `ignore` holds the rules of another ignore file, since the user has chosen one then.
    pub fn find(ignore: &IgnoreRules, directory: &Path) -> Option<Self> {
        let file = IgnoreFile {
            path: directory.join(NAME),
            required: false,
        };
        let rules = if ignore.is_empty() {
            IgnoreRules::load(&file, directory).ok()?
        } else {
            return None;
        };
        (!rules.is_empty()).then_some(Self { rules })
    }

    /// Returns the items of a listing that the file would leave out. Paths that `from` names exactly are never left
    /// out.
    pub fn not_left_out(&self, listing: &Listing) -> NotLeftOut {
        let mut found = NotLeftOut::default();
        let mut search = Search {
            rules: &self.rules,
            source: None,
            directories: BTreeMap::new(),
        };
        for item in &listing.items {
            let EntryKind::File {
                content: Content::Disk(file),
                ..
            } = &item.kind
            else {
                continue;
            };
            if search.is_left_out(item.path.as_bytes(), &file.path) {
                found.count += 1;
                found.first.get_or_insert_with(|| file.path.clone());
            }
        }
        found
    }
}

struct Search<'a> {
    rules: &'a IgnoreRules,
    /// The canonical path of the source of `from`.
    source: Option<PathBuf>,
    /// The state of the rules for the directories below it.
    directories: BTreeMap<Vec<u8>, IgnoreState>,
}

impl Search<'_> {
    /// Returns `true` if the file is left out. `below` is the path below the source, `path` the same on the disk.
    fn is_left_out(&mut self, below: &[u8], path: &Path) -> bool {
        if below.is_empty() {
            return false;
        }
        if self.source.is_none() {
            let depth = below.split(|byte| *byte == b'/').count();
            self.source = path
                .ancestors()
                .nth(depth)
                .and_then(|source| source.canonicalize().ok());
        }
        self.state(below, false).ignored
    }

    fn state(&mut self, below: &[u8], is_directory: bool) -> IgnoreState {
        if let Some(known) = self.directories.get(below).filter(|_| is_directory) {
            return known.clone();
        }
        let Some(source) = self.source.clone() else {
            return IgnoreState::default();
        };
        let parent = match below.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => self.state(&below[..slash], true),
            None => IgnoreState::default(),
        };
        let state = self.rules.below(
            &parent,
            &source.join(Path::new(std::ffi::OsStr::from_bytes(below))),
            is_directory,
        );
        if is_directory {
            self.directories.insert(below.to_vec(), state.clone());
        }
        state
    }
}
