//! The layers as GNU tar, bsdtar and Python's tarfile read them, compared with the listing entry by entry.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::reproducibility::fixture::{COMPRESSIONS, Checkout};
use crate::reproducibility::listing::{self, Row, assert_same_lines};
use crate::support::{Sandbox, tool};

const PYTHON: &str = r#"
import hashlib, json, sys, tarfile

def raw(text):
    return list(text.encode("utf-8", "surrogateescape"))

rows = []
with tarfile.open(sys.argv[1], "r|", encoding="utf-8", errors="surrogateescape") as tar:
    for entry in tar:
        content = tar.extractfile(entry).read() if entry.isreg() else b""
        xattrs = {key: raw(value) for key, value in entry.pax_headers.items() if key.startswith("SCHILY.xattr.")}
        kind = "f" if entry.isreg() else "d" if entry.isdir() else "l" if entry.issym() else "?"
        rows.append({
            "path": raw(entry.name), "kind": kind, "mode": entry.mode, "uid": entry.uid, "gid": entry.gid,
            "size": entry.size, "mtime": entry.mtime, "target": raw(entry.linkname), "xattrs": xattrs,
            "sha256": hashlib.sha256(content).hexdigest() if kind == "f" else "", "names": entry.uname + entry.gname,
        })
print(json.dumps(rows))
"#;

/// Returns the layers of the image as uncompressed tars, with their rows.
fn layers(sandbox: &Sandbox, compression: &str) -> Vec<(PathBuf, Vec<Row>)> {
    let checkout = Checkout::write(sandbox.path("checkout"));
    let built = checkout.build(sandbox, compression);
    let manifest = built.layout.manifest("golden", "linux/amd64");
    let count = manifest["layers"].as_array().unwrap().len();
    let layer = |at| {
        let tar = listing::plain(&built.layout.layer_path(&manifest, at), compression);
        let path = sandbox.path(format!("{at}.tar"));
        fs::write(&path, &tar).unwrap();
        (path, listing::rows(&tar))
    };
    (0..count).map(layer).collect()
}

fn lines(rows: &[Row]) -> Vec<String> {
    rows.iter().map(Row::line).collect()
}

#[test]
fn python_agrees_with_the_listing_in_every_compression() {
    for compression in COMPRESSIONS {
        let sandbox = Sandbox::new();
        for (tar, rows) in layers(&sandbox, compression) {
            let said = tool("python3", &["-c".as_ref(), PYTHON.as_ref(), tar.as_os_str()]);
            let said: Vec<Value> = serde_json::from_str(&said).unwrap();
            let said: Vec<Row> = said.iter().map(python_row).collect();
            assert_same_lines(
                &format!("what Python reads in a {compression} layer"),
                &lines(&rows),
                &lines(&said),
            );
        }
    }
}

fn python_row(value: &Value) -> Row {
    let number = |key: &str| value[key].as_u64().unwrap();
    let bytes = |value: &Value| -> Vec<u8> { serde_json::from_value(value.clone()).unwrap() };
    let xattrs = value["xattrs"].as_object().unwrap().iter();
    assert_eq!(value["names"], "");
    Row {
        path: bytes(&value["path"]),
        kind: value["kind"].as_str().unwrap().chars().next().unwrap(),
        mode: number("mode").try_into().unwrap(),
        uid: number("uid"),
        gid: number("gid"),
        size_bytes: number("size"),
        mtime: number("mtime"),
        target: bytes(&value["target"]),
        xattrs: xattrs
            .map(|(key, value)| (key["SCHILY.xattr.".len()..].to_owned(), bytes(value)))
            .collect(),
        sha256: value["sha256"].as_str().unwrap().to_owned(),
    }
}

#[test]
fn gnu_tar_agrees_with_the_listing() {
    let sandbox = Sandbox::new();
    for (tar, rows) in layers(&sandbox, "gzip") {
        let mut command = Command::new("tar");
        command.args([
            "--numeric-owner",
            "--full-time",
            "--quoting-style=escape",
            "--xattrs",
            "--xattrs-include=*",
        ]);
        command
            .args(["-tvvf".as_ref(), tar.as_os_str()])
            .env("LC_ALL", "C")
            .env("TZ", "UTC");
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        // It does not know this record, and continues.
        let warning = "tar: Ignoring unknown extended header keyword `hdrcharset'";
        assert!(
            output.status.success()
                && stderr
                    .lines()
                    .all(|line| line.replace('\'', "`") == warning.replace('\'', "`")),
            "{stderr}"
        );
        let said: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(spaced).collect();
        let expected: Vec<String> = rows.iter().flat_map(gnu_lines).collect();
        assert_same_lines("what GNU tar lists", &expected, &said);
    }
}

