//! `ocitect init`: a first spec for projects of each kind, which `check` and `build` accept.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use serde_json::Value;

use crate::support::{Outcome, Sandbox, part, tool};

const HELLO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/hello/bin");

/// The user and group `nobody`.
const NOBODY: u32 = 65534;

fn hello(architecture: &str) -> Vec<u8> {
    fs::read(Path::new(HELLO).join(architecture).join("hello")).unwrap()
}

/// Runs `ocitect init`, which must succeed. Returns the spec and the output.
#[track_caller]
fn init(sandbox: &Sandbox) -> (String, Outcome) {
    let outcome = sandbox.ok(&["init", "--offline"]);
    (fs::read_to_string(sandbox.path("ocitect.toml")).unwrap(), outcome)
}

/// Writes the spec again with a base that needs no network, and returns its name.
fn with_base(sandbox: &Sandbox, base: &str) -> &'static str {
    let text = fs::read_to_string(sandbox.path("ocitect.toml")).unwrap();
    let replaced = |line: &str| {
        line.starts_with("base = ")
            .then(|| format!("base = \"oci:{}\"\n", part(base)))
    };
    let lines = text
        .lines()
        .map(|line| replaced(line).unwrap_or_else(|| format!("{line}\n")));
    sandbox.write("local.toml", lines.collect::<String>());
    "local.toml"
}

/// Returns the output of `build --print-plan`.
#[track_caller]
fn plan(sandbox: &Sandbox) -> String {
    sandbox
        .ok(&["build", with_base(sandbox, "BASE"), "--print-plan", "--offline"])
        .stdout
}

/// Checks that the spec passes the check on a base like those of distributions.
#[track_caller]
fn passes(sandbox: &Sandbox, base: &str) {
    let outcome = sandbox.ok(&["check", with_base(sandbox, base), "--offline"]);
    contains(&outcome.stdout, &["checked linux/", "0 errors, 0 warnings"]);
}

#[track_caller]
fn contains(text: &str, expected: &[&str]) {
    for expected in expected {
        assert!(text.contains(expected), "{expected:?} in\n{text}");
    }
}

#[test]
fn a_go_project_is_built_from_its_new_spec() {
    let sandbox = Sandbox::new();
    sandbox
        .write("go.mod", "module example.com/me/server\n")
        .write("main.go", "package main\n");
    sandbox
        .write("dist/amd64/server", hello("amd64"))
        .write("dist/arm64/server", hello("arm64"));
    let (spec, outcome) = init(&sandbox);
    contains(
        &spec,
        &[
            "name = \"registry.example.com/server\"\n",
            "base = \"scratch\"\n",
            "platforms = [\"linux/amd64\", \"linux/arm64\"]\n",
            "#     CGO_ENABLED=0 GOOS=linux GOARCH=arm64 go build -trimpath -ldflags=-s -o dist/arm64/server .\n",
            "from = \"dist/${arch}/server\"",
            "user = \"app\"\nentrypoint = [\"/usr/bin/server\"]\n",
        ],
    );
    contains(
        &outcome.stdout,
        &[
            "checked linux/amd64: ",
            "checked linux/arm64: ",
            "0 errors, 0 warnings\n",
        ],
    );
    outcome.says(&[
        "found go.mod: Go module example.com/me/server\n",
        "found dist/arm64/server: program for linux/arm64, static\n",
        "wrote ./ocitect.toml for linux/amd64, linux/arm64\n",
        "next: run `ocitect build`\n",
    ]);
    let mut build = sandbox.command(&["build"]);
    build.env("VERSION", "1.2.3");
    Outcome::of(build).expect(0).says(&["tags 1.2.3, latest"]);
    let config = sandbox.layout("build/oci").config("1.2.3", "linux/arm64");
    assert_eq!(
        (&config["config"]["User"], &config["config"]["Entrypoint"][0]),
        (&"app".into(), &"/usr/bin/server".into())
    );
    // The image of the first run is not a build result of the project.
    fs::remove_file(sandbox.path("ocitect.toml")).unwrap();
    assert_eq!(init(&sandbox).0, spec);
}

