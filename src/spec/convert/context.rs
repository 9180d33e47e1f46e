//! A value that is read, with what its meaning depends on.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::super::Place;
use super::super::error::{Problem, SourceText};
use super::super::tree::{Node, Span, Value};
use crate::model::{ImageName, ReferenceError, ShortNames};

/// What the meaning of a value depends on.
#[derive(Clone, Copy)]
pub(in super::super) struct Context<'a> {
    /// The spec's text and name.
    pub(in super::super) source: &'a SourceText,
    /// The spec's directory, which its paths are relative to.
    pub(in super::super) directory: &'a Path,
    /// What comes from outside of the spec.
    pub(in super::super) outside: &'a Outside,
}

impl<'a> Context<'a> {
    /// Returns the directory that a path at this place of the text is relative to.
    pub(in super::super) fn directory_at(self, span: &Span) -> &'a Path {
        self.source.root_of(span).map_or(self.directory, directory_of)
    }
}

/// Returns the directory of a file; `.` for a bare file name.
pub(in super::super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Returns the path of the lockfile of a spec or of a root file: beside it, and named after it.
pub fn lock_path_of(path: &Path) -> PathBuf {
    path.with_extension("lock")
}

/// The variables that do not depend on the platform: those from the command line, the environment and env-files.
#[derive(Default, Clone)]
pub(in super::super) struct Outside {
    /// `--set`, which takes precedence over all others.
    pub(in super::super) sets: BTreeMap<String, String>,
    /// The environment, and with lower precedence the env-files.
    pub(in super::super) environment: BTreeMap<String, String>,
    /// Suggestions for a base image without a registry.
    pub(in super::super) short_names: ShortNames,
}

/// A value that is read. Its keys and types are checked against the schema before, so that a wrong type here is a
/// value that the schema does not describe, such as an integer of more than 64 bits.
#[derive(Clone, Copy)]
pub(in super::super) struct Input<'a> {
    pub(super) node: &'a Node,
    pub(super) context: Context<'a>,
}

impl<'a> Input<'a> {
    pub(in super::super) fn new(node: &'a Node, context: Context<'a>) -> Self {
        Self { node, context }
    }

    /// Refuses the value, and says what to write.
    pub(super) fn refuse<T>(self, message: impl Into<String>, help: impl Into<String>) -> Result<T, Problem> {
        Err(self.problem(message).help(help))
    }

    pub(super) fn problem(self, message: impl Into<String>) -> Problem {
        Problem::new(&self.node.span, message)
    }

    fn wrong_type<T>(self, expected: &str) -> Result<T, Problem> {
        Err(self.problem(format!("expected {expected}")))
    }

