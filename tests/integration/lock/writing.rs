//! When a lockfile is written, and what it contains.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use crate::lock::project::{Project, lines};
use crate::registries::images::at;
use crate::support::{Outcome, Sandbox, part, tool};

#[test]
fn a_build_writes_the_lock_once_and_then_leaves_it() {
    let project = Project::new("lock/once");
    let digest = project.push_base("1.0");
    let first = project
        .sandbox
        .ok(&["build", "app"])
        .says(&["wrote app/ocitect.lock"])
        .digest();
    let text = project.lock_text();
    let [line] = &lines(&text)[..] else { panic!("{text}") };
    assert_eq!((&line.name, &line.digest), (&project.base(), &digest));
    let facts = fs::read_to_string(project.facts_file(&line.name)).unwrap();
    assert!(facts.contains(&format!("\nimage = \"{digest}\"\n")), "{facts}");
    assert_eq!(facts.matches("\n[[platform]]\n").count(), 2);
    assert_eq!(project.facts_texts().len(), 1);
    let before = fs::metadata(project.lock()).unwrap();
    let second = project.sandbox.ok(&["build", "app"]);
    assert!(!second.stderr.contains("ocitect.lock"), "{}", second.stderr);
    assert_eq!(second.digest(), first);
    let after = fs::metadata(project.lock()).unwrap();
    assert_eq!((after.ino(), after.mtime_nsec()), (before.ino(), before.mtime_nsec()));
    project
        .sandbox
        .ok(&["lock", "app"])
        .says(&["app/ocitect.lock is up to date"]);
    assert_eq!(fs::metadata(project.lock()).unwrap().ino(), before.ino());
    assert_eq!(
        project.run_cold(&["build", "app", "--locked"]).expect(0).digest(),
        first
    );
}

#[test]
fn facts_are_the_same_from_layers_cache_and_lock() {
    let project = Project::new("lock/same");
    project.on(&[
        &project.base(),
        &format!("docker://{}/base:latest", part("REGISTRY_OPEN")),
    ]);
    let caches = [
        project.sandbox.path("cache-1"),
        project.sandbox.path("cache-2"),
        project.sandbox.path("cache-3"),
    ];
    let from_layers = project.plan(&caches[0]);
    assert!(!project.lock().exists(), "a plan writes no lock");
    let from_cache = project.plan(&caches[0]);
    assert_eq!(from_cache, from_layers);
    let without = project
        .run_with_cache(&caches[0], &["build", "app", "-o", "oci:one"])
        .expect(0)
        .digest();
    let from_lock = project.plan(&caches[1]);
    assert_eq!(from_lock, from_layers);
    assert!(!caches[1].join("facts").exists(), "facts of the lock are not read anew");
    let with = project.run_with_cache(&caches[2], &["build", "app", "--locked", "-o", "oci:two"]);
    assert_eq!(with.expect(0).digest(), without);
    // Facts from the cache and from the layers result in the same files.
    let text = project.lock_text();
    let facts = project.facts_texts();
    fs::remove_file(project.lock()).unwrap();
    fs::remove_dir_all(project.facts()).unwrap();
    project.run_cold(&["lock", "app"]).expect(0);
    assert_eq!(project.lock_text(), text);
    assert_eq!(project.facts_texts(), facts);
}

#[test]
fn facts_of_another_version_are_read_anew() {
    let project = Project::new("lock/facts-version");
    let digest = project.sandbox.ok(&["build", "app"]).digest();
    let text = project.lock_text();
    let facts = project.facts_texts();
    let make_old = || {
        project.replace_facts(&project.base(), |text| {
            text.replace("facts-version = 2\n", "facts-version = 1\n")
        });
    };
    make_old();
    let other = project.lock_text();
    assert_ne!(other, text);
    let built = project.run_cold(&["build", "app", "--locked"]).expect(0);
    assert_eq!(built.digest(), digest);
    assert_eq!(project.lock_text(), other, "--locked writes nothing");
    assert_eq!(project.run_cold(&["build", "app"]).expect(0).digest(), digest);
    assert_eq!(
        (project.lock_text(), project.facts_texts()),
        (text.clone(), facts.clone())
    );
    make_old();
    project.sandbox.ok(&["lock", "app"]);
    assert_eq!((project.lock_text(), project.facts_texts()), (text, facts));
}

