//! Archives: which programs read them, under which names, and that their bytes depend only on the image.

use std::fs;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::images::{sha256, state, write_spec, write_spec_for};
use crate::support::on_base;
use crate::support::{Outcome, Sandbox, tool};

/// Returns podman's names of an image, sorted.
fn podman_names(image: &str) -> Vec<String> {
    let listed = tool("podman", &["image", "inspect", "--format", "{{json .RepoTags}}", image]);
    let mut names: Vec<String> = serde_json::from_str(&listed).unwrap();
    names.sort();
    names
}

fn runs(image: &str) {
    let run = ["run", "--rm", "--network=none", "--entrypoint", "/app/bin/greet", image];
    assert_eq!(tool("podman", &run), "greetings\n");
}

#[test]
fn podman_and_skopeo_read_an_oci_archive() {
    let sandbox = Sandbox::new();
    // Podman treats images with the same config as one image with many names.
    sandbox.write("files/of", "an oci-archive\n");
    write_spec(
        &sandbox,
        &format!(
            "name = \"example.com/oci/app\"\ntags = [\"1.0\", \"latest\"]\n{}",
            on_base()
        ),
    );
    let digest = sandbox.ok(&["build", "-o", "oci-archive:app.tar"]).digest();
    let archive = sandbox.path("app.tar");
    let index = tool("tar", &["-xOf", archive.to_str().unwrap(), "index.json"]);
    let index: Value = serde_json::from_str(&index).unwrap();
    let annotations = json!({
        "io.containerd.image.name": "example.com/oci/app:1.0",
        "org.opencontainers.image.ref.name": "example.com/oci/app:1.0",
    });
    assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(index["manifests"][0]["annotations"], annotations);
    tool("podman", &["load", "-q", "-i", archive.to_str().unwrap()]);
    assert_eq!(podman_names("example.com/oci/app:1.0"), ["example.com/oci/app:1.0"]);
    runs("example.com/oci/app:1.0");
    let target = format!("oci:{}:x", sandbox.path("copied").display());
    tool(
        "skopeo",
        &[
            "copy",
            "-q",
            "--all",
            &format!("oci-archive:{}", archive.display()),
            &target,
        ],
    );
    assert_eq!(sandbox.layout("copied").index()["manifests"][0]["digest"], digest);

    sandbox.write("files/of", "another oci-archive\n");
    sandbox.ok(&["build", "-o", "oci-archive:own.tar:example.com/oci/own:2"]);
    tool(
        "podman",
        &["load", "-q", "-i", sandbox.path("own.tar").to_str().unwrap()],
    );
    assert_eq!(podman_names("example.com/oci/own:2"), ["example.com/oci/own:2"]);
}

#[test]
fn podman_loads_a_docker_archive_under_all_its_names() {
    let sandbox = Sandbox::new();
    sandbox.write("files/of", "a docker-archive\n");
    write_spec(
        &sandbox,
        &format!(
            "name = \"example.com/docker/app\"\ntags = [\"1.0\", \"1\"]\n{}",
            on_base()
        ),
    );
    let build = ["build", "--platform", "linux/amd64", "-o", "docker-archive:app.tar"];
    sandbox.ok(&build);
    tool(
        "podman",
        &["load", "-q", "-i", sandbox.path("app.tar").to_str().unwrap()],
    );
    assert_eq!(
        podman_names("example.com/docker/app:1.0"),
        ["example.com/docker/app:1", "example.com/docker/app:1.0"]
    );
    runs("example.com/docker/app:1");
    let health = tool(
        "podman",
        &[
            "inspect",
            "--format",
            "{{.HealthCheck.Retries}}",
            "example.com/docker/app:1",
        ],
    );
    assert_eq!(health, "3\n");

    sandbox.ok(&[&build[..], &["-t", "a", "-t", "example.com/docker/other:b"]].concat());
    let list = tool(
        "tar",
        &["-xOf", sandbox.path("app.tar").to_str().unwrap(), "manifest.json"],
    );
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(
        list[0]["RepoTags"],
        json!(["example.com/docker/app:a", "example.com/docker/other:b"])
    );
    sandbox.ok(&[
        "build",
        "--platform",
        "linux/amd64",
        "-o",
        "docker-archive:own.tar:example.com/docker/own:3",
    ]);
    let list = tool(
        "tar",
        &["-xOf", sandbox.path("own.tar").to_str().unwrap(), "manifest.json"],
    );
    assert!(list.contains("[\"example.com/docker/own:3\"]"), "{list}");
}

