//! `missing-platform-package`.

use super::{NOTHING, evidence, only, told};
use crate::check::Code;
use crate::check::testing::{Image, Thing, alpine, debian, elf, path};
use crate::elf::ElfFacts;

/// A package.json with these optional dependencies.
fn manifest(optional: &[&str]) -> Thing {
    let optional: Vec<String> = optional.iter().map(|name| format!("\"{name}\": \"1\"")).collect();
    Thing::Text(format!(
        "{{\"name\": \"x\", \"optionalDependencies\": {{{}}}}}",
        optional.join(", ")
    ))
}

const ROLLUP: &[&str] = &[
    "@rollup/rollup-darwin-arm64",
    "@rollup/rollup-linux-arm64-gnu",
    "@rollup/rollup-linux-x64-gnu",
    "@rollup/rollup-linux-x64-musl",
    "fsevents",
];

fn with_rollup(image: Image, present: &[&str]) -> Image {
    let mut image = image.own("app/node_modules/rollup/package.json", 0o644, manifest(ROLLUP));
    for name in present {
        image = image.own(
            &format!("app/node_modules/@rollup/{name}/package.json"),
            0o644,
            Thing::Unread(1),
        );
    }
    image
}

#[test]
fn the_package_for_this_platform_is_missed() {
    let finding = only(
        with_rollup(debian(), &["rollup-darwin-arm64"]),
        Code::MissingPlatformPackage,
    );
    assert_eq!(finding.path, path("app/node_modules/rollup/package.json"));
    assert_eq!(
        finding.message,
        "rollup needs @rollup/rollup-linux-x64-gnu on this platform, which is not in the image"
    );
    assert_eq!(
        evidence(&finding),
        ("@rollup/rollup-linux-x64-gnu", "@rollup/rollup-darwin-arm64")
    );
    assert!(
        finding.help.contains("npm install --os=linux --cpu=x64 --libc=glibc"),
        "{}",
        finding.help
    );
    let musl = only(with_rollup(alpine(), &[]), Code::MissingPlatformPackage);
    assert!(
        musl.message.contains("@rollup/rollup-linux-x64-musl"),
        "{}",
        musl.message
    );
    assert_eq!(musl.found.as_deref(), Some("no package for any platform"));
}

#[test]
fn what_is_there_is_found_as_node_finds_it() {
    assert_eq!(told(with_rollup(debian(), &["rollup-linux-x64-gnu"])), NOTHING);
    // Within the package itself, and above.
    for folder in ["app/node_modules/rollup/node_modules", "node_modules"] {
        let at = format!("{folder}/@rollup/rollup-linux-x64-gnu/package.json");
        assert_eq!(
            told(with_rollup(debian(), &[]).own(&at, 0o644, Thing::Unread(1))),
            NOTHING,
            "{folder}"
        );
    }
    let store = "app/node_modules/.pnpm";
    let pnpm = |image: Image| {
        image
            .own(
                &format!("{store}/rollup@4.1.0/node_modules/rollup/package.json"),
                0o644,
                manifest(ROLLUP),
            )
            .own(
                "app/node_modules/rollup",
                0o777,
                Thing::Link(".pnpm/rollup@4.1.0/node_modules/rollup"),
            )
    };
    let finding = only(pnpm(debian()), Code::MissingPlatformPackage);
    assert!(finding.message.starts_with("rollup@4.1.0 needs"), "{}", finding.message);
    let real =
        format!("{store}/@rollup+rollup-linux-x64-gnu@4.1.0/node_modules/@rollup/rollup-linux-x64-gnu/package.json");
    let link = format!("{store}/rollup@4.1.0/node_modules/@rollup/rollup-linux-x64-gnu");
    let target = "../../../@rollup+rollup-linux-x64-gnu@4.1.0/node_modules/@rollup/rollup-linux-x64-gnu";
    let whole = pnpm(debian())
        .own(&real, 0o644, Thing::Unread(1))
        .own(&link, 0o777, Thing::Link(target));
    assert_eq!(told(whole), NOTHING);
    // A dangling link is a finding of its own.
    assert_eq!(told(pnpm(debian()).own(&link, 0o777, Thing::Link(target))), NOTHING);
}

