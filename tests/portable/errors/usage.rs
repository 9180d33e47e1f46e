//! Invalid command lines.

use crate::support::Sandbox;
use crate::support::refusal::{layer, refused, refused_as, spec};

fn prepared(image: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("app", "1");
    sandbox.spec(&format!(
        "[image]\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n{image}{}",
        layer("app", "/app")
    ));
    sandbox
}

#[test]
fn push_without_a_name() {
    let words = [
        "--push needs a name, but the spec has none",
        "help: set `name` in [image], or give a full reference with -t",
    ];
    refused(&prepared(""), &["build", "--push"], 2, &words);
    refused(&prepared(""), &["build", "--push", "-t", "1.0"], 2, &words);
}

#[test]
fn push_of_a_name_that_is_never_pushed() {
    let sandbox = prepared("name = \"localhost/app\"\n");
    refused(
        &sandbox,
        &["build", "--push"],
        2,
        &["cannot push localhost/app", "help: name a registry"],
    );
    refused(
        &sandbox,
        &["build", "--push", "-t", "node:18"],
        2,
        &["write -t 18 or -t localhost/app:18"],
    );
    refused(
        &sandbox,
        &["push", "oci:image", "app:1"],
        2,
        &["write a registry and a repository, such as ghcr.io/ME/app:1"],
    );
}

#[test]
fn a_docker_archive_of_two_platforms() {
    let words = [
        "docker-archive:app.tar can hold one platform, but this build has linux/amd64, linux/arm64",
        "help: choose one with --platform linux/amd64",
    ];
    refused(&prepared(""), &["build", "-o", "docker-archive:app.tar"], 2, &words);
    let sandbox = prepared("");
    sandbox.ok(&["build", "-o", "oci:image"]);
    let words = ["linux/amd64, linux/arm64", "--platform linux/amd64"];
    refused(&sandbox, &["copy", "oci:image", "docker-archive:app.tar"], 2, &words);
}

#[test]
fn outputs_that_are_no_places() {
    let sandbox = prepared("");
    refused(
        &sandbox,
        &["build", "-o", "ghcr.io/me/app"],
        2,
        &["-o ghcr.io/me/app is in a registry", "help: use --push"],
    );
    refused(
        &sandbox,
        &["build", "-o", "docker://ghcr.io/me/app"],
        2,
        &["is in a registry", "help: use --push"],
    );
    refused(
        &sandbox,
        &["build", "-o", "dir:out"],
        2,
        &["dir:out", "help: an output is oci:DIR[:TAG]"],
    );
    refused(&sandbox, &["build", "-o", "oci:"], 2, &["oci:"]);
    refused(
        &sandbox,
        &["build", "-o", "app.tar"],
        2,
        &["help: use -o oci-archive:app.tar or -o docker-archive:app.tar"],
    );
    refused(
        &sandbox,
        &["build", "-o", "type=oci,dest=a.tar"],
        2,
        &["help: use -o oci-archive:a.tar"],
    );
    let digest = format!("oci:out@sha256:{}", "0".repeat(64));
    refused(&sandbox, &["build", "-o", &digest], 2, &["has the digest"]);
    let twice = ["build", "-o", "oci-archive:a.tar", "-o", "oci-archive:a.tar:b"];
    refused(
        &sandbox,
        &twice,
        2,
        &[
            "two outputs write to the file of",
            "help: use a separate file for each archive",
        ],
    );
}

#[test]
fn platforms_that_the_spec_lacks_or_that_are_none() {
    let sandbox = prepared("");
    let words = [
        "the spec does not have the platform linux/s390x",
        "help: available platforms: linux/amd64, linux/arm64",
    ];
    refused(&sandbox, &["build", "--platform", "linux/s390x"], 2, &words);
    refused(
        &sandbox,
        &["build", "--platform", "amd64"],
        2,
        &[
            "\"amd64\" is not a platform: expected os/arch",
            "help: did you mean linux/amd64?",
        ],
    );
}

#[test]
fn times_that_are_none() {
    let sandbox = prepared("");
    for (text, shown) in [
        ("yesterday", "yesterday"),
        ("-1", "-1"),
        ("8589934592", "8589934592"),
        ("1.5", "1.5"),
        ("1\n2", "1\\n2"),
    ] {
        let mut command = sandbox.command(&["build"]);
        command.env("SOURCE_DATE_EPOCH", text);
        let words = [
            &*format!("SOURCE_DATE_EPOCH: \"{shown}\" is not a time"),
            "help: set it to seconds since 1970, from 0 to 8589934591",
        ];
        refused_as(&sandbox, command, 2, &words);
    }
    for text in ["0", "8589934591"] {
        let mut command = sandbox.command(&["build"]);
        command.env("SOURCE_DATE_EPOCH", text);
        crate::support::Outcome::of(command).expect(0);
    }
}