#[test]
fn a_spec_without_images_has_no_lock() {
    let project = Project::new("lock/scratch");
    project.on(&["scratch"]);
    for arguments in [
        &["build", "app"][..],
        &["build", "app", "--locked"],
        &["lock", "app"],
        &["outdated", "app"],
    ] {
        project.sandbox.ok(arguments);
        assert!(!project.lock().exists(), "{arguments:?}");
    }
    project.on(&[&project.base()]);
    project.sandbox.ok(&["lock", "app"]);
    project.on(&["scratch"]);
    project.sandbox.ok(&["lock", "app"]).says(&["removed app/ocitect.lock"]);
    assert!(!project.lock().exists() && !project.facts().exists());
}

#[test]
fn a_lock_is_named_after_its_spec_and_does_not_depend_on_where_it_lies() {
    let project = Project::new("lock/place");
    project.write_base("2.0");
    project.sandbox.ok(&["build", "base", "-o", "oci:app/bases/own:1"]);
    project.on(&["oci:./bases/own:1", "docker://127.0.0.1/x"]);
    let spec = fs::read_to_string(project.sandbox.path("app/ocitect.toml")).unwrap();
    let spec = spec.replace("docker://127.0.0.1/x#", "oci:bases/own:${VERSION}#");
    project
        .sandbox
        .write("app/api.toml", &spec)
        .write("other/place/api.toml", &spec);
    tool(
        "cp",
        &[
            "-r",
            project.sandbox.path("app/bases").to_str().unwrap(),
            project.sandbox.path("other/place").to_str().unwrap(),
        ],
    );
    let set = ["--set", "VERSION=1"];
    project.sandbox.ok(&[&["lock", "app/api.toml"][..], &set].concat());
    let absolute = project.sandbox.path("other/place/api.toml");
    project
        .sandbox
        .ok(&[&["lock", absolute.to_str().unwrap()][..], &set].concat());
    let text = fs::read_to_string(project.sandbox.path("app/api.lock")).unwrap();
    assert_eq!(
        fs::read_to_string(project.sandbox.path("other/place/api.lock")).unwrap(),
        text
    );
    let names: Vec<String> = lines(&text).into_iter().map(|line| line.name).collect();
    assert_eq!(names, ["oci:./bases/own:1", "oci:bases/own:1"]);
    let facts = |place: &str| fs::read_dir(project.sandbox.path(place)).unwrap().count();
    assert_eq!((facts("app/api.lock.d"), facts("other/place/api.lock.d")), (1, 1));
    assert!(!text.contains(project.sandbox.root().to_str().unwrap()), "{text}");
    assert!(!project.lock().exists());
}

#[test]
fn an_absolute_path_is_locked_as_it_is_written() {
    let project = Project::new("lock/absolute");
    project.sandbox.ok(&["build", "base", "-o", "oci:app/own"]);
    let base = format!("oci:{}", project.sandbox.path("app/own").display());
    project.on(&[&base]);
    let absolute = project.sandbox.path("app");
    project.sandbox.ok(&["lock", absolute.to_str().unwrap()]);
    assert_eq!(lines(&project.lock_text())[0].name, base);
    project.sandbox.ok(&["build", "app", "--locked"]);
}

#[test]
fn what_is_missing_is_completed_and_nothing_else_is_touched() {
    let project = Project::new("lock/complete");
    project.sandbox.ok(&["build", "app", "--platform", "linux/amd64"]);
    let first = lines(&project.lock_text());
    let facts = fs::read_to_string(project.facts_file(&project.base())).unwrap();
    assert_eq!(facts.matches("\n[[platform]]\n").count(), 1);
    // The tag moves: the other platform is read from the index that the name is pinned to.
    project.push_base("2.0");
    project.sandbox.ok(&["build", "app"]);
    let both = lines(&project.lock_text());
    assert_eq!((&both[0].name, &both[0].digest), (&first[0].name, &first[0].digest));
    let all_facts = fs::read_to_string(project.facts_file(&project.base())).unwrap();
    assert!(all_facts.starts_with(&facts), "the first platform is as it was");
    assert_eq!(all_facts.matches("\n[[platform]]\n").count(), 2);
    assert_eq!(project.facts_texts().len(), 1);
    // A build keeps pins that it does not use; `lock` removes them.
    let second = format!("{}/base:latest", part("REGISTRY_OPEN"));
    project.on(&[&second]);
    project.sandbox.ok(&["build", "app"]);
    assert_eq!(lines(&project.lock_text()).len(), 2);
    project
        .sandbox
        .ok(&["lock", "app"])
        .says(&[&format!("removed {} for linux/arm64", project.base())]);
    let [line] = &lines(&project.lock_text())[..] else {
        panic!("{}", project.lock_text())
    };
    assert_eq!(line.name, second);
    assert_eq!(project.facts_texts().len(), 1);
}

