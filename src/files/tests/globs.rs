//! `from` as a glob.

use super::*;
use crate::model::ListedRoot;

fn tree() -> Fixture {
    Fixture::with(&[
        "dist/amd64/bin/app",
        "dist/amd64/doc/readme.md",
        "dist/arm64/bin/app",
        "dist/arm64/bin/.hidden",
        "dist/.cache/bin/app",
        "dist/top.md",
        "dist/a[1].md",
        "dist/b{c}.md",
    ])
}

#[test]
fn a_glob_gives_what_it_matches_with_paths_below_its_fixed_part() {
    let fixture = tree();
    let listing = fixture.list(&fixture.entry("dist/*/bin")).unwrap();
    assert_eq!(listing.root, ListedRoot::Glob);
    let expected = [
        ".cache/bin/",
        ".cache/bin/app",
        "amd64/bin/",
        "amd64/bin/app",
        "arm64/bin/",
        "arm64/bin/.hidden",
        "arm64/bin/app",
    ];
    assert_eq!(shown(&listing), expected);
    assert_eq!(
        fixture.paths("dist/a*64/bin/*"),
        ["amd64/bin/app", "arm64/bin/.hidden", "arm64/bin/app"]
    );
    assert_eq!(fixture.paths("dist/a?d64/bin/app"), ["amd64/bin/app"]);
    assert_eq!(fixture.paths("dist/[ab]r[!a-l]64/bin/app"), ["arm64/bin/app"]);
}

/// Returns the listing of `from` with a `to` that does not end in a slash.
fn at_one_name(
    fixture: &Fixture,
    from: &str,
    change: impl Fn(FilesEntry) -> FilesEntry,
) -> Result<Listing, FilesError> {
    fixture.list(&change(FilesEntry {
        to: "/app.jar".to_owned(),
        ..fixture.entry(from)
    }))
}

#[test]
fn one_file_that_a_glob_matches_becomes_to() {
    let fixture = Fixture::with(&[
        "target/app-1.0.jar",
        "target/notes.txt",
        "target/lib/deep/a.jar",
        "target/b/deep/",
    ]);
    for (from, name) in [
        ("target/*.jar", "app-1.0.jar"),
        ("target/app-?.?.jar", "app-1.0.jar"),
        ("target/l[i]b/deep/a.jar", "a.jar"),
        ("target/*/*/*.jar", "a.jar"),
        ("*/app-1.0.jar", "app-1.0.jar"),
    ] {
        let listing = at_one_name(&fixture, from, |entry| entry).unwrap();
        assert_eq!(
            listing.root,
            ListedRoot::File {
                name: name.as_bytes().to_vec()
            },
            "{from}"
        );
        assert_eq!(shown(&listing), [""], "{from}");
        assert_eq!(
            fixture.list(&fixture.entry(from)).unwrap().root,
            ListedRoot::Glob,
            "{from}"
        );
    }
    fixture.write("target/other-2.0.jar", b"x");
    let narrowed = at_one_name(&fixture, "target/*.jar", |entry| FilesEntry {
        exclude: strings(&["other*"]),
        ..entry
    });
    assert_eq!(
        narrowed.unwrap().root,
        ListedRoot::File {
            name: b"app-1.0.jar".to_vec()
        }
    );
    let executable = at_one_name(&fixture, "target/app*", |entry| FilesEntry {
        executable: strings(&["*"]),
        ..entry
    });
    assert_eq!(shown(&executable.unwrap()), ["*"]);
    std::os::unix::fs::symlink("app-1.0.jar", fixture.path("target/latest")).unwrap();
    assert_eq!(
        shown(&at_one_name(&fixture, "target/late*", |entry| entry).unwrap()),
        [" -> app-1.0.jar"]
    );
}

#[test]
fn several_files_for_one_name_are_an_error_that_lists_them() {
    let fixture = Fixture::with(&["target/a.jar", "target/b.jar", "many/"]);
    for from in ["target/*.jar", "*/?.jar", "target/*"] {
        let error = at_one_name(&fixture, from, |entry| entry).unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains("matches 2 files") && said.contains("/app.jar") && said.contains("b.jar"),
            "{said}"
        );
        assert!(help(&error).contains("end `to` with a slash"), "{}", help(&error));
        assert_eq!(error.error_kind(), ErrorKind::Input);
    }
    for number in 0..30 {
        fixture.write(&format!("many/{number:02}"), b"x");
    }
    let said = at_one_name(&fixture, "many/*", |entry| entry).unwrap_err().to_string();
    assert!(said.contains("08, 09, and 20 more") && !said.contains("10,"), "{said}");
}

