//! Workstation: a Node API, a static backend and twenty small servers: 22 images and a base of the workspace's own.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::OnceLock;
use std::thread;

use serde_json::{Value, json};

use crate::support::tool;
use crate::systems::container::{Container, Image};
use crate::systems::stack::{Push, Stack};
use crate::systems::system::System;
use crate::systems::whole::assert_whole;

const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];

const SERVERS: [&str; 20] = [
    "base64", "color", "csv", "date", "diff", "hash", "hex", "html", "json", "lines", "lower", "mean", "path", "query",
    "regex", "reverse", "slug", "sort", "sum", "words",
];

fn published() -> &'static (Stack, Push) {
    static PUBLISHED: OnceLock<(Stack, Push)> = OnceLock::new();
    PUBLISHED.get_or_init(|| {
        let stack = Stack::new(System::workstation(), "workstation");
        let push = stack.push(&["-o", "oci:image"]);
        (stack, push)
    })
}

fn port(server: &str) -> &'static str {
    match server {
        "sum" => "4001",
        "words" => "4002",
        _ => "4000",
    }
}

fn layers(manifest: &Value) -> Vec<String> {
    let layers = manifest["layers"].as_array().unwrap().iter();
    layers
        .map(|layer| layer["digest"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn all_images_are_in_the_registry_and_in_the_layout_and_share_their_layers() {
    let (stack, push) = published();
    let digests = push.digests();
    assert_eq!(digests.len(), 23, "{digests:?}");
    for (image, digest) in &digests {
        let source = format!("docker://{}", stack.in_registry(image));
        let found = tool(
            "skopeo",
            &["inspect", "--format={{.Digest}}", "--tls-verify=false", &source],
        );
        assert_eq!(found.trim(), digest, "{image}");
        assert_eq!(stack.layout().digest(&stack.name(image)), *digest, "{image}");
    }
    for platform in PLATFORMS {
        let base = layers(&stack.manifest("base", platform));
        for image in SERVERS.iter().chain(&["api"]) {
            let own = layers(&stack.manifest(image, platform));
            assert_eq!(own[..base.len()], base, "{platform} {image}");
        }
        assert_eq!(layers(&stack.manifest("backend", platform)).len(), 2);
    }
    assert_whole(&stack.layout());
}

#[test]
fn the_config_of_each_image_says_what_it_needs() {
    let (stack, _) = published();
    let second = 1_000_000_000_u64;
    for platform in PLATFORMS {
        let config = &stack.config("api", platform)["config"];
        assert_eq!(config["Cmd"], json!(["node", "dist/index.js"]));
        assert_eq!(config["User"], "node");
        assert_eq!(config["Volumes"], json!({ "/app/data": {} }));
        assert_eq!(config["Labels"]["dev.ocitect.required-env"], "DATABASE_URL,API_TOKEN");
        let config = &stack.config("backend", platform)["config"];
        assert_eq!(config["Entrypoint"], json!(["/usr/local/bin/backend"]));
        assert_eq!(config["User"], "nobody");
        for server in SERVERS {
            let config = &stack.config(server, platform)["config"];
            let port = port(server);
            assert_eq!(config["Cmd"], json!(["node", "index.js"]));
            assert_eq!(config["User"], "node");
            assert_eq!(config["ExposedPorts"], json!({ format!("{port}/tcp"): {} }), "{server}");
            let health = json!({
                "Test": ["CMD-SHELL", format!("curl --fail --silent http://localhost:{port}/health || exit 1")],
                "Interval": 30 * second, "Timeout": 5 * second, "Retries": 3,
            });
            assert_eq!(config["Healthcheck"], health, "{server}");
        }
    }
}

#[test]
fn the_compose_file_and_the_example_of_its_values_name_all_images() {
    let system = System::workstation();
    let listed = system.run("list", &["--json"]).expect(0).stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let members = listed["members"].as_array().unwrap().iter();
    let names = members.map(|member| member["name"].as_str().unwrap().to_owned());
    let names: BTreeSet<String> = names.filter(|name| !name.ends_with("/base")).collect();
    let compose = system.read("compose.yaml");
    let images = compose.lines().filter_map(|line| line.trim().strip_prefix("image: "));
    let images = images.map(|name| name.replace("${REGISTRY:-ghcr.io/workstation}", "ghcr.io/workstation"));
    let images: BTreeSet<String> = images.map(|name| name.replace(":${VERSION:-dev}", "")).collect();
    assert_eq!(images.len(), 22);
    assert_eq!(images, names);
    let volumes = compose.split_once("\nvolumes:\n").unwrap().1;
    assert_eq!(volumes.trim(), "api-data:");
    // Every value that the compose file requires is in the example, and so are the names of the servers.
    let example = system.read("env.example");
    for variable in ["DATABASE_URL", "API_TOKEN", "SERVERS"] {
        assert!(compose.contains(&format!("${{{variable}:?")), "{variable}");
        assert!(example.contains(&format!("\n{variable}=")), "{variable}");
    }
    assert!(example.contains(&SERVERS.join(" ")), "{example}");
}

/// Sends a request to a server of the host.
fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("HTTP/1.0 200") || head.starts_with("HTTP/1.1 200"),
        "{head}"
    );
    body.to_owned()
}

#[test]
fn on_amd64_the_api_and_the_backend_reply_on_the_host() {
    let (stack, _) = published();
    let free: Vec<TcpListener> = (0..2).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let ports: Vec<u16> = free
        .iter()
        .map(|listener| listener.local_addr().unwrap().port())
        .collect();
    drop(free);

    let backend = Image::pull(stack.in_registry("backend"), "linux/amd64");
    let port = format!("--env=PORT={}", ports[0]);
    let backend = backend.start(&["--network=host", &port, "--env=SERVERS=sum words"]);
    let said = backend.wait_until_healthy(&stack.config("backend", "linux/amd64"));
    assert_eq!(said, "ok on amd64 as 65534\n");
    assert_eq!(get(ports[0], "/servers"), "sum\nwords\n");

    let image = Image::pull(stack.in_registry("api"), "linux/amd64");
    let port = format!("--env=PORT={}", ports[1]);
    let options = [
        "--network=host",
        &port,
        "--env=DATABASE_URL=x",
        "--env=API_TOKEN=x",
        "--volume=/app/data",
    ];
    let api = image.start(&options);
    api.wait_until_healthy(&stack.config("api", "linux/amd64"));
    assert_eq!(get(ports[1], "/"), "1\n");
    assert_eq!(get(ports[1], "/"), "2\n");
    let said = api.wait_for(&["stat", "-c", "%U:%G", "/app/data/visits"]);
    assert_eq!(said, "node:node\n");
    assert_eq!(api.stop(), 0);

    // Its own check at the start: what was empty in the compose file ends it.
    let empty = image.start(&["--env=DATABASE_URL=x", "--env=API_TOKEN="]);
    assert_eq!(empty.wait(), (1, "API_TOKEN is not set\n".to_owned()));
}

/// Starts a server, and waits until it is healthy.
fn healthy_server(stack: &Stack, server: &str) -> Container {
    let container = Image::pull(stack.in_registry(server), "linux/amd64").start(&[]);
    let said = container.wait_until_healthy(&stack.config(server, "linux/amd64"));
    assert_eq!(said, format!("{server} is healthy\n"));
    container
}

#[test]
fn on_amd64_all_twenty_servers_are_healthy() {
    let (stack, _) = published();
    // Most of the time podman waits.
    thread::scope(|scope| {
        for servers in SERVERS.chunks(SERVERS.len() / 4) {
            scope.spawn(move || servers.iter().for_each(|server| drop(healthy_server(stack, server))));
        }
    });
    let said = healthy_server(stack, "sum").wait_for(&["curl", "--silent", "http://localhost:4001/?n=20&n=22"]);
    assert_eq!(said, "42\n");
}

#[test]
fn on_arm64_the_backend_and_a_server_start() {
    let (stack, _) = published();
    let backend = Image::pull(stack.in_registry("backend"), "linux/arm64");
    let backend = backend.start_program(&["--env=SERVERS=x"], &["/usr/local/bin/backend"]);
    let said = backend.wait_for(&["/bin/busybox", "wget", "-q", "-O-", "http://127.0.0.1:8080/health"]);
    assert_eq!(said, "ok on arm64 as 65534\n");
    let server = Image::pull(stack.in_registry("words"), "linux/arm64");
    let server = server.start_program(&[], &["/usr/bin/node", "index.js"]);
    let said = server.wait_for(&["/usr/bin/curl", "--silent", "http://localhost:4002/?text=a+few+words"]);
    assert_eq!(said, "3\n");
}
