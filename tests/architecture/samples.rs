//! Tests of the checks with small sources that break a rule or only look as if they did.

use super::source::Source;
use super::*;

fn breaches(check: fn(&Source) -> Vec<String>, name: &str, text: &str) -> Vec<String> {
    check(&Source::read(name, text))
}

/// Checks that each sample breaks the rule exactly once.
fn refused(check: fn(&Source) -> Vec<String>, name: &str, samples: &[&str]) {
    for sample in samples {
        let found = breaches(check, name, sample);
        assert_eq!(found.len(), 1, "{name}: {sample}: {found:?}");
    }
}

fn allowed(check: fn(&Source) -> Vec<String>, name: &str, samples: &[&str]) {
    for sample in samples {
        assert_eq!(breaches(check, name, sample), Vec::<String>::new(), "{name}: {sample}");
    }
}

#[test]
fn imports_are_seen_however_they_are_written() {
    refused(
        import_breaches,
        "src/pack/tar.rs",
        &[
            "use crate::store::Source;",
            "use crate::{model::Digest, store::{Source as _}};",
            "use crate::{\n    compress,\n    model::{Digest, DiffId},\n    store,\n};",
            "pub(crate) use crate::store as blobs;",
            "fn f() { crate::store::open(); }",
            "fn f(x: &dyn crate::store::Source) {}",
            "fn f() -> Vec<crate::store::Blob> { Vec::new() }",
            "fn f() { assert_eq!(1, crate::store::count()); }",
            "#[serde(with = \"crate::store::form\")] struct A;",
            "#[cfg(test)] mod tests { use crate::store::Memory; }",
            "use super::super::store::Source;",
            "mod inner { use super::super::super::store::Source; }",
            "fn f() { self::super::super::store::open(); }",
            "use crate as all;",
            "use crate::Digest;",
            "use crate::lock::Lock;",
            "use ocitect::model::Digest;",
            "macro_rules! m { () => { $crate::store::open() } }",
        ],
    );
}

#[test]
fn what_is_allowed_or_no_code_is_no_breach() {
    allowed(
        import_breaches,
        "src/pack/tar.rs",
        &[
            "use crate::{compress::{self, Encoder}, model::{Digest, DiffId}};",
            "use crate::pack::layer::Layer;",
            "use super::layer::Layer;",
            "use super::{layer, Layer};",
            "mod inner { use super::super::Layer; }",
            "#[cfg(test)] mod tests { use super::*; }",
            "// use crate::store::Source;",
            "/* use crate::store::Source; /* nested */ use crate::cli; */",
            "/// See [`crate::store::Source`].\nstruct A;",
            "const A: &str = \"use crate::store::Source;\";",
            "const A: &str = r#\"use crate::store::Source;\"#;",
            "pub(crate) fn f() {}",
            "pub(in crate::pack) fn f() {}",
            "fn f<'a>(x: &'a str) -> impl Sized + use<'a> { x }",
            "use store::Source;",
        ],
    );
}

#[test]
fn modules_are_held_to_their_own_line_of_the_table() {
    refused(
        import_breaches,
        "src/layout/mod.rs",
        &["use crate::archive::Archive;", "use super::registry::Client;"],
    );
    refused(import_breaches, "src/build/run.rs", &["use crate::cli::run;"]);
    refused(
        import_breaches,
        "src/elf.rs",
        &["use crate::model::Digest;", "use super::model::Digest;"],
    );
    refused(
        import_breaches,
        "src/main.rs",
        &["use ocitect::model::Digest;", "use crate::model::Digest;"],
    );
    allowed(import_breaches, "src/main.rs", &["fn main() { ocitect::cli::run(); }"]);
    allowed(
        import_breaches,
        "src/build/run.rs",
        &["use crate::{archive, registry::Client};"],
    );
    allowed(
        import_breaches,
        "src/lib.rs",
        &["pub use crate::model::Digest;", "pub use model::Digest;"],
    );
}

#[test]
fn a_module_that_the_table_lacks_may_import_nothing() {
    refused(import_breaches, "src/novel/mod.rs", &["use crate::model::Digest;"]);
}

