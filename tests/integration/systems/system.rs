//! A system, assembled as its README.md describes, in which a test may break one thing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::{Layout, Outcome, Sandbox, part, tool};

/// The sources and the prebuilt files, in their own sandbox.
pub struct System {
    pub sandbox: Sandbox,
    /// Values of variables, by their names.
    sets: BTreeMap<&'static str, String>,
}

impl System {
    /// Returns the Node system, on the Node base.
    pub fn eliza() -> Self {
        static LAID_OUT: OnceLock<PathBuf> = OnceLock::new();
        Self::copy(LAID_OUT.get_or_init(|| lay_out("eliza"))).on("REAL_NODE")
    }

    /// Returns the Python system, on the Python base.
    pub fn agent_runner() -> Self {
        static LAID_OUT: OnceLock<PathBuf> = OnceLock::new();
        Self::copy(LAID_OUT.get_or_init(|| lay_out("agent-runner"))).on("REAL_PYTHON")
    }

    /// Returns the workspace of agents, on the Python base.
    pub fn ai_system() -> Self {
        static LAID_OUT: OnceLock<PathBuf> = OnceLock::new();
        Self::copy(LAID_OUT.get_or_init(|| lay_out("ai-system"))).on("REAL_PYTHON")
    }

    /// Returns the workspace of an API, a backend and twenty servers, on the Node base and the one with musl.
    pub fn workstation() -> Self {
        static LAID_OUT: OnceLock<PathBuf> = OnceLock::new();
        Self::copy(LAID_OUT.get_or_init(|| lay_out("workstation")))
            .set("NODE", format!("oci:{}", part("REAL_NODE")))
            .set("ALPINE", format!("oci:{}", part("REAL_MUSL")))
    }

    /// Copies all files: a hardlink that another test creates or removes would change the file's inode while it is
    /// packed here.
    fn copy(laid_out: &Path) -> Self {
        let system = Self {
            sandbox: Sandbox::new(),
            sets: BTreeMap::new(),
        };
        tool("cp", &[Path::new("-a"), laid_out, &system.sandbox.path("system")]);
        system
    }

    /// Replaces the base: `REAL_MUSL`, `BASE`.
    pub fn on(self, base: &str) -> Self {
        self.set("BASE", format!("oci:{}", part(base)))
    }

    /// Sets a variable of the specs in all runs.
    pub fn set(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.sets.insert(name, value.into());
        self
    }

