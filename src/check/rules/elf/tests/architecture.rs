//! `wrong-architecture` and `foreign-architecture`.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::{evidence, only, put, told};
use crate::check::Code;
use crate::check::own_file::OwnFile;
use crate::check::subject::Subject;
use crate::check::testing::{Image, Thing, debian, elf, path};
use crate::check::{Evidence, check};
use crate::elf::{ElfClass, ElfFacts, ElfType};
use crate::model::Family;
use crate::tree::{Facts, Node, NodeKind, Tree};

const ARM64_LOADER: &str = "/lib/ld-linux-aarch64.so.1";

fn arm64(interpreter: Option<&str>, needed: &[&str]) -> ElfFacts {
    ElfFacts {
        machine: 183,
        ..elf(interpreter, needed)
    }
}

fn i386(interpreter: Option<&str>, needed: &[&str]) -> ElfFacts {
    ElfFacts {
        machine: 3,
        class: ElfClass::Elf32,
        ..elf(interpreter, needed)
    }
}

fn addon(needed: &[&str]) -> ElfFacts {
    elf(None, needed)
}

#[test]
fn a_program_for_another_processor_is_told_with_both_headers() {
    let finding = only(
        put(debian(), "app/server", arm64(Some(ARM64_LOADER), &["libc.so.6"])),
        Code::WrongArchitecture,
    );
    assert_eq!(finding.path, path("app/server"));
    assert_eq!(finding.message, "is built for arm64, but the image is for linux/amd64");
    assert_eq!(
        evidence(&finding),
        ("x86-64, 64 bits, little-endian", "AArch64, 64 bits, little-endian")
    );
    assert!(finding.help.contains("build it for linux/amd64") && finding.help.contains("dist/${arch}"));
}

#[test]
fn one_mistake_is_one_finding() {
    let mut image = put(debian(), "opt/jdk/bin/java", arm64(Some(ARM64_LOADER), &["libc.so.6"]));
    for name in ["a", "b", "c"] {
        image = put(image, &format!("opt/jdk/lib/lib{name}.so"), arm64(None, &["libc.so.6"]));
    }
    assert_eq!(
        told(image),
        [
            "wrong-architecture /opt/jdk/bin/java: is built for arm64, but the image is for linux/amd64; the same \
             applies to 3 more files below /opt/jdk"
        ]
    );
}

#[test]
fn the_package_is_named() {
    let image = |at: &str| put(debian(), at, arm64(None, &["libc.so.6"]));
    for (at, name) in [
        (
            "app/node_modules/@rollup/rollup-linux-arm64-gnu/rollup.linux-arm64-gnu.node",
            "@rollup/rollup-linux-arm64-gnu",
        ),
        (
            "app/node_modules/.pnpm/@esbuild+linux-arm64@0.21.5/node_modules/@esbuild/linux-arm64/bin/esbuild",
            "@esbuild/linux-arm64@0.21.5",
        ),
        (
            "v/lib/python3.11/site-packages/numpy/core/_x.cpython-311-aarch64-linux-gnu.so",
            "numpy",
        ),
    ] {
        let finding = only(image(at), Code::WrongArchitecture);
        assert_eq!(
            finding.message,
            format!("{name} is built for arm64, but the image is for linux/amd64")
        );
    }
    let npm = only(
        image("app/node_modules/a/build/Release/a.node"),
        Code::WrongArchitecture,
    );
    assert_eq!(
        npm.help,
        "install it for this platform: `npm install --os=linux --cpu=x64`"
    );
    let pypi = only(image("v/site-packages/a/b.so"), Code::WrongArchitecture);
    assert!(pypi.help.contains("--platform manylinux2014_x86_64"), "{}", pypi.help);
}

/// An image of one file that came from a path of the disk, where these other files are.
fn from_disk(platform: &str, at: &str, source: &str, there: &'static [&'static str], facts: ElfFacts) -> Subject {
    let mut tree = Tree::default();
    let kind = NodeKind::File {
        size_bytes: 1,
        layer: 0,
        stored_at: None,
    };
    tree.insert(
        path(at),
        Node {
            kind,
            mode: 0o755,
            ..Node::plain_directory()
        },
    );
    let base = Facts {
        tree: Arc::new(tree),
        ..Facts::empty()
    };
    let evidence = Evidence::Elf(Box::new(facts));
    let own = OwnFile::new("app".into(), 1).seen(evidence, Some(source.into()));
    let on_disk = Arc::new(move |asked: &Path| there.iter().any(|known| Path::new(known) == asked));
    let platform = platform.parse().unwrap();
    let own = [(path(at), own)].into();
    Subject::new(platform, Default::default(), Family::Oci, Arc::new(base), own, on_disk)
}

