//! What is built of each image that a command is for, and where it is written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::failure::Failure;
use super::members::{Selected, Subject};
use crate::build::{BuildError, DEFAULT_LAYOUT, Member, OutputRequest, Outputs};
use crate::model::{ImageName, Platform, Repository, Selector, Tag, escape};
use crate::spec::Spec;
use crate::workspace::{WorkspaceError, WorkspaceMember};

/// One image that a command is for.
pub struct MemberOutputs<'a> {
    /// Its ID in the workspace; `None` for a spec on its own.
    pub id: Option<&'a str>,
    pub spec: &'a Spec,
    pub outputs: Outputs,
    /// `false` for one that is only needed because others are based on it or take files from it.
    pub is_selected: bool,
}

impl MemberOutputs<'_> {
    /// Returns it as a member of a build.
    pub fn member(&self) -> Member<'_> {
        Member {
            id: self.id,
            spec: self.spec,
            outputs: &self.outputs,
        }
    }
}

impl Subject {
    /// Decides the outputs of the spec, or of the selected members and those that they are based on. Bases come first.
    pub fn outputs(&self, request: &OutputRequest) -> Result<Vec<MemberOutputs<'_>>, Failure> {
        self.outputs_without(&BTreeSet::new(), request)
    }

    /// Like [`Subject::outputs`], without some of the selected members.
    pub fn outputs_without(
        &self,
        left_out: &BTreeSet<String>,
        request: &OutputRequest,
    ) -> Result<Vec<MemberOutputs<'_>>, Failure> {
        match self {
            Self::Alone(spec) => Ok(vec![MemberOutputs {
                id: None,
                spec,
                outputs: Outputs::decide(spec.image(), request)?,
                is_selected: true,
            }]),
            Self::Members(selected) => selected.outputs(request, &(&selected.ids - left_out)),
        }
    }
}

impl Selected {
    fn outputs(&self, request: &OutputRequest, ids: &BTreeSet<String>) -> Result<Vec<MemberOutputs<'_>>, Failure> {
        // Beside the root file: the current directory may be that of a member.
        let layout = self.root.layout();
        let layout = layout.unwrap_or_else(|| self.root.directory().join(DEFAULT_LAYOUT));
        let request = workspace_request(request, layout)?;
        with_outputs(self.workspace.members(), ids, &request)
    }
}

/// For what a member is needed that others are based on or take files from.
#[derive(Default)]
struct Needed {
    platforms: Vec<Platform>,
    /// `false` if only files are taken from it.
    is_base: bool,
}

/// Decides the outputs of the selected members and of those that they need. Others are left out.
fn with_outputs<'a>(
    all: &'a [WorkspaceMember],
    selected: &BTreeSet<String>,
    request: &OutputRequest,
) -> Result<Vec<MemberOutputs<'a>>, Failure> {
    let mut names = names_of_others(all, selected);
    let mut members = Vec::new();
    // Dependents first: they say for which platforms their bases are needed.
    let mut needed: BTreeMap<String, Needed> = BTreeMap::new();
    for WorkspaceMember { id, spec } in all.iter().rev() {
        let is_selected = selected.contains(id);
        let outputs = match needed.get(id) {
            _ if is_selected => Outputs::decide(spec.image(), request),
            Some(needed) => base_outputs(spec, request, needed),
            None => continue,
        };
        let outputs = outputs.map_err(|error| Member::failed(id, error))?;
        for platform in &outputs.platforms {
            let platform_spec = spec.platform(platform)?;
            let base = platform_spec.member_base();
            for id in base.into_iter().chain(platform_spec.member_sources()) {
                let needed = needed.entry(id.to_owned()).or_default();
                needed.platforms.push(platform.clone());
                needed.is_base |= base == Some(id);
            }
        }
        take_names(&mut names, id, &outputs)?;
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
/// the base can be resolved. A member that only files are taken from is written nowhere.
fn base_outputs(spec: &Spec, request: &OutputRequest, needed: &Needed) -> Result<Outputs, BuildError> {
    let mut request = request.clone();
    // Without `--platform`, a base has all of its platforms, so that its index is the one that it has when it is selected.
    if !request.platforms.is_empty() {
        request.platforms.clone_from(&needed.platforms);
    }
    request.outputs.clear();
    request.tags.clear();
    request.push &= needed.is_base && spec.image().name.is_some();
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
