//! Destinations, modes, owners, parents and conflicts.

use super::*;

#[test]
fn a_directory_gives_its_contents_with_modes_by_rule() {
    let plan = planned(vec![layer("app").directory(
        "src/",
        "/app/src",
        &["d bin", "x bin/run", "f lib.py", "l now -> bin/run"],
    )]);
    let expected = [
        "d0755 0:0 /app",
        "d0755 0:0 /app/src",
        "d0755 0:0 /app/src/bin",
        "f0755 0:0 /app/src/bin/run",
        "f0644 0:0 /app/src/lib.py",
        "l0777 0:0 /app/src/now -> bin/run",
    ];
    assert_eq!(last(&plan), expected);
}

#[test]
fn files_and_globs_go_where_they_should() {
    let plan = planned(vec![
        layer("app")
            .file("dist/tool", "/opt/renamed")
            .file("dist/tool", "/opt/")
            .file("dist/tool", "/")
            .files(
                "lib/*.so",
                "/usr/local/lib/",
                ListedRoot::Glob,
                &["f a.so", "d sub", "f sub/b.so"],
                Ownership::default(),
            ),
    ]);
    let expected = [
        "d0755 0:0 /opt",
        "f0644 0:0 /opt/renamed",
        "f0644 0:0 /opt/tool",
        "f0644 0:0 /tool",
        "d0755 0:0 /usr",
        "d0755 0:0 /usr/local",
        "d0755 0:0 /usr/local/lib",
        "f0644 0:0 /usr/local/lib/a.so",
        "d0755 0:0 /usr/local/lib/sub",
        "f0644 0:0 /usr/local/lib/sub/b.so",
    ];
    assert_eq!(last(&plan), expected);
}

#[test]
fn parents_keep_what_the_image_has() {
    let plan = planned(vec![
        layer("app")
            .ownership(owned_by("5:6"))
            .file("a", "/tmp/a")
            .file("b", "/home/node/b")
            .file("c", "/new/c"),
    ]);
    let expected = [
        "d0755 0:0 /home",
        "d0750 1000:1000 /home/node",
        "f0644 5:6 /home/node/b",
        "d0755 0:0 /new",
        "f0644 5:6 /new/c",
        "d1777 0:0 /tmp",
        "f0644 5:6 /tmp/a",
    ];
    assert_eq!(last(&plan), expected);
}

#[test]
fn xattrs_of_parents_are_carried() {
    let mut base = base();
    let mut tree = tree(BASE);
    let xattrs = BTreeMap::from([(b"user.x".to_vec(), b"1".to_vec())]);
    let node = Node {
        xattrs: Some(Box::new(xattrs.clone())),
        ..tree.node(&path("/tmp")).unwrap().clone()
    };
    tree.insert(path("/tmp"), node);
    base.tree = Arc::new(tree);
    let plan = plan(with_layers(input(Some(base)), vec![layer("app").file("a", "/tmp/a")])).unwrap();
    assert_eq!(plan.layers[0].entries[0].xattrs, xattrs);
}

#[test]
fn attributes_of_the_machine_that_a_base_was_made_on_are_not_written_again() {
    let foreign = [
        "trusted.overlay.opaque",
        "user.overlay.opaque",
        "security.selinux",
        "system.nfs4_acl",
    ];
    let own = ["security.capability", "system.posix_acl_default", "user.x"];
    let xattrs = foreign
        .iter()
        .chain(&own)
        .map(|name| (name.as_bytes().to_vec(), b"1".to_vec()))
        .collect();
    let mut tree = tree(BASE);
    for at in ["/home/node", "/etc/passwd"] {
        let node = Node {
            xattrs: Some(Box::new(BTreeMap::clone(&xattrs))),
            ..tree.node(&path(at)).unwrap().clone()
        };
        tree.insert(path(at), node);
    }
    let base = BaseImage {
        tree: Arc::new(tree),
        ..base()
    };
    let mut input = with_layers(input(Some(base)), vec![layer("app").file("a", "/home/node/a")]);
    let directory = crate::spec::DirSpec {
        path: "/home/node".to_owned(),
        owner: None,
        mode: Some(0o711),
        place: place(9),
    };
    input.platform_spec.dirs.push(directory);
    let plan = plan(input).unwrap();
    let written = plan
        .layers
        .iter()
        .flat_map(|layer| &layer.entries)
        .filter(|entry| entry.path == path("/home/node"));
    let names: Vec<Vec<&[u8]>> = written
        .map(|entry| entry.xattrs.keys().map(Vec::as_slice).collect())
        .collect();
    let own: Vec<&[u8]> = own.iter().map(|name| name.as_bytes()).collect();
    assert_eq!(names, [own.clone(), own]);
}

