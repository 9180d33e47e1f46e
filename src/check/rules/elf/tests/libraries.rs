//! `missing-library`, `libc-too-old`, `symbol-version-missing` and `foreign-path`.

use serde_json::json;

use super::{MUSL, NOTHING, evidence, only, program, put, told};
use crate::check::Code;
use crate::check::testing::{Image, Thing, alpine, debian, elf, path, shared_library};
use crate::elf::{ElfFacts, VersionNeed};

fn needing(facts: ElfFacts, library: &str, versions: &[&str]) -> ElfFacts {
    let versions = versions.iter().map(|version| version.as_bytes().to_vec()).collect();
    let mut version_needs = facts.version_needs.clone();
    version_needs.push(VersionNeed {
        library: library.as_bytes().to_vec(),
        versions,
    });
    ElfFacts { version_needs, ..facts }
}

fn giving(facts: ElfFacts, versions: &[&str]) -> ElfFacts {
    let mut version_definitions: Vec<Vec<u8>> = versions.iter().map(|version| version.as_bytes().to_vec()).collect();
    version_definitions.sort();
    ElfFacts {
        version_definitions,
        ..facts
    }
}

#[test]
fn a_missing_library_is_told_once_with_all_who_need_it() {
    let site = "app/venv/lib/python3.11/site-packages/zmq";
    let image = put(
        debian(),
        &format!("{site}/a.cpython-311-x86_64-linux-gnu.so"),
        elf(None, &["libzmq.so.5"]),
    );
    let finding = only(
        put(image, &format!("{site}/b.abi3.so"), elf(None, &["libzmq.so.5"])),
        Code::MissingLibrary,
    );
    assert_eq!(finding.path, path(&format!("{site}/a.cpython-311-x86_64-linux-gnu.so")));
    assert_eq!(
        finding.message,
        "needs libzmq.so.5, which is not in the loader's search path; the same applies to 1 other file of zmq"
    );
    assert_eq!(
        evidence(&finding),
        ("libzmq.so.5 in /usr/lib/x86_64-linux-gnu:/usr/lib", "no such file")
    );
    assert_eq!(
        finding.help,
        "use a base image that contains it, or pack the file into a directory that the loader searches"
    );
}

#[test]
fn a_link_to_a_missing_library_is_named() {
    let image = put(debian(), "app/server", program(&["libc.so.6", "libzmq.so.5"]));
    let image = image.own("usr/lib/libzmq.so.5", 0o777, Thing::Link("libzmq.so.5.2.4"));
    assert_eq!(
        evidence(&only(image, Code::MissingLibrary)).1,
        "a link to libzmq.so.5.2.4, which is not in the image"
    );
}

#[test]
fn several_missing_libraries_of_one_file_are_one_finding() {
    let image = put(
        debian(),
        "app/chrome",
        program(&["libnss3.so", "libgbm.so.1", "libdrm.so.2", "libx.so", "libc.so.6"]),
    );
    let finding = only(image, Code::MissingLibrary);
    assert_eq!(
        finding.message,
        "needs libdrm.so.2, libgbm.so.1, libnss3.so and libx.so, which are not in the loader's search path"
    );
}

#[test]
fn what_is_missed_through_a_library_of_the_base_is_told_of_the_program() {
    let base = debian().base(
        "usr/lib/libbroken.so",
        0o644,
        Thing::Elf(shared_library("libbroken.so", &["libgone.so"])),
    );
    let finding = only(put(base, "app/x", program(&["libbroken.so"])), Code::MissingLibrary);
    assert_eq!(finding.path, path("usr/lib/libbroken.so"));
    assert_eq!(
        finding.message,
        "needs libgone.so, which is not in the loader's search path (loaded by /app/x)"
    );
}

#[test]
fn a_library_that_lies_elsewhere_is_named_for_what_is_started_directly() {
    let image = |image: Image, at| {
        put(
            put(image, at, program(&["libq.so"])),
            "opt/q/lib/libq.so",
            shared_library("libq.so", &[]),
        )
    };
    let finding = only(image(debian(), "usr/bin/q"), Code::MissingLibrary);
    assert_eq!(
        finding.message,
        "needs libq.so, which is at /opt/q/lib/libq.so, outside the loader's search path"
    );
    assert!(
        finding.help.contains("LD_LIBRARY_PATH to /opt/q/lib"),
        "{}",
        finding.help
    );
    let set = debian().config(json!({"Env": ["LD_LIBRARY_PATH=/opt/q/lib"]}));
    assert_eq!(told(image(set, "usr/bin/q")), NOTHING);
    // A script may set the variable for it.
    assert_eq!(told(image(debian(), "opt/q/libexec/q")), NOTHING);
    only(
        image(debian().config(json!({"Cmd": ["/opt/q/libexec/q"]})), "opt/q/libexec/q"),
        Code::MissingLibrary,
    );
    let linked = image(debian(), "opt/q/bin/q").own("usr/local/bin/q", 0o777, Thing::Link("/opt/q/bin/q"));
    only(linked, Code::MissingLibrary);
}

