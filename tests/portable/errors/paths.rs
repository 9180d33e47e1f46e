//! Paths of `from`, and targets of `to`.

use std::fs;
use std::os::unix::net::UnixListener;

use crate::support::refusal::{base, layer, refused, spec};
use crate::support::{Sandbox, tool};

#[test]
fn from_that_matches_nothing_says_what_is_there() {
    let sandbox = Sandbox::new();
    sandbox.write("dist/app", "x");
    spec(&sandbox, &[&layer("dist/ap", "/app")]);
    let words = [
        "error: ./ocitect.toml:6:19: `from = \"dist/ap\"` matches nothing",
        "help: did you mean dist/app?",
    ];
    refused(&sandbox, &["build"], 2, &words);
    spec(&sandbox, &[&layer("dist/*.jar", "/app/")]);
    refused(
        &sandbox,
        &["build"],
        2,
        &[
            "`from = \"dist/*.jar\"` matches nothing",
            "help: build it first, or correct the path; ./dist contains app",
        ],
    );
    spec(&sandbox, &[&layer("target/release/app", "/app")]);
    refused(
        &sandbox,
        &["build"],
        2,
        &["`from = \"target/release/app\"` matches nothing", "dist", "help: "],
    );
}

#[test]
fn from_of_which_nothing_is_left_says_so() {
    let sandbox = Sandbox::new();
    sandbox.write("dist/app", "x");
    let text = "[[layers]]\nname = \"a\"\nfiles = [{ from = \"dist\", to = \"/d\", include = [\"*.so\"] }]\n";
    spec(&sandbox, &[text]);
    refused(
        &sandbox,
        &["build"],
        2,
        &[
            "./ocitect.toml:6:19: no files of `from = \"dist\"` are left to pack",
            "`include`",
        ],
    );
}

#[test]
fn two_contents_for_one_path_are_both_named() {
    let sandbox = Sandbox::new();
    sandbox.write("one/app", "1").write("two/app", "2");
    let two =
        "[[layers]]\nname = \"app\"\nfiles = [{ from = \"one\", to = \"/app\" }, { from = \"two\", to = \"/app\" }]\n";
    spec(&sandbox, &[two]);
    let words = [
        "layer \"app\": /app/app is provided by both ./one/app and ./two/app, with different content",
        "help: exclude one of them",
    ];
    refused(&sandbox, &["build"], 2, &words);
}

#[test]
fn two_modes_and_a_file_and_a_link_for_one_path_are_an_error() {
    let sandbox = Sandbox::new();
    sandbox.write("app", "1");
    let text = "[[layers]]\nname = \"app\"\nfiles = [{ from = \"app\", to = \"/app\" }, \
                { from = \"app\", to = \"/app\", mode = \"0700\" }]\n";
    spec(&sandbox, &[text]);
    refused(&sandbox, &["build"], 2, &["with different mode"]);
    let text = format!(
        "{}links = [{{ path = \"/app\", target = \"x\" }}]\n",
        layer("app", "/app")
    );
    spec(&sandbox, &[&text]);
    refused(
        &sandbox,
        &["build"],
        2,
        &[
            "with different kind",
            "./app and the link \"/app\" (./ocitect.toml:7:19)",
        ],
    );
}

#[test]
fn a_path_that_leaves_the_image_is_an_error_wherever_it_stands() {
    let sandbox = Sandbox::new();
    sandbox.write("app", "1");
    for text in [
        layer("app", "/../app"),
        layer("app", "/usr/../../app"),
        "[[dirs]]\npath = \"/a/../../b\"\n".to_owned(),
        "[[layers]]\nname = \"a\"\nlinks = [{ path = \"/a/../../b\", target = \"c\" }]\n".to_owned(),
        "[[layers]]\nname = \"a\"\nremove = [\"/../etc/passwd\"]\n".to_owned(),
        "[config]\nworkdir = \"/app/../..\"\n".to_owned(),
        "[[users]]\nname = \"a\"\nuid = 1\nhome = \"/../root\"\n".to_owned(),
    ] {
        spec(&sandbox, &[&text]);
        refused(
            &sandbox,
            &["build"],
            2,
            &[
                "points outside of the image",
                " --> ./ocitect.toml:",
                "^^",
                "without ..",
            ],
        );
    }
}