#[test]
fn a_breach_names_its_file_and_line() {
    let found = breaches(
        import_breaches,
        "src/pack/tar.rs",
        "\nuse crate::{\n    model,\n    store::Source,\n};\n",
    );
    assert_eq!(found.len(), 1);
    let start = "src/pack/tar.rs:4: `crate::store::Source`: pack may not import store; help: ";
    assert!(found[0].starts_with(start), "{found:?}");
}

fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
    let sources: Vec<Source> = files
        .iter()
        .map(|(name, text)| Source::read(&format!("src/pack/{name}.rs"), text))
        .collect();
    circles(&sources.iter().collect::<Vec<_>>())
}

#[test]
fn circles_of_files_are_seen_however_they_are_written() {
    let samples: &[&[(&str, &str)]] = &[
        &[("a", "use super::b::B;"), ("b", "use super::a::A;")],
        &[("a", "use crate::pack::b::B;"), ("b", "fn f() { super::a::g(); }")],
        &[
            ("a", "use super::{b, c};"),
            ("b", "use super::c::C;"),
            ("c", "use super::a;"),
        ],
        &[("a", "use super::b::{c::C, B};"), ("b", "use super::a::A;")],
        // Through re-exports, private ones too.
        &[
            ("mod", "mod a; mod b; pub use a::A; use b::B;"),
            ("a", "use super::B;"),
            ("b", "use crate::pack::A;"),
        ],
        &[
            ("mod", "mod a; mod b; pub use self::b::B;"),
            ("a", "use super::B;"),
            ("b/mod", "mod c; pub(super) use c::B;"),
            ("b/c", "use crate::pack::a::A;"),
        ],
        // A parent needs the modules that it declares.
        &[("mod", "mod a; pub struct Own;"), ("a", "use super::Own;")],
        &[("a", "mod b; pub struct Own;"), ("a/b", "use super::Own;")],
    ];
    for sample in samples {
        let found = circles_of(sample);
        assert_eq!(found.len(), 1, "{sample:?}: {found:?}");
    }
    let found = circles_of(&[("a", "\nuse super::b::B;"), ("b", "use super::a::A;")]);
    let start = "src/pack/a.rs:2: `super::b::B`: a circle of files: \
                 src/pack/a.rs needs src/pack/b.rs needs src/pack/a.rs; help: ";
    assert!(found[0].starts_with(start), "{found:?}");
}

#[test]
fn files_that_need_each_other_one_way_are_no_circle() {
    let samples: &[&[(&str, &str)]] = &[
        &[
            ("a", "use super::{b::B, c::C};"),
            ("b", "use super::c::C;"),
            ("c", "use crate::model::Digest;"),
        ],
        &[
            ("mod", "mod a; mod b; pub use a::A; pub use b::B;"),
            ("a", "use super::B;"),
            ("b", "pub(in crate::pack) struct B;"),
        ],
        &[
            ("a", "mod b; pub(super) use b::B;"),
            ("a/b", "pub(in super::super) struct B;"),
        ],
        &[
            ("a", "use super::b::B;"),
            ("b", "#[cfg(test)] mod tests { use super::super::a::A; }"),
        ],
        &[
            ("a", "use super::b::B;"),
            ("b", "// use super::a::A;"),
            ("tests/b", "use crate::pack::a::A;"),
        ],
    ];
    for sample in samples {
        assert_eq!(circles_of(sample), Vec::<String>::new(), "{sample:?}");
    }
}

#[test]
fn globs_are_for_tests_of_the_same_module() {
    refused(
        glob_breaches,
        "src/pack/tar.rs",
        &[
            "use crate::model::*;",
            "use crate::{model::{self, *}};",
            "use super::*;",
            "#[cfg(test)] mod tests { use crate::model::*; }",
            "#[cfg(test)] mod tests {} use super::*;",
            "#[cfg(test)] mod tests; use super::*;",
            "#[cfg(not(test))] mod a { use super::*; }",
        ],
    );
    refused(glob_breaches, "src/lib.rs", &["pub use model::*;"]);
    let fine = [
        "#[cfg(test)] mod tests { use super::*; }",
        "use rayon::prelude::*;",
        "fn f(a: u8) -> u8 { a * 2 }",
    ];
    allowed(glob_breaches, "src/pack/tar.rs", &fine);
    allowed(
        glob_breaches,
        "src/pack/tests/tar.rs",
        &["use super::*;", "use crate::pack::*;"],
    );
}