#[test]
fn what_is_missing_is_named_and_not_checked() {
    let sandbox = Sandbox::new();
    sandbox
        .write("app/go.mod", "module x/server\n")
        .write("app/dist/amd64/server", hello("amd64"));
    fs::create_dir(sandbox.path("app/dist/arm64")).unwrap();
    let outcome = sandbox.ok(&["init", "app"]).says(&[
        "wrote app/ocitect.toml for linux/amd64, linux/arm64\n",
        "dist/arm64/server is missing: build it with `CGO_ENABLED=0 GOOS=linux GOARCH=arm64 go build ",
        "next: build what is missing, then run `ocitect check app`\n",
    ]);
    assert_eq!(outcome.stdout, "");
    assert!(
        !outcome.stderr.contains("dist/amd64/server is missing"),
        "{}",
        outcome.stderr
    );
    sandbox.run(&["check", "app"]).expect(2).says(&["dist/arm64/server"]);
    sandbox.write("app/dist/arm64/server", hello("arm64"));
    sandbox.ok(&["check", "app"]);
}

/// Configures an image in place of `docker.io/library/debian`, under both tags that `init` selects.
fn debian_is(sandbox: &Sandbox, base: &str, repository: &str) {
    let registry = part("REGISTRY_OPEN");
    for tag in ["12-slim", "13-slim"] {
        let target = format!("{registry}/{repository}/debian:{tag}");
        sandbox.ok(&["copy", &format!("oci:{}", part(base)), &target]);
    }
    let table = format!("prefix = \"docker.io/library\"\nlocation = \"{registry}/{repository}\"\ninsecure = true\n");
    sandbox.write("registries.conf", format!("[[registry]]\n{table}"));
}

#[test]
fn findings_of_the_first_check_are_printed_and_are_no_failure() {
    for (base, repository, stdout, next) in [
        (
            "REAL_SLIM",
            "init-slim",
            "0 errors, 0 warnings\n",
            "next: run `ocitect build`\n",
        ),
        (
            "REAL_MUSL",
            "init-musl",
            "error[wrong-libc]: ",
            "next: correct what the check found, then run `ocitect check`\n",
        ),
    ] {
        let sandbox = Sandbox::new();
        debian_is(&sandbox, base, repository);
        sandbox.write("dist/server", fs::read("/bin/true").unwrap());
        let mut command = sandbox.command(&["init"]);
        command.env("CONTAINERS_REGISTRIES_CONF", sandbox.path("registries.conf"));
        let outcome = Outcome::of(command)
            .expect(0)
            .says(&["wrote ./ocitect.toml for linux/", next]);
        contains(&outcome.stdout, &["checked linux/", stdout]);
        assert!(!sandbox.path("ocitect.lock").exists());
    }
}

#[test]
fn a_program_for_glibc_gets_debian() {
    let sandbox = Sandbox::new();
    sandbox.write("dist/server", fs::read("/bin/true").unwrap());
    let (spec, outcome) = init(&sandbox);
    contains(
        &spec,
        &[
            "base = \"docker.io/library/debian:1",
            "from = \"dist/server\", to = \"/usr/local/bin/server\"",
        ],
    );
    outcome.says(&[
        "needs glibc 2.",
        "not checked: ",
        "next: run `ocitect check` once the base image can be reached",
    ]);
    passes(&sandbox, "REAL_SLIM");
}

#[test]
fn a_program_for_musl_gets_alpine() {
    let mut program = fs::read("/bin/true").unwrap();
    let glibc: &[u8] = if cfg!(target_arch = "x86_64") {
        b"/lib64/ld-linux-x86-64.so.2"
    } else {
        b"/lib/ld-linux-aarch64.so.1"
    };
    let musl: &[u8] = if cfg!(target_arch = "x86_64") {
        b"/lib/ld-musl-x86_64.so.1\0"
    } else {
        b"/lib/ld-musl-aarch64.so.1"
    };
    let at = program.windows(glibc.len()).position(|window| window == glibc).unwrap();
    program[at..at + musl.len()].copy_from_slice(musl);
    let sandbox = Sandbox::new();
    sandbox.write("build/server", program);
    contains(
        &init(&sandbox).0,
        &["base = \"docker.io/library/alpine:3\"", "/usr/local/bin/server"],
    );
}

