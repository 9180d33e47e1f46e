//! Python programs: wheels for each platform, and the sources or the project's own wheel.

use std::collections::BTreeSet;

use super::super::artifacts::{Artifacts, Wheel};
use super::super::draft::{Draft, Expected, Files, Layer, Start, literal, shell_word};
use super::super::layout::{Layout, default_platforms, directory_layout, expand};
use super::super::project::{Project, PythonProject, PythonStart, PythonTool};
use super::super::tree::{ProjectTree, parent};
use super::image_name::name_of;
use crate::model::Platform;

/// Where the dependencies of each platform are installed.
const DEPENDENCIES: &str = "dist/${machine}";

/// Where Python finds them in the image.
const SITE_PACKAGES: &str = "/app/site-packages";

/// The Python of the base if only wheels were found.
const DEFAULT_MINOR: u32 = 12;

/// Returns the spec of a Python program.
pub fn draft(tree: &ProjectTree, artifacts: &Artifacts, project: &Project) -> Draft {
    let python = project.python.as_ref();
    let own = own_wheels(artifacts, python);
    let layout = dependency_layout(tree);
    let has_dependencies = python.is_none_or(|python| python.has_dependencies || python.tool == PythonTool::Pip);
    let built: BTreeSet<Platform> = own.iter().filter_map(|wheel| wheel.platform()).collect();
    let platforms = match &layout {
        _ if !built.is_empty() => built.into_iter().collect(),
        Some(layout) => layout.platforms.clone(),
        None => default_platforms(),
    };
    let is_musl = own.iter().any(|wheel| wheel.is_musl()) && !own.iter().any(|wheel| !wheel.is_musl());
    let minor = python.map_or(DEFAULT_MINOR, |python| python.minor);
    let flavour = if is_musl { "alpine" } else { "slim" };
    let base = format!("docker.io/library/python:3.{minor}-{flavour}");
    let distribution = own.first().map(|wheel| wheel.distribution.as_str());
    let name = name_of(python.and_then(|python| python.name.as_deref()).or(distribution), tree);
    let origin = python.map_or("the wheels that were found", |python| python.path);
    let mut draft = Draft::new(name, origin, &base, platforms);
    draft.base_comment = vec![format!("The wheels below are for this version, Python 3.{minor}.")];
    draft.workdir = Some("/app".to_owned());
    draft.env = vec![
        ("PYTHONPATH".to_owned(), SITE_PACKAGES.to_owned()),
        ("PYTHONUNBUFFERED".to_owned(), "1".to_owned()),
    ];
    if has_dependencies {
        let install = Install {
            tool: python.map_or(PythonTool::Pip, |python| python.tool),
            minor,
            is_musl,
            target: layout.map_or(DEPENDENCIES.to_owned(), |layout| layout.from),
            wheel: wheel_glob(python, &own),
        };
        add_dependencies(&mut draft, &install);
    }
    add_program(&mut draft, python, &own, is_musl);
    set_start(&mut draft, python);
    draft
}

/// The wheels of the project itself; all of them if it is not known which these are.
fn own_wheels<'a>(artifacts: &'a Artifacts, python: Option<&PythonProject>) -> Vec<&'a Wheel> {
    let plain = |name: &str| name.to_lowercase().replace(['-', '.'], "_");
    let wanted = python.and_then(|python| python.name.as_deref()).map(plain);
    let own: Vec<&Wheel> = artifacts
        .wheels
        .iter()
        .filter(|wheel| Some(plain(&wheel.distribution)) == wanted)
        .collect();
    if !own.is_empty() || wanted.is_some() {
        return own
            .into_iter()
            .filter(|wheel| wheel.is_pure() || wheel.platform().is_some())
            .collect();
    }
    let names: BTreeSet<&str> = artifacts
        .wheels
        .iter()
        .map(|wheel| wheel.distribution.as_str())
        .collect();
    if names.len() == 1 {
        artifacts.wheels.iter().collect()
    } else {
        Vec::new()
    }
}

/// Directories of installed packages, one for each platform.
fn dependency_layout(tree: &ProjectTree) -> Option<Layout> {
    let installed: BTreeSet<&str> = tree
        .directories()
        .filter(|path| path.ends_with(".dist-info"))
        .map(parent)
        .collect();
    ["", "/site-packages"]
        .into_iter()
        .find_map(|suffix| directory_layout(suffix, |path| installed.contains(path)))
}

/// How dependencies are installed.
struct Install {
    tool: PythonTool,
    minor: u32,
    is_musl: bool,
    /// The directory of each platform, with a variable.
    target: String,
    /// The project's own wheel, as a glob of a shell.
    wheel: String,
}

impl Install {
    /// The commands for one platform.
    fn commands(&self, platform: &Platform) -> Vec<String> {
        const REQUIREMENTS: &str = "--requirement dist/requirements.txt";
        match self.tool {
            PythonTool::Uv => vec![
                "mkdir -p dist && uv export --no-dev --no-emit-project --output-file dist/requirements.txt".to_owned(),
                self.uv(platform, REQUIREMENTS),
            ],
            PythonTool::Poetry => vec![
                "mkdir -p dist && poetry export --output dist/requirements.txt".to_owned(),
                self.pip(platform, REQUIREMENTS),
            ],
            PythonTool::PipRequirements => vec![self.pip(platform, "--requirement requirements.txt")],
            PythonTool::Pip => {
                vec![
                    "python3 -m pip wheel --no-deps --wheel-dir dist .".to_owned(),
                    self.pip(platform, &self.wheel),
                ]
            }
        }
    }

