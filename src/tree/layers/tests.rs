use std::io::Read as _;

use proptest::prelude::*;
use tar::EntryType;

use super::super::testing::{LayerTar, listing, path, tree_of};
use super::super::{LayerError, NodeKind};
use super::*;

/// Adds entries to a layer.
type Fill = fn(LayerTar) -> LayerTar;

fn shown(layers: &[Fill]) -> Vec<String> {
    let layers: Vec<Vec<u8>> = layers.iter().map(|layer| layer(LayerTar::new()).finish()).collect();
    listing(&tree_of(&layers).unwrap())
}

fn error_of(layers: &[Fill]) -> LayerError {
    let layers: Vec<Vec<u8>> = layers.iter().map(|layer| layer(LayerTar::new()).finish()).collect();
    tree_of(&layers).unwrap_err()
}

#[test]
fn names_are_cleaned_and_parents_made() {
    let lines = shown(&[|tar| {
        tar.directory("./", 0o711)
            .file("./a/b", b"xy")
            .file("/c", b"")
            .directory("d//e/", 0o1777)
    }]);
    assert_eq!(
        lines,
        [
            "711 //",
            "755 /a/",
            "644 /a/b 2 in 0",
            "644 /c 0 in 0",
            "755 /d/",
            "1777 /d/e/"
        ]
    );
}

#[test]
fn a_directory_again_changes_what_it_is_and_keeps_what_it_has() {
    let lines = shown(&[
        |tar| tar.directory("a", 0o755).file("a/b", b""),
        |tar| tar.directory("a/", 0o1777),
    ]);
    assert_eq!(lines, ["1777 /a/", "644 /a/b 0 in 0"]);
}

#[test]
fn a_whiteout_acts_on_the_layers_below_alone_whatever_the_order() {
    let base: Fill = |tar| {
        tar.directory("a", 0o700)
            .file("a/old", b"")
            .file("a-b", b"")
            .file("c", b"")
    };
    let first: Fill = |tar| {
        tar.file(".wh.a", b"")
            .file("a/new", b"1")
            .file(".wh.c", b"")
            .file("c", b"22")
    };
    let last: Fill = |tar| {
        tar.file("a/new", b"1")
            .file(".wh.a", b"")
            .file("c", b"22")
            .file(".wh.c", b"")
    };
    let wanted = ["755 /a/", "644 /a-b 0 in 0", "644 /a/new 1 in 1", "644 /c 2 in 1"];
    assert_eq!(shown(&[base, first]), wanted);
    assert_eq!(shown(&[base, last]), wanted);
    let named: Fill = |tar| tar.directory("a", 0o711).file(".wh.a", b"").file(".wh.nothing", b"");
    assert_eq!(shown(&[base, named]), ["711 /a/", "644 /a-b 0 in 0", "644 /c 0 in 0"]);
}

#[test]
fn an_opaque_whiteout_empties_the_directory_of_the_layers_below() {
    let base: Fill = |tar| {
        tar.directory("a", 0o700)
            .directory("a/d", 0o711)
            .file("a/d/old", b"")
            .file("ab", b"")
    };
    let first: Fill = |tar| tar.file("a/.wh..wh..opq", b"").file("a/d/new", b"");
    let last: Fill = |tar| tar.file("a/d/new", b"").file("a/.wh..wh..opq", b"");
    let wanted = ["700 /a/", "755 /a/d/", "644 /a/d/new 0 in 1", "644 /ab 0 in 0"];
    assert_eq!(shown(&[base, first]), wanted);
    assert_eq!(shown(&[base, last]), wanted);
    assert_eq!(
        shown(&[base, |tar| tar.file(".wh..wh..opq", b"").file("x", b"")]),
        ["644 /x 0 in 1"]
    );
}

#[test]
fn hiding_a_path_again_changes_nothing_but_the_directory_itself() {
    let base: Fill = |tar| tar.directory("a", 0o700).file("a/old", b"");
    let opaque: Fill = |tar| {
        let tar = tar
            .file("a/.wh..wh..opq", b"")
            .file("a/new", b"")
            .file("a/.wh..wh..opq", b"");
        tar.file("a/newer", b"")
    };
    assert_eq!(
        shown(&[base, opaque]),
        ["700 /a/", "644 /a/new 0 in 1", "644 /a/newer 0 in 1"]
    );
    let removed: Fill = |tar| {
        tar.file("a/.wh..wh..opq", b"")
            .file("a/new", b"")
            .file(".wh.a", b"")
            .file(".wh.a", b"")
    };
    assert_eq!(shown(&[base, removed]), ["755 /a/", "644 /a/new 0 in 1"]);
    assert_eq!(
        shown(&[base, opaque, opaque]),
        ["700 /a/", "644 /a/new 0 in 2", "644 /a/newer 0 in 2"]
    );
}

