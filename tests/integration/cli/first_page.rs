//! The commands of README.md, and of guides like it, have the output that the page shows.

use std::fs;
use std::path::Path;

use crate::support::page::{Shell, Step, is_as_shown, steps};
use crate::support::{Sandbox, part, tool};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// The registry that the page names.
const REGISTRY: &str = "localhost:5000";

#[test]
fn the_first_page_shows_what_its_commands_do() {
    follow("README.md");
}

#[test]
fn the_guide_to_many_images_shows_what_its_commands_do() {
    follow("docs/guides/many-images.md");
}

#[test]
fn the_guide_to_several_runners_shows_what_its_commands_do() {
    follow("docs/guides/several-runners.md");
}

/// Does what a page says in a new checkout, and compares the output of its commands.
#[track_caller]
fn follow(page: &str) {
    let sandbox = Sandbox::new();
    let text = fs::read_to_string(Path::new(ROOT).join(page)).unwrap();
    let steps = steps(&text);
    let run_count = steps.iter().filter(|step| matches!(step, Step::Run { .. })).count();
    assert!(run_count > 5, "{steps:#?}");
    let checkout = sandbox.path("ocitect");
    fs::create_dir_all(checkout.join("testdata")).unwrap();
    let hello = format!("{ROOT}/testdata/hello");
    tool("cp", &["-r", &hello, checkout.join("testdata").to_str().unwrap()]);
    let mut shell = Shell::new(&sandbox, checkout).name(REGISTRY, &part("REGISTRY_OPEN"));
    for step in &steps {
        shell.take(step);
    }
}

#[test]
fn a_page_is_held_against_what_is_printed() {
    let page = "Write `a.txt`:\n\n```text\nhello\n```\n\nThen:\n\n```console\n$ cat a.txt\nhello\n$ b \\\n  c\n...\nd sha256:... e\n```\n";
    let output = vec!["...".to_owned(), "d sha256:... e".to_owned()];
    let expected = [
        Step::File {
            name: "a.txt".to_owned(),
            text: "hello\n".to_owned(),
        },
        Step::Run {
            command: "cat a.txt".to_owned(),
            output: vec!["hello".to_owned()],
        },
        Step::Run {
            command: "b \\\n  c".to_owned(),
            output: output.clone(),
        },
    ];
    assert_eq!(steps(page), expected);
    assert!(is_as_shown(&output, &["d sha256:0a e"]));
    assert!(is_as_shown(&output, &["x", "y", "d sha256:0a e"]));
    assert!(!is_as_shown(&output, &["d sha256:0a e", "x"]));
    assert!(!is_as_shown(&output, &["d sha256:0a f"]));
    assert!(!is_as_shown(&output, &["d e"]));
}
