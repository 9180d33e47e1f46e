//! Users, groups, directories and the working directory: the first layer, `filesystem`.

use crate::bases::container::{Container, on, on_base};
use crate::support::{Sandbox, part};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n\
                      node:x:1000:1000::/home/node:/bin/sh\n";
const GROUP: &str = "root:x:0:\nstaff:x:50:node\nnogroup:x:65534:\nnode:x:1000:\n";

#[test]
fn users_and_groups_follow_the_lines_of_the_base() {
    let sandbox = Sandbox::new();
    sandbox.write("note", "note\n").spec(&on_base(
        r#"
[[groups]]
name = "readers"
gid = 2000
members = ["app", "node"]
[[users]]
name = "app"
uid = 1001
[[users]]
name = "worker"
uid = 1002
gid = 50
group = "staff"
home = "/srv/worker"
shell = "/bin/false"
[[users]]
name = "node"
uid = 1000
[[layers]]
name = "app"
files = [
  { from = "note", to = "/srv/app", owner = "app" },
  { from = "note", to = "/srv/both", owner = "worker:readers" },
  { from = "note", to = "/srv/node", owner = "node:staff" },
  { from = "note", to = "/srv/number", owner = "77" },
  { from = "note", to = "/srv/numbers", owner = "77:88" },
]
[config]
user = "worker"
"#,
    ));
    let container = Container::build(&sandbox);
    let lines = "app:*:1001:1001::/home/app:/bin/sh\nworker:*:1002:50::/srv/worker:/bin/false\n";
    assert_eq!(container.run(&["cat", "/etc/passwd"]), format!("{PASSWD}{lines}"));
    let lines = "readers:x:2000:app,node\napp:x:1001:\n";
    assert_eq!(container.run(&["cat", "/etc/group"]), format!("{GROUP}{lines}"));
    let paths = [
        "/home/app",
        "/srv/worker",
        "/home/node",
        "/srv/app",
        "/srv/both",
        "/srv/node",
        "/srv/number",
        "/srv/numbers",
    ];
    assert_eq!(
        container.stat(&paths),
        [
            "/home/app 755 1001:1001 directory",
            "/srv/worker 755 1002:50 directory",
            "/home/node 750 1000:1000 directory",
            "/srv/app 644 1001:1001 regular file",
            "/srv/both 644 1002:2000 regular file",
            "/srv/node 644 1000:50 regular file",
            "/srv/number 644 77:77 regular file",
            "/srv/numbers 644 77:88 regular file",
        ]
    );
    assert_eq!(
        container.run(&["id"]),
        "uid=1002(worker) gid=50(staff) groups=50(staff)\n"
    );
    assert_eq!(
        container.run(&["id", "app"]),
        "uid=1001(app) gid=1001(app) groups=1001(app),2000(readers)\n"
    );
}

#[test]
fn the_first_layer_is_named_filesystem_and_says_so() {
    let sandbox = Sandbox::new();
    sandbox.spec(&on_base("[[users]]\nname = \"app\"\nuid = 1001\n"));
    sandbox.ok(&["build"]);
    let config = sandbox.layout("build/oci").config("latest", "linux/arm64");
    assert_eq!(config["history"][3]["created_by"], "ocitect: filesystem");
    assert_eq!(config["history"].as_array().unwrap().len(), 4);
}

#[test]
fn a_user_that_is_there_already_writes_no_layer() {
    let sandbox = Sandbox::new();
    sandbox.spec(&on_base(
        "[[users]]\nname = \"node\"\nuid = 1000\n[[dirs]]\npath = \"/tmp\"\nmode = \"1777\"\n[config]\nworkdir = \"/opt\"\n",
    ));
    sandbox.ok(&["build"]);
    let manifest = sandbox.layout("build/oci").manifest("latest", "linux/amd64");
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 2);
}

#[test]
fn on_scratch_root_comes_first() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("bin")).unwrap();
    std::fs::copy(part("BUSYBOX_AMD64"), sandbox.path("bin/busybox")).unwrap();
    sandbox.spec(&on(
        "scratch",
        "[[users]]\nname = \"app\"\nuid = 1000\n\
         [[layers]]\nname = \"app\"\nfiles = [{ from = \"bin/busybox\", to = \"/usr/bin/busybox\", mode = \"0755\" }]\n\
         [config]\nuser = \"app\"\nworkdir = \"/work\"\n",
    ));
    let container = Container::build(&sandbox);
    let expected = "root:*:0:0:root:/root:/bin/sh\napp:*:1000:1000::/home/app:/bin/sh\n";
    assert_eq!(container.run(&["cat", "/etc/passwd"]), expected);
    assert_eq!(container.run(&["cat", "/etc/group"]), "root:x:0:\napp:x:1000:\n");
    assert_eq!(container.run(&["id"]), "uid=1000(app) gid=1000(app) groups=1000(app)\n");
    assert_eq!(container.run(&["pwd"]), "/work\n");
    assert_eq!(
        container.stat(&["/home/app", "/work"]),
        ["/home/app 755 1000:1000 directory", "/work 755 0:0 directory"]
    );
}

#[test]
fn dirs_are_made_or_changed_where_they_are() {
    let sandbox = Sandbox::new();
    sandbox.spec(&on_base(
        r#"
[[users]]
name = "app"
uid = 1001
home = "/srv/home"
[[dirs]]
path = "/workspace/deep"
owner = "app"
[[dirs]]
path = "/opt/base"
mode = "0700"
[[dirs]]
path = "/home/node"
owner = "app"
[[dirs]]
path = "/var/run/secret"
mode = "3770"
owner = "node:staff"
[[dirs]]
path = "/srv/home"
mode = "0700"
owner = "app"
"#,
    ));
    let container = Container::build(&sandbox);
    assert_eq!(
        container.stat(&[
            "/workspace",
            "/workspace/deep",
            "/opt/base",
            "/home/node",
            "/run/secret",
            "/srv/home",
            "/var/run"
        ]),
        [
            "/workspace 755 0:0 directory",
            "/workspace/deep 755 1001:1001 directory",
            "/opt/base 700 0:0 directory",
            "/home/node 750 1001:1001 directory",
            "/run/secret 3770 1000:50 directory",
            "/srv/home 700 1001:1001 directory",
            "/var/run 777 0:0 symbolic link",
        ]
    );
    // The content of a changed directory is kept.
    assert_eq!(
        container.stat(&["/home/node/.profile"]),
        ["/home/node/.profile 644 1000:1000 regular file"]
    );
}

#[test]
fn a_workdir_that_is_lacking_is_made_and_one_that_a_layer_makes_is_not() {
    let sandbox = Sandbox::new();
    sandbox.write("app/note", "note\n").spec(&on_base(
        "[[layers]]\nname = \"app\"\nfiles = [{ from = \"app\", to = \"/app\", dir-mode = \"0711\", owner = \"node\" }]\n\
         [config]\nworkdir = \"/app\"\n",
    ));
    let container = Container::build(&sandbox);
    assert_eq!(container.run(&["pwd"]), "/app\n");
    assert_eq!(container.stat(&["/app"]), ["/app 711 1000:1000 directory"]);
    sandbox.spec(&on_base("[config]\nworkdir = \"/var/run/lacking\"\n"));
    let container = Container::build(&sandbox);
    assert_eq!(container.stat(&["/run/lacking"]), ["/run/lacking 755 0:0 directory"]);
}