#[test]
fn whiteouts_go_through_links_as_entries_do() {
    let base: Fill = |tar| {
        tar.file("usr/lib/x", b"")
            .file("usr/lib/y", b"")
            .symlink("lib", "usr/lib")
    };
    assert_eq!(
        shown(&[base, |tar| tar.file("lib/.wh.x", b"")])[1..],
        ["755 /usr/", "755 /usr/lib/", "644 /usr/lib/y 0 in 0"]
    );
    assert_eq!(
        shown(&[base, |tar| tar.file("lib/.wh..wh..opq", b"")])[1..],
        ["755 /usr/", "755 /usr/lib/"]
    );
    assert_eq!(shown(&[base, |tar| tar.file(".wh.lib", b"")]).len(), 4);
}

#[test]
fn odd_whiteouts_are_refused_or_passed_over() {
    for bad in [".wh.", "a/.wh.", ".wh...", ".wh..", ".wh.a/b"] {
        let error = tree_of(&[LayerTar::new().file(bad, b"").finish()]).unwrap_err();
        assert!(matches!(error, LayerError::Entry { .. }), "{bad}: {error}");
    }
    let lines = shown(&[|tar| {
        tar.directory(".wh..wh.plnk", 0o700)
            .file(".wh..wh.plnk/1.2", b"")
            .file(".wh..wh.aufs", b"")
    }]);
    assert_eq!(lines, [""; 0]);
}

#[test]
fn entries_land_where_links_on_the_way_lead() {
    let base: Fill = |tar| {
        tar.directory("usr/lib", 0o755)
            .symlink("lib", "usr/lib")
            .symlink("opt", "/srv/none")
    };
    let lines = shown(&[base, |tar| {
        tar.file("lib/x", b"1").hard_link("y", "lib/x").file("opt/z", b"")
    }]);
    assert_eq!(
        lines,
        [
            "777 /lib -> usr/lib",
            "777 /opt -> /srv/none",
            "755 /srv/",
            "755 /srv/none/",
            "644 /srv/none/z 0 in 1 at /opt/z",
            "755 /usr/",
            "755 /usr/lib/",
            "644 /usr/lib/x 1 in 1 at /lib/x",
            "644 /y 1 in 1 at /lib/x",
        ]
    );
    let replaced = shown(&[base, |tar| tar.directory("lib", 0o711).file("lib/x", b"")]);
    assert_eq!(replaced[..2], ["711 /lib/", "644 /lib/x 0 in 1"]);
}

#[test]
fn kinds_replace_each_other() {
    let base: Fill = |tar| {
        tar.directory("d", 0o755)
            .file("d/x", b"")
            .file("f", b"")
            .symlink("l", "f")
    };
    let upper: Fill = |tar| {
        tar.file("d", b"1")
            .directory("f", 0o700)
            .file("f/x", b"")
            .file("l", b"22")
    };
    assert_eq!(
        shown(&[base, upper]),
        ["644 /d 1 in 1", "700 /f/", "644 /f/x 0 in 1", "644 /l 2 in 1"]
    );
    assert_eq!(
        shown(&[base, |tar| tar.file("f/x", b"")])[2..],
        ["755 /f/", "644 /f/x 0 in 1", "777 /l -> f"]
    );
    let special = shown(&[base, |tar| tar.raw(EntryType::Fifo, b"f", 0o600, b"", b"")]);
    assert!(special.contains(&"600 /f special".to_owned()), "{special:?}");
}

