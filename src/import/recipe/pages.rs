//! Static web pages, on a web server that runs without root.

use super::super::artifacts::Artifacts;
use super::super::draft::{Draft, Expected, Files, Layer, User, literal};
use super::super::layout::default_platforms;
use super::super::project::{NodeProject, Project};
use super::super::tree::{ProjectTree, join};
use super::image_name::name_of;

/// nginx, built to run as a user and to listen on 8080.
const BASE: &str = "docker.io/nginxinc/nginx-unprivileged:stable-alpine";

/// Where build tools for pages write them, most usual first.
const USUAL_DIRECTORIES: [&str; 4] = ["dist", "build", "out", "public"];

/// Returns the spec of a web page.
pub fn draft(tree: &ProjectTree, artifacts: &Artifacts, project: &Project) -> Draft {
    let node = project.node.as_ref();
    let name = name_of(node.and_then(|node| node.name.as_deref()), tree);
    let directory = directory(artifacts, node, project);
    let origin = if node.is_some() { "package.json" } else { "index.html" };
    let mut draft = Draft::new(name, origin, BASE, default_platforms());
    draft.base_comment = vec!["nginx, which runs as the user nginx and listens on port 8080.".to_owned()];
    draft.user = User::OfBase("nginx");
    draft.ports = vec!["8080".to_owned()];
    let commands: Vec<String> = node
        .filter(|node| node.has_build)
        .map(|node| format!("{0} install && {0} run build", node.manager.program()))
        .into_iter()
        .collect();
    let from = if directory.is_empty() { "." } else { &directory };
    let mut files = Files::new(&literal(from), "/usr/share/nginx/html");
    let mut comment = vec!["Pages are the same for all platforms.".to_owned()];
    if directory.is_empty() {
        files = files.exclude(&[".*", "node_modules", "README*", "*.lock", "*.toml"]);
        comment.push("Move them to a directory of their own, so that only they are packed.".to_owned());
    } else if !commands.is_empty() {
        comment[0].push_str(" Build them first:");
    }
    draft.layers.push(Layer {
        name: "pages".to_owned(),
        comment,
        commands: commands.clone(),
        files: vec![files],
        is_optional: false,
    });
    draft.expected.push(Expected {
        path: join(&directory, "index.html"),
        commands,
        platform: None,
    });
    draft
}

/// The directory of the pages: what is built, else the sources without a build, else where a build will write.
fn directory(artifacts: &Artifacts, node: Option<&NodeProject>, project: &Project) -> String {
    let usual = USUAL_DIRECTORIES
        .iter()
        .find(|name| artifacts.pages.iter().any(|page| page == *name));
    if let Some(usual) = usual {
        return (*usual).to_owned();
    }
    let built = artifacts.pages.iter().min_by_key(|page| page.matches('/').count());
    if let Some(built) = built {
        return built.clone();
    }
    match &project.pages {
        Some(sources) if node.is_none_or(|node| !node.has_build) => sources.clone(),
        _ => USUAL_DIRECTORIES[0].to_owned(),
    }
}
