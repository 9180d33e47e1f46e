//! Files in odd forms: only the bytes of the references change, or the file is refused and stays as it is.

use super::{read, sandbox};
use crate::support::odd_yaml::{DIGEST, files, refused};

#[test]
fn only_the_references_change() {
    let sandbox = sandbox();
    for file in files() {
        sandbox.write("f.yaml", file.before());
        let outcome = sandbox.run(&["pin", "f.yaml", "--from", "m.json"]);
        assert_eq!(outcome.code, 0, "{}: {}", file.name, outcome.stderr);
        assert!(
            read(&sandbox, "f.yaml") == file.after(),
            "{}:\n{}",
            file.name,
            read(&sandbox, "f.yaml")
        );
        assert_ne!(file.before(), file.after(), "{}", file.name);
        let again = sandbox.ok(&["pin", "f.yaml", "--from", "m.json", "--check"]);
        assert_eq!(again.stdout, "", "{}", file.name);
        assert!(again.stderr.contains("all images are pinned"), "{}", again.stderr);
    }
}

#[test]
fn what_cannot_be_pinned_safely_is_refused_with_its_place() {
    let sandbox = sandbox();
    for (name, bytes, reason) in refused() {
        sandbox.write("f.yaml", &bytes);
        let outcome = sandbox.run(&["pin", "f.yaml", "--from", "m.json"]);
        println!("{name}:\n{}", outcome.stderr);
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (2, ""),
            "{name}: {}",
            outcome.stderr
        );
        assert!(outcome.stderr.contains(reason), "{name}: {}", outcome.stderr);
        assert!(
            outcome.stderr.starts_with("error: ") && outcome.stderr.len() < 2000,
            "{name}: {}",
            outcome.stderr
        );
        assert!(std::fs::read(sandbox.path("f.yaml")).unwrap() == bytes, "{name}");
    }
}

#[test]
fn a_refusal_shows_the_line_with_a_caret_and_a_help() {
    let sandbox = sandbox();
    sandbox.write(
        "compose.yaml",
        "services:\n  web:\n    image: ghcr.io/me/app:${TAG:-1}\n",
    );
    let outcome = sandbox.run(&["pin", "compose.yaml", "--from", "m.json"]).expect(2);
    for text in [
        "error: cannot pin \"ghcr.io/me/app:${TAG:-1}\": with its variables it may be ghcr.io/me/app",
        "--> compose.yaml:3:12",
        "3 |     image: ghcr.io/me/app:${TAG:-1}",
        "  |            ^^^^^^^^^^^^^^^^^^^^^^^^",
        "help: write the pinned images to a file of their own with --override FILE, or pin the value of the variable",
    ] {
        assert!(outcome.stderr.contains(text), "{text}:\n{}", outcome.stderr);
    }
}

/// Kustomizations in which a key is added, renamed or removed.
#[test]
fn a_kustomization_gets_digests_in_place_of_tags() {
    let sandbox = sandbox();
    let head = "resources: [a.yaml]\nimages:\n";
    for (before, after) in [
        (
            "- name: ghcr.io/me/app\n  newTag: \"1.0\" # c\n",
            "- name: ghcr.io/me/app\n  digest: \"D\" # c\n",
        ),
        (
            "- {name: ghcr.io/me/app, newTag: 1.0 }\n",
            "- {name: ghcr.io/me/app, digest: D }\n",
        ),
        (
            "- newTag: '1.0'\n  name: ghcr.io/me/app\n",
            "- digest: 'D'\n  name: ghcr.io/me/app\n",
        ),
        (
            "- name: ghcr.io/me/app # c\n",
            "- name: ghcr.io/me/app # c\n  digest: D\n",
        ),
        ("- name: ghcr.io/me/app", "- name: ghcr.io/me/app\n  digest: D"),
        (
            "- name: x\n  newName: ghcr.io/me/app\n- name: y\n",
            "- name: x\n  newName: ghcr.io/me/app\n  digest: D\n- name: y\n",
        ),
        ("- {name: ghcr.io/me/app}\n", "- {name: ghcr.io/me/app, digest: D}\n"),
        (
            "-   name: ghcr.io/me/app\n    newTag: 1.0\n    digest: OLD\n- name: y\n",
            "-   name: ghcr.io/me/app\n    digest: D\n- name: y\n",
        ),
        (
            "- name: ghcr.io/me/app\n  digest: OLD\n  newTag: 1.0   # why",
            "- name: ghcr.io/me/app\n  digest: D\n  # why",
        ),
        (
            "- name: ghcr.io/me/app\n  digest: OLD\n  newTag: 1.0",
            "- name: ghcr.io/me/app\n  digest: D\n",
        ),
        (
            "- {name: ghcr.io/me/app, newTag: 1.0, digest: OLD}\n",
            "- {name: ghcr.io/me/app, digest: D}\n",
        ),
        (
            "- {name: ghcr.io/me/app, digest: OLD, newTag: 1.0}\n",
            "- {name: ghcr.io/me/app, digest: D}\n",
        ),
        (
            "- name: ghcr.io/me/app\n  digest:\n",
            "- name: ghcr.io/me/app\n  digest: D\n",
        ),
        (
            "- name: ghcr.io/me/app\n  newTag:   # none\n",
            "- name: ghcr.io/me/app\n  digest: D   # none\n",
        ),
        (
            "- name: x\n  newTag: &t 1.0\n- name: ghcr.io/me/app\n  newTag: *t\n",
            "- name: x\n  newTag: &t 1.0\n- name: ghcr.io/me/app\n  digest: D\n",
        ),
    ] {
        for (is_dos, final_text) in [(false, ""), (true, "")] {
            let form = |text: &str| {
                let text = format!("{head}{text}{final_text}").replace("OLD", &format!("sha256:{}", "b".repeat(64)));
                let text = text
                    .replace(" D", &format!(" {DIGEST}"))
                    .replace("\"D", &format!("\"{DIGEST}"));
                let text = text.replace("'D", &format!("'{DIGEST}"));
                if is_dos { text.replace('\n', "\r\n") } else { text }
            };
            sandbox.write("kustomization.yaml", form(before));
            sandbox.ok(&["pin", "kustomization.yaml", "--from", "m.json"]);
            assert_eq!(read(&sandbox, "kustomization.yaml"), form(after), "{before}");
            sandbox.ok(&["pin", "kustomization.yaml", "--from", "m.json", "--check"]);
        }
    }
    for (before, reason) in [
        ("- name: ghcr.io/me/app\n  newTag: 2.0\n", "has the tag 2.0"),
        ("- newTag: 1.0\n  name: ghcr.io/me/app\n  digest: OLD\n", "unusual form"),
        (
            "- name: ghcr.io/me/app\n  newTag: &t 1.0\n- name: x\n  newTag: *t\n",
            "an alias refers",
        ),
        ("- name: ghcr.io/me/app\n  newTag: |-\n    1.0\n", "written as a block"),
        ("- name: ghcr.io/me/app:1.0\n", "has a tag or a digest"),
    ] {
        sandbox.write("kustomization.yaml", format!("{head}{before}").replace("OLD", DIGEST));
        sandbox
            .run(&["pin", "kustomization.yaml", "--from", "m.json"])
            .expect(2)
            .says(&[reason]);
    }
}