#[test]
fn hard_links_keep_the_content_that_they_linked_to() {
    let base: Fill = |tar| {
        tar.file("a", b"1")
            .hard_link("b", "./a")
            .symlink("s", "a")
            .hard_link("t", "s")
    };
    let upper: Fill = |tar| tar.hard_link("c", "/b").file("a", b"22").hard_link("d", "a");
    let lines = shown(&[base, upper]);
    assert_eq!(
        lines,
        [
            "644 /a 2 in 1",
            "644 /b 1 in 0 at /a",
            "644 /c 1 in 0 at /a",
            "644 /d 2 in 1 at /a",
            "777 /s -> a",
            "777 /t -> a",
        ]
    );
    let back = shown(&[base, |tar| tar.file(".wh.a", b"").hard_link("a", "b")]);
    assert_eq!(back[0], "644 /a 1 in 0");
    assert!(matches!(
        error_of(&[|tar| tar.hard_link("b", "a")]),
        LayerError::HardLink { .. }
    ));
    assert!(matches!(
        error_of(&[|tar| tar.directory("a", 0o755).hard_link("b", "a")]),
        LayerError::HardLink { .. }
    ));
    assert!(matches!(
        error_of(&[base, |tar| tar.file(".wh.a", b"").hard_link("c", "a")]),
        LayerError::HardLink { .. }
    ));
}

#[test]
fn a_path_that_comes_twice_is_the_last_one_unless_a_link_means_the_first() {
    assert_eq!(shown(&[|tar| tar.file("a", b"1").file("a", b"22")]), ["644 /a 2 in 0"]);
    let error = error_of(&[|tar| tar.file("a", b"1").hard_link("b", "a").file("a", b"22")]);
    assert!(error.to_string().contains("contains it twice"), "{error}");
}

#[test]
fn names_that_leave_the_image_and_loops_are_refused() {
    assert!(matches!(
        error_of(&[|tar| tar.file("a/../../b", b"")]),
        LayerError::Name(_)
    ));
    assert!(matches!(
        error_of(&[|tar| tar.file("a", b"").hard_link("b", "../a")]),
        LayerError::Name(_)
    ));
    let error = error_of(&[|tar| tar.symlink("a", "b").symlink("b", "a").file("a/x", b"")]);
    assert!(matches!(
        error,
        LayerError::Place {
            cause: ResolveError::Loop { .. },
            ..
        }
    ));
    let error = error_of(&[|tar| tar.file("f", b"").symlink("a", "f").file("a/x", b"")]);
    assert!(matches!(
        error,
        LayerError::Place {
            cause: ResolveError::NotADirectory { .. },
            ..
        }
    ));
    assert!(matches!(
        error_of(&[|tar| tar.file(".", b"")]),
        LayerError::Entry { .. }
    ));
    assert!(matches!(
        error_of(&[|tar| tar.symlink("a", "")]),
        LayerError::Entry { .. }
    ));
}

#[test]
fn extended_headers_say_what_the_header_cannot() {
    let long = "n/".repeat(100) + "end";
    let records: &[(&str, &[u8])] = &[
        ("path", long.as_bytes()),
        ("size", b"3"),
        ("uid", b"4294967294"),
        ("gid", b"70000"),
        ("mtime", b"1.5"),
        ("SCHILY.xattr.security.capability", b"\x01\n\0\xff="),
    ];
    let mut bytes = LayerTar::new().pax(records).file("short", b"abc").finish();
    // The header has another size than the record; the record takes precedence.
    let header = bytes.windows(6).position(|bytes| bytes == b"short\0").unwrap();
    bytes[header + 124..header + 135].copy_from_slice(b"00000000000");
    let mut fixed = tar::Header::new_ustar();
    fixed.as_mut_bytes().copy_from_slice(&bytes[header..header + 512]);
    fixed.set_cksum();
    bytes[header..header + 512].copy_from_slice(fixed.as_bytes());
    let tree = tree_of(&[bytes]).unwrap();
    let node = tree.node(&path(&long)).unwrap();
    assert_eq!((node.uid, node.gid), (4_294_967_294, 70_000));
    assert!(matches!(node.kind, NodeKind::File { size_bytes: 3, .. }));
    assert_eq!(
        node.xattrs.as_ref().unwrap()[&b"security.capability"[..]],
        b"\x01\n\0\xff="
    );
}