#[test]
fn link_targets_may_be_absolute_and_may_climb() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/app", "1");
    std::os::unix::fs::symlink("/etc/localtime", sandbox.path("tree/absolute")).unwrap();
    std::os::unix::fs::symlink("../../../../up", sandbox.path("tree/climbing")).unwrap();
    let links = "links = [{ path = \"/a\", target = \"/app/x\" }, { path = \"/b\", target = \"../../..\" }]\n";
    spec(&sandbox, &[&layer("tree", "/app"), links]);
    sandbox.ok(&["build"]);
    let listed = sandbox.ok(&["ls", "oci:build/oci"]).stdout;
    for line in [
        " /a -> /app/x\n",
        " /b -> ../../..\n",
        "absolute -> /etc/localtime\n",
        "climbing -> ../../../../up\n",
    ] {
        assert!(listed.contains(line), "{line}\n{listed}");
    }
}

#[test]
fn a_loop_of_links_on_the_way_to_a_destination_is_named() {
    let sandbox = Sandbox::new();
    sandbox.write("app", "1");
    let loops = "[[layers]]\nname = \"loop\"\n\
                 links = [{ path = \"/srv/a\", target = \"b\" }, { path = \"/srv/b\", target = \"/srv/a\" }]\n";
    let words = [
        "layer \"app\": cannot write ./app to the image",
        "/srv/a contains more than 40 symbolic links",
        "help: remove the link in this layer (remove = [\"/srv/",
    ];
    spec(&sandbox, &[loops, &layer("app", "/srv/a/app")]);
    refused(&sandbox, &["build"], 2, &words);

    spec(&sandbox, &[loops]);
    sandbox.ok(&["build", "-o", "oci:base"]);
    spec(&sandbox, &[&base("oci:base"), &layer("app", "/srv/a/app")]);
    refused(&sandbox, &["build"], 2, &words);
}

#[test]
fn a_name_that_would_delete_is_refused_wherever_it_comes_from() {
    let sandbox = Sandbox::new();
    sandbox
        .write("tree/deep/.wh.app", "1")
        .write("app", "1")
        .write(".wh.file", "1");
    let help = "help: rename it, or exclude it with `exclude`";
    spec(&sandbox, &[&layer("tree", "/app")]);
    refused(
        &sandbox,
        &["build"],
        2,
        &["cannot pack ./tree/deep/.wh.app", "deletes files", help],
    );
    spec(&sandbox, &[&layer(".wh.file", "/app/")]);
    refused(&sandbox, &["build"], 2, &[".wh.file", "begins with"]);
    spec(&sandbox, &[&layer("app", "/app/.wh..wh..opq")]);
    refused(
        &sandbox,
        &["build"],
        2,
        &[
            "\"/app/.wh..wh..opq\" contains a name that begins with .wh.",
            "a whiteout",
        ],
    );
    spec(
        &sandbox,
        &["[[layers]]\nname = \"a\"\nlinks = [{ path = \"/.wh.x\", target = \"y\" }]\n"],
    );
    refused(
        &sandbox,
        &["build"],
        2,
        &["\"/.wh.x\" contains a name that begins with .wh."],
    );
}

#[test]
fn sockets_fifos_and_devices_are_named_by_their_kind() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("run/fifos")).unwrap();
    let _socket = UnixListener::bind(sandbox.path("run/agent.sock")).unwrap();
    let help = "help: exclude it with `exclude`";
    spec(&sandbox, &[&layer("run", "/run")]);
    refused(
        &sandbox,
        &["build"],
        2,
        &[
            "./ocitect.toml:6:19: ./run/agent.sock is a socket, which cannot be packed",
            help,
        ],
    );
    spec(&sandbox, &[&layer("run/agent.sock", "/run/")]);
    refused(&sandbox, &["build"], 2, &["./run/agent.sock is a socket"]);
    tool("mkfifo", &[sandbox.path("run/fifos/pipe")]);
    spec(&sandbox, &[&layer("run/fifos", "/run")]);
    refused(
        &sandbox,
        &["build"],
        2,
        &["./run/fifos/pipe is a fifo, which cannot be packed", help],
    );
    spec(&sandbox, &[&layer("/dev/null", "/null")]);
    refused(
        &sandbox,
        &["build"],
        2,
        &["/dev/null is a character device, which cannot be packed"],
    );
}

#[test]
fn two_files_with_one_content_for_one_path_are_one() {
    let sandbox = Sandbox::new();
    sandbox.write("one/app", "1").write("two/app", "1");
    let two =
        "[[layers]]\nname = \"app\"\nfiles = [{ from = \"one\", to = \"/app\" }, { from = \"two\", to = \"/app\" }]\n";
    spec(&sandbox, &[two]);
    sandbox.ok(&["build"]);
    // The same length, but other content.
    sandbox.write("two/app", "2");
    refused(&sandbox, &["build"], 2, &["/app", "with different content"]);
}
