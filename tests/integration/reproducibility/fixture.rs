//! A tree with every kind of entry, and a spec of an image from it. The content never depends on the machine.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::support::{Layout, Outcome, Sandbox, tool};

pub const COMPRESSIONS: [&str; 3] = ["gzip", "zstd", "none"];

/// Target of the first layer's tree in the image: the lengths of the long names include it.
const NAMES_TARGET: &str = "data";

/// More than two blocks of the compressor, so that threads share the work.
const NOISE_BYTES: usize = 9 << 20;

/// An entry of a tree.
#[derive(Clone)]
pub enum Kind {
    Directory,
    File(Vec<u8>),
    Program(Vec<u8>),
    Link(Vec<u8>),
}

/// A path below a tree, and its entry.
#[derive(Clone)]
pub struct Item {
    pub path: Vec<u8>,
    pub kind: Kind,
}

/// The spec, and the trees that it names, below one directory.
pub struct Checkout {
    pub directory: PathBuf,
}

/// The result of a build.
pub struct Built {
    pub index_digest: String,
    pub layout: Layout,
}

impl Checkout {
    /// Writes everything below `directory`, which is created.
    pub fn write(directory: PathBuf) -> Self {
        fs::create_dir_all(&directory).unwrap();
        write_items(&directory.join("tree"), &names());
        write_items(&directory.join("modes"), &modes());
        fs::write(directory.join("stored.tar"), stored_archive()).unwrap();
        for (name, value) in [
            ("user.comment", "two\nlines"),
            ("user.left", "out"),
            ("user.raw", "0x00ff10"),
        ] {
            let path = directory.join("modes/notes/marked");
            tool(
                "setfattr",
                &[
                    "-n".as_ref(),
                    name.as_ref(),
                    "-v".as_ref(),
                    value.as_ref(),
                    path.as_os_str(),
                ],
            );
        }
        for compression in COMPRESSIONS {
            fs::write(directory.join(format!("{compression}.toml")), spec(compression)).unwrap();
        }
        Self { directory }
    }

    /// Builds the spec for a compression into `NAME` of the sandbox, with the binary as `sandbox` runs it.
    pub fn build(&self, sandbox: &Sandbox, compression: &str) -> Built {
        self.build_with(sandbox, compression, "out", |command| command)
    }

    /// Like [`Self::build`], for one output of several; `change` may alter the command.
    pub fn build_with(
        &self,
        sandbox: &Sandbox,
        compression: &str,
        output: &str,
        change: impl FnOnce(std::process::Command) -> std::process::Command,
    ) -> Built {
        let spec = self.directory.join(format!("{compression}.toml"));
        let output = format!("{output}-{compression}");
        let mut command = sandbox.command(&["build", "-o", &format!("oci:{output}:golden")]);
        command.arg(spec);
        let outcome = Outcome::of(change(command)).expect(0);
        Built {
            index_digest: outcome.digest(),
            layout: sandbox.layout(&output),
        }
    }
}

/// Writes items below `root`, in their order; missing parents are created.
pub fn write_items(root: &Path, items: &[Item]) {
    fs::create_dir_all(root).unwrap();
    for item in items {
        let path = root.join(OsStr::from_bytes(&item.path));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match &item.kind {
            Kind::Directory => fs::create_dir_all(path).unwrap(),
            Kind::Link(target) => symlink(OsStr::from_bytes(target), path).unwrap(),
            Kind::File(content) => fs::write(path, content).unwrap(),
            Kind::Program(content) => {
                fs::write(&path, content).unwrap();
                fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
            }
        }
    }
}

fn item(path: impl AsRef<[u8]>, kind: Kind) -> Item {
    Item {
        path: path.as_ref().to_vec(),
        kind,
    }
}

