//! Eliza: a pnpm workspace on Node 18 with native modules.

use std::sync::OnceLock;

use serde_json::json;

use crate::support::tool;
use crate::systems::container::Image;
use crate::systems::system::{Published, System};

const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];

/// Loads each native module into one process, and prints a property of each.
const LOAD: &str = "console.log(process.arch, require('rollup').VERSION, require('@swc/core').version,
    typeof require('@anush008/tokenizers').Tokenizer)";

/// esbuild starts its own program, which only qemu can run: a script of an amd64 shell is between them.
const ESBUILD: &str =
    "/app/node_modules/.pnpm/@esbuild+linux-arm64@0.28.2/node_modules/@esbuild/linux-arm64/bin/esbuild";

fn published() -> &'static Published {
    static PUBLISHED: OnceLock<Published> = OnceLock::new();
    PUBLISHED.get_or_init(|| System::eliza().publish("systems/eliza"))
}

#[test]
fn both_platforms_are_in_the_registry_and_in_the_layout() {
    published().assert_same_everywhere();
    for platform in PLATFORMS {
        let manifest = published().manifest(platform);
        assert_eq!(
            manifest["mediaType"], "application/vnd.docker.distribution.manifest.v2+json",
            "{platform}"
        );
        assert_eq!(manifest["layers"].as_array().unwrap().len(), 6, "{platform}");
    }
}

#[test]
fn the_config_says_what_the_system_needs() {
    for platform in PLATFORMS {
        let config = &published().config(platform)["config"];
        assert_eq!(config["User"], "node");
        assert_eq!(config["WorkingDir"], "/app");
        assert_eq!(config["Cmd"], json!(["pnpm", "start"]));
        assert_eq!(config["Entrypoint"], json!(null));
        assert_eq!(config["ExposedPorts"], json!({ "3000/tcp": {}, "5173/tcp": {} }));
        assert!(
            config["Env"]
                .as_array()
                .unwrap()
                .contains(&json!("NODE_ENV=production")),
            "{config}"
        );
        assert_eq!(config["Labels"]["dev.ocitect.required-env"], "OPENAI_API_KEY");
        let second = 1_000_000_000_u64;
        let health = json!({
            "Test": ["CMD-SHELL", "curl --fail --silent http://localhost:3000/api/health || exit 1"],
            "Interval": 30 * second, "Timeout": 10 * second, "StartPeriod": 30 * second, "Retries": 3,
        });
        assert_eq!(config["Healthcheck"], health);
    }
}

#[test]
fn symlinks_of_the_workspace_are_packed_as_they_are_and_its_tests_are_not() {
    let manifest = published().manifest("linux/arm64");
    let listed = |at: usize| {
        let layer = published().layout.layer_path(&manifest, at);
        tool("bsdtar", &["-tvf", layer.to_str().unwrap()])
    };
    let dependencies = listed(4);
    let workspace = listed(5);
    let store = "../node_modules/.pnpm";
    for link in [
        format!("app/packages/core/node_modules/rollup -> ../../{store}/rollup@4.68.2/node_modules/rollup"),
        "app/agent/node_modules/@eliza/core -> ../../../packages/core".to_owned(),
    ] {
        assert!(workspace.contains(&link), "{link} in\n{workspace}");
    }
    assert!(
        dependencies.contains("app/node_modules/@eliza/agent -> ../../agent"),
        "{dependencies}"
    );
    assert!(!dependencies.contains("x64"), "{dependencies}");
    assert!(
        workspace.contains("app/agent/src/index.js") && !workspace.contains("index.test.js"),
        "{workspace}"
    );
}

#[test]
fn on_amd64_it_starts_loads_its_modules_and_is_healthy() {
    let image = Image::pull(published().reference("linux/amd64"), "linux/amd64");
    let loaded = image.run("/app/packages/core", &["node", "-e", LOAD]);
    assert_eq!(loaded, "x64 4.68.2 1.16.22 function\n");
    let container = image.start(&["--env=OPENAI_API_KEY=none"]);
    let health = container.wait_until_healthy(&published().config("linux/amd64"));
    assert!(health.contains(r#""esbuild":"export const answer = 42;""#), "{health}");
    let page = container.wait_for(&["curl", "--silent", "http://localhost:5173/"]);
    assert!(page.contains("<title>Eliza</title>"), "{page}");
}

#[test]
fn on_arm64_it_starts_loads_its_modules_and_is_healthy() {
    let image = Image::pull(published().reference("linux/arm64"), "linux/arm64");
    let loaded = image.run("/app/packages/core", &["/usr/bin/node", "-e", LOAD]);
    assert_eq!(loaded, "arm64 4.68.2 1.16.22 function\n");
    let script = tempfile::tempdir().unwrap();
    let path = script.path().join("esbuild");
    std::fs::write(&path, format!("#!/busybox sh\nexec /qemu {ESBUILD} \"$@\"\n")).unwrap();
    tool("chmod", &["-R", "a+rx", script.path().to_str().unwrap()]);
    let mount = format!("--volume={}:/esbuild:ro", path.display());
    let options = [
        &*mount,
        "--env=ESBUILD_BINARY_PATH=/esbuild",
        "--env=OPENAI_API_KEY=none",
    ];
    // No shell there can start a program either: the test does pnpm's part and the health check's shell.
    let container = image.start_program(&options, &["/usr/bin/node", "/app/agent/src/index.js"]);
    let health = container.wait_for(&[
        "/usr/bin/curl",
        "--fail",
        "--silent",
        "http://localhost:3000/api/health",
    ]);
    assert!(health.contains(r#""esbuild":"export const answer = 42;""#), "{health}");
}
