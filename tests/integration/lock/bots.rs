//! Pins that another program moves: the recipe for Renovate in the guide, as it is written there.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::lock::project::{Project, lines};
use crate::registries::images::{all_requests, count};
use crate::support::{part, tool};

/// What Renovate does with a match: it replaces the digest in it. Prints what each match names, and writes the file.
const RENOVATE: &str = r"
const fs = require('fs');
const [expression, path, image, digest] = process.argv.slice(1);
const text = fs.readFileSync(path, 'utf8').replace(new RegExp(expression, 'g'), (match, ...rest) => {
    const { depName, currentValue, currentDigest } = rest.pop();
    console.log(`${depName} ${currentValue} ${currentDigest}`);
    return `${depName}:${currentValue}` === image ? match.replace(currentDigest, digest) : match;
});
fs.writeFileSync(path, text);
";

/// Returns the configuration of the guide.
fn recipe() -> Value {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guides/ci.md");
    let guide = fs::read_to_string(guide).unwrap();
    let blocks = guide.split("```json\n").skip(1);
    let mut blocks = blocks.map(|block| block.split("```").next().unwrap());
    let block = blocks.find(|block| block.contains("customManagers")).unwrap();
    serde_json::from_str(block).unwrap_or_else(|error| panic!("{error}: {block}"))
}

#[test]
fn a_digest_that_renovate_moved_is_built_on() {
    let recipe = recipe();
    let manager = &recipe["customManagers"][0];
    assert_eq!(
        (&manager["customType"], &manager["datasourceTemplate"]),
        (&Value::from("regex"), &Value::from("docker"))
    );
    let expression = manager["matchStrings"][0].as_str().unwrap();

    let project = Project::new("lock/bot");
    let other = format!("{}/base:latest", part("REGISTRY_OPEN"));
    project.sandbox.ok(&["build", "base", "-o", "oci:app/bases:latest"]);
    project.on(&[&project.base(), &format!("docker://{other}"), "oci:bases:latest"]);
    let on_old = project.sandbox.ok(&["build", "app"]).digest();
    let old = project.lock_text();
    let new = project.push_base("2.0");
    let lock = project.lock();
    let base = project.base();
    let matched = tool(
        "node",
        &["-e", RENOVATE, expression, lock.to_str().unwrap(), &base, &new],
    );
    // Each image of a registry, and no local one.
    let named: Vec<String> = lines(&old)
        .iter()
        .filter(|line| !line.name.starts_with("oci:"))
        .map(|line| format!("{} {}", line.name.replace(":latest", " latest"), line.digest))
        .collect();
    assert_eq!(matched.lines().collect::<Vec<_>>(), named);

    let moved = project.lock_text();
    let changed: Vec<_> = old.lines().zip(moved.lines()).filter(|(old, new)| old != new).collect();
    assert_eq!(changed.len(), 1, "{moved}");
    // The facts are of the old image: those of the new one are read, by its digest.
    let facts = project.facts_texts();
    let before = count(&project.sandbox, "OPEN", "lock/bot");
    let built = project.run_cold(&["build", "app", "--locked"]).expect(0);
    assert!(!built.stderr.contains("is not used"), "{}", built.stderr);
    let requests = all_requests(&project.sandbox, "OPEN", "lock/bot", before);
    assert!(
        !requests.iter().any(|request| request.path.ends_with("/latest")),
        "{requests:#?}"
    );
    assert_ne!(built.digest(), on_old);
    assert_eq!((project.lock_text(), project.facts_texts()), (moved, facts));
    // `lock` replaces the facts, as an update would have.
    project.sandbox.ok(&["lock", "app"]);
    let locked = (project.lock_text(), project.facts_texts());
    assert_eq!(
        project.run_cold(&["build", "app", "--locked"]).expect(0).digest(),
        built.digest()
    );
    fs::write(project.lock(), old).unwrap();
    project.sandbox.ok(&["update", "app"]);
    assert_eq!((project.lock_text(), project.facts_texts()), locked);
    project.sandbox.ok(&["outdated", "app"]);
}
