//! Target paths of entries, and the attributes of their parents, as podman shows them.

use crate::bases::container::{Container, on_base};
use crate::support::{Sandbox, tool};

#[test]
fn directories_of_the_base_keep_mode_and_owner_when_a_layer_writes_into_them() {
    let sandbox = Sandbox::new();
    sandbox
        .write("note", "note\n")
        .write("tree/inside", "inside\n")
        .spec(&on_base(
            r#"
[[layers]]
name = "first"
files = [
  { from = "note", to = "/tmp/" },
  { from = "note", to = "/var/tmp/deep/down/" },
  { from = "note", to = "/home/node/note", owner = "node" },
  { from = "note", to = "/root/note" },
  { from = "note", to = "/opt/base/note" },
]
[[layers]]
name = "second"
mode = "0600"
dir-mode = "0700"
files = [{ from = "tree/", to = "/home/node/" }, { from = "tree", to = "/tmp/tree" }]
"#,
        ));
    let container = Container::build(&sandbox);
    let paths = [
        "/tmp",
        "/tmp/note",
        "/var/tmp",
        "/var/tmp/deep",
        "/home/node",
        "/home/node/.profile",
        "/home/node/note",
        "/root",
        "/opt/base",
        "/tmp/tree",
        "/tmp/tree/inside",
    ];
    let expected = [
        "/tmp 1777 0:0 directory",
        "/tmp/note 644 0:0 regular file",
        "/var/tmp 1777 0:0 directory",
        "/var/tmp/deep 755 0:0 directory",
        "/home/node 750 1000:1000 directory",
        "/home/node/.profile 644 1000:1000 regular file",
        "/home/node/note 644 1000:1000 regular file",
        "/root 700 0:0 directory",
        "/opt/base 2775 0:0 directory",
        "/tmp/tree 700 0:0 directory",
        "/tmp/tree/inside 600 0:0 regular file",
    ];
    assert_eq!(container.stat(&paths), expected);
    assert_eq!(
        container.run(&["cat", "/home/node/inside", "/home/node/.profile"]),
        "inside\nPS1='node$ '\n"
    );
}

#[test]
fn attributes_of_a_parent_are_written_again() {
    let sandbox = Sandbox::new();
    sandbox.write("note", "note\n").spec(&on_base(
        "[[layers]]\nname = \"app\"\nfiles = [{ from = \"note\", to = \"/opt/base/note\" }]\n",
    ));
    sandbox.ok(&["build"]);
    let layout = sandbox.layout("build/oci");
    let manifest = layout.manifest("latest", "linux/amd64");
    let layer = layout.layer_path(&manifest, 2);
    let script =
        "import sys, tarfile; print([(e.name, oct(e.mode), e.pax_headers) for e in tarfile.open(sys.argv[1])])";
    let said = tool("python3", &["-c", script, layer.to_str().unwrap()]);
    assert_eq!(
        said,
        "[('opt', '0o755', {}), ('opt/base', '0o2775', {'SCHILY.xattr.user.note': 'of the base'}), ('opt/base/note', '0o644', {})]\n"
    );
}

#[test]
fn an_entry_that_sets_owner_or_mode_changes_a_directory_that_is_there() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/base/x", "x\n").spec(&on_base(
        "[[layers]]\nname = \"app\"\nfiles = [{ from = \"tree\", to = \"/opt\", owner = \"node\", dir-mode = \"0711\" }]\n",
    ));
    let container = Container::build(&sandbox);
    assert_eq!(
        container.stat(&["/opt/base", "/opt/base/x", "/opt/base/bind-low"]),
        [
            "/opt/base 711 1000:1000 directory",
            "/opt/base/x 644 1000:1000 regular file",
            "/opt/base/bind-low 755 0:0 regular file"
        ]
    );
}

