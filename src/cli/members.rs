//! The images that a command is for: one spec, or selected members of a workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::arguments::SelectionArguments;
use super::failure::Failure;
use crate::build::{BuildError, DEFAULT_LAYOUT, Member, OutputRequest, Outputs};
use crate::model::{ImageName, Platform, Repository, Selector, Tag, escape, escape_path};
use crate::spec::{Inputs, Spec};
use crate::workspace::{Found, Selection, Workspace, WorkspaceError, WorkspaceMember, find};

/// One image that a command is for.
pub struct MemberOutputs {
    /// Its ID in the workspace; `None` for a spec on its own.
    pub id: Option<String>,
    pub spec: Spec,
    pub outputs: Outputs,
    /// `false` for one that is only needed because others are based on it.
    pub is_selected: bool,
}

impl MemberOutputs {
    /// Returns it as a member of a build.
    pub fn member(&self) -> Member<'_> {
        Member {
            id: self.id.as_deref(),
            spec: &self.spec,
            outputs: &self.outputs,
        }
    }
}

/// Loads the spec at `path`, or the members of its workspace that `selection` selects and those that they are based on.
/// Bases come first.
pub fn load(
    path: &Path,
    selection: &SelectionArguments,
    request: &OutputRequest,
    inputs: &Inputs,
) -> Result<Vec<MemberOutputs>, Failure> {
    let (root, only) = match find(path)? {
        Found::Alone => return alone(path, selection, request, inputs),
        Found::Workspace(root) => (root, None),
        Found::Member { root, spec } => (root, Some(spec)),
    };
    // Beside the root file: the current directory may be that of a member.
    let layout = root.layout().unwrap_or_else(|| root.directory().join(DEFAULT_LAYOUT));
    let workspace = Workspace::load(&root, inputs)?;
    let request = workspace_request(request, layout)?;
    let selected = workspace.select(&wanted(&workspace, only.as_deref(), selection)?);
    let selected = selected.map_err(|error| with_platform_help(error, selection))?;
    with_outputs(workspace.into_members(), &selected, &request)
}

/// Loads the spec at `path`, or all members of the workspace that it is the root of or belongs to. Bases come first.
pub fn load_whole(path: &Path, request: &OutputRequest, inputs: &Inputs) -> Result<Vec<MemberOutputs>, Failure> {
    let all = SelectionArguments::default();
    match find(path)? {
        Found::Member { root, .. } => load(root.path(), &all, request, inputs),
        Found::Workspace(_) | Found::Alone => load(path, &all, request, inputs),
    }
}

/// Decides the outputs of the selected members and of those that they are based on. Others are left out.
fn with_outputs(
    all: Vec<WorkspaceMember>,
    selected: &BTreeSet<String>,
    request: &OutputRequest,
) -> Result<Vec<MemberOutputs>, Failure> {
    let mut names = names_of_others(&all, selected);
    let mut members = Vec::new();
    // Dependents first: they say for which platforms their bases are needed.
    let mut needed: BTreeMap<String, Vec<Platform>> = BTreeMap::new();
    for WorkspaceMember { id, spec } in all.into_iter().rev() {
        let is_selected = selected.contains(&id);
        let outputs = match needed.get(&id) {
            _ if is_selected => Outputs::decide(spec.image(), request),
            Some(platforms) => base_outputs(&spec, request, platforms),
            None => continue,
        };
        let outputs = outputs.map_err(|error| Member::failed(&id, error))?;
        for platform in &outputs.platforms {
            if let Some(base) = spec.platform(platform)?.member_base() {
                needed.entry(base.to_owned()).or_default().push(platform.clone());
            }
        }
        take_names(&mut names, &id, &outputs)?;
        members.push(MemberOutputs {
            id: Some(id),
            spec,
            outputs,
            is_selected,
        });
    }
    members.reverse();
    Ok(members)
}

/// Returns the full names that belong to members which are not selected, each with its member.
fn names_of_others(all: &[WorkspaceMember], selected: &BTreeSet<String>) -> BTreeMap<String, String> {
    let others = all.iter().filter(|member| !selected.contains(&member.id));
    let names = others.flat_map(|member| {
        let image = member.spec.image();
        full_names(image.name.as_ref(), &image.tags).map(|name| (name, member.id.clone()))
    });
    names.collect()
}

