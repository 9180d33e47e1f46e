//! Lockfiles that git merges.

use std::fs;
use std::process::Command;

use crate::lock::project::{Project, lines};
use crate::support::Outcome;

/// A repository with the lockfile of a spec whose base images are tags of one layout.
struct Repository {
    project: Project,
}

/// Tags of the layout: most are of one image, and those of `MOVED` of another.
const TAGS: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];

impl Repository {
    fn new(name: &str, is_union: bool) -> Self {
        let project = Project::new(name);
        let mut build = vec!["build", "base", "-o", "oci:app/bases"];
        build.extend(TAGS.iter().flat_map(|tag| ["-t", tag]));
        project.sandbox.ok(&build);
        let repository = Self { project };
        repository.git(&["init", "-q", "-b", "main"]).expect(0);
        if is_union {
            repository
                .project
                .sandbox
                .write("app/.gitattributes", "*.lock merge=union\n");
            repository.git(&["add", ".gitattributes"]).expect(0);
        }
        repository
    }

    fn git(&self, arguments: &[&str]) -> Outcome {
        let mut command = Command::new("git");
        command
            .arg("-C")
            .arg(self.project.sandbox.path("app"))
            .args(["-c", "user.name=test", "-c", "user.email=test@test"])
            .args(arguments)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("HOME", self.project.sandbox.root());
        Outcome::of(command)
    }

    /// Locks a spec on these tags, and commits the lockfile with its facts.
    fn commit(&self, tags: &[&str]) {
        self.need(tags);
        self.project.sandbox.ok(&["lock", "app"]);
        self.git(&["add", "-A", "ocitect.lock", "ocitect.lock.d"]).expect(0);
        self.git(&["commit", "-q", "-m", "lock"]).expect(0);
    }

    fn need(&self, tags: &[&str]) {
        let images: Vec<String> = tags.iter().map(|tag| format!("oci:bases:{tag}")).collect();
        let images: Vec<&str> = images.iter().map(String::as_str).collect();
        self.project.on(&images);
    }

    /// Merges a branch that needs `theirs` into one that needs `ours`; both began with `both`.
    fn merge(&self, both: &[&str], ours: &[&str], theirs: &[&str]) -> Outcome {
        self.commit(both);
        self.git(&["checkout", "-q", "-b", "theirs"]).expect(0);
        self.commit(theirs);
        self.git(&["checkout", "-q", "main"]).expect(0);
        self.commit(ours);
        self.git(&["merge", "-q", "-m", "merge", "theirs"])
    }

    /// Checks that the merged lockfile has these pins, with their facts, and is sorted already.
    fn check(&self, tags: &[&str]) {
        let names: Vec<String> = lines(&self.project.lock_text())
            .into_iter()
            .map(|line| line.name)
            .collect();
        let wanted: Vec<String> = tags.iter().map(|tag| format!("oci:bases:{tag}")).collect();
        assert_eq!(names, wanted);
        self.need(tags);
        self.project.sandbox.ok(&["build", "app", "--locked", "-o", "oci:out"]);
        self.project
            .sandbox
            .ok(&["lock", "app"])
            .says(&["app/ocitect.lock is up to date"]);
    }
}

const BOTH: [&str; 3] = ["b", "e", "h"];

#[test]
fn bases_that_are_added_at_distant_places_need_no_help() {
    for is_union in [false, true] {
        let repository = Repository::new("lock/merge-distant", is_union);
        repository
            .merge(&BOTH, &["a", "b", "e", "h"], &["b", "e", "h", "i"])
            .expect(0);
        repository.check(&["a", "b", "e", "h", "i"]);
        let repository = Repository::new("lock/merge-near", is_union);
        repository
            .merge(&BOTH, &["b", "c", "e", "h"], &["b", "e", "f", "h"])
            .expect(0);
        repository.check(&["b", "c", "e", "f", "h"]);
    }
}

#[test]
fn bases_that_are_added_at_one_place_need_union() {
    let ours = ["b", "c", "e", "h"];
    let theirs = ["b", "d", "e", "h"];
    let repository = Repository::new("lock/merge-union", true);
    repository.merge(&BOTH, &ours, &theirs).expect(0);
    repository.check(&["b", "c", "d", "e", "h"]);

    let repository = Repository::new("lock/merge-conflict", false);
    repository.merge(&BOTH, &ours, &theirs).expect(1);
    repository
        .project
        .sandbox
        .run(&["build", "app", "--locked"])
        .expect(2)
        .says(&[
            "lockfile app/ocitect.lock has conflict markers of a merge: lines 6 to 10",
            "help: keep one line for each image, delete the markers, and run `ocitect lock`",
        ]);
    // As the help says.
    let text = repository.project.lock_text();
    let kept = text.lines().filter(|line| !line.starts_with(['<', '=', '>']));
    let kept: String = kept.map(|line| format!("{line}\n")).collect();
    fs::write(repository.project.lock(), kept).unwrap();
    repository.check(&["b", "c", "d", "e", "h"]);
}

#[test]
fn the_same_base_on_both_sides_is_one_pin() {
    for is_union in [false, true] {
        let repository = Repository::new("lock/merge-same", is_union);
        let more = ["b", "c", "e", "h"];
        repository.merge(&BOTH, &more, &more).expect(0);
        repository.check(&more);
    }
}

#[test]
fn a_base_that_both_sides_moved_is_named_with_both_lines() {
    let repository = Repository::new("lock/merge-moved", true);
    let project = &repository.project;
    let move_e = |version: &str| {
        project.write_base(version);
        project.sandbox.ok(&["build", "base", "-o", "oci:app/bases", "-t", "e"]);
        project.sandbox.ok(&["update", "app"]);
        repository.commit(&BOTH);
    };
    repository.commit(&BOTH);
    repository.git(&["checkout", "-q", "-b", "theirs"]).expect(0);
    move_e("2.0");
    repository.git(&["checkout", "-q", "main"]).expect(0);
    move_e("3.0");
    let ours = project.lock_text();
    repository.git(&["merge", "-q", "-m", "merge", "theirs"]).expect(0);
    project.sandbox.run(&["build", "app", "--locked"]).expect(2).says(&[
        "lockfile app/ocitect.lock pins oci:bases:e twice: line 6 to sha256:",
        ", line 7 to sha256:",
        "help: delete line 6 or line 7; or delete both and run `ocitect lock`",
    ]);
    // Our line is the first. The facts of the other are removed with it.
    let merged = project.lock_text();
    let kept = merged.lines().enumerate().filter(|(at, _)| *at != 6);
    let kept: String = kept.map(|(_, line)| format!("{line}\n")).collect();
    assert_eq!(kept, ours);
    fs::write(project.lock(), kept).unwrap();
    repository.check(&BOTH);
    assert_eq!(project.facts_texts().len(), 2);
}