#[test]
fn a_link_on_the_way_is_followed_and_stays() {
    let sandbox = Sandbox::new();
    sandbox.write("note", "note\n").spec(&on_base(
        r#"
[[layers]]
name = "app"
files = [
  { from = "note", to = "/lib/x/y" },
  { from = "note", to = "/bin/tool", mode = "0755" },
  { from = "note", to = "/var/run/app/pid" },
]
[[layers]]
name = "over"
files = [{ from = "note", to = "/here/there/note" }]
links = [{ path = "/here", target = "usr/../opt" }]
[[layers]]
name = "later"
files = [{ from = "note", to = "/here/late" }]
"#
        .replace("files = [{ from = \"note\", to = \"/here/there/note\" }]\n", "")
        .as_str(),
    ));
    let container = Container::build(&sandbox);
    assert_eq!(
        container.stat(&[
            "/lib",
            "/bin",
            "/var/run",
            "/here",
            "/usr/lib/x",
            "/usr/lib/x/y",
            "/usr/bin/tool",
            "/opt/late"
        ]),
        [
            "/lib 777 0:0 symbolic link",
            "/bin 777 0:0 symbolic link",
            "/var/run 777 0:0 symbolic link",
            "/here 777 0:0 symbolic link",
            "/usr/lib/x 755 0:0 directory",
            "/usr/lib/x/y 644 0:0 regular file",
            "/usr/bin/tool 755 0:0 regular file",
            "/opt/late 644 0:0 regular file",
        ]
    );
    assert_eq!(
        container.run(&["cat", "/lib/x/y", "/run/app/pid", "/here/late"]),
        "note\nnote\nnote\n"
    );
    // The shell is still found through the link.
    assert_eq!(container.start(&["/bin/sh", "-c", "echo works"]), "works\n");
}

#[test]
fn a_later_layer_wins_and_replaces_links_but_not_what_they_name() {
    let sandbox = Sandbox::new();
    sandbox.write("one", "one\n").write("two", "two\n").spec(&on_base(
        r#"
[[layers]]
name = "one"
files = [{ from = "one", to = "/srv/file" }, { from = "one", to = "/srv/linked" }]
links = [{ path = "/srv/link", target = "linked" }]
[[layers]]
name = "two"
files = [{ from = "two", to = "/srv/file" }, { from = "two", to = "/srv/link" }, { from = "two", to = "/etc/os-release" }]
"#,
    ));
    let container = Container::build(&sandbox);
    assert_eq!(
        container.run(&["cat", "/srv/file", "/srv/link", "/srv/linked"]),
        "two\ntwo\none\n"
    );
    assert_eq!(
        container.stat(&["/srv/link", "/etc/os-release"])[1],
        "/etc/os-release 644 0:0 regular file"
    );
    assert!(
        container
            .run(&["cat", "/usr/lib/os-release"])
            .starts_with("ID=ocitect-test")
    );
}

#[test]
fn links_are_made_with_their_targets_verbatim() {
    let sandbox = Sandbox::new();
    sandbox.write("one", "one\n").spec(&on_base(
        r#"
[[layers]]
name = "links"
owner = "node"
links = [
  { path = "/usr/local/bin/agent", target = "/opt/agent/bin/../bin/agent" },
  { path = "/home/node/.link", target = "../../etc//motd", owner = "root" },
  { path = "/lib/libone.so", target = "libone.so.1" },
]
"#,
    ));
    let container = Container::build(&sandbox);
    let target = |path: &str| container.run(&["readlink", path]);
    assert_eq!(target("/usr/local/bin/agent"), "/opt/agent/bin/../bin/agent\n");
    assert_eq!(target("/home/node/.link"), "../../etc//motd\n");
    assert_eq!(target("/usr/lib/libone.so"), "libone.so.1\n");
    assert_eq!(container.run(&["cat", "/home/node/.link"]), "a base image for tests\n");
    assert_eq!(
        container.stat(&["/usr/local/bin/agent", "/home/node/.link", "/usr/local", "/home/node"]),
        [
            "/usr/local/bin/agent 777 1000:1000 symbolic link",
            "/home/node/.link 777 0:0 symbolic link",
            "/usr/local 755 0:0 directory",
            "/home/node 750 1000:1000 directory",
        ]
    );
}
