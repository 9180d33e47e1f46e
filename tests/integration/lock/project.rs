//! A spec on a base for a single test, whose tag can be moved.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::registries::images::at;
use crate::support::{Outcome, Sandbox};

/// The comment at the start of a lockfile of version 1.
const FIRST_HEAD: &str = "\
# The images that the spec builds on, pinned, with what a build must know of them. `ocitect lock` writes this file, and
# `ocitect update` moves the pins; it is not to be edited. Keep it in version control; `ocitect lock --show` reads it out.
";

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

    /// Returns the directory of the facts files.
    pub fn facts(&self) -> PathBuf {
        self.sandbox.path("app/ocitect.lock.d")
    }

    /// Returns the facts file of the image with this name.
    pub fn facts_file(&self, name: &str) -> PathBuf {
        let lines = lines(&self.lock_text());
        let line = lines.iter().find(|line| line.name == name).unwrap();
        let hex = line.facts.as_ref().unwrap().strip_prefix("sha256:").unwrap();
        self.facts().join(format!("{hex}.toml"))
    }

    /// Returns the content of every facts file, by its name.
    pub fn facts_texts(&self) -> BTreeMap<String, String> {
        let entries = fs::read_dir(self.facts()).into_iter().flatten();
        let text = |path: PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        };
        entries.map(|entry| text(entry.unwrap().path())).collect()
    }

    /// Replaces the facts of the image with this name, as another version of the program would write them.
    pub fn replace_facts(&self, name: &str, change: impl Fn(&str) -> String) {
        let file = self.facts_file(name);
        let text = change(&fs::read_to_string(&file).unwrap());
        let old = file.file_stem().unwrap().to_str().unwrap().to_owned();
        fs::remove_file(&file).unwrap();
        let new = sha256(&text);
        fs::write(self.facts().join(format!("{new}.toml")), text).unwrap();
        fs::write(self.lock(), self.lock_text().replace(&old, &new)).unwrap();
    }

    /// Replaces the lockfile and its facts by a lockfile of version 1 with the same pins.
    pub fn write_first_version(&self) {
        let mut body = String::new();
        for Line { name, digest, .. } in lines(&self.lock_text()) {
            let facts = fs::read_to_string(self.facts_file(&name)).unwrap();
            let (_, platforms) = facts.split_once("\n[[platform]]\n").unwrap();
            let is_index = !platforms.contains(&format!("manifest.v1+json\", digest = \"{digest}\""));
            let index = if is_index {
                format!("index = \"{digest}\"\n")
            } else {
                String::new()
            };
            let platforms = platforms.replace("[[platform]]", "[[image.platform]]");
            body.push_str(&format!(
                "\n[[image]]\nname = \"{name}\"\n{index}\n[[image.platform]]\n{platforms}"
            ));
        }
        let sum = sha256(&body);
        fs::write(
            self.lock(),
            format!("{FIRST_HEAD}version = 1\nchecksum = \"sha256:{sum}\"\n{body}"),
        )
        .unwrap();
        fs::remove_dir_all(self.facts()).unwrap();
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

/// The values of an image's line in a lockfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub name: String,
    pub digest: String,
    pub facts: Option<String>,
}

/// Returns the lines of a lockfile, which must be sorted, with one line for each image.
pub fn lines(text: &str) -> Vec<Line> {
    let lines: Vec<Line> = text.lines().filter(|line| line.starts_with("  ")).map(line).collect();
    let names: Vec<&String> = lines.iter().map(|line| &line.name).collect();
    assert!(names.is_sorted(), "{text}");
    let table: toml::Table = text.parse().unwrap();
    assert_eq!(table["images"].as_array().unwrap().len(), lines.len(), "{text}");
    lines
}

fn line(line: &str) -> Line {
    let value = |key: &str| {
        let (_, rest) = line.split_once(&format!("{key} = \""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    Line {
        name: value("name").unwrap(),
        digest: value("digest").unwrap(),
        facts: value("facts"),
    }
}

pub fn sha256(text: &str) -> String {
    use sha2::{Digest as _, Sha256};
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
