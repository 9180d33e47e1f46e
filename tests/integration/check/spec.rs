//! Checks of specs: exit statuses, `[check]`, and the formats of findings.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Sandbox, is_put_of, part, requests};

/// A static program for amd64 and arm64.
fn busybox(architecture: &str) -> PathBuf {
    part(&format!("BUSYBOX_{architecture}")).into()
}

/// Writes a spec for both platforms with a program for each, and more lines.
fn program_spec(sandbox: &Sandbox, image: &str, rest: &str) {
    for (folder, architecture) in [("amd64", "AMD64"), ("arm64", "ARM64")] {
        sandbox.write_mode(
            &format!("bin/{folder}/tool"),
            fs::read(busybox(architecture)).unwrap(),
            0o755,
        );
    }
    sandbox.spec(&format!(
        "[image]\n{image}\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n[config]\nuser = \"1000\"\n\
         entrypoint = [\"/bin/tool\", \"true\"]\n[[layers]]\nname = \"app\"\n\
         files = [{{ from = \"bin/${{arch}}/tool\", to = \"/bin/tool\" }}]\n{rest}"
    ));
}

/// Writes the same with the two programs exchanged.
fn exchanged(sandbox: &Sandbox, image: &str, rest: &str) {
    program_spec(sandbox, image, rest);
    fs::rename(sandbox.path("bin/amd64"), sandbox.path("bin/other")).unwrap();
    fs::rename(sandbox.path("bin/arm64"), sandbox.path("bin/amd64")).unwrap();
    fs::rename(sandbox.path("bin/other"), sandbox.path("bin/arm64")).unwrap();
}

#[test]
fn a_right_image_passes_and_says_so() {
    let sandbox = Sandbox::new();
    program_spec(&sandbox, "", "");
    let outcome = sandbox.ok(&["check"]);
    assert_eq!(
        (outcome.stdout.as_str(), outcome.stderr.as_str()),
        (
            "checked linux/amd64: 1 layer, 1 file\nchecked linux/arm64: 1 layer, 1 file\n0 errors, 0 warnings\n",
            ""
        )
    );
    sandbox.ok(&["check", "ocitect.toml"]);
    assert!(!sandbox.path("build").exists(), "a check writes nothing");
}

#[test]
fn a_program_for_another_processor_stops_the_build_before_anything_is_written() {
    let sandbox = Sandbox::new();
    let host = part("REGISTRY_OPEN");
    exchanged(&sandbox, &format!("name = \"{host}/check/exchanged\""), "");
    for arguments in [
        &["build"][..],
        &["build", "--push"],
        &["build", "-o", "oci-archive:out.tar"],
    ] {
        let outcome = sandbox.run(arguments).expect(3).says(&[
            "error[wrong-architecture]: linux/amd64 /bin/tool: ",
            "error[wrong-architecture]: linux/arm64 /bin/tool: ",
            "the check found 2 errors; nothing was written",
        ]);
        assert_eq!(outcome.stdout, "");
    }
    assert!(!sandbox.path("build").exists() && !sandbox.path("out.tar").exists());
    // The registry received no request for it: its first request is for the right image.
    program_spec(&sandbox, &format!("name = \"{host}/check/exchanged\""), "");
    sandbox.ok(&["build", "--push"]);
    let seen = requests("OPEN", "check/exchanged", 0, is_put_of("latest"));
    assert_eq!(
        seen.iter()
            .filter(|request| request.path.contains("/manifests/") && request.method == "PUT")
            .count(),
        3
    );
}

#[test]
fn one_platform_is_checked_alone_where_one_is_asked_for() {
    let sandbox = Sandbox::new();
    program_spec(&sandbox, "", "");
    fs::copy(busybox("AMD64"), sandbox.path("bin/arm64/tool")).unwrap();
    sandbox.ok(&["check", "--platform", "linux/amd64"]);
    sandbox.ok(&["build", "--platform", "linux/amd64"]);
    let outcome = sandbox
        .run(&["check", "--platform", "linux/arm64"])
        .expect(3)
        .says(&["the check found 1 error"]);
    assert!(
        outcome
            .stdout
            .contains("error[wrong-architecture]: linux/arm64 /bin/tool: "),
        "{}",
        outcome.stdout
    );
}

/// First lines of the output for an image with one file for each of two platforms.
const CHECKED: &str = "checked linux/amd64: 1 layer, 1 file\nchecked linux/arm64: 1 layer, 1 file\n";

