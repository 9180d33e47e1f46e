//! Loads a workspace: its root file, and the specs of its members.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::error::WorkspaceError;
use super::id::{cell_id, id_of};
use super::member_files::member_files;
use super::selection::{Selection, dependents, matching};
use crate::model::{Platform, nearest, order_by_needs};
use crate::spec::{DEFAULT_NAME, Inputs, Root, Spec, lock_path_of, spec_path};

/// Greatest number of directories above a spec that are searched for a root file.
const MAX_PARENTS: usize = 64;

/// A workspace whose members are all loaded.
#[derive(Debug)]
pub struct Workspace {
    members: Vec<WorkspaceMember>,
}

/// A member of a workspace.
#[derive(Debug)]
pub struct WorkspaceMember {
    /// Its ID.
    pub id: String,
    /// Its spec.
    pub spec: Spec,
}

/// What a path of a spec leads to.
#[derive(Debug)]
pub enum Found {
    /// The root file of a workspace.
    Workspace(Root),
    /// The spec of a member.
    Member {
        /// The root file that lists it.
        root: Root,
        /// The spec's path, absolute and without links.
        spec: PathBuf,
    },
    /// A spec on its own.
    Alone,
}

/// Finds out whether a spec, or the one in a directory, is the root of a workspace, or belongs to one: to the nearest root
/// file in a directory above it that lists it, whichever way leads to the spec.
///
/// # Errors
/// Returns [`WorkspaceError`] if the file or a root file is invalid.
pub fn find(spec: &Path) -> Result<Found, WorkspaceError> {
    let spec = &spec_path(spec);
    let read = |cause: std::io::Error| WorkspaceError::Read {
        path: spec.to_owned(),
        reason: cause.to_string(),
    };
    if let Some(root) = Root::load(spec)? {
        return Ok(Found::Workspace(root));
    }
    let absolute = std::path::absolute(spec).map_err(read)?;
    let real = std::fs::canonicalize(spec).map_err(read)?;
    // Without links, both ways are one.
    let other_way = parents(&real).filter(|_| real != absolute);
    for directory in parents(&absolute).chain(other_way) {
        let path = directory.join(DEFAULT_NAME);
        let is_there = path != absolute && path != real && std::fs::symlink_metadata(&path).is_ok();
        if is_there
            && let Some(root) = Root::load(&path)?
            && lists(&root, &real)?
        {
            return Ok(Found::Member {
                root,
                spec: real.clone(),
            });
        }
    }
    Ok(Found::Alone)
}

/// Returns the directories above a file, from its own one up.
fn parents(path: &Path) -> impl Iterator<Item = &Path> {
    path.ancestors().skip(1).take(MAX_PARENTS)
}

/// Returns `true` if the members of a root file include a spec, which is given without links.
fn lists(root: &Root, spec: &Path) -> Result<bool, WorkspaceError> {
    let files = member_files(root.path(), &root.members(), &root.exclude())?;
    let is_spec = |file: &PathBuf| std::fs::canonicalize(root.directory().join(file)).is_ok_and(|path| path == spec);
    Ok(files.iter().any(is_spec))
}

impl Workspace {
    /// Loads the members that a root file lists.
    ///
    /// # Errors
    /// Returns [`WorkspaceError`] if a spec is invalid, two members have one ID or name, or what members are based on
    /// does not exist, goes in a circle, or lacks a platform.
    pub fn load(root: &Root, inputs: &Inputs) -> Result<Self, WorkspaceError> {
        let mut members: BTreeMap<String, Spec> = BTreeMap::new();
        for file in member_files(root.path(), &root.members(), &root.exclude())? {
            let path = root.directory().join(&file);
            let bad_id = || WorkspaceError::BadId { path: path.clone() };
            let id = id_of(&file).ok_or_else(bad_id)?;
            check_own_lock(&path, root)?;
            for (values, spec) in Spec::load_member(&path, root, inputs)? {
                let id = match &values[..] {
                    [] => id.clone(),
                    values => cell_id(&id, values).map_err(|value| WorkspaceError::BadValue {
                        path: path.clone(),
                        value: value.to_owned(),
                    })?,
                };
                if let Some(first) = members.get(&id) {
                    return Err(WorkspaceError::SameId {
                        id,
                        first: first.path().to_owned(),
                        second: path,
                    });
                }
                members.insert(id, spec);
            }
        }
        if members.is_empty() {
            return Err(WorkspaceError::NoMembers {
                root: root.path().to_owned(),
            });
        }
        check_sets(&members, inputs)?;
        check_names(&members)?;
        check_bases(&members)?;
        check_sources(root, &members)?;
        let ordered = order_by_needs(&bases(&members)).map_err(|ids| WorkspaceError::Circle { ids })?;
        let members = ordered
            .into_iter()
            .filter_map(|id| members.remove_entry(&id))
            .map(|(id, spec)| WorkspaceMember { id, spec })
            .collect();
        Ok(Self { members })
    }

    /// Returns all members: every base before the members that are based on it, and otherwise sorted by ID.
    pub fn members(&self) -> &[WorkspaceMember] {
        &self.members
    }

    /// Returns its members, in the same order.
    pub fn into_members(self) -> Vec<WorkspaceMember> {
        self.members
    }

