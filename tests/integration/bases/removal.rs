//! `remove`: whiteouts and opaque directories, and their effect in podman.

use crate::bases::container::{Container, on, on_base};
use crate::support::{Sandbox, part};

fn build(text: &str) -> Container {
    let sandbox = Sandbox::new();
    sandbox.write("new", "new\n").spec(&on_base(text));
    Container::build(&sandbox)
}

/// Returns `true` if a path exists, also as a dangling link.
fn exists(container: &Container, path: &str) -> bool {
    let script = format!("if [ -e {path} ] || [ -L {path} ]; then echo there; else echo gone; fi");
    container.run(&["sh", "-c", &script]) == "there\n"
}

#[test]
fn files_directories_and_links_of_the_base_are_hidden() {
    let container = build(
        "[[layers]]\nname = \"slim\"\nremove = [\"/usr/share/doc\", \"/etc/motd\", \"/var/run\", \"/home/node/.profile\"]\n",
    );
    for path in ["/usr/share/doc", "/etc/motd", "/var/run", "/home/node/.profile"] {
        assert!(!exists(&container, path), "{path}");
    }
    for path in ["/usr/share", "/etc/passwd", "/run", "/home/node"] {
        assert!(exists(&container, path), "{path}");
    }
    let kept = ["/home/node 750 1000:1000 directory", "/usr/share 755 0:0 directory"];
    assert_eq!(container.stat(&["/home/node", "/usr/share"]), kept);
}

#[test]
fn a_path_is_removed_through_a_link_on_the_way() {
    let container = build("[[layers]]\nname = \"slim\"\nremove = [\"/lib/os-release\"]\n");
    assert!(!exists(&container, "/usr/lib/os-release"));
    assert_eq!(container.stat(&["/lib"]), ["/lib 777 0:0 symbolic link"]);
}

#[test]
fn what_a_layer_wrote_is_removed_by_a_later_one() {
    let container = build(
        r#"
[[layers]]
name = "one"
files = [{ from = "new", to = "/srv/a/one" }, { from = "new", to = "/srv/a/two" }, { from = "new", to = "/srv/b/three" }]
[[layers]]
name = "two"
remove = ["/srv/a/one", "/srv/b"]
"#,
    );
    assert_eq!(container.find("/srv"), ["/srv", "/srv/a", "/srv/a/two"]);
}

#[test]
fn a_removed_directory_that_is_written_again_has_only_what_is_new() {
    let container = build(
        r#"
[[layers]]
name = "fresh"
remove = ["/usr/share/doc", "/opt/base"]
files = [{ from = "new", to = "/usr/share/doc/base/new" }, { from = "new", to = "/opt/base/deep/new", owner = "node" }]
"#,
    );
    assert_eq!(
        container.find("/usr/share/doc"),
        ["/usr/share/doc", "/usr/share/doc/base", "/usr/share/doc/base/new"]
    );
    assert_eq!(
        container.find("/opt"),
        ["/opt", "/opt/base", "/opt/base/deep", "/opt/base/deep/new"]
    );
}

#[test]
fn a_directory_becomes_a_file_and_a_file_a_directory() {
    let container = build(
        r#"
[[layers]]
name = "kinds"
remove = ["/opt/base", "/etc/motd", "/var/run"]
files = [
  { from = "new", to = "/opt/base" },
  { from = "new", to = "/etc/motd/inside" },
  { from = "new", to = "/var/run/inside" },
]
"#,
    );
    assert_eq!(
        container.run(&["cat", "/opt/base", "/etc/motd/inside", "/var/run/inside"]),
        "new\nnew\nnew\n"
    );
    let kinds = [
        "/opt/base 644 0:0 regular file",
        "/etc/motd 755 0:0 directory",
        "/var/run 755 0:0 directory",
    ];
    assert_eq!(container.stat(&["/opt/base", "/etc/motd", "/var/run"]), kinds);
    assert!(!exists(&container, "/run/inside"), "the link is gone, and not followed");
}

#[test]
fn removal_and_rewriting_across_layers_keeps_their_order() {
    let container = build(
        r#"
[[layers]]
name = "gone"
remove = ["/usr/share/doc/base", "/etc/motd"]
[[layers]]
name = "back"
files = [{ from = "new", to = "/usr/share/doc/base/again" }, { from = "new", to = "/etc/motd" }]
"#,
    );
    let documents = ["/usr/share/doc/base", "/usr/share/doc/base/again"];
    assert_eq!(container.find("/usr/share/doc/base"), documents);
    assert_eq!(container.run(&["cat", "/etc/motd"]), "new\n");
}

#[test]
fn whiteouts_over_whiteouts_hide_what_is_left() {
    let sandbox = Sandbox::new();
    sandbox.write("new", "new\n").spec(&on(
        &format!("oci:{}", part("BASE_WHITEOUTS")),
        "[[layers]]\nname = \"more\"\nremove = [\"/data/sub\", \"/opaque\", \"/hard/two\", \"/via\"]\n\
         files = [{ from = \"new\", to = \"/data/sub\" }, { from = \"new\", to = \"/opaque/newer\" }]\n",
    ));
    let container = Container::build(&sandbox);
    assert_eq!(
        container.find("/data"),
        ["/data", "/data/a", "/data/sub", "/data/through"]
    );
    assert_eq!(container.find("/opaque"), ["/opaque", "/opaque/newer"]);
    assert_eq!(container.find("/hard"), ["/hard", "/hard/three"]);
    assert!(!exists(&container, "/via"));
}
