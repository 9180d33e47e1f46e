//! Node.js programs: dependencies for each platform, and the sources.

use std::collections::BTreeMap;

use super::super::draft::{Draft, Expected, Files, Layer, Start, User, literal, shell_word};
use super::super::layout::{Layout, default_platforms, directory_layout, expand};
use super::super::project::{Manager, NodeProject, NodeStart, Project};
use super::super::tree::{ProjectTree, is_result, parent};
use super::image_name::name_of;
use crate::model::Platform;

/// Directories that programs read at run time, if they exist.
const RUNTIME_DIRECTORIES: [&str; 10] = [
    "config",
    "lib",
    "locales",
    "middleware",
    "models",
    "public",
    "routes",
    "src",
    "static",
    "views",
];

/// Directories of frameworks and compilers.
const BUILT_DIRECTORIES: [&str; 3] = [".next", "dist", "build"];

/// Where the dependencies of each platform are installed.
const DEPENDENCIES: &str = "dist/${node_arch}/node_modules";

/// Returns the spec of a Node.js program.
pub fn draft(tree: &ProjectTree, project: &Project) -> Draft {
    let Some(node) = &project.node else {
        return Draft::new("app".to_owned(), "", "scratch", default_platforms());
    };
    let layout = directory_layout("/node_modules", |path| tree.has_directory(path));
    let layout = layout.unwrap_or_else(|| Layout {
        from: DEPENDENCIES.to_owned(),
        platforms: default_platforms(),
        paths: BTreeMap::new(),
    });
    let platforms = if node.has_dependencies {
        layout.platforms.clone()
    } else {
        default_platforms()
    };
    let base = format!("docker.io/library/node:{}-slim", node.node);
    let mut draft = Draft::new(name_of(node.name.as_deref(), tree), "package.json", &base, platforms);
    draft.user = User::OfBase("node");
    draft.workdir = Some("/app".to_owned());
    draft.env = vec![("NODE_ENV".to_owned(), "production".to_owned())];
    if node.has_dependencies {
        add_dependencies(&mut draft, node, &layout);
    }
    add_sources(&mut draft, node, tree, &layout);
    set_start(&mut draft, node);
    draft
}

fn add_dependencies(draft: &mut Draft, node: &NodeProject, layout: &Layout) {
    let commands = |platform: &Platform| install_commands(node, &expand(&layout.from, platform), platform);
    let files = Files::new(&layout.from, "/app/node_modules").exclude(state_files(node.manager));
    let mut comment = vec!["`${node_arch}` is x64, arm64, ... Install the dependencies for each platform:".to_owned()];
    if node.manager == Manager::YarnClassic {
        comment = vec![
            "Yarn 1 installs for the machine that it runs on: run this on a machine of each architecture, and copy the \
             directories together. npm, pnpm and Yarn 4 install for other architectures, too."
                .to_owned(),
        ];
    }
    draft.layers.push(Layer {
        name: "dependencies".to_owned(),
        comment,
        commands: draft.commands(commands),
        files: vec![files],
        is_optional: false,
    });
    draft.expect(|platform| expand(&layout.from, platform), commands);
}

/// The notes of a manager about its own work, which no program reads. Some contain the time of the installation.
fn state_files(manager: Manager) -> &'static [&'static str] {
    match manager {
        Manager::Npm => &["/.package-lock.json"],
        Manager::Pnpm => &["/.modules.yaml", "/.pnpm-workspace-state*"],
        Manager::YarnClassic => &["/.yarn-integrity"],
        Manager::Yarn => &["/.yarn-state.yml"],
    }
}

/// The commands that install into the parent of a `node_modules`.
fn install_commands(node: &NodeProject, modules: &str, platform: &Platform) -> Vec<String> {
    let directory = shell_word(parent(modules));
    let cpu = platform.node_arch();
    let lockfile = node.lockfile;
    let copied: Vec<&str> = ["package.json"].into_iter().chain(lockfile).collect();
    let copy = format!("mkdir -p {directory} && cp {} {directory}/", copied.join(" "));
    match node.manager {
        Manager::Npm => {
            let verb = if lockfile.is_some() { "ci" } else { "install" };
            let options = format!("--omit=dev --os=linux --cpu={cpu} --libc=glibc");
            vec![copy, format!("npm {verb} --prefix {directory} {options}")]
        }
        Manager::Pnpm => {
            let frozen = if lockfile.is_some() { "--frozen-lockfile " } else { "" };
            let options = format!("--prod {frozen}--ignore-workspace --os=linux --cpu={cpu} --libc=glibc");
            vec![copy, format!("pnpm install --dir {directory} {options}")]
        }
        Manager::YarnClassic => {
            vec![format!(
                "yarn install --production --frozen-lockfile --modules-folder {}",
                shell_word(modules)
            )]
        }
        Manager::Yarn => {
            let copy = format!(
                "mkdir -p {directory} && cp -r {} .yarnrc.yml {directory}/",
                copied.join(" ")
            );
            let set =
                |key: &str, value: &str| format!("yarn config set supportedArchitectures.{key} --json '[\"{value}\"]'");
            let settings = [set("os", "linux"), set("cpu", cpu), set("libc", "glibc")].join(" && ");
            let install = "yarn config set nodeLinker node-modules && yarn workspaces focus --production";
            vec![copy, format!("(cd {directory} && {settings} && {install})")]
        }
    }
}