#[test]
fn what_the_spec_allows_is_passed_over_and_what_it_denies_stops_the_build() {
    let sandbox = Sandbox::new();
    exchanged(&sandbox, "", "[check]\nallow = [\"wrong-architecture:/bin/*\"]\n");
    let outcome = sandbox.ok(&["check"]);
    assert_eq!(outcome.stdout, format!("{CHECKED}0 errors, 0 warnings, 2 allowed\n"));
    sandbox.ok(&["build"]);

    program_spec(
        &sandbox,
        "",
        "[[layers]]\nname = \"key\"\nfiles = [{ from = \"id_rsa\", to = \"/app/\" }]\n",
    );
    sandbox.write(
        "id_rsa",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAAB\n-----END OPENSSH PRIVATE KEY-----\n",
    );
    let text = fs::read_to_string(sandbox.path("ocitect.toml")).unwrap();
    let outcome = sandbox.run(&["build", "-t", "2"]).expect(3);
    assert!(
        outcome
            .stderr
            .contains("error[secret]: linux/amd64, linux/arm64 /app/id_rsa: "),
        "{}",
        outcome.stderr
    );
    assert!(!outcome.stderr.contains("c2VjcmV0"), "a secret's value is never shown");
    sandbox.write(
        "ocitect.toml",
        format!("{text}[check]\nallow = [\"secret:/app/id_rsa\"]\n"),
    );
    sandbox.ok(&["build", "-t", "2"]);
    sandbox.write(
        "id_rsa",
        "https://registry.example.org/:_authToken=b0a7e8d2-5f7c-4e1b-9a3d-6c2f8e4b7a10\n",
    );
    sandbox.write("ocitect.toml", &text);
    sandbox
        .ok(&["build", "-t", "2"])
        .says(&["warning[secret]: linux/amd64, linux/arm64 /app/id_rsa: "]);
    sandbox.write("ocitect.toml", format!("{text}[check]\ndeny = [\"secret\"]\n"));
    sandbox
        .run(&["build", "-t", "3"])
        .expect(3)
        .says(&["error[secret]: linux/amd64, linux/arm64 /app/id_rsa: "]);
}

#[test]
fn an_allow_that_matches_nothing_is_told_of() {
    let sandbox = Sandbox::new();
    program_spec(
        &sandbox,
        "",
        "[check]\nallow = [\"secret:/nowhere/**\", \"*:/nothing\"]\n",
    );
    let outcome = sandbox.ok(&["check"]);
    assert!(
        outcome.stdout.starts_with(
            "warning[unused-allow]: linux/amd64 /: `allow` entry \"secret:/nowhere/**\" matches no finding"
        )
    );
    assert!(outcome.stdout.ends_with("0 errors, 1 warning\n"), "{}", outcome.stdout);
    // It matches on one platform, so it is used.
    exchanged(&sandbox, "", "[check]\nallow = [\"wrong-architecture:/bin/tool\"]\n");
    fs::copy(busybox("AMD64"), sandbox.path("bin/amd64/tool")).unwrap();
    assert_eq!(
        sandbox.ok(&["check"]).stdout,
        format!("{CHECKED}0 errors, 0 warnings, 1 allowed\n")
    );
    // Nothing is printed about an entry whose platform is not checked.
    let one = sandbox.ok(&["check", "--platform", "linux/amd64"]).stdout;
    assert_eq!(one, "checked linux/amd64: 1 layer, 1 file\n0 errors, 0 warnings\n");
}

#[test]
fn a_code_that_there_is_not_is_bad_input() {
    let sandbox = Sandbox::new();
    program_spec(&sandbox, "", "[check]\nallow = [\"secrets:/**\"]\n");
    sandbox
        .run(&["check"])
        .expect(2)
        .says(&["\"secrets\"", "did you mean \"secret\"?"]);
    sandbox.run(&["build"]).expect(2);
    program_spec(&sandbox, "", "[check]\ndeny = [\"run-as-root\"]\n");
    sandbox
        .run(&["check"])
        .expect(2)
        .says(&["did you mean \"runs-as-root\"?"]);
    program_spec(&sandbox, "", "[check]\nallow = [\"secret:/[\"]\n");
    sandbox.run(&["check"]).expect(2).says(&["invalid pattern \"/[\""]);
}