fn file(path: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Item {
    item(path, Kind::File(content.as_ref().to_vec()))
}

/// Returns names and targets of every length and alphabet, and sizes around a block of tar.
pub fn names() -> Vec<Item> {
    let mut items = vec![
        item("empty-directory", Kind::Directory),
        file("empty", ""),
        file("gone", "removed by a later layer\n"),
        file("swept/old", "hidden by a later layer\n"),
        item("run", Kind::Program(b"#!/bin/sh\n".to_vec())),
        file("same/one", "twice the same\n"),
        file("same/two", "twice the same\n"),
        file("noise", noise(NOISE_BYTES)),
        file("order.txt", "between a directory and its entries\n"),
        file("order/inside", "after it\n"),
    ];
    for size in [1, 511, 512, 513] {
        items.push(file(format!("sizes/{size:03}"), noise(size)));
    }
    for length in [98, 99, 100, 101, 154, 155, 156, 157, 254, 255, 256, 257, 300] {
        items.push(file(path_of(length, "file"), format!("{length}\n")));
        items.push(item(path_of(length, "directory"), Kind::Directory));
    }
    for length in [99, 100, 101, 155, 156, 255] {
        items.push(file(format!("name/{}", "n".repeat(length)), format!("{length}\n")));
    }
    items.extend(splits());
    items.extend(alphabets());
    items.extend(links());
    items
}

/// Returns names that a program could damage.
fn alphabets() -> Vec<Item> {
    let mut items = vec![
        file("text/caf\u{e9}", "composed\n"),
        file("text/cafe\u{301}", "decomposed\n"),
        file("text/\u{65e5}\u{672c}\u{8a9e}/\u{1f980}", "beyond the first plane\n"),
        file("text/new\nline", ""),
        file("text/back\\slash", ""),
        file("text/ space ", ""),
        file("text/\"quoted\" 'name'", ""),
        file("text/tab\tand\u{7f}", ""),
        file("text/*?[a]", ""),
        file("text/-dash", ""),
        file("text/.hidden", ""),
        file("text/long-\u{e9}".to_owned() + &"\u{e9}".repeat(100), ""),
    ];
    items.push(file(b"bytes/caf\xe9", "not UTF-8\n"));
    items.push(file(
        [b"bytes/".as_slice(), &[0xff; 120]].concat(),
        "not UTF-8, and long\n",
    ));
    items
}

/// Returns symbolic links, whose targets are never read.
fn links() -> Vec<Item> {
    let mut items = vec![
        item("link/relative", Kind::Link(b"../run".to_vec())),
        item("link/absolute", Kind::Link(b"/etc/passwd".to_vec())),
        item("link/dangling", Kind::Link(b"nowhere".to_vec())),
        item("link/outside", Kind::Link(b"../../../../../etc".to_vec())),
        item("link/directory", Kind::Link(b"../same/".to_vec())),
        item("link/text", Kind::Link("caf\u{e9}".as_bytes().to_vec())),
        item("link/bytes", Kind::Link(b"caf\xe9".to_vec())),
        item("link/long-bytes", Kind::Link(vec![0xfe; 130])),
    ];
    for length in [99, 100, 101, 255] {
        items.push(item(format!("link/{length}"), Kind::Link(vec![b't'; length])));
    }
    items
}

/// Returns a path below the tree that is `length` bytes long in the image, of components that tar can split.
fn path_of(length: usize, kind: &str) -> String {
    let mut path = format!("{NAMES_TARGET}/long/{kind}/");
    while length - path.len() > 50 {
        path.push_str(&"n".repeat(39));
        path.push('/');
    }
    path.push_str(&format!("{length}-"));
    path.push_str(&"n".repeat(length - path.len()));
    path.split_off(NAMES_TARGET.len() + 1)
}

/// Returns names that just fit a header's prefix and name, 155 and 100 bytes, and one byte more of each.
fn splits() -> Vec<Item> {
    let directory = |length: usize| format!("split/{}", "s".repeat(length - NAMES_TARGET.len() - "/split/".len()));
    vec![
        file(format!("{}/{}", directory(155), "f".repeat(100)), "fits\n"),
        file(
            format!("{}/{}", directory(155), "f".repeat(101)),
            "the name is too long\n",
        ),
        file(
            format!("{}/{}", directory(156), "f".repeat(100)),
            "the prefix is too long\n",
        ),
        item(format!("{}/{}", directory(155), "d".repeat(99)), Kind::Directory),
        item(format!("{}/{}", directory(155), "d".repeat(100)), Kind::Directory),
    ]
}

/// Returns the files of entries with other attributes.
fn modes() -> Vec<Item> {
    vec![
        item("setuid", Kind::Program(b"#!/bin/sh\nid -u\n".to_vec())),
        item("bound", Kind::Program(b"#!/bin/sh\necho bound\n".to_vec())),
        file("notes/marked", "has attributes\n"),
        file("notes/plain", "has none\n"),
        file("lost/start.sh", "#!/bin/sh\n"),
        file("lost/read.txt", "text\n"),
        file("fresh", "in the place of what was swept\n"),
    ]
}

/// Returns a tar whose modes are preserved.
fn stored_archive() -> Vec<u8> {
    let mut archive = ::tar::Builder::new(Vec::new());
    let entries: [(&str, ::tar::EntryType, u32, &[u8]); 5] = [
        ("top/", ::tar::EntryType::Directory, 0o1777, b""),
        ("top/setuid", ::tar::EntryType::Regular, 0o4711, b"setuid\n"),
        ("top/setgid/", ::tar::EntryType::Directory, 0o2770, b""),
        ("top/setgid/secret", ::tar::EntryType::Regular, 0o600, b"secret\n"),
        ("top/none", ::tar::EntryType::Regular, 0o000, b"nobody's\n"),
    ];
    for (path, kind, mode, content) in entries {
        let mut header = ::tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        header.set_uid(4711);
        header.set_gid(4712);
        header.set_mtime(1_600_000_000);
        archive.append_data(&mut header, path, content).unwrap();
    }
    archive.into_inner().unwrap()
}

/// Returns bytes that compress by a half, and are the same on every machine.
pub fn noise(size_bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(size_bytes);
    while bytes.len() < size_bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes()[..4]);
        bytes.extend_from_slice(b"same");
    }
    bytes.truncate(size_bytes);
    bytes
}

