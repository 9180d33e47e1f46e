//! Directories and files of the image, as the loader looks them up. Each look-up is done once.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::super::subject::Subject;
use crate::elf::ElfFacts;
use crate::model::EntryPath;
use crate::tree::NodeKind;

/// Look-ups of one check. An image of a thousand programs needs some fifty thousand; past this, nothing is known any
/// more, so that files that are made to be slow end soon.
const MAX_LOOKUPS: u64 = 2_000_000;

/// A file that was found.
#[derive(Debug, Clone)]
pub(super) struct Located<'a> {
    /// Under which path; the directory's links are followed, the file's own are not. `$ORIGIN` is of this path.
    pub(super) named: EntryPath,
    /// Its path, after following links.
    pub(super) real: EntryPath,
    /// The facts about the file; `None` if it was not read or is not an ELF file.
    pub(super) facts: Option<&'a ElfFacts>,
}

/// The files that were looked up in one directory, by name.
type Names<'a> = BTreeMap<Vec<u8>, Option<Located<'a>>>;

pub(super) struct Files<'a> {
    subject: &'a Subject,
    lookups: Cell<u64>,
    directories: RefCell<BTreeMap<Vec<u8>, Option<EntryPath>>>,
    files: RefCell<BTreeMap<EntryPath, Names<'a>>>,
}

impl<'a> Files<'a> {
    pub(super) fn new(subject: &'a Subject) -> Self {
        Self {
            subject,
            lookups: Cell::new(0),
            directories: RefCell::default(),
            files: RefCell::default(),
        }
    }

    /// Returns `true` after so many lookups that no more are made.
    pub(super) fn is_exhausted(&self) -> bool {
        self.lookups.get() > MAX_LOOKUPS
    }

    /// Counts work beside look-ups towards their bound.
    pub(super) fn spend(&self, count: usize) {
        self.lookups.set(self.lookups.get() + count as u64);
    }

    /// Returns `false` if no more may be looked up. Long names count more: answers are kept under them.
    fn count(&self, name: &[u8]) -> bool {
        self.spend(1 + name.len() / 64);
        !self.is_exhausted()
    }

    /// Returns the real path of a directory, following links. A relative path starts at the working directory. Returns
    /// `None` if the directory does not exist.
    pub(super) fn directory(&self, path: &[u8]) -> Option<EntryPath> {
        if let Some(known) = self.directories.borrow().get(path) {
            return known.clone();
        }
        let found = if self.count(path) {
            self.find_directory(path)
        } else {
            None
        };
        self.directories.borrow_mut().insert(path.to_vec(), found.clone());
        found
    }

    fn find_directory(&self, path: &[u8]) -> Option<EntryPath> {
        let mut here = match (path.first(), &self.subject.execution.workdir) {
            (Some(b'/'), _) | (_, None) => EntryPath::root(),
            (_, Some(workdir)) => self.subject.resolve(&EntryPath::new(workdir.as_bytes()).ok()?).ok()?,
        };
        // `..` is resolved as by the system: relative to the target of links before it.
        for part in path.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => here = here.parent().unwrap_or_default(),
                name => here = self.subject.resolve(&here.join(name).ok()?).ok()?,
            }
        }
        match self.subject.node(&here) {
            Some(node) => node.is_directory(),
            None => self.subject.exists(&here),
        }
        .then_some(here)
    }

    /// Returns a file of a directory whose links are resolved.
    pub(super) fn in_directory(&self, directory: &EntryPath, name: &[u8]) -> Option<Located<'a>> {
        if let Some(known) = self.files.borrow().get(directory).and_then(|names| names.get(name)) {
            return known.clone();
        }
        let found = if self.count(name) {
            self.find_file(directory, name)
        } else {
            None
        };
        self.files
            .borrow_mut()
            .entry(directory.clone())
            .or_default()
            .insert(name.to_vec(), found.clone());
        found
    }

    fn find_file(&self, directory: &EntryPath, name: &[u8]) -> Option<Located<'a>> {
        let named = directory.join(name).ok()?;
        let (real, node) = self.subject.find(&named)?;
        let facts = self.subject.elf(&real);
        matches!(node.kind, NodeKind::File { .. }).then_some(Located { named, real, facts })
    }

    /// Returns a file by its path, absolute or relative to the working directory.
    pub(super) fn at(&self, path: &[u8]) -> Option<Located<'a>> {
        let cut = path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        let (folder, name) = path.split_at(cut);
        if matches!(name, b"" | b"." | b"..") {
            return None;
        }
        self.in_directory(&self.directory(folder)?, name)
    }
}
