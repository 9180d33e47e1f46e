//! What kind of project it is, by its manifests.

mod cargo;
mod dotnet;
mod go;
mod jvm;
mod node;
mod python;

use super::tree::ProjectTree;

pub use cargo::CargoProject;
pub use dotnet::DotnetProject;
pub use go::GoProject;
pub use jvm::{Jars, JvmProject, JvmTool};
pub use node::{Manager, NodeProject, NodeStart};
pub use python::{PythonProject, PythonStart, PythonTool};

/// Greatest length of the last part of an image's name: registries store it in paths, whose parts have 255 bytes at most.
const MAX_NAME_BYTES: usize = 100;

/// Everything that manifests say. A project may have several: a Go server with a page that npm builds.
#[derive(Debug, Default)]
pub struct Project {
    /// `go.mod`.
    pub go: Option<GoProject>,
    /// `Cargo.toml`.
    pub cargo: Option<CargoProject>,
    /// `pom.xml` or `build.gradle`.
    pub jvm: Option<JvmProject>,
    /// A .NET project file.
    pub dotnet: Option<DotnetProject>,
    /// `pyproject.toml` or `requirements.txt`.
    pub python: Option<PythonProject>,
    /// `package.json`.
    pub node: Option<NodeProject>,
    /// A directory with an `index.html` among the sources; empty for the project's own.
    pub pages: Option<String>,
    /// Manifests that could not be read.
    pub notes: Vec<String>,
}

impl Project {
    /// Reads the manifests of a project.
    pub fn read(tree: &ProjectTree) -> Self {
        let mut notes = Vec::new();
        Self {
            go: GoProject::read(tree),
            cargo: CargoProject::read(tree, &mut notes),
            jvm: JvmProject::read(tree),
            dotnet: DotnetProject::read(tree),
            python: PythonProject::read(tree, &mut notes),
            node: NodeProject::read(tree, &mut notes),
            pages: tree.has_file("index.html").then(String::new),
            notes,
        }
    }

    /// Returns a line for each manifest that was found.
    pub fn found(&self) -> Vec<String> {
        let lines = [
            self.go.as_ref().map(GoProject::describe),
            self.cargo.as_ref().map(CargoProject::describe),
            self.jvm.as_ref().map(JvmProject::describe),
            self.dotnet.as_ref().map(DotnetProject::describe),
            self.python.as_ref().map(PythonProject::describe),
            self.node.as_ref().map(NodeProject::describe),
            self.pages.as_ref().map(|_| "index.html: web page".to_owned()),
        ];
        lines.into_iter().flatten().collect()
    }
}

/// Returns the name of a project as registries take it: `@acme/My App` is `my-app`.
pub fn image_name(name: &str) -> String {
    let last = name.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default();
    let mut plain = String::new();
    for character in last.chars().flat_map(char::to_lowercase) {
        if character.is_ascii_alphanumeric() {
            plain.push(character);
        } else if !plain.is_empty() && !plain.ends_with(['-', '_', '.']) {
            plain.push(if matches!(character, '_' | '.') { character } else { '-' });
        }
        if plain.len() >= MAX_NAME_BYTES {
            break;
        }
    }
    let plain = plain.trim_end_matches(['-', '_', '.']);
    if plain.is_empty() {
        "app".to_owned()
    } else {
        plain.to_owned()
    }
}

/// Returns a note about a manifest that is damaged, with the first line of the parser's message.
fn damaged(path: &str, error: &impl std::fmt::Display) -> String {
    let message = error.to_string();
    let first = message.lines().next().unwrap_or_default().to_owned();
    format!("{path} was skipped: {first}")
}

/// Returns the number that a text begins with.
fn leading_number(text: &str) -> Option<u32> {
    let digits = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    text[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::tests::projects::project;
    use crate::model::Repository;

    #[test]
    fn names_are_as_registries_take_them() {
        for (name, expected) in [
            ("server", "server"),
            ("@acme/My App", "my-app"),
            ("Acme.Web", "acme.web"),
            ("__init__", "init"),
            ("ünïcode", "n-code"),
            ("a--b", "a-b"),
            ("", "app"),
            ("///", "app"),
            ("日本", "app"),
            ("x\n\"y", "x-y"),
        ] {
            assert_eq!(image_name(name), expected, "{name:?}");
            let repository: Result<Repository, _> = format!("registry.example.com/{}", image_name(name)).parse();
            assert!(repository.is_ok(), "{name:?}");
        }
        assert_eq!(image_name(&"x".repeat(500)).len(), MAX_NAME_BYTES);
    }

    #[test]
    fn damaged_manifests_are_notes() {
        let directory = project(&[
            ("package.json", "{ \"name\": \"x\""),
            ("pyproject.toml", "[project\n"),
            ("Cargo.toml", "= 1\n"),
            ("go.mod", "\u{0}\n"),
            ("pom.xml", "<project"),
            ("App.csproj", "<"),
        ]);
        let project = Project::read(&ProjectTree::read(directory.path()).unwrap());
        let notes = project.notes.join("\n");
        for expected in [
            "package.json was skipped: EOF",
            "pyproject.toml was skipped: ",
            "Cargo.toml was skipped: ",
        ] {
            assert!(notes.contains(expected), "{expected} in {notes}");
        }
        assert!(project.node.is_none() && project.python.is_none() && project.cargo.is_none());
    }
}