#[test]
fn the_right_file_in_the_sources_is_named() {
    let help = |there| {
        let at = "app/node_modules/@a/b-linux-arm64/b.node";
        let source = "dist/node_modules/@a/b-linux-arm64/b.node";
        check(&from_disk("linux/amd64", at, source, there, arm64(None, &[])))
            .remove(0)
            .help
    };
    let right = "dist/node_modules/@a/b-linux-x64/b.node";
    assert_eq!(
        help(&["dist/node_modules/@a/b-linux-x64/b.node"]),
        format!("pack {right} instead, the same file for this platform")
    );
    assert!(help(&["dist/node_modules/@a/b/b.node"]).starts_with("install it"));
    let subject = from_disk(
        "linux/arm64",
        "app/x",
        "target/x86_64/x",
        &["target/aarch64/x"],
        elf(None, &[]),
    );
    assert_eq!(
        check(&subject)[0].help,
        "pack target/aarch64/x instead, the same file for this platform"
    );
}

#[test]
fn other_platforms_beside_the_right_one_are_a_warning_with_their_bytes() {
    let image = put(
        debian(),
        "app/node_modules/@esbuild/linux-arm64/bin/esbuild",
        arm64(None, &[]),
    );
    let image = image.own(
        "app/node_modules/@esbuild/linux-arm64/package.json",
        0o644,
        Thing::Unread(500),
    );
    let image = image.own(
        "app/node_modules/@esbuild/linux-arm64-more/x",
        0o644,
        Thing::Unread(50_000),
    );
    let image = put(image, "app/node_modules/@esbuild/linux-x64/bin/esbuild", elf(None, &[]));
    let finding = only(image, Code::ForeignArchitecture);
    assert_eq!(finding.path, path("app/node_modules/@esbuild/linux-arm64"));
    assert_eq!(
        finding.message,
        "is for arm64, and the image also has it for this platform: 2 files of 1.5 kB are never used"
    );
    assert_eq!(
        evidence(&finding),
        ("only files for linux/amd64", "/app/node_modules/@esbuild/linux-arm64")
    );
    assert!(
        finding.help.contains("exclude = [\"**/@esbuild/linux-arm64\"]"),
        "{}",
        finding.help
    );
}

#[test]
fn siblings_are_known_in_all_layouts() {
    for (wrong, right) in [
        (
            "m/node_modules/a/prebuilds/linux-arm64/node.napi.armv8.node",
            "m/node_modules/a/prebuilds/linux-x64/node.napi.node",
        ),
        (
            "m/.pnpm/@esbuild+linux-arm64@1/node_modules/@esbuild/linux-arm64/bin/esbuild",
            "m/.pnpm/@esbuild+linux-x64@1/node_modules/@esbuild/linux-x64/bin/esbuild",
        ),
        (
            "m/node_modules/@r/r-linux-arm64-gnu/r.linux-arm64-gnu.node",
            "m/node_modules/@r/r-linux-x64-gnu/r.linux-x64-gnu.node",
        ),
        (
            "s/site-packages/a/b.cpython-311-aarch64-linux-gnu.so",
            "s/site-packages/a/b.cpython-311-x86_64-linux-gnu.so",
        ),
        (
            "app/runtimes/linux-arm64/native/libx.so",
            "app/runtimes/linux-x64/native/libx.so",
        ),
        (
            "m/node_modules/o/bin/linux/arm64/o.node",
            "m/node_modules/o/bin/linux/x64/o.node",
        ),
    ] {
        let image = put(put(debian(), wrong, arm64(None, &[])), right, elf(None, &[]));
        let found = image.findings();
        let codes: Vec<Code> = found
            .iter()
            .map(|finding| finding.code)
            .filter(|code| *code != Code::RunsAsRoot)
            .collect();
        assert_eq!(codes, [Code::ForeignArchitecture], "{wrong}: {found:#?}");
    }
}

#[test]
fn a_path_that_lies_is_no_sibling() {
    // It says x64 and is arm64; and what is beside it is of another family.
    for wrong in [
        "m/node_modules/@r/r-linux-x64-gnu/r.node",
        "m/node_modules/@q/q-linux-arm64/r.node",
    ] {
        let image = put(
            put(debian(), wrong, arm64(None, &[])),
            "m/node_modules/@r/r-linux-x64/r.node",
            elf(None, &[]),
        );
        only(image, Code::WrongArchitecture);
    }
}

#[test]
fn what_the_image_starts_is_never_just_beside() {
    let image = debian().config(json!({"Entrypoint": ["/app/bin/arm64/x"]}));
    let image = put(
        put(image, "app/bin/arm64/x", arm64(None, &[])),
        "app/bin/amd64/x",
        elf(None, &[]),
    );
    only(image, Code::WrongArchitecture);
}