#[test]
fn a_package_for_another_processor_is_told_as_that_alone() {
    let image = with_rollup(debian(), &[]);
    let at = "app/node_modules/@rollup/rollup-linux-arm64-gnu/rollup.linux-arm64-gnu.node";
    let image = image.own(
        at,
        0o644,
        Thing::Elf(ElfFacts {
            machine: 183,
            ..elf(None, &["libc.so.6"])
        }),
    );
    let found = told(image);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with("wrong-architecture"), "{found:#?}");
}

#[test]
fn packages_of_several_parts_need_each() {
    let names = [
        "@img/sharp-linux-x64",
        "@img/sharp-linuxmusl-x64",
        "@img/sharp-libvips-linux-x64",
        "@img/sharp-wasm32",
    ];
    let sharp = |present: &[&str]| {
        let mut image = debian().own("m/node_modules/sharp/package.json", 0o644, manifest(&names));
        for name in present {
            image = image.own(
                &format!("m/node_modules/@img/{name}/package.json"),
                0o644,
                Thing::Unread(1),
            );
        }
        image
    };
    assert_eq!(told(sharp(&["sharp-linux-x64", "sharp-libvips-linux-x64"])), NOTHING);
    let finding = only(sharp(&["sharp-linuxmusl-x64"]), Code::MissingPlatformPackage);
    assert_eq!(
        finding.message,
        "sharp needs @img/sharp-linux-x64 and @img/sharp-libvips-linux-x64 on this platform, which are not in the image"
    );
    // WebAssembly runs anywhere.
    assert_eq!(told(sharp(&["sharp-wasm32", "sharp-libvips-linux-x64"])), NOTHING);
}

#[test]
fn where_a_list_knows_musl_the_other_name_is_for_glibc() {
    let names = ["@img/sharp-linux-x64", "@img/sharp-linuxmusl-x64"];
    let image = alpine().own("m/node_modules/sharp/package.json", 0o644, manifest(&names));
    let image = image.own(
        "m/node_modules/@img/sharp-linux-x64/package.json",
        0o644,
        Thing::Unread(1),
    );
    let finding = only(image, Code::MissingPlatformPackage);
    assert_eq!(
        finding.message,
        "sharp needs @img/sharp-linuxmusl-x64 on this platform, which is not in the image"
    );
    // A static program, of which one serves both.
    let image = alpine().own(
        "m/node_modules/esbuild/package.json",
        0o644,
        manifest(&["@esbuild/linux-x64"]),
    );
    assert_eq!(
        told(image.own(
            "m/node_modules/@esbuild/linux-x64/package.json",
            0o644,
            Thing::Unread(1)
        )),
        NOTHING
    );
}

#[test]
fn a_program_inside_of_the_package_serves() {
    let esbuild = || {
        debian().own(
            "m/node_modules/esbuild/package.json",
            0o644,
            manifest(&["@esbuild/linux-x64", "@esbuild/linux-arm64"]),
        )
    };
    only(esbuild(), Code::MissingPlatformPackage);
    assert_eq!(
        told(esbuild().own("m/node_modules/esbuild/bin/esbuild", 0o755, Thing::Elf(elf(None, &[])))),
        NOTHING
    );
    let old = debian().own(
        "m/node_modules/esbuild/package.json",
        0o644,
        manifest(&["esbuild-linux-64", "esbuild-linux-arm64"]),
    );
    assert!(
        only(old, Code::MissingPlatformPackage)
            .message
            .contains("esbuild-linux-64")
    );
}

