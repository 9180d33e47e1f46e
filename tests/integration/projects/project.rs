//! A copy of a project of `testdata/projects`, on which a test does what its guide shows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::page::{Shell, Step, steps};
use crate::support::{Outcome, Sandbox, files_below, part, tool};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The image of a spec that is not static: its name there, and the base of the tests that replaces it.
pub struct Base {
    pub name: &'static str,
    pub tag: &'static str,
    pub layout: &'static str,
}

/// A project in its own sandbox. Public names are in the test registry: `docker.io/library` has the base, and
/// `ghcr.io/me` takes the image. So the spec and the commands are the user's.
pub struct Project {
    name: &'static str,
    sandbox: Sandbox,
}

impl Project {
    #[track_caller]
    pub fn new(name: &'static str, base: Option<&Base>) -> Self {
        let project = Self {
            name,
            sandbox: Sandbox::new(),
        };
        for file in committed_files(&source(name)) {
            let target = project.path(&file);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(source(name).join(&file), target).unwrap();
        }
        let registry = part("REGISTRY_OPEN");
        let table = |prefix: &str, location: &str| {
            format!("[[registry]]\nprefix = \"{prefix}\"\nlocation = \"{location}\"\ninsecure = true\n")
        };
        let mut tables = table("ghcr.io/me", &format!("{registry}/projects/{name}"));
        if let Some(base) = base {
            let repository = format!("{registry}/projects/library/{}", base.name);
            let layout = format!("oci:{}", part(base.layout));
            project
                .sandbox
                .ok(&["copy", &layout, &format!("{repository}:{}", base.tag)]);
            tables += &table(&format!("docker.io/library/{}", base.name), &repository);
        }
        project.sandbox.write("registries.conf", tables);
        project
    }

    /// Returns a path of the copy.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.sandbox.path("project").join(relative)
    }

    /// Runs the commands of a guide in the project, and compares what they print with the guide.
    #[track_caller]
    pub fn follow(&self, guide: &str) {
        let mut shell = Shell::new(&self.sandbox, self.path(""));
        shell.set("CONTAINERS_REGISTRIES_CONF", self.sandbox.path("registries.conf"));
        for step in steps(&guide_text(guide)) {
            if let Step::Run { command, .. } = &step {
                let is_ours = command.starts_with("ocitect");
                shell.set(
                    "HOME",
                    if is_ours {
                        self.sandbox.path("home")
                    } else {
                        user_home()
                    },
                );
                shell.take(&step);
            }
        }
    }

    /// Runs the project's script, which must succeed.
    #[track_caller]
    pub fn build(&self, arguments: &[&str], variables: &[(&str, &str)]) {
        let mut command = Command::new(self.path("build.sh"));
        command.args(arguments).current_dir(self.path("")).stdin(Stdio::null());
        // What cargo sets for this test must not reach another cargo.
        let of_cargo = |(name, _): &(String, String)| name.starts_with("CARGO") && name != "CARGO_HOME";
        for (name, _) in std::env::vars().filter(of_cargo) {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied());
        Outcome::of(command).expect(0);
    }

    /// Runs ocitect in the project.
    pub fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
        let mut command = self.sandbox.command(arguments);
        command
            .current_dir(self.path(""))
            .env("CONTAINERS_REGISTRIES_CONF", self.sandbox.path("registries.conf"))
            .envs(variables.iter().copied());
        Outcome::of(command)
    }

    /// Checks that the project as it is now is refused, and that no push changes its tag.
    #[track_caller]
    pub fn assert_refused(&self, image: &str, finding: &str) {
        let before = self.tagged(image);
        let refused = self.run(&["build", "--push"], &[]).expect(3).says(&[finding]);
        assert!(refused.stderr.contains("nothing was written"), "{}", refused.stderr);
        assert_eq!(self.tagged(image), before);
    }

    /// Returns the index that the tag `latest` names in the test registry.
    #[track_caller]
    fn tagged(&self, image: &str) -> String {
        let source = format!("docker://{}:latest", self.pushed(image));
        tool("skopeo", &["inspect", "--raw", "--tls-verify=false", &source])
    }

    /// Returns the repository of the test registry that stands for `ghcr.io/me/IMAGE`.
    pub fn pushed(&self, image: &str) -> String {
        format!("{}/projects/{}/{image}", part("REGISTRY_OPEN"), self.name)
    }

    /// Returns `REPOSITORY@DIGEST` of one platform of the pushed image.
    #[track_caller]
    pub fn pushed_for(&self, image: &str, architecture: &str) -> String {
        let index: Value = serde_json::from_str(&self.tagged(image)).unwrap();
        let named = |entry: &&Value| entry["platform"]["architecture"] == architecture;
        let entry = index["manifests"].as_array().unwrap().iter().find(named).unwrap();
        format!("{}@{}", self.pushed(image), entry["digest"].as_str().unwrap())
    }
}

