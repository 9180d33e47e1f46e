//! `ocitect pin` as PyYAML, an independent reader, sees it: files differ only in the references that were pinned.

use crate::support::odd_yaml::{DIGEST, files, metadata};
use crate::support::{Sandbox, tool};

#[test]
fn another_parser_reads_the_same_but_for_the_images() {
    let sandbox = Sandbox::new();
    sandbox.write("m.json", metadata());
    let script = format!("{}/tests/integration/deploy/compare.py", env!("CARGO_MANIFEST_DIR"));
    let before = sandbox.path("before.yaml");
    let after = sandbox.path("after.yaml");
    let arguments = [
        script.as_str(),
        before.to_str().unwrap(),
        after.to_str().unwrap(),
        DIGEST,
    ];
    for file in files() {
        sandbox
            .write("before.yaml", file.before())
            .write("after.yaml", file.before());
        sandbox.ok(&["pin", "after.yaml", "--from", "m.json"]);
        let expected = file.after().matches(DIGEST).count();
        let found = tool("python3", &arguments);
        if file.is_yaml11 {
            assert_eq!(found.trim(), expected.to_string(), "{}", file.name);
        } else {
            assert_eq!(found.trim(), "unreadable", "{}", file.name);
        }
    }
}
