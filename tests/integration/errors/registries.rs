//! Errors of registries, each with its own message; and images that do not exist.

use crate::errors::refusal::{assert_only_read, requests_so_far};
use crate::support::liar::{Liar, Page};
use crate::support::refusal::{base, layer, refused, refused_as, spec};
use crate::support::{Sandbox, part};

/// Returns a sandbox with a spec of one layer, built once into `oci:image`.
fn built() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("app", "1");
    spec(&sandbox, &[&layer("app", "/app")]);
    sandbox.ok(&["build", "-o", "oci:image"]);
    sandbox
}

/// Runs with a password on standard input.
#[track_caller]
fn refused_with(
    sandbox: &Sandbox,
    user: &str,
    password: &str,
    arguments: &[&str],
    code: i32,
    words: &[&str],
) -> String {
    sandbox.write("password", password);
    let mut command = sandbox.command(&[arguments, &["--username", user, "--password-stdin"]].concat());
    command.stdin(std::fs::File::open(sandbox.path("password")).unwrap());
    let outcome = refused_as(sandbox, command, code, words);
    assert!(!outcome.stderr.contains(password), "{}", outcome.stderr);
    outcome.stderr
}

#[test]
fn without_credentials_401_says_to_log_in() {
    let sandbox = built();
    let host = part("REGISTRY_TOKEN");
    let target = format!("{host}/bad-input/anonymous:1");
    let words = [
        "requires authentication",
        &format!("help: log in: ocitect login {host}"),
    ];
    refused(&sandbox, &["build", "--push", "-t", &target], 4, &words);
    refused(&sandbox, &["push", "oci:image", &target], 4, &words);
    refused(&sandbox, &["copy", &target, "oci:copy"], 4, &words);
    assert_only_read_but_refusals("bad-input/anonymous");
}

/// Checks that every request to write was refused.
#[track_caller]
fn assert_only_read_but_refusals(repository: &str) {
    for request in requests_so_far("TOKEN", repository) {
        let is_read = ["GET", "HEAD"].contains(&request.method.as_str());
        assert!(is_read || request.status == 401, "{request:?}");
    }
}

#[test]
fn a_wrong_password_says_to_check_it() {
    let sandbox = built();
    let host = part("REGISTRY_TLS");
    let user = part("REGISTRY_TLS_USER");
    let ca = part("REGISTRY_TLS_CA");
    let image = format!("{host}/bad-input/password:1");
    let words = ["authentication to", "401", "help: check --username and the password"];
    refused_with(
        &sandbox,
        &user,
        "a-wrong-one",
        &["push", "oci:image", &image, "--ca-file", &ca],
        4,
        &words,
    );
    refused_with(
        &sandbox,
        &user,
        "a-wrong-one",
        &["inspect", &image, "--ca-file", &ca],
        4,
        &words,
    );

    let host = part("REGISTRY_TOKEN");
    let user = part("TOKEN_WRITER");
    let image = format!("{host}/bad-input/password:1");
    let words = [
        "authentication to",
        "incorrect username or password",
        "help: check --username and the password",
    ];
    refused_with(
        &sandbox,
        &user,
        "a-wrong-one",
        &["push", "oci:image", &image],
        4,
        &words,
    );
    assert_only_read_but_refusals("bad-input/password");
}

#[test]
fn an_account_that_may_not_push_is_told_so_and_not_to_log_in() {
    let sandbox = built();
    let user = part("TOKEN_READER");
    let password = part("TOKEN_READER_PASSWORD");
    let image = format!("{}/bad-input/reader:1", part("REGISTRY_TOKEN"));
    let words = ["was denied", "use an account with"];
    for arguments in [&["push", "oci:image", &image][..], &["build", "--push", "-t", &image]] {
        let said = refused_with(&sandbox, &user, &password, arguments, 4, &words);
        assert!(!said.contains("ocitect login"), "{said}");
    }
    assert_only_read_but_refusals("bad-input/reader");
}

