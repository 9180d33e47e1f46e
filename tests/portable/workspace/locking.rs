//! `lock`, `update` and `outdated` of some members leave the other pins as they are, and passwords go to one registry.

use serde_json::Value;

use super::write_stack;
use crate::support::Sandbox;

const LOCK: &str = "ocitect.lock";

/// Replaces a text in a file.
fn edit(sandbox: &Sandbox, path: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(sandbox.path(path)).unwrap();
    assert!(text.contains(from), "{path}: {text}");
    sandbox.write(path, text.replace(from, to));
}

/// Builds an image for both platforms into a layout of the workspace.
fn foundation(sandbox: &Sandbox, layout: &str, content: &str) {
    let elsewhere = Sandbox::new();
    elsewhere.write("f", content).spec(
        "[image]\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n[[layers]]\nname = \"f\"\nfiles = [{ from = \"f\", to = \"/f\" }]\n",
    );
    let path = sandbox.path(layout).display().to_string();
    elsewhere.ok(&["build", "-o", &format!("oci:{path}")]);
}

/// A workspace whose base is built on `one`; `lone` (amd64 alone) and `wide` are built on `two`.
fn stack() -> Sandbox {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example.com");
    foundation(&sandbox, "one", "first\n");
    foundation(&sandbox, "two", "second\n");
    edit(
        &sandbox,
        "base/ocitect.toml",
        "[image]\n",
        "[image]\nbase = \"oci:../one\"\n",
    );
    for (name, platforms) in [
        ("lone", "\"linux/amd64\""),
        ("wide", "\"linux/amd64\", \"linux/arm64\""),
    ] {
        sandbox.write(
            &format!("{name}.toml"),
            format!(
                "format = 1\n[image]\nname = \"reg.example.com/ws/{name}\"\nbase = \"oci:two\"\nplatforms = [{platforms}]\n[config]\nuser = \"0\"\n"
            ),
        );
    }
    edit(
        &sandbox,
        "ocitect.toml",
        "\"base\",",
        "\"base\", \"lone.toml\", \"wide.toml\",",
    );
    sandbox
}

fn lock(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.path(LOCK)).unwrap()
}

/// Returns the images that `outdated` lists, with whether they are outdated.
fn outdated(sandbox: &Sandbox, arguments: &[&str], code: i32) -> Vec<(String, bool)> {
    let listed = sandbox
        .run(&[&["outdated", "--json"][..], arguments].concat())
        .expect(code);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let image = |image: &Value| {
        (
            image["name"].as_str().unwrap().to_owned(),
            image["outdated"].as_bool().unwrap(),
        )
    };
    listed["images"].as_array().unwrap().iter().map(image).collect()
}

#[test]
fn only_the_images_of_selected_members_are_pinned_and_updated() {
    let sandbox = stack();
    sandbox.ok(&["lock", "-p", "lone"]);
    let partial = lock(&sandbox);
    assert!(partial.contains("oci:two") && !partial.contains("oci:one"), "{partial}");
    // The facts are pinned for all platforms that members need.
    sandbox.ok(&["build", "--locked", "-p", "wide"]);
    assert_eq!(lock(&sandbox), partial);
    assert_eq!(outdated(&sandbox, &["-p", "lone"], 0), [("oci:two".to_owned(), false)]);
    // A member needs what its bases are built on.
    assert_eq!(
        outdated(&sandbox, &["-p", "planner"], 3),
        [("oci:one".to_owned(), true)]
    );
    sandbox.ok(&["lock", "--exclude", "lone", "--exclude", "wide"]);
    let whole = lock(&sandbox);
    sandbox.ok(&["lock"]).says(&["is up to date"]);
    assert_eq!(lock(&sandbox), whole);

    foundation(&sandbox, "one", "first, moved\n");
    assert_eq!(
        outdated(&sandbox, &[], 3),
        [("oci:one".to_owned(), true), ("oci:two".to_owned(), false)]
    );
    foundation(&sandbox, "two", "second, moved\n");
    assert_eq!(outdated(&sandbox, &["-p", "*o*e"], 3).len(), 1);
    sandbox.ok(&["update", "-p", "lone"]);
    let updated = lock(&sandbox);
    let of_one = |text: &str| {
        let start = text.find("oci:one").unwrap();
        let end = text[start..].find("oci:two").unwrap() + start;
        text[..end].to_owned()
    };
    assert_ne!(updated, whole);
    assert_eq!(of_one(&updated), of_one(&whole));
    assert_eq!(outdated(&sandbox, &["-p", "wide"], 0), [("oci:two".to_owned(), false)]);
    assert_eq!(outdated(&sandbox, &["-p", "writer"], 3), [("oci:one".to_owned(), true)]);
    sandbox.ok(&["build", "--locked"]);
    // The same text as if both were updated at once.
    sandbox.ok(&["update", "-p", "base", "--with-dependents"]);
    let by_parts = lock(&sandbox);
    sandbox.write(LOCK, &whole);
    sandbox.ok(&["update"]);
    assert_eq!(lock(&sandbox), by_parts);
}