#[test]
fn max_size_is_a_finding_that_names_layers_and_files() {
    let sandbox = Sandbox::new();
    program_spec(&sandbox, "max-size = \"100kB\"\ncompression = \"none\"", "");
    let outcome = sandbox.run(&["check", "--platform", "linux/amd64"]).expect(3);
    for words in [
        "error[budget-exceeded]: linux/amd64 /: the compressed image has ",
        "but max-size is 100000 bytes",
        "app ",
        "/bin/tool ",
    ] {
        assert!(outcome.stdout.contains(words), "{}", outcome.stdout);
    }
    program_spec(
        &sandbox,
        "max-size = \"100kB\"",
        "[check]\nallow = [\"budget-exceeded:/\"]\n",
    );
    sandbox.ok(&["check"]);
    sandbox.ok(&["build"]);
}

#[test]
fn findings_are_told_as_json_with_every_field() {
    let sandbox = Sandbox::new();
    exchanged(&sandbox, "", "");
    let outcome = sandbox.run(&["check", "--json"]).expect(3);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        (report["errors"].as_u64(), report["warnings"].as_u64()),
        (Some(2), Some(0))
    );
    let finding = &report["findings"][0];
    for (field, value) in [
        ("code", "wrong-architecture"),
        ("severity", "error"),
        ("platform", "linux/amd64"),
        ("path", "/bin/tool"),
    ] {
        assert_eq!(finding[field], value);
    }
    for field in ["message", "expected", "found", "help"] {
        assert!(
            finding[field].as_str().is_some_and(|text| !text.is_empty()),
            "{field} of {finding}"
        );
    }
    // A build reports them as events.
    let outcome = sandbox.run(&["build", "--progress", "json"]).expect(3);
    let events: Vec<Value> = outcome
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let found: Vec<&Value> = events.iter().filter(|event| event["event"] == "finding").collect();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0]["code"], "wrong-architecture");
    assert_eq!(events.last().unwrap()["exit_code"], 3);
}

#[test]
fn findings_are_told_as_sarif() {
    let sandbox = Sandbox::new();
    exchanged(&sandbox, "", "");
    let outcome = sandbox.run(&["check", "--sarif", "ocitect.toml"]).expect(3);
    let log: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    assert_eq!(results[0]["ruleId"], "wrong-architecture");
    let uri = &results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(uri, "ocitect.toml");
    sandbox.run(&["check", "--sarif", "--json"]).expect(2);
}

#[test]
fn variables_that_the_image_requires_are_looked_for_in_env_files() {
    let sandbox = Sandbox::new();
    program_spec(&sandbox, "", "");
    let text = fs::read_to_string(sandbox.path("ocitect.toml")).unwrap();
    let required = "required-env = [\"API_KEY\", \"REGION\", \"MODE\"]\nenv = { MODE = \"fast\" }\nentrypoint";
    sandbox.write("ocitect.toml", text.replace("entrypoint", required));
    sandbox
        .write("half.env", "API_KEY=hunter2\nREGION=\n")
        .write("rest.env", "REGION=north\n");
    // It is only checked if files are given.
    sandbox.ok(&["check"]);
    let outcome = sandbox.run(&["check", "--env-file", "half.env"]).expect(3);
    assert!(
        outcome
            .stdout
            .contains("error[missing-variable]: linux/amd64, linux/arm64 /: "),
        "{}",
        outcome.stdout
    );
    assert!(
        outcome.stdout.contains("REGION") && !outcome.stdout.contains("API_KEY"),
        "{}",
        outcome.stdout
    );
    assert!(!outcome.stdout.contains("hunter2"));
    sandbox.ok(&["check", "--env-file", "half.env", "--env-file", "rest.env"]);
    sandbox
        .run(&["check", "--env-file", "none.env"])
        .expect(2)
        .says(&["none.env"]);
    // The image itself has the required variables.
    sandbox.ok(&["build"]);
    let outcome = sandbox
        .run(&["check", "oci:build/oci", "--env-file", "half.env"])
        .expect(3);
    assert!(outcome.stdout.contains("missing-variable"), "{}", outcome.stdout);
}

#[test]
fn codes_are_listed_with_what_they_mean() {
    let outcome = Sandbox::new().ok(&["check", "--codes"]);
    let line = outcome
        .stdout
        .lines()
        .find(|line| line.starts_with("wrong-architecture "))
        .unwrap();
    assert!(line.contains("error") && line.contains("another processor"), "{line}");
}