/// Returns a line of `tar -tvv` without the padding before owner and size.
fn spaced(line: &str) -> String {
    let (mode, rest) = line.split_once(' ').unwrap();
    let Some((owner, rest)) = rest.trim_start().split_once(' ').filter(|_| !mode.is_empty()) else {
        return line.to_owned();
    };
    format!("{mode} {owner} {}", rest.trim_start())
}

/// Returns GNU tar's output for an entry: a line, and one for each attribute.
fn gnu_lines(row: &Row) -> Vec<String> {
    let mark = if row.xattrs.is_empty() { "" } else { "*" };
    let mode = mode_letters(row);
    let slash = if row.kind == 'd' { "/" } else { "" };
    let target = if row.kind == 'l' {
        format!(" -> {}", gnu_escaped(&row.target))
    } else {
        String::new()
    };
    assert_eq!(row.mtime, 1_700_000_000);
    let mut lines = vec![format!(
        "{mode}{mark} {}/{} {} 2023-11-14 22:13:20 {}{slash}{target}",
        row.uid,
        row.gid,
        row.size_bytes,
        gnu_escaped(&row.path)
    )];
    lines.extend(
        row.xattrs
            .iter()
            .map(|(name, value)| format!("  x: {} {name}", value.len())),
    );
    lines
}

/// Returns type and mode as in `ls -l`.
fn mode_letters(row: &Row) -> String {
    let mut letters = vec![if row.kind == 'f' { '-' } else { row.kind }];
    for (at, special) in [(6, (0o4000, 's')), (3, (0o2000, 's')), (0, (0o1000, 't'))] {
        let bits = row.mode >> at;
        letters.push(if bits & 4 == 0 { '-' } else { 'r' });
        letters.push(if bits & 2 == 0 { '-' } else { 'w' });
        letters.push(match (row.mode & special.0 != 0, bits & 1 != 0) {
            (false, false) => '-',
            (false, true) => 'x',
            (true, true) => special.1,
            (true, false) => special.1.to_ascii_uppercase(),
        });
    }
    letters.into_iter().collect()
}

/// `--quoting-style=escape` in the locale C.
fn gnu_escaped(name: &[u8]) -> String {
    let mut text = String::new();
    for byte in name {
        match byte {
            b'\n' => text.push_str("\\n"),
            b'\t' => text.push_str("\\t"),
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\{byte:03o}")),
        }
    }
    text
}

#[test]
fn bsdtar_agrees_with_the_listing() {
    let sandbox = Sandbox::new();
    for (tar, rows) in layers(&sandbox, "zstd") {
        let mut command = Command::new("bsdtar");
        let from = [b"@", tar.as_os_str().as_bytes()].concat();
        command.args([
            "-cf",
            "-",
            "--format=mtree",
            "--options=!all,type,mode,uid,gid,size,time,link,sha256",
        ]);
        command.arg(OsStr::from_bytes(&from)).env("LC_ALL", "C.UTF-8");
        let output = command.output().unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap();
        let said = text.lines().filter(|line| !line.starts_with('#')).map(mtree_row);
        // In such a locale it composes decomposed names: those two are compared below, in another. mtree has no
        // attributes: they are checked in the files that bsdtar extracts.
        let plain = |row: &Row| !row.path.starts_with(b"data/text/caf");
        let bare = |row: &Row| Row {
            xattrs: BTreeMap::new(),
            ..row.clone()
        };
        let bare: Vec<Row> = rows.iter().filter(|row| plain(row)).map(bare).collect();
        let mut said: Vec<Row> = said.filter(plain).collect();
        // mtree lists a directory's files before its directories; ours are sorted by their paths.
        said.sort_by(|first, second| first.path.cmp(&second.path));
        assert_same_lines("what bsdtar reads", &lines(&bare), &lines(&said));
    }
}