#[test]
fn gnu_long_names_and_bytes_that_are_no_text_are_kept() {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    let long = "x".repeat(300);
    builder.append_data(&mut header, &long, &b""[..]).unwrap();
    header.set_entry_type(EntryType::Symlink);
    builder.append_link(&mut header, "odd\u{e4}\n", &long).unwrap();
    let raw = LayerTar::new()
        .raw(EntryType::Regular, b"bad-\xff", 0o600, b"", b"")
        .finish();
    let tree = tree_of(&[builder.into_inner().unwrap(), raw]).unwrap();
    assert!(tree.node(&path(&long)).is_some());
    assert!(tree.node(&path("odd\u{e4}\n")).is_some());
    assert!(tree.node(&EntryPath::new(b"bad-\xff").unwrap()).is_some());
}

#[test]
fn ids_in_base_256_are_read() {
    let mut header = tar::Header::new_gnu();
    header.set_path("a").unwrap();
    header.set_uid(3_000_000);
    header.set_gid(4_000_000_000);
    header.set_size(0);
    header.set_cksum();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header, &b""[..]).unwrap();
    let tree = tree_of(&[builder.into_inner().unwrap()]).unwrap();
    let node = tree.node(&path("a")).unwrap();
    assert_eq!((node.uid, node.gid), (3_000_000, 4_000_000_000));
}

#[test]
fn every_cut_is_noticed() {
    let whole = LayerTar::new()
        .pax(&[("comment", b"x")])
        .file("a", &[b'x'; 700])
        .directory("d", 0o755)
        .finish();
    let end = whole.len() - 1024;
    // Between two members, and in the padding of a file, the runtimes accept the end as that of the layer.
    let is_between = |length| length == 0 || (2236..=2560).contains(&length) || length == end;
    for length in (0..=end)
        .step_by(64)
        .chain([1, 511, 2235, 2236, 2237, end - 1, end + 100])
    {
        let outcome = tree_of(&[whole[..length].to_vec()]);
        match outcome {
            Ok(_) => assert!(is_between(length), "{length}"),
            Err(LayerError::Truncated { .. }) => assert!(!is_between(length), "{length}"),
            // It describes no member: the records are complete, and their padding is not required.
            Err(LayerError::Malformed {
                what: "an extended header",
                ..
            }) => assert!((525..=1024).contains(&length)),
            other => panic!("{length}: {other:?}"),
        }
    }
    assert!(
        tree_of(&[whole[..end + 512].to_vec()]).is_ok(),
        "half an end marker at the end"
    );
    assert!(
        tree_of(&[[&whole[..], &[1; 700]].concat()]).is_ok(),
        "what follows the marker is no entry"
    );
    let entry_for_half = [&whole[..end + 512], &whole[..]].concat();
    assert!(matches!(tree_of(&[entry_for_half]), Err(LayerError::Malformed { .. })));
}

#[test]
fn damaged_headers_and_unknown_sparse_files_are_refused() {
    let mut damaged = LayerTar::new().file("a", b"").finish();
    damaged[0] = b'b';
    assert!(tree_of(&[damaged]).unwrap_err().to_string().contains("checksum"));
    let sparse = LayerTar::new()
        .raw(EntryType::GNUSparse, b"a", 0o644, b"", b"")
        .finish();
    assert!(tree_of(&[sparse]).unwrap_err().to_string().contains("sparse"));
    let sparse = LayerTar::new()
        .pax(&[("GNU.sparse.major", b"1")])
        .file("a", b"")
        .finish();
    assert!(tree_of(&[sparse]).unwrap_err().to_string().contains("sparse"));
    let unknown = LayerTar::new()
        .raw(EntryType::new(b'V'), b"a", 0o644, b"", b"")
        .finish();
    assert!(tree_of(&[unknown]).unwrap_err().to_string().contains("type"));
    let twice = LayerTar::new()
        .pax(&[("uid", b"1")])
        .pax(&[("uid", b"2")])
        .file("a", b"")
        .finish();
    assert!(matches!(tree_of(&[twice]), Err(LayerError::Malformed { .. })));
    let lonely = LayerTar::new().pax(&[("uid", b"1")]).finish();
    assert!(matches!(tree_of(&[lonely]), Err(LayerError::Malformed { .. })));
}