#[test]
fn statuses_are_told_apart_while_an_image_is_read() {
    let cases = [
        (
            401,
            "UNAUTHORIZED",
            "who are you",
            4,
            ["requires authentication", "401 (UNAUTHORIZED): who are you"],
        ),
        (403, "DENIED", "quota", 4, ["was denied", "403 (DENIED): quota"]),
        (
            404,
            "MANIFEST_UNKNOWN",
            "no",
            6,
            ["tag latest was not found in", "latest"],
        ),
        (
            404,
            "NAME_UNKNOWN",
            "no",
            6,
            ["tag latest was not found in", "check the name of the repository"],
        ),
        (
            429,
            "TOOMANYREQUESTS",
            "slow",
            5,
            ["429 (TOOMANYREQUESTS): slow", "limits the request rate"],
        ),
        (500, "UNKNOWN", "oh", 5, ["500 (UNKNOWN): oh", "try again"]),
    ];
    // Transient failures are retried before they are reported: the tests run concurrently, so that the waits do not add
    // up.
    std::thread::scope(|scope| {
        for (status, error, message, code, words) in cases {
            for command in ["build", "copy"] {
                scope.spawn(move || {
                    let liar = Liar::honest();
                    let sandbox = Sandbox::new();
                    let image = liar.image();
                    spec(&sandbox, &[&base(&format!("{image}:latest"))]);
                    liar.put("/v2/app/manifests/latest", Page::error(status, error, message));
                    match command {
                        "build" => refused(&sandbox, &["build"], code, &words),
                        _ => refused(&sandbox, &["copy", &image, "oci:copy"], code, &words),
                    };
                    liar.assert_only_read();
                });
            }
        }
    });
}

#[test]
fn a_403_to_an_upload_is_a_denial() {
    let liar = Liar::honest();
    liar.put(
        "/v2/app/blobs/uploads/",
        Page::error(403, "DENIED", "the project is read-only"),
    );
    let sandbox = built();
    let words = [
        "was denied",
        "403 (DENIED): the project is read-only",
        "use an account with",
    ];
    refused(
        &sandbox,
        &["push", "oci:image", &format!("{}:1", liar.image())],
        4,
        &words,
    );
    refused(
        &sandbox,
        &["build", "--push", "-t", &format!("{}:1", liar.image())],
        4,
        &words,
    );
    assert!(
        !liar
            .requests()
            .iter()
            .any(|request| request.starts_with("PUT ") || request.starts_with("PATCH "))
    );
}

#[test]
fn a_missing_repository_or_tag_is_not_found() {
    let sandbox = Sandbox::new();
    let host = part("REGISTRY_OPEN");
    for (image, words) in [
        (
            format!("{host}/bad-input/missing:1"),
            format!("tag 1 was not found in {host}/bad-input/missing"),
        ),
        (
            format!("{host}/base:no-such-tag"),
            format!("tag no-such-tag was not found in {host}/base"),
        ),
        (
            format!("{host}/base@sha256:{}", "0".repeat(64)),
            format!("sha256:{} was not found in {host}/base", "0".repeat(64)),
        ),
    ] {
        refused(&sandbox, &["inspect", &image], 6, &[&words]);
        refused(&sandbox, &["copy", &image, "oci:copy"], 6, &[&words]);
        spec(&sandbox, &[&base(&image)]);
        refused(
            &sandbox,
            &["build"],
            6,
            &[&words, &format!("cannot read {image} for linux/amd64")],
        );
    }
}

#[test]
fn a_registry_whose_certificate_nobody_vouches_for_is_not_spoken_to() {
    let sandbox = built();
    let host = part("REGISTRY_TLS");
    let image = format!("{host}/base:latest");
    let words = [
        "the certificate of localhost was issued by an untrusted authority",
        "help: ",
        "--ca-file FILE",
    ];
    refused(&sandbox, &["inspect", &image], 5, &words);
    refused(&sandbox, &["push", "oci:image", &image], 5, &words);
    refused(&sandbox, &["build", "--push", "-t", &image], 5, &words);
    spec(&sandbox, &[&base(&image)]);
    refused(&sandbox, &["build"], 5, &words);
}

#[test]
fn a_registry_that_is_not_there_is_named() {
    let liar = Liar::honest();
    let image = format!("{}/app:1", liar.host());
    drop(liar);
    let sandbox = built();
    refused(
        &sandbox,
        &["inspect", &image],
        5,
        &[&image[..image.find('/').unwrap()], "refused"],
    );
    refused(&sandbox, &["build", "--push", "-t", &image], 5, &["refused"]);
}