/// Returns the directory of a project in the checkout.
pub fn source(name: &str) -> PathBuf {
    Path::new(ROOT).join("testdata/projects").join(name)
}

/// Returns the files of a project, without those that a build by hand leaves there.
pub fn committed_files(directory: &Path) -> Vec<String> {
    let made = ["build/", "dist/", "target/", "ocitect.lock"];
    let is_made = |path: &str| made.iter().any(|made| path.starts_with(made)) || path.contains("__pycache__");
    let files = files_below(directory).into_iter();
    files
        .map(|path| path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned())
        .filter(|path| !is_made(path))
        .collect()
}

/// Returns the text of a page of `docs/guides`.
pub fn guide_text(guide: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join("docs/guides").join(guide)).unwrap()
}

/// The home of the user, where npm, pip and Go have their configuration and their caches.
fn user_home() -> PathBuf {
    std::env::var_os("HOME").unwrap().into()
}

/// A pushed image for one architecture, in podman: amd64 natively, arm64 with qemu.
pub struct Container {
    reference: String,
    options: Vec<String>,
    is_foreign: bool,
}

impl Container {
    pub fn of(reference: String, architecture: &str) -> Self {
        let is_foreign = architecture == "arm64";
        let mut options = vec![
            "--network=none".to_owned(),
            "--tls-verify=false".to_owned(),
            format!("--platform=linux/{architecture}"),
        ];
        if is_foreign {
            let qemu = tool("sh", &["-c", "command -v qemu-aarch64-static"]);
            options.push(format!("--volume={}:/qemu:ro", qemu.trim()));
            options.push("--entrypoint=/qemu".to_owned());
        }
        Self {
            reference,
            options,
            is_foreign,
        }
    }

    /// Runs the image's own command with more arguments. Returns its output. `program` is that command with the path
    /// of the program, which qemu needs.
    #[track_caller]
    pub fn run(&self, program: &[&str], arguments: &[&str]) -> String {
        self.podman(&["run", "--rm", "--quiet"], program, arguments)
    }

    /// Starts the image's own command, and runs another one in the container. Returns the output of that one.
    #[track_caller]
    pub fn run_beside(&self, program: &[&str], beside: &[&str]) -> String {
        let id = self.podman(&["run", "--detach", "--quiet"], program, &[]);
        let id = id.trim();
        let qemu: &[&str] = if self.is_foreign { &["/qemu"] } else { &[] };
        let printed = tool("podman", &[&["exec", id], qemu, beside].concat());
        tool("podman", &["rm", "--force", "--time=0", id]);
        printed
    }

    #[track_caller]
    fn podman(&self, head: &[&str], program: &[&str], arguments: &[&str]) -> String {
        let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        let program = if self.is_foreign { program } else { &[] };
        tool(
            "podman",
            &[head, &options, &[&*self.reference], program, arguments].concat(),
        )
    }
}
