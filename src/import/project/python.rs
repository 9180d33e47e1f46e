//! `pyproject.toml` and `requirements.txt`, with uv, Poetry or pip.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::super::tree::{ProjectTree, is_result, join, parent};
use super::note::damaged;
use super::version::leading_number;
use crate::model::escape;

/// The Python of the base if the project asks for no other: 3.12, for which nearly all wheels exist.
const DEFAULT_MINOR: u32 = 12;

/// Newer versions than this in a manifest are mistakes.
const MAX_MINOR: u32 = 99;

/// Files that are started where nothing else is named.
const USUAL_STARTS: [&str; 5] = ["main.py", "app.py", "server.py", "run.py", "manage.py"];

/// Packages of the sources that are no part of the program.
const OTHER_PACKAGES: [&str; 6] = ["tests", "test", "docs", "examples", "scripts", "benchmarks"];

/// What installs the dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PythonTool {
    /// uv.
    Uv,
    /// Poetry.
    Poetry,
    /// pip, with a `requirements.txt`.
    PipRequirements,
    /// pip, with a `pyproject.toml` alone.
    Pip,
}

/// What starts the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PythonStart {
    /// A function of a module, as `[project.scripts]` names it.
    Function {
        /// The module.
        module: String,
        /// The function.
        function: String,
    },
    /// A module, by `python -m`.
    Module(String),
    /// A file.
    File(String),
}

/// A Python project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonProject {
    /// The manifest that was read.
    pub path: &'static str,
    /// The project's name.
    pub name: Option<String>,
    /// What installs its dependencies.
    pub tool: PythonTool,
    /// `true` if it needs other packages.
    pub has_dependencies: bool,
    /// What starts it.
    pub start: Option<PythonStart>,
    /// Packages and modules of the sources, as paths: `hello`, `src/hello`, `main.py`.
    pub sources: Vec<String>,
    /// The minor version of Python 3 of the base.
    pub minor: u32,
    /// `true` if it is an application of an ASGI server that is among its dependencies.
    pub uses_uvicorn: bool,
    /// `true` if its wheels contain compiled Rust (maturin).
    pub is_maturin: bool,
}

impl PythonProject {
    pub(super) fn read(tree: &ProjectTree, notes: &mut Vec<String>) -> Option<Self> {
        let requirements = tree.text("requirements.txt");
        let manifest: Option<Table> = tree.text("pyproject.toml").and_then(|text| match text.parse() {
            Ok(manifest) => Some(manifest),
            Err(error) => {
                notes.push(damaged("pyproject.toml", &error));
                None
            }
        });
        // Many projects keep the settings of linters in a pyproject.toml, and nothing else.
        let manifest = manifest.filter(|manifest| table(manifest, &["project"]).or(poetry(manifest)).is_some());
        if manifest.is_none() && requirements.is_none() {
            return None;
        }
        let path = if manifest.is_some() {
            "pyproject.toml"
        } else {
            "requirements.txt"
        };
        let manifest = manifest.unwrap_or_default();
        let needs = dependencies(&manifest, requirements);
        let sources = sources(tree);
        Some(Self {
            path,
            name: text(&manifest, &["project", "name"]).or(text(&manifest, &["tool", "poetry", "name"])),
            tool: tool(&manifest, tree),
            has_dependencies: !needs.is_empty(),
            start: start(&manifest, tree, &sources),
            sources,
            minor: minor(&manifest, tree),
            uses_uvicorn: needs
                .iter()
                .any(|need| need.starts_with("uvicorn") || need.starts_with("fastapi")),
            is_maturin: text(&manifest, &["build-system", "build-backend"]).as_deref() == Some("maturin"),
        })
    }

    pub(super) fn describe(&self) -> String {
        let name = self
            .name
            .as_ref()
            .map_or(String::new(), |name| format!(" {}", escape(name.as_bytes())));
        let tool = match self.tool {
            PythonTool::Uv => "uv",
            PythonTool::Poetry => "Poetry",
            PythonTool::PipRequirements | PythonTool::Pip => "pip",
        };
        format!(
            "{}: Python project{name}, with {tool}, Python 3.{}",
            self.path, self.minor
        )
    }
}

fn value<'a>(manifest: &'a Table, keys: &[&str]) -> Option<&'a Value> {
    let (first, rest) = keys.split_first()?;
    rest.iter()
        .try_fold(manifest.get(*first)?, |value, key| value.get(*key))
}

fn text(manifest: &Table, keys: &[&str]) -> Option<String> {
    value(manifest, keys)?
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

fn table<'a>(manifest: &'a Table, keys: &[&str]) -> Option<&'a Table> {
    value(manifest, keys)?.as_table()
}