#[test]
fn platforms_may_have_bases_of_their_own() {
    let project = Project::new("lock/platforms");
    let other = format!("{}/base:latest", part("REGISTRY_SECOND"));
    let text = fs::read_to_string(project.sandbox.path("app/ocitect.toml")).unwrap();
    let over = format!("[platform.\"linux/arm64\".image]\nbase = \"{other}\"\n");
    project.sandbox.write("app/ocitect.toml", format!("{text}{over}"));
    project.sandbox.ok(&["lock", "app"]);
    assert_eq!(lines(&project.lock_text()).len(), 2);
    let facts = project.facts_texts();
    assert_eq!(facts.len(), 2);
    assert!(facts.values().all(|text| text.matches("\n[[platform]]\n").count() == 1));
    project.sandbox.ok(&["build", "app", "--locked"]);
}

#[test]
fn a_build_that_fails_before_it_writes_leaves_no_lock() {
    let project = Project::new("lock/failing");
    let text = fs::read_to_string(project.sandbox.path("app/ocitect.toml")).unwrap();
    project
        .sandbox
        .write("app/ocitect.toml", text.replace("[vars]", "max-size = 10\n[vars]"));
    project.sandbox.run(&["build", "app"]).expect(3);
    assert!(!project.lock().exists());
}

#[test]
fn a_checkout_that_cannot_be_written_is_a_warning() {
    let project = Project::new("lock/read-only");
    let script = format!(
        "mount --bind app app && mount -o remount,ro,bind app && exec {} build app -o oci:out",
        env!("CARGO_BIN_EXE_ocitect")
    );
    let ocitect = project.sandbox.command(&[]);
    let mut command = Command::new("unshare");
    command
        .args(["-m", "sh", "-c", &script])
        .current_dir(project.sandbox.root())
        .env_clear();
    command.envs(ocitect.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let built = Outcome::of(command).expect(0).says(&["ead-only file system"]);
    assert_eq!(
        built
            .stderr
            .matches("cannot write the lockfile app/ocitect.lock")
            .count(),
        1,
        "{}",
        built.stderr
    );
    assert!(!project.lock().exists());
    assert_eq!(project.sandbox.ok(&["build", "app"]).digest(), built.digest());
}

#[test]
fn the_lock_is_never_packed() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "x");
    let base = format!("{}/base:latest", part("REGISTRY_OPEN"));
    sandbox.spec(&format!(
        "[image]\nname = \"{}\"\nbase = \"{base}\"\nplatforms = [\"linux/amd64\"]\n[[layers]]\nname = \"all\"\n\
         files = [{{ from = \".\", to = \"/all\", exclude = [\"cache\", \"home\"] }}]\n",
        at("OPEN", "lock/never")
    ));
    let first = sandbox.ok(&["build", "-o", "oci:out"]).digest();
    assert!(sandbox.path("ocitect.lock").exists() && sandbox.path("ocitect.lock.d").is_dir());
    assert_eq!(sandbox.ok(&["build", "-o", "oci:out"]).digest(), first);
}

#[test]
fn a_local_base_that_was_made_anew_is_told_of_until_the_pin_is_moved() {
    let project = Project::new("lock/local-moved");
    let base = ["build", "base", "-o", "oci:app/bases:latest"];
    project.sandbox.ok(&base);
    project.on(&["oci:bases:latest"]);
    let first = project.sandbox.ok(&["build", "app"]).digest();
    project.write_base("2.0");
    project.sandbox.ok(&base);
    let outcome = project.sandbox.ok(&["build", "app"]);
    assert_eq!(
        outcome.stderr.matches("run `ocitect update`").count(),
        1,
        "{}",
        outcome.stderr
    );
    assert_eq!(outcome.digest(), first);
    project.sandbox.ok(&["update", "app"]);
    let outcome = project.sandbox.ok(&["build", "app"]);
    assert!(
        !outcome.stderr.contains("to update the pin") && outcome.digest() != first,
        "{}",
        outcome.stderr
    );
}
