//! Applies `include`, `exclude` and `executable`: decides by gitignore(5) patterns which paths of a listing are packed.

use std::path::Path;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::os::unix::ffi::OsStrExt as _;

use super::error::FilesError;
use crate::model::{EntryKind, EntryPath, ListedItem, escape, literal_braces};
use crate::spec::FilesEntry;

/// The patterns of one `files` entry.
pub(super) struct Filter {
    /// `None` includes everything.
    include: Option<Gitignore>,
    exclude: Gitignore,
    executable: Gitignore,
}

/// The result of the patterns for one path. Entries below a directory inherit it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verdict {
    /// The path and everything below it are left out.
    pub excluded: bool,
    /// The path itself is packed. A directory for which this is `false` may still contain entries that are packed.
    pub included: bool,
    /// A pattern of `executable` matches.
    pub executable: bool,
}

/// Mode of files that match a pattern of `executable`. It takes precedence over the other rules for modes.
const EXECUTABLE_MODE: u32 = 0o755;

impl Verdict {
    /// Returns an accepted item with the changes that the patterns make.
    pub(super) fn applied(self, mut item: ListedItem) -> ListedItem {
        if self.executable && matches!(item.kind, EntryKind::File { .. }) {
            item.executable = true;
            item.kept_mode = Some(EXECUTABLE_MODE);
        }
        item
    }
}

impl Filter {
    /// Compiles the patterns of `entry`.
    pub(super) fn new(entry: &FilesEntry) -> Result<Self, FilesError> {
        let include = if entry.include.is_empty() {
            None
        } else {
            Some(matcher(entry, "include", &entry.include)?)
        };
        Ok(Self {
            include,
            exclude: matcher(entry, "exclude", &entry.exclude)?,
            executable: matcher(entry, "executable", &entry.executable)?,
        })
    }

    /// Creates a filter that leaves nothing out.
    pub(super) fn everything() -> Self {
        Self {
            include: None,
            exclude: Gitignore::empty(),
            executable: Gitignore::empty(),
        }
    }

    /// Returns `true` if only matching paths are packed.
    pub(super) fn has_include(&self) -> bool {
        self.include.is_some()
    }

    /// Returns the verdict on the source itself, which patterns do not apply to.
    pub(super) fn root(&self) -> Verdict {
        Verdict {
            excluded: false,
            included: self.include.is_none(),
            executable: false,
        }
    }

    /// Returns the verdict on `path` in a directory whose verdict is `parent`.
    pub(super) fn below(&self, parent: Verdict, path: &[u8], is_directory: bool) -> Verdict {
        let path = Path::new(std::ffi::OsStr::from_bytes(path));
        let excluded = decide(&self.exclude, path, is_directory, parent.excluded);
        let included = match &self.include {
            Some(include) => decide(include, path, is_directory, parent.included),
            None => true,
        };
        Verdict {
            excluded: parent.excluded || excluded,
            included,
            executable: decide(&self.executable, path, is_directory, parent.executable),
        }
    }
}

/// Returns the decision of `patterns` for `path`, or `inherited` if none matches.
fn decide(patterns: &Gitignore, path: &Path, is_directory: bool, inherited: bool) -> bool {
    match patterns.matched(path, is_directory) {
        Match::None => inherited,
        Match::Ignore(_) => true,
        Match::Whitelist(_) => false,
    }
}

fn matcher(entry: &FilesEntry, key: &'static str, patterns: &[String]) -> Result<Gitignore, FilesError> {
    let mut builder = GitignoreBuilder::new("");
    builder.allow_unclosed_class(false);
    let bad = |pattern: &str, error: ignore::Error| FilesError::Pattern {
        place: entry.place.clone(),
        key,
        pattern: pattern.to_owned(),
        reason: escape(error.to_string().as_bytes()),
    };
    for pattern in patterns {
        builder
            .add_line(None, &literal_braces(pattern, true))
            .map_err(|error| bad(pattern, error))?;
    }
    builder.build().map_err(|error| bad(&patterns.join(" "), error))
}

/// Applies a [`Filter`] to paths from a list instead of a walk. It remembers the last directory.
pub(super) struct Selector<'a> {
    filter: &'a Filter,
    directory: Vec<u8>,
    verdict: Verdict,
}

impl<'a> Selector<'a> {
    /// Creates a selector that uses `filter`.
    pub(super) fn new(filter: &'a Filter) -> Self {
        Self {
            filter,
            directory: Vec::new(),
            verdict: filter.root(),
        }
    }

    /// Returns the verdict on `path`, which includes what it inherits from its parents.
    pub(super) fn verdict(&mut self, path: &EntryPath, is_directory: bool) -> Verdict {
        let bytes = path.as_bytes();
        let parent = bytes
            .iter()
            .rposition(|byte| *byte == b'/')
            .map_or(&b""[..], |slash| &bytes[..slash]);
        if parent != self.directory {
            self.verdict = self.filter.root();
            let ends = parent
                .iter()
                .enumerate()
                .filter(|(_, byte)| **byte == b'/')
                .map(|(end, _)| end);
            for end in ends.chain((!parent.is_empty()).then_some(parent.len())) {
                self.verdict = self.filter.below(self.verdict, &parent[..end], true);
            }
            self.directory = parent.to_vec();
        }
        self.filter.below(self.verdict, bytes, is_directory)
    }
}

/// An item that is kept, or that is kept only if an entry below it is.
pub(super) struct Kept {
    /// The item.
    pub item: ListedItem,
    /// `false` for a directory that is only a parent of wanted items.
    pub wanted: bool,
}

/// Returns the wanted items and their parent directories, sorted by path.
pub(super) fn settle(mut kept: Vec<Kept>) -> Vec<ListedItem> {
    if kept.iter().any(|candidate| !candidate.wanted) {
        // In reverse order, a directory comes right after the entries below it.
        kept.sort_by(|one, other| other.item.path.cmp_by_components(&one.item.path));
        let mut last: Option<EntryPath> = None;
        kept.retain(|candidate| {
            let path = &candidate.item.path;
            let stays = candidate.wanted || last.as_ref().is_some_and(|last| last.starts_with(path));
            if stays {
                last = Some(path.clone());
            }
            stays
        });
    }
    let mut items: Vec<ListedItem> = kept.into_iter().map(|candidate| candidate.item).collect();
    items.sort_by(|one, other| one.path.cmp(&other.path));
    items
}