#[test]
fn existing_directories_change_only_where_the_entry_itself_says_so() {
    let items = ["d node", "f node/x"];
    let mode = |dir_mode: u32| Ownership {
        dir_mode: Some(dir_mode),
        ..Ownership::default()
    };
    let cascade = Ownership {
        mode: Some(0o600),
        dir_mode: Some(0o700),
        ..owned_by("9")
    };
    for (own, expected) in [
        (
            Ownership::default(),
            [
                "d0755 0:0 /home",
                "d0750 1000:1000 /home/node",
                "f0600 9:9 /home/node/x",
            ],
        ),
        (
            mode(0o711),
            [
                "d0711 0:0 /home",
                "d0711 1000:1000 /home/node",
                "f0600 9:9 /home/node/x",
            ],
        ),
        (
            owned_by("7:8"),
            ["d0755 7:8 /home", "d0750 7:8 /home/node", "f0600 7:8 /home/node/x"],
        ),
    ] {
        let layer = layer("app")
            .ownership(cascade.clone())
            .files("h/", "/home", ListedRoot::Directory, &items, own);
        assert_eq!(last(&planned(vec![layer])), expected);
    }
    let new = layer("app").ownership(cascade).directory("s/", "/srv", &["d x"]);
    assert_eq!(last(&planned(vec![new])), ["d0700 9:9 /srv", "d0700 9:9 /srv/x"]);
}

#[test]
fn owners_are_looked_up_and_bring_their_group() {
    for (text, expected) in [
        ("node", "f0644 1000:1000 /x"),
        ("node:staff", "f0644 1000:50 /x"),
        ("7", "f0644 7:7 /x"),
        ("7:staff", "f0644 7:50 /x"),
        ("root:9", "f0644 0:9 /x"),
    ] {
        assert_eq!(
            last(&planned(vec![layer("app").ownership(owned_by(text)).file("x", "/x")])),
            [expected]
        );
    }
    let error = failure(vec![layer("app").ownership(owned_by("nod")).file("x", "/x")]);
    assert_eq!(
        error.to_string(),
        "unknown user \"nod\" (owner of \"x\" (ocitect.toml:1:1)): it is in neither the spec nor the base"
    );
    assert!(error.help().unwrap().contains("node, root"), "{:?}", error.help());
}

#[test]
fn kept_modes_go_before_the_cascade_and_that_before_the_rule() {
    let own = Ownership {
        mode: Some(0o640),
        dir_mode: Some(0o750),
        owner: None,
    };
    let items = ["d a", "d:2775 b", "f c", "f:4755 d", "x e", "l f -> g"];
    let layer = layer("app").files("t.tar", "/t", ListedRoot::Directory, &items, own);
    let expected = [
        "d0750 0:0 /t",
        "d0750 0:0 /t/a",
        "d2775 0:0 /t/b",
        "f0640 0:0 /t/c",
        "f4755 0:0 /t/d",
        "f0640 0:0 /t/e",
        "l0777 0:0 /t/f -> g",
    ];
    assert_eq!(last(&planned(vec![layer])), expected);
}

#[test]
fn links_of_the_image_are_followed_and_never_written() {
    let plan = planned(vec![
        layer("app")
            .file("x", "/lib/x")
            .directory(
                "root/",
                "/",
                &["d bin", "f bin/tool", "d lib", "d lib/deep", "f lib/deep/y"],
            )
            .directory("z/", "/lib", &["f z"]),
    ]);
    let expected = [
        "d0755 0:0 /usr",
        "d0755 0:0 /usr/bin",
        "f0644 0:0 /usr/bin/tool",
        "d0755 0:0 /usr/lib",
        "d0755 0:0 /usr/lib/deep",
        "f0644 0:0 /usr/lib/deep/y",
        "f0644 0:0 /usr/lib/x",
        "f0644 0:0 /usr/lib/z",
    ];
    assert_eq!(last(&plan), expected);
}

