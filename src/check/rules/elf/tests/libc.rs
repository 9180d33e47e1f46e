//! `missing-loader` and `wrong-libc`.

use super::{GLIBC, MUSL, NOTHING, evidence, only, program, put, told};
use crate::check::Code;
use crate::check::testing::{Image, Thing, alpine, debian, elf, path, shared_library};
use crate::elf::ElfFacts;

#[test]
fn a_dynamic_program_in_an_empty_image_has_no_loader() {
    let image = put(Image::new("linux/amd64"), "app/server", program(&["libc.so.6"]));
    let finding = only(put(image, "app/tool", program(&["libc.so.6"])), Code::MissingLoader);
    assert_eq!(finding.path, path("app/server"));
    assert_eq!(
        finding.message,
        "needs the dynamic loader /lib64/ld-linux-x86-64.so.2, which is not in the image; the same applies to /app/tool"
    );
    assert_eq!(evidence(&finding), (GLIBC, "no dynamic loader for this program"));
    assert!(finding.help.contains("CGO_ENABLED=0"), "{}", finding.help);
    assert_eq!(
        told(put(Image::new("linux/amd64"), "app/static", elf(None, &[]))),
        NOTHING
    );
}

#[test]
fn a_loader_at_another_place_is_named() {
    let far = "/nix/store/x-glibc/lib/ld-linux-x86-64.so.2";
    let finding = only(
        put(debian(), "app/x", elf(Some(far), &["libc.so.6"])),
        Code::MissingLoader,
    );
    assert!(
        finding
            .help
            .contains("patchelf --set-interpreter /usr/lib64/ld-linux-x86-64.so.2"),
        "{}",
        finding.help
    );
}

#[test]
fn a_program_for_the_other_c_library_is_told_as_that_alone() {
    let image = put(alpine(), "app/server", program(&["libc.so.6", "libnone.so"]));
    let finding = only(image, Code::WrongLibc);
    assert_eq!(finding.message, "is built for glibc, but the image has musl");
    assert_eq!(
        evidence(&finding),
        (
            "musl (/lib/ld-musl-x86_64.so.1)",
            "glibc (/lib64/ld-linux-x86-64.so.2, libc.so.6)"
                .replace(", l", " and l")
                .as_str()
        )
    );
    assert!(
        finding.help.contains("build it for musl") && finding.help.contains("a base image with glibc"),
        "{}",
        finding.help
    );
    let other = put(
        debian(),
        "app/server",
        elf(Some(MUSL), &["libc.musl-x86_64.so.1", "libnone.so"]),
    );
    assert_eq!(
        told(other),
        ["wrong-libc /app/server: is built for musl, but the image has glibc"]
    );
}

#[test]
fn modules_of_the_other_c_library_are_told_by_their_package() {
    let at = "app/node_modules/@rollup/rollup-linux-x64-gnu/rollup.linux-x64-gnu.node";
    for needed in [&["libc.so.6"][..], &["libc.so.6", "ld-linux-x86-64.so.2"]] {
        let finding = only(put(alpine(), at, elf(None, needed)), Code::WrongLibc);
        assert_eq!(
            finding.message,
            "@rollup/rollup-linux-x64-gnu is built for glibc, but the image has musl"
        );
        assert!(finding.help.contains("--cpu=x64 --libc=musl"), "{}", finding.help);
    }
    let musl = "app/node_modules/@rollup/rollup-linux-x64-musl/rollup.linux-x64-musl.node";
    for needed in ["libc.so", "libc.musl-x86_64.so.1"] {
        only(put(debian(), musl, elf(None, &[needed])), Code::WrongLibc);
    }
    // Where the C library's development files are, `libc.so` is there, and a text.
    let developer = debian().base("usr/lib/x86_64-linux-gnu/libc.so", 0o644, Thing::Unread(200));
    only(put(developer, musl, elf(None, &["libc.so"])), Code::WrongLibc);
}

