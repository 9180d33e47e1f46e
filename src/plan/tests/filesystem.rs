//! Users, groups, directories and the working directory.

use super::*;
use crate::spec::{DirSpec, Group, User};

fn user(name: &str, uid: u64) -> User {
    User {
        name: name.to_owned(),
        uid,
        gid: uid,
        group: name.to_owned(),
        home: format!("/home/{name}"),
        shell: "/bin/sh".to_owned(),
        place: place(10),
    }
}

fn group(name: &str, gid: u64, members: &[&str]) -> Group {
    let members = members.iter().map(|member| (*member).to_owned()).collect();
    Group {
        name: name.to_owned(),
        gid,
        members,
        place: place(20),
    }
}

fn dir(path: &str, owner_text: Option<&str>, mode: Option<u32>) -> DirSpec {
    DirSpec {
        path: path.to_owned(),
        owner: owner_text.map(owner),
        mode,
        place: place(30),
    }
}

fn accounts(base: Option<BaseImage>, users: Vec<User>, groups: Vec<Group>) -> Result<BuildPlan, PlanError> {
    let mut input = input(base);
    input.platform_spec.users = users;
    input.platform_spec.groups = groups;
    plan(input)
}

fn text(plan: &BuildPlan, at: &str) -> String {
    let entry = plan.layers[0]
        .entries
        .iter()
        .find(|entry| entry.path == path(at))
        .unwrap();
    match &entry.kind {
        EntryKind::File {
            content: Content::Bytes(bytes),
            size_bytes,
        } if bytes.len() as u64 == *size_bytes => String::from_utf8(bytes.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn new_accounts_follow_the_bases_and_keep_the_files_attributes() {
    let plan = accounts(
        Some(base()),
        vec![user("app", 1001)],
        vec![group("data", 70, &["app", "node"])],
    )
    .unwrap();
    assert_eq!(plan.layers[0].name, "filesystem");
    let expected = [
        "d0755 0:0 /etc",
        "f0640 0:42 /etc/group",
        "f0600 7:7 /etc/passwd",
        "d0755 0:0 /home",
        "d0755 1001:1001 /home/app",
    ];
    assert_eq!(last(&plan), expected);
    assert_eq!(
        text(&plan, "/etc/passwd"),
        format!("{PASSWD}\napp:*:1001:1001::/home/app:/bin/sh\n")
    );
    assert_eq!(
        text(&plan, "/etc/group"),
        format!("{GROUP}data:x:70:app,node\napp:x:1001:\n")
    );
}

#[test]
fn scratch_gets_root_first() {
    let plan = accounts(None, vec![user("app", 1001)], Vec::new()).unwrap();
    assert_eq!(
        text(&plan, "/etc/passwd"),
        "root:*:0:0:root:/root:/bin/sh\napp:*:1001:1001::/home/app:/bin/sh\n"
    );
    assert_eq!(text(&plan, "/etc/group"), "root:x:0:\napp:x:1001:\n");
    assert_eq!(
        last(&plan),
        [
            "d0755 0:0 /etc",
            "f0644 0:0 /etc/group",
            "f0644 0:0 /etc/passwd",
            "d0755 0:0 /home",
            "d0755 1001:1001 /home/app"
        ]
    );
    assert!(accounts(None, Vec::new(), Vec::new()).unwrap().layers.is_empty());
}

#[test]
fn equal_accounts_are_left() {
    let node = User {
        shell: "/bin/bash".to_owned(),
        ..user("node", 1000)
    };
    let groups = vec![group("staff", 50, &["node"]), group("root", 0, &[])];
    assert!(
        accounts(Some(base()), vec![node.clone()], groups)
            .unwrap()
            .layers
            .is_empty()
    );
    let twice = accounts(Some(base()), vec![user("app", 7), user("app", 7)], Vec::new()).unwrap();
    assert_eq!(text(&twice, "/etc/group"), format!("{GROUP}app:x:7:\n"));
    let staff = User {
        gid: 50,
        group: "staff".to_owned(),
        ..user("app", 7)
    };
    let plan = accounts(Some(base()), vec![staff], Vec::new()).unwrap();
    assert!(
        plan.layers[0]
            .entries
            .iter()
            .all(|entry| entry.path != path("/etc/group"))
    );
}

#[test]
fn taken_names_and_numbers_are_errors() {
    let other_group = |name: &str, gid: u64| User {
        group: name.to_owned(),
        gid,
        ..user("app", 7)
    };
    for (users, groups, message) in [
        (
            vec![user("node", 1000)],
            vec![],
            "the user \"node\" (ocitect.toml:10:1) already exists with shell /bin/bash, not /bin/sh",
        ),
        (
            vec![user("node", 7)],
            vec![],
            "the user \"node\" (ocitect.toml:10:1) already exists with uid 1000, not 7",
        ),
        (
            vec![User {
                uid: 1000,
                ..other_group("app", 7)
            }],
            vec![],
            "the user \"app\" (ocitect.toml:10:1) has the uid 1000, which is used by the user \"node\"",
        ),
        (
            vec![user("a", 7), User { uid: 7, ..user("b", 8) }],
            vec![],
            "the user \"b\" (ocitect.toml:10:1) has the uid 7, which is used by the user \"a\"",
        ),
        (
            vec![other_group("app", 50)],
            vec![],
            "the group \"app\" (ocitect.toml:10:1) has the gid 50, which is used by the group \"staff\"",
        ),
        (
            vec![],
            vec![group("staff", 51, &[])],
            "the group \"staff\" (ocitect.toml:20:1) already exists with the gid 50, not 51",
        ),
        (
            vec![],
            vec![group("staff", 50, &["app"])],
            "the group \"staff\" (ocitect.toml:20:1) already exists with the members \"node\", not \"app\"",
        ),
        (
            vec![user("big", 1 << 32)],
            vec![],
            "the user \"big\" (ocitect.toml:10:1) has the id 4294967296, over the limit of 4294967295",
        ),
        (
            vec![user("a:b", 9)],
            vec![],
            "\"a:b\" (ocitect.toml:10:1) cannot be written to /etc/passwd: it is empty or contains a colon, a comma \
             or a line break",
        ),
        (
            vec![User {
                home: "/x\ny".to_owned(),
                ..user("a", 9)
            }],
            vec![],
            "\"/x\\ny\" (ocitect.toml:10:1) cannot be written to /etc/passwd: it is empty or contains a colon, a \
             comma or a line break",
        ),
    ] {
        assert_eq!(accounts(Some(base()), users, groups).unwrap_err().to_string(), message);
    }
}

#[test]
fn the_specs_users_own_files() {
    let mut input = input(Some(base()));
    input.platform_spec.users = vec![User {
        gid: 50,
        group: "staff".to_owned(),
        ..user("app", 1001)
    }];
    let plan = plan(with_layers(
        input,
        vec![layer("app").ownership(owned_by("app")).file("x", "/home/app/x")],
    ))
    .unwrap();
    let expected = [
        "d0755 0:0 /home",
        "d0755 1001:50 /home/app",
        "f0644 1001:50 /home/app/x",
    ];
    assert_eq!(last(&plan), expected);
}

#[test]
fn account_files_are_found_through_links() {
    let mut base = base();
    base.tree = Arc::new(tree(
        "d0755 0:0 /etc\nl0777 0:0 /etc/passwd -> ../conf/p\nd0700 0:0 /conf\nf0640 0:3 /conf/p",
    ));
    let plan = accounts(Some(base), vec![user("app", 1001)], Vec::new()).unwrap();
    let written = last(&plan);
    assert!(written.contains(&"f0640 0:3 /conf/p".to_owned()), "{written:?}");
    assert!(!written.iter().any(|line| line.contains("/etc/passwd")), "{written:?}");
}

#[test]
fn homes_are_made_unless_there_is_one() {
    let homes = |home: &str| User {
        home: home.to_owned(),
        ..user("app", 1001)
    };
    for home in ["/home/node", "/", "/usr/bin/env"] {
        let plan = accounts(Some(base()), vec![homes(home)], Vec::new()).unwrap();
        assert_eq!(
            last(&plan),
            ["d0755 0:0 /etc", "f0640 0:42 /etc/group", "f0600 7:7 /etc/passwd"]
        );
    }
    let mut input = input(Some(base()));
    input.platform_spec.users = vec![
        homes("/srv/app"),
        User {
            home: "/srv/app".to_owned(),
            ..user("b", 1002)
        },
    ];
    input.platform_spec.dirs = vec![dir("/srv/app", Some("app"), Some(0o700))];
    assert!(last(&plan(input).unwrap()).contains(&"d0700 1001:1001 /srv/app".to_owned()));
}

#[test]
fn dirs_are_made_or_changed_and_left_where_nothing_changes() {
    for (dirs, expected) in [
        (
            vec![dir("/files/a", None, None)],
            vec!["d0755 0:0 /files", "d0755 0:0 /files/a"],
        ),
        (
            vec![dir("/work", Some("node"), Some(0o2770))],
            vec!["d2770 1000:1000 /work"],
        ),
        (vec![dir("/tmp", Some("node"), None)], vec!["d1777 1000:1000 /tmp"]),
        (
            vec![dir("/lib", None, Some(0o711))],
            vec!["d0755 0:0 /usr", "d0711 0:0 /usr/lib"],
        ),
        (
            vec![
                dir("/tmp", None, None),
                dir("/home/node", Some("node"), Some(0o750)),
                dir("/", None, None),
            ],
            vec![],
        ),
    ] {
        let mut input = input(Some(base()));
        input.platform_spec.dirs = dirs;
        let plan = plan(input).unwrap();
        let found = plan
            .layers
            .first()
            .map(|layer| lines(&layer.entries))
            .unwrap_or_default();
        assert_eq!(found, expected);
    }
    let mut input = input(Some(base()));
    input.platform_spec.dirs = vec![dir("/etc/passwd", None, None)];
    assert!(matches!(plan(input).unwrap_err(), PlanError::DirectoryOverFile { .. }));
}

fn with_workdir(workdir: &str, layers: Vec<TestLayer>) -> BuildPlan {
    let mut input = with_layers(input(Some(base())), layers);
    input.config.workdir = Some(workdir.to_owned());
    plan(input).unwrap()
}

#[test]
fn the_working_directory_is_made_where_it_would_be_lacking() {
    let plan = with_workdir("/app/work", vec![layer("app").file("x", "/x")]);
    assert_eq!(
        lines(&plan.layers[0].entries),
        ["d0755 0:0 /app", "d0755 0:0 /app/work"]
    );
    for workdir in ["/", "/home/node", "/bin", "/app", "/app/deep"] {
        let plan = with_workdir(workdir, vec![layer("app").file("x", "/app/deep/x")]);
        assert_eq!(plan.layers.len(), 1, "{workdir}");
    }
}

#[test]
fn the_working_directory_takes_nothing_from_a_layer_that_makes_its_parent() {
    let app = layer("app").files("a/", "/app", ListedRoot::Directory, &["f x"], Ownership::default());
    let plan = with_workdir("/app/work", vec![app.ownership(owned_by("node"))]);
    assert_eq!(
        lines(&plan.layers[0].entries),
        ["d0755 0:0 /app", "d0755 0:0 /app/work"]
    );
    assert_eq!(last(&plan), ["d0755 1000:1000 /app", "f0644 1000:1000 /app/x"]);
}
