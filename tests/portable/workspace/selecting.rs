//! Members are selected for CI: as a job matrix, by parts, and by changed paths.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use super::write_stack;
use crate::support::Sandbox;

/// All members, in the order in which they are printed.
const IDS: [&str; 6] = [
    "base",
    "planner",
    "servers/auth",
    "servers/billing",
    "servers/mail",
    "writer",
];

fn stack() -> Sandbox {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example.com");
    sandbox
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

/// Returns the only line of standard output as JSON.
fn matrix(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let stdout = sandbox
        .ok(&[&["list", "--github-matrix"][..], arguments].concat())
        .stdout;
    assert_eq!(stdout.matches('\n').count(), 1, "{stdout}");
    serde_json::from_str(&stdout).unwrap()
}

#[test]
fn a_matrix_has_a_job_for_each_member_or_platform() {
    let sandbox = stack();
    let by_member = matrix(&sandbox, &["-p", "servers/*", "--exclude", "servers/mail"]);
    assert_eq!(
        by_member,
        json!({ "include": [
            { "member": "servers/auth", "platforms": "linux/amd64,linux/arm64" },
            { "member": "servers/billing", "platforms": "linux/amd64,linux/arm64" },
        ]})
    );
    let spec = std::fs::read_to_string(sandbox.path("agents/writer/ocitect.toml")).unwrap();
    sandbox.write(
        "agents/writer/ocitect.toml",
        spec.replace("[image]\n", "[image]\nplatforms = [\"linux/arm64\"]\n"),
    );
    let by_platform = matrix(&sandbox, &["-p", "planner", "-p", "writer", "--by", "platform"]);
    assert_eq!(
        by_platform,
        json!({ "include": [
            { "member": "planner", "platform": "linux/amd64", "os-arch": "linux-amd64" },
            { "member": "planner", "platform": "linux/arm64", "os-arch": "linux-arm64" },
            { "member": "writer", "platform": "linux/arm64", "os-arch": "linux-arm64" },
        ]})
    );
    assert_eq!(
        matrix(&sandbox, &["--by", "member"])["include"]
            .as_array()
            .unwrap()
            .len(),
        6
    );
    let alone = Sandbox::new();
    alone.spec("[image]\nplatforms = [\"linux/amd64\", \"linux/arm/v7\"]\n");
    assert_eq!(
        matrix(&alone, &["--by", "platform"])["include"][1],
        json!({ "platform": "linux/arm/v7", "os-arch": "linux-arm-v7" })
    );
    for arguments in [
        &["list", "--by", "platform"][..],
        &["list", "--github-matrix", "--by", "os"],
        &["list", "--github-matrix", "--json"],
        &["list", "--github-matrix", "--ids"],
    ] {
        sandbox.run(arguments).expect(2);
    }
}

#[test]
fn a_matrix_with_more_jobs_than_github_runs_is_refused() {
    let sandbox = stack();
    let servers: Vec<String> = (0..257).map(|number| format!("\"s{number}\"")).collect();
    let spec = std::fs::read_to_string(sandbox.path("servers.toml")).unwrap();
    let axis = spec.lines().find(|line| line.starts_with("server = ")).unwrap();
    sandbox.write(
        "servers.toml",
        spec.replace(axis, &format!("server = [{}]", servers.join(", "))),
    );
    let refused = sandbox.run(&["list", "--github-matrix", "-p", "servers"]).expect(2);
    assert_eq!(refused.stdout, "");
    refused.says(&["the matrix has 257 jobs, but GitHub runs at most 256", "--shard I/N"]);
    let most = matrix(&sandbox, &["-p", "servers", "--exclude", "servers/s0"]);
    assert_eq!(most["include"].as_array().unwrap().len(), 256);
    sandbox
        .run(&[
            "list",
            "--github-matrix",
            "--by",
            "platform",
            "-p",
            "servers",
            "--exclude",
            "servers/s0",
        ])
        .expect(2)
        .says(&["the matrix has 512 jobs", "leave out --by platform"]);
}

#[test]
fn shards_build_every_member_once_with_the_same_digests() {
    let sandbox = stack();
    let whole = sandbox.ok(&["build", "-o", "oci:whole"]).stdout;
    assert_eq!(lines(&sandbox.ok(&["list", "--ids"]).stdout), IDS);
    let mut built: Vec<String> = Vec::new();
    for number in 1..=4 {
        let shard = format!("{number}/4");
        let listed = sandbox.ok(&["list", "--ids", "--shard", &shard]).stdout;
        let expected: Vec<&str> = IDS.iter().skip(number - 1).step_by(4).copied().collect();
        assert_eq!(lines(&listed), expected, "{shard}");
        let metadata = format!("shard-{number}.json");
        let output = format!("oci:shard-{number}");
        let done = sandbox.ok(&["build", "--shard", &shard, "-o", &output, "--metadata", &metadata]);
        built.extend(done.stdout.lines().map(str::to_owned));
        let metadata = sandbox.json(&metadata);
        assert_eq!(metadata["shard"], shard);
        // The base of the selected members comes along.
        assert_eq!(metadata["images"][0]["member"], "base", "{shard}");
        let base = metadata["images"][0]["image"].as_str().unwrap();
        assert_eq!(base, lines(&whole)[0], "{shard}");
        sandbox.ok(&["check", "--shard", &shard]);
    }
    let mut whole: Vec<&str> = lines(&whole);
    whole.sort_unstable();
    built.sort_unstable();
    assert_eq!(built, whole);
    // Without the option there is no such field.
    sandbox.ok(&["build", "--metadata", "all.json"]);
    assert_eq!(sandbox.json("all.json").get("shard"), None);
    // After the selection.
    let listed = sandbox.ok(&["list", "--ids", "-p", "servers", "--shard", "2/2"]).stdout;
    assert_eq!(listed, "servers/billing\n");
}

#[test]
fn a_shard_without_members_succeeds() {
    let sandbox = stack();
    let note = "shard 7/7 contains no member\n";
    for arguments in [
        &["build"][..],
        &["build", "--push"],
        &["check"],
        &["list"],
        &["list", "--ids"],
    ] {
        let done = sandbox.ok(&[arguments, &["--shard", "7/7"]].concat());
        assert_eq!((&*done.stdout, &*done.stderr), ("", note), "{arguments:?}");
    }
    assert!(!sandbox.path("build").exists());
    sandbox.ok(&["build", "--shard", "7/7", "--metadata", "m.json"]);
    assert_eq!(
        sandbox.json("m.json"),
        json!({
            "version": 1, "images": [], "shard": "7/7",
            "shard_members": ["base", "planner", "servers/auth", "servers/billing", "servers/mail", "writer"],
        })
    );
    assert_eq!(matrix(&sandbox, &["--shard", "7/7"]), json!({ "include": [] }));
    let listed = sandbox.ok(&["list", "--shard", "7/7", "--json"]).stdout;
    assert_eq!(serde_json::from_str::<Value>(&listed).unwrap()["members"], json!([]));
    let sarif = sandbox.ok(&["check", "--shard", "7/7", "--sarif"]).stdout;
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    assert_eq!(sarif["runs"][0]["results"], json!([]));
    let checked = sandbox.ok(&["check", "--shard", "7/7", "--json"]).stdout;
    assert_eq!(serde_json::from_str::<Value>(&checked).unwrap()["images"], json!([]));
}

#[test]
fn other_shards_are_refused() {
    let sandbox = stack();
    for shard in ["0/4", "5/4", "4", "1/", "/4", "a/b", "1/0", "-1/4", "1/4/2", ""] {
        for command in ["build", "check", "list"] {
            let argument = format!("--shard={shard}");
            sandbox
                .run(&[command, &argument])
                .expect(2)
                .says(&["--shard", "expected I/N with I from 1 to N, such as 1/4"]);
        }
    }
    let alone = Sandbox::new();
    alone.spec("[image]\nplatforms = [\"linux/amd64\"]\n");
    for command in ["build", "check", "list"] {
        alone
            .run(&[command, "--shard", "1/2"])
            .expect(2)
            .says(&["--shard selects members of a workspace", "belongs to none"]);
    }
    sandbox
        .run(&["check", "oci:build/oci", "--shard", "1/2"])
        .expect(2)
        .says(&["an image is checked"]);
}

/// Returns the IDs that `list --affected-by -` prints for a list of changed paths, and standard error.
fn affected(sandbox: &Sandbox, changed: &[u8], arguments: &[&str]) -> (Vec<String>, String) {
    let mut command = sandbox.command(&[&["list", "--ids", "--affected-by", "-"][..], arguments].concat());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(changed).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    (stdout.lines().map(str::to_owned).collect(), stderr)
}

fn ids_of(sandbox: &Sandbox, changed: &str) -> Vec<String> {
    affected(sandbox, changed.as_bytes(), &[]).0
}

#[test]
fn changed_paths_select_members_and_their_dependents() {
    let sandbox = stack();
    let root = std::fs::read_to_string(sandbox.path("ocitect.toml")).unwrap();
    let sources = "[workspace.sources]\nplanner = [\"src/planner/**\", \"go.mod\"]\n\"servers/*\" = [\"src/common\"]\n";
    sandbox.write(
        "ocitect.toml",
        root.replace("[workspace.vars]", &format!("{sources}[workspace.vars]")),
    );
    let spec = std::fs::read_to_string(sandbox.path("agents/writer/ocitect.toml")).unwrap();
    let entries =
        "{ from = \"../../dist/${arch}/*.bin\", to = \"/bin\" }, { from = \"assets\", to = \"/assets\" }, { from";
    sandbox.write(
        "agents/writer/ocitect.toml",
        spec.replace("{ from", entries).replace(
            "[image]\n",
            "env-files = [\"w.env\"]\n[image]\nignore-file = \"ignored\"\n",
        ),
    );
    let servers = ["servers/auth", "servers/billing", "servers/mail"];
    for (changed, expected) in [
        ("agents/planner/notes", &["planner"][..]),
        ("agents/planner/ocitect.toml", &["planner"]),
        ("base/common.txt", &IDS),
        ("base/ocitect.toml", &IDS),
        ("shared.txt", &servers),
        ("servers.toml", &servers),
        ("src/planner/main.go", &["planner"]),
        ("src/planner/deep/er.go", &["planner"]),
        ("go.mod", &["planner"]),
        ("src/common/x.go", &servers),
        ("dist/amd64/a.bin", &["writer"]),
        ("dist/arm64/a.bin", &["writer"]),
        ("dist/arm64/a.bin/inside", &["writer"]),
        ("dist/arm64/a.txt", &[]),
        ("dist/s390x/a.bin", &[]),
        // A submodule, or a link.
        ("dist", &["writer"]),
        ("agents/writer/assets/deep/file", &["writer"]),
        ("agents/writer/assets2", &[]),
        ("agents/writer/ignored", &["writer"]),
        ("agents/writer/w.env", &["writer"]),
        ("agents/planner/.ocitectignore", &["planner"]),
        ("agents/writer/README.md", &[]),
        ("ocitect.toml", &IDS),
        // No member has an image that the lockfile could pin.
        ("ocitect.lock", &[]),
        (
            "README.md\n\ngo.mod\nshared.txt\n",
            &["planner", "servers/auth", "servers/billing", "servers/mail"],
        ),
        ("", &[]),
    ] {
        assert_eq!(ids_of(&sandbox, changed), expected, "{changed}");
    }
}

#[test]
fn the_lockfile_affects_members_that_it_pins_images_for() {
    let sandbox = stack();
    sandbox.write(
        "agents/lone/ocitect.toml",
        "format = 1\n[image]\nname = \"reg.example.com/ws/lone\"\nbase = \"docker.io/library/debian:12\"\n[config]\nuser = \"0\"\n",
    );
    let planner = std::fs::read_to_string(sandbox.path("agents/planner/ocitect.toml")).unwrap();
    let from_image = "files = [{ from = \"docker://docker.io/library/busybox:1#/bin\", to = \"/bin\" }, ";
    sandbox.write("agents/planner/ocitect.toml", planner.replace("files = [", from_image));
    for changed in ["ocitect.lock", "ocitect.lock.d/x.facts"] {
        assert_eq!(ids_of(&sandbox, changed), ["lone", "planner"], "{changed}");
    }
    let listed: Value = serde_json::from_str(&sandbox.ok(&["list", "-p", "lone", "--json"]).stdout).unwrap();
    assert_eq!(
        listed["members"][0]["base_images"],
        json!(["docker.io/library/debian:12"])
    );
}

#[test]
fn paths_are_relative_to_the_top_of_the_repository() {
    let repository = Sandbox::new();
    let sandbox = stack();
    let below = repository.path("deploy/images");
    std::fs::create_dir_all(repository.path("deploy")).unwrap();
    std::fs::rename(sandbox.root(), &below).unwrap();
    let run = |changed: &str| {
        repository.write("changed", changed);
        let listed = repository.ok(&["list", "deploy/images", "--ids", "--affected-by", "changed"]);
        listed.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    // Without a repository, they are relative to the root file.
    assert_eq!(run("agents/planner/notes"), ["planner"]);
    std::fs::create_dir(repository.path(".git")).unwrap();
    assert_eq!(run("agents/planner/notes"), [""; 0]);
    assert_eq!(run("deploy/images/agents/planner/notes"), ["planner"]);
    let root = std::fs::read_to_string(below.join("ocitect.toml")).unwrap();
    let sources = "[workspace.sources]\nwriter = [\"../../src/**/*.go\"]\n[workspace.vars]";
    std::fs::write(below.join("ocitect.toml"), root.replace("[workspace.vars]", sources)).unwrap();
    assert_eq!(run("src/writer/main.go"), ["writer"]);
    assert_eq!(run("src/writer/main.c"), [""; 0]);
    // A linked work tree and a submodule have a file.
    std::fs::write(below.join(".git"), "gitdir: elsewhere\n").unwrap();
    assert_eq!(run("agents/planner/notes"), ["planner"]);
}

#[test]
fn links_are_followed_both_ways() {
    let sandbox = stack();
    std::fs::create_dir(sandbox.path("out")).unwrap();
    std::fs::rename(sandbox.path("agents/planner/notes"), sandbox.path("out/notes")).unwrap();
    std::os::unix::fs::symlink("../../out/notes", sandbox.path("agents/planner/notes")).unwrap();
    for changed in ["out/notes", "agents/planner/notes"] {
        assert_eq!(ids_of(&sandbox, changed), ["planner"], "{changed}");
    }
}

#[test]
fn affected_members_go_with_the_other_options() {
    let sandbox = stack();
    let (ids, stderr) = affected(
        &sandbox,
        b"shared.txt\0base/none\0a\"b\0",
        &["-v", "-p", "*", "--exclude", "*/mail"],
    );
    assert_eq!(ids, ["servers/auth", "servers/billing"]);
    assert!(stderr.contains("no member uses base/none\n"), "{stderr}");
    assert!(stderr.contains("no member uses a\"b\n"), "{stderr}");
    let (ids, stderr) = affected(&sandbox, b"base/common.txt\nx\n", &["--shard", "2/3"]);
    assert_eq!(ids, ["planner", "servers/mail"]);
    assert_eq!(stderr, "");
    let (ids, stderr) = affected(&sandbox, b"README.md\n", &[]);
    assert_eq!((ids.len(), &*stderr), (0, "no selected member is affected\n"));
    sandbox.write("changed", "\"agents/planner/n\\157tes\"\n");
    assert_eq!(
        matrix(&sandbox, &["--affected-by", "changed"]),
        json!({ "include": [{ "member": "planner", "platforms": "linux/amd64,linux/arm64" }] })
    );
    let listed = sandbox.ok(&["list", "--json", "--affected-by", "changed"]).stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["members"].as_array().unwrap().len(), 1);
}

#[test]
fn lists_and_sources_that_make_no_sense_are_refused() {
    let sandbox = stack();
    for (changed, words) in [
        (
            "M\tbase/common.txt\n",
            "line 1 of the list of changed paths is not a path of git: M\\tbase/common.txt",
        ),
        ("a\n\"b\n", "line 2 of the list"),
        ("/etc/passwd\n", "it is absolute"),
        ("../x\n", "it contains `..`"),
    ] {
        sandbox.write("changed", changed);
        sandbox
            .run(&["list", "--affected-by", "changed"])
            .expect(2)
            .says(&[words, "git diff --name-only"]);
    }
    sandbox
        .run(&["list", "--affected-by", "gone"])
        .expect(2)
        .says(&["gone does not exist"]);
    let huge = std::fs::File::create(sandbox.path("huge")).unwrap();
    huge.set_len(64 * 1024 * 1024 + 1).unwrap();
    sandbox
        .run(&["list", "--affected-by", "huge"])
        .expect(2)
        .says(&["huge has more than 67108864 bytes"]);
    let root = std::fs::read_to_string(sandbox.path("ocitect.toml")).unwrap();
    for (sources, words) in [
        (
            "planer = [\"src\"]",
            &[
                "ocitect.toml:5:1",
                "no member matches \"planer\"",
                "did you mean planner?",
            ][..],
        ),
        ("nothing-like-it = []", &["the members are base, planner,"]),
        ("planner = \"src\"", &["`workspace.sources.planner` has the wrong type"]),
    ] {
        sandbox.write(
            "ocitect.toml",
            root.replace(
                "[workspace.vars]",
                &format!("[workspace.sources]\n{sources}\n[workspace.vars]"),
            ),
        );
        sandbox.run(&["list"]).expect(2).says(words);
    }
    let alone = Sandbox::new();
    alone.spec("[image]\nplatforms = [\"linux/amd64\"]\n");
    alone
        .run(&["list", "--affected-by", "-"])
        .expect(2)
        .says(&["--affected-by selects members of a workspace"]);
}
