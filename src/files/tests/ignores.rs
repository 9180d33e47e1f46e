//! Ignore files.

use super::*;

#[test]
fn gitignore_rules_hold_from_the_directory_of_the_spec_down() {
    let lines = "# comment\n*.log\n!keep.log\n/build/\nnode_modules\ndeep/*.tmp\n";
    let fixture = Fixture::with(&[
        "src/a.log",
        "src/keep.log",
        "src/build/x",
        "build/y",
        "src/node_modules/m/keep.log",
        "deep/x.tmp",
        "deep/er/y.tmp",
    ])
    .ignoring(".ocitectignore", lines);
    let expected = [
        "deep/",
        "deep/er/",
        "deep/er/y.tmp",
        "src/",
        "src/build/",
        "src/build/x",
        "src/keep.log",
    ];
    assert_eq!(fixture.paths("."), expected);
    assert_eq!(fixture.paths("src"), ["build/", "build/x", "keep.log"]);
    assert_eq!(fixture.paths("src/*.log"), ["keep.log"]);
}

#[test]
fn what_from_names_is_packed_all_the_same() {
    let fixture = Fixture::with(&["dist/app", "dist/app.log"]).ignoring(".ocitectignore", "dist\n*.log\n");
    assert_eq!(fixture.paths("dist"), ["app"]);
    assert_eq!(fixture.paths("dist/app.log"), [""]);
    let error = fixture.list(&fixture.entry("d*")).unwrap_err();
    assert!(matches!(error, FilesError::NothingLeft { .. }), "{error}");
    assert!(help(&error).contains("ignore file"));
}

#[test]
fn rules_do_not_reach_outside_of_the_directory_of_the_spec() {
    let mut fixture = Fixture::with(&["spec/a.log", "spec/b", "other/a.log"]);
    fixture.write("spec/.ocitectignore", b"*.log\n");
    let file = IgnoreFile {
        path: fixture.path("spec/.ocitectignore"),
        required: false,
    };
    fixture.ignore = IgnoreRules::load(&file, &fixture.path("spec")).unwrap();
    assert_eq!(fixture.paths("other"), ["a.log"]);
    assert_eq!(
        fixture.paths("."),
        ["other/", "other/a.log", "spec/", "spec/.ocitectignore", "spec/b"]
    );
    std::os::unix::fs::symlink("spec", fixture.path("alias")).unwrap();
    assert_eq!(fixture.paths("alias"), [".ocitectignore", "b"]);
}

#[test]
fn docker_rules_are_anchored_and_the_last_match_wins() {
    let lines = "\u{feff}# comment\n  /logs/  \n*.md\n!README.md\nvendor\n!vendor/keep/**\n**/*.tmp\n";
    let fixture = Fixture::with(&[
        "logs/x",
        "sub/logs/x",
        "README.md",
        "NEWS.md",
        "sub/NEWS.md",
        "vendor/drop/x",
        "vendor/keep/x",
        "sub/a.tmp",
        "a.tmp",
    ])
    .ignoring("my.dockerignore", lines);
    let expected = [
        "README.md",
        "sub/",
        "sub/NEWS.md",
        "sub/logs/",
        "sub/logs/x",
        "vendor/",
        "vendor/keep/",
        "vendor/keep/x",
    ];
    assert_eq!(fixture.paths("."), expected);
}

#[test]
fn docker_patterns_have_their_own_wildcards() {
    let paths = ["a.log", "x/y/b.log", "x/keep", "tmp1/f", "tmp/x/f", "{a,b}"];
    let listed = |lines| Fixture::with(&paths).ignoring(".dockerignore", lines).paths(".");
    assert_eq!(
        listed("**.log\n"),
        [
            "tmp/", "tmp/x/", "tmp/x/f", "tmp1/", "tmp1/f", "x/", "x/keep", "x/y/", "{a,b}"
        ]
    );
    assert_eq!(listed("x/**\ntmp?\n./tmp/../tmp/x\n{a,b}\n"), ["a.log", "tmp/", "x/"]);
    assert_eq!(listed("*\n!x/keep\n"), ["x/", "x/keep"]);
    assert_eq!(listed(".\n/\n!\n../x\n").len(), 11);
    assert_eq!(listed("**\n!**/f\n"), ["tmp/", "tmp/x/", "tmp/x/f", "tmp1/", "tmp1/f"]);
}

#[test]
fn an_ignore_file_that_is_named_must_be_there() {
    let fixture = Fixture::new();
    let load = |required| {
        IgnoreRules::load(
            &IgnoreFile {
                path: fixture.path("none"),
                required,
            },
            fixture.directory.path(),
        )
    };
    assert!(load(false).is_ok());
    let error = load(true).unwrap_err();
    assert_eq!(error.error_kind(), ErrorKind::Input);
    assert!(help(&error).contains("ignore-file"));
}

#[test]
fn bad_ignore_files_are_errors() {
    let load = |name: &str, content: &[u8]| {
        let fixture = Fixture::new();
        fixture.write(name, content);
        let file = IgnoreFile {
            path: fixture.path(name),
            required: true,
        };
        IgnoreRules::load(&file, fixture.directory.path())
            .map(|_| ())
            .unwrap_err()
    };
    let error = load(".ocitectignore", b"ok\na[z-a]\n");
    assert!(error.to_string().contains(".ocitectignore:2: "), "{error}");
    assert!(
        load(".dockerignore", b"a[z-a]\n")
            .to_string()
            .contains(".dockerignore:1: ")
    );
    assert!(matches!(load(".ocitectignore", b"\xff"), FilesError::IgnoreFile { .. }));
    assert!(matches!(
        load(".ocitectignore", &vec![b'a'; 1024 * 1024 + 1]),
        FilesError::IgnoreFile { .. }
    ));
}

#[test]
fn a_dockerignore_that_is_not_read_says_what_it_would_leave_out() {
    let fixture = Fixture::with(&["app/.env", "app/lib/x.env", "app/main", "dist/out"]);
    fixture.write(".dockerignore", b"**/*.env\ndist\napp/lib\n!app/lib/x.env\n");
    let unread = UnreadDockerignore::find(&IgnoreRules::default(), fixture.directory.path()).unwrap();
    let found = |from: &str| unread.not_left_out(&fixture.list(&fixture.entry(from)).unwrap());
    assert_eq!(
        found("app"),
        NotLeftOut {
            count: 1,
            first: Some(fixture.path("app/.env"))
        }
    );
    assert_eq!(
        found("app/*"),
        NotLeftOut {
            count: 1,
            first: Some(fixture.path("app/.env"))
        }
    );
    assert_eq!(
        found("."),
        NotLeftOut {
            count: 2,
            first: Some(fixture.path("./app/.env"))
        }
    );
    // A path that `from` names is packed, as with an ignore file that is read.
    assert_eq!(found("dist"), NotLeftOut::default());
    assert_eq!(found("app/.env"), NotLeftOut::default());
}

#[test]
fn a_dockerignore_says_nothing_beside_another_ignore_file() {
    let fixture = Fixture::with(&["a.log"]).ignoring(".ocitectignore", "*.log\n");
    fixture.write(".dockerignore", b"*\n");
    assert!(UnreadDockerignore::find(&fixture.ignore, fixture.directory.path()).is_none());
    assert!(UnreadDockerignore::find(&IgnoreRules::default(), &fixture.path("nowhere")).is_none());
    fixture.write(".dockerignore", b"[\n");
    assert!(UnreadDockerignore::find(&IgnoreRules::default(), fixture.directory.path()).is_none());
}