#[test]
fn a_library_of_the_other_c_library_is_told_where_it_is_needed() {
    let runpath = Some(b"$ORIGIN".to_vec());
    let image = put(
        alpine(),
        "app/a/x",
        ElfFacts {
            runpath,
            ..elf(Some(MUSL), &["libq.so"])
        },
    );
    let image = put(
        image,
        "app/a/libq.so",
        shared_library("libq.so", &["libc.so.6", "ld-linux-x86-64.so.2"]),
    );
    assert_eq!(
        told(image),
        ["wrong-libc /app/a/libq.so: is built for glibc, but the image has musl"]
    );
    let unneeded = put(
        alpine(),
        "app/libq.so",
        shared_library("libq.so", &["libc.so.6", "ld-linux-x86-64.so.2"]),
    );
    assert_eq!(told(unneeded), NOTHING);
}

#[test]
fn plain_modules_that_are_published_for_any_c_library_may_run_with_musl() {
    let at = "app/node_modules/bufferutil/prebuilds/linux-x64/bufferutil.node";
    assert_eq!(told(put(alpine(), at, elf(None, &["libc.so.6"]))), NOTHING);
    only(
        put(alpine(), at, elf(None, &["libc.so.6", "ld-linux-x86-64.so.2"])),
        Code::WrongLibc,
    );
    // What was built by oneself, and what its package says is for glibc.
    only(
        put(
            alpine(),
            "app/node_modules/a/build/Release/a.node",
            elf(None, &["libc.so.6"]),
        ),
        Code::WrongLibc,
    );
    let declared = "app/node_modules/@img/sharp-linux-x64";
    let image = put(alpine(), &format!("{declared}/lib/s.node"), elf(None, &["libc.so.6"]));
    assert_eq!(
        told(put(
            alpine(),
            &format!("{declared}/lib/s.node"),
            elf(None, &["libc.so.6"])
        )),
        NOTHING
    );
    let manifest = Thing::Text(r#"{"name": "x", "libc": ["glibc"]}"#.into());
    only(
        image.own(&format!("{declared}/package.json"), 0o644, manifest),
        Code::WrongLibc,
    );
}

#[test]
fn modules_that_are_done_without_are_no_error() {
    let at = "m/node_modules/@next/swc-linux-x64-gnu/next-swc.linux-x64-gnu.node";
    assert_eq!(
        told(put(alpine(), at, elf(None, &["libc.so.6", "ld-linux-x86-64.so.2"]))),
        NOTHING
    );
}

#[test]
fn gcompat_is_left_alone() {
    let gcompat = || {
        alpine()
            .base("lib/ld-linux-x86-64.so.2", 0o755, Thing::Elf(elf(None, &[])))
            .base(
                "lib64/ld-linux-x86-64.so.2",
                0o777,
                Thing::Link("../lib/ld-linux-x86-64.so.2"),
            )
    };
    let image = put(gcompat(), "app/x", program(&["libc.so.6", "libgcc_s.so.1"]));
    let at = "app/node_modules/@r/r-linux-x64-gnu/r.node";
    assert_eq!(
        told(put(image, at, elf(None, &["libc.so.6", "ld-linux-x86-64.so.2"]))),
        NOTHING
    );
}

#[test]
fn both_c_libraries_side_by_side_are_a_warning() {
    let image = put(
        alpine(),
        "m/node_modules/@r/r-linux-x64-gnu/r.linux-x64-gnu.node",
        elf(None, &["libc.so.6"]),
    );
    let image = put(
        image,
        "m/node_modules/@r/r-linux-x64-musl/r.linux-x64-musl.node",
        elf(None, &["libc.so"]),
    );
    assert_eq!(
        told(image),
        [
            "foreign-architecture /m/node_modules/@r/r-linux-x64-gnu: is for glibc, and the image also has it for this \
          platform: 1 file of 1.0 kB are never used"
        ]
    );
    let image = put(
        debian(),
        "m/node_modules/a/prebuilds/linux-x64/a.glibc.node",
        elf(None, &["libc.so.6"]),
    );
    let image = put(
        image,
        "m/node_modules/a/prebuilds/linux-x64/a.musl.node",
        elf(None, &["libc.so"]),
    );
    assert_eq!(
        only(image, Code::ForeignArchitecture).path,
        path("m/node_modules/a/prebuilds/linux-x64/a.musl.node")
    );
}
