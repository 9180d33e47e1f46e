//! Tests of listing, on trees and archives that the tests create.

mod bad_tars;
mod disk;
mod globs;
mod ignores;
mod patterns;
mod swaps;
mod tars;
mod threads;
mod zips;

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{ArchiveError, Archives, Context, FilesError, IgnoreRules, NotLeftOut, Reason, UnreadDockerignore, list};
use crate::model::{Content, ContentOpener as _, Diagnostic as _, EntryKind, ErrorKind, ListedItem, Listing, escape};
use crate::spec::{FilesEntry, From, IgnoreFile, Place};

/// A spec's directory, and the settings to list in it.
struct Fixture {
    directory: TempDir,
    ignore: IgnoreRules,
    never_packed: BTreeSet<PathBuf>,
    outputs: BTreeSet<PathBuf>,
    archives: Archives,
    threads: usize,
}

impl Fixture {
    fn new() -> Self {
        Self {
            directory: TempDir::new().unwrap(),
            ignore: IgnoreRules::default(),
            never_packed: BTreeSet::new(),
            outputs: BTreeSet::new(),
            archives: Archives::new(std::env::temp_dir()),
            threads: 2,
        }
    }

    /// Creates these files; a path that ends in a slash is a directory.
    fn with(paths: &[&str]) -> Self {
        let fixture = Self::new();
        for path in paths {
            if path.ends_with('/') {
                fs::create_dir_all(fixture.path(path)).unwrap()
            } else {
                fixture.write(path, path.as_bytes())
            }
        }
        fixture
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.directory.path().join(relative)
    }

    fn canonical(&self, relative: &str) -> PathBuf {
        self.path(relative).canonicalize().unwrap()
    }

    fn write(&self, relative: &str, content: &[u8]) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn ignoring(mut self, name: &str, lines: &str) -> Self {
        self.write(name, lines.as_bytes());
        let file = IgnoreFile {
            path: self.path(name),
            required: true,
        };
        self.ignore = IgnoreRules::load(&file, self.directory.path()).unwrap();
        self.never_packed.insert(self.canonical(name));
        self
    }

    fn entry(&self, from: &str) -> FilesEntry {
        let source = From::Disk {
            directory: self.directory.path().to_owned(),
            pattern: from.to_owned(),
        };
        let place = Place {
            file: "ocitect.toml".into(),
            line: 7,
            column: 3,
        };
        FilesEntry::new(source, from.to_owned(), "/app/".to_owned(), place)
    }

    fn list(&self, entry: &FilesEntry) -> Result<Listing, FilesError> {
        let context = Context {
            ignore: &self.ignore,
            never_packed: &self.never_packed,
            outputs: &self.outputs,
            archives: &self.archives,
            threads: self.threads,
        };
        list(entry, &context)
    }

    fn paths(&self, from: &str) -> Vec<String> {
        shown(&self.list(&self.entry(from)).unwrap())
    }

    fn unpack(&self, from: &str) -> Result<Listing, FilesError> {
        self.list(&FilesEntry {
            unpack: true,
            ..self.entry(from)
        })
    }

    /// Returns the error of the archive `from`.
    fn archive_error(&self, from: &str) -> ArchiveError {
        match self.unpack(from) {
            Err(FilesError::Archive { source, .. }) => *source,
            other => panic!("expected an error of the archive, got {other:?}"),
        }
    }

    /// Returns the error of a member of the archive `from`.
    fn member_error(&self, from: &str) -> (String, Reason) {
        match self.archive_error(from) {
            ArchiveError::Member { name, reason } => (escape(&name), reason),
            other => panic!("expected an error of a member, got {other:?}"),
        }
    }

    fn read(&self, item: &ListedItem) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.archives.open(content(item))?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

fn content(item: &ListedItem) -> &Content {
    match &item.kind {
        EntryKind::File { content, .. } => content,
        other => panic!("{other:?} has no content"),
    }
}

fn item<'a>(listing: &'a Listing, path: &str) -> &'a ListedItem {
    listing
        .items
        .iter()
        .find(|item| item.path.as_bytes() == path.as_bytes())
        .unwrap()
}

/// Returns a line for each item: directories end in `/`, links show their target, executables end in `*`.
fn shown(listing: &Listing) -> Vec<String> {
    let line = |item: &ListedItem| {
        let path = escape(item.path.as_bytes());
        match &item.kind {
            EntryKind::Directory => format!("{path}/"),
            EntryKind::Symlink { target } => format!("{path} -> {}", escape(target)),
            EntryKind::File { .. } if item.executable => format!("{path}*"),
            EntryKind::File { .. } => path,
        }
    };
    listing.items.iter().map(line).collect()
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn help(error: &FilesError) -> String {
    error.help().unwrap_or_default()
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