fn poetry(manifest: &Table) -> Option<&Table> {
    table(manifest, &["tool", "poetry"])
}

fn tool(manifest: &Table, tree: &ProjectTree) -> PythonTool {
    if tree.has_file("uv.lock") || table(manifest, &["tool", "uv"]).is_some() {
        PythonTool::Uv
    } else if tree.has_file("poetry.lock") || poetry(manifest).is_some() {
        PythonTool::Poetry
    } else if tree.has_file("requirements.txt") {
        PythonTool::PipRequirements
    } else {
        PythonTool::Pip
    }
}

/// The names of the packages that it needs, in lower case, with whatever follows them.
fn dependencies(manifest: &Table, requirements: Option<&str>) -> Vec<String> {
    let declared = value(manifest, &["project", "dependencies"]).and_then(Value::as_array);
    let declared = declared
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_lowercase);
    let of_poetry = table(manifest, &["tool", "poetry", "dependencies"])
        .into_iter()
        .flat_map(Table::keys);
    let of_poetry = of_poetry
        .filter(|name| *name != "python")
        .map(|name| name.to_lowercase());
    let lines = requirements.unwrap_or_default().lines().map(str::trim);
    let listed = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_lowercase);
    declared.chain(of_poetry).chain(listed).collect()
}

/// Packages at the top or in `src`; else modules at the top.
fn sources(tree: &ProjectTree) -> Vec<String> {
    let is_package = |path: &&str| {
        ["__init__.py", "__main__.py"]
            .iter()
            .any(|name| tree.has_file(&join(path, name)))
    };
    let name_of = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let is_own = |path: &&str| !OTHER_PACKAGES.contains(&name_of(path).as_str()) && !is_result(&format!("{path}/"));
    let below = |directory: &'static str| {
        let found = tree
            .directories()
            .filter(move |path| parent(path) == directory)
            .filter(is_package);
        found.filter(is_own).map(str::to_owned).collect::<Vec<_>>()
    };
    let packages = [below("src"), below("")].concat();
    let modules = tree
        .files()
        .filter(|path| parent(path).is_empty() && path.ends_with(".py"));
    let modules = modules.filter(|path| !["setup.py", "conftest.py", "noxfile.py"].contains(path));
    // A script beside packages imports them.
    let starts: Vec<String> = modules.map(str::to_owned).collect();
    let sources: BTreeSet<String> = packages.into_iter().chain(starts).collect();
    sources.into_iter().collect()
}

/// `[project.scripts]`, then a package that `python -m` starts, then a file of a usual name.
fn start(manifest: &Table, tree: &ProjectTree, sources: &[String]) -> Option<PythonStart> {
    let name = text(manifest, &["project", "name"]).or(text(manifest, &["tool", "poetry", "name"]));
    let scripts = table(manifest, &["project", "scripts"]).or(table(manifest, &["tool", "poetry", "scripts"]));
    if let Some(scripts) = scripts {
        let named = name
            .and_then(|name| scripts.get(&name))
            .or_else(|| scripts.values().next());
        if let Some((module, function)) = named.and_then(Value::as_str).and_then(|text| text.split_once(':'))
            && is_dotted_name(module)
            && is_dotted_name(function)
        {
            return Some(PythonStart::Function {
                module: module.to_owned(),
                function: function.to_owned(),
            });
        }
    }
    let module = sources.iter().find(|path| tree.has_file(&join(path, "__main__.py")));
    if let Some(module) = module {
        return Some(PythonStart::Module(
            module.rsplit('/').next().unwrap_or_default().to_owned(),
        ));
    }
    let usual = USUAL_STARTS
        .into_iter()
        .find(|path| tree.has_file(path))
        .map(str::to_owned);
    let only = || {
        sources
            .iter()
            .find(|path| path.ends_with(".py"))
            .filter(|_| sources.len() == 1)
            .cloned()
    };
    usual.or_else(only).map(PythonStart::File)
}

/// Returns `true` for names of Python with dots between them, which are safe in a line of code.
fn is_dotted_name(text: &str) -> bool {
    let is_name = |part: &str| {
        !part.is_empty()
            && !part.starts_with(|character: char| character.is_ascii_digit())
            && part
                .chars()
                .all(|character| character.is_alphanumeric() || character == '_')
    };
    text.split('.').all(is_name)
}

