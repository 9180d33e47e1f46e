//! What a command is for: one spec, or selected members of a workspace.

use std::collections::BTreeSet;
use std::path::Path;

use super::arguments::{SelectionArguments, ShardArguments};
use super::failure::Failure;
use crate::build::LockScope;
use crate::model::{Platform, escape_path};
use crate::spec::{Inputs, Root, Spec};
use crate::workspace::{Found, Selection, Shard, Workspace, WorkspaceError, find};

/// What a command is for.
pub enum Subject {
    /// A spec on its own.
    Alone(Box<Spec>),
    /// Members of a workspace.
    Members(Box<Selected>),
}

/// Selected members of a workspace.
pub struct Selected {
    /// The root file.
    pub root: Root,
    /// All members.
    pub workspace: Workspace,
    /// The IDs of those that are selected.
    pub ids: BTreeSet<String>,
    /// The IDs of which a shard is selected.
    pub divided: Option<BTreeSet<String>>,
}

impl Subject {
    /// Loads the spec at `path`, or its workspace, of which `selection` selects members.
    pub fn load(path: &Path, selection: &SelectionArguments, inputs: &Inputs) -> Result<Self, Failure> {
        let (root, only) = match find(path)? {
            Found::Alone => {
                let help = selection.package.first().and_then(|text| platform_help(text));
                refuse_alone(path, selection.first_option(), help)?;
                return Ok(Self::Alone(Box::new(Spec::load(path, inputs)?)));
            }
            Found::Workspace(root) => (root, None),
            Found::Member { root, spec } => (root, Some(spec)),
        };
        let workspace = Workspace::load(&root, inputs)?;
        let selected = workspace.select(&wanted(&workspace, only.as_deref(), selection)?);
        let ids = selected.map_err(|error| with_platform_help(error, selection))?;
        Ok(Self::Members(Box::new(Selected {
            root,
            workspace,
            ids,
            divided: None,
        })))
    }

    /// Loads the spec at `path`, or all members of the workspace that it is the root of or belongs to.
    pub fn load_whole(path: &Path, inputs: &Inputs) -> Result<Self, Failure> {
        let all = SelectionArguments::default();
        match find(path)? {
            Found::Member { root, .. } => Self::load(root.path(), &all, inputs),
            Found::Workspace(_) | Found::Alone => Self::load(path, &all, inputs),
        }
    }

    /// Returns the IDs of members that need a selected one and are not selected themselves.
    pub fn left_dependents(&self) -> BTreeSet<String> {
        match self {
            Self::Alone(_) => BTreeSet::new(),
            Self::Members(selected) => &selected.workspace.with_dependents(selected.ids.clone()) - &selected.ids,
        }
    }

    /// Returns the part of the members that `--shard` selects.
    pub fn in_shard(self, path: &Path, arguments: ShardArguments) -> Result<Self, Failure> {
        let Some(shard) = arguments.shard else {
            return Ok(self);
        };
        match self {
            Self::Alone(spec) => {
                refuse_alone(path, Some("--shard"), None)?;
                Ok(Self::Alone(spec))
            }
            Self::Members(selected) => Ok(Self::Members(Box::new(Selected {
                ids: shard.of(&selected.ids),
                divided: Some(selected.ids.clone()),
                ..*selected
            }))),
        }
    }
}

/// Returns what is reported if no member is left.
pub fn empty_shard(shard: Option<Shard>) -> String {
    match shard {
        Some(shard) => format!("shard {shard} contains no member"),
        None => "no member is selected".to_owned(),
    }
}

/// The specs that share a lockfile.
pub struct LockedSpecs {
    specs: Vec<Spec>,
    /// Which of them are selected; `None` for all, so that unneeded pins are known.
    selected: Option<Vec<bool>>,
}

impl LockedSpecs {
    /// Loads the spec at `path`, or all members of its workspace, which have one lockfile. `selection` selects members;
    /// those that they are based on are selected too.
    pub fn load(path: &Path, selection: &SelectionArguments, inputs: &Inputs) -> Result<Self, Failure> {
        if selection.first_option().is_some() {
            return Ok(match Subject::load(path, selection, inputs)? {
                Subject::Alone(spec) => Self::all(vec![*spec]),
                Subject::Members(selected) => Self::some(*selected),
            });
        }
        match find(path)? {
            Found::Alone => Ok(Self::all(vec![Spec::load(path, inputs)?])),
            Found::Workspace(root) | Found::Member { root, .. } => {
                let members = Workspace::load(&root, inputs)?.into_members();
                Ok(Self::all(members.into_iter().map(|member| member.spec).collect()))
            }
        }
    }

    fn all(specs: Vec<Spec>) -> Self {
        Self { specs, selected: None }
    }

    fn some(selected: Selected) -> Self {
        let ids = selected.workspace.with_bases(&selected.ids);
        let members = selected.workspace.into_members();
        Self {
            selected: Some(members.iter().map(|member| ids.contains(&member.id)).collect()),
            specs: members.into_iter().map(|member| member.spec).collect(),
        }
    }

    /// Returns them for an operation on the lockfile.
    pub fn scope(&self) -> LockScope<'_> {
        let all = self.specs.iter().collect();
        let Some(selected) = &self.selected else {
            return LockScope::of_all(all);
        };
        let chosen = self.specs.iter().zip(selected).filter(|(_, is_selected)| **is_selected);
        LockScope::of_some(all, chosen.map(|(spec, _)| spec).collect())
    }
}

/// Refuses an option that selects members, if it is given for a spec on its own.
pub fn refuse_alone(path: &Path, option: Option<&str>, help: Option<String>) -> Result<(), Failure> {
    let Some(option) = option else {
        return Ok(());
    };
    let path = escape_path(path);
    Err(Failure::usage(
        &format!("{option} selects members of a workspace, and {path} belongs to none"),
        &help.unwrap_or_else(|| format!("remove {option}")),
    ))
}

/// Returns the selection of the command line; without one, the members of the spec at `only`.
fn wanted(workspace: &Workspace, only: Option<&Path>, arguments: &SelectionArguments) -> Result<Selection, Failure> {
    let SelectionArguments {
        package,
        exclude,
        with_dependents,
    } = arguments.clone();
    let of_spec = |only: &Path| {
        let members = workspace.members().iter();
        let same = members.filter(|member| std::fs::canonicalize(member.spec.path()).is_ok_and(|path| path == only));
        same.map(|member| member.id.clone()).collect()
    };
    let packages = match only {
        Some(_) if !package.is_empty() => {
            return Err(Failure::usage(
                "-p selects members of a workspace, but the path names one of them",
                "give the path of the workspace's ocitect.toml, or no -p",
            ));
        }
        Some(only) => of_spec(only),
        None => package,
    };
    Ok(Selection {
        packages,
        exclude,
        with_dependents,
    })
}

fn with_platform_help(error: WorkspaceError, selection: &SelectionArguments) -> Failure {
    match selection.package.iter().find_map(|text| platform_help(text)) {
        Some(help) => Failure::usage(&error.to_string(), &help),
        None => error.into(),
    }
}

/// Returns the option that was meant by `-p linux/amd64`.
fn platform_help(text: &str) -> Option<String> {
    let platform: Platform = Platform::parse_known(text).ok()?;
    Some(format!("to select a platform, use --platform {platform}"))
}
