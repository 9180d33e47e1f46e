//! Which spec fits a project: what it has built decides, then its manifests.

mod dotnet;
mod image_name;
mod jvm;
mod node;
mod pages;
mod program;
mod python;

use super::artifacts::Artifacts;
use super::draft::Draft;
use super::layout::programs_by_name;
use super::project::Project;
use super::tree::ProjectTree;
use crate::model::escape;

/// Most results that are listed by name.
const MAX_LISTED: usize = 20;

/// What an image is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Program,
    Dotnet,
    Jvm,
    Python,
    Node,
    Pages,
}

/// Returns the spec that fits a project. A project of an unknown kind gets one for a program, to be completed.
pub fn draft(tree: &ProjectTree, artifacts: &Artifacts, project: &Project) -> Draft {
    let kind = by_results(artifacts, project).or_else(|| by_manifests(project));
    let mut draft = match kind {
        Some(Kind::Program) | None => program::draft(tree, artifacts, project),
        Some(Kind::Dotnet) => dotnet::draft(tree, artifacts, project),
        Some(Kind::Jvm) => jvm::draft(tree, artifacts, project),
        Some(Kind::Python) => python::draft(tree, artifacts, project),
        Some(Kind::Node) => node::draft(tree, project),
        Some(Kind::Pages) => pages::draft(tree, artifacts, project),
    };
    if kind.is_none() {
        draft.notes.push(
            "found neither build results nor a manifest that is known; the spec is for a program: complete it"
                .to_owned(),
        );
    }
    draft
}

/// Returns a line for each result that was found.
pub fn found(artifacts: &Artifacts) -> Vec<String> {
    let shown = |path: &str| escape(path.as_bytes());
    let programs = artifacts
        .programs
        .iter()
        .map(|program| format!("{}: {}", shown(&program.path), program.describe()));
    let jars = artifacts.jars.iter().map(|path| format!("{}: jar", shown(path)));
    let wheels = artifacts.wheels.iter().map(|wheel| {
        let place = wheel
            .platform()
            .map_or_else(|| shown(&wheel.platform_tag), |platform| platform.to_string());
        format!("{}: wheel for {place}", shown(&wheel.path))
    });
    let dotnet = artifacts
        .dotnet
        .iter()
        .map(|path| format!("{}: .NET program", shown(path)));
    let pages = artifacts
        .pages
        .iter()
        .map(|path| format!("{}/index.html: web page", shown(path)));
    let mut lines: Vec<String> = programs.chain(jars).chain(wheels).chain(dotnet).chain(pages).collect();
    if lines.len() > MAX_LISTED {
        let more = lines.len() - MAX_LISTED;
        lines.truncate(MAX_LISTED);
        lines.push(format!("{more} more files in the directories of build results"));
    }
    lines
}

/// The kind by what is built. Programs that only lie there, such as a tool in `bin` of a Node.js project, do not count.
fn by_results(artifacts: &Artifacts, project: &Project) -> Option<Kind> {
    let is_compiled = project.go.is_some() || project.cargo.is_some();
    let is_interpreted =
        project.python.is_some() || project.node.is_some() || project.jvm.is_some() || project.dotnet.is_some();
    let names = programs_by_name(&artifacts.programs);
    let has_own_program = project.names().iter().any(|name| names.contains_key(name));
    if !names.is_empty() && (is_compiled && !is_maturin(project) || !is_interpreted || has_own_program) {
        return Some(Kind::Program);
    }
    if is_compiled && !is_maturin(project) {
        return None;
    }
    if !artifacts.dotnet.is_empty() {
        return Some(Kind::Dotnet);
    }
    if !artifacts.jars.is_empty() && (project.jvm.is_some() || !is_interpreted) {
        return Some(Kind::Jvm);
    }
    if !artifacts.wheels.is_empty() {
        return Some(Kind::Python);
    }
    let is_page = project.node.as_ref().is_none_or(|node| node.start.is_none());
    let is_other = project.python.is_some() || project.jvm.is_some() || project.dotnet.is_some();
    (!artifacts.pages.is_empty() && is_page && !is_other).then_some(Kind::Pages)
}

fn by_manifests(project: &Project) -> Option<Kind> {
    let builds_programs = project.cargo.as_ref().is_some_and(|cargo| !cargo.programs.is_empty());
    let node = project.node.as_ref();
    let kinds = [
        (project.go.is_some(), Kind::Program),
        (builds_programs && !is_maturin(project), Kind::Program),
        (project.dotnet.is_some(), Kind::Dotnet),
        (project.jvm.is_some(), Kind::Jvm),
        (project.python.is_some(), Kind::Python),
        (
            node.is_some_and(|node| node.start.is_none() && (node.has_build || project.pages.is_some())),
            Kind::Pages,
        ),
        (node.is_some(), Kind::Node),
        (project.cargo.is_some(), Kind::Program),
        (project.pages.is_some(), Kind::Pages),
    ];
    kinds.into_iter().find(|(is_it, _)| *is_it).map(|(_, kind)| kind)
}

/// Wheels with compiled Rust have both manifests.
fn is_maturin(project: &Project) -> bool {
    project.python.as_ref().is_some_and(|python| python.is_maturin)
}
