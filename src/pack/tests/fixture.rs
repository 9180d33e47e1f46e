//! A plan with every kind of entry, and every special case of the format that a small file can have.

use super::{directory, entry, file, noise, plan, symlink, with_xattr};
use crate::model::{Content, Entry, EntryKind, LayerPlan};

/// `cap_net_bind_service` permitted and effective, in the version 2 form.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// Lengths of paths, in bytes, near the limits of `name`, `prefix` and both.
const PATH_BYTES: [usize; 11] = [98, 99, 100, 101, 102, 154, 155, 156, 255, 256, 257];

/// Returns the plan. It has two blocks with gzip, one with zstd.
pub(super) fn every_kind() -> LayerPlan {
    let mut entries = plain_entries();
    entries.extend(long_entries());
    entries.extend(named_entries());
    entries.extend(owned_entries());
    let mut plan = plan(entries);
    plan.mtime_s = 1_700_000_000;
    plan
}

fn plain_entries() -> Vec<Entry> {
    let with_mode = |mut entry: Entry, mode| {
        entry.mode = mode;
        entry
    };
    vec![
        directory("bin"),
        with_mode(file("bin/tool", b"#!/bin/sh\nexec true\n"), 0o755),
        with_mode(file("bin/setuid", b"set the user id\n"), 0o4755),
        with_xattr(
            with_mode(file("bin/serve", b"bind to port 80\n"), 0o755),
            "security.capability",
            &CAPABILITY,
        ),
        with_mode(directory("tmp"), 0o1777),
        with_mode(file("etc/.wh.removed", b""), 0),
        with_mode(file("opt/.wh..wh..opq", b""), 0),
        directory("etc"),
        directory("opt"),
        file("etc/empty", b""),
        file("etc-before-the-slash", b"`-` sorts before `/`\n"),
        with_xattr(
            with_xattr(file("etc/attributes", b"x"), "user.comment", b"two\nlines=1\0\xff"),
            "user.a",
            b"",
        ),
        file("data/noise", noise(1_200_000, 1)),
        file("data/512", [b'x'; 512]),
        file("data/511", [b'x'; 511]),
    ]
}

/// Returns paths with and without a slash at which they can be split, as files and as directories.
fn long_entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    for size in PATH_BYTES {
        let split = |root: &str| {
            let place = |at: usize| {
                if at.is_multiple_of(50) && at + 1 < size {
                    b'/'
                } else {
                    b'n'
                }
            };
            let rest = (root.len()..size).map(place);
            root.bytes().chain(rest).collect::<Vec<u8>>()
        };
        entries.push(file(split(&format!("long/file/{size}-")), size.to_string()));
        entries.push(directory(split(&format!("long/directory/{size}-"))));
        // No file system supports longer names.
        if size <= 255 {
            entries.push(file(
                format!("whole-{size}-{}", "w".repeat(size - 7 - size.to_string().len())),
                b"",
            ));
        }
    }
    for prefix in [155, 156] {
        entries.push(file(
            format!("prefix-{}/{}", "p".repeat(prefix - 7), "n".repeat(100)),
            b"",
        ));
    }
    for size in [99, 100, 101, 300] {
        entries.push(symlink(format!("link/{size}"), "t".repeat(size)));
    }
    entries
}

/// Returns names that are not ASCII, not UTF-8, or contain unprintable characters.
fn named_entries() -> Vec<Entry> {
    vec![
        file("name/caf\u{e9}", b"precomposed"),
        file("name/cafe\u{301}", b"decomposed"),
        file("name/two\nlines and a tab\t", b"control"),
        file(b"name/\xff\xfe", b"not UTF-8"),
        file([&b"name/\xff"[..], &[b'n'; 120]].concat(), b"not UTF-8, and long"),
        file(format!("name/{}", "\u{65e5}".repeat(60)), b"cut inside of a character"),
        directory("name/\u{65e5}\u{672c}"),
        symlink("name/to-utf-8", "caf\u{e9}"),
        symlink("name/to-bytes", b"\xff\xfe"),
        symlink("name/to-long-bytes", [0xff; 120]),
        symlink("name/absolute", "/usr/../bin/sh"),
        file("name/.hidden", b""),
        file("name/a b'c\"d\\e", b"quotes"),
    ]
}

/// Returns owners near the limits of a field.
fn owned_entries() -> Vec<Entry> {
    let owners = [
        (1000, 100),
        (2_097_151, 2_097_151),
        (2_097_152, 0),
        (0, 2_097_152),
        (4_294_967_294, 4_294_967_294),
    ];
    let owned = owners.map(|(uid, gid)| {
        let kind = EntryKind::File {
            size_bytes: 1,
            content: Content::Bytes(b"o".as_slice().into()),
        };
        let mut entry = entry(format!("owner/{uid}-{gid}"), kind, 0o640);
        (entry.uid, entry.gid) = (uid, gid);
        entry
    });
    owned.into()
}
