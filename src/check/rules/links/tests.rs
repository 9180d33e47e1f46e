use serde_json::json;

use super::super::super::Finding;
use super::super::super::testing::{Image, Thing, path};
use super::super::super::{Code, Severity};
use super::links;

fn image() -> Image {
    Image::new("linux/amd64").config(json!({"Volumes": {"/data": {}}}))
}

fn with(links: &[(&str, &'static str)]) -> Image {
    links
        .iter()
        .fold(image(), |image, (at, target)| image.own(at, 0o777, Thing::Link(target)))
}

fn only(found: Vec<Finding>) -> Finding {
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

#[test]
fn a_package_of_a_workspace_that_was_not_packed_is_an_error() {
    let finding = only(with(&[("app/node_modules/@app/core", "../../packages/core")]).found_by(links));
    assert_eq!((finding.code, finding.severity), (Code::MissingModule, Severity::Error));
    assert_eq!(finding.path, path("app/node_modules/@app/core"));
    // Nothing of packages is there, but it is the one package that the link is about.
    assert_eq!(
        finding.message,
        "points to /app/packages/core, which is not in the image"
    );
    assert_eq!(finding.expected.as_deref(), Some("/app/packages/core"));
    assert_eq!(finding.found.as_deref(), Some("a link to ../../packages/core"));
    assert_eq!(
        finding.help,
        "pack /app/packages/core at that path, or install without links (`pnpm deploy`, `npm install --install-links`)"
    );
}

#[test]
fn links_into_one_missing_folder_are_one_finding() {
    let all = [
        ("app/node_modules/a", ".pnpm/a@1.0.0/node_modules/a"),
        ("app/node_modules/b", ".pnpm/b@1.0.0/node_modules/b"),
        ("app/node_modules/c", ".pnpm/c@1.0.0/node_modules/c"),
        ("app/node_modules/@s/d", "../.pnpm/d@1.0.0/node_modules/@s/d"),
        ("app/packages/x/node_modules/@app/core", "../../../core"),
    ];
    let image = with(&all).own("app/packages/x/index.js", 0o644, Thing::Unread(1));
    let found = image.found_by(links);
    let messages: Vec<&str> = found.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "4 links point into /app/node_modules/.pnpm, which is not in the image: /app/node_modules/@s/d, \
             /app/node_modules/a, /app/node_modules/b and 1 more",
            "points to /app/packages/core, which is not in the image",
        ]
    );
    assert_eq!(found[0].path, path("app/node_modules"));
}

#[test]
fn several_links_to_one_missing_package_say_so() {
    let image = with(&[
        ("app/a/node_modules/core", "../../core"),
        ("app/b/node_modules/core", "../../core"),
    ]);
    let finding = only(image.found_by(links));
    assert_eq!(
        finding.message,
        "2 links point to /app/core, which is not in the image: /app/a/node_modules/core, /app/b/node_modules/core"
    );
    assert_eq!(finding.path, path("app"));
}

#[test]
fn packages_that_are_there_are_fine() {
    let image = with(&[
        ("app/node_modules/@app/core", "../../packages/core"),
        ("app/node_modules/a", ".pnpm/a@1.0.0/node_modules/a"),
        ("app/node_modules/abs", "/app/packages/core"),
        ("srv/node_modules", "/app/node_modules"),
        ("app/node_modules/data", "/data/modules"),
    ])
    .own("app/packages/core/package.json", 0o644, Thing::Unread(1))
    .own(
        "app/node_modules/.pnpm/a@1.0.0/node_modules/a/package.json",
        0o644,
        Thing::Unread(1),
    );
    assert_eq!(image.found_by(links), []);
}

#[test]
fn links_of_node_modules_that_no_program_needs_are_warnings() {
    for at in [
        "app/node_modules/.bin/tsc",
        "app/node_modules/.pnpm/node_modules/tsc",
        "app/node_modules/a/lib/x.js",
        "app/test/node_modules/a",
    ] {
        let finding = only(with(&[(at, "../nowhere")]).found_by(links));
        assert_eq!(
            (finding.code, finding.severity),
            (Code::DanglingSymlink, Severity::Warning),
            "{at}"
        );
    }
    let store = "app/node_modules/.pnpm/a@1.0.0/node_modules/b";
    assert_eq!(
        only(with(&[(store, "../nowhere")]).found_by(links)).code,
        Code::MissingModule
    );
    assert_eq!(
        only(with(&[("app/node_modules/a", "/tmp/build/a")]).found_by(links)).code,
        Code::MissingModule
    );
    assert_eq!(
        only(with(&[("app/node_modules", "../gone")]).found_by(links)).code,
        Code::MissingModule
    );
}

#[test]
fn a_link_to_nothing_is_a_warning() {
    let finding = only(
        with(&[("opt/tool", "/opt/tools/1.2")])
            .own("opt/x", 0o644, Thing::Unread(1))
            .found_by(links),
    );
    assert_eq!(
        (finding.code, finding.severity),
        (Code::DanglingSymlink, Severity::Warning)
    );
    assert_eq!(finding.message, "points to /opt/tools/1.2, which is not in the image");
    assert_eq!(finding.found.as_deref(), Some("a link to /opt/tools/1.2"));
    assert_eq!(
        finding.help,
        "pack /opt/tools/1.2, or leave the link out with `exclude`"
    );
}

#[test]
fn the_python_of_a_virtual_environment_is_not_to_be_packed() {
    let links = [
        ("app/.venv/bin/python", "python3"),
        ("app/.venv/bin/python3", "/root/.pyenv/bin/python3"),
    ];
    let finding = only(
        with(&links)
            .own("app/.venv/pyvenv.cfg", 0o644, Thing::Unread(1))
            .found_by(super::links),
    );
    assert_eq!(
        finding.message,
        "2 links point to /root/.pyenv/bin/python3, which is not in the image: /app/.venv/bin/python, \
         /app/.venv/bin/python3"
    );
    assert!(
        finding
            .help
            .starts_with("create the virtual environment with the Python of the base image")
    );
}

#[test]
fn circles_and_files_on_the_way_are_told() {
    let found = with(&[("a", "b"), ("b", "a"), ("c", "f/x")])
        .own("f", 0o644, Thing::Unread(1))
        .found_by(links);
    let messages: Vec<&str> = found.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "2 links point to each other in a loop: /a, /b",
            "points through /f, which is not a directory"
        ]
    );
}