#[test]
fn an_archive_on_stdout_goes_straight_into_podman() {
    let sandbox = Sandbox::new();
    for (kind, repository) in [
        ("oci-archive:-", "example.com/stdout/oci"),
        ("docker-archive:-", "example.com/stdout/docker"),
    ] {
        sandbox.write("files/of", repository);
        write_spec(&sandbox, &format!("name = \"{repository}\"\n{}", on_base()));
        let mut build = sandbox.command(&["build", "--platform", "linux/amd64", "-o", kind]);
        let mut build = build.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut load = std::process::Command::new("podman");
        load.args(["load", "-q"]).stdin(build.stdout.take().unwrap());
        let loaded = Outcome::of(load).expect(0);
        let built = Outcome::from(build.wait_with_output().unwrap()).expect(0);
        assert!(loaded.stdout.contains(repository), "{}", loaded.stdout);
        let last = built.stderr.lines().last().unwrap();
        assert!(last.starts_with(&format!("{repository}@sha256:")), "{last}");
        runs(&format!("{repository}:latest"));
    }
}

#[test]
fn the_same_image_gives_the_same_archive_on_any_number_of_threads() {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, &format!("name = \"example.com/same/app\"\n{}", on_base()));
    // Several blocks of the compressor.
    let line = |number: u32| format!("{number} {}\n", number.wrapping_mul(2_654_435_761));
    sandbox.write("files/numbers", (0..400_000).map(line).collect::<String>());
    let outputs = [
        "--platform",
        "linux/amd64",
        "-o",
        "oci-archive:oci.tar",
        "-o",
        "docker-archive:docker.tar",
    ];
    let arguments = [&["build"][..], &outputs].concat();
    let digests = || ["oci.tar", "docker.tar"].map(|name| sha256(&fs::read(sandbox.path(name)).unwrap()));
    sandbox.ok(&arguments);
    let first = digests();
    sandbox.ok(&arguments);
    assert_eq!(digests(), first);
    let ocitect = sandbox.command(&arguments);
    let mut single = std::process::Command::new("taskset");
    single
        .args(["--cpu-list", "0"])
        .arg(ocitect.get_program())
        .args(&arguments);
    single.current_dir(sandbox.root()).env_clear();
    single.envs(ocitect.get_envs().filter_map(|(name, value)| Some((name, value?))));
    single.env("OCITECT_CACHE_DIR", sandbox.path("another-cache"));
    Outcome::of(single).expect(0);
    assert_eq!(digests(), first);
    for name in ["oci.tar", "docker.tar"] {
        let listed = tool("tar", &["-tvf", sandbox.path(name).to_str().unwrap()]);
        assert!(
            listed
                .lines()
                .all(|line| line.contains(" 0/0 ") || line.contains(" root/root ")),
            "{listed}"
        );
    }
}

#[test]
fn a_build_that_fails_leaves_the_archive_that_was_there() {
    let sandbox = Sandbox::new();
    write_spec_for(&sandbox, "", &["linux/amd64"]);
    let arguments = [
        "build",
        "-o",
        "oci-archive:keep/oci.tar",
        "-o",
        "docker-archive:keep/docker.tar",
    ];
    fs::create_dir(sandbox.path("keep")).unwrap();
    sandbox.ok(&arguments);
    let before = state(&sandbox.path("keep"));
    write_spec_for(&sandbox, "max-size = \"10B\"", &["linux/amd64"]);
    sandbox.run(&arguments).expect(3).says(&["but max-size is 10 bytes"]);
    assert_eq!(state(&sandbox.path("keep")), before);
    // A damaged base is detected while the archive is written.
    let layout = sandbox.path("base");
    tool("cp", &["-r", &crate::support::part("BASE"), layout.to_str().unwrap()]);
    write_spec_for(&sandbox, "base = \"oci:base\"", &["linux/amd64"]);
    sandbox.ok(&["build", "--print-plan"]);
    let manifest = sandbox.layout("base").manifest("latest", "linux/amd64");
    let layer = sandbox.layout("base").layer_path(&manifest, 0);
    let mut bytes = fs::read(&layer).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&layer, bytes).unwrap();
    sandbox.run(&arguments).expect(2).says(&["is damaged"]);
    assert_eq!(state(&sandbox.path("keep")), before);
}

#[test]
fn an_archive_makes_the_directories_on_the_way_where_it_can() {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, "");
    sandbox.ok(&["build", "-o", "oci-archive:new/directory/a.tar"]);
    assert!(sandbox.path("new/directory/a.tar").is_file());
    sandbox.write("file", "in the way\n");
    sandbox
        .run(&["build", "-o", "oci-archive:file/a.tar"])
        .expect(1)
        .says(&["file/a.tar"]);
    sandbox
        .run(&["build", "-o", "oci-archive:new"])
        .expect(2)
        .says(&["it is a directory", "give a file in it"]);
    assert_eq!(fs::read(sandbox.path("file")).unwrap(), b"in the way\n");
}
