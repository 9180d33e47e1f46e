//! The static binary works in a root directory that contains nothing else: no C library, no configuration, no
//! certificates. It is linked with glibc's `crt-static`; the binaries of a release are linked with musl.

use std::fs;
use std::process::Command;

use crate::support::mount::Mount;
use crate::support::{Outcome, Sandbox, part, tool};

/// A name that is only in `/etc/hosts` of the root directory.
const HOST: &str = "hosts-only.test";
/// Files from which the C library of the machine takes randomness if it is linked statically. Containers have them.
const RANDOMNESS: [&str; 2] = ["/dev/random", "/dev/urandom"];

/// Returns the port of one of the test registries.
fn port_of(registry: &str) -> String {
    let address = part(&format!("REGISTRY_{registry}"));
    address.rsplit_once(':').unwrap().1.to_owned()
}

/// Returns a root directory with the static binary, a spec, its input, and names of hosts.
fn root() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::remove_dir(sandbox.path("home")).unwrap();
    sandbox
        .write_mode("ocitect", fs::read(part("STATIC")).unwrap(), 0o755)
        .write("etc/hosts", format!("127.0.0.1 {HOST}\n"))
        .write("files/name", "static\n")
        .spec(
            "[image]\nname = \"localhost/static\"\nbase = \"scratch\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n\
             [[layers]]\nname = \"own\"\nfiles = [{ from = \"files/\", to = \"/own\" }]\n",
        );
    sandbox
}

/// Runs the static binary in its root directory, with an environment that only names the directory for temporary files.
fn run_in(root: &Sandbox, arguments: &[&str], stdin: &str) -> Outcome {
    root.write("stdin", stdin);
    let mut command = Command::new("/usr/sbin/chroot");
    command.arg(root.root()).arg("/ocitect").args(arguments);
    command.stdin(fs::File::open(root.path("stdin")).unwrap());
    fs::remove_file(root.path("stdin")).unwrap();
    command.env_clear().env("TMPDIR", "/");
    Outcome::of(command)
}

/// Returns the digest that the ordinary binary gives the same image.
fn ordinary_digest(root: &Sandbox) -> String {
    let other = Sandbox::new();
    other.write("files/name", fs::read(root.path("files/name")).unwrap());
    other.write("ocitect.toml", fs::read(root.path("ocitect.toml")).unwrap());
    other.ok(&["build", "-o", "oci:image"]).digest()
}

#[test]
fn it_needs_no_loader_and_no_library() {
    let headers = tool(
        "readelf",
        &["--wide", "--program-headers", "--dynamic", &part("STATIC")],
    );
    assert!(headers.contains("LOAD"), "{headers}");
    assert!(
        !headers.contains("INTERP") && !headers.contains("(NEEDED)"),
        "{headers}"
    );
}

#[test]
fn it_pushes_from_a_root_directory_with_nothing_else() {
    let root = root();
    let host = format!("{HOST}:{}", port_of("OPEN"));
    let reference = format!("{host}/install/static:1");
    let pushed = run_in(&root, &["build", "--push", "-t", &reference, "--plain-http", &host], "").expect(0);
    let digest = ordinary_digest(&root);
    assert_eq!(pushed.digest(), digest);
    let at_loopback = reference.replace(HOST, "127.0.0.1");
    let seen = Sandbox::new().ok(&["inspect", "--json", &at_loopback]);
    assert!(seen.stdout.contains(&digest), "{}", seen.stdout);
}

#[test]
fn it_pushes_over_tls_with_a_ca_file() {
    let root = root();
    let mounts = RANDOMNESS.map(|device| Mount::bind(&root, device, &device[1..]));
    fs::copy(part("REGISTRY_TLS_CA"), root.path("ca.pem")).unwrap();
    let reference = format!("{HOST}:{}/install/static:1", port_of("TLS"));
    let user = part("REGISTRY_TLS_USER");
    let build = [
        "build",
        "--push",
        "-t",
        &reference,
        "--username",
        &user,
        "--password-stdin",
    ];
    let password = part("REGISTRY_TLS_PASSWORD");
    let unknown = run_in(&root, &build, &password).expect(5);
    unknown.says(&["certificate", "--ca-file"]);
    let pushed = run_in(&root, &[&build[..], &["--ca-file", "ca.pem"]].concat(), &password).expect(0);
    assert_eq!(pushed.digest(), ordinary_digest(&root));
    drop(mounts);
}
