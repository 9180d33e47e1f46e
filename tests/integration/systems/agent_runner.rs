//! agent-runner: a Python 3.11 worker in a virtual environment that was built elsewhere.

use std::sync::OnceLock;

use serde_json::json;

use crate::support::{part, tool};
use crate::systems::container::Image;
use crate::systems::system::{Published, System, assert_untouched};

const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];

/// Imports the extension modules, and prints where from.
const LOAD: &str = "import numpy, platform, pydantic, sys
print(platform.machine(), numpy.__version__, pydantic.VERSION, sys.prefix)";

fn published() -> &'static Published {
    static PUBLISHED: OnceLock<Published> = OnceLock::new();
    PUBLISHED.get_or_init(|| System::agent_runner().publish("systems/agent-runner"))
}

#[test]
fn both_platforms_are_in_the_registry_and_in_the_layout() {
    published().assert_same_everywhere();
    for platform in PLATFORMS {
        assert_eq!(
            published().manifest(platform)["layers"].as_array().unwrap().len(),
            5,
            "{platform}"
        );
    }
}

#[test]
fn the_config_says_what_the_system_needs() {
    for platform in PLATFORMS {
        let config = &published().config(platform)["config"];
        assert_eq!(config["User"], "stigmer");
        assert_eq!(config["WorkingDir"], "/app");
        assert_eq!(config["Entrypoint"], json!(["agent-runner"]));
        assert_eq!(config["Cmd"], json!(null));
        assert_eq!(config["Volumes"], json!({ "/workspace": {} }));
        let path = "PATH=/app/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        assert_eq!(config["Env"], json!([path, "LANG=C.UTF-8", "PYTHONUNBUFFERED=1"]));
        let second = 1_000_000_000_u64;
        let health = json!({
            "Test": ["CMD", "/app/.venv/bin/python", "-m", "agent_runner.health"],
            "Interval": 30 * second, "Timeout": 10 * second, "StartPeriod": 40 * second, "Retries": 3,
        });
        assert_eq!(config["Healthcheck"], health);
    }
}

#[test]
fn every_file_belongs_to_the_user_and_nothing_of_the_checkout_is_packed() {
    let manifest = published().manifest("linux/amd64");
    for at in 3..=4 {
        let layer = published().layout.layer_path(&manifest, at);
        let listed = tool("bsdtar", &["--numeric-owner", "-tvf", layer.to_str().unwrap()]);
        assert!(listed.lines().count() > 5, "{listed}");
        for line in listed.lines() {
            let columns: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(columns[2..4], ["1000", "1000"], "{line}");
            let path = columns[8];
            let kept_out = [
                "/.git",
                "/.idea",
                "/.pytest_cache",
                "/__pycache__",
                "app/tests",
                "app/docs",
                "app/dist",
            ];
            assert!(!kept_out.iter().any(|name| path.contains(name)), "{path}");
        }
    }
}

#[test]
fn on_amd64_it_starts_loads_its_modules_and_is_healthy() {
    let image = Image::pull(published().reference("linux/amd64"), "linux/amd64");
    let loaded = image.run("/app", &["/app/.venv/bin/python", "-c", LOAD]);
    assert_eq!(loaded, "x86_64 2.2.6 2.11.10 /app/.venv\n");
    let container = image.start(&[]);
    container.wait_until_healthy(&published().config("linux/amd64"));
    let said = container.wait_for(&[
        "stat",
        "-c",
        "%U:%G %a",
        "/workspace",
        "/workspace/heartbeat.json",
        "/app/src",
    ]);
    assert_eq!(said, "stigmer:stigmer 755\nstigmer:stigmer 644\nstigmer:stigmer 755\n");
    assert_eq!(container.stop(), 0);
}

#[test]
fn on_arm64_it_starts_loads_its_modules_and_is_healthy() {
    let image = Image::pull(published().reference("linux/arm64"), "linux/arm64");
    let loaded = image.run("/app", &["/app/.venv/bin/python", "-c", LOAD]);
    assert_eq!(loaded, "aarch64 2.2.6 2.11.10 /app/.venv\n");
    let container = image.start_program(&[], &["/app/.venv/bin/python", "/app/.venv/bin/agent-runner"]);
    container.wait_until_healthy(&published().config("linux/arm64"));
}

#[test]
fn an_image_over_the_gate_is_refused_before_anything_is_written() {
    let system = System::agent_runner();
    system.edit("ocitect.toml", "max-size = \"100MB\"", "max-size = \"50MB\"");
    let repository = "systems/agent-runner-too-large";
    let reference = format!("{}/{repository}:1", part("REGISTRY_OPEN"));
    system
        .run("build", &["--push", "-t", &reference])
        .expect(3)
        .says(&["linux/amd64", "50000000"]);
    assert_untouched(repository);
}
