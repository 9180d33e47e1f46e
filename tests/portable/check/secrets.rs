//! Secrets in the files of an image: every kind in every sort of file, similar text that is no secret, and the effect
//! on builds.

use serde_json::Value;

use crate::support::Sandbox;

/// Returns base64 that is the same in every run.
fn noise(length: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(DIGITS[(state >> 20) as usize % 64])
    };
    (0..length).map(|_| next()).collect()
}

fn word(length: usize) -> String {
    noise(2 * length).replace(['+', '/'], "")[..length].to_owned()
}

/// Returns a private key in its tools' format; only its numbers are noise.
fn key(name: &str, start: &str, length: usize) -> String {
    let body = format!("{start}{}", noise(length));
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    [
        "-----BEGIN ",
        name,
        "-----\n",
        &lines.join("\n"),
        "\n-----END ",
        name,
        "-----\n",
    ]
    .concat()
}

fn rsa() -> String {
    key(
        "PRIVATE KEY",
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ",
        1578,
    )
}

fn openssh() -> String {
    key(
        "OPENSSH PRIVATE KEY",
        "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAAB",
        400,
    )
}

/// Returns a token, assembled here so that no file of the project contains one.
fn token(parts: &[&str], length: usize) -> String {
    [&parts.concat(), &*word(length)].concat()
}

const CONFIG: &str = "[image]\nbase = \"scratch\"\nplatforms = [\"linux/amd64\"]\n";
const LAYER: &str = "[[layers]]\nname = \"app\"\nfiles = [{ from = \"files/\", to = \"/app\" }]\n";

fn sandbox(files: &[(&str, String)]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("files/readme", "nothing to see\n");
    for (path, text) in files {
        sandbox.write(&format!("files/{path}"), text);
    }
    sandbox.spec(&format!("{CONFIG}{LAYER}"));
    sandbox
}

/// Returns severity and path of every finding on a secret.
fn secrets(json: &str) -> Vec<(String, String)> {
    let report: Value = serde_json::from_str(json).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    findings
        .filter(|finding| finding["code"] == "secret")
        .map(|finding| (text(&finding["severity"]), text(&finding["path"])))
        .collect()
}

#[test]
fn secrets_are_found_whatever_their_files_are_called() {
    let github = token(&["gh", "p_"], 36);
    let slack = token(&["xo", "xb-", "2406183957123-2406183957124-"], 24);
    let stripe = token(&["sk_", "live_"], 24);
    let openai = token(&["sk-", "proj-"], 48);
    let vault = token(&["hv", "s."], 95);
    let account = format!(
        "{{\"type\": \"service_account\", \"private_key\": \"{}\"}}",
        rsa().replace('\n', "\\n")
    );
    let keys = [
        ("privkey.txt", rsa()),
        ("tls.crt", key("RSA PRIVATE KEY", "MIIEpAIBAAKCAQEA", 1576)),
        ("deploy_key", openssh()),
        ("gcp.json", account),
        ("id_ed25519.bak", key("PRIVATE KEY", "MC4CAQAwBQYDK2VwBCIEI", 43)),
        (
            "values.yml",
            format!(
                "tls:\n  key: |\n{}",
                rsa().lines().map(|line| format!("    {line}\n")).collect::<String>()
            ),
        ),
    ];
    let tokens = [
        ("settings.py", format!("TOKEN = \"{github}\"\n")),
        ("client.js", format!("const token = '{slack}';\n")),
        ("config.json", format!("{{\"key\": \"{stripe}\"}}\n")),
        ("app.yaml", format!("openai: {openai}\n")),
        ("application.properties", format!("vault.token={vault}\n")),
        ("app.ini", format!("[github]\ntoken = {github}\n")),
        ("run.sh", format!("export SLACK_TOKEN={slack}\n")),
        ("notes.txt", format!("the key is {stripe}, for now\n")),
        ("prod.tfvars", format!("openai = \"{openai}\"\n")),
        ("direnv.envrc", format!("export VAULT_TOKEN={vault}\n")),
        ("bundle.min.js", format!("!function(){{var a=\"{github}\"}}()")),
        ("main.go", format!("var token = `{slack}`\n")),
    ];
    let sandbox = sandbox(&[&keys[..], &tokens].concat());
    let mut expected: Vec<(String, String)> = Vec::new();
    expected.extend(
        keys.iter()
            .map(|(path, _)| ("error".to_owned(), format!("/app/{path}"))),
    );
    expected.extend(
        tokens
            .iter()
            .map(|(path, _)| ("warning".to_owned(), format!("/app/{path}"))),
    );
    expected.sort();
    let checked = sandbox.run(&["check", "--json"]).expect(3);
    let mut found = secrets(&checked.stdout);
    found.sort();
    assert_eq!(found, expected);
    // A build finds the same while it packs, and writes no image.
    let built = sandbox
        .run(&["build", "-o", "oci:out:1", "-o", "oci-archive:out.tar"])
        .expect(3);
    let groups = [
        format!("error[secret]: {} findings", keys.len()),
        format!("warning[secret]: {} findings", tokens.len()),
    ];
    let lines = expected.iter().map(|(_, path)| format!("  linux/amd64 {path}: "));
    for text in groups.into_iter().chain(lines) {
        assert!(built.stderr.contains(&text), "{text}: {}", built.stderr);
    }
    assert!(!sandbox.path("out/index.json").exists() && !sandbox.path("out.tar").exists());
    for secret in [&github, &slack, &stripe, &openai, &vault, &noise(40)] {
        assert!(
            !built.stderr.contains(&secret[10..]) && !checked.stdout.contains(&secret[10..]),
            "a value is shown"
        );
    }
}