#[test]
fn what_is_not_for_this_platform_or_not_needed_is_not_told() {
    for optional in [
        &["fsevents"][..],
        &["@a/b-darwin-arm64", "@a/b-win32-x64"],
        &["@a/b-linux-arm64-gnu"],
        &["bufferutil", "utf-8-validate"],
    ] {
        let image = debian().own("m/node_modules/a/package.json", 0o644, manifest(optional));
        assert_eq!(told(image), NOTHING, "{optional:?}");
    }
    // One for musl alone, on glibc.
    assert_eq!(
        told(debian().own(
            "m/node_modules/a/package.json",
            0o644,
            manifest(&["@a/b-linux-x64-musl"])
        )),
        NOTHING
    );
    for at in [
        "m/node_modules/next/package.json",
        "m/package.json",
        "m/node_modules/a/lib/package.json",
        "m/node_modules/a/fixtures/node_modules/b/package.json",
    ] {
        assert_eq!(told(debian().own(at, 0o644, manifest(ROLLUP))), NOTHING, "{at}");
    }
    for text in [
        "",
        "{",
        "[]",
        "{\"optionalDependencies\": []}",
        "{\"optionalDependencies\": null}",
    ] {
        assert_eq!(
            told(debian().own("m/node_modules/a/package.json", 0o644, Thing::Text(text.into()))),
            NOTHING
        );
    }
}

fn module(image: Image, at: &str) -> Image {
    image.own(at, 0o755, Thing::Elf(elf(None, &[])))
}

const SITE: &str = "v/lib/python3.11/site-packages";

#[test]
fn modules_for_another_python_alone_are_told() {
    let image = module(debian(), &format!("{SITE}/numpy/a.cpython-310-x86_64-linux-gnu.so"));
    let image = module(image, &format!("{SITE}/numpy/b.cpython-310-x86_64-linux-gnu.so"));
    let finding = only(image, Code::MissingPlatformPackage);
    assert_eq!(
        finding.message,
        "numpy is built for Python 3.10 only, but the image's Python is 3.11 (2 files)"
    );
    assert_eq!(
        evidence(&finding),
        ("a module for cpython-311", "a.cpython-310-x86_64-linux-gnu.so")
    );
    assert!(
        finding.help.ends_with("--target FOLDER --python-version 3.11`"),
        "{}",
        finding.help
    );
}

#[test]
fn the_only_python_of_the_image_tells_for_folders_without_a_version() {
    let python = |name: &str| {
        let program = elf(Some("/lib64/ld-linux-x86-64.so.2"), &["libc.so.6"]);
        debian().base(&format!("usr/bin/{name}"), 0o755, Thing::Elf(program))
    };
    let at = "app/deps/a/x.cpython-310-x86_64-linux-gnu.so";
    only(module(python("python3.11"), at), Code::MissingPlatformPackage);
    assert_eq!(told(module(python("python3.10"), at)), NOTHING);
    assert_eq!(told(module(debian(), at)), NOTHING);
    let both = python("python3.11").base(
        "usr/bin/python3.9",
        0o755,
        Thing::Elf(elf(Some("/lib64/ld-linux-x86-64.so.2"), &[])),
    );
    assert_eq!(told(module(both, at)), NOTHING);
}

#[test]
fn modules_that_python_finds_in_another_form_are_not_told() {
    for other in [
        "a.cpython-311-x86_64-linux-gnu.so",
        "a.abi3.so",
        "a.so",
        "a.py",
        "a/__init__.py",
    ] {
        let image = module(debian(), &format!("{SITE}/p/a.cpython-310-x86_64-linux-gnu.so"));
        let image = if other.ends_with(".so") {
            module(image, &format!("{SITE}/p/{other}"))
        } else {
            image.own(&format!("{SITE}/p/{other}"), 0o644, Thing::Unread(1))
        };
        assert_eq!(told(image), NOTHING, "{other}");
    }
    for name in [
        "a.cpython-311d-x86_64-linux-gnu.so",
        "a.cpython-313t-x86_64-linux-gnu.so",
        "a.pypy39-pp73-x86_64-linux-gnu.so",
    ] {
        assert_eq!(told(module(debian(), &format!("{SITE}/p/{name}"))), NOTHING, "{name}");
    }
}
