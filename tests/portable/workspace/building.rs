//! Members are built as they would be alone, together, and from a cold and a warm cache.

use serde_json::Value;

use super::{MEMBERS, write_stack};
use crate::support::Sandbox;

/// Returns the lines of standard output: the name and the digest of each image.
fn pinned(stdout: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let (name, digest) = line.split_once('@').unwrap();
        (name.rsplit('/').next().unwrap().to_owned(), digest.to_owned())
    };
    stdout.lines().map(line).collect()
}

fn names(pinned: &[(String, String)]) -> Vec<&str> {
    pinned.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn a_workspace_is_built_bases_first_and_every_way_gives_the_same_digests() {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example.com");
    let first = pinned(&sandbox.ok(&["build"]).stdout);
    assert_eq!(names(&first), MEMBERS);
    let digest = |member: &str| first.iter().find(|(name, _)| name == member).unwrap().1.clone();

    let again = sandbox.ok(&["build"]);
    assert_eq!(pinned(&again.stdout), first);
    again.says(&["6 images: 0 written, 6 unchanged"]);

    for (arguments, members) in [
        (&["build", "agents/planner", "-o", "oci:alone"][..], &["planner"][..]),
        (
            &[
                "build",
                "-p",
                "servers/*",
                "--exclude",
                "servers/mail",
                "-o",
                "oci:some",
            ],
            &["auth", "billing"],
        ),
        (
            &[
                "build",
                "-p",
                "base",
                "--with-dependents",
                "-o",
                "oci:all",
                "--jobs",
                "1",
            ],
            &MEMBERS,
        ),
    ] {
        let built = pinned(&sandbox.ok(arguments).stdout);
        assert_eq!(names(&built), members, "{arguments:?}");
        for (name, found) in built {
            assert_eq!(found, digest(&name), "{arguments:?}");
        }
    }
    let cold = Sandbox::new();
    write_stack(&cold, "reg.example.com");
    assert_eq!(pinned(&cold.ok(&["build"]).stdout), first);
}

#[test]
fn a_dependent_has_the_layers_the_user_and_the_name_of_its_base() {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example.com");
    let built = pinned(&sandbox.ok(&["build"]).stdout);
    let layout = sandbox.layout("build/oci");
    let manifest = |name: &str| layout.manifest(&format!("reg.example.com/ws/{name}:1.0"), "linux/arm64");
    let layers = |name: &str| -> Vec<Value> { manifest(name)["layers"].as_array().unwrap().clone() };
    let base = layers("base");
    assert_eq!(base.len(), 2);
    for name in &MEMBERS[1..] {
        assert_eq!(layers(name)[..2], base, "{name}");
        assert_eq!(layers(name).len(), 3, "{name}");
    }
    assert_eq!(layers("auth")[2], layers("mail")[2]);
    let config = layout.config("reg.example.com/ws/planner:1.0", "linux/arm64");
    assert_eq!(config["config"]["User"], "app");
    let annotations = &manifest("planner")["annotations"];
    assert_eq!(
        annotations["org.opencontainers.image.base.name"],
        "reg.example.com/ws/base:1.0"
    );
    let index = layout.tagged("reg.example.com/ws/base:1.0");
    let arm64 = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["platform"]["architecture"] == "arm64");
    assert_eq!(
        annotations["org.opencontainers.image.base.digest"],
        arm64.unwrap()["digest"]
    );
    let mail = layout.config("reg.example.com/ws/mail:1.0", "linux/amd64");
    assert_eq!(mail["config"]["ExposedPorts"], serde_json::json!({ "25/tcp": {} }));
    assert_eq!(built.len(), 6);
}

#[test]
fn a_base_that_changed_changes_every_dependent_and_nothing_else() {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example.com");
    sandbox.write(
        "lone/ocitect.toml",
        "format = 1\n[image]\nname = \"reg.example.com/ws/lone\"\n[config]\nuser = \"0\"\n",
    );
    let root = std::fs::read_to_string(sandbox.path("ocitect.toml")).unwrap();
    sandbox.write("ocitect.toml", root.replace("\"base\",", "\"base\", \"lone\","));
    let before = pinned(&sandbox.ok(&["build"]).stdout);
    sandbox.write("base/common.txt", "something else\n");
    let after = pinned(&sandbox.ok(&["build"]).stdout);
    for ((name, old), (_, new)) in before.iter().zip(&after) {
        assert_eq!(old == new, name == "lone", "{name}");
    }
    // A member alone takes the base as it is now, too.
    let alone = pinned(&sandbox.ok(&["build", "agents/writer"]).stdout);
    assert!(after.contains(&alone[0]), "{alone:?}");
}

