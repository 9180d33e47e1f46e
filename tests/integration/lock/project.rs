//! A spec on a base for a single test, whose tag can be moved.

use std::fs;
use std::path::{Path, PathBuf};

use crate::registries::images::at;
use crate::support::{Outcome, Sandbox};

const PLATFORMS: &str = "platforms = [\"linux/amd64\", \"linux/arm64\"]\n";

/// A sandbox with a spec in `app`, on `BASE:latest` of the open registry, and the base's spec in `base`.
pub struct Project {
    pub sandbox: Sandbox,
    /// Repository of the base, without the registry.
    pub repository: String,
}

impl Project {
    /// Creates the project, with the base's first state pushed.
    pub fn new(repository: &str) -> Self {
        let project = Self {
            sandbox: Sandbox::new(),
            repository: repository.to_owned(),
        };
        project.push_base("1.0");
        project.sandbox.write("app/file", "the app\n");
        project.on(&[&project.base()]);
        project
    }

    /// Returns the base's reference.
    pub fn base(&self) -> String {
        format!("{}:latest", at("OPEN", &self.repository))
    }

    pub fn lock(&self) -> PathBuf {
        self.sandbox.path("app/ocitect.lock")
    }

    pub fn lock_text(&self) -> String {
        fs::read_to_string(self.lock()).unwrap()
    }

    /// Writes a spec on the first image, with files of the others; they may have `${NAME}`.
    pub fn on(&self, images: &[&str]) {
        let mut files = "{ from = \"file\", to = \"/app/\" }".to_owned();
        for (at, image) in images.iter().enumerate().skip(1) {
            files.push_str(&format!(", {{ from = \"{image}#/etc\", to = \"/copied-{at}\" }}"));
        }
        let name = at("OPEN", &format!("{}-app", self.repository));
        let image = format!("[image]\nname = \"{name}\"\nbase = \"{}\"\n{PLATFORMS}", images[0]);
        let vars = "[vars]\nVERSION = { env = \"VERSION\", default = \"latest\" }\n";
        let layer = format!("[[layers]]\nname = \"app\"\nfiles = [{files}]\n");
        self.sandbox
            .write("app/ocitect.toml", format!("format = 1\n{image}{vars}{layer}"));
    }

    /// Builds the base with packages of this version and pushes it. Returns its digest.
    pub fn push_base(&self, version: &str) -> String {
        self.write_base(version);
        self.sandbox
            .ok(&["build", "base", "--push", "-t", &self.base()])
            .digest()
    }

    /// Writes the spec of the base: a constant system, and packages of this version.
    pub fn write_base(&self, version: &str) {
        let package = |name: &str, version: &str| {
            format!("Package: {name}\nStatus: install ok installed\nVersion: {version}\n\n")
        };
        let extra = package(&format!("only-{version}"), "1");
        let status = format!("{}{}{extra}", package("libc6", version), package("dash", "5"));
        self.sandbox
            .write("base/status", status)
            .write("base/passwd", "root:x:0:0:root:/root:/bin/sh\n");
        let layer = |name: &str, to: &str, from: &str| {
            format!("[[layers]]\nname = \"{name}\"\nfiles = [{{ from = \"{from}\", to = \"{to}\" }}]\n")
        };
        let layers = [
            layer("system", "/etc/", "passwd"),
            layer("packages", "/var/lib/dpkg/", "status"),
        ];
        let image = format!("[image]\n{PLATFORMS}");
        self.sandbox
            .write("base/ocitect.toml", format!("format = 1\n{image}{}", layers.concat()));
    }

    /// Runs the binary with another cache.
    pub fn run_with_cache(&self, cache: &Path, arguments: &[&str]) -> Outcome {
        let mut command = self.sandbox.command(arguments);
        command.env("OCITECT_CACHE_DIR", cache);
        Outcome::of(command)
    }

    /// Runs the binary with an empty cache.
    pub fn run_cold(&self, arguments: &[&str]) -> Outcome {
        let cache = tempfile::tempdir().unwrap();
        self.run_with_cache(cache.path(), arguments)
    }

    pub fn plan(&self, cache: &Path) -> String {
        self.run_with_cache(cache, &["build", "app", "--print-plan"])
            .expect(0)
            .stdout
    }
}

/// Returns a lockfile with another version of facts, and a valid checksum.
pub fn with_facts_version(text: &str, version: u32) -> String {
    let text = text.replace("facts-version = ", &format!("facts-version = {version} # "));
    let lines = text.lines().map(|line| line.split(" # ").next().unwrap());
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    signed(&text)
}

/// Returns a lockfile with a valid checksum.
pub fn signed(text: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let (head, rest) = text.split_once("checksum = ").unwrap();
    let (_, body) = rest.split_once('\n').unwrap();
    let sum: String = Sha256::digest(body.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{head}checksum = \"sha256:{sum}\"\n{body}")
}