#[test]
fn a_selection_removes_no_pin() {
    let sandbox = stack();
    sandbox.ok(&["lock"]);
    let whole = lock(&sandbox);
    edit(&sandbox, "ocitect.toml", "\"lone.toml\", \"wide.toml\",", "");
    sandbox.ok(&["lock", "-p", "planner"]).says(&["is up to date"]);
    assert_eq!(lock(&sandbox), whole);
    // Not even in a form that would be written otherwise.
    sandbox.write(LOCK, format!("{whole}\n"));
    sandbox.ok(&["lock", "-p", "planner"]);
    assert_eq!(lock(&sandbox), format!("{whole}\n"));
    sandbox.ok(&["lock"]).says(&["removed oci:two"]);
    assert!(!lock(&sandbox).contains("oci:two"));
}

#[test]
fn selections_that_make_no_sense_are_refused() {
    let sandbox = stack();
    for command in ["lock", "update", "outdated"] {
        sandbox
            .run(&[command, "-p", "lon"])
            .expect(2)
            .says(&["no member matches \"lon\"", "did you mean lone?"]);
        sandbox
            .run(&[command, "agents/planner", "-p", "lone"])
            .expect(2)
            .says(&["the path names one of them"]);
    }
    sandbox
        .run(&["lock", "--show", "-p", "lone"])
        .expect(2)
        .says(&["--show"]);
    sandbox
        .run(&["update", "-p", "lone", "--image", "oci:one"])
        .expect(2)
        .says(&["oci:one"]);
    assert!(!sandbox.path(LOCK).exists());
    let alone = Sandbox::new();
    alone.spec("[image]\nplatforms = [\"linux/amd64\"]\n");
    for command in ["lock", "update", "outdated"] {
        alone
            .run(&[command, "--exclude", "x"])
            .expect(2)
            .says(&["--exclude selects members of a workspace"]);
    }
}

#[test]
fn a_password_is_for_one_registry() {
    let sandbox = stack();
    edit(
        &sandbox,
        "agents/writer/ocitect.toml",
        "reg.example.com",
        "other.example.com",
    );
    edit(
        &sandbox,
        "agents/planner/ocitect.toml",
        "workspace:base",
        "first.example.com/a:1",
    );
    edit(
        &sandbox,
        "agents/planner/ocitect.toml",
        "[[layers]]\n",
        "[platform.\"linux/arm64\"]\nimage.base = \"second.example.com/b:1\"\n[[layers]]\n",
    );
    let login = ["--username", "me", "--password-stdin"];
    for (arguments, registries) in [
        (&["build", "--push"][..], "2: other.example.com, reg.example.com"),
        // The base of the selected member is pushed too.
        (
            &["build", "--push", "-p", "writer"],
            "2: other.example.com, reg.example.com",
        ),
        (
            &["push", "oci:one", "a.example.com/x:1", "b.example.com/x:1"],
            "2: a.example.com, b.example.com",
        ),
        (&["lock", "-p", "planner"], "2: first.example.com, second.example.com"),
    ] {
        sandbox.run(&[arguments, &login].concat()).expect(2).says(&[
            "--username is for one registry",
            registries,
            "ocitect login",
        ]);
    }
}
