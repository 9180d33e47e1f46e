//! `Cargo.toml`, of a package or a workspace.

use toml::{Table, Value};

use super::super::tree::{ProjectTree, join, parent};
use super::note::damaged;
use crate::model::escape;

/// A Rust package, or the packages of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CargoProject {
    /// The package's name, if there is one at the top.
    pub name: Option<String>,
    /// The programs, the default one first; empty for libraries.
    pub programs: Vec<String>,
    /// `true` if `Cargo.lock` exists.
    pub is_locked: bool,
}

impl CargoProject {
    pub(super) fn read(tree: &ProjectTree, notes: &mut Vec<String>) -> Option<Self> {
        tree.text("Cargo.toml")?;
        let mut project = Self {
            name: None,
            programs: Vec::new(),
            is_locked: tree.has_file("Cargo.lock"),
        };
        let mut is_readable = false;
        for (path, text) in tree.manifests_named("Cargo.toml") {
            let manifest: Table = match text.parse() {
                Ok(manifest) => manifest,
                Err(error) => {
                    notes.push(damaged(path, &error));
                    continue;
                }
            };
            if path == "Cargo.toml" {
                is_readable = true;
                project.name = package_name(&manifest);
            }
            for program in programs(&manifest, parent(path), tree) {
                if !project.programs.contains(&program) {
                    project.programs.push(program);
                }
            }
        }
        is_readable.then_some(project)
    }

    pub(super) fn describe(&self) -> String {
        let name = self.name.as_ref().map_or("workspace".to_owned(), |name| {
            format!("package {}", escape(name.as_bytes()))
        });
        match self.programs.len() {
            0 => format!("Cargo.toml: Rust {name}, without a program"),
            _ => format!("Cargo.toml: Rust {name}"),
        }
    }
}

fn package_name(manifest: &Table) -> Option<String> {
    Some(manifest.get("package")?.get("name")?.as_str()?.to_owned())
}

/// The programs of one package: those that `[[bin]]` names, and those that cargo finds by their place.
fn programs(manifest: &Table, directory: &str, tree: &ProjectTree) -> Vec<String> {
    let Some(name) = package_name(manifest) else {
        return Vec::new();
    };
    let named = manifest.get("bin").and_then(Value::as_array).into_iter().flatten();
    let named = named.filter_map(|bin| bin.get("name")?.as_str().map(str::to_owned));
    let mut found: Vec<String> = named.collect();
    if found.is_empty() && tree.has_file(&join(directory, "src/main.rs")) {
        found.push(name);
    }
    let others = join(directory, "src/bin");
    found.extend(tree.files().filter(|path| parent(path) == others).filter_map(|path| {
        let name = path[others.len() + 1..].strip_suffix(".rs")?;
        Some(name.to_owned())
    }));
    let default = manifest
        .get("package")
        .and_then(|package| package.get("default-run"))
        .and_then(Value::as_str);
    found.sort_by_key(|name| Some(name.as_str()) != default);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::tests::projects::project;

    fn read(files: &[(&str, &str)]) -> CargoProject {
        CargoProject::read(&ProjectTree::read(project(files).path()).unwrap(), &mut Vec::new()).unwrap()
    }

    #[test]
    fn programs_are_found_as_cargo_finds_them() {
        let manifest = "[package]\nname = \"server\"\n";
        assert_eq!(
            read(&[("Cargo.toml", manifest), ("src/main.rs", "")]).programs,
            ["server"]
        );
        assert!(
            read(&[("Cargo.toml", manifest), ("src/lib.rs", "")])
                .programs
                .is_empty()
        );
        let several = "[package]\nname = \"x\"\ndefault-run = \"b\"\n[[bin]]\nname = \"a\"\n[[bin]]\nname = \"b\"\n";
        assert_eq!(read(&[("Cargo.toml", several)]).programs, ["b", "a"]);
        let workspace = [
            ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n"),
            ("crates/api/Cargo.toml", "[package]\nname = \"api\"\n"),
            ("crates/api/src/main.rs", ""),
            ("crates/lib/Cargo.toml", "[package]\nname = \"lib\"\n"),
            ("crates/lib/src/lib.rs", ""),
        ];
        assert_eq!(read(&workspace).programs, ["api"]);
    }
}
