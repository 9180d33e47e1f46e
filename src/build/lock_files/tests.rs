use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;
use crate::lock::{LoadedLock, LockedFacts, Pin};
use crate::model::{Descriptor, MediaType, Platform};

fn locked(images: &[&str]) -> Lock {
    let descriptor = |text: &str| Descriptor::new(MediaType::OciManifest, Digest::of(text.as_bytes()), 7);
    let pin = |text: &str| Pin {
        manifest: descriptor(text),
        config: descriptor("config"),
        layers: Vec::new(),
        facts: LockedFacts::new(vec![1, 2, 3]),
    };
    let add = |lock: Lock, text: &&str| {
        let digest = Digest::of(text.as_bytes());
        lock.with_pin(text, digest, &Platform::new("linux", "amd64"), pin(text))
    };
    images.iter().fold(Lock::new(), add)
}

fn load(path: &Path) -> LoadedLock {
    Lock::load(path).unwrap().unwrap()
}

/// Returns the name and the content of everything in the directory of the facts.
fn facts(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let directory = facts_directory(path);
    let entries = fs::read_dir(&directory).map(|entries| entries.map(|entry| entry.unwrap().path()));
    entries
        .into_iter()
        .flatten()
        .map(|path| (path.clone(), fs::read(path).unwrap_or_default()))
        .collect()
}

#[test]
fn files_depend_on_the_pins_alone() {
    let directory = tempfile::tempdir().unwrap();
    let one = directory.path().join("one.lock");
    let two = directory.path().join("two/two.lock");
    write(&one, &locked(&["a", "b"])).unwrap();
    write(&two, &locked(&["b"])).unwrap();
    write(&two, &locked(&["c", "b"])).unwrap();
    write(&two, &locked(&["b", "a"])).unwrap();
    assert_eq!(load(&one).lock, locked(&["a", "b"]));
    assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
    let names = |path: &Path| -> Vec<_> {
        let files = facts(path).into_iter();
        files
            .map(|(path, bytes)| (path.file_name().unwrap().to_owned(), bytes))
            .collect()
    };
    assert_eq!(names(&one).len(), 2);
    assert_eq!(names(&one), names(&two));
}

#[test]
fn only_facts_files_that_no_pin_needs_are_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ocitect.lock");
    write(&path, &locked(&["a"])).unwrap();
    let facts_of_a: Vec<PathBuf> = facts(&path).into_keys().collect();
    let at = |name: &str| facts_directory(&path).join(name);
    let elsewhere = directory.path().join("elsewhere");
    fs::write(&elsewhere, "x").unwrap();
    let named = |text: &str| facts_file_name(&Digest::of(text.as_bytes()));
    symlink(&elsewhere, at(&named("link"))).unwrap();
    fs::create_dir(at(&named("directory"))).unwrap();
    fs::write(at("notes.toml"), "x").unwrap();
    fs::write(at(&named("old")), "x").unwrap();
    write(&path, &locked(&["b"])).unwrap();
    assert!(facts_of_a.iter().all(|path| !path.exists()));
    assert!(!at(&named("old")).exists());
    for kept in [&named("link"), &named("directory"), "notes.toml"] {
        assert!(at(kept).symlink_metadata().is_ok(), "{kept}");
    }
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "x");
    assert_eq!(load(&path).lock, locked(&["b"]));
    remove(&path).unwrap();
    assert!(!path.exists() && at("notes.toml").exists());
    assert_eq!(facts(&path).len(), 3);
}

#[test]
fn nothing_is_removed_or_written_through_a_link() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("elsewhere")).unwrap();
    let other = at("elsewhere").join(facts_file_name(&Digest::of(b"other")));
    fs::write(&other, "x").unwrap();
    symlink("elsewhere", at("linked.lock.d")).unwrap();
    write(&at("linked.lock"), &locked(&["a"])).unwrap();
    assert_eq!(load(&at("linked.lock")).lock, locked(&["a"]));
    assert_eq!(fs::read_to_string(&other).unwrap(), "x");

    let path = at("ocitect.lock");
    let facts = locked(&["a"]).facts_files();
    let (digest, text) = facts.first_key_value().unwrap();
    let file = facts_directory(&path).join(facts_file_name(digest));
    fs::create_dir(facts_directory(&path)).unwrap();
    symlink(&other, &file).unwrap();
    write(&path, &locked(&["a"])).unwrap();
    assert!(fs::symlink_metadata(&file).unwrap().is_file());
    assert_eq!(fs::read_to_string(&file).unwrap(), *text);
    assert_eq!(fs::read_to_string(&other).unwrap(), "x");
}

#[test]
fn a_directory_goes_with_its_lockfile() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ocitect.lock");
    write(&path, &locked(&["a", "b"])).unwrap();
    remove(&path).unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    write(
        &path,
        &Lock::new().with_image("a", LockedImage::new(Digest::of(b"a"), None)),
    )
    .unwrap();
    assert!(!facts_directory(&path).exists());
}

/// Where facts files cannot be written, the lockfile does not name them.
#[test]
fn the_lockfile_is_written_after_its_facts() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ocitect.lock");
    write(&path, &locked(&["a"])).unwrap();
    let before = fs::read(&path).unwrap();
    let facts = locked(&["b"]).facts_files();
    let file = facts_directory(&path).join(facts_file_name(facts.keys().next().unwrap()));
    fs::create_dir_all(file.join("in the way")).unwrap();
    assert!(write(&path, &locked(&["b"])).is_err());
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(load(&path).lock, locked(&["a"]));
}

#[test]
fn a_damaged_facts_file_is_written_again_and_a_whole_one_stays() {
    use std::os::unix::fs::MetadataExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ocitect.lock");
    write(&path, &locked(&["a"])).unwrap();
    let file = facts(&path).into_keys().next().unwrap();
    let inode = || fs::metadata(&file).unwrap().ino();
    let before = inode();
    write(&path, &locked(&["a"])).unwrap();
    assert_eq!(inode(), before);
    fs::write(&file, "x").unwrap();
    assert_eq!(load(&path).warnings.len(), 1);
    write(&path, &locked(&["a"])).unwrap();
    assert_eq!(load(&path).lock, locked(&["a"]));
}
