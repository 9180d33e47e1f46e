//! AI System: eight agents and a supervisor on a common base with the system's libzmq, which talk over ZeroMQ.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::support::tool;
use crate::systems::container::{Container, Image};
use crate::systems::stack::{Push, Stack};
use crate::systems::system::System;

const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];

/// An image of the system, and what its config must have.
pub struct Agent {
    pub name: &'static str,
    port: &'static str,
    /// Its volumes besides that for logs.
    volumes: &'static [&'static str],
    /// Whether it loads the binding of ZeroMQ.
    needs_zmq: bool,
}

const fn agent(name: &'static str, port: &'static str, volumes: &'static [&'static str]) -> Agent {
    Agent {
        name,
        port,
        volumes,
        needs_zmq: true,
    }
}

const DATA: &str = "/var/lib/ai/data";
const MODELS: &str = "/var/lib/ai/models";

pub const AGENTS: [Agent; 9] = [
    agent("coder", "7003", &[MODELS]),
    Agent {
        needs_zmq: false,
        ..agent("dashboard", "8001", &[])
    },
    agent("executor", "7007", &[DATA]),
    agent("memory", "7005", &[DATA]),
    agent("planner", "7001", &[DATA]),
    agent("researcher", "7002", &[DATA, MODELS]),
    agent("retriever", "7006", &[DATA, MODELS]),
    agent("reviewer", "7004", &[MODELS]),
    agent("supervisor", "8000", &[DATA]),
];

/// Layers of the base: Debian's two, accounts and directories, the libraries, the common modules.
const BASE_LAYERS: usize = 5;

/// The images that need libzmq, sorted.
pub fn needing_zmq() -> Vec<&'static str> {
    let agents = AGENTS.iter().filter(|agent| agent.needs_zmq);
    agents.map(|agent| agent.name).collect()
}

/// Builds the system once, into the layout `image` and the registry.
pub fn published() -> &'static (Stack, Push) {
    static PUBLISHED: OnceLock<(Stack, Push)> = OnceLock::new();
    PUBLISHED.get_or_init(|| {
        let stack = Stack::new(System::ai_system(), "ai");
        let push = stack.push(&["-o", "oci:image"]);
        (stack, push)
    })
}

