//! How the bytes of a layer are read: extended headers, damage, cuts and limits.

use std::io::Read as _;

use proptest::prelude::*;
use tar::EntryType;

use super::super::super::testing::{LayerTar, path, tree_of};
use super::super::super::{LayerError, NodeKind};
use super::super::*;

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
