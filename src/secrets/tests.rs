//! Tests of every kind of secret in every kind of file, of texts that are not secrets, and of slices.

use super::*;
use crate::model::EntryPath;

fn path(text: &str) -> EntryPath {
    EntryPath::new(text.as_bytes()).unwrap()
}

fn kinds(at: &str, content: &[u8]) -> Vec<Kind> {
    scan_file(&path(at), content)
        .into_iter()
        .map(|sighting| sighting.kind)
        .collect()
}

/// Returns base64 that is the same in every run.
fn noise(length: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
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

fn hex(length: usize) -> String {
    "9f86d081884c7d659a2feaa0c55ad0153bf3a1e7".repeat(4)[..length].to_owned()
}

/// Returns a PEM block with this many characters of noise after `start`, 64 per line.
fn block(name: &str, start: &str, length: usize) -> String {
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

/// Starts of keys: the beginnings of their structures, and the following characters.
fn pkcs8() -> String {
    block(
        "PRIVATE KEY",
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ",
        1578,
    )
}

fn pkcs1() -> String {
    block("RSA PRIVATE KEY", "MIIEpAIBAAKCAQEA", 1576)
}

fn ed25519() -> String {
    block("PRIVATE KEY", "MC4CAQAwBQYDK2VwBCIEI", 43)
}

fn sec1() -> String {
    block("EC PRIVATE KEY", "MHcCAQEEI", 155)
}

fn openssh(cipher: &str) -> String {
    block("OPENSSH PRIVATE KEY", cipher, 400)
}

const OPEN: &str = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAAB";
const LOCKED: &str = "b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAAB";

#[test]
fn private_keys_are_found_whatever_their_file_is_called() {
    for key in [pkcs8(), pkcs1(), ed25519(), sec1(), openssh(OPEN)] {
        for at in [
            "app/privkey.txt",
            "etc/tls.crt",
            "root/deploy_key",
            "app/a.js",
            "srv/data.bin",
        ] {
            assert_eq!(kinds(at, key.as_bytes()), [Kind::PrivateKey], "{at}: {key}");
        }
        let escaped = key.replace('\n', "\\n");
        let account = format!("{{\n \"type\": \"service_account\",\n \"private_key\": \"{escaped}\"\n}}\n");
        assert_eq!(kinds("app/gcp.json", account.as_bytes()), [Kind::PrivateKey]);
        let indented = format!(
            "key: |\n{}",
            key.lines().map(|line| format!("    {line}\n")).collect::<String>()
        );
        assert_eq!(kinds("app/values.yaml", indented.as_bytes()), [Kind::PrivateKey]);
        let joined: String = key.lines().map(|line| format!("    \"{line}\\n\" +\n")).collect();
        assert_eq!(
            kinds("app/Key.java", format!("String KEY =\n{joined}    \"\";\n").as_bytes()),
            [Kind::PrivateKey]
        );
        assert_eq!(
            kinds("app/dos.pem", key.replace('\n', "\r\n").as_bytes()),
            [Kind::PrivateKey]
        );
        let wide: Vec<u8> = [0xFF, 0xFE]
            .into_iter()
            .chain(key.bytes().flat_map(|byte| [byte, 0]))
            .collect();
        assert_eq!(kinds("app/wide.pem", &wide), [Kind::PrivateKey]);
        let binary = [&[0, 1, 2, 255][..], key.as_bytes(), &[0; 9]].concat();
        let found = scan_file(&path("app/server"), &binary);
        assert_eq!(
            found.iter().map(|one| (one.kind, one.place)).collect::<Vec<_>>(),
            [(Kind::PrivateKey, Place::Byte(4))]
        );
    }
    // Libraries contain keys for their own tests.
    let program = [b"\x7fELF\x02\x01\x01\0", pkcs1().as_bytes()].concat();
    assert_eq!(kinds("usr/lib/libgnutls.so", &program), [Kind::ProgramKey]);
    let large = [&program[..], &vec![0; 3 << 20]].concat();
    assert_eq!(in_slices(&large, &[1 << 20], true)[0].kind, Kind::ProgramKey);
    let encoded = base64_of(pkcs1().as_bytes());
    assert_eq!(
        kinds("root/kube.yml", format!("client-key-data: {encoded}\n").as_bytes()),
        [Kind::PrivateKey]
    );
    let certificate = base64_of(block("CERTIFICATE", "MIIDXTCCAkWgAwIB", 1200).as_bytes());
    assert_eq!(
        kinds(
            "root/kube.yml",
            format!("client-certificate-data: {certificate}\n").as_bytes()
        ),
        []
    );
}

fn base64_of(bytes: &[u8]) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn other_forms_of_private_keys_are_found() {
    let pgp = [
        "-----BEGIN PGP PRIVATE KEY ",
        "BLOCK-----\nVersion: GnuPG v2\n\nlQ",
        &noise(700),
        "\n=aB3d\n-----END PGP",
    ]
    .concat();
    assert_eq!(kinds("app/release.asc", pgp.as_bytes()), [Kind::PrivateKey]);
    let bare = pgp.replace("Version: GnuPG v2\n", "");
    assert_eq!(kinds("app/release.asc", bare.as_bytes()), [Kind::PrivateKey]);
    let putty = |encryption: &str| {
        let head = [
            "PuTTY-User-",
            "Key-File-3: ssh-ed25519\nEncryption: ",
            encryption,
            "\nComment: a\nPublic-Lines: 2\n",
        ]
        .concat();
        format!(
            "{head}{}\n{}\nPrivate-Lines: 1\n{}\nPrivate-MAC: {}\n",
            noise(64),
            noise(16),
            noise(48),
            hex(64)
        )
    };
    assert_eq!(kinds("app/key.ppk", putty("none").as_bytes()), [Kind::PrivateKey]);
    assert_eq!(
        kinds("app/key.ppk", putty("aes256-cbc").as_bytes()),
        [Kind::EncryptedPrivateKey]
    );
    let identity = [
        "AGE-SECRET-",
        "KEY-1",
        "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7LQPZRY9X8GF2TVDW0S3JN54KHCE",
    ]
    .concat();
    assert_eq!(
        kinds("app/key.txt", format!("# created\n{identity}\n").as_bytes()),
        [Kind::AgeKey]
    );
    for locked in [
        openssh(LOCKED),
        block(
            "ENCRYPTED PRIVATE KEY",
            "MIIFHDBOBgkqhkiG9w0BBQ0wQTApBgkqhkiG9w0BBQwwHAQI",
            1700,
        ),
        pkcs1()
            .replacen(
                "KEY-----\n",
                "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,3F\n\n",
                1,
            )
            .replace("MIIEpAIBAAKCAQEA", "q3EGRIYZ6VWTB2NC"),
    ] {
        assert_eq!(
            kinds("app/locked.pem", locked.as_bytes()),
            [Kind::EncryptedPrivateKey],
            "{locked}"
        );
        assert_eq!(
            kinds("app/locked.json", locked.replace('\n', "\\n").as_bytes()),
            [Kind::EncryptedPrivateKey],
            "{locked}"
        );
    }
}

#[test]
fn what_is_no_private_key_is_none() {
    let key = |name: &str, body: &str| ["-----BEGIN ", name, "-----", body, "-----END ", name, "-----\n"].concat();
    for text in [
        key("PRIVATE KEY", "\n...\n"),
        key("PRIVATE KEY", "\nMIIEvQIBADANBg...\n"),
        key("PRIVATE KEY", "\n<your key>\n"),
        key("PRIVATE KEY", "\nMIIEvQIBADAN\n"),
        key("RSA PRIVATE KEY", "\nYOUR KEY GOES HERE\n"),
        key("RSA PRIVATE KEY", ""),
        key("RSA PRIVATE KEY", "\\n"),
        key("RSA PRIVATE KEY", &format!("\n{}\n", "x".repeat(800))),
        format!("if text.startswith(\"{}\"):", &key("RSA PRIVATE KEY", "")[..31]),
        "const BEGIN = /-----BEGIN (RSA |EC )?PRIVATE KEY-----/;\nfunction aVeryLongNameOfAFunctionThatFollows() {}"
            .to_owned(),
        "PRIVATE KEY-----".to_owned(),
        "E KEY-----".to_owned(),
        block("CERTIFICATE", "MIIDXTCCAkWgAwIB", 1200),
        block("PUBLIC KEY", "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A", 300),
    ] {
        assert_eq!(kinds("app/a.txt", text.as_bytes()), [], "{text}");
    }
}

/// Returns complete tokens, assembled so that this file contains none.
fn tokens() -> Vec<(String, Kind)> {
    let of = |parts: &[&str]| parts.concat();
    let dashed = |length: usize| word(length);
    vec![
        (of(&["gh", "p_", &word(36)]), Kind::GitHubToken),
        (of(&["gh", "o_", &word(36)]), Kind::GitHubToken),
        (of(&["gh", "s_", &word(36)]), Kind::GitHubToken),
        (of(&["gh", "u_", &word(36)]), Kind::GitHubToken),
        (of(&["gh", "r_", &word(76)]), Kind::GitHubToken),
        (of(&["github_", "pat_", &word(22), "_", &word(59)]), Kind::GitHubToken),
        (of(&["gl", "pat-", &dashed(20)]), Kind::GitLabToken),
        (
            of(&["xo", "xb-", "2406183957123-2406183957124-", &word(24)]),
            Kind::SlackToken,
        ),
        (
            of(&["xo", "xp-", "2406183957123-2406183957124-2406183957125-", &hex(32)]),
            Kind::SlackToken,
        ),
        (of(&["sk_", "live_", &word(24)]), Kind::StripeKey),
        (of(&["rk_", "live_", &word(99)]), Kind::StripeKey),
        (of(&["sk-", "proj-", &word(48)]), Kind::OpenAiKey),
        (of(&["sk-", &word(20), "T3Blbk", "FJ", &word(20)]), Kind::OpenAiKey),
        (of(&["sk-", "ant-api03-", &word(93), "AA"]), Kind::AnthropicKey),
        (of(&["hv", "s.", &word(95)]), Kind::VaultToken),
        (of(&["hv", "b.", &word(138)]), Kind::VaultToken),
        (of(&["AK", "IA", "Q3EGRIYZ6VWTB2NC"]), Kind::AwsAccessKey),
        (of(&["np", "m_", &word(36)]), Kind::NpmToken),
        (of(&["pypi-", "AgEIcHlwaS5vcmc", &word(150)]), Kind::PyPiToken),
        (of(&["SG", ".", &word(22), ".", &word(43)]), Kind::SendGridKey),
        (of(&["dop_", "v1_", &hex(64)]), Kind::DigitalOceanToken),
        (of(&["dckr_", "pat_", &word(27)]), Kind::DockerHubToken),
        (of(&["h", "f_", &word(34)]), Kind::HuggingFaceToken),
        (of(&["shp", "at_", &hex(32)]), Kind::ShopifyToken),
        (of(&["rubyge", "ms_", &hex(48)]), Kind::RubyGemsKey),
    ]
}

#[test]
fn tokens_are_found_in_every_sort_of_file() {
    let files: [(&str, &str, &str); 12] = [
        ("app/main.py", "import os\nTOKEN = \"", "\"\n"),
        ("app/index.js", "'use strict';\nconst token = '", "';\n"),
        ("app/config.json", "{\n  \"a\": \"", "\"\n}\n"),
        ("app/values.yaml", "a:\n  b: ", "\n"),
        ("app/application.properties", "a=1\nb.c=", "\n"),
        ("app/app.ini", "[a]\nb = ", "\n"),
        ("app/run.sh", "#!/bin/sh\nexport X='", "'\n"),
        ("app/notes.txt", "# notes\nuse ", " for it\n"),
        ("app/prod.tfvars", "a = 1\nb = \"", "\"\n"),
        ("app/.envrc", "# x\nexport T=", "\n"),
        ("app/bundle.min.js", "!function(){\nvar a=\"", "\";}()"),
        ("app/pom.xml", "<a>\n<b>", "</b></a>"),
    ];
    for (token, kind) in tokens() {
        for (at, before, after) in files {
            let found = scan_file(&path(at), format!("{before}{token}{after}").as_bytes());
            let found: Vec<_> = found.iter().map(|sighting| (sighting.kind, sighting.place)).collect();
            assert_eq!(found, [(kind, Place::Line(2))], "{at}: {token}");
        }
        assert_eq!(kinds("app/token", token.as_bytes()), [kind], "{token}");
        let in_address = format!("https://x-access-token:{token}@example.org/a");
        assert_eq!(kinds("app/a.cfg", in_address.as_bytes()), [kind], "{token}");
    }
}

#[test]
fn what_people_write_in_place_of_a_token_is_none() {
    for text in [
        "TOKEN=<token>",
        "TOKEN=${TOKEN}",
        "cross-env npm_config_zmq_enable_sanitizer_undefined=true cmake",
        "process.env.npm_package_config_something_rather_long",
        "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE\nAWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
        "//registry.example.org/:_authToken=${NPM_TOKEN}",
        "import { SG.common.of.something } from 'x'",
        "hvs.something.that.is.a.module",
        "from hf_hub import hf_hub_download",
    ] {
        assert_eq!(kinds("app/a.txt", text.as_bytes()), [], "{text}");
    }
    for (token, _) in tokens() {
        let prefix: String = token.chars().take(7).collect();
        for filler in ["x", "X", "0", "*", "."] {
            let text = format!("{prefix}{}", filler.repeat(60));
            assert_eq!(kinds("app/a.txt", text.as_bytes()), [], "{text}");
        }
    }
}

/// Returns the sightings in `content`, cut at `cuts`, with its slices added in any order.
fn in_slices(content: &[u8], cuts: &[usize], backwards: bool) -> Vec<Sighting> {
    let borders: Vec<usize> = [&[0][..], cuts, &[content.len()]].concat();
    let mut slices: Vec<Slice> = borders
        .windows(2)
        .map(|ends| Slice::scan(&content[ends[0]..ends[1]], ends[0] as u64, ends[1] == content.len()))
        .collect();
    if backwards {
        slices.reverse();
    }
    let mut file = LargeFile::default();
    slices.into_iter().for_each(|slice| file.add(slice));
    file.finish()
}

#[test]
fn where_a_large_file_is_cut_makes_no_difference() {
    const MIB: usize = 1024 * 1024;
    let secrets = [
        pkcs8(),
        pkcs1(),
        tokens()[0].0.clone(),
        tokens()[19].0.clone(),
        format!("aws_secret_access_key = {}", noise(40)),
    ];
    let mut content = vec![b'.'; 3 * MIB];
    // Around each border, and in the middle.
    let places = [
        0,
        MIB - 900,
        MIB + 9_000,
        2 * MIB - 20,
        2 * MIB + 40_000,
        3 * MIB - 2_000,
    ];
    for (at, secret) in places.iter().zip(secrets.iter().cycle()) {
        content[*at..at + secret.len()].copy_from_slice(secret.as_bytes());
        if *at > 0 {
            content[at - 1] = b'\n';
        }
        content[at + secret.len()] = b'\n';
    }
    let whole = scan_file(&path("a"), &content);
    assert_eq!(whole.len(), places.len(), "{whole:?}");
    for cut in (0..12)
        .map(|step| MIB - 20_000 + step * 2_003)
        .chain(((MIB - 910)..(MIB - 860)).step_by(7))
    {
        for backwards in [false, true] {
            assert_eq!(in_slices(&content, &[cut, cut + MIB], backwards), whole, "{cut}");
        }
    }
    assert_eq!(in_slices(&content, &[MIB, 2 * MIB], false), whole);
    assert_eq!(in_slices(&content, &[], false), whole);
    let mut rest = &content[10..];
    assert_eq!(
        scan_stream(&path("a"), content[..10].to_vec(), &mut rest).unwrap(),
        whole
    );
    // The last slice may be short.
    assert_eq!(in_slices(&content, &[MIB, 3 * MIB - 100], true), whole);
}

#[test]
fn hostile_files_end_soon_and_give_a_bounded_list() {
    for part in [
        "-----BEGIN PRIVATE KEY-----",
        "\"auths\":{",
        "xoxb-",
        "LS0tLS1CRUdJTi",
        "PuTTY-User-Key-File-",
        "AKIA",
        "SG.",
    ] {
        let text = part.repeat(400_000 / part.len());
        assert_eq!(kinds("a", text.as_bytes()), [], "{part}");
    }
    let many = format!("{}\n", tokens()[0].0).repeat(1000);
    assert_eq!(scan_file(&path("a"), many.as_bytes()).len(), 64);
}

#[test]
fn files_are_read_by_the_rules_of_their_names_too() {
    let text = "A_TOKEN=a1\nB=x\nURL=https://me:hunter2@x\n";
    let found: Vec<_> = scan_file(&path("app/.env"), text.as_bytes())
        .iter()
        .map(|one| (one.kind, one.place))
        .collect();
    assert_eq!(
        found,
        [
            (Kind::Variable, Place::Line(1)),
            (Kind::AddressPassword, Place::Line(3))
        ]
    );
    assert_eq!(kinds("app/settings.py", text.as_bytes()), []);
    assert_eq!(kinds("app/x.p12", b"\x30\x82"), [Kind::KeyStore]);
    assert_eq!(kinds("app/x.p12", b""), []);
    let large = [text.as_bytes(), &[b'\n'; 70_000]].concat();
    assert_eq!(kinds("app/.env", &large), []);
    assert_eq!(scan_value(b"postgres://app:hunter2@db/app").len(), 1);
}