#[test]
fn a_base_that_lacks_the_platform_lists_what_it_has() {
    let sandbox = Sandbox::new();
    spec(&sandbox, &[&base(&format!("oci:{}", part("BASE_VARIANTS")))]);
    let words = [
        "base-variants has no image for linux/amd64",
        "help: available platforms: linux/386, linux/arm/v5, linux/arm/v7, linux/arm64",
    ];
    refused(&sandbox, &["build"], 6, &words);
    // 386 runs on amd64, but is not selected for it.
    let single = base(&format!("oci:{}", part("BASE_SINGLE")));
    sandbox.spec(&format!("[image]\nplatforms = [\"linux/arm64\"]\n{single}"));
    refused(
        &sandbox,
        &["build"],
        6,
        &["has no image for linux/arm64", "help: available platforms: linux/amd64"],
    );
    let host = part("REGISTRY_OPEN");
    let remote = base(&format!("{host}/base:latest"));
    sandbox.spec(&format!(
        "[image]\nname = \"{host}/bad-input/platform\"\nplatforms = [\"linux/s390x\"]\n{remote}"
    ));
    refused(
        &sandbox,
        &["build", "--push"],
        6,
        &[
            "has no image for linux/s390x",
            "help: available platforms: linux/amd64, linux/arm64",
        ],
    );
    assert_only_read("OPEN", "bad-input/platform");
    refused(
        &sandbox,
        &["copy", "--platform", "linux/s390x", &format!("{host}/base"), "oci:copy"],
        6,
        &["linux/s390x"],
    );
}

#[test]
fn an_image_over_its_max_size_is_not_pushed_and_lists_its_layers() {
    let sandbox = Sandbox::new();
    let host = part("REGISTRY_OPEN");
    sandbox.write("small", "1").write("large", "x".repeat(100_000));
    let image =
        |limit: &str| format!("name = \"{host}/bad-input/budget\"\ncompression = \"none\"\nmax-size = \"{limit}\"\n");
    let layers = "[[layers]]\nname = \"little\"\nfiles = [{ from = \"small\", to = \"/small\" }]\n\
                  [[layers]]\nname = \"much\"\nfiles = [{ from = \"large\", to = \"/large\" }]\n";
    spec(&sandbox, &[&image("50kB"), layers]);
    let words = [
        "linux/amd64 /: the compressed image has 10",
        " bytes, but max-size is 50000 bytes",
        "much 10",
        ", little 2048",
    ];
    refused(&sandbox, &["build", "--push"], 3, &words);
    refused(
        &sandbox,
        &[
            "build",
            "-o",
            "oci:out",
            "-o",
            "oci-archive:out.tar",
            "--metadata",
            "out.json",
        ],
        3,
        &words,
    );
    assert_only_read("OPEN", "bad-input/budget");
    spec(&sandbox, &[&image("200kB"), layers]);
    sandbox.ok(&["build", "--push"]);
}

#[test]
fn no_platform_is_pushed_where_one_is_over_its_max_size() {
    let sandbox = Sandbox::new();
    let host = part("REGISTRY_OPEN");
    sandbox.write("app", "x".repeat(100_000));
    let text = format!(
        "[image]\nname = \"{host}/bad-input/one-of-two\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n\
         compression = \"none\"\n{}[platform.\"linux/arm64\".image]\nmax-size = \"1kB\"\n",
        layer("app", "/app")
    );
    sandbox.spec(&text);
    refused(
        &sandbox,
        &["build", "--push"],
        3,
        &["linux/arm64 /: the compressed image has ", "but max-size is 1000 bytes"],
    );
    assert_only_read("OPEN", "bad-input/one-of-two");
}

#[test]
fn what_is_wrong_with_a_platform_is_found_before_the_first_write() {
    let sandbox = Sandbox::new();
    let host = part("REGISTRY_OPEN");
    sandbox.write("app", "1");
    let text = format!(
        "[image]\nname = \"{host}/bad-input/planned\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n\
         [[layers]]\nname = \"app\"\nfiles = [{{ from = \"${{arch}}/app\", to = \"/app\" }}]\n"
    );
    sandbox.write("amd64/app", "1").spec(&text);
    refused(
        &sandbox,
        &["build", "--push", "-o", "oci:out"],
        2,
        &["`from = \"arm64/app\"` matches nothing"],
    );
    assert_only_read("OPEN", "bad-input/planned");
}
