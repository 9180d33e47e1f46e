use serde_json::json;

use super::super::testing::{Image, Thing, alpine, debian, elf, path, shared_library};
use super::*;
use crate::elf::ElfFacts;
use crate::model::EntryPath;

const GLIBC: &str = "/lib64/ld-linux-x86-64.so.2";
const MUSL: &str = "/lib/ld-musl-x86_64.so.1";

fn program(needed: &[&str]) -> ElfFacts {
    elf(Some(GLIBC), needed)
}

fn with(facts: ElfFacts, rpath: Option<&str>, runpath: Option<&str>) -> ElfFacts {
    let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
    ElfFacts {
        rpath: bytes(rpath),
        runpath: bytes(runpath),
        ..facts
    }
}

fn file(image: Image, at: &str, facts: ElfFacts) -> Image {
    image.own(at, 0o755, Thing::Elf(facts))
}

/// What a file needs, as `name path`, or `name -` for what is not found.
fn needs(image: Image, at: &str) -> Vec<String> {
    let subject = image.subject();
    let needs = Loader::new(&subject).needs(&path(at)).expect("the loader is known");
    let shown = |(name, found): (Vec<u8>, Option<EntryPath>)| {
        let found = found.map_or("-".to_owned(), |found| found.to_string());
        format!("{} {found}", String::from_utf8(name).unwrap())
    };
    needs.into_iter().map(shown).collect()
}