#[test]
fn what_appears_at_run_time_is_not_known() {
    for target in [
        "/proc/self/fd/1",
        "/dev/stdout",
        "/run/x.sock",
        "/var/run/x",
        "/tmp/x",
        "/data/db",
        "/etc/resolv.conf",
    ] {
        assert_eq!(with(&[("app/x", target)]).found_by(links), [], "{target}");
    }
    assert_eq!(with(&[("data/x", "/nowhere")]).found_by(links), []);
    let aliased = with(&[("var/run", "/run"), ("app/x", "/var/run/x.sock")]);
    assert_eq!(aliased.found_by(links), []);
    assert_eq!(
        with(&[("etc/alternatives/x.1.gz", "/usr/share/man/man1/x.1.gz")]).found_by(links),
        []
    );
}

#[test]
fn links_of_the_base_are_the_bases_business() {
    let image = image().base("usr/lib/x.so", 0o777, Thing::Link("../../../../gone"));
    assert_eq!(image.found_by(links), []);
}

#[test]
fn more_steps_up_than_folders_leave_the_image() {
    let finding = only(with(&[("app/x", "../../home/dev/x")]).found_by(links));
    assert_eq!(
        (finding.code, finding.severity),
        (Code::SymlinkEscape, Severity::Warning)
    );
    assert_eq!(finding.path, path("app/x"));
    assert_eq!(finding.message, "points above the root of the image");
    assert_eq!(
        finding.expected.as_deref(),
        Some("at most 1 `..` in a link at this depth")
    );
    assert_eq!(finding.found.as_deref(), Some("/app/x is a link to ../../home/dev/x"));
    let two = only(with(&[("app/x", "../../x"), ("app/y", "a/../../../y")]).found_by(links));
    assert_eq!(two.message, "2 links point above the root of the image: /app/x, /app/y");
    assert_eq!(two.path, path("app"));
    let fine = with(&[("app/x", "../etc/x"), ("app/y", "./a/../../etc/x")]).own("etc/x", 0o644, Thing::Unread(1));
    assert_eq!(fine.found_by(links), []);
    // A package is missing first of all.
    assert_eq!(
        only(with(&[("node_modules/a", "../../a")]).found_by(links)).code,
        Code::MissingModule
    );
}

#[test]
fn a_package_that_lands_on_a_folder_of_the_base_is_an_error() {
    let base = || {
        image()
            .base("lib", 0o777, Thing::Link("usr/lib"))
            .base("usr/lib/x.so", 0o644, Thing::Unread(1))
    };
    let finding = only(
        base()
            .own("app/node_modules/lib", 0o777, Thing::Link("../../lib"))
            .found_by(links),
    );
    assert_eq!((finding.code, finding.severity), (Code::MissingModule, Severity::Error));
    assert_eq!(
        finding.message,
        "points to /usr/lib, a directory of the base image that is not a package"
    );
    assert_eq!(finding.found.as_deref(), Some("a link to ../../lib"));
    // Packages of the base, and folders of your layers, are what they are.
    let debian = base().base("usr/share/nodejs/a/package.json", 0o644, Thing::Unread(1));
    let debian = debian.own("app/node_modules/a", 0o777, Thing::Link("/usr/share/nodejs/a"));
    assert_eq!(debian.found_by(links), []);
    let own = base().own("srv/lib/x.js", 0o644, Thing::Unread(1));
    assert_eq!(
        own.own("app/node_modules/lib", 0o777, Thing::Link("../../srv/lib"))
            .found_by(links),
        []
    );
}
