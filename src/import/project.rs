//! What kind of project it is, by its manifests.

mod cargo;
mod dotnet;
mod go;
mod jvm;
mod node;
mod note;
mod python;
mod version;

use super::tree::ProjectTree;

pub use cargo::CargoProject;
pub use dotnet::DotnetProject;
pub use go::GoProject;
pub use jvm::{Jars, JvmProject, JvmTool};
pub use node::{Manager, NodeProject, NodeStart};
pub use python::{PythonProject, PythonStart, PythonTool};

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

    /// Returns the names that the manifests give.
    pub fn names(&self) -> Vec<String> {
        let go = self
            .go
            .iter()
            .flat_map(|go| go.programs.iter().map(|(name, _)| name.clone()));
        let cargo = self
            .cargo
            .iter()
            .flat_map(|cargo| cargo.programs.iter().chain(&cargo.name).cloned());
        let others = [
            self.dotnet.as_ref().map(|dotnet| dotnet.assembly.clone()),
            self.jvm.as_ref().and_then(|jvm| jvm.name.clone()),
            self.python.as_ref().and_then(|python| python.name.clone()),
            self.node.as_ref().and_then(|node| node.name.clone()),
        ];
        go.chain(cargo).chain(others.into_iter().flatten()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::tests::projects::project;

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
