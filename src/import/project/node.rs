//! `package.json`, with npm, pnpm or yarn.

use serde_json::Value;

use super::super::tree::ProjectTree;
use super::note::damaged;
use super::version::leading_number;
use crate::model::escape;

/// The Node.js of the base if the project needs no newer one: a version with long-term support.
const DEFAULT_NODE: u32 = 22;

/// Newer versions than this in a manifest are mistakes.
const MAX_NODE: u32 = 99;

/// Programs of start scripts that serve sources while they are written.
const DEVELOPMENT_TOOLS: [&str; 13] = [
    "nodemon",
    "ts-node",
    "tsx",
    "vite",
    "react-scripts",
    "ng",
    "vue-cli-service",
    "webpack",
    "webpack-dev-server",
    "parcel",
    "concurrently",
    "ts-node-dev",
    "bun",
];

/// Files that are started where `package.json` names none.
const USUAL_STARTS: [&str; 6] = ["server.js", "index.js", "app.js", "main.js", "server.mjs", "index.mjs"];

/// What installs the dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// npm.
    Npm,
    /// pnpm.
    Pnpm,
    /// Yarn 1, which installs for the machine that it runs on only.
    YarnClassic,
    /// Yarn 2 and later.
    Yarn,
}

impl Manager {
    /// Returns the name of its program.
    pub fn program(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pnpm => "pnpm",
            Self::YarnClassic | Self::Yarn => "yarn",
        }
    }
}

/// What starts the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeStart {
    /// Words after `node`, and which of them is the script.
    Script {
        /// The words.
        words: Vec<String>,
        /// The script.
        file: String,
    },
    /// The script `start`, which runs this program of a dependency.
    Start(String),
}

/// A Node.js project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeProject {
    /// The package's name.
    pub name: Option<String>,
    /// What installs its dependencies.
    pub manager: Manager,
    /// The lockfile, if it exists.
    pub lockfile: Option<&'static str>,
    /// What starts it; `None` for a library or a page.
    pub start: Option<NodeStart>,
    /// `true` if it needs other packages when it runs.
    pub has_dependencies: bool,
    /// `true` if it has a script `build`.
    pub has_build: bool,
    /// The Node.js version of the base.
    pub node: u32,
}

impl NodeProject {
    pub(super) fn read(tree: &ProjectTree, notes: &mut Vec<String>) -> Option<Self> {
        let manifest: Value = match serde_json::from_str(tree.text("package.json")?) {
            Ok(manifest) => manifest,
            Err(error) => {
                notes.push(damaged("package.json", &error));
                return None;
            }
        };
        if !manifest.is_object() {
            notes.push("package.json was skipped: it is not a JSON object".to_owned());
            return None;
        }
        let (manager, lockfile) = manager(&manifest, tree);
        let dependencies = manifest["dependencies"].as_object();
        Some(Self {
            name: manifest["name"]
                .as_str()
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
            manager,
            lockfile,
            start: start(&manifest, tree),
            has_dependencies: dependencies.is_some_and(|dependencies| !dependencies.is_empty()),
            has_build: manifest["scripts"]["build"].is_string(),
            node: node_version(&manifest, tree),
        })
    }

    pub(super) fn describe(&self) -> String {
        let name = self
            .name
            .as_ref()
            .map_or(String::new(), |name| format!(" {}", escape(name.as_bytes())));
        format!("package.json: Node.js package{name}, with {}", self.manager.program())
    }
}

/// The field `packageManager` takes precedence over lockfiles.
fn manager(manifest: &Value, tree: &ProjectTree) -> (Manager, Option<&'static str>) {
    let named = manifest["packageManager"].as_str().unwrap_or_default();
    let existing = |name: &'static str| tree.has_file(name).then_some(name);
    let is_berry = tree.has_file(".yarnrc.yml")
        || named
            .strip_prefix("yarn@")
            .and_then(leading_number)
            .is_some_and(|major| major > 1);
    let yarn = if is_berry { Manager::Yarn } else { Manager::YarnClassic };
    let npm_lock = existing("package-lock.json").or_else(|| existing("npm-shrinkwrap.json"));
    match named.split('@').next().unwrap_or_default() {
        "pnpm" => (Manager::Pnpm, existing("pnpm-lock.yaml")),
        "yarn" => (yarn, existing("yarn.lock")),
        "npm" => (Manager::Npm, npm_lock),
        _ if tree.has_file("pnpm-lock.yaml") => (Manager::Pnpm, Some("pnpm-lock.yaml")),
        _ if tree.has_file("yarn.lock") => (yarn, Some("yarn.lock")),
        _ => (Manager::Npm, npm_lock),
    }
}

/// The start script, else `main`, else `bin`, else a file of a usual name.
fn start(manifest: &Value, tree: &ProjectTree) -> Option<NodeStart> {
    let script = manifest["scripts"]["start"].as_str();
    if let Some(start) = script.and_then(start_script) {
        return Some(start);
    }
    let bin = manifest["bin"]
        .as_str()
        .or_else(|| manifest["bin"].as_object()?.values().next()?.as_str());
    let named = manifest["main"]
        .as_str()
        .or(bin)
        .map(|path| path.trim_start_matches("./"));
    // A library's `main` is often left at the default of `npm init`, without such a file.
    let named = named.filter(|path| is_inside(path) && (*path != "index.js" || tree.has_file(path)));
    let usual = || USUAL_STARTS.into_iter().find(|path| tree.has_file(path));
    let file = named.or_else(usual)?.to_owned();
    Some(NodeStart::Script {
        words: vec![file.clone()],
        file,
    })
}