/// The version nearest to the default that the project allows.
fn minor(manifest: &Table, tree: &ProjectTree) -> u32 {
    let pinned = tree.text(".python-version").and_then(|text| minor_of(text.trim()));
    if let Some(pinned) = pinned {
        return pinned;
    }
    let range = text(manifest, &["project", "requires-python"])
        .or_else(|| text(manifest, &["tool", "poetry", "dependencies", "python"]))
        .unwrap_or_default();
    let mut first = 0;
    let mut last = MAX_MINOR;
    for clause in range.split(',').map(str::trim) {
        let version = clause.trim_start_matches(|character: char| !character.is_ascii_digit());
        let Some(minor) = minor_of(version) else { continue };
        match clause.trim_end_matches(version).trim() {
            ">=" | ">" | "^" => first = first.max(minor),
            // `~=3.10` allows 3.11; `~3.10` of Poetry and `~=3.10.1` do not.
            "~=" if version.matches('.').count() == 1 => first = first.max(minor),
            "<=" => last = last.min(minor),
            "<" => last = last.min(minor.saturating_sub(1)),
            "!=" => {}
            _ => return minor,
        }
    }
    DEFAULT_MINOR.min(last).max(first)
}

/// The minor version in `3.12.1`.
fn minor_of(version: &str) -> Option<u32> {
    let minor = leading_number(version.strip_prefix("3.")?)?;
    (minor <= MAX_MINOR).then_some(minor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::tests::projects::project;

    fn read(files: &[(&str, &str)]) -> Option<PythonProject> {
        PythonProject::read(&ProjectTree::read(project(files).path()).unwrap(), &mut Vec::new())
    }

    fn of(manifest: &str) -> PythonProject {
        read(&[("pyproject.toml", manifest)]).unwrap()
    }

    #[test]
    fn the_version_is_the_nearest_that_is_allowed() {
        for (range, expected) in [
            (">=3.9", 12),
            (">=3.13", 13),
            (">=3.9,<3.12", 11),
            ("~=3.10", 12),
            ("~=3.10.1", 10),
            ("==3.11.*", 11),
            (">=3.8, !=3.9.1, <4", 12),
            ("", 12),
        ] {
            assert_eq!(
                of(&format!("[project]\nname = \"x\"\nrequires-python = \"{range}\"\n")).minor,
                expected,
                "{range}"
            );
        }
        assert_eq!(
            of("[tool.poetry]\nname = \"x\"\n[tool.poetry.dependencies]\npython = \"^3.13\"\n").minor,
            13
        );
        let pinned = read(&[("requirements.txt", ""), (".python-version", "3.11\n")]).unwrap();
        assert_eq!(pinned.minor, 11);
    }

    #[test]
    fn tools_are_known_by_their_files() {
        let manifest = "[project]\nname = \"x\"\ndependencies = [\"FastAPI>=0.1\"]\n";
        let tool = |file: &str| read(&[("pyproject.toml", manifest), (file, "")]).unwrap().tool;
        assert_eq!(tool("uv.lock"), PythonTool::Uv);
        assert_eq!(tool("poetry.lock"), PythonTool::Poetry);
        assert_eq!(tool("requirements.txt"), PythonTool::PipRequirements);
        assert_eq!(tool("README"), PythonTool::Pip);
        let found = of(manifest);
        assert!(found.has_dependencies && found.uses_uvicorn);
        assert!(!of("[tool.poetry]\nname = \"x\"\n[tool.poetry.dependencies]\npython = \"^3.9\"\n").has_dependencies);
        assert_eq!(read(&[("pyproject.toml", "[tool.ruff]\nline-length = 100\n")]), None);
    }

    #[test]
    fn the_start_is_a_script_then_a_module_then_a_file() {
        let scripts = of("[project]\nname = \"x\"\n[project.scripts]\na = \"pkg.a:main\"\nx = \"pkg.x:run\"\n");
        let expected = PythonStart::Function {
            module: "pkg.x".to_owned(),
            function: "run".to_owned(),
        };
        assert_eq!(scripts.start, Some(expected));
        let files = [
            ("requirements.txt", "x\n"),
            ("src/hello/__main__.py", ""),
            ("main.py", ""),
            ("tests/__init__.py", ""),
        ];
        let found = read(&files).unwrap();
        assert_eq!(found.start, Some(PythonStart::Module("hello".to_owned())));
        assert_eq!(found.sources, ["main.py", "src/hello"]);
        let found = read(&[("requirements.txt", "x\n"), ("app.py", ""), ("setup.py", "")]).unwrap();
        assert_eq!(
            (found.start, found.sources),
            (Some(PythonStart::File("app.py".to_owned())), vec!["app.py".to_owned()])
        );
        let odd = of("[project]\nname = \"x\"\n[project.scripts]\nx = \"a;import os:main()\"\n");
        assert_eq!(odd.start, None);
    }
}
