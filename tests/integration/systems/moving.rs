//! Images of AI System on their way without a registry: layouts that are written again, archives, and both beside images
//! of podman.

use std::fs;
use std::thread;

use crate::support::{Sandbox, part, tool};
use crate::systems::ai_system::{AGENTS, published};
use crate::systems::container::Image;
use crate::systems::stack::{Stack, TAG};
use crate::systems::system::System;
use crate::systems::whole::assert_whole;

/// Images that podman built, and those of a build, in one registry and in one layout; and archives, for machines without
/// a registry.
#[test]
fn images_of_podman_and_of_a_build_are_side_by_side_and_move_by_layout_and_by_archive() {
    let (stack, push) = published();
    let sandbox = Sandbox::new();
    let registry = part("REGISTRY_OPEN");
    let second = format!("{}/systems/moved", part("REGISTRY_SECOND"));

    // An image that podman made, on the same base: its parent is in the registry, as a build pushed it.
    let base = Image::pull(stack.in_registry("base"), "linux/amd64");
    let by_podman = format!("{registry}/systems/by-podman:dev");
    base.commit(&by_podman);
    tool("podman", &["push", "-q", "--tls-verify=false", &by_podman]);
    let copied = sandbox
        .ok(&["copy", &by_podman, &format!("oci:mixed:{by_podman}")])
        .digest();
    let mut images = vec![("by-podman", by_podman, copied)];
    let digests = push.digests();
    for (image, digest) in &digests {
        let name = stack.name(image);
        sandbox.ok(&["copy", &in_layout(stack, &name), &format!("oci:mixed:{name}")]);
        images.push((image, name, digest.clone()));
    }
    // The base, the agents, and that of podman.
    assert_eq!(images.len(), 1 + AGENTS.len() + 1);
    let mixed = sandbox.layout("mixed");
    assert_eq!(mixed.index()["manifests"].as_array().unwrap().len(), images.len());
    assert_whole(&mixed);

    // All of them, from the layout to a registry that had none.
    for (image, source, digest) in &images {
        let target = format!("{second}/{image}:dev");
        let moved = sandbox.ok(&["copy", &format!("oci:mixed:{source}"), &target]).digest();
        assert_eq!(moved, *digest, "{image}");
        let source = format!("docker://{target}");
        let found = tool(
            "skopeo",
            &["inspect", "--format={{.Digest}}", "--tls-verify=false", &source],
        );
        assert_eq!(found.trim(), digest, "{image}");
    }

    // One archive for each image, loaded by podman.
    thread::scope(|scope| {
        for agents in AGENTS.chunks(AGENTS.len() / 3) {
            let sandbox = &sandbox;
            scope.spawn(move || agents.iter().for_each(|agent| load_archive(stack, sandbox, agent.name)));
        }
    });
}

/// Copies an image of the layout to an archive, loads that in podman, and starts a program of it.
fn load_archive(stack: &Stack, sandbox: &Sandbox, agent: &str) {
    let name = stack.name(agent);
    let archive = sandbox.path(format!("{agent}.tar"));
    let target = format!("oci-archive:{}", archive.display());
    sandbox.ok(&["copy", &in_layout(stack, &name), &target]);
    let loaded = tool("podman", &["load", "-q", "-i", archive.to_str().unwrap()]);
    assert_eq!(loaded.trim(), format!("Loaded image: {name}"));
    fs::remove_file(archive).unwrap();
    let program = ["/usr/bin/python3", "-c", "import ai_system.http; print('ok')"];
    assert_eq!(Image::loaded(name).run("/opt/ai", &program), "ok\n", "{agent}");
}

/// Returns what selects an image of the published layout.
fn in_layout(stack: &Stack, name: &str) -> String {
    format!("oci:{}:{name}", stack.layout().directory.display())
}

#[test]
fn an_archive_that_podman_would_refuse_is_refused_first() {
    let system = System::ai_system();
    for output in ["oci-archive:all.tar", "docker-archive:all.tar"] {
        let refused = system.run("build", &["-o", output]).expect(2);
        assert!(refused.stderr.contains("archive"), "{}", refused.stderr);
        assert_eq!(refused.stdout, "");
        assert!(!system.sandbox.path("all.tar").exists());
    }
}

/// skopeo and umoci read layouts with OCI's media types alone, so the images have these here.
#[test]
fn a_second_run_after_one_agent_changed_leaves_the_layout_whole() {
    let stack = Stack::new(System::ai_system(), "rerun");
    stack.system.edit("ocitect.toml", "media-types = \"docker\"\n", "");
    let build = || {
        stack.system.run("build", &["-o", "oci:image"]).expect(0);
        let whole = assert_whole(&stack.layout());
        let digests = AGENTS
            .iter()
            .map(|agent| stack.layout().digest(&stack.name(agent.name)));
        (whole, digests.collect::<Vec<_>>())
    };
    let (first, before) = build();
    stack
        .system
        .edit("agents/coder/coder.py", "raise NotImplementedError", "return None");
    let (second, after) = build();
    for ((agent, before), after) in AGENTS.iter().zip(&before).zip(&after) {
        assert_eq!(before == after, agent.name != "coder", "{}", agent.name);
    }
    // A layer for both platforms, and a config, a manifest and an index instead of the old ones.
    let new = second.difference(&first).count();
    assert_eq!(new, first.difference(&second).count());
    assert_eq!(new, 1 + 2 + 2 + 1);

    // skopeo reads and verifies every blob that it copies.
    let sandbox = &stack.system.sandbox;
    let directory = stack.layout().directory.display().to_string();
    let copied = sandbox.path("by-skopeo").display().to_string();
    for name in AGENTS.iter().map(|agent| stack.name(agent.name)) {
        let source = format!("oci:{directory}:{name}");
        tool(
            "skopeo",
            &["copy", "-q", "--all", &source, &format!("oci:{copied}:{name}")],
        );
    }
    let by_skopeo = assert_whole(&sandbox.layout("by-skopeo"));
    assert!(by_skopeo.is_subset(&second), "{:?}", by_skopeo.difference(&second));

    // umoci takes an index of two platforms for two images of one name: it gets one platform. A layout with images of one
    // name has tags alone.
    let name = stack.name("coder");
    let one = format!("oci:one:{name}");
    sandbox.ok(&[
        "copy",
        "--platform",
        "linux/amd64",
        &format!("oci:{directory}:{name}"),
        &one,
    ]);
    let bundle = sandbox.path("bundle");
    let image = format!("{}:{TAG}", sandbox.path("one").display());
    tool("umoci", &["unpack", "--image", &image, bundle.to_str().unwrap()]);
    let unpacked = fs::read_to_string(bundle.join("rootfs/opt/ai/coder.py")).unwrap();
    assert_eq!(unpacked, stack.system.read("agents/coder/coder.py"));
}