/// Notes the full names that a member is written under. With `-t`, two members may have one.
fn take_names(names: &mut BTreeMap<String, String>, id: &str, outputs: &Outputs) -> Result<(), WorkspaceError> {
    for name in full_names(outputs.name.as_ref(), &outputs.tags) {
        if let Some(second) = names.insert(name.clone(), id.to_owned()) {
            let first = id.to_owned();
            return Err(WorkspaceError::SameName { name, first, second });
        }
    }
    Ok(())
}

fn full_names<'a>(name: Option<&'a Repository>, tags: &'a [Tag]) -> impl Iterator<Item = String> + 'a {
    let names = name
        .into_iter()
        .flat_map(move |name| tags.iter().map(move |tag| (name, tag)));
    names.map(|(name, tag)| format!("{name}:{tag}"))
}

/// Loads the spec at `path`, or those of all members of its workspace, which have one lockfile.
pub fn load_all(path: &Path, inputs: &Inputs) -> Result<Vec<Spec>, Failure> {
    match find(path)? {
        Found::Alone => Ok(vec![Spec::load(path, inputs)?]),
        Found::Workspace(root) | Found::Member { root, .. } => {
            let members = Workspace::load(&root, inputs)?.into_members();
            Ok(members.into_iter().map(|member| member.spec).collect())
        }
    }
}

fn alone(
    path: &Path,
    selection: &SelectionArguments,
    request: &OutputRequest,
    inputs: &Inputs,
) -> Result<Vec<MemberOutputs>, Failure> {
    if let Some(option) = selection.first_option() {
        let path = escape_path(path);
        let help = selection.package.first().and_then(|text| platform_help(text));
        return Err(Failure::usage(
            &format!("{option} selects members of a workspace, and {path} belongs to none"),
            &help.unwrap_or_else(|| format!("remove {option}")),
        ));
    }
    let spec = Spec::load(path, inputs)?;
    let outputs = Outputs::decide(spec.image(), request)?;
    Ok(vec![MemberOutputs {
        id: None,
        spec,
        outputs,
        is_selected: true,
    }])
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

/// Refuses outputs that cannot hold several images, and names the layout if there is no other output.
fn workspace_request(request: &OutputRequest, layout: PathBuf) -> Result<OutputRequest, Failure> {
    if let Some(name) = request.tags.iter().find(|tag| tag.contains(['/', ':', '@'])) {
        return Err(Failure::usage(
            &format!("-t {}: a workspace has several names", escape(name.as_bytes())),
            "use a tag alone: every member keeps its name",
        ));
    }
    if let Some(output) = request.outputs.iter().find(|output| holds_one(output)) {
        return Err(Failure::usage(
            &format!("-o {output} cannot hold the images of a workspace"),
            "write to a layout without a tag, such as -o oci:DIR",
        ));
    }
    let mut request = request.clone();
    if request.outputs.is_empty() && !request.push {
        request.outputs.push(ImageName::Layout {
            path: layout,
            selector: Selector::Only,
        });
    }
    Ok(request)
}

fn holds_one(output: &ImageName) -> bool {
    !matches!(
        output,
        ImageName::Layout {
            selector: Selector::Only,
            ..
        }
    )
}

/// Returns the outputs of a member that is not selected: a repository that is pushed to by digest, so that the digest of
/// the base can be resolved.
fn base_outputs(spec: &Spec, request: &OutputRequest, needed: &[Platform]) -> Result<Outputs, BuildError> {
    let mut request = request.clone();
    // Without `--platform`, a base has all of its platforms, so that its index is the one that it has when it is selected.
    if !request.platforms.is_empty() {
        request.platforms = needed.to_vec();
    }
    request.outputs.clear();
    request.tags.clear();
    request.push &= spec.image().name.is_some();
    let mut outputs = Outputs::decide(spec.image(), &request)?;
    if !request.push {
        outputs.targets.clear();
    }
    for target in &mut outputs.targets {
        target.tags.clear();
    }
    outputs.tags.clear();
    outputs.unmoved.clear();
    Ok(outputs)
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