#[test]
fn links_of_layers_below_are_followed_too() {
    let plan = planned(vec![
        layer("one").link("/data", "/srv/data"),
        layer("two").file("x", "/data/x"),
    ]);
    assert_eq!(
        last(&plan),
        ["d0755 0:0 /srv", "d0755 0:0 /srv/data", "f0644 0:0 /srv/data/x"]
    );
}

#[test]
fn a_file_replaces_a_link_and_a_link_a_file() {
    let plan = planned(vec![layer("app").file("x", "/bin").link("/usr/bin/env", "busybox")]);
    assert_eq!(
        last(&plan),
        [
            "f0644 0:0 /bin",
            "d0755 0:0 /usr",
            "d0755 0:0 /usr/bin",
            "l0777 0:0 /usr/bin/env -> busybox"
        ]
    );
}

#[test]
fn a_layer_keeps_what_a_layer_below_made() {
    let own = Ownership {
        dir_mode: Some(0o700),
        ..owned_by("node")
    };
    let plan = planned(vec![
        layer("one").files("a/", "/app", ListedRoot::Directory, &["f x"], own),
        layer("two").directory("b/", "/app", &["f x", "f y"]),
    ]);
    assert_eq!(
        last(&plan),
        ["d0700 1000:1000 /app", "f0644 0:0 /app/x", "f0644 0:0 /app/y"]
    );
}

#[test]
fn equal_entries_are_one_and_different_ones_an_error() {
    let plan = planned(vec![layer("app").directory("a/", "/app", &["f x"]).directory(
        "a/",
        "/app",
        &["f x"],
    )]);
    assert_eq!(last(&plan), ["d0755 0:0 /app", "f0644 0:0 /app/x"]);
    let error = failure(vec![layer("app").directory("a/", "/app", &["f x"]).directory(
        "b/",
        "/app",
        &["f x"],
    )]);
    assert_eq!(
        error.to_string(),
        "layer \"app\": /app/x is provided by both a/x and b/x, with different content"
    );
    let both = layer("app").files("a/", "/app", ListedRoot::Directory, &["f x"], owned_by("1"));
    let error = failure(vec![both.directory("b/", "/app", &[])]);
    assert_eq!(
        error.to_string(),
        "layer \"app\": /app is provided by both \"a/\" (ocitect.toml:1:1) and \"b/\" (ocitect.toml:2:1), with \
         different owner"
    );
    let error = failure(vec![layer("app").file("a", "/x").link("/x", "a")]);
    assert!(
        matches!(error, PlanError::Conflict { difference: "kind", .. }),
        "{error}"
    );
}

