//! What entries add, replace and hide: paths, whiteouts and links.

use tar::EntryType;

use super::super::super::LayerError;
use super::super::super::testing::{LayerTar, tree_of};
use super::super::ResolveError;
use super::{Fill, error_of, shown};

#[test]
fn names_are_cleaned_and_parents_made() {
    let lines = shown(&[|tar| {
        tar.directory("./", 0o711)
            .file("./a/b", b"xy")
            .file("/c", b"")
            .directory("d//e/", 0o1777)
    }]);
    assert_eq!(
        lines,
        [
            "711 //",
            "755 /a/",
            "644 /a/b 2 in 0",
            "644 /c 0 in 0",
            "755 /d/",
            "1777 /d/e/"
        ]
    );
}

#[test]
fn a_directory_again_changes_what_it_is_and_keeps_what_it_has() {
    let lines = shown(&[
        |tar| tar.directory("a", 0o755).file("a/b", b""),
        |tar| tar.directory("a/", 0o1777),
    ]);
    assert_eq!(lines, ["1777 /a/", "644 /a/b 0 in 0"]);
}

#[test]
fn a_whiteout_acts_on_the_layers_below_alone_whatever_the_order() {
    let base: Fill = |tar| {
        tar.directory("a", 0o700)
            .file("a/old", b"")
            .file("a-b", b"")
            .file("c", b"")
    };
    let first: Fill = |tar| {
        tar.file(".wh.a", b"")
            .file("a/new", b"1")
            .file(".wh.c", b"")
            .file("c", b"22")
    };
    let last: Fill = |tar| {
        tar.file("a/new", b"1")
            .file(".wh.a", b"")
            .file("c", b"22")
            .file(".wh.c", b"")
    };
    let wanted = ["755 /a/", "644 /a-b 0 in 0", "644 /a/new 1 in 1", "644 /c 2 in 1"];
    assert_eq!(shown(&[base, first]), wanted);
    assert_eq!(shown(&[base, last]), wanted);
    let named: Fill = |tar| tar.directory("a", 0o711).file(".wh.a", b"").file(".wh.nothing", b"");
    assert_eq!(shown(&[base, named]), ["711 /a/", "644 /a-b 0 in 0", "644 /c 0 in 0"]);
}

#[test]
fn an_opaque_whiteout_empties_the_directory_of_the_layers_below() {
    let base: Fill = |tar| {
        tar.directory("a", 0o700)
            .directory("a/d", 0o711)
            .file("a/d/old", b"")
            .file("ab", b"")
    };
    let first: Fill = |tar| tar.file("a/.wh..wh..opq", b"").file("a/d/new", b"");
    let last: Fill = |tar| tar.file("a/d/new", b"").file("a/.wh..wh..opq", b"");
    let wanted = ["700 /a/", "755 /a/d/", "644 /a/d/new 0 in 1", "644 /ab 0 in 0"];
    assert_eq!(shown(&[base, first]), wanted);
    assert_eq!(shown(&[base, last]), wanted);
    assert_eq!(
        shown(&[base, |tar| tar.file(".wh..wh..opq", b"").file("x", b"")]),
        ["644 /x 0 in 1"]
    );
}

#[test]
fn hiding_a_path_again_changes_nothing_but_the_directory_itself() {
    let base: Fill = |tar| tar.directory("a", 0o700).file("a/old", b"");
    let opaque: Fill = |tar| {
        let tar = tar
            .file("a/.wh..wh..opq", b"")
            .file("a/new", b"")
            .file("a/.wh..wh..opq", b"");
        tar.file("a/newer", b"")
    };
    assert_eq!(
        shown(&[base, opaque]),
        ["700 /a/", "644 /a/new 0 in 1", "644 /a/newer 0 in 1"]
    );
    let removed: Fill = |tar| {
        tar.file("a/.wh..wh..opq", b"")
            .file("a/new", b"")
            .file(".wh.a", b"")
            .file(".wh.a", b"")
    };
    assert_eq!(shown(&[base, removed]), ["755 /a/", "644 /a/new 0 in 1"]);
    assert_eq!(
        shown(&[base, opaque, opaque]),
        ["700 /a/", "644 /a/new 0 in 2", "644 /a/newer 0 in 2"]
    );
}

#[test]
fn whiteouts_go_through_links_as_entries_do() {
    let base: Fill = |tar| {
        tar.file("usr/lib/x", b"")
            .file("usr/lib/y", b"")
            .symlink("lib", "usr/lib")
    };
    assert_eq!(
        shown(&[base, |tar| tar.file("lib/.wh.x", b"")])[1..],
        ["755 /usr/", "755 /usr/lib/", "644 /usr/lib/y 0 in 0"]
    );
    assert_eq!(
        shown(&[base, |tar| tar.file("lib/.wh..wh..opq", b"")])[1..],
        ["755 /usr/", "755 /usr/lib/"]
    );
    assert_eq!(shown(&[base, |tar| tar.file(".wh.lib", b"")]).len(), 4);
}