#[test]
fn variables_that_cannot_be_set() {
    let sandbox = Sandbox::new();
    spec(&sandbox, &["[vars]\nVERSION = \"1\"\n"]);
    refused(
        &sandbox,
        &["build", "--set", "VERSIN=2"],
        2,
        &["./ocitect.toml has no variable \"VERSIN\"", "did you mean VERSION?"],
    );
    refused(
        &sandbox,
        &["build", "--set", "VERSION"],
        2,
        &["--set \"VERSION\"", "help: write --set NAME=VALUE"],
    );
    refused(
        &sandbox,
        &["build", "--set", "=2"],
        2,
        &["help: write --set NAME=VALUE"],
    );
}

#[test]
fn arguments_that_exclude_each_other_or_are_unknown() {
    let sandbox = prepared("");
    refused(
        &sandbox,
        &["build", "--print-plan", "--push"],
        2,
        &["--print-plan", "--push"],
    );
    refused(&sandbox, &["build", "--pusch"], 2, &["--pusch", "--push"]);
    refused(&sandbox, &["bild"], 2, &["bild", "build"]);
    refused(&sandbox, &["push", "oci:image"], 2, &["<REF>..."]);
    refused(
        &sandbox,
        &["build", "--push", "--username", "me"],
        2,
        &["--password-stdin"],
    );
}

#[test]
fn options_and_commands_of_other_tools_are_explained() {
    let sandbox = prepared("");
    for (arguments, help) in [
        (
            &["build", "-f", "other.toml"][..],
            "give the spec as an argument: ocitect build FILE",
        ),
        (
            &["build", "--file=other.toml"],
            "give the spec as an argument: ocitect build FILE",
        ),
        (&["build", "--no-cache"], "the cache never changes an image"),
        (&["build", "--dry-run"], "--print-plan"),
        (&["build", "--build-arg", "A=1"], "--set NAME=VALUE"),
        (&["build", "--load"], "-o docker-archive:- | docker load"),
        (&["copy", "--all", "oci:a", "oci:b"], "all platforms are copied"),
        (
            &["push", "--tls-verify=false", "oci:a", "localhost:1/b"],
            "--plain-http HOST",
        ),
        (&["pull", "debian"], "`ocitect copy REF oci:DIR`"),
        (&["validate"], "`ocitect check`"),
    ] {
        refused(&sandbox, arguments, 2, &["error: ", "tip: ", help]);
    }
}

#[test]
fn an_update_of_an_image_without_a_base_says_that_there_is_none() {
    refused(
        &prepared(""),
        &["update", "--image", "zzz"],
        2,
        &["the spec has no image \"zzz\"", "help: the spec uses no images"],
    );
}

#[test]
fn layouts_and_archives_that_do_not_exist() {
    let sandbox = prepared("");
    for name in ["oci:nowhere", "oci-archive:no.tar", "docker-archive:no.tar"] {
        refused(
            &sandbox,
            &["inspect", name],
            6,
            &[&format!("error: {name} does not exist")],
        );
    }
}

#[test]
fn an_update_in_its_earlier_form_says_the_new_one() {
    let sandbox = prepared("");
    let name = "docker.io/library/node:22";
    refused(
        &sandbox,
        &["update", name],
        2,
        &[
            &format!("there is no spec {name}"),
            &format!("help: to update the image {name} only, write `ocitect update --image {name}`"),
        ],
    );
    for arguments in [&["update", name, "--spec", "."][..], &["update", name, "node"]] {
        refused(&sandbox, arguments, 2, &["tip: ", "ocitect update DIR --image NAME"]);
    }
    refused(&sandbox, &["update", "./zzz"], 2, &["cannot read ./zzz"]);
}

#[test]
fn tags_that_are_none() {
    let sandbox = prepared("");
    refused(
        &sandbox,
        &["build", "-t", "1.0+5"],
        2,
        &["\"1.0+5\" is not a tag", "help: ", "write \"1.0-5\""],
    );
    refused(
        &sandbox,
        &["build", "-t", "feature/x"],
        2,
        &["-t feature/x", "for only a tag, write \"feature-x\""],
    );
    refused(&sandbox, &["build", "-t", "-x"], 2, &["-x"]);
    refused(&sandbox, &["build", "-t", "a b"], 2, &["a b", "expected 1 to 128"]);
    let digest = format!("ghcr.io/me/app@sha256:{}", "0".repeat(64));
    refused(
        &sandbox,
        &["build", "-t", &digest],
        2,
        &["has a digest", "help: use a tag"],
    );
}

#[test]
fn passwords_that_are_empty_or_missing() {
    let sandbox = prepared("");
    let arguments = ["login", "127.0.0.1:1", "--username", "me", "--password-stdin"];
    refused(
        &sandbox,
        &arguments,
        2,
        &["cannot read the password from standard input: it is empty"],
    );
    assert!(!sandbox.path("home/.docker").exists());
}
