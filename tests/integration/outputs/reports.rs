//! Reports of a build for programs: `--metadata` and `--print-plan`.

use std::fs;

use serde_json::{Value, json};

use crate::support::Sandbox;
use crate::support::images::write_spec;
use crate::support::on_base;

#[test]
fn metadata_names_what_was_made() {
    let sandbox = Sandbox::new();
    let image = "name = \"example.com/meta/app\"\ntags = [\"1.0\", \"latest\"]\nmax-size = \"5MB\"";
    write_spec(&sandbox, &format!("{image}\n{}", on_base()));
    fs::create_dir(sandbox.path("info")).unwrap();
    let built = sandbox.ok(&["build", "-o", "oci:out", "--metadata", "info/meta.json"]);
    let meta = sandbox.json("info/meta.json");
    let digest = built.digest();
    assert_eq!(meta["name"], "example.com/meta/app");
    assert_eq!(meta["tags"], json!(["1.0", "latest"]));
    assert_eq!(meta["digest"], *digest);
    assert_eq!(meta["image"], format!("example.com/meta/app@{digest}"));
    let index = sandbox.layout("out").tagged("latest");
    for (at, platform) in ["linux/amd64", "linux/arm64"].into_iter().enumerate() {
        let told = &meta["platforms"][at];
        assert_eq!(told["platform"], platform);
        assert_eq!(told["digest"], index["manifests"][at]["digest"]);
        assert_eq!(told["max_size_bytes"], 5_000_000);
        let manifest = sandbox.layout("out").manifest("latest", platform);
        let layers = manifest["layers"].as_array().unwrap();
        let sizes = layers
            .iter()
            .chain([&manifest["config"]])
            .map(|blob| blob["size"].as_u64().unwrap());
        assert_eq!(told["size_bytes"], sizes.sum::<u64>());
        let names: Vec<&Value> = told["layers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|layer| &layer["name"])
            .collect();
        assert_eq!(names, ["base", "base", "app"]);
        assert_eq!(told["layers"][2]["digest"], layers[2]["digest"]);
    }
    let left: Vec<_> = fs::read_dir(sandbox.path("info"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["meta.json"]);
}

#[test]
fn metadata_of_a_build_that_failed_is_not_written() {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, "max-size = \"10B\"");
    sandbox.run(&["build", "--metadata", "meta.json"]).expect(3);
    assert!(!sandbox.path("meta.json").exists() && !sandbox.path("build").exists());
}

#[test]
fn a_printed_plan_is_the_same_every_time_and_nothing_is_written() {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, &format!("name = \"example.com/plan/app\"\n{}", on_base()));
    let spec = fs::read_to_string(sandbox.path("ocitect.toml")).unwrap();
    sandbox.write(
        "ocitect.toml",
        format!("{spec}\n[[users]]\nname = \"app\"\nuid = 2000\n"),
    );
    let before = fs::read_dir(sandbox.root()).unwrap().count();
    let first = sandbox.ok(&["build", "--print-plan"]);
    let plan: Value = serde_json::from_str(&first.stdout).unwrap();
    assert_eq!(plan.as_array().unwrap().len(), 2);
    // The facts are in the cache by now.
    let second = sandbox.ok(&["build", "--print-plan"]);
    assert_eq!(second.stdout, first.stdout);
    assert!(!sandbox.path("build").exists());
    let after = fs::read_dir(sandbox.root()).unwrap().count();
    assert_eq!(after - usize::from(sandbox.path("cache").exists()), before);
    for text in ["filesystem", "/app/bin/greet", "linux/arm64", "\"0755\""] {
        assert!(first.stdout.contains(text), "{text} in {}", first.stdout);
    }
    sandbox.run(&["build", "--print-plan", "--push"]).expect(2);
}