/// What a start script runs; `None` if that is a tool for development, or needs a shell.
fn start_script(script: &str) -> Option<NodeStart> {
    if script.contains(['|', ';', '<', '>', '$', '`', '"', '\'', '\\']) {
        return None;
    }
    let last = script.rsplit("&&").next().unwrap_or_default();
    let words: Vec<&str> = last
        .split_whitespace()
        .skip_while(|word| word.contains('=') || *word == "cross-env")
        .collect();
    let (program, arguments) = words.split_first()?;
    if *program != "node" {
        return (!DEVELOPMENT_TOOLS.contains(program)).then(|| NodeStart::Start((*program).to_owned()));
    }
    // Options that take the next word are few: what ends like a script is one.
    let file = arguments
        .iter()
        .find(|word| [".js", ".mjs", ".cjs"].iter().any(|end| word.ends_with(end)));
    let file = file.or_else(|| arguments.iter().find(|word| !word.starts_with('-')))?;
    let file = file.trim_start_matches("./").to_owned();
    let words = arguments.iter().map(|word| (*word).to_owned()).collect();
    is_inside(&file).then_some(NodeStart::Script { words, file })
}

/// Returns `true` for a relative path that stays in the project.
fn is_inside(path: &str) -> bool {
    !path.is_empty() && !path.starts_with('/') && path.split('/').all(|part| part != "..")
}

/// The version that `.nvmrc`, `.node-version` or `engines` asks for.
fn node_version(manifest: &Value, tree: &ProjectTree) -> u32 {
    let files = [".nvmrc", ".node-version"].iter().find_map(|path| tree.text(path));
    let pinned = files.and_then(|text| leading_number(text.trim().trim_start_matches('v')));
    let engines = manifest["engines"]["node"].as_str().unwrap_or_default();
    // The last alternative of a range is the newest: `^20 || >=22`.
    let newest = engines.rsplit("||").next().unwrap_or_default().trim();
    let number = leading_number(newest.trim_start_matches(|character: char| !character.is_ascii_digit()));
    let wanted = match number {
        Some(number) if newest.starts_with('>') => Some(number.max(DEFAULT_NODE)),
        Some(_) if newest.starts_with('<') => None,
        other => other,
    };
    pinned
        .or(wanted)
        .filter(|version| (1..=MAX_NODE).contains(version))
        .unwrap_or(DEFAULT_NODE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::tests::projects::project;

    fn read(files: &[(&str, &str)]) -> NodeProject {
        NodeProject::read(&ProjectTree::read(project(files).path()).unwrap(), &mut Vec::new()).unwrap()
    }

    fn script(words: &[&str], file: &str) -> Option<NodeStart> {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Some(NodeStart::Script {
            words,
            file: file.to_owned(),
        })
    }

    #[test]
    fn the_start_is_the_script_then_main_then_bin_then_a_usual_name() {
        let start = |manifest: &str| read(&[("package.json", manifest), ("server.js", "")]).start;
        let expected = script(&["--enable-source-maps", "dist/main.js", "--port=1"], "dist/main.js");
        assert_eq!(
            start(r#"{"scripts":{"start":"NODE_ENV=x node --enable-source-maps dist/main.js --port=1"}}"#),
            expected
        );
        assert_eq!(
            start(r#"{"scripts":{"start":"next start"}}"#),
            Some(NodeStart::Start("next".to_owned()))
        );
        assert_eq!(
            start(r#"{"scripts":{"start":"nodemon x.js"},"main":"./lib/a.js"}"#),
            script(&["lib/a.js"], "lib/a.js")
        );
        assert_eq!(start(r#"{"bin":{"x":"bin/x.js"}}"#), script(&["bin/x.js"], "bin/x.js"));
        assert_eq!(
            start(r#"{"main":"../outside.js"}"#),
            script(&["server.js"], "server.js")
        );
        assert_eq!(
            start(r#"{"main":"index.js","scripts":{"start":"node $X"}}"#),
            script(&["server.js"], "server.js")
        );
        assert_eq!(read(&[("package.json", r#"{"scripts":{"start":"vite"}}"#)]).start, None);
    }

    #[test]
    fn the_manager_is_the_named_one_or_that_of_the_lockfile() {
        for (manifest, file, expected) in [
            ("{}", "package-lock.json", Manager::Npm),
            ("{}", "pnpm-lock.yaml", Manager::Pnpm),
            ("{}", "yarn.lock", Manager::YarnClassic),
            (r#"{"packageManager":"yarn@4.1.0"}"#, "yarn.lock", Manager::Yarn),
            (
                r#"{"packageManager":"pnpm@10.1.0"}"#,
                "package-lock.json",
                Manager::Pnpm,
            ),
        ] {
            assert_eq!(
                read(&[("package.json", manifest), (file, "")]).manager,
                expected,
                "{manifest} {file}"
            );
        }
        let berry = read(&[
            ("package.json", "{}"),
            ("yarn.lock", ""),
            (".yarnrc.yml", "nodeLinker: pnp\n"),
        ]);
        assert_eq!((berry.manager, berry.lockfile), (Manager::Yarn, Some("yarn.lock")));
    }

    #[test]
    fn the_version_is_one_that_the_project_allows() {
        for (engines, expected) in [
            (">=18", 22),
            (">=24.1", 24),
            ("^20.9.0", 20),
            ("^20 || >=22", 22),
            ("18.x", 18),
            ("<21", 22),
            ("*", 22),
        ] {
            let manifest = format!(r#"{{"engines":{{"node":"{engines}"}}}}"#);
            assert_eq!(read(&[("package.json", &manifest)]).node, expected, "{engines}");
        }
        assert_eq!(read(&[("package.json", "{}"), (".nvmrc", "v20.11.1\n")]).node, 20);
        assert_eq!(read(&[("package.json", "{}"), (".nvmrc", "lts/*\n")]).node, 22);
    }
}
