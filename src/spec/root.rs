//! The root file of a workspace: where its members are, and what they have in common.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::convert::{directory_of, lock_path_of};
use super::error::{Problem, SourceText, SpecError};
use super::merge;
use super::reading::{MAX_SPEC_BYTES, parsed, read_bounded};
use super::resolve;
use super::shape;
use super::tree::{Node, Table};
use crate::model::{Pipes, escape};

/// A root file.
#[derive(Debug, Clone)]
pub struct Root {
    path: PathBuf,
    text: String,
    document: Node,
    env_files: Vec<PathBuf>,
}

impl Root {
    /// Loads a root file. Returns `None` if the file is a spec.
    ///
    /// # Errors
    /// Returns [`SpecError`] if it cannot be read, or is an invalid root file. A spec is not checked.
    pub fn load(path: &Path) -> Result<Option<Self>, SpecError> {
        let text = read_bounded(path, MAX_SPEC_BYTES, Pipes::Refused)?;
        Self::parse(&text, path)
    }

    /// Parses the text of the file at `path`. Returns `None` if it is a spec.
    ///
    /// # Errors
    /// Those of [`Root::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Option<Self>, SpecError> {
        let document = parsed(path, text)?;
        if document.get("workspace").is_none() {
            return Ok(None);
        }
        let source = Arc::new(SourceText::new(path, text));
        let problems = shape::check_root(&document);
        if !problems.is_empty() {
            return Err(source.error(problems));
        }
        let env_files = resolve::env_files(&document, directory_of(path));
        Ok(Some(Self {
            path: path.to_owned(),
            text: text.to_owned(),
            env_files: env_files.map_err(|problem| source.error(vec![problem]))?,
            document,
        }))
    }

    /// Returns its path, as given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the directory that its paths are relative to; `.` for a bare file name.
    pub fn directory(&self) -> &Path {
        directory_of(&self.path)
    }

    /// Returns the lockfile of all members.
    pub fn lock_path(&self) -> PathBuf {
        lock_path_of(&self.path)
    }

    /// Returns `members`, as written.
    pub fn members(&self) -> Vec<String> {
        self.texts("members")
    }

    /// Returns `exclude`, as written.
    pub fn exclude(&self) -> Vec<String> {
        self.texts("exclude")
    }

    /// Returns the layout that all images are written to by default, joined to the root's directory; `None` if the file
    /// does not name one.
    pub fn layout(&self) -> Option<PathBuf> {
        let named = self.workspace()?.get("layout")?.as_text()?;
        Some(self.directory().join(named))
    }

    /// Returns `sources`: patterns of IDs, each with paths and patterns relative to the root's directory.
    pub fn sources(&self) -> Vec<(String, Vec<String>)> {
        let sources = self.workspace().and_then(|workspace| workspace.get("sources"));
        let texts = |node: &Node| {
            node.items()
                .iter()
                .filter_map(Node::as_text)
                .map(str::to_owned)
                .collect()
        };
        let entries = sources.into_iter().flat_map(Node::entries);
        entries.map(|(id, paths)| (id.to_owned(), texts(paths))).collect()
    }

    /// Returns the error for a key of `sources` that is the ID of no member.
    pub fn no_such_member(&self, id: &str, nearest: Option<&str>, known: &[&str]) -> SpecError {
        let sources = self.workspace().and_then(|workspace| workspace.get("sources"));
        let span = sources
            .and_then(|sources| sources.get(id))
            .map_or(0..0, |paths| paths.key.clone());
        let help = match nearest {
            Some(near) => format!("did you mean {near}?"),
            None => format!("the members are {}", known.join(", ")),
        };
        let message = format!("no member matches \"{}\"", escape(id.as_bytes()));
        let problem = Problem::new(&span, message).help(help);
        Arc::new(SourceText::new(&self.path, &self.text)).error(vec![problem])
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn env_files(&self) -> &[PathBuf] {
        &self.env_files
    }

    /// Returns what every member has unless it says otherwise. `start` is where the text of the file begins in that of
    /// the member.
    pub(super) fn defaults(&self, start: usize) -> Table {
        let vars = self.workspace().and_then(|workspace| workspace.get("vars")).cloned();
        let mut table: Table = vars
            .map(|vars| ("vars".to_owned(), vars.moved(start)))
            .into_iter()
            .collect();
        if let Some(defaults) = self.document.get("defaults") {
            // There is nothing that could have the same name twice yet but a layer, which is checked with the member.
            let _merged = merge::merge(&mut table, &defaults.clone().moved(start));
        }
        table
    }

    fn workspace(&self) -> Option<&Node> {
        self.document.get("workspace")
    }

    fn texts(&self, key: &str) -> Vec<String> {
        let items = self
            .workspace()
            .and_then(|workspace| workspace.get(key))
            .map_or(&[][..], Node::items);
        items.iter().filter_map(Node::as_text).map(str::to_owned).collect()
    }
}