#[test]
fn thirty_two_bits_run_where_their_loader_is() {
    let loader = "/lib/ld-linux.so.2";
    let program = |image| put(image, "app/x", i386(Some(loader), &["libc.so.6"]));
    let message = "wrong-architecture /app/x: is built for 386, but the image is for linux/amd64";
    assert_eq!(told(program(debian())), [message]);
    let base = debian()
        .base("usr/lib/ld-linux.so.2", 0o755, Thing::Elf(i386(None, &[])))
        .base("usr/lib/i386-linux-gnu/libc.so.6", 0o755, Thing::Elf(i386(None, &[])));
    assert_eq!(told(program(base)), [""; 0]);
    assert_eq!(told(put(debian(), "app/static", i386(None, &[]))), [""; 0]);
    assert_eq!(told(put(debian(), "app/liba.so", i386(None, &["libc.so.6"]))).len(), 1);
}

#[test]
fn float_abis_of_arm_need_their_loader() {
    let arm = |flags, interpreter| ElfFacts {
        machine: 40,
        class: ElfClass::Elf32,
        flags,
        ..elf(interpreter, &["libc.so.6"])
    };
    let soft = 0x0500_0200;
    let hard = 0x0500_0400;
    let base = || {
        Image::new("linux/arm/v7")
            .base("lib/ld-linux-armhf.so.3", 0o755, Thing::Elf(arm(hard, None)))
            .base("lib/libc.so.6", 0o755, Thing::Elf(arm(hard, None)))
    };
    assert_eq!(
        told(put(base(), "app/x", arm(hard, Some("/lib/ld-linux-armhf.so.3")))),
        [""; 0]
    );
    let finding = only(
        put(base(), "app/x", arm(soft, Some("/lib/ld-linux.so.3"))),
        Code::WrongArchitecture,
    );
    assert_eq!(evidence(&finding), ("linux/arm/v7", "arm with soft float"));
    only(put(base(), "app/libx.so", arm(soft, None)), Code::WrongArchitecture);
}

#[test]
fn what_nobody_means_to_run_is_left_alone() {
    let alone = ElfFacts {
        elf_type: ElfType::Executable,
        ..arm64(None, &[])
    };
    for at in [
        "src/testdata/hello",
        "m/node_modules/a/prebuilds/android-arm64/a.node",
        "m/__fixtures__/x.so",
        "usr/aarch64-linux-gnu/lib/libc.so.6",
        "usr/lib/debug/.build-id/93/ac.debug",
    ] {
        assert_eq!(told(put(debian(), at, alone.clone())), [""; 0], "{at}");
    }
    // A GPU's code, and platforms that nothing is known of.
    assert_eq!(
        told(put(
            debian(),
            "app/libkernel.so",
            ElfFacts {
                machine: 224,
                ..elf(None, &[])
            }
        )),
        [""; 0]
    );
    assert_eq!(told(put(Image::new("linux/unheard"), "app/x", alone.clone())), [""; 0]);
    assert_eq!(told(put(Image::new("windows/amd64"), "app/x", alone.clone())), [""; 0]);
    // What the base has is the base's.
    assert_eq!(told(debian().base("opt/x", 0o755, Thing::Elf(alone))), [""; 0]);
}

#[test]
fn right_files_are_not_told_of() {
    let image = put(
        debian(),
        "app/x",
        elf(Some("/lib64/ld-linux-x86-64.so.2"), &["libc.so.6", "libz.so.1"]),
    );
    let image = put(
        put(image, "app/static", elf(None, &[])),
        "app/node_modules/a/a.node",
        addon(&["libc.so.6"]),
    );
    assert_eq!(told(image), [""; 0]);
}

#[test]
fn modules_that_are_built_on_the_spot_or_dispensable_are_no_error() {
    let prebuilt = |image| put(image, "m/node_modules/a/prebuilds/linux-arm64/a.node", arm64(None, &[]));
    assert!(told(prebuilt(debian()))[0].starts_with("wrong-architecture"));
    let built = put(
        prebuilt(debian()),
        "m/node_modules/a/build/Release/a.node",
        addon(&["libc.so.6"]),
    );
    assert!(told(built)[0].starts_with("foreign-architecture /m/node_modules/a/prebuilds/linux-arm64:"));
    let script = prebuilt(debian()).own("m/node_modules/a/fallback.js", 0o644, Thing::Unread(1));
    assert_eq!(told(script), [""; 0]);
    let next = put(
        debian(),
        "m/node_modules/@next/swc-linux-arm64-gnu/swc.node",
        arm64(None, &[]),
    );
    assert_eq!(told(next), [""; 0]);
}