#[test]
fn confined_crates_are_seen_however_they_are_written() {
    refused(
        crate_breaches,
        "src/plan/mod.rs",
        &[
            "use tokio::io::AsyncRead;",
            "use {std::fs, tokio as rt};",
            "fn f() { ::tokio::spawn(g()); }",
            "#[tokio::test] async fn f() {}",
            "fn f() { tokio::select! {} }",
            "fn f(x: reqwest::Client) {}",
            "use rustls::ClientConfig;",
            "extern crate hyper;",
        ],
    );
    refused(crate_breaches, "src/transfer/copy.rs", &["use reqwest::Client;"]);
    let fine = [
        "// tokio::spawn",
        "const A: &str = \"tokio::spawn\";",
        "use crate::model::tokio;",
        "use tokio_like::A;",
    ];
    allowed(crate_breaches, "src/plan/mod.rs", &fine);
    allowed(
        crate_breaches,
        "src/registry/client.rs",
        &["use reqwest::Client;", "use tokio::time::timeout;"],
    );
}

#[test]
fn the_process_is_for_cli() {
    let touching = [
        "fn f() { println!(\"a\"); }",
        "fn f() { std::eprintln!(\"a\"); }",
        "fn f() { g(|| { dbg!(1) }); }",
        "use std::{env, fs};",
        "fn f() { std::env::var(\"HOME\"); }",
        "use std::io::{self, stdout};",
        "use std::io; fn f() { io::stderr().lock(); }",
        "use std::time::SystemTime; fn f() { SystemTime::now(); }",
        "fn f() { tempfile::tempdir(); }",
        "#[cfg(test)] fn f() {} fn g() { println!(); }",
    ];
    refused(process_breaches, "src/archive/mod.rs", &touching);
    refused(process_breaches, "src/lib.rs", &touching);
    allowed(process_breaches, "src/cli/mod.rs", &touching);
    allowed(process_breaches, "src/main.rs", &touching);
    allowed(process_breaches, "src/archive/tests.rs", &touching);
    let fine = [
        "/// println!(\"a\")\nfn f() {}",
        "fn f(print: bool) -> bool { print != true }",
        "fn f() { env!(\"CARGO_PKG_VERSION\"); writeln!(out, \"a\"); }",
        "fn f() { tempfile::tempfile_in(directory); std::time::Instant::now(); }",
        "#[cfg(test)] mod tests { fn f() { println!(); } }",
        "#[cfg(all(test, unix))] #[allow(dead_code)] fn f() { std::env::temp_dir(); }",
        "#![cfg(test)] fn f() {} fn g() { println!(); }",
    ];
    allowed(process_breaches, "src/archive/mod.rs", &fine);
}

#[test]
fn a_long_file_needs_a_reason() {
    let long = "\n".repeat(MAX_LINES + 1);
    assert!(length_breach("a.rs", &long).is_some());
    assert!(length_breach("a.rs", &"\n".repeat(MAX_LINES)).is_none());
    assert!(length_breach("a.rs", &format!("//! A.\n// Over 500 lines: one table.\n{long}")).is_none());
    assert!(length_breach("a.rs", &format!("// Over 500 lines: \n{long}")).is_some());
    assert!(length_breach("a.rs", &format!("{long}// Over 500 lines: one table.\n")).is_some());
}

#[test]
fn crates_that_compile_c_are_known_by_name() {
    for name in [
        "cc",
        "cmake",
        "nasm-rs",
        "bindgen",
        "zstd-sys",
        "aws-lc-sys",
        "openssl-src",
        "pkg-config",
    ] {
        assert!(dependency_breach(name).is_some(), "{name}");
    }
    for name in ["linux-raw-sys", "zlib-rs", "rustls", "system"] {
        assert_eq!(dependency_breach(name), None);
    }
}
