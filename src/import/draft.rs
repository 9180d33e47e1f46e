//! A spec before it is text: values with the comments that explain them.

use std::collections::BTreeMap;

use crate::model::Platform;

/// A spec with its comments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The last part of the image's name.
    pub name: String,
    /// What the spec was written from, such as `go.mod`.
    pub origin: String,
    /// The base image.
    pub base: String,
    /// Why this base, and which others there are.
    pub base_comment: Vec<String>,
    /// The platforms, never empty.
    pub platforms: Vec<Platform>,
    /// A variable that has a value for each platform, and its values.
    pub platform_variable: Option<(&'static str, BTreeMap<Platform, String>)>,
    /// Who runs the program.
    pub user: User,
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
    /// The working directory.
    pub workdir: Option<String>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// What is started.
    pub start: Start,
    /// What explains the start.
    pub start_comment: Vec<String>,
    /// Ports, if they are known.
    pub ports: Vec<String>,
    /// What must exist before the image is built.
    pub expected: Vec<Expected>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// Who runs the program: never root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum User {
    /// A user that the base has.
    OfBase(&'static str),
    /// A new user, [`USER_NAME`].
    New,
}

/// The command of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// `entrypoint`.
    Entrypoint(Vec<String>),
    /// `cmd`, for bases whose own entrypoint runs it.
    Command(Vec<String>),
    /// What the base starts.
    OfBase,
}

/// A layer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub comment: Vec<String>,
    /// The commands that build it, for each platform.
    pub commands: Vec<String>,
    /// What it packs.
    pub files: Vec<Files>,
    /// `true` if it is written as a comment, for the user to decide on.
    pub is_optional: bool,
}

/// An entry of `files`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// Source. Variables are expanded; a literal dollar sign is written twice.
    pub from: String,
    /// Path in the image.
    pub to: String,
    /// Patterns of `exclude`.
    pub exclude: Vec<String>,
    /// `true` sets the execute bit.
    pub is_executable: bool,
    /// `true` unpacks an archive.
    pub is_archive: bool,
}

impl Files {
    /// Packs `from` at `to`.
    pub fn new(from: &str, to: &str) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            ..Self::default()
        }
    }

    /// The same without what these patterns match.
    pub fn exclude(self, patterns: &[&str]) -> Self {
        Self {
            exclude: patterns.iter().map(|pattern| (*pattern).to_owned()).collect(),
            ..self
        }
    }
}

/// A file or directory that the image needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Its path; `*` stands for a version.
    pub path: String,
    /// The commands that build it, if they are known.
    pub commands: Vec<String>,
    /// The platform, if only one of several needs it.
    pub platform: Option<Platform>,
}

impl Draft {
    /// Returns a spec without layers that starts what its base starts.
    pub fn new(name: String, origin: &str, base: &str, platforms: Vec<Platform>) -> Self {
        Self {
            name,
            origin: origin.to_owned(),
            base: base.to_owned(),
            base_comment: Vec::new(),
            platforms,
            platform_variable: None,
            user: User::New,
            layers: Vec::new(),
            workdir: None,
            env: Vec::new(),
            start: Start::OfBase,
            start_comment: Vec::new(),
            ports: Vec::new(),
            expected: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds what must exist for each platform; what is the same for all is added once.
    pub fn expect(&mut self, path: impl Fn(&Platform) -> String, commands: impl Fn(&Platform) -> Vec<String>) {
        for platform in &self.platforms {
            let place = path(platform);
            let is_shared = self.platforms.iter().all(|other| path(other) == place);
            let expected = Expected {
                path: place,
                commands: commands(platform),
                platform: (!is_shared).then(|| platform.clone()),
            };
            if self.expected.iter().all(|known| known.path != expected.path) {
                self.expected.push(expected);
            }
        }
    }

    /// Returns the commands for all platforms; lines that several platforms share are written once.
    pub fn commands(&self, commands: impl Fn(&Platform) -> Vec<String>) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for line in self.platforms.iter().flat_map(commands) {
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        lines
    }
}

/// The number of a new user. The images of Node.js and Ubuntu have users of the number 1000 already.
pub const UID: u32 = 10001;

/// The name of a new user.
pub const USER_NAME: &str = "app";

/// Returns `text` as the path of a spec takes it: a dollar sign would begin a variable.
pub fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// Returns a word of a shell command, in quotes if it needs them.
pub fn shell_word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:=@%+,".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