    pub(super) fn text(self) -> Result<&'a str, Problem> {
        self.node.as_text().map_or_else(|| self.wrong_type("a string"), Ok)
    }

    pub(super) fn string(self) -> Result<String, Problem> {
        self.text().map(str::to_owned)
    }

    pub(super) fn integer(self) -> Result<i64, Problem> {
        let Value::Integer(number) = self.node.value else {
            return self.wrong_type("an integer");
        };
        i64::try_from(number).map_err(|_| self.problem(format!("invalid value: integer `{number}`, expected i64")))
    }

    pub(super) fn boolean(self) -> Result<bool, Problem> {
        match self.node.value {
            Value::Boolean(value) => Ok(value),
            _ => self.wrong_type("true or false"),
        }
    }

    pub(super) fn list<T>(self, read: impl Fn(Self) -> Result<T, Problem>) -> Result<Vec<T>, Problem> {
        let items = self.node.items().iter();
        items.map(|node| read(Self { node, ..self })).collect()
    }

    pub(super) fn map<T>(self, read: impl Fn(Self) -> Result<T, Problem>) -> Result<BTreeMap<String, T>, Problem> {
        let entries = self.node.entries();
        entries
            .map(|(key, node)| Ok((key.to_owned(), read(Self { node, ..self })?)))
            .collect()
    }

    /// Returns the value of a key of this table.
    pub(super) fn get(self, key: &str) -> Option<Self> {
        self.node.get(key).map(|node| Self { node, ..self })
    }

    pub(super) fn required<T>(self, key: &str, read: impl Fn(Self) -> Result<T, Problem>) -> Result<T, Problem> {
        let value = self
            .get(key)
            .ok_or_else(|| self.problem(format!("`{key}` is missing")))?;
        read(value)
    }

    pub(super) fn optional<T>(
        self,
        key: &str,
        read: impl Fn(Self) -> Result<T, Problem>,
    ) -> Result<Option<T>, Problem> {
        self.get(key).map(read).transpose()
    }

    /// Returns the items of a key's list; none if the key is missing.
    pub(super) fn items(self, key: &str) -> Vec<Self> {
        let items = self.node.get(key).map_or(&[][..], Node::items);
        items.iter().map(|node| Self { node, ..self }).collect()
    }

    /// Reads the items of a key's list; none if the key is missing.
    pub(super) fn list_of<T>(self, key: &str, read: impl Fn(Self) -> Result<T, Problem>) -> Result<Vec<T>, Problem> {
        self.items(key).into_iter().map(read).collect()
    }

    /// Returns the place of a key's value in the text; that of this table if the key is missing.
    pub(super) fn span_of(self, key: &str) -> &'a Span {
        &self.node.get(key).unwrap_or(self.node).span
    }

    pub(super) fn place_of(self, key: &str) -> Place {
        self.context.source.place(self.span_of(key))
    }

    pub(super) fn place(self) -> Place {
        self.context.source.place(&self.node.span)
    }

    /// Parses the name of a base image or of an image that files are copied from. Docker archives are refused.
    pub(super) fn image_name(self, text: &str) -> Result<ImageName, Problem> {
        if text.contains('\0') {
            return Err(self.problem("the name of an image must not contain a NUL character"));
        }
        match text.parse() {
            Ok(ImageName::DockerArchive { .. }) => self.refuse(
                "a docker-archive cannot be used here",
                "convert it to a layout first: ocitect copy docker-archive:FILE oci:DIR",
            ),
            Ok(name) => Ok(self.joined(name)),
            Err(error) => {
                let question = match &error {
                    ReferenceError::NoRegistry(name) => self.context.outside.short_names.question(name),
                    ReferenceError::Tag(_) | ReferenceError::Malformed { .. } => None,
                };
                Err(Problem::of(&self.node.span, &error).help_if(question))
            }
        }
    }

    /// Returns the name of an image as the lockfile has it. The one of a workspace is beside the root file, so a path is
    /// written relative to that.
    pub(super) fn locked_name(self) -> Result<String, Problem> {
        let text = self.string()?;
        let (name, rest) = text.split_once("#/").unwrap_or((&text, ""));
        let (Some(root), Ok(name)) = (self.context.source.root_path(), name.parse::<ImageName>()) else {
            return Ok(text);
        };
        let from = self.context.directory_at(&self.node.span);
        let relative = with_path(name, |path| relative_to(directory_of(root), &from.join(path)));
        Ok(match rest {
            "" => relative.to_string(),
            rest => format!("{relative}#/{rest}"),
        })
    }

    /// Joins the paths of layouts and archives to the spec's directory. All members of a workspace name an image by the
    /// same path.
    fn joined(self, name: ImageName) -> ImageName {
        let directory = self.context.directory_at(&self.node.span);
        match self.context.source.root_path().map(directory_of) {
            Some(root) => with_path(name, |path| root.join(relative_to(root, &directory.join(path)))),
            None => with_path(name, |path| directory.join(path)),
        }
    }
}

/// Returns a name with another path, if it has one.
fn with_path(mut name: ImageName, change: impl FnOnce(&Path) -> PathBuf) -> ImageName {
    if let ImageName::Layout { path, .. } | ImageName::OciArchive { path, .. } | ImageName::DockerArchive { path, .. } =
        &mut name
    {
        *path = change(path);
    }
    name
}

/// Returns a path relative to a directory. Both are compared by their names alone.
fn relative_to(directory: &Path, path: &Path) -> PathBuf {
    let (directory, path) = (names(directory), names(path));
    let shared = directory
        .iter()
        .zip(&path)
        .take_while(|(one, other)| one == other)
        .count();
    let up = directory[shared..].iter().map(|_| Component::ParentDir);
    let relative: PathBuf = up.chain(path[shared..].iter().copied()).collect();
    if relative.as_os_str().is_empty() {
        return PathBuf::from(".");
    }
    relative
}

/// Returns the components of a path without `.`, and without each name that a `..` after it takes back.
fn names(path: &Path) -> Vec<Component<'_>> {
    let mut names = Vec::new();
    for part in path.components() {
        match (part, names.last()) {
            (Component::CurDir, _) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => drop(names.pop()),
            _ => names.push(part),
        }
    }
    names
}