#[test]
fn needs_are_found_breadth_first_and_named_once() {
    let image = file(debian(), "bin/x", program(&["libz.so.1", "libq.so", "libc.so.6"]));
    let image = file(
        image,
        "usr/lib/libq.so",
        shared_library("libq.so", &["libz.so.1", "libr.so"]),
    );
    assert_eq!(
        needs(image, "bin/x"),
        [
            "libz.so.1 /usr/lib/x86_64-linux-gnu/libz.so.1.2",
            "libq.so /usr/lib/libq.so",
            "libc.so.6 /usr/lib/x86_64-linux-gnu/libc.so.6",
            "libr.so -",
            "ld-linux-x86-64.so.2 /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        ]
    );
}

#[test]
fn what_is_loaded_by_its_soname_is_not_searched_again() {
    let image = file(debian(), "app/x", program(&["/app/real.so", "libq.so.1"]));
    let image = file(image, "app/real.so", shared_library("libq.so.1", &[]));
    assert_eq!(
        needs(image, "app/x"),
        ["/app/real.so /app/real.so", "libq.so.1 /app/real.so"]
    );
}

#[test]
fn rpath_serves_what_is_loaded_below_and_runpath_does_not() {
    let image = |facts| {
        let image = file(debian(), "app/bin/x", facts);
        let image = file(image, "app/lib/liba.so", shared_library("liba.so", &["libb.so"]));
        file(image, "app/lib/libb.so", shared_library("libb.so", &[]))
    };
    let rpath = with(program(&["liba.so"]), Some("/none:$ORIGIN/../lib"), None);
    assert_eq!(
        needs(image(rpath), "app/bin/x"),
        ["liba.so /app/lib/liba.so", "libb.so /app/lib/libb.so"]
    );
    let runpath = with(program(&["liba.so"]), None, Some("${ORIGIN}/../lib"));
    assert_eq!(
        needs(image(runpath), "app/bin/x"),
        ["liba.so /app/lib/liba.so", "libb.so -"]
    );
    // Where there is a RUNPATH, the RPATH of the same file counts for nothing.
    let both = with(program(&["liba.so"]), Some("$ORIGIN/../lib"), Some("/none"));
    assert_eq!(needs(image(both), "app/bin/x"), ["liba.so -"]);
}

#[test]
fn an_object_with_runpath_does_not_inherit_rpath() {
    let image = file(debian(), "app/x", with(program(&["liba.so"]), Some("/app/lib"), None));
    let image = file(
        image,
        "app/lib/liba.so",
        with(shared_library("liba.so", &["libb.so"]), None, Some("/other")),
    );
    let image = file(image, "app/lib/libb.so", shared_library("libb.so", &[]));
    assert_eq!(needs(image, "app/x"), ["liba.so /app/lib/liba.so", "libb.so -"]);
}

#[test]
fn the_environment_is_looked_in_and_not_by_privileged_programs() {
    let config = json!({"Env": ["LD_LIBRARY_PATH=/none:/app/lib"]});
    let image = |mode| {
        let image = debian()
            .config(config.clone())
            .own("bin/x", mode, Thing::Elf(program(&["liba.so"])));
        file(image, "app/lib/liba.so", shared_library("liba.so", &[]))
    };
    assert_eq!(needs(image(0o755), "bin/x"), ["liba.so /app/lib/liba.so"]);
    assert_eq!(needs(image(0o4755), "bin/x"), ["liba.so -"]);
}

#[test]
fn preloaded_libraries_serve_by_their_sonames() {
    let config = json!({"Env": ["LD_PRELOAD=/opt/libj.so /none.so"]});
    let image = file(debian().config(config), "bin/x", program(&["libj.so.2"]));
    let image = file(image, "opt/libj.so", shared_library("libj.so.2", &["libk.so"]));
    assert_eq!(needs(image, "bin/x"), ["libj.so.2 /opt/libj.so", "libk.so -"]);
}

#[test]
fn configured_directories_count_as_far_as_the_cache_knows_them() {
    let base = |cache: bool| {
        let image = debian()
            .base(
                "etc/ld.so.conf",
                0o644,
                Thing::Text("include /etc/ld.so.conf.d/*.conf\n".into()),
            )
            .base(
                "etc/ld.so.conf.d/local.conf",
                0o644,
                Thing::Text("/usr/local/lib\n".into()),
            )
            .base(
                "usr/local/lib/libold.so",
                0o644,
                Thing::Elf(shared_library("libold.so", &[])),
            );
        if cache {
            image.base("etc/ld.so.cache", 0o644, Thing::Unread(100))
        } else {
            image
        }
    };
    let own = |image| {
        let image = file(image, "bin/x", program(&["libold.so", "libnew.so"]));
        file(image, "usr/local/lib/libnew.so", shared_library("libnew.so", &[]))
    };
    let old = "libold.so /usr/local/lib/libold.so";
    let new = "libnew.so /usr/local/lib/libnew.so";
    assert_eq!(needs(own(base(true)), "bin/x"), [old, "libnew.so -"]);
    assert_eq!(needs(own(base(false)), "bin/x"), ["libold.so -", "libnew.so -"]);
    let renewed = own(base(true)).own("etc/ld.so.cache", 0o644, Thing::Unread(120));
    assert_eq!(needs(renewed, "bin/x"), [old, new]);
}

#[test]
fn libraries_for_other_processors_are_passed_over() {
    let foreign = ElfFacts {
        machine: 183,
        ..shared_library("liba.so", &[])
    };
    let image = file(
        debian(),
        "app/x",
        with(program(&["liba.so"]), None, Some("/app/one:/app/two")),
    );
    let image = file(image, "app/one/liba.so", foreign.clone());
    let subject = file(image, "app/two/liba.so", shared_library("liba.so", &[])).subject();
    let closure = Loader::new(&subject).load(&path("app/x")).unwrap();
    assert_eq!(closure.needs[0].passed_over, Some(path("app/one/liba.so")));
    assert_eq!(
        closure.objects[closure.needs[0].found.unwrap()].path,
        path("app/two/liba.so")
    );
}

#[test]
fn folders_for_newer_processors_count_last() {
    let image = file(debian(), "bin/x", program(&["liba.so"]));
    let image = file(
        image,
        "usr/lib/glibc-hwcaps/x86-64-v3/liba.so",
        shared_library("liba.so", &[]),
    );
    assert_eq!(
        needs(image, "bin/x"),
        ["liba.so /usr/lib/glibc-hwcaps/x86-64-v3/liba.so"]
    );
}

#[test]
fn modules_find_what_their_host_has_loaded() {
    let image = file(
        debian(),
        "opt/py/bin/python3.11",
        with(program(&["libpython3.11.so.1.0"]), None, Some("/opt/py/lib")),
    );
    let image = file(
        image,
        "opt/py/lib/libpython3.11.so.1.0",
        shared_library("libpython3.11.so.1.0", &["libz.so.1"]),
    );
    let module = "opt/py/lib/python3.11/site-packages/a/b.cpython-311-x86_64-linux-gnu.so";
    let image = file(image, module, elf(None, &["libpython3.11.so.1.0", "libmore.so"]));
    assert_eq!(
        needs(image, module),
        ["libpython3.11.so.1.0 /opt/py/lib/libpython3.11.so.1.0", "libmore.so -"]
    );
}

#[test]
fn modules_without_host_have_the_only_loader() {
    let image = file(debian(), "app/a.node", elf(None, &["libz.so.1", "libnot.so"]));
    assert_eq!(
        needs(image, "app/a.node"),
        [
            "libz.so.1 /usr/lib/x86_64-linux-gnu/libz.so.1.2",
            "libnot.so -",
            "libc.so.6 /usr/lib/x86_64-linux-gnu/libc.so.6",
            "ld-linux-x86-64.so.2 /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        ]
    );
    let subject = file(Image::new("linux/amd64"), "app/a.node", elf(None, &["libz.so.1"])).subject();
    assert!(Loader::new(&subject).needs(&path("app/a.node")).is_none());
}

#[test]
fn modules_are_known_by_their_names() {
    for (at, wanted) in [
        ("a/x.node", Some(Module::Node)),
        ("a/x.cpython-311-x86_64-linux-gnu.so", Some(Module::Python)),
        ("a/_rust.abi3.so", Some(Module::Python)),
        ("v/lib/python3.11/site-packages/a/x.so", Some(Module::Python)),
        ("v/lib/python3.11/site-packages/a/libx.so", None),
        ("v/lib/python3.11/site-packages/a.libs/x-1234.so", None),
        ("usr/lib/x.so", None),
        ("usr/lib/perl/x.so.1", None),
    ] {
        assert_eq!(Module::of(&path(at)), wanted, "{at}");
    }
}

#[test]
fn musl_takes_rpath_and_runpath_alike_and_finds_itself() {
    let image = file(
        alpine(),
        "app/bin/x",
        with(
            elf(Some(MUSL), &["libc.musl-x86_64.so.1", "liba.so"]),
            None,
            Some("$ORIGIN/../lib"),
        ),
    );
    let image = file(
        image,
        "app/lib/liba.so",
        shared_library("other-name", &["libb.so", "libpthread.so.0"]),
    );
    let image = file(image, "app/lib/libb.so", shared_library("libb.so", &["other-name"]));
    assert_eq!(
        needs(image, "app/bin/x"),
        [
            "libc.musl-x86_64.so.1 /lib/ld-musl-x86_64.so.1",
            "liba.so /app/lib/liba.so",
            "libb.so /app/lib/libb.so",
            "libpthread.so.0 /lib/ld-musl-x86_64.so.1",
            "other-name -",
        ]
    );
}

#[test]
fn musl_reads_its_path_file_in_place_of_its_default() {
    let image = |text: Option<&str>| {
        let image = alpine();
        let image = match text {
            Some(text) => image.base("etc/ld-musl-x86_64.path", 0o644, Thing::Text(text.into())),
            None => image,
        };
        let image = file(image, "bin/x", elf(Some(MUSL), &["liba.so", "libb.so"]));
        let image = file(image, "usr/local/lib/liba.so", shared_library("liba.so", &[]));
        file(image, "opt/libb.so", shared_library("libb.so", &[]))
    };
    assert_eq!(
        needs(image(None), "bin/x"),
        ["liba.so /usr/local/lib/liba.so", "libb.so -"]
    );
    assert_eq!(
        needs(image(Some("/lib\n/opt\n")), "bin/x"),
        ["liba.so -", "libb.so /opt/libb.so"]
    );
    assert_eq!(needs(image(Some("")), "bin/x"), ["liba.so -", "libb.so -"]);
}

#[test]
fn a_loader_that_only_has_the_name_of_glibcs_is_not_guessed_at() {
    let gcompat = alpine().base("lib64/ld-linux-x86-64.so.2", 0o755, Thing::Elf(elf(None, &[])));
    let subject = file(gcompat, "bin/x", program(&["libz.so.1"])).subject();
    assert!(Loader::new(&subject).needs(&path("bin/x")).is_none());
    // A link to musl's own is musl.
    let link = alpine().base(
        "lib64/ld-linux-x86-64.so.2",
        0o777,
        Thing::Link("/lib/ld-musl-x86_64.so.1"),
    );
    assert_eq!(
        needs(file(link, "bin/x", program(&["libz.so.1"])), "bin/x"),
        ["libz.so.1 -"]
    );
    let both = debian().base("lib/ld-musl-x86_64.so.1", 0o755, Thing::Elf(elf(None, &[])));
    assert_eq!(
        needs(file(both, "bin/x", program(&["liby.so.1"])), "bin/x"),
        ["liby.so.1 -"]
    );
}

#[test]
fn loops_and_hostile_lists_end() {
    let image = file(
        debian(),
        "bin/x",
        with(program(&["liba.so"]), Some(&"/app/lib:".repeat(20_000)), None),
    );
    let image = file(image, "app/lib/liba.so", shared_library("liba.so", &["libb.so"]));
    let image = file(
        image,
        "app/lib/libb.so",
        shared_library("libb.so", &["liba.so", "../x", "", "..", "/"]),
    );
    let image = image.own("l", 0o777, Thing::Link("l"));
    let found = needs(image, "bin/x");
    assert_eq!(found[..2], ["liba.so /app/lib/liba.so", "libb.so /app/lib/libb.so"]);
    assert!(found[2..].iter().all(|need| need.ends_with(" -")), "{found:?}");
}

#[test]
fn what_has_no_loader_has_no_answer() {
    let subject = file(debian(), "bin/static", elf(None, &[]))
        .own("bin/text", 0o755, Thing::Text("x".into()))
        .subject();
    let loader = Loader::new(&subject);
    assert!(loader.needs(&path("bin/text")).is_none());
    assert!(loader.needs(&path("bin/none")).is_none());
    let subject = file(debian(), "bin/x", elf(Some("/system/bin/linker64"), &["libc.so"])).subject();
    assert!(Loader::new(&subject).needs(&path("bin/x")).is_none());
}

#[test]
fn past_a_bound_nothing_is_known() {
    let names: Vec<String> = (0..4000).map(|at| format!("lib{at}.so")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut image = debian();
    for at in 0..60 {
        image = file(
            image,
            &format!("usr/lib/lib{at}.so"),
            shared_library(&format!("lib{at}.so"), &names),
        );
    }
    for at in 0..20 {
        image = file(image, &format!("bin/{at}"), program(&names));
    }
    let subject = image.subject();
    let loader = Loader::new(&subject);
    assert!(loader.needs(&path("bin/0")).is_some());
    assert!((1..20).any(|at| loader.needs(&path(&format!("bin/{at}"))).is_none()));
}