#[test]
fn what_only_looks_like_a_secret_is_none() {
    let empty = ["-----BEGIN ", "RSA PRIVATE KEY-----"].concat();
    let sandbox = sandbox(&[
        ("pem.py", format!("if text.startswith('{empty}'):\n    return parse(text)\n")),
        ("docs.md", format!("{empty}\nMIIEpAIBAAKCAQEA...\n-----END RSA PRIVATE KEY-----\n")),
        ("package.json", "{\"scripts\": {\"d\": \"cross-env npm_config_zmq_enable_sanitizer_undefined=true cmake\"}}".into()),
        (".npmrc", "//registry.example.org/:_authToken=${NPM_TOKEN}\n".into()),
        ("aws.ini", "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n".into()),
        ("a.yaml", format!("token: {}{}\n", ["gh", "p_"].concat(), "x".repeat(36))),
        ("public.pem", key("PUBLIC KEY", "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A", 360)),
    ]);
    assert_eq!(secrets(&sandbox.ok(&["check", "--json"]).stdout), []);
    sandbox.ok(&["build", "-o", "oci:out:1"]);
}

#[test]
fn keys_of_packages_and_tests_are_one_warning_each() {
    let sandbox = sandbox(&[
        ("node_modules/forge/a.pem", rsa()),
        ("node_modules/forge/test/b.pem", rsa()),
        ("venv/lib/python3.11/site-packages/trust/x.key", openssh()),
        ("testdata/x.key", openssh()),
    ]);
    let found = secrets(&sandbox.ok(&["check", "--json"]).stdout);
    let paths: Vec<&str> = found.iter().map(|(_, path)| path.as_str()).collect();
    let expected = [
        "/app/node_modules/forge",
        "/app/testdata",
        "/app/venv/lib/python3.11/site-packages/trust",
    ];
    assert_eq!(paths, expected);
    assert!(found.iter().all(|(severity, _)| severity == "warning"), "{found:?}");
    sandbox.ok(&["build", "-o", "oci:out:1"]);
}

#[test]
fn a_secret_across_the_border_of_two_blocks_is_found_by_every_compression() {
    // Each unit has a border at each MiB: several keys lie across one.
    let mut text = String::new();
    for mib in 1..9 {
        let end = mib * 1024 * 1024 - 700;
        text.extend(std::iter::repeat_n("0123456 9abcdef\n", (end - text.len()) / 16));
        text.push_str(&rsa());
    }
    let sandbox = sandbox(&[("dump.sql", text)]);
    let told = |output: &str| {
        output
            .lines()
            .find(|line| line.contains("[secret]"))
            .unwrap()
            .to_owned()
    };
    let checked = told(&sandbox.run(&["check"]).expect(3).stdout);
    assert!(
        checked.contains("a private key (byte ") && checked.contains(" and 5 more"),
        "{checked}"
    );
    for compression in ["gzip", "zstd", "none"] {
        sandbox.spec(&format!("{CONFIG}compression = \"{compression}\"\n{LAYER}"));
        assert_eq!(
            told(&sandbox.run(&["build", "-o", "oci:out:1"]).expect(3).stderr),
            checked,
            "{compression}"
        );
        assert_eq!(
            told(&sandbox.run(&["check"]).expect(3).stdout),
            checked,
            "{compression}"
        );
    }
    sandbox.spec(&format!("{CONFIG}{LAYER}[check]\nallow = [\"secret:/app/dump.sql\"]\n"));
    sandbox.ok(&["build", "-o", "oci:out:1"]);
    assert_eq!(told(&sandbox.run(&["check", "oci:out:1"]).expect(3).stdout), checked);
}

#[test]
fn a_secret_that_a_later_layer_hides_is_found_in_the_image() {
    let sandbox = sandbox(&[("deploy_key", openssh())]);
    let over = "[[layers]]\nname = \"over\"\nfiles = [{ from = \"files/readme\", to = \"/app/deploy_key\" }]\n";
    sandbox.spec(&format!("{CONFIG}{LAYER}{over}[check]\nallow = [\"secret:/**\"]\n"));
    sandbox.ok(&["build", "-o", "oci:out:1"]);
    let found = secrets(&sandbox.run(&["check", "--json", "oci:out:1"]).expect(3).stdout);
    assert_eq!(found, [("error".to_owned(), "/app/deploy_key".to_owned())]);
}

#[test]
fn members_of_archives_and_files_of_images_are_scanned() {
    let sandbox = sandbox(&[("deploy_key", openssh())]);
    crate::support::tool(
        "tar",
        &[
            "-cf",
            sandbox.path("keys.tar").to_str().unwrap(),
            "-C",
            sandbox.path("files").to_str().unwrap(),
            "deploy_key",
        ],
    );
    sandbox.spec(&format!(
        "{CONFIG}[[layers]]\nname = \"app\"\nfiles = [{{ from = \"keys.tar\", to = \"/keys\", unpack = true }}]\n"
    ));
    for command in [&["check"][..], &["build", "-o", "oci:out:1"]] {
        let outcome = sandbox.run(command).expect(3);
        assert!((outcome.stdout + &outcome.stderr).contains("error[secret]: linux/amd64 /keys/deploy_key: "));
    }
}
