//! Files and directories of the disk.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use super::*;
use crate::model::ListedRoot;

#[test]
fn a_directory_gives_its_contents_sorted_by_bytes() {
    let fixture = Fixture::with(&["src/a/x", "src/a-b", "src/a.c", "src/empty/", "src/.hidden"]);
    let listing = fixture.list(&fixture.entry("src/")).unwrap();
    assert_eq!(listing.root, ListedRoot::Directory);
    assert_eq!(shown(&listing), [".hidden", "a/", "a-b", "a.c", "a/x", "empty/"]);
    assert_eq!(fixture.paths("./src/../src"), shown(&listing));
    assert_eq!(fixture.paths(fixture.path("src").to_str().unwrap()), shown(&listing));
}

#[test]
fn an_empty_directory_is_fine() {
    let fixture = Fixture::with(&["empty/"]);
    assert!(fixture.paths("empty").is_empty());
}

#[test]
fn a_file_is_one_item_with_its_stamp_size_and_executable_bit() {
    let fixture = Fixture::with(&["bin/tool"]);
    set_mode(&fixture.path("bin/tool"), 0o4744);
    let listing = fixture.list(&fixture.entry("bin/tool")).unwrap();
    assert_eq!(listing.root, ListedRoot::File { name: b"tool".to_vec() });
    let [item] = &listing.items[..] else {
        panic!("{listing:?}")
    };
    assert!(item.path.is_root() && item.executable && item.kept_mode.is_none() && item.xattrs.is_empty());
    assert!(item.origin_text().ends_with("bin/tool"));
    let metadata = fs::metadata(fixture.path("bin/tool")).unwrap();
    match &item.kind {
        EntryKind::File {
            size_bytes: 8,
            content: Content::Disk(file),
        } => {
            assert_eq!(file.stamp, crate::model::FileStamp::of(&metadata));
            assert_eq!(file.path, fixture.canonical("bin/tool"));
        }
        other => panic!("{other:?}"),
    }
    set_mode(&fixture.path("bin/tool"), 0o611);
    assert!(!fixture.list(&fixture.entry("bin/tool")).unwrap().items[0].executable);
}