#[test]
fn list_and_metadata_describe_the_members() {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example.com");
    let listed: Value = serde_json::from_str(&sandbox.ok(&["list", "--json"]).stdout).unwrap();
    let ids: Vec<&str> = listed["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["member"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids,
        [
            "base",
            "planner",
            "servers/auth",
            "servers/billing",
            "servers/mail",
            "writer"
        ]
    );
    assert_eq!(listed["members"][1]["base_members"], serde_json::json!(["base"]));
    let text = sandbox.ok(&["list", "-p", "servers/mail"]).stdout;
    assert_eq!(
        text,
        "servers/mail  reg.example.com/ws/mail:1.0  linux/amd64,linux/arm64  based on base\n"
    );

    let built = sandbox.ok(&["build", "-p", "writer", "--metadata", "m.json"]);
    let metadata = sandbox.json("m.json");
    assert_eq!(metadata["version"], 1);
    let images = metadata["images"].as_array().unwrap();
    assert_eq!(images.len(), 2);
    assert_eq!(images[1]["member"], "writer");
    assert_eq!(images[1]["base_members"], serde_json::json!(["base"]));
    assert_eq!(images[1]["state"], "written");
    assert_eq!(format!("{}\n", images[1]["image"].as_str().unwrap()), built.stdout);
    assert_eq!(images[1]["name"], "reg.example.com/ws/writer");
}

#[test]
fn variables_reach_the_members_that_declare_them() {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example.com");
    sandbox.ok(&["build", "--set", "port=8080", "--set", "version=2"]);
    let layout = sandbox.layout("build/oci");
    let ports = |name: &str| {
        layout.config(&format!("reg.example.com/ws/{name}:2"), "linux/amd64")["config"]["ExposedPorts"].clone()
    };
    assert_eq!(ports("auth"), serde_json::json!({ "8080/tcp": {} }));
    assert_eq!(ports("planner"), Value::Null);
    // The cell says it itself.
    assert_eq!(ports("mail"), serde_json::json!({ "25/tcp": {} }));
}

#[test]
fn members_share_the_lockfile_of_the_root() {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example.com");
    let foundation = Sandbox::new();
    foundation.write("f", "the foundation\n").spec(
        "[image]\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n[[layers]]\nname = \"f\"\nfiles = [{ from = \"f\", to = \"/f\" }]\n",
    );
    let bases = sandbox.path("bases").display().to_string();
    foundation.ok(&["build", "-o", &format!("oci:{bases}")]);
    // The same layout, as members in different directories write it.
    for (spec, line) in [
        ("base/ocitect.toml", "base = \"oci:../bases\"\n"),
        (
            "lone.toml",
            "name = \"reg.example.com/ws/lone\"\nbase = \"oci:./bases\"\n",
        ),
    ] {
        let text = std::fs::read_to_string(sandbox.path(spec))
            .unwrap_or("format = 1\n[image]\n[config]\nuser = \"0\"\n".to_owned());
        sandbox.write(spec, text.replacen("[image]\n", &format!("[image]\n{line}"), 1));
    }
    let root = std::fs::read_to_string(sandbox.path("ocitect.toml")).unwrap();
    sandbox.write("ocitect.toml", root.replace("\"base\",", "\"base\", \"lone.toml\","));
    sandbox
        .run(&["build", "--locked"])
        .expect(2)
        .says(&["ocitect.lock", "oci:bases"]);

    let built = sandbox.ok(&["build"]).stdout;
    let lock = std::fs::read_to_string(sandbox.path("ocitect.lock")).unwrap();
    assert_eq!(lock.matches("oci:bases").count(), 1, "{lock}");
    assert!(!sandbox.path("base/ocitect.lock").exists() && !sandbox.path("lone.lock").exists());
    sandbox.ok(&["lock"]).says(&["is up to date"]);
    sandbox.ok(&["lock", "agents/planner"]).says(&["is up to date"]);
    assert_eq!(std::fs::read_to_string(sandbox.path("ocitect.lock")).unwrap(), lock);
    assert_eq!(sandbox.ok(&["build", "--locked"]).stdout, built);
    sandbox.ok(&["build", "--locked", "base"]);
    sandbox.run(&["outdated"]).expect(0);

    // A member takes what its base has of that image, and a moved pin moves all that build on it.
    foundation.write("f", "another foundation\n");
    foundation.ok(&["build", "-o", &format!("oci:{bases}")]);
    assert_eq!(sandbox.ok(&["build"]).stdout, built);
    sandbox.run(&["outdated"]).expect(3);
    sandbox.ok(&["update"]);
    let moved = sandbox.ok(&["build", "--locked"]).stdout;
    for (old, new) in pinned(&built).iter().zip(pinned(&moved)) {
        assert_ne!(old.1, new.1, "{}", new.0);
    }
}