#[test]
fn paths_that_meet_through_links_conflict() {
    let error = failure(vec![layer("app").file("a", "/lib/x").file("b", "/usr/lib/x")]);
    assert!(
        matches!(
            error,
            PlanError::Conflict {
                difference: "content",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn an_entry_made_only_as_a_parent_gives_way() {
    let own = || Ownership {
        dir_mode: Some(0o700),
        ..owned_by("3")
    };
    let first = layer("app")
        .file("x", "/app/x")
        .files("a/", "/app", ListedRoot::Directory, &[], own());
    let second = layer("app")
        .files("a/", "/app", ListedRoot::Directory, &[], own())
        .file("x", "/app/x");
    for layer in [first, second] {
        assert_eq!(last(&planned(vec![layer])), ["d0700 3:3 /app", "f0644 0:0 /app/x"]);
    }
}

#[test]
fn a_file_over_a_directory_is_an_error() {
    for layer in [
        layer("app").file("x", "/tmp"),
        layer("app").link("/usr/share", "x"),
        layer("app").directory("r/", "/", &["f etc"]),
        layer("app").link("/", "x"),
    ] {
        let error = failure(vec![layer]);
        assert!(matches!(error, PlanError::FileOverDirectory { .. }), "{error}");
    }
    let error = failure(vec![layer("app").file("x", "/tmp")]);
    assert_eq!(
        error.to_string(),
        "layer \"app\": cannot write x to /tmp: a directory already exists there"
    );
    assert!(error.help().unwrap().contains("remove = [\"/tmp\"]"));
}

#[test]
fn a_directory_over_a_file_is_an_error() {
    let error = failure(vec![layer("app").directory("r/", "/usr/bin", &["d env"])]);
    assert_eq!(
        error.to_string(),
        "layer \"app\": cannot create the directory r/env at /usr/bin/env: a file already exists there"
    );
    let error = failure(vec![layer("app").file("x", "/usr/bin/env/x")]);
    assert!(matches!(error, PlanError::Unresolved { .. }), "{error}");
    assert!(error.help().unwrap().contains("remove = [\"/usr/bin/env\"]"));
}

#[test]
fn a_file_or_link_of_the_same_layer_is_no_parent() {
    for layer in [
        layer("app").file("a", "/x").file("b", "/x/y/z"),
        layer("app").file("b", "/x/y/z").link("/x", "/tmp"),
    ] {
        let error = failure(vec![layer]);
        assert!(matches!(error, PlanError::ParentNotDirectory { .. }), "{error}");
    }
}

#[test]
fn loops_and_paths_that_leave_the_root_are_errors() {
    let error = failure(vec![layer("app").file("x", "/bad/a/x")]);
    assert_eq!(error.to_string(), "layer \"app\": cannot write x to the image");
    assert!(
        std::error::Error::source(&error)
            .unwrap()
            .to_string()
            .contains("more than 40 symbolic links")
    );
    for layer in [
        layer("app").file("x", "/a/../../b"),
        layer("app").link("/..", "x"),
        layer("app").remove(&["/../etc"]),
    ] {
        let error = failure(vec![layer]);
        assert!(matches!(error, PlanError::Path { .. }), "{error}");
        assert!(
            std::error::Error::source(&error)
                .unwrap()
                .to_string()
                .ends_with("points outside of the image")
        );
    }
    let long = format!("/{}", "x".repeat(4000));
    let error = failure(vec![layer("app").directory(
        "d/",
        &long,
        &[&format!("f {}", "y".repeat(100))],
    )]);
    assert!(matches!(error, PlanError::Path { .. }), "{error}");
}

#[test]
fn names_of_whiteouts_are_refused_wherever_they_come_from() {
    for layer in [
        layer("app").directory("a/", "/app", &["f .wh.x"]),
        layer("app").directory("a/", "/app", &["d .wh..wh..opq"]),
        layer("app").directory("a/", "/.wh.app", &[]),
        layer("app").file("a", "/x/.wh.y/z"),
        layer("app").file(".wh.a", "/x/"),
        layer("app").link("/.wh.tmp", "x"),
    ] {
        let error = failure(vec![layer]);
        assert!(matches!(error, PlanError::WhiteoutName { .. }), "{error}");
    }
}

#[test]
fn a_layer_without_entries_is_left_out() {
    let plan = planned(vec![layer("nothing"), layer("app").file("x", "/x")]);
    assert_eq!(plan.layers.len(), 1);
    assert_eq!(plan.warnings, ["layer \"nothing\" has no entries and is skipped"]);
}

#[test]
fn listings_that_do_not_match_the_spec_are_a_failure_of_our_own() {
    let mut input = with_layers(input(None), vec![layer("app").file("x", "/x")]);
    input.listings[0].clear();
    let error = plan(input).unwrap_err();
    assert_eq!(error.to_string(), "expected 1 listings of a layer, found 0");
    assert_eq!(error.error_kind(), crate::model::ErrorKind::Local);
}

#[test]
fn names_that_are_not_utf8_are_kept_and_shown_escaped() {
    let mut layer = layer("app").directory("a/", "/app", &["f x"]);
    layer.listings[0].items[0].path = EntryPath::new(b"\xff\n").unwrap();
    let plan = planned(vec![layer]);
    assert_eq!(plan.layers[0].entries[1].path.as_bytes(), b"app/\xff\n");
    assert_eq!(plan.to_json()["layers"][0]["entries"][1]["path"], "/app/\\xff\\n");
}