    fn uv(&self, platform: &Platform, what: &str) -> String {
        let system = if self.is_musl {
            "unknown-linux-musl"
        } else {
            "manylinux2014"
        };
        format!(
            "uv pip install --target {} --only-binary :all: --python-version 3.{} --python-platform {}-{system} {what}",
            self.target(platform),
            self.minor,
            platform.machine()
        )
    }

    fn pip(&self, platform: &Platform, what: &str) -> String {
        let tag = if self.is_musl { "musllinux_1_2" } else { "manylinux2014" };
        format!(
            "python3 -m pip install --no-compile --target {} --only-binary=:all: --python-version 3.{} --platform \
             {tag}_{} {what}",
            self.target(platform),
            self.minor,
            platform.machine()
        )
    }

    fn target(&self, platform: &Platform) -> String {
        shell_word(&expand(&self.target, platform))
    }
}

fn add_dependencies(draft: &mut Draft, install: &Install) {
    let mut comment = vec!["`${machine}` is x86_64, aarch64, ... Install wheels for each platform:".to_owned()];
    if install.tool == PythonTool::Poetry {
        comment.push("(poetry export needs the plugin poetry-plugin-export.)".to_owned());
    }
    draft.layers.push(Layer {
        name: "dependencies".to_owned(),
        comment,
        commands: draft.commands(|platform| install.commands(platform)),
        files: vec![Files::new(&install.target, SITE_PACKAGES).exclude(&["**/__pycache__", "/bin"])],
        is_optional: false,
    });
    draft.expect(
        |platform| expand(&install.target, platform),
        |platform| install.commands(platform),
    );
}

/// The project's own wheel for a shell, whatever its version is.
fn wheel_glob(python: Option<&PythonProject>, own: &[&Wheel]) -> String {
    let built = own.first().map(|wheel| wheel.distribution.clone());
    let name = built.or_else(|| Some(python?.name.as_deref()?.replace(['-', '.'], "_")));
    format!("dist/{}-*.whl", name.map_or("*".to_owned(), |name| shell_word(&name)))
}

/// The project's own wheel if it is built, else its sources; nothing if pip installs it with its dependencies.
fn add_program(draft: &mut Draft, python: Option<&PythonProject>, own: &[&Wheel], is_musl: bool) {
    if python.is_some_and(|python| python.tool == PythonTool::Pip && !python.is_maturin && is_installed(python)) {
        return;
    }
    if let Some(wheel) = own.first() {
        let directory = parent(&wheel.path);
        let end = match (wheel.is_pure(), is_musl) {
            (true, _) => "*.whl".to_owned(),
            (false, true) => "*musllinux*${machine}.whl".to_owned(),
            (false, false) => "*manylinux*${machine}.whl".to_owned(),
        };
        let from = format!("{directory}/{}-{end}", wheel.distribution);
        draft.layers.push(Layer {
            name: "app".to_owned(),
            comment: vec!["The project's wheel. Only one version of it may be in the directory.".to_owned()],
            files: vec![Files {
                is_archive: true,
                ..Files::new(&from, SITE_PACKAGES)
            }],
            ..Layer::default()
        });
        return;
    }
    let Some(python) = python else { return };
    let mut files: Vec<Files> = Vec::new();
    for source in &python.sources {
        let name = source.rsplit('/').next().unwrap_or_default();
        files.push(if source.ends_with(".py") {
            Files::new(&literal(source), "/app/")
        } else {
            Files::new(&literal(source), &literal(&format!("/app/{name}"))).exclude(&["**/__pycache__"])
        });
    }
    if files.is_empty() {
        draft
            .notes
            .push("found no Python package and no script: name the sources in the layer \"app\"".to_owned());
        files.push(Files::new("src", "/app").exclude(&["**/__pycache__"]));
        draft.expected.push(Expected {
            path: "src".to_owned(),
            commands: Vec::new(),
            platform: None,
        });
    }
    draft.layers.push(Layer {
        name: "app".to_owned(),
        comment: vec!["The program itself: add whatever else it reads at run time.".to_owned()],
        files,
        ..Layer::default()
    });
}

/// Returns `true` for a project that pip installs with its dependencies, in their layer.
fn is_installed(python: &PythonProject) -> bool {
    python.name.is_some()
        && matches!(
            python.start,
            Some(PythonStart::Function { .. } | PythonStart::Module(_))
        )
}

fn set_start(draft: &mut Draft, python: Option<&PythonProject>) {
    let words = match python.and_then(|python| python.start.as_ref()) {
        Some(PythonStart::Function { module, function }) => {
            let code = format!(
                "import sys; from {module} import {}; sys.exit({function}())",
                first_part(function)
            );
            vec!["python3".to_owned(), "-c".to_owned(), code]
        }
        Some(PythonStart::Module(module)) => vec!["python3".to_owned(), "-m".to_owned(), literal(module)],
        Some(PythonStart::File(file)) => vec!["python3".to_owned(), literal(&format!("/app/{file}"))],
        None => {
            draft.start_comment = vec!["Nothing says what is started: name the module or the script here.".to_owned()];
            draft
                .notes
                .push("found no script and no package with __main__.py: set `entrypoint` in the spec".to_owned());
            vec![
                "python3".to_owned(),
                "-m".to_owned(),
                draft.name.replace(['-', '.'], "_"),
            ]
        }
    };
    if python.is_some_and(|python| python.uses_uvicorn) {
        draft.start_comment.push(
            "For an ASGI application: [\"python3\", \"-m\", \"uvicorn\", \"main:app\", \"--host\", \"0.0.0.0\"]"
                .to_owned(),
        );
    }
    draft.start = Start::Entrypoint(words);
}

fn first_part(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}