/// Returns the digests of the layers of an image.
fn layers(manifest: &Value) -> Vec<String> {
    let layers = manifest["layers"].as_array().unwrap().iter();
    layers
        .map(|layer| layer["digest"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn all_images_are_in_the_registry_and_in_the_layout_on_the_layers_of_their_base() {
    let (stack, push) = published();
    let digests = push.digests();
    assert_eq!(digests.len(), AGENTS.len() + 1, "{digests:?}");
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
        assert_eq!(base.len(), BASE_LAYERS, "{platform}");
        let mut binding = BTreeSet::new();
        for agent in &AGENTS {
            let manifest = stack.manifest(agent.name, platform);
            assert_eq!(
                manifest["mediaType"], "application/vnd.docker.distribution.manifest.v2+json",
                "{}",
                agent.name
            );
            let own = layers(&manifest);
            assert_eq!(own[..BASE_LAYERS], base, "{platform} {}", agent.name);
            assert_eq!(
                own.len() - BASE_LAYERS,
                1 + usize::from(agent.needs_zmq),
                "{}",
                agent.name
            );
            binding.extend(agent.needs_zmq.then(|| own[BASE_LAYERS].clone()));
        }
        assert_eq!(binding.len(), 1, "one layer of python3-zmq for all on {platform}");
    }
}

#[test]
fn the_config_of_each_image_says_what_it_needs() {
    let (stack, _) = published();
    let second = 1_000_000_000_u64;
    for platform in PLATFORMS {
        for agent in &AGENTS {
            let name = agent.name;
            let config = &stack.config(name, platform)["config"];
            assert_eq!(config["User"], "ai", "{name}");
            assert_eq!(config["WorkingDir"], "/opt/ai", "{name}");
            assert_eq!(config["Cmd"], json!(["python3", "-m", name]));
            assert_eq!(
                config["ExposedPorts"],
                json!({ format!("{}/tcp", agent.port): {} }),
                "{name}"
            );
            let volumes: BTreeSet<&str> = agent.volumes.iter().copied().chain(["/var/log/ai"]).collect();
            let found: BTreeSet<&str> = config["Volumes"]
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            assert_eq!(found, volumes, "{name}");
            let is_http = ["dashboard", "supervisor"].contains(&name);
            let module = if is_http {
                "ai_system.http_health"
            } else {
                "ai_system.health"
            };
            let health = json!({
                "Test": ["CMD", "python3", "-m", module], "Interval": 30 * second, "Timeout": 10 * second,
                "StartPeriod": if is_http { 20 } else { 10 } * second, "Retries": 3,
            });
            assert_eq!(config["Healthcheck"], health, "{name}");
            let env = config["Env"].as_array().unwrap();
            for variable in [
                "PYTHONPATH=/opt/ai".to_owned(),
                format!("AI_NAME={name}"),
                format!("AI_PORT={}", agent.port),
            ] {
                assert!(env.contains(&json!(variable)), "{name}: {variable} in {env:?}");
            }
        }
    }
}

#[test]
fn the_compose_file_names_the_images_their_volumes_and_their_configuration() {
    let system = System::ai_system();
    let listed = system.run("list", &["--json"]).expect(0).stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let members = listed["members"].as_array().unwrap().iter();
    let names: BTreeSet<String> = members
        .filter(|member| member["member"] != "base")
        .map(|member| {
            format!(
                "{}:{}",
                member["name"].as_str().unwrap(),
                member["tags"][0].as_str().unwrap()
            )
        })
        .collect();
    let compose = system.read("compose.yaml");
    let image = |line: &str| {
        let name = line.trim().strip_prefix("image: ")?;
        Some(
            name.replace("${REGISTRY:-ghcr.io/ai-system}", "ghcr.io/ai-system")
                .replace("${VERSION:-dev}", "dev"),
        )
    };
    let named: BTreeSet<String> = compose.lines().filter_map(image).collect();
    assert_eq!(named, names);
    for agent in &AGENTS {
        let name = agent.name;
        let (_, service) = compose.split_once(&format!("\n  {name}:\n")).unwrap();
        let lines = service.lines().take_while(|line| line.starts_with("    "));
        let mounts: BTreeSet<&str> = lines.filter_map(|line| line.strip_prefix("      - ")).collect();
        let folder = folder(name);
        let configuration = format!("./{folder}/{name}.json:/etc/ai/{name}.json:ro");
        assert!(mounts.contains(&*configuration), "{name}: {mounts:?}");
        let targets = mounts.iter().filter_map(|mount| mount.split(':').nth(1));
        let targets: BTreeSet<&str> = targets.filter(|path| path.starts_with("/var/")).collect();
        let volumes: BTreeSet<&str> = agent.volumes.iter().copied().chain(["/var/log/ai"]).collect();
        assert_eq!(targets, volumes, "{name}");
    }
}

/// Returns the directory of an image's spec.
fn folder(name: &str) -> String {
    match name {
        "supervisor" => name.to_owned(),
        _ => format!("agents/{name}"),
    }
}

/// The agents in podman, in the network namespace of the host, on free ports.
struct Running {
    containers: Vec<(&'static Agent, Container)>,
    ports: Vec<(&'static str, u16)>,
}

impl Running {
    fn start(stack: &Stack) -> Self {
        // All are held until all are known, so that no port is found twice.
        let free: Vec<TcpListener> = AGENTS
            .iter()
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let ports = free.iter().map(|listener| listener.local_addr().unwrap().port());
        let ports: Vec<(&str, u16)> = AGENTS.iter().map(|agent| agent.name).zip(ports).collect();
        drop(free);
        let mut running = Self {
            containers: Vec::new(),
            ports,
        };
        // The supervisor is the last of them.
        for agent in &AGENTS {
            let container = running.container(stack, agent);
            running.containers.push((agent, container));
        }
        running
    }

    fn port(&self, name: &str) -> u16 {
        self.ports.iter().find(|(other, _)| *other == name).unwrap().1
    }

    /// Starts an agent as the compose file does: no file of its image can be changed, its volumes can, and its
    /// configuration is mounted read-only.
    fn container(&self, stack: &Stack, agent: &Agent) -> Container {
        let name = agent.name;
        let system = &stack.system;
        let folder = folder(name);
        let text = system.read(&format!("{folder}/{name}.json"));
        let with_ports = AGENTS.iter().fold(text, |text, other| {
            text.replace(other.port, &self.port(other.name).to_string())
        });
        let configuration = system.sandbox.path(format!("{name}.json"));
        fs::write(&configuration, with_ports).unwrap();
        let image = Image::pull(stack.in_registry(name), "linux/amd64");
        let mut options = vec![
            "--network=host".to_owned(),
            "--read-only".to_owned(),
            format!("--env=AI_PORT={}", self.port(name)),
            format!("--volume={}:/etc/ai/{name}.json:ro", configuration.display()),
        ];
        options.extend(agent.volumes.iter().map(|path| format!("--volume={path}")));
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        image.start(&options)
    }

    fn of(&self, name: &str) -> &Container {
        &self.containers.iter().find(|(agent, _)| agent.name == name).unwrap().1
    }
}

#[test]
fn on_amd64_the_agents_ask_one_another_and_are_healthy() {
    let (stack, _) = published();
    let running = Running::start(stack);
    for (agent, container) in &running.containers {
        let said = container.wait_until_healthy(&stack.config(agent.name, "linux/amd64"));
        let healthy: Vec<&str> = said.lines().collect();
        if agent.name == "supervisor" {
            assert_eq!(healthy.len(), 7, "{said}");
        } else {
            assert_eq!(healthy, [format!("{} is healthy", agent.name)]);
        }
    }
    // Podman itself runs the health check of an image in Docker's format.
    running.of("planner").assert_podman_finds_it_healthy();

    // From the supervisor's container to the planner, and from there to the researcher.
    let planner = running.port("planner").to_string();
    let ask = ["python3", "-m", "ai_system.ask", &planner, "build, push, sell"];
    let said = running.of("supervisor").wait_for(&ask);
    assert_eq!(said, "build: from artifacts; push: bases first; sell: not known\n");
    let maps = running.of("planner").wait_for(&["cat", "/proc/1/maps"]);
    assert!(maps.contains("/usr/lib/x86_64-linux-gnu/libzmq.so.5.2.4"), "{maps}");

    let memory = running.of("memory");
    let port = running.port("memory").to_string();
    memory.wait_for(&["python3", "-m", "ai_system.ask", &port, "first"]);
    let kept = memory.wait_for(&["python3", "-m", "ai_system.ask", &port, "second"]);
    assert_eq!(kept, "2\n");
    let said = memory.wait_for(&[
        "stat",
        "-c",
        "%U:%G %n",
        "/var/lib/ai/data/memory.txt",
        "/var/log/ai/memory.log",
    ]);
    assert_eq!(
        said,
        "ai:ai /var/lib/ai/data/memory.txt\nai:ai /var/log/ai/memory.log\n"
    );
    let refused = memory.exec(&["sh", "-c", "echo x > /etc/ai/memory.json || echo x > /opt/ai/memory.py"]);
    assert_eq!(
        refused.stderr.matches("Read-only file system").count(),
        2,
        "{}",
        refused.stderr
    );
    assert_eq!(memory.stop(), 0);
}

#[test]
fn on_arm64_the_binding_loads_the_libzmq_of_the_base() {
    let (stack, _) = published();
    let image = Image::pull(stack.in_registry("planner"), "linux/arm64");
    let load = "import platform, zmq
maps = open('/proc/self/maps').read()
print(platform.machine(), zmq.zmq_version(), '/usr/lib/aarch64-linux-gnu/libzmq.so.5' in maps)";
    let loaded = image.run("/opt/ai", &["/usr/bin/python3", "-c", load]);
    assert_eq!(loaded, "aarch64 4.3.4 True\n");
}

#[test]
fn bases_are_pushed_before_what_is_built_on_them_and_all_tags_come_last() {
    let (_, push) = published();
    push.assert_bases_first(|image| (image != "base").then_some("base"));
    let tagged = push.tagged();
    assert_eq!(tagged.len(), AGENTS.len() + 1, "{tagged:?}");
    assert_eq!(tagged[0], "base");
}