/// An archive that knows the name is loaded under it, and not all of them as one.
#[test]
fn a_copy_of_one_image_of_the_layout_keeps_its_name() {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example.com");
    sandbox.ok(&["build"]);
    let full = "reg.example.com/ws/planner:1.0";
    let source = format!("oci:build/oci:{full}");
    let copied = sandbox.ok(&["copy", &source, "oci-archive:planner.tar"]);
    assert!(
        copied.stdout.starts_with("reg.example.com/ws/planner@sha256:"),
        "{}",
        copied.stdout
    );
    sandbox.ok(&["copy", &format!("oci-archive:planner.tar:{full}"), "oci:one"]);
    let entry = sandbox.layout("one").index()["manifests"][0]["annotations"].clone();
    assert_eq!(entry["org.opencontainers.image.ref.name"], "1.0");
    assert_eq!(entry["io.containerd.image.name"], full);
    // By a tag that only one image has, there is no name to keep.
    sandbox.ok(&["copy", "oci:one:1.0", "oci:bare"]);
    let entry = sandbox.layout("bare").index()["manifests"][0]["annotations"].clone();
    assert_eq!(entry["org.opencontainers.image.ref.name"], "1.0");
}

#[test]
fn bases_of_bases_come_along() {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example.com");
    let writer = std::fs::read_to_string(sandbox.path("agents/writer/ocitect.toml")).unwrap();
    sandbox.write(
        "agents/writer/ocitect.toml",
        writer.replace("workspace:base", "workspace:planner"),
    );
    for (selected, expected) in [
        ("writer", &["base", "planner", "writer"][..]),
        ("planner", &["base", "planner"]),
        ("base", &["base"]),
        ("servers", &["base", "servers/auth", "servers/billing", "servers/mail"]),
    ] {
        sandbox.ok(&["build", "-p", selected, "--metadata", "m.json"]);
        let metadata = sandbox.json("m.json");
        let images = metadata["images"].as_array().unwrap();
        let built: Vec<&str> = images.iter().map(|image| image["member"].as_str().unwrap()).collect();
        assert_eq!(built, expected, "{selected}");
    }
}

/// A layer that takes files of other members, from `tools` or from the image `source`.
fn taker(host: &str, name: &str, source: &str) -> String {
    format!(
        "format = 1\n[image]\nname = \"{host}/ws/{name}\"\n[[layers]]\nname = \"taken\"\nfiles = [\n\
         {{ from = \"{source}#/opt\", to = \"/opt\", exclude = [\"*.log\"], keep-modes = true }},\n\
         {{ from = \"{source}#/etc/passwd\", to = \"/etc/people\" }},\n\
         {{ from = \"{source}#/opt/link\", to = \"/opt/through\" }}]\n[config]\nuser = \"10001\"\n"
    )
}

