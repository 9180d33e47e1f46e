//! The images to pin: the metadata of builds, workspaces, and references that a registry resolves.

use super::read;
use crate::support::Sandbox;
use crate::support::faults::fake::Fake;
use crate::support::faults::flavour::Flavour;
use crate::workspace::write_stack;

#[test]
fn the_metadata_of_a_workspace_pins_each_member() {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "registry.test");
    let built = sandbox.ok(&["build", "-p", "planner", "-p", "servers/auth", "--metadata", "m.json"]);
    sandbox.write(
        "compose.yaml",
        "services:\n  planner: {image: registry.test/ws/planner}\n  auth: {image: 'registry.test/ws/auth:1.0'}\n  db: {image: postgres}\n",
    );
    sandbox.ok(&["pin", "compose.yaml", "--from", "m.json"]);
    let pinned: Vec<&str> = built.stdout.lines().collect();
    let [planner, auth] = pinned.as_slice() else {
        panic!("{}", built.stdout)
    };
    let with_tag = |name: &str| name.replace('@', ":1.0@");
    assert_eq!(
        read(&sandbox, "compose.yaml"),
        format!(
            "services:\n  planner: {{image: {}}}\n  auth: {{image: '{}'}}\n  db: {{image: postgres}}\n",
            with_tag(planner),
            with_tag(auth)
        )
    );
}

#[test]
fn members_that_a_failed_build_did_not_make_are_named() {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "registry.test");
    let text = "services: { auth: { image: 'registry.test/ws/auth:1.0' } }\n";
    sandbox.write("compose.yaml", text);
    std::fs::remove_file(sandbox.path("agents/planner/notes")).unwrap();
    let build = |members: &[&str]| {
        let arguments = ["build", "--keep-going", "--metadata", "m.json"];
        let outcome = sandbox.run(&[&arguments[..], members].concat());
        assert_ne!(outcome.code, 0);
    };
    let pin = ["pin", "compose.yaml", "--from", "m.json"];
    std::fs::rename(sandbox.path("base/common.txt"), sandbox.path("common.txt")).unwrap();
    build(&["-p", "planner"]);
    sandbox
        .run(&pin)
        .expect(2)
        .says(&["m.json has no image to pin: the build failed and did not make base, planner"]);
    assert_eq!(read(&sandbox, "compose.yaml"), text);
    std::fs::rename(sandbox.path("common.txt"), sandbox.path("base/common.txt")).unwrap();
    build(&["-p", "planner", "-p", "servers/auth"]);
    let outcome = sandbox.ok(&pin);
    assert!(
        outcome
            .stderr
            .contains("warning: m.json is the metadata of a build that failed: it has no image of planner"),
        "{}",
        outcome.stderr
    );
    assert!(read(&sandbox, "compose.yaml").contains("auth:1.0@sha256:"));
}

#[test]
fn references_are_resolved_in_their_registry() {
    let sandbox = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    let host = fake.host();
    write_stack(&sandbox, host);
    sandbox.ok(&["build", "--push", "--plain-http", host]);
    let (digest, _) = fake.contents().manifest("ws/planner", "1.0").unwrap();
    let text = |suffix: &str| format!("[Container]\nImage={host}/ws/planner:1.0{suffix}\n");
    sandbox.write("planner.container", text(""));
    let planner = format!("{host}/ws/planner:1.0");
    sandbox.ok(&["pin", "planner.container", "--plain-http", host, "--from", &planner]);
    assert_eq!(read(&sandbox, "planner.container"), text(&format!("@{digest}")));
    let absent = format!("{host}/ws/planner:2.0");
    let arguments = ["pin", "planner.container", "--plain-http", host, "--from", &absent];
    sandbox.run(&arguments).expect(6);
}

#[test]
fn a_tag_of_another_image_is_replaced_only_on_request() {
    let sandbox = super::sandbox();
    let text = "services:\n  web: {image: ghcr.io/me/app:0.9}\n";
    sandbox.write("compose.yaml", text);
    sandbox
        .run(&["pin", "compose.yaml", "--from", "m.json"])
        .expect(2)
        .says(&["--retag"]);
    assert_eq!(read(&sandbox, "compose.yaml"), text);
    sandbox.ok(&["pin", "compose.yaml", "--from", "m.json", "--retag"]);
    assert!(read(&sandbox, "compose.yaml").contains("ghcr.io/me/app:1.0@sha256:"));
}

#[test]
fn names_of_docker_hub_are_one_name_in_all_forms() {
    let sandbox = Sandbox::new();
    let digest = format!("sha256:{}", "c".repeat(64));
    sandbox.write(
        "m.json",
        format!(r#"{{"name":"docker.io/library/app","tags":["1"],"digest":"{digest}"}}"#),
    );
    let names = [
        "app:1",
        "library/app:1",
        "docker.io/app:1",
        "docker.io/library/app:1",
        "index.docker.io/library/app:1",
    ];
    let text = |suffix: &str| {
        let service = |(index, name): (usize, &&str)| format!("  s{index}: {{image: \"{name}{suffix}\"}}\n");
        format!(
            "services:\n{}",
            names.iter().enumerate().map(service).collect::<String>()
        )
    };
    sandbox.write("compose.yaml", text(""));
    sandbox.ok(&["pin", "compose.yaml", "--from", "m.json"]);
    assert_eq!(read(&sandbox, "compose.yaml"), text(&format!("@{digest}")));
}

#[test]
fn an_image_that_was_pushed_without_tags_is_pinned_with_a_warning() {
    let sandbox = Sandbox::new();
    let digest = format!("sha256:{}", "c".repeat(64));
    sandbox.write(
        "m.json",
        format!(
            r#"{{"name":"a.b/app","tags":["1"],"digest":"{digest}","targets":[{{"target":"a.b/app","tags":[]}}]}}"#
        ),
    );
    sandbox.write("compose.yaml", "services: {web: {image: \"a.b/app:1\"}}\n");
    let outcome = sandbox.ok(&["pin", "compose.yaml", "--from", "m.json"]);
    assert!(
        outcome.stderr.contains("was pushed without its tags"),
        "{}",
        outcome.stderr
    );
}
