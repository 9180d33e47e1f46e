//! Errors of workspaces.

use std::path::{Path, PathBuf};

use crate::model::{Diagnostic, ErrorKind, Platform, escape, ring};
use crate::spec::SpecError;

/// An error of a workspace.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkspaceError {
    /// The root file or the spec of a member is invalid.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A file or a directory cannot be read.
    #[error("cannot read {}: {reason}", show(.path))]
    Read {
        /// The path.
        path: PathBuf,
        /// The error of the system.
        reason: String,
    },
    /// An entry of `members` or `exclude`, or an argument, is not a valid pattern.
    #[error("\"{}\" is not a valid pattern: {reason}", escape(.pattern.as_bytes()))]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An entry of `members` leads to no spec.
    #[error("{}: the member \"{}\" does not exist", show(.root), escape(.entry.as_bytes()))]
    NoSpec {
        /// The root file.
        root: PathBuf,
        /// The entry.
        entry: String,
    },
    /// An entry of `members` leads out of the directory of the root file.
    #[error("{}: the member \"{}\" is not below the root file", show(.root), escape(.entry.as_bytes()))]
    Outside {
        /// The root file.
        root: PathBuf,
        /// The entry.
        entry: String,
    },
    /// A member's name is no valid ID.
    #[error("the name of {} is not a valid ID of a member", show(.path))]
    BadId {
        /// The spec, or the directory that the ID comes from.
        path: PathBuf,
    },
    /// A value of a matrix cannot be part of an ID.
    #[error("{}: the value \"{}\" of `matrix` is not valid in an ID of a member", show(.path), escape(.value.as_bytes()))]
    BadValue {
        /// The spec.
        path: PathBuf,
        /// The value.
        value: String,
    },
    /// The root file lists no member.
    #[error("the workspace {} has no members", show(.root))]
    NoMembers {
        /// The root file.
        root: PathBuf,
    },
    /// A lockfile is beside a member, where the member would have it on its own.
    #[error("{} is not used: the members share {}", show(.lock), show(.shared))]
    OwnLock {
        /// The lockfile of the member.
        lock: PathBuf,
        /// The lockfile beside the root file.
        shared: PathBuf,
    },
    /// `--set` names a variable that no member declares.
    #[error("--set: no member has a variable \"{}\"", escape(.name.as_bytes()))]
    NoVariable {
        /// The name.
        name: String,
    },
    /// Two members have one ID.
    #[error("two members have the ID {id}: {} and {}", show(.first), show(.second))]
    SameId {
        /// The ID.
        id: String,
        /// The spec of one of them.
        first: PathBuf,
        /// The spec of the other one.
        second: PathBuf,
    },
    /// A member has no name, by which it could be told from the others.
    #[error("{id} has no name")]
    NoName {
        /// The member.
        id: String,
    },
    /// Two members have one image name and tag.
    #[error("{first} and {second} are both named {name}")]
    SameName {
        /// The full name.
        name: String,
        /// The ID of one of them.
        first: String,
        /// The ID of the other one.
        second: String,
    },
    /// A member is based on one that does not exist.
    #[error("{}: there is no member \"{}\"", show(.spec), escape(.id.as_bytes()))]
    NoBase {
        /// The spec that names it.
        spec: PathBuf,
        /// The ID that it names.
        id: String,
        /// The nearest ID that exists.
        nearest: Option<String>,
    },
    /// Members need each other, as bases or for their files, in a circle.
    #[error("members need each other: {}", ring(.ids))]
    Circle {
        /// Their IDs, each based on the next one and the last one on the first.
        ids: Vec<String>,
    },
    /// A member is built for platforms that a member which it needs is not built for.
    #[error("{id} is built for {}, but {} is not", list(.lacking), relation(.needed, *.is_base))]
    Platforms {
        /// The member.
        id: String,
        /// The member that it is based on or takes files from.
        needed: String,
        /// `false` if it only takes files from it.
        is_base: bool,
        /// The platforms for which that is not built.
        lacking: Vec<Platform>,
    },
    /// A pattern of `-p` or `--exclude` matches no member.
    #[error("no member matches \"{}\"", escape(.pattern.as_bytes()))]
    NoSuchMember {
        /// The pattern.
        pattern: String,
        /// The nearest ID.
        nearest: Option<String>,
        /// All IDs.
        known: Vec<String>,
    },
    /// A line of a list of changed paths is no path as git prints it.
    #[error("line {line} of the list of changed paths is not a path of git: {text}: {reason}")]
    ChangedPath {
        /// Number of the line, from 1.
        line: usize,
        /// The line, escaped.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Everything that was selected is also left out.
    #[error("no member is selected")]
    NothingSelected,
}

fn show(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}

fn list(platforms: &[Platform]) -> String {
    let texts: Vec<String> = platforms.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

fn relation(id: &str, is_base: bool) -> String {
    if is_base {
        format!("its base \"{id}\"")
    } else {
        format!("\"{id}\", whose files it takes,")
    }
}

fn or_nearest(nearest: Option<&String>, otherwise: String) -> String {
    nearest.map_or(otherwise, |near| format!("did you mean {near}?"))
}

impl Diagnostic for WorkspaceError {
    fn error_kind(&self) -> ErrorKind {
        match self {
            Self::Spec(error) => error.error_kind(),
            Self::Read { .. } => ErrorKind::Local,
            _ => ErrorKind::Input,
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Spec(error) => error.help(),
            Self::Read { .. } => None,
            Self::Pattern { .. } => Some("write an ID, or a pattern such as agents/* or servers-?".to_owned()),
            Self::NoSpec { .. } => {
                Some("name a directory with an ocitect.toml, or a spec file, relative to the root file".to_owned())
            }
            Self::Outside { .. } => Some("move the root file to a directory above all members".to_owned()),
            Self::NoVariable { .. } => Some(
                "use a name that [vars] of a member or of the workspace declares; an axis of [matrix] cannot be set"
                    .to_owned(),
            ),
            Self::OwnLock { .. } => {
                Some("move its pins there, or delete it and run `ocitect lock`, which resolves them again".to_owned())
            }
            Self::NoMembers { .. } => Some("add directories or spec files to `members` of [workspace]".to_owned()),
            Self::BadId { .. } | Self::BadValue { .. } => Some("use letters, digits, `.`, `_` and `-`".to_owned()),
            Self::SameId { .. } => Some("rename one of the directories or files".to_owned()),
            Self::NoName { .. } => Some("set `name` in its [image], such as ghcr.io/me/app".to_owned()),
            Self::SameName { .. } => Some("give one of them another `name` or other `tags` in [image]".to_owned()),
            Self::NoBase { nearest, .. } => Some(or_nearest(
                nearest.as_ref(),
                "run `ocitect list` to see all members".to_owned(),
            )),
            Self::Circle { .. } => Some("base one of them on another image, or take its files from elsewhere".to_owned()),
            Self::Platforms { needed, .. } => {
                Some(format!("add the platforms to {needed}, or build only those that it has"))
            }
            Self::NoSuchMember { nearest, known, .. } => Some(or_nearest(
                nearest.as_ref(),
                format!("the members are {}", known.join(", ")),
            )),
            Self::ChangedPath { .. } => Some(
                "pass the output of `git diff --name-only`, with or without -z: its paths are relative to the top of the \
                 repository"
                    .to_owned(),
            ),
            Self::NothingSelected => Some("leave out fewer members with --exclude".to_owned()),
        }
    }
}
