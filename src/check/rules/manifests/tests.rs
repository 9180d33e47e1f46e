use serde_json::json;

use super::super::super::testing::{Image, Thing, path};
use super::broken_json;
use crate::check::Severity;

const BROKEN: &str = "{\n  \"name\": \"a\",\n}\n";

fn text(text: &str) -> Thing {
    Thing::Text(text.to_owned())
}

/// An image that starts `node dist/index.js` in `/app`.
fn node() -> Image {
    Image::new("linux/amd64")
        .config(json!({"WorkingDir": "/app", "Cmd": ["node", "dist/index.js"]}))
        .own("app/dist/index.js", 0o644, Thing::Unread(10))
        .own("app/package.json", 0o644, text("{\"name\": \"app\"}"))
}

fn paths(image: Image) -> Vec<String> {
    image
        .found_by(broken_json)
        .into_iter()
        .map(|finding| finding.path.to_string())
        .collect()
}

#[test]
fn a_trailing_comma_is_named_with_its_line() {
    let text = Thing::Text("{\n  \"name\": \"eliza\",\n  \"private\": true,\n}\n".to_owned());
    let found = node().own("app/package.json", 0o644, text).found_by(broken_json);
    let [finding] = &found[..] else { panic!("{found:?}") };
    assert_eq!(
        (finding.path.clone(), finding.severity),
        (path("app/package.json"), Severity::Error)
    );
    assert_eq!(
        finding.message,
        "is not valid JSON: a comma after the last item (line 3, column 18)"
    );
    assert_eq!(finding.expected.as_deref(), Some("valid JSON"));
    let shown = "line 3, column 18\n3 |   \"private\": true,\n  |                  ^";
    assert_eq!(finding.found.as_deref(), Some(shown));
    assert_eq!(
        finding.help,
        "fix line 3: Node.js reads this file before the program and fails"
    );
}

#[test]
fn manifests_that_node_reads_are_held() {
    for at in [
        "package.json",
        "app/dist/package.json",
        "app/node_modules/a/package.json",
        "app/node_modules/@s/a/node_modules/b/package.json",
        "app/node_modules/.pnpm/a@1.0.0/node_modules/a/package.json",
        "node_modules/a/package.json",
    ] {
        assert_eq!(paths(node().own(at, 0o644, text(BROKEN))), [format!("/{at}")]);
    }
}

#[test]
fn manifests_that_node_does_not_read_are_left_alone() {
    for at in [
        "app/src/package.json",
        "app/test/fixtures/package.json",
        "app/test/fixtures/node_modules/a/package.json",
        "app/node_modules/resolve/test/resolver/malformed_package_json/package.json",
        "app/node_modules/a/test/node_modules/b/package.json",
        "srv/package.json",
        "app/tsconfig.json",
    ] {
        assert_eq!(paths(node().own(at, 0o644, text(BROKEN))), [""; 0], "{at}");
    }
}

#[test]
fn packages_of_a_workspace_are_followed_through_their_links() {
    let image = node()
        .own("app/node_modules/@app/core", 0o777, Thing::Link("../../packages/core"))
        .own("app/packages/core/package.json", 0o644, text(BROKEN))
        .own(
            "app/packages/core/node_modules/@app/deep",
            0o777,
            Thing::Link("../../../deep"),
        )
        .own("app/packages/deep/package.json", 0o644, text(BROKEN))
        .own("app/packages/other/package.json", 0o644, text(BROKEN))
        .own("app/node_modules/loop", 0o777, Thing::Link("loop"));
    assert_eq!(
        paths(image),
        ["/app/packages/core/package.json", "/app/packages/deep/package.json"]
    );
}

#[test]
fn node_is_told_by_the_command_a_script_or_the_folder() {
    let image = |config| {
        Image::new("linux/amd64")
            .config(config)
            .own("app/package.json", 0o644, text(BROKEN))
    };
    let script = |line: &str| text(&format!("{line}\n"));
    for starts in [
        json!({"WorkingDir": "/app", "Entrypoint": ["pnpm"], "Cmd": ["start"]}),
        json!({"WorkingDir": "/app", "Cmd": ["/bin/sh", "-c", "exec node index.js"]}),
        json!({"WorkingDir": "/", "Entrypoint": ["/usr/bin/node", "/app/x.js"]}),
    ] {
        assert_eq!(
            paths(image(starts).own("app/x.js", 0o644, Thing::Unread(1))),
            ["/app/package.json"]
        );
    }
    let own = |line: &str| {
        let starts = json!({"WorkingDir": "/app", "Entrypoint": ["./start"]});
        image(starts).own("app/start", 0o755, script(line))
    };
    assert_eq!(paths(own("#!/usr/bin/env node")), ["/app/package.json"]);
    assert_eq!(paths(own("#!/bin/sh")), [""; 0]);
    assert_eq!(
        paths(own("#!/bin/sh").base("usr/bin/node", 0o755, Thing::Unread(1))),
        ["/app/package.json"]
    );
    for starts in [
        json!({"WorkingDir": "/app", "Cmd": ["bun", "x.ts"]}),
        json!({"WorkingDir": "/app", "Cmd": ["python3"]}),
    ] {
        assert_eq!(paths(image(starts)), [""; 0]);
    }
}

#[test]
fn the_manifests_of_dotnet_are_those_beside_the_program() {
    let image = |at: &str, content: &str| {
        Image::new("linux/amd64")
            .config(json!({"WorkingDir": "/app", "Entrypoint": ["dotnet", "App.dll"]}))
            .own("app/App.dll", 0o644, Thing::Unread(10))
            .own(at, 0o644, text(content))
    };
    assert_eq!(
        paths(image("app/App.runtimeconfig.json", "{\"a\": 1,}")),
        ["/app/App.runtimeconfig.json"]
    );
    assert_eq!(paths(image("app/App.deps.json", "{")), ["/app/App.deps.json"]);
    assert_eq!(
        paths(image("app/App.runtimeconfig.json", "{\"a\": 1} // fine")),
        [""; 0]
    );
    assert_eq!(paths(image("app/Other.deps.json", "{")), [""; 0]);
}

#[test]
fn manifests_of_the_base_are_the_bases_business() {
    let image = Image::new("linux/amd64")
        .config(json!({"WorkingDir": "/app", "Cmd": ["node"]}))
        .base("app/package.json", 0o644, text(BROKEN));
    assert_eq!(paths(image), [""; 0]);
}