#[test]
fn directories_and_two_stars_go_below_to_whatever_it_ends_in() {
    let fixture = Fixture::with(&["dist/one/a.jar", "dist/one/b.jar", "dist/c.jar"]);
    for from in ["dist/*", "dist/o*", "dist/*/", "dist/**", "dist/**/c.jar", "**/*.jar"] {
        let listing = at_one_name(&fixture, from, |entry| entry).unwrap();
        assert_eq!(listing.root, ListedRoot::Glob, "{from}");
        assert_eq!(shown(&listing), fixture.paths(from), "{from}");
    }
}

#[test]
fn two_stars_match_any_depth() {
    let fixture = tree();
    assert_eq!(
        fixture.paths("dist/**/*.md"),
        ["a[1].md", "amd64/doc/readme.md", "b{c}.md", "top.md"]
    );
    assert_eq!(
        fixture.paths("dist/**/bin/app"),
        [".cache/bin/app", "amd64/bin/app", "arm64/bin/app"]
    );
    assert_eq!(fixture.paths("dist/**").len(), fixture.paths("dist").len());
    assert_eq!(fixture.paths("dist/**/**/readme.md"), ["amd64/doc/readme.md"]);
    assert_eq!(fixture.paths("**/top.md"), ["dist/top.md"]);
}

#[test]
fn a_final_slash_matches_directories_alone() {
    let fixture = tree();
    let paths = fixture.paths("dist/*/");
    assert!(
        paths.contains(&"amd64/".to_owned()) && !paths.contains(&"top.md".to_owned()),
        "{paths:?}"
    );
}

#[test]
fn what_exists_as_it_is_written_is_no_glob_and_braces_are_literal() {
    let fixture = tree();
    let listing = fixture.list(&fixture.entry("dist/a[1].md")).unwrap();
    assert_eq!(
        listing.root,
        ListedRoot::File {
            name: b"a[1].md".to_vec()
        }
    );
    assert_eq!(fixture.paths("dist/?{c}.md"), ["b{c}.md"]);
    assert!(fixture.list(&fixture.entry("dist/{top,a}*.md")).is_err());
}

#[test]
fn links_below_a_glob_are_not_followed() {
    let fixture = tree();
    std::os::unix::fs::symlink("amd64", fixture.path("dist/latest")).unwrap();
    assert_eq!(fixture.paths("dist/l*"), ["latest -> amd64"]);
    assert!(matches!(
        fixture.list(&fixture.entry("dist/l*/bin")),
        Err(FilesError::NothingMatches { .. })
    ));
    assert_eq!(fixture.paths("dist/latest/b*"), ["bin/", "bin/app"]);
}

#[test]
fn a_glob_may_begin_above_the_spec_or_at_the_root() {
    let fixture = Fixture::with(&["spec/", "other/x.whl", "other/y.txt"]);
    let from = From::Disk {
        directory: fixture.path("spec"),
        pattern: "../other/*.whl".to_owned(),
    };
    assert_eq!(
        shown(
            &fixture
                .list(&FilesEntry {
                    from,
                    ..fixture.entry("x")
                })
                .unwrap()
        ),
        ["x.whl"]
    );
    assert_eq!(
        fixture.paths(&format!("{}/*.txt", fixture.path("other").display())),
        ["y.txt"]
    );
    assert_eq!(fixture.paths("/etc/pass[w]d"), ["passwd"]);
}

#[test]
fn a_glob_that_matches_nothing_or_makes_no_sense_is_an_error() {
    let fixture = tree();
    let error = fixture.list(&fixture.entry("dist/*.whl")).unwrap_err();
    assert!(matches!(error, FilesError::NothingMatches { .. }), "{error}");
    assert!(
        help(&error).contains("dist contains .cache, a[1].md, amd64, arm64, b{c}.md, top.md"),
        "{}",
        help(&error)
    );
    assert!(matches!(
        fixture.list(&fixture.entry("no/*.whl")),
        Err(FilesError::NothingMatches { .. })
    ));
    assert!(matches!(
        fixture.list(&fixture.entry("dist/top.md/*")),
        Err(FilesError::NothingMatches { .. })
    ));
    assert!(matches!(
        fixture.list(&fixture.entry("dist/*/../x")),
        Err(FilesError::Pattern { .. })
    ));
    assert!(matches!(
        fixture.list(&fixture.entry("dist/[a")),
        Err(FilesError::Pattern { .. })
    ));
}