fn spec(compression: &str) -> String {
    format!(
        r#"format = 1
[image]
name = "localhost/golden"
platforms = ["linux/amd64", "linux/arm64"]
compression = "{compression}"
mtime = 1700000000
annotations = {{ "org.opencontainers.image.title" = "golden" }}

[[users]]
name = "app"
uid = 1000

[[users]]
name = "big"
uid = 3000000
gid = 50

[[dirs]]
path = "/srv/data"
owner = "app"
mode = "2770"

[[layers]]
name = "names"
files = [{{ from = "tree", to = "/{NAMES_TARGET}" }}]

[[layers]]
name = "modes"
owner = "app"
files = [
  {{ from = "modes/setuid", to = "/usr/bin/", mode = "4755", owner = "0:0" }},
  {{ from = "modes/bound", to = "/usr/bin/bound", owner = "big", capabilities = ["cap_net_bind_service", "cap_sys_nice"] }},
  {{ from = "modes/notes", to = "/srv/notes", xattrs = ["user.comment", "user.r*"], mode = "0640", dir-mode = "0750" }},
  {{ from = "modes/lost", to = "/srv/lost", executable = ["*.sh"] }},
  {{ from = "stored.tar", to = "/srv/stored", unpack = true, strip = 1, keep-modes = true }},
]
links = [{{ path = "/usr/bin/as-written", target = "../../srv/./lost/start.sh" }}]

[[layers]]
name = "removed"
remove = ["/{NAMES_TARGET}/gone", "/{NAMES_TARGET}/swept"]
files = [{{ from = "modes/fresh", to = "/{NAMES_TARGET}/swept/fresh" }}]

[config]
user = "app"
workdir = "/srv/data"
env = {{ LANG = "C.UTF-8", A = "1" }}
entrypoint = ["/srv/lost/start.sh"]
ports = ["80", "53/udp"]

[check]
allow = ["*:/**"]
"#
    )
}