#[test]
fn a_cache_that_does_not_know_a_file_is_explained() {
    let base = debian()
        .base("etc/ld.so.conf", 0o644, Thing::Text("/usr/local/lib\n".into()))
        .base("etc/ld.so.cache", 0o644, Thing::Unread(100))
        .base(
            "usr/local/lib/libold.so",
            0o644,
            Thing::Elf(shared_library("libold.so", &[])),
        );
    let image = put(base, "usr/bin/q", program(&["libq.so", "libold.so"]));
    let finding = only(
        put(image, "usr/local/lib/libq.so", shared_library("libq.so", &[])),
        Code::MissingLibrary,
    );
    assert!(
        finding.help.contains("which does not list this file"),
        "{}",
        finding.help
    );
}

#[test]
fn what_may_be_loaded_otherwise_is_not_told() {
    let site = "v/lib/python3.11/site-packages";
    let module = format!("{site}/a/b.cpython-311-x86_64-linux-gnu.so");
    // torch's own libraries, which its import has loaded before.
    let image = put(debian(), &module, elf(None, &["libc10.so"]));
    assert_eq!(
        told(put(
            image,
            &format!("{site}/torch/lib/libc10.so"),
            shared_library("libc10.so", &[])
        )),
        NOTHING
    );
    // The host's driver.
    assert_eq!(
        told(put(
            debian(),
            &module,
            elf(None, &["libcuda.so.1", "libnvidia-ml.so.1"])
        )),
        NOTHING
    );
    // Plugins, which no file needs by name.
    assert_eq!(
        told(put(
            debian(),
            "app/libprovider_cuda.so",
            shared_library("x", &["libcublas.so.12"])
        )),
        NOTHING
    );
    // Python's own modules.
    let own = "usr/lib/python3.11/lib-dynload/_tkinter.cpython-311-x86_64-linux-gnu.so";
    assert_eq!(told(put(debian(), own, elf(None, &["libtk8.6.so"]))), NOTHING);
    // Modules in an image without any loader.
    assert_eq!(
        told(put(Image::new("linux/amd64"), &module, elf(None, &["libz.so.1"]))),
        NOTHING
    );
}

#[test]
fn a_library_for_another_processor_is_told_as_that_alone() {
    let runpath = Some(b"$ORIGIN".to_vec());
    let image = put(
        debian(),
        "usr/bin/x",
        ElfFacts {
            runpath,
            ..program(&["libq.so"])
        },
    );
    let image = put(
        image,
        "usr/bin/libq.so",
        ElfFacts {
            machine: 183,
            ..shared_library("libq.so", &[])
        },
    );
    assert_eq!(
        told(image),
        ["wrong-architecture /usr/bin/libq.so: is built for arm64, but the image is for linux/amd64"]
    );
}

#[test]
fn what_is_wrong_with_the_base_alone_is_not_told() {
    let broken = || debian().base("usr/bin/old", 0o755, Thing::Elf(program(&["libgone.so"])));
    assert_eq!(told(put(broken(), "usr/bin/new", program(&["libc.so.6"]))), NOTHING);
    // Unless the image starts it.
    let started = broken().config(json!({"Cmd": ["old"]}));
    assert_eq!(
        told(started),
        ["missing-library /usr/bin/old: needs libgone.so, which is not in the loader's search path"]
    );
}

#[test]
fn a_program_of_the_base_that_this_build_breaks_is_told() {
    let versions = ["Z_1", "Z_2"];
    let base = debian()
        .base(
            "usr/bin/old",
            0o755,
            Thing::Elf(needing(program(&["libq.so"]), "libq.so", &versions)),
        )
        .base(
            "usr/lib/libq.so",
            0o644,
            Thing::Elf(giving(shared_library("libq.so", &[]), &versions)),
        );
    let image = put(
        base,
        "usr/lib/libq.so",
        giving(shared_library("libq.so", &[]), &["Z_1"]),
    );
    assert_eq!(
        told(image),
        ["symbol-version-missing /usr/bin/old: needs Z_2 from libq.so, which provides Z_1 at most"]
    );
}

/// Debian's C library with these versions.
fn glibc(versions: &[&str]) -> Image {
    let libc = giving(shared_library("libc.so.6", &["ld-linux-x86-64.so.2"]), versions);
    debian().base("usr/lib/x86_64-linux-gnu/libc.so.6", 0o755, Thing::Elf(libc))
}

