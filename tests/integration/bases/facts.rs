//! The facts of a base are compared with other programs' results: whiteouts, hard links, compressions, and a window
//! that is too large.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::bases::container::{on, sha256, write_layout};
use crate::support::{Sandbox, part, tool};

/// Files that podman adds to a container's file system.
const PODMANS: [&str; 8] = [
    "/dev",
    "/proc",
    "/sys",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/etc/mtab",
    "/run",
];

/// Returns, for each path that `ocitect ls` lists, `KIND MODE UID:GID`, the size of files, and the target of links.
fn listed(image: &str) -> BTreeMap<String, String> {
    let sandbox = Sandbox::new();
    let said = sandbox.ok(&["ls", "--json", "--platform", "linux/amd64", image]).stdout;
    let line = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| value[key].as_str().unwrap().to_owned();
        let mode = text("mode").trim_start_matches('0').to_owned();
        let rest = match &*text("kind") {
            "file" => format!("f {mode} {}:{} {}", value["uid"], value["gid"], value["size_bytes"]),
            "directory" => format!("d {mode} {}:{}", value["uid"], value["gid"]),
            "symlink" => format!("l {}:{} {}", value["uid"], value["gid"], text("target")),
            other => panic!("{other}"),
        };
        (text("path"), rest)
    };
    said.lines().map(line).collect()
}

/// Returns the same for a directory, from GNU find.
fn found(root: &str) -> BTreeMap<String, String> {
    let said = tool("find", &[root, "-mindepth", "1", "-printf", "%y|/%P|%m|%U:%G|%s|%l\n"]);
    let line = |line: &str| {
        let fields: Vec<&str> = line.split('|').collect();
        let [kind, path, mode, owner, size, target] = fields[..] else {
            panic!("{line}")
        };
        let rest = match kind {
            "f" => format!("f {mode} {owner} {size}"),
            "d" => format!("d {mode} {owner}"),
            "l" => format!("l {owner} {target}"),
            other => panic!("{other}"),
        };
        (path.to_owned(), rest)
    };
    said.lines().map(line).collect()
}

#[test]
fn ls_agrees_with_umoci_on_every_file() {
    for name in ["BASE", "BASE_PLAIN", "BASE_WHITEOUTS"] {
        let sandbox = Sandbox::new();
        let layout = part(name);
        // umoci requires an image without an index.
        let copy = sandbox.path("copy");
        let [from, to] = [format!("oci:{layout}:latest"), format!("oci:{}:latest", copy.display())];
        tool(
            "skopeo",
            &[
                "copy",
                "-q",
                "--override-arch",
                "amd64",
                "--override-os",
                "linux",
                &from,
                &to,
            ],
        );
        let bundle = sandbox.path("bundle");
        let image = format!("{}:latest", copy.display());
        tool("umoci", &["unpack", "--image", &image, bundle.to_str().unwrap()]);
        let expected = found(bundle.join("rootfs").to_str().unwrap());
        let said = listed(&format!("oci:{layout}"));
        assert_same(name, &expected, &said);
    }
}

#[track_caller]
fn assert_same(name: &str, expected: &BTreeMap<String, String>, said: &BTreeMap<String, String>) {
    let missing: Vec<_> = expected
        .iter()
        .filter(|(path, what)| said.get(*path) != Some(what))
        .collect();
    let more: Vec<_> = said
        .iter()
        .filter(|(path, what)| expected.get(*path) != Some(what))
        .collect();
    assert!(
        missing.is_empty() && more.is_empty(),
        "{name}: expected {missing:#?}, found {more:#?}"
    );
}

#[test]
fn ls_agrees_with_podman_on_every_file() {
    for name in ["BASE_ZSTD", "BASE_WHITEOUTS"] {
        let layout = part(name);
        let image = tool("podman", &["pull", "-q", &format!("oci:{layout}:latest")]);
        let script = "find / -xdev -exec stat -c '%F|%n|%a|%u:%g|%s' {} + ";
        let run = [
            "run",
            "--rm",
            "--network=none",
            "--entrypoint",
            "/bin/sh",
            image.trim(),
            "-c",
            script,
        ];
        let ours = |path: &str| {
            PODMANS
                .iter()
                .all(|theirs| path != *theirs && !path.starts_with(&format!("{theirs}/")))
        };
        let line = |line: &str| {
            let fields: Vec<&str> = line.split('|').collect();
            let [kind, path, mode, owner, size] = fields[..] else {
                panic!("{line}")
            };
            let rest = match kind {
                "directory" => format!("d {mode} {owner}"),
                "symbolic link" => format!("l {owner}"),
                _ => format!("f {mode} {owner} {size}"),
            };
            (path.to_owned(), rest)
        };
        let said = tool("podman", &run);
        let expected: BTreeMap<_, _> = said
            .lines()
            .map(line)
            .filter(|(path, _)| path != "/" && ours(path))
            .collect();
        let without_target = |what: String| match what.strip_prefix("l ") {
            Some(link) => format!("l {}", link.split(' ').next().unwrap()),
            None => what,
        };
        let listed = listed(&format!("oci:{layout}"))
            .into_iter()
            .filter(|(path, _)| ours(path));
        let listed: BTreeMap<_, _> = listed.map(|(path, what)| (path, without_target(what))).collect();
        assert_same(name, &expected, &listed);
    }
}

