//! The content of a layer, one line for each entry, for a comparison with other programs' output.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use sha2::Digest as _;

use crate::reproducibility::tar::{Entry, entries};

/// One entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Without the slash at a directory's end.
    pub path: Vec<u8>,
    /// As `find -type` names it: `f`, `d` or `l`.
    pub kind: char,
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    pub size_bytes: u64,
    pub mtime: u64,
    pub target: Vec<u8>,
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// Hash of a file's content.
    pub sha256: String,
}

/// Returns the tar inside a layer's blob, decompressed by another program.
pub fn plain(blob: &Path, compression: &str) -> Vec<u8> {
    let program: &[&str] = match compression {
        "gzip" => &["gzip", "-dc"],
        "zstd" => &["zstd", "-dcq"],
        _ => &["cat"],
    };
    let input = std::fs::File::open(blob).unwrap();
    let output = Command::new(program[0])
        .args(&program[1..])
        .stdin(input)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{program:?} does not read {}", blob.display());
    output.stdout
}

/// The entries of a tar, in their order.
pub fn rows(tar: &[u8]) -> Vec<Row> {
    entries(tar).iter().map(row).collect()
}

fn row(entry: &Entry<'_>) -> Row {
    let kind = match entry.header[156] {
        b'0' => 'f',
        b'5' => 'd',
        b'2' => 'l',
        other => panic!("an entry of type {}", other.escape_ascii()),
    };
    let path = entry.path();
    assert_eq!(path.ends_with(b"/"), kind == 'd', "{}", path.escape_ascii());
    let xattr = |(name, value): (&String, &Vec<u8>)| {
        name.strip_prefix("SCHILY.xattr.")
            .map(|name| (name.to_owned(), value.clone()))
    };
    Row {
        path: path.strip_suffix(b"/").unwrap_or(&path).to_vec(),
        kind,
        mode: entry.number("mode", 100..108).try_into().unwrap(),
        uid: entry.number("uid", 108..116),
        gid: entry.number("gid", 116..124),
        size_bytes: entry.content.len() as u64,
        mtime: entry.number("mtime", 136..148),
        target: entry
            .records
            .get("linkpath")
            .cloned()
            .unwrap_or_else(|| entry.text(157..257).to_vec()),
        xattrs: entry.records.iter().filter_map(xattr).collect(),
        sha256: if kind == 'f' {
            hex(&sha2::Sha256::digest(entry.content))
        } else {
            String::new()
        },
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

impl Row {
    /// Returns one line: type mode owner size mtime sha256 path [-> target] [{xattrs}].
    pub fn line(&self) -> String {
        let Self {
            kind,
            mode,
            uid,
            gid,
            size_bytes,
            mtime,
            ..
        } = self;
        let sha256 = if self.sha256.is_empty() { "-" } else { &self.sha256 };
        let path = self.path.escape_ascii();
        let mut line = format!("{kind} {mode:04o} {uid}:{gid} {size_bytes} {mtime} {sha256} {path}");
        if !self.target.is_empty() {
            write!(line, " -> {}", self.target.escape_ascii()).unwrap();
        }
        let xattrs: Vec<_> = self
            .xattrs
            .iter()
            .map(|(name, value)| format!("{name}={}", value.escape_ascii()))
            .collect();
        if !xattrs.is_empty() {
            write!(line, " {{{}}}", xattrs.join(", ")).unwrap();
        }
        line
    }
}

/// Compares lines, and prints only those that one of the two lists does not have.
#[track_caller]
pub fn assert_same_lines(what: &str, expected: &[String], found: &[String]) {
    if expected == found {
        return;
    }
    let mut shown = String::new();
    for line in expected.iter().filter(|line| !found.contains(line)) {
        writeln!(shown, "-{line}").unwrap();
    }
    for line in found.iter().filter(|line| !expected.contains(line)) {
        writeln!(shown, "+{line}").unwrap();
    }
    if shown.is_empty() {
        shown.push_str("the same lines in another order\n");
    }
    panic!("{what} changed (- as it was, + as it is):\n{shown}");
}