#[test]
fn odd_whiteouts_are_refused_or_passed_over() {
    for bad in [".wh.", "a/.wh.", ".wh...", ".wh..", ".wh.a/b"] {
        let error = tree_of(&[LayerTar::new().file(bad, b"").finish()]).unwrap_err();
        assert!(matches!(error, LayerError::Entry { .. }), "{bad}: {error}");
    }
    let lines = shown(&[|tar| {
        tar.directory(".wh..wh.plnk", 0o700)
            .file(".wh..wh.plnk/1.2", b"")
            .file(".wh..wh.aufs", b"")
    }]);
    assert_eq!(lines, [""; 0]);
}

#[test]
fn entries_land_where_links_on_the_way_lead() {
    let base: Fill = |tar| {
        tar.directory("usr/lib", 0o755)
            .symlink("lib", "usr/lib")
            .symlink("opt", "/srv/none")
    };
    let lines = shown(&[base, |tar| {
        tar.file("lib/x", b"1").hard_link("y", "lib/x").file("opt/z", b"")
    }]);
    assert_eq!(
        lines,
        [
            "777 /lib -> usr/lib",
            "777 /opt -> /srv/none",
            "755 /srv/",
            "755 /srv/none/",
            "644 /srv/none/z 0 in 1 at /opt/z",
            "755 /usr/",
            "755 /usr/lib/",
            "644 /usr/lib/x 1 in 1 at /lib/x",
            "644 /y 1 in 1 at /lib/x",
        ]
    );
    let replaced = shown(&[base, |tar| tar.directory("lib", 0o711).file("lib/x", b"")]);
    assert_eq!(replaced[..2], ["711 /lib/", "644 /lib/x 0 in 1"]);
}

#[test]
fn kinds_replace_each_other() {
    let base: Fill = |tar| {
        tar.directory("d", 0o755)
            .file("d/x", b"")
            .file("f", b"")
            .symlink("l", "f")
    };
    let upper: Fill = |tar| {
        tar.file("d", b"1")
            .directory("f", 0o700)
            .file("f/x", b"")
            .file("l", b"22")
    };
    assert_eq!(
        shown(&[base, upper]),
        ["644 /d 1 in 1", "700 /f/", "644 /f/x 0 in 1", "644 /l 2 in 1"]
    );
    assert_eq!(
        shown(&[base, |tar| tar.file("f/x", b"")])[2..],
        ["755 /f/", "644 /f/x 0 in 1", "777 /l -> f"]
    );
    let special = shown(&[base, |tar| tar.raw(EntryType::Fifo, b"f", 0o600, b"", b"")]);
    assert!(special.contains(&"600 /f special".to_owned()), "{special:?}");
}

#[test]
fn hard_links_keep_the_content_that_they_linked_to() {
    let base: Fill = |tar| {
        tar.file("a", b"1")
            .hard_link("b", "./a")
            .symlink("s", "a")
            .hard_link("t", "s")
    };
    let upper: Fill = |tar| tar.hard_link("c", "/b").file("a", b"22").hard_link("d", "a");
    let lines = shown(&[base, upper]);
    assert_eq!(
        lines,
        [
            "644 /a 2 in 1",
            "644 /b 1 in 0 at /a",
            "644 /c 1 in 0 at /a",
            "644 /d 2 in 1 at /a",
            "777 /s -> a",
            "777 /t -> a",
        ]
    );
    let back = shown(&[base, |tar| tar.file(".wh.a", b"").hard_link("a", "b")]);
    assert_eq!(back[0], "644 /a 1 in 0");
    assert!(matches!(
        error_of(&[|tar| tar.hard_link("b", "a")]),
        LayerError::HardLink { .. }
    ));
    assert!(matches!(
        error_of(&[|tar| tar.directory("a", 0o755).hard_link("b", "a")]),
        LayerError::HardLink { .. }
    ));
    assert!(matches!(
        error_of(&[base, |tar| tar.file(".wh.a", b"").hard_link("c", "a")]),
        LayerError::HardLink { .. }
    ));
}

#[test]
fn a_path_that_comes_twice_is_the_last_one_unless_a_link_means_the_first() {
    assert_eq!(shown(&[|tar| tar.file("a", b"1").file("a", b"22")]), ["644 /a 2 in 0"]);
    let error = error_of(&[|tar| tar.file("a", b"1").hard_link("b", "a").file("a", b"22")]);
    assert!(error.to_string().contains("contains it twice"), "{error}");
}

#[test]
fn names_that_leave_the_image_and_loops_are_refused() {
    assert!(matches!(
        error_of(&[|tar| tar.file("a/../../b", b"")]),
        LayerError::Name(_)
    ));
    assert!(matches!(
        error_of(&[|tar| tar.file("a", b"").hard_link("b", "../a")]),
        LayerError::Name(_)
    ));
    let error = error_of(&[|tar| tar.symlink("a", "b").symlink("b", "a").file("a/x", b"")]);
    assert!(matches!(
        error,
        LayerError::Place {
            cause: ResolveError::Loop { .. },
            ..
        }
    ));
    let error = error_of(&[|tar| tar.file("f", b"").symlink("a", "f").file("a/x", b"")]);
    assert!(matches!(
        error,
        LayerError::Place {
            cause: ResolveError::NotADirectory { .. },
            ..
        }
    ));
    assert!(matches!(
        error_of(&[|tar| tar.file(".", b"")]),
        LayerError::Entry { .. }
    ));
    assert!(matches!(
        error_of(&[|tar| tar.symlink("a", "")]),
        LayerError::Entry { .. }
    ));
}