#[test]
fn a_c_library_that_is_too_old_is_told_with_both_versions() {
    let base = glibc(&["GLIBC_2.2.5", "GLIBC_2.4", "GLIBC_2.34", "GLIBC_2.36", "GLIBC_PRIVATE"]);
    let needs = needing(
        program(&["libc.so.6"]),
        "libc.so.6",
        &["GLIBC_2.2.5", "GLIBC_2.38", "GLIBC_2.39", "GLIBC_2.4"],
    );
    let module = needing(elf(None, &["libc.so.6"]), "libc.so.6", &["GLIBC_2.38"]);
    let image = put(put(base, "app/server", needs), "app/a.node", module);
    let finding = only(image, Code::LibcTooOld);
    assert_eq!(finding.path, path("app/server"));
    assert_eq!(
        finding.message,
        "needs GLIBC_2.39, but the image has glibc 2.36; the same applies to /app/a.node"
    );
    assert_eq!(
        evidence(&finding),
        (
            "GLIBC_2.39",
            "/usr/lib/x86_64-linux-gnu/libc.so.6 provides GLIBC_2.36 at most"
        )
    );
    assert_eq!(
        finding.help,
        "use a base image with a newer glibc, or build on a system with glibc 2.36 or older"
    );
}

#[test]
fn other_versions_are_told_by_their_library() {
    let cxx = giving(
        shared_library("libstdc++.so.6", &[]),
        &["GLIBCXX_3.4.30", "GLIBCXX_3.4.9", "CXXABI_1.3.13"],
    );
    let base = debian().base("usr/lib/x86_64-linux-gnu/libstdc++.so.6", 0o644, Thing::Elf(cxx));
    let needs = &["CXXABI_1.3.13", "GLIBCXX_3.4.31", "GLIBCXX_3.4.32"];
    let image = put(
        base,
        "app/a.node",
        needing(elf(None, &["libstdc++.so.6"]), "libstdc++.so.6", needs),
    );
    let finding = only(image, Code::SymbolVersionMissing);
    assert_eq!(
        finding.message,
        "needs GLIBCXX_3.4.32 from libstdc++.so.6, which provides GLIBCXX_3.4.30 at most"
    );
    assert_eq!(
        finding.help,
        "use a base image with a newer libstdc++, or build with an older compiler"
    );
    let ssl = debian().base(
        "usr/lib/libssl.so.3",
        0o644,
        Thing::Elf(giving(shared_library("libssl.so.3", &[]), &["OTHER_1"])),
    );
    let image = put(
        ssl,
        "app/x",
        needing(program(&["libssl.so.3"]), "libssl.so.3", &["OPENSSL_3.0.0"]),
    );
    assert_eq!(
        told(image),
        ["symbol-version-missing /app/x: needs OPENSSL_3.0.0 from libssl.so.3, which does not define it"]
    );
}

#[test]
fn versions_that_the_loader_does_not_ask_for_are_not_told() {
    // A library without versions will do; musl asks for none.
    let plain = put(
        debian(),
        "app/x",
        needing(program(&["libz.so.1"]), "libz.so.1", &["ZLIB_1.2.9"]),
    );
    assert_eq!(told(plain), NOTHING);
    let library = giving(shared_library("libz.so.1", &[]), &["ZLIB_1.2.0"]);
    let musl = put(
        alpine().base("lib/libz.so.1", 0o644, Thing::Elf(library)),
        "app/x",
        needing(elf(Some(MUSL), &["libz.so.1"]), "libz.so.1", &["ZLIB_1.2.9"]),
    );
    assert_eq!(told(musl), NOTHING);
    let fitting = put(
        glibc(&["GLIBC_2.36"]),
        "app/x",
        needing(program(&["libc.so.6"]), "libc.so.6", &["GLIBC_2.36"]),
    );
    assert_eq!(told(fitting), NOTHING);
}

#[test]
fn paths_of_the_build_machine_are_told_once_each() {
    let with = |runpath: &str| ElfFacts {
        runpath: Some(runpath.as_bytes().to_vec()),
        ..elf(None, &[])
    };
    let image = put(debian(), "app/a", with("$ORIGIN:/home/ci/lib:/usr/lib"));
    let finding = only(put(image, "app/b", with("/home/ci/lib")), Code::ForeignPath);
    assert_eq!(finding.path, path("app/a"));
    assert_eq!(
        finding.message,
        "searches for libraries in /home/ci/lib, a path of the machine that built it (2 files contain it)"
    );
    let right = put(debian(), "app/a", with("/home/app/lib:/opt/none")).own("home/app/lib", 0o755, Thing::Directory);
    assert_eq!(told(right), NOTHING);
    // What a registry's package brings along.
    assert_eq!(
        told(put(debian(), "m/node_modules/a/a.node", with("/home/runner/build/lib"))),
        NOTHING
    );
    assert_eq!(
        told(debian().base("opt/a", 0o755, Thing::Elf(with("/home/ci/lib")))),
        NOTHING
    );
}