#[test]
fn long_names_and_headers_are_bounded() {
    let long = "n".repeat(4096);
    let named = LayerTar::new()
        .pax(&[("path", long.as_bytes())])
        .file("a", b"")
        .finish();
    assert!(matches!(tree_of(&[named]), Err(LayerError::OverLimit { .. })));
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(1 << 40);
    header.set_cksum();
    assert!(matches!(
        tree_of(&[header.as_bytes().to_vec()]),
        Err(LayerError::OverLimit { .. })
    ));
    let layer = LayerTar::new()
        .pax(&[("SCHILY.xattr.user.a", b"b")])
        .symlink("a", "b")
        .finish();
    let limit_of = |builder: TreeBuilder| match { builder }.apply_layer(&layer[..], 0, &mut |_, _, _| Ok(())) {
        Err(LayerError::OverLimit { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    let entries = TreeBuilder {
        entry_count: MAX_NODES,
        ..TreeBuilder::new()
    };
    assert_eq!(limit_of(entries), "the entries of an image");
    let names = TreeBuilder {
        names_bytes: MAX_NAMES_BYTES,
        ..TreeBuilder::new()
    };
    assert_eq!(limit_of(names), "the names of the entries of an image, in bytes");
    let targets = TreeBuilder {
        link_targets_bytes: MAX_LINK_TARGETS_BYTES,
        ..TreeBuilder::new()
    };
    assert_eq!(limit_of(targets), "the link targets of an image, in bytes");
    let xattrs = TreeBuilder {
        xattrs_bytes: MAX_XATTRS_BYTES - 1000,
        ..TreeBuilder::new()
    };
    let layer = LayerTar::new()
        .pax(&[("SCHILY.xattr.user.a", b"b"), ("SCHILY.xattr.user.b", b"")])
        .file("a", b"")
        .finish();
    let error = { xattrs }
        .apply_layer(&layer[..], 0, &mut |_, _, _| Ok(()))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the extended attributes of an image, in bytes: over the limit of"),
        "{error}"
    );
}

#[test]
fn links_and_directories_have_no_content_whatever_their_size_says() {
    let mut header = tar::Header::new_ustar();
    header.set_path("d").unwrap();
    header.set_entry_type(EntryType::Directory);
    header.set_size(4096);
    header.set_cksum();
    let rest = LayerTar::new().file("a", b"").finish();
    let tree = tree_of(&[[&header.as_bytes()[..], &rest].concat()]).unwrap();
    assert_eq!(tree.len(), 2);
}

#[test]
fn each_file_is_visited_with_its_content() {
    let layer = LayerTar::new()
        .file("a", b"one")
        .hard_link("b", "a")
        .directory("d", 0o755)
        .file("d/c", b"two")
        .finish();
    let mut seen = Vec::new();
    let mut builder = TreeBuilder::new();
    let mut visit = |path: &EntryPath, node: &Node, content: &mut dyn Read| {
        let mut text = String::new();
        if seen.is_empty() {
            content.read_to_string(&mut text)?;
        } else {
            content.take(2).read_to_string(&mut text)?;
        }
        assert_eq!(node.content_at(path).unwrap().0, 7);
        seen.push(format!("{path} {text}"));
        Ok(())
    };
    builder.apply_layer(&layer[..], 7, &mut visit).unwrap();
    assert_eq!(seen, ["/a one", "/d/c tw"]);
}

proptest! {
    /// Any stream gives a tree or an error and never a panic; and every node has a parent directory.
    #[test]
    fn damaged_streams_give_a_whole_tree_or_an_error(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6), fix_sums in any::<bool>()
    ) {
        let long = "n/".repeat(80);
        let mut bytes = LayerTar::new()
            .pax(&[("path", long.as_bytes()), ("SCHILY.xattr.user.a", b"b")])
            .file("a", b"content")
            .symlink("l", "a/b")
            .file("l/x", b"")
            .hard_link("h", "a/b/x")
            .file("a/.wh..wh..opq", b"")
            .file(".wh.l", b"")
            .finish();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        for block in bytes.chunks_exact_mut(512).filter(|block| fix_sums && block[257..262] == *b"ustar") {
            let mut header = tar::Header::new_ustar();
            header.as_mut_bytes().copy_from_slice(block);
            header.set_cksum();
            block.copy_from_slice(header.as_bytes());
        }
        if let Ok(tree) = tree_of(&[bytes]) {
            for (path, _) in tree.nodes().filter(|(path, _)| !path.is_root()) {
                let parent = path.parent().unwrap();
                prop_assert!(parent.is_root() || tree.node(&parent).unwrap().is_directory(), "{path}");
            }
        }
    }
}
