use std::sync::Arc;

use proptest::prelude::*;

use super::columns::{COLUMNS, Damaged, put_number};
use super::read::SUM_BYTES;
use super::write::MAGIC;
use super::*;
use crate::elf::{ElfClass, ElfFacts, ElfType, Endianness, VersionNeed};
use crate::model::{Digest, EntryPath};
use crate::tree::{FACTS_VERSION, Node, NodeKind, Package, PackageSystem, Tree};

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..12)
}

fn names() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(name(), 0..4)
}

fn path() -> impl Strategy<Value = EntryPath> {
    prop::collection::vec("[a-c/\u{e4}]{1,5}", 0..4)
        .prop_map(|parts| EntryPath::new(parts.join("/").as_bytes()).unwrap())
}

fn node() -> impl Strategy<Value = Node> {
    let file = (any::<u64>(), any::<u32>(), prop::option::of(path())).prop_map(|(size_bytes, layer, stored_at)| {
        NodeKind::File {
            size_bytes,
            layer,
            stored_at: stored_at.map(Box::new),
        }
    });
    let symlink = name().prop_map(|target| NodeKind::Symlink { target: target.into() });
    let kind = prop_oneof![Just(NodeKind::Directory), Just(NodeKind::Special), file, symlink];
    let xattrs = prop::collection::btree_map(name(), name(), 0..3);
    (kind, 0u32..0o10000, any::<u64>(), any::<u64>(), xattrs).prop_map(|(kind, mode, uid, gid, xattrs)| Node {
        kind,
        mode,
        uid,
        gid,
        xattrs: (!xattrs.is_empty()).then(|| Box::new(xattrs)),
    })
}

fn elf() -> impl Strategy<Value = ElfFacts> {
    let option = || prop::option::of(name());
    let needs = prop::collection::vec((name(), names()), 0..3);
    let numbers = (any::<u16>(), any::<u32>(), any::<u8>(), any::<[bool; 4]>());
    (
        numbers,
        [option(), option(), option(), option()],
        names(),
        needs,
        names(),
    )
        .prop_map(
            |(
                (machine, flags, os_abi, bits),
                [interpreter, soname, rpath, runpath],
                needed,
                needs,
                version_definitions,
            )| {
                ElfFacts {
                    class: if bits[0] { ElfClass::Elf64 } else { ElfClass::Elf32 },
                    endianness: if bits[1] { Endianness::Big } else { Endianness::Little },
                    elf_type: if bits[2] { ElfType::Dynamic } else { ElfType::Executable },
                    is_dynamic: bits[3],
                    machine,
                    flags,
                    os_abi,
                    interpreter,
                    needed,
                    soname,
                    rpath,
                    runpath,
                    version_needs: needs
                        .into_iter()
                        .map(|(library, versions)| VersionNeed { library, versions })
                        .collect(),
                    version_definitions,
                }
            },
        )
}

fn facts() -> impl Strategy<Value = Facts> {
    let nodes = prop::collection::btree_map(path(), node(), 0..8);
    let texts = || prop::collection::btree_map(path(), name(), 0..3);
    let packages = prop::collection::btree_set((0..3usize, "[a-z]{0,3}", "\\PC{0,3}"), 0..4);
    let option = || prop::option::of(name());
    (
        nodes,
        option(),
        option(),
        texts(),
        texts(),
        prop::collection::btree_map(path(), elf(), 0..3),
        packages,
    )
        .prop_map(|(nodes, passwd, group, loader_configs, shebangs, elf, packages)| {
            let mut tree = Tree::default();
            nodes.into_iter().for_each(|(path, node)| tree.append(path, node));
            let systems = [PackageSystem::Dpkg, PackageSystem::Apk, PackageSystem::Rpm];
            let package = |(system, name, version)| Package {
                system: systems[system],
                name,
                version,
            };
            let packages = packages.into_iter().map(package).collect();
            Facts {
                tree: Arc::new(tree),
                passwd,
                group,
                loader_configs,
                shebangs,
                elf,
                packages,
            }
        })
}

