//! The config from base to image, as skopeo and podman show it and a container uses it.

use serde_json::{Value, json};

use crate::bases::container::{Container, on_base};
use crate::support::{Layout, Sandbox, part};

/// Returns the table `config` of the image for linux/amd64.
fn execution(text: &str) -> Value {
    let sandbox = Sandbox::new();
    sandbox.spec(&on_base(text));
    sandbox.ok(&["build"]);
    sandbox.layout("build/oci").config("latest", "linux/amd64")["config"].clone()
}

fn below() -> Value {
    Layout {
        directory: part("BASE").into(),
    }
    .config("latest", "linux/amd64")["config"]
        .clone()
}

#[test]
fn variables_keep_the_order_of_the_base_and_new_ones_follow_sorted() {
    let config = execution(
        r#"
[config.env]
ZED = "last"
PATH = "/app/bin:${base.PATH}"
ALPHA = "${base.NOWHERE:-none} and ${base.LANG}"
LANG = false
MONEY = "5$ and $${HOME}"
"#,
    );
    let expected = [
        "PATH=/app/bin:/usr/local/bin:/usr/bin:/bin",
        "BASE_VERSION=1",
        "ALPHA=none and C.UTF-8",
        "MONEY=5$ and ${HOME}",
        "ZED=last",
    ];
    assert_eq!(config["Env"], json!(expected));
}

#[test]
fn labels_ports_and_volumes_are_added_to_the_bases() {
    let config = execution(
        r#"
[config]
ports = ["3000", "5173/udp", "8080"]
volumes = ["/workspace"]
required-env = ["TOKEN", "KEY"]
[config.labels]
"org.example.base" = false
"org.example.version" = "2"
"org.example.new" = "yes"
"#,
    );
    assert_eq!(
        config["Labels"],
        json!({ "dev.ocitect.required-env": "TOKEN,KEY", "org.example.new": "yes", "org.example.version": "2" })
    );
    assert_eq!(
        config["ExposedPorts"],
        json!({ "3000/tcp": {}, "5173/udp": {}, "8080/tcp": {} })
    );
    assert_eq!(config["Volumes"], json!({ "/var/lib": {}, "/workspace": {} }));
}

#[test]
fn an_entrypoint_clears_the_command_of_the_base_unless_one_is_set() {
    let cases = [
        ("", json!(["/bin/env", "--"]), json!(["/bin/sh"])),
        ("cmd = [\"/bin/ls\"]", json!(["/bin/env", "--"]), json!(["/bin/ls"])),
        ("entrypoint = [\"/bin/echo\"]", json!(["/bin/echo"]), Value::Null),
        (
            "entrypoint = [\"/bin/echo\"]\ncmd = [\"x\"]",
            json!(["/bin/echo"]),
            json!(["x"]),
        ),
        (
            "entrypoint = \"exec ls\"",
            json!(["/bin/sh", "-ec", "exec ls"]),
            Value::Null,
        ),
        (
            "shell = [\"/bin/env\", \"sh\"]\ncmd = \"ls\"",
            json!(["/bin/env", "--"]),
            json!(["/bin/env", "sh", "ls"]),
        ),
        ("entrypoint = []", Value::Null, Value::Null),
    ];
    for (text, entrypoint, cmd) in cases {
        // Whether it starts is tested elsewhere.
        let config = execution(&format!("[config]\n{text}\n[check]\nallow = [\"*:/**\"]\n"));
        let found = [config.get("Entrypoint"), config.get("Cmd")].map(|value| value.cloned().unwrap_or_default());
        assert_eq!(found, [entrypoint, cmd], "{text}");
    }
}

#[test]
fn what_is_said_replaces_and_all_else_stays() {
    let config = execution(
        "[config]\nuser = \"node\"\nworkdir = \"/home/node\"\nstop-signal = \"SIGTERM\"\nshell = [\"/bin/sh\", \"-c\"]\n",
    );
    let mut expected = below();
    expected["User"] = json!("node");
    expected["WorkingDir"] = json!("/home/node");
    expected["StopSignal"] = json!("SIGTERM");
    expected["Shell"] = json!(["/bin/sh", "-c"]);
    assert_eq!(config, expected);
}

#[test]
fn a_health_check_replaces_the_bases_and_false_takes_it_away() {
    let config = execution(
        "[config]\nhealthcheck = { test = \"test -e /tmp\", interval = \"1m30s\", timeout = \"500ms\", \
         start-period = \"40s\", start-interval = \"2s\", retries = 5 }\n",
    );
    let expected = json!({
        "Test": ["CMD-SHELL", "test -e /tmp"], "Interval": 90_000_000_000_u64, "Timeout": 500_000_000,
        "StartPeriod": 40_000_000_000_u64, "StartInterval": 2_000_000_000, "Retries": 5,
    });
    assert_eq!(config["Healthcheck"], expected);
    let config = execution("[config]\nhealthcheck = false\n");
    assert_eq!(config["Healthcheck"], json!({ "Test": ["NONE"] }));
}

#[test]
fn podman_sees_and_runs_what_the_spec_says() {
    let sandbox = Sandbox::new();
    sandbox
        .write_mode(
            "start",
            "#!/bin/sh\necho \"$GREETING from $(pwd) as $(id -un) with $*\"\n",
            0o755,
        )
        .spec(&on_base(
            r#"media-types = "docker"
[[layers]]
name = "app"
files = [{ from = "start", to = "/app/" }]
[config]
user = "node"
workdir = "/app"
entrypoint = ["/app/start"]
cmd = ["one", "two"]
ports = ["3000"]
stop-signal = "SIGQUIT"
healthcheck = { test = ["CMD", "/bin/true"], interval = "7s" }
env = { GREETING = "hello" }
[config.labels]
"org.example.who" = "podman"
"#,
        ));
    let container = Container::build(&sandbox);
    assert_eq!(container.start(&[]), "hello from /app as node with one two\n");
    assert_eq!(container.start(&["three"]), "hello from /app as node with three\n");
    let inspected = container.inspect();
    let config = &inspected["Config"];
    assert_eq!(config["Labels"]["org.example.who"], "podman");
    assert_eq!(config["Labels"]["org.example.base"], "yes");
    assert_eq!(config["ExposedPorts"], json!({ "3000/tcp": {}, "8080/tcp": {} }));
    assert_eq!(config["StopSignal"], "SIGQUIT");
    assert_eq!(config["WorkingDir"], "/app");
    let check = if inspected["Healthcheck"].is_null() {
        &inspected["HealthCheck"]
    } else {
        &inspected["Healthcheck"]
    };
    assert_eq!(check["Test"], json!(["CMD", "/bin/true"]), "{inspected}");
    assert_eq!(inspected["Architecture"], "amd64");
}
