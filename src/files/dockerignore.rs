//! What a `.dockerignore` would leave out, where a spec reads no ignore file: Docker reads it unasked, and ocitect does not.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::ignore_rules::{IgnoreRules, IgnoreState};
use crate::model::{Content, EntryKind, Listing};
use crate::spec::IgnoreFile;

/// Docker's name of the file.
const NAME: &str = ".dockerignore";

/// A `.dockerignore` beside a spec that is not read.
#[derive(Debug)]
pub struct UnreadDockerignore {
    rules: IgnoreRules,
}

/// Files that are packed although a `.dockerignore` leaves them out.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct NotLeftOut {
    /// How many.
    pub count: usize,
    /// The first of them, as the disk has it.
    pub first: Option<PathBuf>,
}

impl UnreadDockerignore {
    /// The file beside a spec in `directory`. `None` where there is none, where it says nothing that can be used, and where
    /// `ignore` are the rules of another ignore file: then the choice was made.
    pub fn find(ignore: &IgnoreRules, directory: &Path) -> Option<Self> {
        let file = IgnoreFile { path: directory.join(NAME), required: false };
        let rules = if ignore.is_empty() { IgnoreRules::load(&file, directory).ok()? } else { return None };
        (!rules.is_empty()).then_some(Self { rules })
    }

    /// What of a listing would not be there with it as the ignore file. Paths that `from` itself names are never left out.
    pub fn not_left_out(&self, listing: &Listing) -> NotLeftOut {
        let mut found = NotLeftOut::default();
        let mut search = Search { rules: &self.rules, source: None, directories: BTreeMap::new() };
        for item in &listing.items {
            let EntryKind::File { content: Content::Disk(file), .. } = &item.kind else { continue };
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
    /// The canonical path of what `from` names.
    source: Option<PathBuf>,
    /// What the rules say of the directories below it.
    directories: BTreeMap<Vec<u8>, IgnoreState>,
}

impl Search<'_> {
    /// `below` is the path below the source, `path` the same on the disk.
    fn is_left_out(&mut self, below: &[u8], path: &Path) -> bool {
        if below.is_empty() {
            return false;
        }
        if self.source.is_none() {
            let depth = below.split(|byte| *byte == b'/').count();
            self.source = path.ancestors().nth(depth).and_then(|source| source.canonicalize().ok());
        }
        self.state(below, false).ignored
    }

    fn state(&mut self, below: &[u8], is_directory: bool) -> IgnoreState {
        if let Some(known) = self.directories.get(below).filter(|_| is_directory) {
            return known.clone();
        }
        let Some(source) = self.source.clone() else { return IgnoreState::default() };
        let parent = match below.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => self.state(&below[..slash], true),
            None => IgnoreState::default(),
        };
        let state =
            self.rules.below(&parent, &source.join(Path::new(std::ffi::OsStr::from_bytes(below))), is_directory);
        if is_directory {
            self.directories.insert(below.to_vec(), state.clone());
        }
        state
    }
}