/// `package.json`, what is started, and the directories that are usually read.
fn add_sources(draft: &mut Draft, node: &NodeProject, tree: &ProjectTree, layout: &Layout) {
    let mut files = vec![Files::new("package.json", "/app/")];
    let build: Vec<String> = node
        .has_build
        .then(|| format!("{} run build", node.manager.program()))
        .into_iter()
        .collect();
    let start = started_file(node);
    if let Some(file) = start {
        if !file.contains('/') {
            files.push(Files::new(&literal(file), "/app/"));
        }
        let commands = if is_result(file) { build.clone() } else { Vec::new() };
        draft.expected.push(Expected {
            path: file.to_owned(),
            commands,
            platform: None,
        });
    }
    // The directory of results may hold the dependencies of every platform, too.
    let root = layout.from.split('/').next().unwrap_or_default();
    let installed: Vec<String> = draft
        .platforms
        .iter()
        .map(|platform| excluded(&expand(&layout.from, platform)))
        .collect();
    let installed: Vec<&str> = installed.iter().map(String::as_str).collect();
    for directory in source_directories(start, tree, root) {
        let entry = Files::new(&literal(&directory), &literal(&format!("/app/{directory}")));
        files.push(if node.has_dependencies && root == directory {
            entry.exclude(&installed)
        } else {
            entry
        });
    }
    let mut comment = vec!["The program itself: add whatever else it reads at run time.".to_owned()];
    if node.has_build {
        comment.push("Build it first:".to_owned());
    }
    draft.layers.push(Layer {
        name: "app".to_owned(),
        comment,
        commands: build,
        files,
        is_optional: false,
    });
}

/// The script that is started, if a dependency does not start it.
fn started_file(node: &NodeProject) -> Option<&str> {
    match &node.start {
        Some(NodeStart::Script { file, .. }) => Some(file),
        Some(NodeStart::Start(_)) | None => None,
    }
}

/// The directory of the script that is started, and those that exist and are usually read. `root` is the directory of
/// results that dependencies are installed in.
fn source_directories(start: Option<&str>, tree: &ProjectTree, root: &str) -> Vec<String> {
    let own = start
        .and_then(|file| file.split_once('/'))
        .map(|(directory, _)| directory.to_owned());
    let is_built = start.is_some_and(is_result);
    let is_used = |name: &str| match name {
        "src" | "lib" => !is_built,
        // Without a script of its own, a dependency runs what was built.
        "dist" | "build" => start.is_none() && (name != root || has_own_files(tree, name)),
        _ => true,
    };
    let usual = RUNTIME_DIRECTORIES.into_iter().chain(BUILT_DIRECTORIES);
    let usual = usual.filter(|name| is_used(name) && tree.has_directory(name) && own.as_deref() != Some(*name));
    let usual: Vec<String> = usual.map(str::to_owned).collect();
    own.into_iter().chain(usual).collect()
}

/// The pattern for a platform's directory: `/x64` of `dist/x64/node_modules`.
fn excluded(modules: &str) -> String {
    let below = modules.split_once('/').map_or(modules, |(_, below)| below);
    format!("/{}", below.split('/').next().unwrap_or_default())
}

/// Returns `true` if a directory has files of its own beside those of platforms.
fn has_own_files(tree: &ProjectTree, directory: &str) -> bool {
    tree.files().any(|path| parent(path) == directory)
}

fn set_start(draft: &mut Draft, node: &NodeProject) {
    draft.start = match &node.start {
        Some(NodeStart::Script { words, .. }) => {
            let words = words.iter().map(|word| literal(word.trim_start_matches("./")));
            Start::Command(["node".to_owned()].into_iter().chain(words).collect())
        }
        Some(NodeStart::Start(program)) => {
            draft.start_comment = vec![format!(
                "The script `start` of package.json runs {program}. Starting it by node directly passes signals on."
            )];
            Start::Command(vec!["npm".to_owned(), "start".to_owned()])
        }
        None => {
            draft.start_comment =
                vec!["package.json names no start script and no `main`: name the script that starts here.".to_owned()];
            draft
                .notes
                .push("package.json does not say what is started: set `cmd` in the spec".to_owned());
            Start::Command(vec!["node".to_owned(), "server.js".to_owned()])
        }
    };
}