fn signed(body: &[u8]) -> Vec<u8> {
    [body, Digest::of(body).hex().as_bytes()].concat()
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(facts in facts_about_nodes()) {
        let bytes = facts.encode();
        prop_assert_eq!(&Facts::decode(&bytes).unwrap(), &facts);
    }

    #[test]
    fn every_damage_is_noticed(facts in facts_about_nodes(), at in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut bytes = facts.encode();
        let at = at.index(bytes.len());
        prop_assert!(Facts::decode(&bytes[..at]).is_err());
        bytes[at] ^= flip;
        prop_assert!(Facts::decode(&bytes).is_err());
    }

    /// Bytes with a correct checksum are either facts in their only valid form, or refused.
    #[test]
    fn what_is_read_is_written_so_again(
        facts in facts_about_nodes(), at in any::<prop::sample::Index>(), flip in 1u8..
    ) {
        let bytes = facts.encode();
        let mut body = bytes[..bytes.len() - SUM_BYTES].to_vec();
        let at = at.index(body.len());
        body[at] ^= flip;
        let bytes = signed(&body);
        if let Ok(other) = Facts::decode(&bytes) {
            prop_assert_eq!(other.encode(), bytes);
        }
    }
}

/// Assigns values to paths of the tree, and to other paths.
fn facts_about_nodes() -> impl Strategy<Value = Facts> {
    (
        facts(),
        prop::collection::vec((any::<prop::sample::Index>(), elf()), 0..4),
    )
        .prop_map(|(facts, files)| {
            let paths: Vec<EntryPath> = facts.tree.nodes().map(|(path, _)| path.clone()).collect();
            let mut facts = facts;
            for (at, elf) in files {
                if !paths.is_empty() {
                    facts.elf.insert(at.get(&paths).clone(), elf);
                }
            }
            facts
        })
}

#[test]
fn the_facts_of_nothing_are_small_and_of_this_version() {
    let bytes = Facts::empty().encode();
    // A length for each column, and seven counts.
    assert_eq!(bytes.len(), MAGIC.len() + 1 + COLUMNS + 7 + SUM_BYTES);
    assert_eq!(Facts::decode(&bytes).unwrap(), Facts::empty());
    let mut other = bytes[..bytes.len() - SUM_BYTES].to_vec();
    other[MAGIC.len()] += 1;
    let error = Facts::decode(&signed(&other)).unwrap_err();
    assert!(error.to_string().contains("another version"), "{error}");
}

#[test]
fn lengths_beyond_the_end_allocate_nothing() {
    let mut body = MAGIC.to_vec();
    body.push(FACTS_VERSION as u8);
    body.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    assert!(Facts::decode(&signed(&body)).is_err());
    // A list with as many empty items as a number can express, in its column.
    let mut counts = Vec::new();
    for count in [0, 0, 0, 0, 0, 0, u64::MAX] {
        put_number(&mut counts, count);
    }
    let mut body = MAGIC.to_vec();
    body.extend([FACTS_VERSION as u8, counts.len() as u8]);
    body.extend(counts);
    body.extend([0; COLUMNS - 1]);
    assert!(Facts::decode(&signed(&body)).is_err());
}

#[test]
fn a_short_text_that_stands_for_much_is_refused() {
    let mut elf = elf_of_no_names();
    elf.needed = vec![vec![b'x'; 1000]; 1000];
    let path = EntryPath::new(b"lib/large").unwrap();
    let mut facts = Facts::empty();
    facts.elf.insert(path, elf);
    let bytes = facts.encode();
    assert!(bytes.len() < 3000, "{}", bytes.len());
    assert_eq!(Facts::decode(&bytes).unwrap(), facts);
    let Err(Damaged(reason)) = read::decode_within(&bytes, 1_000_000) else {
        panic!("accepted")
    };
    assert_eq!(reason, "they are too large");
}

fn elf_of_no_names() -> ElfFacts {
    ElfFacts {
        class: ElfClass::Elf64,
        endianness: Endianness::Little,
        elf_type: ElfType::Dynamic,
        is_dynamic: true,
        machine: 62,
        flags: 0,
        os_abi: 0,
        interpreter: None,
        soname: None,
        rpath: None,
        runpath: None,
        needed: Vec::new(),
        version_needs: Vec::new(),
        version_definitions: Vec::new(),
    }
}

#[test]
fn compressed_facts_are_bounded_and_whole() {
    let mut facts = Facts::empty();
    facts.passwd = Some(b"root:x:0:0::/:/bin/sh\n".repeat(1000));
    let compressed = facts.compress().unwrap();
    assert!(compressed.len() < 1000, "{}", compressed.len());
    assert_eq!(Facts::decompress(&compressed).unwrap(), facts);
    for bad in [&compressed[..compressed.len() - 1], &compressed[..10], b"", b"text"] {
        assert!(Facts::decompress(bad).is_err());
    }
    let error = decompress_within(&compressed, facts.encode().len() as u64 - 1).unwrap_err();
    assert!(error.to_string().contains("too large"), "{error}");
}