#[test]
fn a_layer_can_write_where_whiteouts_and_links_were() {
    let sandbox = Sandbox::new();
    sandbox.write("new", "new\n").spec(&on(
        &format!("oci:{}", part("BASE_WHITEOUTS")),
        "[[layers]]\nname = \"app\"\nfiles = [
          { from = \"new\", to = \"/via/again\" }, { from = \"new\", to = \"/data/b\" },
          { from = \"new\", to = \"/opaque/old\" }, { from = \"new\", to = \"/data/sub/more\" },
          { from = \"new\", to = \"/kind/file-to-directory/more\" }, { from = \"new\", to = \"/kind/directory-to-file\" },
          { from = \"new\", to = \"/hard/two\" },
        ]\n",
    ));
    let container = crate::bases::container::Container::build(&sandbox);
    assert_eq!(
        container.find("/data"),
        [
            "/data",
            "/data/a",
            "/data/again",
            "/data/b",
            "/data/sub",
            "/data/sub/more",
            "/data/sub/new",
            "/data/through"
        ]
    );
    assert_eq!(container.find("/opaque"), ["/opaque", "/opaque/new", "/opaque/old"]);
    assert_eq!(
        container.stat(&["/opaque", "/data/sub", "/via", "/kind/directory-to-file"]),
        [
            "/opaque 711 1000:1000 directory",
            "/data/sub 700 1000:1000 directory",
            "/via 777 0:0 symbolic link",
            "/kind/directory-to-file 644 0:0 regular file",
        ]
    );
    assert_eq!(
        container.run(&["cat", "/hard/two", "/hard/three"]),
        "new\nhard/one of the first layer\n"
    );
}

/// A tar with one file, through zstd with a window of `1 << log` bytes.
fn zstd_layout(sandbox: &Sandbox, log: u32) -> String {
    let mut tar = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_ustar();
    header.set_size(5);
    header.set_mode(0o644);
    tar.append_data(&mut header, "file", &b"file\n"[..]).unwrap();
    let tar = tar.into_inner().unwrap();
    // From standard input, so that zstd does not narrow the window to the size.
    let mut zstd = Command::new("zstd");
    zstd.args(["-q", "-3", &format!("--long={log}"), "--stdout"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut zstd = zstd.spawn().unwrap();
    zstd.stdin.take().unwrap().write_all(&tar).unwrap();
    let compressed = zstd.wait_with_output().unwrap().stdout;
    let name = format!("base-{log}");
    let layers = [("application/vnd.oci.image.layer.v1.tar+zstd", compressed)];
    write_layout(&sandbox.path(&name), &layers, &[format!("sha256:{}", sha256(&tar))]);
    name
}

#[test]
fn a_zstd_window_over_128_mib_is_refused_by_name() {
    let sandbox = Sandbox::new();
    sandbox.write("app.txt", "the app\n");
    let spec = |base: &str| {
        let spec = on(
            &format!("oci:{base}"),
            "[[layers]]\nname = \"app\"\nfiles = [{ from = \"app.txt\", to = \"/app\" }]\n",
        );
        spec.replace(", \"linux/arm64\"", "")
    };
    for (log, window) in [(28, "256 MiB"), (30, "1024 MiB")] {
        let base = zstd_layout(&sandbox, log);
        sandbox.spec(&spec(&base));
        let failed =
            sandbox
                .run(&["build"])
                .expect(2)
                .says(&[&format!("zstd window of {window}"), "128 MiB", "zstd --long=27"]);
        assert!(failed.stderr.contains(&base), "which base: {}", failed.stderr);
        assert!(!sandbox.path("build").exists());
    }
    let base = zstd_layout(&sandbox, 27);
    sandbox.spec(&spec(&base));
    sandbox.ok(&["build"]);
    let listed = listed(&format!("oci:{}", sandbox.path("build/oci").display()));
    assert_eq!(listed.keys().collect::<Vec<_>>(), ["/app", "/file"]);
}

#[test]
fn a_layer_that_is_not_what_the_config_says_is_refused() {
    let sandbox = Sandbox::new();
    let layers = [("application/vnd.oci.image.layer.v1.tar", vec![0; 1024])];
    write_layout(&sandbox.path("base"), &layers, &[format!("sha256:{}", "1".repeat(64))]);
    let spec = on(
        "oci:base",
        "[[layers]]\nname = \"app\"\nfiles = [{ from = \"app.txt\", to = \"/app\" }]\n",
    );
    sandbox
        .write("app.txt", "")
        .spec(&spec.replace(", \"linux/arm64\"", ""));
    let actual = format!("sha256:{}", sha256(&[0; 1024]));
    let failed = sandbox.run(&["build"]).expect(2);
    failed.says(&["diff id", &actual, &"1".repeat(64)]);
    assert!(!sandbox.path("build").exists());
}
