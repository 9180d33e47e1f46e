//! Paths and owners that contradict the base image.

use crate::errors::refusal::test_base;
use crate::support::refusal::{layer, refused, spec};
use crate::support::{Sandbox, part};

#[test]
fn from_that_an_image_lacks_names_image_and_path() {
    let sandbox = Sandbox::new();
    let image = format!("oci:{}", part("BASE"));
    spec(&sandbox, &[&layer(&format!("{image}#/usr/bin/nope"), "/app")]);
    let words = [
        "./ocitect.toml:6:19",
        &image,
        "does not contain /usr/bin/nope for linux/amd64",
        "`ocitect ls IMAGE`",
    ];
    refused(&sandbox, &["build"], 6, &words);
}

#[test]
fn a_file_over_a_directory_is_an_error_unless_that_is_removed() {
    let sandbox = Sandbox::new();
    sandbox.write("app", "1");
    spec(&sandbox, &[&test_base(), &layer("app", "/opt")]);
    let words = [
        "layer \"app\": cannot write ./app to /opt: a directory already exists there",
        "remove = [\"/opt\"]",
    ];
    refused(&sandbox, &["build"], 2, &words);
    spec(
        &sandbox,
        &[&test_base(), &layer("app", "/opt"), "remove = [\"/opt\"]\n"],
    );
    sandbox.ok(&["build", "-o", "oci:removed"]);
    spec(&sandbox, &[&test_base(), &layer("app", "/opt/")]);
    sandbox.ok(&["build", "-o", "oci:inside"]);
}

#[test]
fn a_file_below_a_file_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.write("app", "1");
    spec(&sandbox, &[&test_base(), &layer("app", "/etc/motd/app")]);
    let words = [
        "layer \"app\": cannot write ./app to the image\nCaused by: /etc/motd is not a directory\n",
        "remove = [\"/etc/motd\"]",
    ];
    refused(&sandbox, &["build"], 2, &words);
    let two =
        "[[layers]]\nname = \"app\"\nfiles = [{ from = \"app\", to = \"/a\" }, { from = \"app\", to = \"/a/b\" }]\n";
    spec(&sandbox, &[two]);
    refused(
        &sandbox,
        &["build"],
        2,
        &["cannot write ./app to /a/b: its parent ./app is not a directory"],
    );
}

#[test]
fn a_user_whose_id_is_anothers_is_told_whose() {
    let sandbox = Sandbox::new();
    let user = |name: &str, uid: u32, more: &str| format!("[[users]]\nname = \"{name}\"\nuid = {uid}\n{more}");
    let help = "help: remove it to use the existing one, or choose an unused name and id";
    spec(&sandbox, &[&test_base(), &user("app", 1000, "")]);
    let words = [
        "the user \"app\" (./ocitect.toml:6:8) has the uid 1000, which is used by the user \"node\"",
        help,
    ];
    refused(&sandbox, &["build"], 2, &words);
    spec(&sandbox, &[&test_base(), &user("node", 1001, "")]);
    refused(
        &sandbox,
        &["build"],
        2,
        &["the user \"node\" (./ocitect.toml:6:8) already exists with uid 1000, not 1001"],
    );
    spec(&sandbox, &[&test_base(), &user("app", 50, "")]);
    let help = "`gid` and `group` of a user default to its uid and name";
    refused(
        &sandbox,
        &["build"],
        2,
        &[
            "the group \"app\"",
            "has the gid 50, which is used by the group \"staff\"",
            help,
        ],
    );
    spec(&sandbox, &[&user("a", 7, ""), &user("b", 7, "")]);
    refused(
        &sandbox,
        &["build"],
        2,
        &["the uid 7 is used by another user", "first here"],
    );
    spec(
        &sandbox,
        &[&test_base(), &user("app", 50, "gid = 50\ngroup = \"staff\"\n")],
    );
    sandbox.ok(&["build"]);
}

#[test]
fn an_owner_that_nobody_knows_lists_who_there_is() {
    let sandbox = Sandbox::new();
    sandbox.write("app", "1");
    spec(&sandbox, &[&test_base(), "owner = \"nod\"\n", &layer("app", "/app")]);
    refused(&sandbox, &["build"], 2, &["unknown user \"nod\"", "nobody, node, root"]);
}
