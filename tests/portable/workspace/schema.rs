//! The JSON Schema accepts every spec and root file of the documentation and of these tests, and no other keys.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::write_stack;
use crate::support::page::{Step, steps};
use crate::support::schema::violations;
use crate::support::{Sandbox, files_below};

fn schema() -> Value {
    serde_json::from_str(&Sandbox::new().ok(&["schema"]).stdout).unwrap()
}

fn parsed(text: &str) -> Value {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn documentation(page: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page)
}

/// Returns the TOML blocks of a page that begin with a format.
fn blocks(page: &str) -> Vec<String> {
    let text = fs::read_to_string(documentation(page)).unwrap();
    let blocks = text.split("\n```toml\n").skip(1);
    let blocks = blocks.map(|block| block.split("\n```").next().unwrap().to_owned());
    blocks.filter(|block| block.starts_with("format = 1")).collect()
}

#[track_caller]
fn accepted(schema: &Value, name: &str, text: &str) {
    let found = violations(schema, &parsed(text));
    assert!(found.is_empty(), "{name}: {found:#?}\n{text}");
}

#[test]
fn workspaces_of_tests_and_documentation_are_valid() {
    let schema = schema();
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example.com");
    let files = files_below(sandbox.root());
    let specs: Vec<&PathBuf> = files
        .iter()
        .filter(|file| file.extension().is_some_and(|end| end == "toml"))
        .collect();
    assert_eq!(specs.len(), 5, "{specs:?}");
    for spec in specs {
        accepted(&schema, &spec.display().to_string(), &fs::read_to_string(spec).unwrap());
    }
    let guide = fs::read_to_string(documentation("guides/many-images.md")).unwrap();
    let mut count = 0;
    for step in steps(&guide) {
        if let Step::File { name, text } = step
            && name.ends_with(".toml")
        {
            accepted(&schema, &name, &text);
            count += 1;
        }
    }
    assert!(count >= 4, "{count}");
    let roots = |page| {
        let blocks = blocks(page);
        assert!(!blocks.is_empty(), "{page}");
        blocks.iter().for_each(|block| accepted(&schema, page, block));
        blocks.iter().filter(|block| block.contains("[workspace]")).count()
    };
    assert!(roots("reference/spec.md") >= 1);
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/src/spec/tests/example.toml");
    accepted(&schema, example, &fs::read_to_string(example).unwrap());
}

#[test]
fn other_files_are_not_valid() {
    let schema = schema();
    for (text, expected) in [
        ("[workspace]\nmembers = []", ": has no format"),
        ("format = 2\n[workspace]\nmembers = []", ".format: is not 1"),
        ("format = 1\n[workspace]", ".workspace: has no members"),
        (
            "format = 1\n[workspace]\nmember = []\nmembers = []",
            ".workspace.member: not allowed",
        ),
        (
            "format = 1\n[workspace]\nmembers = \"a\"",
            ".workspace.members: is no \"array\"",
        ),
        (
            "format = 1\n[workspace]\nmembers = []\nsources = { a = \"b\" }",
            ".workspace.sources.a: is no \"array\"",
        ),
        ("format = 1\n[workspace]\nmembers = []\n[image]", ".image: is none of"),
        ("format = 1\n[workspace]\nmembers = []\n[matrix]", ".matrix: is none of"),
        (
            "format = 1\n[workspace]\nmembers = []\n[defaults.matrix]",
            ".defaults.matrix: not allowed",
        ),
        (
            "format = 1\n[workspace]\nmembers = []\n[defaults.image]\nnam = \"a\"",
            ".defaults.image.nam: not allowed",
        ),
        ("format = 1\n[defaults.image]", ": is what it must not be"),
        ("format = 1\n[matrix]\na = \"b\"", ".matrix.a: is no \"array\""),
        ("format = 1\n[matrix]\na = [1]", ".matrix.a[0]: fits no alternative"),
        ("format = 1\n[[layers]]\nfiles = []", ".layers[0]: has no name"),
    ] {
        let found = violations(&schema, &parsed(text));
        assert!(
            found.iter().any(|one| one.contains(expected)),
            "{text}\n{expected}: {found:#?}"
        );
    }
}
