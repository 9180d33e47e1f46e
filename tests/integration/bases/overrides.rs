//! Differences by platform: variables, merged tables, replaced lists, layers; checked in containers of both.

use serde_json::json;

use crate::bases::container::{Container, on_base};
use crate::support::Sandbox;

fn spec() -> String {
    format!(
        "{}{}",
        on_base(""),
        r#"
[vars]
TRIPLE = "x86_64-unknown-linux-musl"
SAME = "same"

[[layers]]
name = "same"
files = [{ from = "same.txt", to = "/srv/same" }]

[[layers]]
name = "app"
owner = "node"
files = [{ from = "dist/${TRIPLE}/app", to = "/srv/app" }, { from = "dist/${arch}-only", to = "/srv/only" }]

[[layers]]
name = "intel"
platforms = ["linux/amd64"]
files = [{ from = "same.txt", to = "/srv/intel" }]

[[dirs]]
path = "/workspace"
mode = "0700"

[config]
cmd = ["/bin/ls"]
[config.env]
WORDS = "${os} ${arch} [${variant}] ${machine} ${node_arch} ${gnu_triplet}"
KEPT = "${SAME}"

[platform."linux/arm64"]
vars = { TRIPLE = "aarch64-unknown-linux-musl" }
[platform."linux/arm64".config]
cmd = ["/bin/sh"]
env = { EXTRA = "arm" }
[[platform."linux/arm64".layers]]
name = "app"
mode = "0600"
[[platform."linux/arm64".layers]]
name = "last"
files = [{ from = "same.txt", to = "/srv/last" }]
"#
    )
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox
        .write("same.txt", "same\n")
        .write("dist/amd64-only", "intel\n")
        .write("dist/arm64-only", "arm\n");
    sandbox.write("dist/x86_64-unknown-linux-musl/app", "for intel\n");
    sandbox.write("dist/aarch64-unknown-linux-musl/app", "for arm\n");
    sandbox.spec(&spec());
    sandbox
}

#[test]
fn each_platform_has_its_files_in_its_container() {
    let sandbox = sandbox();
    let intel = Container::build_for(&sandbox, "linux/amd64");
    assert_eq!(
        intel.find("/srv"),
        ["/srv", "/srv/app", "/srv/intel", "/srv/only", "/srv/same"]
    );
    assert_eq!(
        intel.run(&["cat", "/srv/app", "/srv/only", "/etc/architecture"]),
        "for intel\nintel\namd64\n"
    );
    assert_eq!(
        intel.stat(&["/srv/app", "/workspace"]),
        ["/srv/app 644 1000:1000 regular file", "/workspace 700 0:0 directory"]
    );

    let arm = Container::build_for(&sandbox, "linux/arm64");
    assert_eq!(
        arm.find("/srv"),
        ["/srv", "/srv/app", "/srv/last", "/srv/only", "/srv/same"]
    );
    assert_eq!(
        arm.run(&["cat", "/srv/app", "/srv/only", "/etc/architecture"]),
        "for arm\narm\narm64\n"
    );
    assert_eq!(
        arm.stat(&["/srv/app", "/workspace"]),
        ["/srv/app 600 1000:1000 regular file", "/workspace 700 0:0 directory"]
    );
    assert_eq!(
        arm.stat(&["/tmp", "/home/node"]),
        ["/tmp 1777 0:0 directory", "/home/node 750 1000:1000 directory"]
    );
    assert_eq!(arm.run(&["uname", "-m"]), "aarch64\n");
}

#[test]
fn tables_merge_lists_are_replaced_and_equal_layers_are_one() {
    let sandbox = sandbox();
    sandbox.ok(&["build"]);
    let layout = sandbox.layout("build/oci");
    let config = |platform: &str| layout.config("latest", platform);
    let by = |platform: &str| -> Vec<String> {
        let config = config(platform);
        let history = config["history"].as_array().unwrap();
        history[3..]
            .iter()
            .map(|entry| entry["created_by"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        by("linux/amd64"),
        ["ocitect: filesystem", "ocitect: same", "ocitect: app", "ocitect: intel"]
    );
    assert_eq!(
        by("linux/arm64"),
        ["ocitect: filesystem", "ocitect: same", "ocitect: app", "ocitect: last"]
    );
    assert_eq!(config("linux/amd64")["config"]["Cmd"], json!(["/bin/ls"]));
    assert_eq!(config("linux/arm64")["config"]["Cmd"], json!(["/bin/sh"]));
    let env = |platform: &str| config(platform)["config"]["Env"].as_array().unwrap()[3..].to_vec();
    let words = "WORDS=linux amd64 [] x86_64 x64 x86_64-linux-gnu";
    assert_eq!(env("linux/amd64"), [json!("KEPT=same"), json!(words)]);
    let words = "WORDS=linux arm64 [] aarch64 arm64 aarch64-linux-gnu";
    assert_eq!(
        env("linux/arm64"),
        [json!("EXTRA=arm"), json!("KEPT=same"), json!(words)]
    );
    let layer = |platform: &str, at: usize| layout.manifest("latest", platform)["layers"][at]["digest"].clone();
    // 2 is the layer `filesystem`, 3 the layer `same`, 4 the layer `app`.
    for at in [2, 3] {
        assert_eq!(layer("linux/amd64", at), layer("linux/arm64", at));
    }
    assert_ne!(layer("linux/amd64", 4), layer("linux/arm64", 4));
}

#[test]
fn variables_come_from_set_then_the_environment_then_a_file_then_the_default() {
    let sandbox = Sandbox::new();
    sandbox.write(".env", "# a comment\nexport FILE='from the file'\nBOTH=from the file\n");
    let text = on_base(
        r#"
[vars]
A = { env = "FILE" }
B = { env = "BOTH" }
C = { env = "NEITHER", default = "from the default" }
D = "from the spec"
E = { env = "NOWHERE" }
[config.env]
OUT = "${A}, ${B}, ${C}, ${D}, ${E:-unset}"
"#,
    );
    sandbox.write(
        "ocitect.toml",
        format!("format = 1\nenv-files = [\".env\", \"missing.env\"]\n{text}"),
    );
    let mut command = sandbox.command(&["build", "--set", "D=from the command line"]);
    command.env("BOTH", "from the environment");
    crate::support::Outcome::of(command).expect(0);
    let config = sandbox.layout("build/oci").config("latest", "linux/amd64");
    let expected = "OUT=from the file, from the environment, from the default, from the command line, unset";
    assert_eq!(config["config"]["Env"][3], expected);
}

#[test]
fn a_base_may_differ_by_platform() {
    let sandbox = Sandbox::new();
    let text = format!(
        "{}[platform.\"linux/arm64\".image]\nbase = \"oci:{}\"\n",
        on_base("[[dirs]]\npath = \"/workspace\"\n"),
        crate::support::part("BASE_WHITEOUTS")
    );
    sandbox.spec(&text);
    sandbox.ok(&["build"]);
    let layout = sandbox.layout("build/oci");
    let count = |platform: &str| layout.manifest("latest", platform)["layers"].as_array().unwrap().len();
    assert_eq!([count("linux/amd64"), count("linux/arm64")], [3, 5]);
    let digest = "org.opencontainers.image.base.digest";
    assert!(layout.manifest("latest", "linux/arm64")["annotations"][digest].is_string());
    assert!(
        layout.tagged("latest")["annotations"].get(digest).is_none(),
        "the platforms' bases differ"
    );
}