    /// Returns the IDs of the members that are selected.
    ///
    /// # Errors
    /// Returns [`WorkspaceError`] for a pattern that matches nothing, and if nothing is selected.
    pub fn select(&self, selection: &Selection) -> Result<BTreeSet<String>, WorkspaceError> {
        let specs = self.member_bases();
        selection.select(&by_id(&specs))
    }

    /// Returns members, and all that are based on them, directly or through others.
    pub fn with_dependents(&self, ids: BTreeSet<String>) -> BTreeSet<String> {
        let specs = self.member_bases();
        let bases = by_id(&specs);
        let known = ids.iter().filter_map(|id| bases.get_key_value(id.as_str()));
        let found = dependents(known.map(|(id, _)| *id).collect(), &bases);
        found.into_iter().map(str::to_owned).collect()
    }

    /// Returns members, and all that they are based on, directly or through others.
    pub fn with_bases(&self, ids: &BTreeSet<String>) -> BTreeSet<String> {
        let mut found = ids.clone();
        // Every base comes before the members that are based on it.
        for member in self.members.iter().rev() {
            if found.contains(&member.id) {
                found.extend(member.spec.needed_members());
            }
        }
        found
    }

    fn member_bases(&self) -> Vec<(&str, BTreeSet<String>)> {
        let members = self.members.iter();
        members
            .map(|member| (member.id.as_str(), member.spec.needed_members()))
            .collect()
    }
}

/// Checks that no lockfile is where a member would have it on its own: its pins would be ignored.
fn check_own_lock(spec: &Path, root: &Root) -> Result<(), WorkspaceError> {
    let lock = lock_path_of(spec);
    let shared = root.lock_path();
    if lock == shared || std::fs::symlink_metadata(&lock).is_err() {
        return Ok(());
    }
    Err(WorkspaceError::OwnLock { lock, shared })
}

/// Returns the bases of each member by its ID.
fn by_id<'a>(members: &'a [(&'a str, BTreeSet<String>)]) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    members
        .iter()
        .map(|(id, bases)| (*id, bases.iter().map(String::as_str).collect()))
        .collect()
}

/// Returns the members that each member is based on or takes files from.
fn bases(members: &BTreeMap<String, Spec>) -> BTreeMap<&str, BTreeSet<&str>> {
    let known = |base: String| members.get_key_value(&base).map(|(id, _)| id.as_str());
    members
        .iter()
        .map(|(id, spec)| {
            (
                id.as_str(),
                spec.needed_members().into_iter().filter_map(known).collect(),
            )
        })
        .collect()
}

/// Refuses a variable of `--set` that no member declares.
fn check_sets(members: &BTreeMap<String, Spec>, inputs: &Inputs) -> Result<(), WorkspaceError> {
    let is_unknown = |name: &&String| !members.values().any(|spec| spec.has_variable(name));
    match inputs.sets.keys().find(is_unknown) {
        Some(name) => Err(WorkspaceError::NoVariable { name: name.clone() }),
        None => Ok(()),
    }
}

/// Refuses members without a name, and two that would write the same tag.
fn check_names(members: &BTreeMap<String, Spec>) -> Result<(), WorkspaceError> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (id, spec) in members {
        let image = spec.image();
        let Some(name) = &image.name else {
            return Err(WorkspaceError::NoName { id: id.clone() });
        };
        for tag in &image.tags {
            let name = format!("{name}:{tag}");
            if let Some(first) = seen.insert(name.clone(), id) {
                return Err(WorkspaceError::SameName {
                    name,
                    first: first.to_owned(),
                    second: id.clone(),
                });
            }
        }
    }
    Ok(())
}

/// Refuses sources of a member that does not exist.
fn check_sources(root: &Root, members: &BTreeMap<String, Spec>) -> Result<(), WorkspaceError> {
    let ids: Vec<&str> = members.keys().map(String::as_str).collect();
    for (pattern, _) in root.sources() {
        if let Err(WorkspaceError::NoSuchMember { nearest, .. }) = matching(&pattern, &ids) {
            return Err(root.no_such_member(&pattern, nearest.as_deref(), &ids).into());
        }
    }
    Ok(())
}

/// Refuses bases and sources of files that do not exist, and those that lack a platform.
fn check_bases(members: &BTreeMap<String, Spec>) -> Result<(), WorkspaceError> {
    for (id, spec) in members {
        let mut lacking: BTreeMap<String, Vec<Platform>> = BTreeMap::new();
        for platform in spec.platforms() {
            let platform_spec = spec.platform(platform)?;
            let sources = platform_spec.member_sources();
            for needed in platform_spec.member_base().into_iter().chain(sources) {
                let known = members.get(needed).ok_or_else(|| WorkspaceError::NoBase {
                    spec: spec.path().to_owned(),
                    id: needed.to_owned(),
                    nearest: nearest(needed, members.keys().map(String::as_str)).map(str::to_owned),
                })?;
                if !known.platforms().iter().any(|known| known.is_same_as(platform)) {
                    lacking.entry(needed.to_owned()).or_default().push(platform.clone());
                }
            }
        }
        if let Some((needed, lacking)) = lacking.into_iter().next() {
            return Err(WorkspaceError::Platforms {
                id: id.clone(),
                is_base: spec.member_bases().contains(&needed),
                needed,
                lacking,
            });
        }
    }
    Ok(())
}
