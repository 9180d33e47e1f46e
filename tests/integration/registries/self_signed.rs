//! Registries with self-signed certificates: a configured certificate is trusted as in curl and skopeo, and its names
//! and dates are still checked.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::registries::images::small_image;
use crate::support::{Sandbox, tool};

/// How long a registry may take to start before a test fails.
const READY_PATIENCE: Duration = Duration::from_secs(30);

/// docker-registry with its own certificate, as `localhost:PORT`.
struct Registry {
    process: Child,
    host: String,
}

impl Registry {
    /// Starts it with the certificate `NAME.crt` and the key `NAME.key`.
    fn start(sandbox: &Sandbox, name: &str) -> Self {
        let at = |extension: &str| sandbox.path(format!("{name}.{extension}")).display().to_string();
        let storage = format!("storage:\n  filesystem:\n    rootdirectory: {}\n", at("storage"));
        let tls = format!("  tls:\n    certificate: {}\n    key: {}\n", at("crt"), at("key"));
        let http = format!("http:\n  addr: 127.0.0.1:0\n  secret: of-the-tests\n{tls}");
        sandbox.write(
            &format!("{name}.yml"),
            format!("version: 0.1\nlog:\n  level: info\n{storage}{http}"),
        );
        let log = fs::File::create(at("log")).unwrap();
        let mut command = Command::new("docker-registry");
        command
            .args(["serve", &at("yml")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let mut registry = Self {
            process: command.spawn().unwrap(),
            host: String::new(),
        };
        let began = Instant::now();
        loop {
            let text = fs::read_to_string(at("log")).unwrap();
            if let Some((_, rest)) = text.split_once("listening on 127.0.0.1:") {
                let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
                registry.host = format!("localhost:{port}");
                return registry;
            }
            assert!(began.elapsed() < READY_PATIENCE, "{text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Creates `NAME.crt` and `NAME.key`, self-signed, with these extensions.
fn self_signed(sandbox: &Sandbox, name: &str, extensions: &[&str]) {
    sign(sandbox, name, extensions, ["20200101000000Z", "21200101000000Z"]);
}

/// Creates such a certificate with a validity period. Only `openssl ca` accepts times.
fn sign(sandbox: &Sandbox, name: &str, extensions: &[&str], [from, to]: [&str; 2]) {
    let at = |extension: &str| sandbox.path(format!("{name}.{extension}")).display().to_string();
    let key = at("key");
    let request = at("csr");
    let new = [
        "req",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-subj",
        "/CN=registry",
    ];
    tool("openssl", &[&new[..], &["-keyout", &key, "-out", &request]].concat());
    let database = at("index");
    let directory = sandbox.root().display();
    let defaults = "default_md = sha256\npolicy = any\nrand_serial = yes\n[any]\ncommonName = supplied\n";
    let places = format!("database = {database}\nnew_certs_dir = {directory}\n");
    sandbox.write(
        &format!("{name}.cnf"),
        format!("[ca]\ndefault_ca = own\n[own]\n{places}{defaults}"),
    );
    sandbox
        .write(&format!("{name}.index"), "")
        .write(&format!("{name}.ext"), extensions.join("\n"));
    let files = [
        "-config",
        &at("cnf"),
        "-in",
        &request,
        "-keyfile",
        &key,
        "-extfile",
        &at("ext"),
        "-out",
        &at("crt"),
    ];
    let dates = ["-startdate", from, "-enddate", to];
    tool(
        "openssl",
        &[&["ca", "-batch", "-notext", "-selfsign"][..], &files, &dates].concat(),
    );
}

const NAMES: &str = "subjectAltName=DNS:localhost,IP:127.0.0.1";
const AUTHORITY: &str = "basicConstraints=critical,CA:TRUE";
const NO_AUTHORITY: &str = "basicConstraints=critical,CA:FALSE";

#[test]
fn a_certificate_that_is_named_is_trusted_with_and_without_the_mark_of_an_authority() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    for (name, extensions) in [
        ("authority", &[NAMES, AUTHORITY][..]),
        ("plain", &[NAMES, NO_AUTHORITY]),
        ("bare", &[NAMES]),
    ] {
        self_signed(&sandbox, name, extensions);
        let registry = Registry::start(&sandbox, name);
        let push = ["push", "oci:image", &format!("{}/x:1", registry.host)];
        let refused = sandbox.run(&push).expect(5);
        refused.says(&["was issued by an untrusted authority", "--ca-file", "certs.d"]);
        let file = format!("{name}.crt");
        sandbox.ok(&[&push[..], &["--ca-file", &file]].concat());
        let directory = format!("home/.config/containers/certs.d/{}", registry.host);
        sandbox.write(&format!("{directory}/ca.crt"), fs::read(sandbox.path(&file)).unwrap());
        sandbox.ok(&push);
        // Like in skopeo.
        let certificates = format!("--cert-dir={}", sandbox.path(&directory).display());
        tool(
            "skopeo",
            &[
                "inspect",
                "--raw",
                &certificates,
                &format!("docker://{}/x:1", registry.host),
            ],
        );
    }
}

#[test]
fn another_name_another_time_and_another_certificate_are_refused_all_the_same() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    self_signed(&sandbox, "other", &[NAMES, AUTHORITY]);
    for mark in [AUTHORITY, NO_AUTHORITY] {
        let named = |end| format!("{}-{end}", mark.rsplit(':').next().unwrap());
        let elsewhere = named("elsewhere");
        let ended = named("ended");
        self_signed(&sandbox, &elsewhere, &["subjectAltName=DNS:registry.example", mark]);
        sign(&sandbox, &ended, &[NAMES, mark], ["20200101000000Z", "20200102000000Z"]);
        for (name, trusted, words) in [
            (&elsewhere, &elsewhere, "is for another name"),
            (&ended, &ended, "has expired"),
            (&elsewhere, &"other".to_owned(), "certificate"),
        ] {
            let registry = Registry::start(&sandbox, name);
            let reference = format!("{}/x:1", registry.host);
            let push = ["push", "oci:image", &reference, "--ca-file", &format!("{trusted}.crt")];
            sandbox.run(&push).expect(5).says(&[words]);
        }
    }
}

#[test]
fn a_certificate_of_an_authority_that_is_not_named_is_trusted_where_it_is_itself_named() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    self_signed(&sandbox, "ca", &[AUTHORITY, "keyUsage=critical,keyCertSign"]);
    let at = |name: &str| sandbox.path(name).display().to_string();
    let request = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=registry -keyout";
    let request: Vec<&str> = request.split(' ').collect();
    tool(
        "openssl",
        &[&request[..], &[&at("leaf.key"), "-out", &at("leaf.csr")]].concat(),
    );
    sandbox.write("leaf.ext", NAMES);
    let sign = [
        "x509",
        "-req",
        "-in",
        &at("leaf.csr"),
        "-CA",
        &at("ca.crt"),
        "-CAkey",
        &at("ca.key"),
        "-CAcreateserial",
    ];
    tool(
        "openssl",
        &[
            &sign[..],
            &["-days", "30", "-extfile", &at("leaf.ext"), "-out", &at("leaf.crt")],
        ]
        .concat(),
    );
    let registry = Registry::start(&sandbox, "leaf");
    let push = ["push", "oci:image", &format!("{}/x:1", registry.host)];
    for file in ["leaf.crt", "ca.crt"] {
        sandbox.ok(&[&push[..], &["--ca-file", file]].concat());
    }
    sandbox.run(&push).expect(5).says(&["untrusted"]);
}

#[test]
fn files_of_certificates_that_are_no_files_or_too_large_are_refused_at_once() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    tool("mkfifo", &[sandbox.path("fifo.pem")]);
    sandbox.write("large.pem", vec![b'x'; 4 * 1024 * 1024 + 1]);
    for (file, words) in [
        ("fifo.pem", "expected a regular file"),
        ("/dev/zero", "expected a regular file"),
        ("large.pem", "it has more than 4194304 bytes"),
    ] {
        let push = ["push", "oci:image", "localhost:1/x:1", "--ca-file", file];
        sandbox.run(&push).expect(2).says(&[file, words]);
    }
    let directory = "home/.config/containers/certs.d/localhost:1";
    fs::create_dir_all(sandbox.path(directory)).unwrap();
    tool("mkfifo", &[sandbox.path(format!("{directory}/ca.crt"))]);
    sandbox
        .run(&["push", "oci:image", "localhost:1/x:1"])
        .expect(2)
        .says(&["ca.crt", "expected a regular file"]);
}

const WARNING: &str = "warning: --insecure-tls: the certificate of ";

#[test]
fn a_registry_that_is_named_as_insecure_may_have_any_certificate_and_no_other_may() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    self_signed(
        &sandbox,
        "elsewhere",
        &["subjectAltName=DNS:registry.example", NO_AUTHORITY],
    );
    sign(
        &sandbox,
        "ended",
        &[NAMES, AUTHORITY],
        ["20200101000000Z", "20200102000000Z"],
    );
    let elsewhere = Registry::start(&sandbox, "elsewhere");
    let ended = Registry::start(&sandbox, "ended");
    for registry in [&elsewhere, &ended] {
        let push = ["push", "oci:image", &format!("{}/x:1", registry.host)];
        sandbox.run(&push).expect(5).says(&["certificate"]);
        let done = sandbox.ok(&[&push[..], &["--insecure-tls", &registry.host]].concat());
        let warning = format!("{WARNING}{} is not verified", registry.host);
        assert_eq!(done.stderr.matches(&warning).count(), 1, "{}", done.stderr);
        assert_eq!(done.stderr.matches("--insecure-tls").count(), 1, "{}", done.stderr);
    }
    let reference = |registry: &Registry, tag| format!("{}/x:{tag}", registry.host);
    let copy = ["copy", &reference(&elsewhere, "1"), &reference(&ended, "2")];
    for (insecure, other) in [(&elsewhere, "has expired"), (&ended, "an untrusted authority")] {
        let refused = sandbox.run(&[&copy[..], &["--insecure-tls", &insecure.host]].concat());
        refused.expect(5).says(&[other]);
    }
    let both = ["--insecure-tls", &elsewhere.host, "--insecure-tls", &ended.host, "-q"];
    let done = sandbox.ok(&[&copy[..], &both].concat());
    let mut hosts = [&*elsewhere.host, &ended.host];
    hosts.sort_unstable();
    let hosts = format!("{} is not verified", hosts.join(", "));
    done.says(&[WARNING, &hosts]);
    // The same host with another port is another registry.
    let other_port = ["--insecure-tls", "localhost", "--insecure-tls", "localhost:1"];
    sandbox.run(&[&copy[..], &other_port].concat()).expect(5);
}

#[test]
fn insecure_tls_is_tls_of_a_registry() {
    let sandbox = Sandbox::new();
    for (text, name) in [
        ("https://registry.example/", "registry.example"),
        ("*", "localhost:5000"),
    ] {
        sandbox
            .run(&["inspect", "--insecure-tls", text, "localhost:1/x:1"])
            .expect(2)
            .says(&[text, "not a registry", &format!("--insecure-tls {name}")]);
    }
    let both = ["--insecure-tls", "localhost:1", "--plain-http", "localhost:1"];
    sandbox
        .run(&[&["inspect", "localhost:1/x:1"][..], &both].concat())
        .expect(2)
        .says(&["localhost:1 is given to both --plain-http and --insecure-tls"]);
}