#[test]
fn a_node_project_is_packed_with_the_dependencies_of_each_platform() {
    let sandbox = Sandbox::new();
    let manifest = r#"{"name":"@me/shop","scripts":{"start":"node server.js"},"dependencies":{"a":"1"},"engines":{"node":">=18"}}"#;
    sandbox
        .write("package.json", manifest)
        .write("server.js", "")
        .write("package-lock.json", "{}");
    for cpu in ["x64", "arm64"] {
        sandbox.write(
            &format!("dist/{cpu}/node_modules/a/package.json"),
            r#"{"name":"a","main":"a.js"}"#,
        );
        sandbox.write(&format!("dist/{cpu}/node_modules/a/a.js"), "");
    }
    let (spec, outcome) = init(&sandbox);
    contains(
        &spec,
        &[
            "base = \"docker.io/library/node:22-slim\"",
            "user = \"node\"",
            "cmd = [\"node\", \"server.js\"]",
        ],
    );
    outcome.says(&["package.json: Node.js package @me/shop, with npm", "not checked: "]);
    let plan = plan(&sandbox);
    contains(&plan, &["app/node_modules/a/package.json", "app/server.js"]);
    passes(&sandbox, "REAL_NODE");
}

#[test]
fn a_python_project_is_packed_with_the_dependencies_of_each_platform() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "pyproject.toml",
        "[project]\nname = \"hello\"\nrequires-python = \">=3.11,<3.12\"\ndependencies = [\"a\"]\n",
    );
    sandbox
        .write("uv.lock", "")
        .write("src/hello/__main__.py", "")
        .write("src/hello/__pycache__/x.pyc", "");
    for machine in ["x86_64", "aarch64"] {
        sandbox.write(&format!("dist/{machine}/a-1.dist-info/METADATA"), "");
        sandbox.write(&format!("dist/{machine}/a/__init__.py"), "");
    }
    let (spec, outcome) = init(&sandbox);
    contains(
        &spec,
        &[
            "docker.io/library/python:3.11-slim",
            "[\"python3\", \"-m\", \"hello\"]",
            "--python-version 3.11",
        ],
    );
    outcome.says(&["pyproject.toml: Python project hello, with uv, Python 3.11"]);
    let plan = plan(&sandbox);
    contains(&plan, &["app/site-packages/a/__init__.py", "app/hello/__main__.py"]);
    assert!(!plan.contains("__pycache__"), "{plan}");
    passes(&sandbox, "REAL_PYTHON");
}

