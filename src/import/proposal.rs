//! A spec that fits a project, with what a user should know of it.

use std::path::Path;

use super::artifacts::Artifacts;
use super::draft::Draft;
use super::error::ImportError;
use super::project::Project;
use super::tree::ProjectTree;
use super::{recipe, spec_text};
use crate::model::escape;

/// A spec that fits a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The text of the spec.
    pub text: String,
    /// What was found, one line each: `dist/amd64/server: program for linux/amd64, static`.
    pub found: Vec<String>,
    /// What the spec packs and does not exist yet, each with the command that builds it.
    pub missing: Vec<String>,
    /// What the user should know: results that were skipped, and decisions that only they can take.
    pub notes: Vec<String>,
}

/// Looks at a project and returns a spec for it.
///
/// # Errors
/// [`ImportError`] if the directory cannot be read.
pub fn propose(directory: &Path) -> Result<Proposal, ImportError> {
    let tree = ProjectTree::read(directory)?;
    let artifacts = Artifacts::read(&tree);
    let project = Project::read(&tree);
    let draft = recipe::draft(&tree, &artifacts, &project);
    Ok(Proposal {
        text: spec_text::render(&draft),
        missing: missing(&draft, &tree),
        found: [project.found(), recipe::found(&artifacts)].concat(),
        notes: [
            tree.notes(),
            &dockerfile_note(&tree),
            &project.notes,
            &artifacts.notes,
            &draft.notes,
        ]
        .concat(),
    })
}

/// Names of Dockerfiles.
const DOCKERFILES: [&str; 2] = ["Dockerfile", "Containerfile"];

/// Notes for a Dockerfile that it is not read.
fn dockerfile_note(tree: &ProjectTree) -> Vec<String> {
    let found = DOCKERFILES.iter().filter(|name| tree.has_file(name));
    found
        .map(|name| {
            format!("found a {name}, which init does not read; docs/guides/dockerfile.md translates each instruction")
        })
        .collect()
}

/// What does not exist yet, with the command that makes it.
fn missing(draft: &Draft, tree: &ProjectTree) -> Vec<String> {
    let is_missing = |path: &str| match path.split_once('*') {
        None => !tree.has(path),
        Some((before, after)) => !tree
            .files()
            .any(|file| file.starts_with(before) && file.ends_with(after)),
    };
    let expected = draft.expected.iter().filter(|expected| is_missing(&expected.path));
    expected
        .map(|expected| {
            let path = escape(expected.path.as_bytes());
            if expected.commands.is_empty() {
                return match &expected.platform {
                    Some(platform) => {
                        format!("{path} is missing: build it for {platform}, or remove {platform} from `platforms`")
                    }
                    None => format!("{path} is missing"),
                };
            }
            format!(
                "{path} is missing: build it with `{}`",
                printable(&expected.commands.join(" && "))
            )
        })
        .collect()
}

/// A command as it may be printed: names in it are those of files and packages. Its backslashes stay.
fn printable(command: &str) -> String {
    let parts: Vec<String> = command.split('\\').map(|part| escape(part.as_bytes())).collect();
    parts.join("\\")
}