#[test]
fn links_are_followed_at_the_source_and_verbatim_below() {
    let fixture = Fixture::with(&["real/file", "real/sub/deep"]);
    symlink("real", fixture.path("alias")).unwrap();
    symlink("real/file", fixture.path("alias-file")).unwrap();
    symlink("../no/such//target", fixture.path("real/dangling")).unwrap();
    symlink("sub", fixture.path("real/link")).unwrap();
    let expected = [
        "dangling -> ../no/such//target",
        "file",
        "link -> sub",
        "sub/",
        "sub/deep",
    ];
    assert_eq!(fixture.paths("alias"), expected);
    let listing = fixture.list(&fixture.entry("alias-file")).unwrap();
    assert_eq!(
        listing.root,
        ListedRoot::File {
            name: b"alias-file".to_vec()
        }
    );
    match content(&listing.items[0]) {
        Content::Disk(file) => assert_eq!(file.path, fixture.canonical("real/file")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn names_are_kept_byte_for_byte_and_shown_escaped() {
    let fixture = Fixture::with(&["src/"]);
    let name = OsStr::from_bytes(b"line\nbreak\xff");
    fs::write(fixture.path("src").join(name), b"").unwrap();
    let listing = fixture.list(&fixture.entry("src")).unwrap();
    assert_eq!(listing.items[0].path.as_bytes(), name.as_bytes());
    assert!(listing.items[0].origin_text().ends_with("line\\nbreak\\xff"));
    assert_eq!(fixture.paths("src/l?ne*"), ["line\\nbreak\\xff"]);
}

#[test]
fn nothing_at_from_is_an_error_that_shows_what_there_is() {
    let fixture = Fixture::with(&["dist/amd64/app", "dist/arm64/app"]);
    let error = fixture.list(&fixture.entry("dist/riscv64/app")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "ocitect.toml:7:3: `from = \"dist/riscv64/app\"` matches nothing"
    );
    assert!(help(&error).ends_with("dist contains amd64, arm64"), "{}", help(&error));
    assert_eq!(error.error_kind(), ErrorKind::Input);
    symlink("gone", fixture.path("dangling")).unwrap();
    let error = fixture.list(&fixture.entry("dangling")).unwrap_err();
    assert!(help(&error).ends_with("is a symbolic link to gone, which does not exist"));
    let error = fixture.list(&fixture.entry("dist/amd64/app/")).unwrap_err();
    assert!(matches!(error, FilesError::NothingMatches { .. }), "{error}");
}

#[test]
fn sockets_and_fifos_are_refused_by_name_unless_they_are_left_out() {
    let fixture = Fixture::with(&["src/a"]);
    let _listener = UnixListener::bind(fixture.path("src/control")).unwrap();
    let error = fixture.list(&fixture.entry("src")).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("src/control is a socket, which cannot be packed"),
        "{error}"
    );
    assert_eq!(
        (error.error_kind(), help(&error)),
        (ErrorKind::Input, "exclude it with `exclude`".to_owned())
    );
    assert!(matches!(
        fixture.list(&fixture.entry("src/control")),
        Err(FilesError::Refused { .. })
    ));
    assert!(matches!(
        fixture.list(&fixture.entry("src/c*")),
        Err(FilesError::Refused { .. })
    ));
    let owner_only = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, fixture.path("src/pipe"), owner_only).unwrap();
    let error = fixture
        .list(&FilesEntry {
            exclude: strings(&["control"]),
            ..fixture.entry("src")
        })
        .unwrap_err();
    assert!(error.to_string().contains("src/pipe is a fifo"), "{error}");
    let exclude = strings(&["control", "pipe"]);
    assert_eq!(
        shown(
            &fixture
                .list(&FilesEntry {
                    exclude,
                    ..fixture.entry("src")
                })
                .unwrap()
        ),
        ["a"]
    );
    let device = fixture.list(&fixture.entry("/dev/null")).unwrap_err();
    assert!(
        device.to_string().contains("/dev/null is a character device"),
        "{device}"
    );
}

#[test]
fn whiteout_names_are_refused() {
    for path in ["src/.wh.gone", "src/.wh.dir/", "src/.wh..wh..opq"] {
        let fixture = Fixture::with(&["src/a", path]);
        let error = fixture.list(&fixture.entry("src")).unwrap_err();
        assert!(matches!(error, FilesError::Whiteout { .. }), "{error}");
        assert!(matches!(
            fixture.list(&fixture.entry("src/.wh*")),
            Err(FilesError::Whiteout { .. })
        ));
    }
    let fixture = Fixture::with(&[".wh.file"]);
    assert!(matches!(
        fixture.list(&fixture.entry(".wh.file")),
        Err(FilesError::Whiteout { .. })
    ));
}

#[test]
fn what_is_never_packed_is_packed_where_it_is_named() {
    let mut fixture = Fixture::with(&["ocitect.toml", "a", ".git/config", "sub/.git", "out/oci/index.json"]);
    fixture.write("img.tar", b"");
    fixture.never_packed.insert(fixture.canonical("ocitect.toml"));
    fixture.outputs.insert(fixture.canonical("out/oci"));
    fixture.outputs.insert(fixture.canonical("img.tar"));
    assert_eq!(fixture.paths("."), ["a", "sub/"]);
    assert_eq!(fixture.paths("*"), ["a", "sub/"]);
    assert_eq!(fixture.paths("ocitect.toml"), [""]);
    assert_eq!(fixture.paths(".git"), ["config"]);
    assert_eq!(fixture.paths("sub/.git"), [""]);
    for output in ["out/oci", "out/oci/index.json", "img.tar", "out/oci/*"] {
        let error = fixture.list(&fixture.entry(output)).unwrap_err();
        assert!(matches!(error, FilesError::Output { .. }), "{error}");
    }
}

#[test]
fn layouts_of_its_own_are_left_out_and_those_of_others_packed() {
    let own = [
        "build/oci/oci-layout",
        "build/oci/index.json",
        "build/oci/blobs/",
        "build/oci/.ocitect.lock",
    ];
    let fixture = Fixture::with(&[&own[..], &["other/oci-layout", "other/index.json", "other/blobs/"]].concat());
    assert_eq!(
        fixture.paths("."),
        ["other/", "other/blobs/", "other/index.json", "other/oci-layout"]
    );
    assert_eq!(
        fixture.paths("build/oci"),
        [".ocitect.lock", "blobs/", "index.json", "oci-layout"]
    );
}

#[test]
fn attributes_are_carried_where_they_are_asked_for() {
    let fixture = Fixture::with(&["src/file"]);
    for name in [
        c"user.kept",
        c"user.other",
        c"user.overlay.opaque",
        c"user.containers.override_stat",
    ] {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(fixture.path("src/file"), name, b"value", flags).unwrap();
    }
    assert!(fixture.list(&fixture.entry("src")).unwrap().items[0].xattrs.is_empty());
    let with = |xattrs: &[&str], from: &str| {
        let entry = FilesEntry {
            xattrs: strings(xattrs),
            ..fixture.entry(from)
        };
        let items = fixture.list(&entry).unwrap().items;
        items[0]
            .xattrs
            .iter()
            .map(|(name, value)| (escape(name), escape(value)))
            .collect::<Vec<_>>()
    };
    let pair = |name: &str| (name.to_owned(), "value".to_owned());
    assert_eq!(with(&["user.kept", "user.none"], "src"), [pair("user.kept")]);
    assert_eq!(with(&["user.*"], "src/file"), [pair("user.kept"), pair("user.other")]);
    assert_eq!(with(&["*"], "src/file"), [pair("user.kept"), pair("user.other")]);
    assert_eq!(with(&["user.overlay.opaque"], "src/file"), []);
    let error = fixture
        .list(&FilesEntry {
            xattrs: strings(&["user.[a"]),
            ..fixture.entry("src")
        })
        .unwrap_err();
    assert!(matches!(error, FilesError::Pattern { key: "xattrs", .. }), "{error}");
}

#[test]
fn capabilities_are_for_a_single_file() {
    let fixture = Fixture::with(&["src/file"]);
    let with = |name: &str, from: &str| {
        fixture.list(&FilesEntry {
            capabilities: strings(&[name]),
            ..fixture.entry(from)
        })
    };
    let listing = with("cap_net_bind_service", "src/file").unwrap();
    let value = &listing.items[0].xattrs[&b"security.capability"[..]];
    assert_eq!(value[..8], [1, 0, 0, 2, 0, 4, 0, 0]);
    assert!(matches!(
        with("cap_chown", "src"),
        Err(FilesError::CapabilitySource { .. })
    ));
    assert!(matches!(
        with("cap_chown", "src/*"),
        Err(FilesError::CapabilitySource { .. })
    ));
    assert!(matches!(
        with("cap_fly", "src/file"),
        Err(FilesError::Capability { .. })
    ));
}

#[test]
fn a_directory_that_cannot_be_read_is_named() {
    let fixture = Fixture::with(&["src/"]);
    // Longer in total than the system accepts, so that not even root can read it.
    let script = "cd \"$1\" && i=0; while [ $i -lt 25 ]; do mkdir \"$2\" && cd -P \"$2\" || exit 1; i=$((i+1)); done";
    let source = fixture.path("src");
    let name = "d".repeat(200);
    let made = std::process::Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(&source)
        .arg(&name)
        .status()
        .unwrap();
    assert!(made.success());
    let error = fixture.list(&fixture.entry("src")).unwrap_err();
    assert!(matches!(error, FilesError::Io { .. }), "{error}");
    assert_eq!(error.error_kind(), ErrorKind::Local);
    assert!(error.to_string().contains(&name), "{error}");
}

#[test]
fn images_are_not_listed_here() {
    let fixture = Fixture::new();
    let from = From::Image {
        image: "docker://ghcr.io/astral-sh/uv:0.5".parse().unwrap(),
        path: "/uv".to_owned(),
    };
    let error = fixture
        .list(&FilesEntry {
            from,
            ..fixture.entry("docker://ghcr.io/astral-sh/uv:0.5#/uv")
        })
        .unwrap_err();
    assert!(matches!(error, FilesError::NotLocal { .. }), "{error}");
}

#[test]
fn archives_of_its_own_and_files_of_killed_writers_are_left_out() {
    let fixture = Fixture::with(&["a", "out/.ocitect-tmp-x"]);
    let archive = |name: &str, mode: &str, size: &str, time: &str| {
        let mut block = vec![0; 1024];
        block[..name.len()].copy_from_slice(name.as_bytes());
        let fields = format!("{mode}\0{id}\0{id}\0{size}\0{time}\0", id = "0000000");
        block[100..100 + fields.len()].copy_from_slice(fields.as_bytes());
        block[257..265].copy_from_slice(b"ustar\x0000");
        block
    };
    let none = "00000000000";
    let now = "14717720000";
    fixture.write("out/oci.tar", &archive("oci-layout", "0000644", "00000000036", none));
    fixture.write("docker.tar", &archive("blobs/", "0000755", none, none));
    fixture.write("of-others.tar", &archive("oci-layout", "0000644", "00000000036", now));
    fixture.write("files.tar", &archive("blobs/a", "0000755", none, none));
    fixture.write("short", b"oci-layout");
    assert_eq!(fixture.paths("."), ["a", "files.tar", "of-others.tar", "short"]);
    assert_eq!(fixture.paths("docker.tar"), [""]);
}

#[test]
fn an_output_is_not_written_over_a_file_that_would_be_packed() {
    let mut fixture = Fixture::with(&["src/main.py", "src/b"]);
    fixture.outputs.insert(fixture.canonical("src/main.py"));
    for entry in [fixture.entry("src"), fixture.entry("src/*.py"), fixture.entry(".")] {
        let error = fixture.list(&entry).unwrap_err();
        assert!(matches!(error, FilesError::Overwritten { .. }), "{error}");
        assert_eq!(error.error_kind(), ErrorKind::Input);
    }
    let exclude = strings(&["main.py"]);
    assert_eq!(
        shown(
            &fixture
                .list(&FilesEntry {
                    exclude,
                    ..fixture.entry("src")
                })
                .unwrap()
        ),
        ["b"]
    );
    let metadata = "{\n  \"name\": null,\n  \"tags\": [],\n  \"digest\": \"sha256:00\",\n  \"media_type\": \
                    \"application/vnd.oci.image.index.v1+json\",\n  \"size_bytes\": 1\n}\n";
    for own in [metadata, ""] {
        fixture.write("src/main.py", own.as_bytes());
        assert_eq!(fixture.paths("src"), ["b"], "an earlier output");
    }
    fixture.write("src/main.py", b"{\n  \"name\": \"package\"\n}\n");
    assert!(fixture.list(&fixture.entry("src")).is_err());
}