#[test]
fn bsdtar_reads_every_name_byte_for_byte() {
    let sandbox = Sandbox::new();
    for (tar, rows) in layers(&sandbox, "gzip") {
        let mut command = Command::new("bsdtar");
        command.args(["-tf".as_ref(), tar.as_os_str()]).env("LC_ALL", "C");
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        // It cannot convert such names in this locale, warns about it, and keeps the bytes.
        let known = |line: &str| line.contains("converted from UTF-8") || line.contains("delayed from previous");
        assert!(stderr.lines().all(known), "{stderr}");
        let said: Vec<String> = String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        let name = |row: &Row| gnu_escaped(&row.path) + if row.kind == 'd' { "/" } else { "" };
        assert_same_lines(
            "the names that bsdtar reads",
            &rows.iter().map(name).collect::<Vec<_>>(),
            &said,
        );
    }
}

/// Parses a line of mtree(5): `./path time=1.0 mode=644 ...`, with `\ooo` for special characters.
fn mtree_row(line: &str) -> Row {
    let mut words = line.split(' ');
    let path = unescaped(words.next().unwrap());
    let pairs: BTreeMap<&str, &str> = words.map(|word| word.split_once('=').unwrap()).collect();
    let number = |key: &str| pairs[key].parse::<u64>().unwrap();
    let kind = match pairs["type"] {
        "file" => 'f',
        "dir" => 'd',
        "link" => 'l',
        other => panic!("{other}"),
    };
    Row {
        path: path.strip_prefix(b"./").unwrap().to_vec(),
        kind,
        mode: u32::from_str_radix(pairs["mode"], 8).unwrap(),
        uid: number("uid"),
        gid: number("gid"),
        size_bytes: if kind == 'f' { number("size") } else { 0 },
        mtime: pairs["time"].strip_suffix(".0").unwrap().parse().unwrap(),
        target: unescaped(pairs.get("link").copied().unwrap_or_default()),
        xattrs: BTreeMap::new(),
        sha256: pairs.get("sha256digest").copied().unwrap_or_default().to_owned(),
    }
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'\\' {
            let (digits, after) = after.split_at(3);
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 8).unwrap());
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    bytes
}

#[test]
fn attributes_and_special_bits_arrive_on_the_disk() {
    for program in ["tar", "bsdtar"] {
        let sandbox = Sandbox::new();
        let layers = layers(&sandbox, "none");
        let (tar, _) = &layers[2];
        let target = sandbox.path("unpacked");
        fs::create_dir(&target).unwrap();
        let mut arguments: Vec<&OsStr> = vec!["-xpf".as_ref(), tar.as_ref(), "-C".as_ref(), target.as_ref()];
        arguments.push("--numeric-owner".as_ref());
        arguments.push("--xattrs".as_ref());
        if program == "tar" {
            arguments.push("--xattrs-include=*".as_ref());
        }
        tool(program, &arguments);
        let attribute = |path: &str, name: &str| {
            let path = target.join(path);
            tool(
                "getfattr",
                &[
                    "--only-values".as_ref(),
                    "--absolute-names".as_ref(),
                    "-n".as_ref(),
                    name.as_ref(),
                    path.as_os_str(),
                ],
            )
        };
        assert_eq!(attribute("srv/notes/marked", "user.comment"), "two\nlines", "{program}");
        let capabilities = tool("getcap", &[target.join("usr/bin/bound")]);
        assert!(
            capabilities.contains("cap_net_bind_service,cap_sys_nice=ep"),
            "{program}: {capabilities}"
        );
        let stat = |path: &str| {
            tool(
                "stat",
                &["-c".as_ref(), "%a %u:%g %Y".as_ref(), target.join(path).as_os_str()],
            )
        };
        assert_eq!(stat("usr/bin/setuid"), "4755 0:0 1700000000\n", "{program}");
        assert_eq!(stat("srv/stored/setgid"), "2770 1000:1000 1700000000\n", "{program}");
        assert_eq!(stat("usr/bin/bound"), "755 3000000:50 1700000000\n", "{program}");
        assert_no_other_attributes(&target.join("srv/notes/plain"));
    }
}

fn assert_no_other_attributes(path: &Path) {
    let all = ["-d", "-m", "-", "--absolute-names"].map(OsStr::new);
    assert_eq!(tool("getfattr", &[&all[..], &[path.as_os_str()]].concat()), "");
}
