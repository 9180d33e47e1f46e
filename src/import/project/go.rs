//! `go.mod`.

use std::collections::BTreeSet;

use super::super::tree::{ProjectTree, parent};

/// A Go module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoProject {
    /// The module's path.
    pub module: String,
    /// The programs: name and package, such as `server` and `./cmd/server`.
    pub programs: Vec<(String, String)>,
}

impl GoProject {
    pub(super) fn read(tree: &ProjectTree) -> Option<Self> {
        let module = tree
            .text("go.mod")?
            .lines()
            .find_map(|line| line.trim().strip_prefix("module "))?;
        let module = module
            .split("//")
            .next()
            .unwrap_or_default()
            .trim()
            .trim_matches('"')
            .to_owned();
        let name = module_name(&module);
        let has_source = |directory: &str| {
            tree.files()
                .any(|path| parent(path) == directory && path.ends_with(".go") && !path.ends_with("_test.go"))
        };
        let commands: BTreeSet<&str> = tree.directories().filter(|path| parent(path) == "cmd").collect();
        let mut programs: Vec<(String, String)> = Vec::new();
        if tree.has_file("main.go") {
            programs.push((name.clone(), ".".to_owned()));
        }
        for directory in commands.into_iter().filter(|directory| has_source(directory)) {
            programs.push((directory["cmd/".len()..].to_owned(), format!("./{directory}")));
        }
        if programs.is_empty() && has_source("cmd") {
            programs.push((name.clone(), "./cmd".to_owned()));
        }
        if programs.is_empty() {
            programs.push((name, ".".to_owned()));
        }
        Some(Self { module, programs })
    }

    pub(super) fn describe(&self) -> String {
        format!("go.mod: Go module {}", crate::model::escape(self.module.as_bytes()))
    }
}

/// The name of a module's program, as `go build` chooses it: the last part that is no major version.
fn module_name(module: &str) -> String {
    let is_version = |part: &str| {
        part.strip_prefix('v')
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let part = module.rsplit('/').find(|part| !part.is_empty() && !is_version(part));
    part.unwrap_or("app").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::tests::projects::project;

    fn read(files: &[(&str, &str)]) -> Option<GoProject> {
        GoProject::read(&ProjectTree::read(project(files).path()).unwrap())
    }

    #[test]
    fn programs_are_in_the_module_or_below_cmd() {
        let go = read(&[
            ("go.mod", "// x\nmodule example.com/me/server/v2 // y\n\ngo 1.24\n"),
            ("main.go", ""),
        ])
        .unwrap();
        assert_eq!(go.module, "example.com/me/server/v2");
        assert_eq!(go.programs, [("server".to_owned(), ".".to_owned())]);
        let go = read(&[
            ("go.mod", "module x\n"),
            ("cmd/api/main.go", ""),
            ("cmd/docs/a.md", ""),
            ("cmd/w/w.go", ""),
        ]);
        let packages: Vec<String> = go.unwrap().programs.into_iter().map(|(_, package)| package).collect();
        assert_eq!(packages, ["./cmd/api", "./cmd/w"]);
        assert_eq!(read(&[("go.mod", "go 1.24\n")]), None);
    }
}
