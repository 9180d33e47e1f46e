//! Names with line breaks, escapes or bytes that are not UTF-8: preserved byte for byte, and printed escaped.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use flate2::read::GzDecoder;

use crate::support::refusal::{layer, refused, spec};
use crate::support::{Sandbox, tool};

const NAMES: [&[u8]; 4] = [
    b"line\nbreak",
    b"not-utf8-\xff\xfe",
    b"red\x1b[31m",
    "bücher\u{202e}".as_bytes(),
];
const SHOWN: [&str; 4] = [
    "line\\nbreak",
    "not-utf8-\\xff\\xfe",
    "red\\u{1b}[31m",
    "bücher\\u{202e}",
];

fn named(sandbox: &Sandbox, directory: &str, name: &[u8]) -> PathBuf {
    sandbox.path(directory).join(OsStr::from_bytes(name))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the hexadecimal digits of names and link targets of the only layer, as the crate tar reads them.
fn packed(sandbox: &Sandbox) -> Vec<String> {
    let layout = sandbox.layout("build/oci");
    let path = layout.layer_path(&layout.manifest("latest", "linux/amd64"), 0);
    let mut layer = tar::Archive::new(GzDecoder::new(File::open(path).unwrap()));
    let line = |entry: tar::Entry<'_, _>| {
        let name = entry.path_bytes();
        let name = name.strip_suffix(b"/").unwrap_or(&name);
        let target = entry.link_name_bytes().unwrap_or_default();
        format!("{} {}", hex(name), hex(&target)).trim_end().to_owned()
    };
    layer.entries().unwrap().map(|entry| line(entry.unwrap())).collect()
}

#[test]
fn names_of_the_disk_are_kept_and_shown_escaped() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("tree")).unwrap();
    for name in NAMES {
        fs::write(named(&sandbox, "tree", name), "x").unwrap();
    }
    std::os::unix::fs::symlink(OsStr::from_bytes(NAMES[1]), sandbox.path("tree/link")).unwrap();
    spec(&sandbox, &[&layer("tree", "/app")]);
    sandbox.ok(&["build"]);

    let packed = packed(&sandbox);
    for name in NAMES {
        let expected = hex(&[b"app/", name].concat());
        assert!(packed.contains(&expected), "{expected}\n{packed:#?}");
    }
    assert!(
        packed.contains(&format!("{} {}", hex(b"app/link"), hex(NAMES[1]))),
        "{packed:#?}"
    );

    let listed = sandbox.ok(&["ls", "oci:build/oci"]).stdout;
    for shown in SHOWN {
        assert!(
            listed.lines().any(|line| line.ends_with(&format!(" /app/{shown}"))),
            "{shown}\n{listed}"
        );
    }
    assert!(listed.contains(" /app/link -> not-utf8-\\xff\\xfe\n"), "{listed}");
    assert_eq!(listed.lines().count(), NAMES.len() + 2);
    assert!(!listed.contains('\u{1b}') && !listed.contains('\u{202e}'));
}

#[test]
fn names_of_an_archive_are_kept() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("tree")).unwrap();
    for name in NAMES {
        fs::write(named(&sandbox, "tree", name), "x").unwrap();
    }
    let archive = sandbox.path("app.tar");
    let tree = sandbox.path("tree");
    tool(
        "tar",
        &["-cf", archive.to_str().unwrap(), "-C", tree.to_str().unwrap(), "."],
    );
    spec(
        &sandbox,
        &["[[layers]]\nname = \"a\"\nfiles = [{ from = \"app.tar\", to = \"/app\", unpack = true }]\n"],
    );
    sandbox.ok(&["build"]);
    let packed = packed(&sandbox);
    for name in NAMES {
        assert!(packed.contains(&hex(&[b"app/", name].concat())), "{packed:#?}");
    }
}

#[test]
fn one_such_path_can_be_listed_by_its_bytes() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("tree")).unwrap();
    fs::write(named(&sandbox, "tree", NAMES[1]), "x").unwrap();
    spec(&sandbox, &[&layer("tree", "/app")]);
    sandbox.ok(&["build"]);
    let mut command = sandbox.command(&["ls", "oci:build/oci"]);
    command.arg(OsStr::from_bytes(&[b"/app/", NAMES[1]].concat()));
    let listed = crate::support::Outcome::of(command).expect(0).stdout;
    assert!(listed.ends_with(" /app/not-utf8-\\xff\\xfe\n"), "{listed}");
    let mut command = sandbox.command(&["ls", "oci:build/oci"]);
    command.arg(OsStr::from_bytes(b"/app/\xfd\n"));
    crate::support::Outcome::of(command)
        .expect(6)
        .says(&["does not contain /app/\\xfd\\n\n"]);
}

#[test]
fn errors_show_them_escaped() {
    for (name, shown) in NAMES.iter().zip(SHOWN) {
        let sandbox = Sandbox::new();
        fs::create_dir_all(sandbox.path("sockets")).unwrap();
        let _socket = UnixListener::bind(named(&sandbox, "sockets", name)).unwrap();
        spec(&sandbox, &[&layer("sockets", "/app")]);
        let words = format!("./sockets/{shown} is a socket");
        let outcome = refused(&sandbox, &["build"], 2, &[&words]);
        assert!(!outcome.stderr.contains('\u{1b}') && !outcome.stderr.contains('\u{202e}'));
        assert_eq!(outcome.stderr.lines().count(), 2, "{}", outcome.stderr);
    }
    for (name, shown) in NAMES.iter().zip(SHOWN) {
        let sandbox = Sandbox::new();
        for directory in ["one", "two"] {
            fs::create_dir_all(sandbox.path(directory)).unwrap();
            fs::write(named(&sandbox, directory, name), directory).unwrap();
        }
        let text = "[[layers]]\nname = \"a\"\nfiles = [{ from = \"one\", to = \"/app\" }, { from = \"two\", to = \"/app\" }]\n";
        spec(&sandbox, &[text]);
        let words = format!("/app/{shown} is provided by both ./one/{shown} and ./two/{shown}, with different content");
        refused(&sandbox, &["build"], 2, &[&words]);
    }
}