#[test]
fn files_of_a_member_are_those_of_its_image() {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example");
    sandbox.write(
        "tools/ocitect.toml",
        "format = 1\n[image]\nname = \"reg.example/ws/tools\"\nbase = \"workspace:base\"\n[[layers]]\nname = \"tools\"\n\
         files = [{ from = \"bin\", to = \"/opt/bin\", executable = [\"run\"] }]\n\
         links = [{ path = \"/opt/link\", target = \"bin/run\" }]\n",
    );
    sandbox
        .write("tools/bin/run", "#!/bin/sh\n")
        .write("tools/bin/noise.log", "noise\n");
    let root = std::fs::read_to_string(sandbox.path("ocitect.toml")).unwrap();
    sandbox.write(
        "ocitect.toml",
        root.replace("\"base\",", "\"base\", \"tools\", \"taker\","),
    );
    sandbox.write("taker/ocitect.toml", taker("reg.example", "taker", "workspace:tools"));
    sandbox.ok(&["build", "-o", "oci:out"]);
    // The same from the image that was written.
    sandbox.write(
        "alone/ocitect.toml",
        taker("reg.example", "taker", "oci:../out:reg.example/ws/tools:1.0"),
    );
    let spec = std::fs::read_to_string(sandbox.path("alone/ocitect.toml")).unwrap();
    let image = "[image]\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\ntags = [\"1.0\"]\ncompression = \"none\"\n";
    sandbox.write("alone/ocitect.toml", spec.replace("[image]\n", image));
    sandbox.ok(&["build", "alone", "-o", "oci:other"]);
    let of = |layout: &str, tag: &str| sandbox.layout(layout).manifest(tag, "linux/arm64")["layers"].clone();
    assert_eq!(of("out", "reg.example/ws/taker:1.0"), of("other", "1.0"));
    assert_eq!(of("other", "1.0").as_array().unwrap().len(), 1);
    // Nothing of the member is written for the one that takes its files.
    sandbox.ok(&["build", "-p", "taker", "-o", "oci:only"]);
    let index = sandbox.layout("only").index();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
    // A changed file of the member changes both.
    sandbox.write("tools/bin/run", "#!/bin/bash\n");
    sandbox.ok(&["build", "-o", "oci:next"]);
    assert_ne!(of("next", "reg.example/ws/taker:1.0"), of("other", "1.0"));
}

#[test]
fn sources_of_members_are_checked() {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example");
    let root = std::fs::read_to_string(sandbox.path("ocitect.toml")).unwrap();
    sandbox.write("ocitect.toml", root.replace("\"base\",", "\"base\", \"taker\","));
    for (source, code, words) in [
        ("workspace:bas", 2, "did you mean base?"),
        ("workspace:taker", 2, "taker"),
        ("workspace:base", 6, "does not contain /opt/link"),
    ] {
        sandbox.write("taker/ocitect.toml", taker("reg.example", "taker", source));
        sandbox.run(&["build", "-o", "oci:out"]).expect(code).says(&[words]);
    }
    let text = taker("reg.example", "taker", "workspace:base");
    sandbox.write("taker/ocitect.toml", text.replace("#/etc/passwd", ""));
    sandbox
        .run(&["build", "-o", "oci:out"])
        .expect(2)
        .says(&["needs a path in its image"]);
}

#[test]
fn a_printed_plan_lists_the_members_and_their_platforms() {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example.com");
    let plan = |arguments: &[&str]| -> Value {
        let printed = sandbox.ok(&[&["build", "--print-plan"][..], arguments].concat());
        serde_json::from_str(&printed.stdout).unwrap()
    };
    let all = plan(&[]);
    let ids: Vec<&str> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["member"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids,
        [
            "base",
            "planner",
            "servers/auth",
            "servers/billing",
            "servers/mail",
            "writer"
        ]
    );
    for image in all.as_array().unwrap() {
        let platforms = image["platforms"].as_array().unwrap().iter();
        let names: Vec<&str> = platforms.map(|plan| plan["platform"].as_str().unwrap()).collect();
        assert_eq!(names, ["linux/amd64", "linux/arm64"], "{}", image["member"]);
    }
    assert_eq!(all[1]["platforms"][0]["layers"][0]["entries"][1]["path"], "/app/notes");
    // The base of a selected member is planned too.
    let one = plan(&["agents/planner", "--platform", "linux/arm64"]);
    assert_eq!(one[1]["member"], "planner");
    assert_eq!(one[1]["platforms"].as_array().unwrap().len(), 1);
    assert_eq!(one.as_array().unwrap().len(), 2);
    assert!(!sandbox.path("build").exists());

    std::fs::remove_file(sandbox.path("agents/planner/notes")).unwrap();
    let some = sandbox.run(&["build", "--print-plan", "--keep-going"]).expect(2);
    let planned: Value = serde_json::from_str(&some.stdout).unwrap();
    assert_eq!(planned.as_array().unwrap().len(), MEMBERS.len() - 1);
    some.says(&["cannot build planner"]);
}
