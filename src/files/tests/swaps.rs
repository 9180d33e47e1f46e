//! Tests in which an attacker changes the tree during a walk: files outside the source are never listed.

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;

/// How often each walk's tree is swapped: the vulnerable window has some microseconds, and must be hit.
const SWAPS: usize = 10_000;

/// Number of directories beside the swapped ones, so that each walk takes as long as some swaps.
const BYSTANDERS: usize = 60;

/// Returns a source with directories and files to swap, and files beside it that must not be listed.
fn attacked() -> Fixture {
    let fixture = Fixture::with(&[
        "src/a/mid/inner/f",
        "src/a/plain",
        "outside/shadow",
        "outside/inner/shadow",
        "hold/",
    ]);
    for number in 0..BYSTANDERS {
        fixture.write(&format!("src/a/m{number}/f"), b"inside");
    }
    for directory in ["outside", "outside/inner"] {
        for number in 0..20 {
            fixture.write(&format!("{directory}/shadow{number}"), b"secret");
        }
    }
    fixture
}

/// Swaps `victim` for a link to `target` and back, [`SWAPS`] times, while `work` is repeated.
fn while_swapped(fixture: &Fixture, victim: &str, target: &str, mut work: impl FnMut()) {
    let victim = fixture.path(victim);
    let target = fixture.path(target);
    let hold = fixture.path("hold/held");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..SWAPS {
                fs::rename(&victim, &hold).unwrap();
                symlink(&target, &victim).unwrap();
                thread::yield_now();
                fs::remove_file(&victim).unwrap();
                fs::rename(&hold, &victim).unwrap();
            }
            is_over.store(true, Ordering::Relaxed);
        });
        while !is_over.load(Ordering::Relaxed) {
            work();
        }
    });
}

/// Lists, and checks that the listing contains only names of the source.
fn list_and_look(fixture: &Fixture, entry: &FilesEntry) {
    match fixture.list(entry) {
        Ok(listing) => {
            let shown = shown(&listing);
            assert!(
                !shown
                    .iter()
                    .any(|line| line.contains("shadow") && !line.contains(" -> ")),
                "{shown:?}"
            );
        }
        Err(FilesError::Replaced { .. }) => {}
        Err(FilesError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => panic!("{error}: {error:?}"),
    }
}

#[test]
fn a_directory_that_is_swapped_for_a_link_leads_nowhere() {
    for threads in [1, 4] {
        let mut fixture = attacked();
        fixture.threads = threads;
        let entry = fixture.entry("src/");
        while_swapped(&fixture, "src/a/mid", "outside", || list_and_look(&fixture, &entry));
    }
}

#[test]
fn a_directory_further_up_leads_nowhere_either() {
    let fixture = attacked();
    let entries = [
        fixture.entry("src/"),
        fixture.entry("src/**/*"),
        fixture.entry("src/a/*/*"),
    ];
    let mut turn = entries.iter().cycle();
    let mut work = || list_and_look(&fixture, turn.next().unwrap());
    // `mid/inner` would be found at `outside/inner`.
    while_swapped(&fixture, "src/a/mid", "outside", &mut work);
}

#[test]
fn a_file_that_is_swapped_for_a_link_is_not_opened() {
    let fixture = attacked();
    let entry = FilesEntry {
        xattrs: strings(&["user.*"]),
        ..fixture.entry("src/")
    };
    // The size is that of an archive of ocitect, which is read during listing.
    fixture.write("src/a/plain", &[b'x'; 1024]);
    while_swapped(&fixture, "src/a/plain", "outside/shadow", || {
        let Ok(listing) = fixture.list(&entry) else { return };
        for found in listing.items.iter().filter(|found| found.path.as_bytes() == b"a/plain") {
            match &found.kind {
                EntryKind::Symlink { .. } => {}
                EntryKind::File {
                    size_bytes: 1024,
                    content: Content::Disk(file),
                } => {
                    let Ok(mut opened) = file.open() else { continue };
                    let mut bytes = Vec::new();
                    opened.read_to_end(&mut bytes).unwrap();
                    assert_eq!(bytes, [b'x'; 1024]);
                }
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn an_archive_behind_a_swapped_directory_is_not_unpacked() {
    let fixture = attacked();
    let archive = |path: &str, name: &str| {
        let mut builder = ::tar::Builder::new(Vec::new());
        let mut header = ::tar::Header::new_gnu();
        header.set_size(0);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append_data(&mut header, name, &b""[..]).unwrap();
        fixture.write(path, &builder.into_inner().unwrap());
    };
    archive("src/a/mid/x.tar", "inside");
    archive("outside/x.tar", "shadow");
    let entry = FilesEntry {
        unpack: true,
        ..fixture.entry("src/a/*/x.tar")
    };
    while_swapped(&fixture, "src/a/mid", "outside", || {
        if let Ok(listing) = fixture.list(&entry) {
            assert_eq!(shown(&listing), ["inside"]);
        }
    });
}
