//! Reads `include` (compose-spec, 14-include.md).

use super::file::Include;
use super::place::Place;
use super::reader::{Reader, all_entries};
use super::service::Text;
use crate::deploy::yaml::{Node, ScalarKind};
use crate::model::{escape, nearest};

/// Keys of an item in its long form.
const KEYS: [&str; 3] = ["path", "project_directory", "env_file"];

const SHAPE_HELP: &str = "write `include: [FILE]`, or `- path: FILE` with `project_directory` and `env_file`";

impl Reader<'_> {
    /// Reads the items of `include`.
    pub(super) fn includes(&mut self, node: Node<'_>) -> Vec<Include> {
        if node.scalar_kind() == Some(ScalarKind::Null) {
            return Vec::new();
        }
        let Some(items) = node.as_sequence() else {
            self.problem(node, "expected a list of files to include", SHAPE_HELP);
            return Vec::new();
        };
        items.items().filter_map(|item| self.include(item)).collect()
    }

    fn include(&mut self, item: Node<'_>) -> Option<Include> {
        let place = Place::of(self.interpolation.file, item);
        let Some(mapping) = item.as_mapping() else {
            return Some(Include {
                place,
                paths: vec![self.text(item)?],
                directory: None,
                env_files: None,
            });
        };
        let entries = all_entries(mapping);
        for (name, (key, _)) in entries.iter().filter(|(name, _)| !KEYS.contains(name)) {
            let message = format!("unknown key \"{}\" in `include`", escape(name.as_bytes()));
            let help =
                nearest(name, KEYS).map_or_else(|| SHAPE_HELP.to_owned(), |near| format!("did you mean {near}?"));
            self.problem(*key, message, &help);
        }
        let value = |name: &str| {
            let (_, value) = entries.get(name)?;
            (value.scalar_kind() != Some(ScalarKind::Null)).then_some(*value)
        };
        let paths = match value("path") {
            Some(path) => self.one_or_several(path)?,
            None => Vec::new(),
        };
        if paths.is_empty() {
            self.problem(item, "an item of `include` does not name a file", SHAPE_HELP);
            return None;
        }
        let directory = match value("project_directory") {
            Some(directory) => Some(self.text(directory)?),
            None => None,
        };
        let env_files = match value("env_file") {
            Some(files) => Some(self.one_or_several(files)?).filter(|files| !files.is_empty()),
            None => None,
        };
        Some(Include {
            place,
            paths,
            directory: directory.filter(|directory| !directory.text.is_empty()),
            env_files,
        })
    }

    fn one_or_several(&mut self, node: Node<'_>) -> Option<Vec<Text>> {
        match node.as_sequence() {
            Some(items) => items.items().map(|item| self.text(item)).collect(),
            None => Some(vec![self.text(node)?]),
        }
    }
}