#[test]
fn jars_wheels_assemblies_and_pages_are_packed() {
    for (files, expected) in [
        (
            &[
                ("pom.xml", "<project><artifactId>shop</artifactId></project>"),
                ("target/shop-1.jar", ""),
            ][..],
            "app/app.jar",
        ),
        (
            &[
                ("App.csproj", "<OutputType>Exe"),
                ("dist/app/App.runtimeconfig.json", "{}"),
                ("dist/app/App.dll", ""),
            ],
            "app/App.dll",
        ),
        (
            &[
                ("package.json", r#"{"scripts":{"build":"vite build"}}"#),
                ("dist/index.html", ""),
            ],
            "usr/share/nginx/html/index.html",
        ),
        (
            &[("index.html", ""), ("style.css", "")],
            "usr/share/nginx/html/style.css",
        ),
    ] {
        let sandbox = Sandbox::new();
        for (path, text) in files {
            sandbox.write(path, text);
        }
        let (_, outcome) = init(&sandbox);
        outcome.says(&["wrote ./ocitect.toml for linux/amd64, linux/arm64", "not checked: "]);
        contains(&plan(&sandbox), &[expected]);
    }
    let sandbox = Sandbox::new();
    sandbox
        .write("wheel/hello/__init__.py", "")
        .write("wheel/hello-1.dist-info/METADATA", "");
    fs::create_dir(sandbox.path("dist")).unwrap();
    let zip = "import shutil, sys; shutil.make_archive(sys.argv[1], 'zip', sys.argv[2])";
    let to = sandbox.path("dist/wheel");
    tool(
        "python3",
        &["-c", zip, to.to_str().unwrap(), sandbox.path("wheel").to_str().unwrap()],
    );
    fs::rename(
        sandbox.path("dist/wheel.zip"),
        sandbox.path("dist/hello-1-py3-none-any.whl"),
    )
    .unwrap();
    sandbox
        .write("pyproject.toml", "[project]\nname = \"hello\"\n")
        .write("uv.lock", "");
    init(&sandbox)
        .1
        .says(&["found dist/hello-1-py3-none-any.whl: wheel for any"]);
    contains(&plan(&sandbox), &["app/site-packages/hello/__init__.py"]);
}

#[test]
fn nothing_is_overwritten() {
    let sandbox = Sandbox::new();
    sandbox.write("go.mod", "module x\n").write("file/ocitect.toml", "mine");
    fs::create_dir_all(sandbox.path("directory/ocitect.toml")).unwrap();
    fs::create_dir(sandbox.path("link")).unwrap();
    symlink("nowhere", sandbox.path("link/ocitect.toml")).unwrap();
    for directory in ["file", "directory", "link"] {
        let outcome = sandbox.run(&["init", directory]).expect(2);
        let outcome = outcome.says(&[
            &format!("error: {directory}/ocitect.toml already exists\n"),
            "help: edit it",
        ]);
        assert!(!outcome.stderr.contains("found"), "{}", outcome.stderr);
    }
    assert_eq!(fs::read_to_string(sandbox.path("file/ocitect.toml")).unwrap(), "mine");
    assert!(!sandbox.path("link/nowhere").exists());
    let before: Vec<String> = fs::read_dir(sandbox.path("file"))
        .unwrap()
        .map(|entry| format!("{entry:?}"))
        .collect();
    assert_eq!(before.len(), 1, "{before:?}");
}

#[test]
fn manifests_that_cannot_be_used_are_notes() {
    let sandbox = Sandbox::new();
    sandbox
        .write("package.json", "{ \"name\": ")
        .write("pyproject.toml", "[project\n");
    sandbox
        .write("requirements.txt", vec![b'#'; 1024 * 1024 + 1])
        .write("go.mod", b"module \xff\n");
    fs::write(sandbox.path(std::ffi::OsStr::from_bytes(b"caf\xe9")), "").unwrap();
    tool("mkfifo", &[sandbox.path("Cargo.toml")]);
    symlink("/etc", sandbox.path("dist")).unwrap();
    sandbox.write("build/broken", &hello("amd64")[..70]);
    let (spec, outcome) = init(&sandbox);
    outcome.says(&[
        "package.json was skipped: EOF while parsing",
        "pyproject.toml was skipped: ",
        "requirements.txt was skipped: it has more than 1048576 bytes",
        "go.mod was skipped: it is not UTF-8",
        "the directory has names that are not UTF-8",
        "build/broken was skipped: the ELF file is damaged",
        "found neither build results nor a manifest that is known",
    ]);
    contains(&spec, &["base = \"scratch\"", "from = \"dist/${arch}/"]);
}

#[test]
fn a_directory_that_cannot_be_used_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "");
    let missing = [
        "error: cannot read the directory nowhere\n",
        "No such file or directory",
        "help: name the directory",
    ];
    sandbox.run(&["init", "nowhere"]).expect(2).says(&missing);
    assert!(!sandbox.path("nowhere").exists());
    sandbox
        .run(&["init", "file"])
        .expect(2)
        .says(&["error: file is not a directory\n"]);
    // Root can write into every directory.
    sandbox.write("closed/go.mod", "module x\n");
    fs::set_permissions(sandbox.root(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(sandbox.path("closed"), fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = sandbox.command(&["init", "closed"]);
    command.uid(NOBODY).gid(NOBODY);
    Outcome::of(command)
        .expect(1)
        .says(&["error: cannot write to closed", "Permission denied"]);
    assert!(!sandbox.path("closed/ocitect.toml").exists());
}

#[test]
fn every_command_that_finds_no_spec_names_init() {
    let sandbox = Sandbox::new();
    for command in ["build", "check", "lock", "update", "outdated"] {
        sandbox
            .run(&[command])
            .expect(2)
            .says(&["cannot read ./ocitect.toml", "`ocitect init` writes one"]);
    }
    sandbox
        .run(&["build", "nowhere"])
        .expect(2)
        .says(&["`ocitect init` writes one"]);
    sandbox.run(&["new"]).expect(2).says(&["run `ocitect init`"]);
}

#[test]
fn what_is_found_is_reported_as_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.write("a/go.mod", "module x\n").write("b/go.mod", "module x\n");
    assert_eq!(sandbox.ok(&["init", "a", "--progress", "none"]).stderr, "");
    let told = sandbox.ok(&["init", "b", "--progress", "json"]).stderr;
    let events: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        events.iter().any(|event| event["text"] == "found go.mod: Go module x"),
        "{events:#?}"
    );
    let specs = ["a", "b"].map(|directory| fs::read_to_string(sandbox.path(directory).join("ocitect.toml")).unwrap());
    assert_eq!(specs[0], specs[1]);
}