    /// Returns a path of the system.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.sandbox.path("system").join(relative)
    }

    /// Returns the text of a file.
    #[track_caller]
    pub fn read(&self, relative: &str) -> String {
        fs::read_to_string(self.path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
    }

    /// Replaces a file; its mode is kept.
    #[track_caller]
    pub fn write(&self, relative: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mode = fs::metadata(&path).map_or(0o644, |metadata| metadata.permissions().mode());
        let _ = fs::remove_file(&path);
        fs::write(&path, content).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    /// Replaces a text that the file must have once.
    #[track_caller]
    pub fn edit(&self, relative: &str, from: &str, to: &str) -> &Self {
        let text = self.read(relative);
        assert_eq!(text.matches(from).count(), 1, "{from:?} in {relative}");
        self.write(relative, text.replace(from, to))
    }

    /// Removes a file, a symlink, or a directory with its content.
    #[track_caller]
    pub fn remove(&self, relative: &str) -> &Self {
        let path = self.path(relative);
        let metadata = fs::symlink_metadata(&path).unwrap_or_else(|error| panic!("{relative}: {error}"));
        if metadata.is_dir() {
            fs::remove_dir_all(path).unwrap()
        } else {
            fs::remove_file(path).unwrap()
        }
        self
    }

    /// Replaces a path by a symlink.
    #[track_caller]
    pub fn link(&self, relative: &str, target: &str) -> &Self {
        if fs::symlink_metadata(self.path(relative)).is_ok() {
            self.remove(relative);
        }
        fs::create_dir_all(self.path(relative).parent().unwrap()).unwrap();
        symlink(target, self.path(relative)).unwrap();
        self
    }

    /// Replaces a path by a file or a directory of the fetched artifacts (`npm/rollup@4.68.2`).
    #[track_caller]
    pub fn put(&self, artifact: &str, relative: &str) -> &Self {
        if fs::symlink_metadata(self.path(relative)).is_ok() {
            self.remove(relative);
        }
        fs::create_dir_all(self.path(relative).parent().unwrap()).unwrap();
        let source = Path::new(&part("ARTIFACTS")).join(artifact);
        tool("cp", &[Path::new("-a"), &source, &self.path(relative)]);
        self
    }

    /// Runs `ocitect COMMAND` for the system, with its bases and these arguments. A layout or archive with a relative
    /// name is written beside the system.
    pub fn run(&self, command: &str, arguments: &[&str]) -> Outcome {
        let sets: Vec<String> = self
            .sets
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut all = vec![command, "system", "--progress", "none"];
        all.extend(sets.iter().flat_map(|set| ["--set", set]));
        all.extend(arguments);
        let mut command = self.sandbox.command(&all);
        command.env("OCITECT_CACHE_DIR", facts_of_bases());
        Outcome::of(command)
    }

    /// Builds for one registry and into the layout `image`, which must succeed.
    #[track_caller]
    pub fn publish(self, repository: &str) -> Published {
        let name = format!("{}/{repository}", part("REGISTRY_OPEN"));
        let reference = format!("{name}:1");
        let outcome = self
            .run("build", &["-o", "oci:image", "--push", "-t", &reference])
            .expect(0);
        Published {
            name,
            digest: outcome.digest(),
            layout: self.sandbox.layout("image"),
            _system: self,
        }
    }
}

/// A system's image, with the tag `1`, in a registry and in a layout.
pub struct Published {
    name: String,
    digest: String,
    pub layout: Layout,
    _system: System,
}

impl Published {
    /// Returns the manifest of a platform.
    pub fn manifest(&self, platform: &str) -> Value {
        self.layout.manifest("1", platform)
    }

    /// Returns the config of a platform.
    pub fn config(&self, platform: &str) -> Value {
        self.layout.config("1", platform)
    }

    /// Returns the registry's image for a platform: `NAME@DIGEST` of the manifest.
    #[track_caller]
    pub fn reference(&self, platform: &str) -> String {
        let source = format!("docker://{}@{}", self.name, self.digest);
        let index: Value = serde_json::from_str(&skopeo(&["inspect", "--raw", &source])).unwrap();
        let (_, architecture) = platform.split_once('/').unwrap();
        let named = |entry: &&Value| entry["platform"]["architecture"] == architecture;
        let entry = index["manifests"].as_array().unwrap().iter().find(named).unwrap();
        format!("{}@{}", self.name, entry["digest"].as_str().unwrap())
    }

    /// Checks that the tag in the registry names what the build printed and what the layout has.
    #[track_caller]
    pub fn assert_same_everywhere(&self) {
        let source = format!("docker://{}:1", self.name);
        assert_eq!(
            skopeo(&["inspect", "--format={{.Digest}}", &source]).trim(),
            self.digest
        );
        assert_eq!(self.layout.index()["manifests"][0]["digest"], self.digest);
    }
}

/// Checks that nothing was ever written to this repository.
#[track_caller]
pub fn assert_untouched(repository: &str) {
    let storage = Path::new(&part("REGISTRY_OPEN_STORAGE"))
        .join("docker/registry/v2/repositories")
        .join(repository);
    assert!(!storage.exists(), "{}", storage.display());
}

fn skopeo(arguments: &[&str]) -> String {
    tool("skopeo", &[arguments, &["--tls-verify=false"]].concat())
}

/// Returns the cache of all systems, so that the facts of a base are read once; it is removed with the test environment.
fn facts_of_bases() -> &'static Path {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    CACHE.get_or_init(|| tempfile::tempdir().unwrap().keep())
}

/// Assembles the system once for all tests; it is removed with the test environment.
fn lay_out(name: &str) -> PathBuf {
    let directory = tempfile::tempdir().unwrap().keep().join(name);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/lay_out_systems.py");
    tool(script, &[Path::new(name), &directory]);
    directory
}

#[test]
fn what_a_test_breaks_stays_its_own() {
    let rollup = "dist/x64/node_modules/.pnpm/rollup@4.68.2/node_modules/rollup/package.json";
    let broken = System::eliza();
    broken
        .write(rollup, "{")
        .edit("package.json", "\"rollup\": \"4.68.2\"", "\"rollup\": \"4.68.2\",")
        .remove("dist/arm64/agent")
        .link("dist/x64/node_modules/rollup", "/nowhere")
        .put(
            "npm/@rollup+rollup-linux-arm64-gnu@4.68.2",
            "dist/x64/node_modules/.pnpm/esbuild@0.28.2",
        );
    assert_eq!(broken.read(rollup), "{");
    assert!(
        broken
            .read("dist/x64/node_modules/.pnpm/esbuild@0.28.2/package.json")
            .contains("rollup-linux-arm64-gnu")
    );
    let whole = System::eliza();
    let artifact = Path::new(&part("ARTIFACTS")).join("npm/rollup@4.68.2/package.json");
    assert_eq!(whole.read(rollup), fs::read_to_string(artifact).unwrap());
    assert_eq!(whole.read("dist/x64/package.json"), whole.read("package.json"));
    for path in [
        "dist/arm64/agent/src/index.js",
        "dist/x64/node_modules/rollup/package.json",
    ] {
        assert!(whole.path(path).is_file(), "{path}");
    }
}
