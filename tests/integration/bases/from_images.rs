//! `files` out of another image: of a layout, of a registry, through links, whole directories.

use std::fs;

use crate::bases::container::{Container, on, on_base, sha256};
use crate::support::{Sandbox, part};

fn spec(from: &str) -> String {
    on("scratch", &format!("[[layers]]\nname = \"taken\"\nfiles = [{from}]\n"))
}

/// Returns `SHA256  PATH` of a busybox in the image.
fn busybox_sum(architecture: &str) -> String {
    sha256(&fs::read(part(&format!("BUSYBOX_{architecture}"))).unwrap())
}

#[test]
fn a_program_of_a_layout_and_of_a_registry_is_the_same_for_each_platform() {
    let sources = [
        format!("oci:{}#/usr/bin/busybox", part("BASE")),
        format!("oci:{}:latest#/usr/bin/busybox", part("BASE_ZSTD")),
        format!("docker://{}/base:latest#/usr/bin/busybox", part("REGISTRY_OPEN")),
        format!("docker://{}/base-docker:latest#/usr/bin/busybox", part("REGISTRY_OPEN")),
    ];
    let built: Vec<String> = sources
        .iter()
        .map(|source| {
            let sandbox = Sandbox::new();
            sandbox.spec(&spec(&format!("{{ from = \"{source}\", to = \"/usr/bin/\" }}")));
            sandbox.ok(&["build"]).digest()
        })
        .collect();
    assert!(built.iter().all(|digest| digest == &built[0]), "{built:?}");
    let sandbox = Sandbox::new();
    sandbox.spec(&spec(&format!("{{ from = \"{}\", to = \"/usr/bin/\" }}", sources[0])));
    for (platform, architecture) in [("linux/amd64", "AMD64"), ("linux/arm64", "ARM64")] {
        let container = Container::build_for(&sandbox, platform);
        let said = container.run(&["sha256sum", "/usr/bin/busybox"]);
        assert_eq!(said, format!("{}  /usr/bin/busybox\n", busybox_sum(architecture)));
        assert_eq!(
            container.stat(&["/usr/bin/busybox"]),
            ["/usr/bin/busybox 755 0:0 regular file"]
        );
    }
}

#[test]
fn a_path_through_links_is_followed_to_the_file() {
    let sandbox = Sandbox::new();
    let base = part("BASE");
    // /bin is a link to usr/bin, and sh in it one to busybox; /var/run leads to /run, absolutely.
    sandbox.spec(&spec(&format!(
        "{{ from = \"oci:{base}#/bin/sh\", to = \"/usr/bin/busybox\" }}, \
         {{ from = \"oci:{base}#/etc/os-release\", to = \"/etc/\" }}"
    )));
    let container = Container::build(&sandbox);
    assert!(
        container
            .run(&["sha256sum", "/usr/bin/busybox"])
            .starts_with(&busybox_sum("AMD64"))
    );
    assert_eq!(
        container.stat(&["/etc/os-release"]),
        ["/etc/os-release 644 0:0 regular file"]
    );
    assert!(
        container
            .run(&["cat", "/etc/os-release"])
            .starts_with("ID=ocitect-test\n")
    );
}

#[test]
fn a_directory_gives_its_contents_with_links_as_they_are() {
    let sandbox = Sandbox::new();
    let base = part("BASE");
    sandbox.spec(&spec(&format!(
        "{{ from = \"oci:{base}#/usr/bin\", to = \"/usr/bin\" }}, \
         {{ from = \"oci:{base}#/home/\", to = \"/copies/home\", exclude = [\"*.none\"] }}, \
         {{ from = \"oci:{base}#/opt\", to = \"/copies/opt\", keep-modes = true, owner = \"7:8\" }}, \
         {{ from = \"oci:{base}#/usr/share/doc\", to = \"/copies/doc\" }}"
    )));
    let container = Container::build(&sandbox);
    assert_eq!(container.run(&["readlink", "/usr/bin/sh"]), "busybox\n");
    assert_eq!(
        container.run(&["sh", "-c", "cat /copies/home/node/.profile"]),
        "PS1='node$ '\n"
    );
    let long = format!("/copies/doc/base/{}name", "long-".repeat(24));
    // The copyright was removed by a layer of that image.
    assert_eq!(
        container.find("/copies/doc"),
        ["/copies/doc", "/copies/doc/base", &long]
    );
    assert_eq!(
        container.stat(&[
            "/copies/home/node",
            "/copies/home/node/.profile",
            "/copies/opt/base",
            "/copies/opt/base/bind-low"
        ]),
        [
            "/copies/home/node 755 0:0 directory",
            "/copies/home/node/.profile 644 0:0 regular file",
            "/copies/opt/base 2775 7:8 directory",
            "/copies/opt/base/bind-low 755 7:8 regular file",
        ]
    );
}

#[test]
fn several_files_of_one_image_and_one_in_place_of_the_bases_own() {
    let sandbox = Sandbox::new();
    let whiteouts = part("BASE_WHITEOUTS");
    sandbox.spec(&on_base(&format!(
        r#"
[[layers]]
name = "taken"
files = [
  {{ from = "oci:{whiteouts}#/data/through", to = "/etc/motd" }},
  {{ from = "oci:{whiteouts}#/hard/two", to = "/srv/two" }},
  {{ from = "oci:{whiteouts}#/hard/three", to = "/srv/three" }},
  {{ from = "oci:{whiteouts}#/data", to = "/srv/data", include = ["sub/**"] }},
]
"#
    )));
    let container = Container::build(&sandbox);
    assert_eq!(container.run(&["cat", "/etc/motd"]), "written through a link\n");
    assert_eq!(
        container.run(&["cat", "/srv/two", "/srv/three"]),
        "hard/one of the first layer\n".repeat(2)
    );
    assert_eq!(
        container.find("/srv/data"),
        ["/srv/data", "/srv/data/sub", "/srv/data/sub/new"]
    );
}

#[test]
fn what_the_image_lacks_is_not_found() {
    let base = part("BASE");
    for path in ["/usr/bin/none", "/usr/share/doc/base/copyright"] {
        let sandbox = Sandbox::new();
        sandbox.spec(&spec(&format!("{{ from = \"oci:{base}#{path}\", to = \"/x\" }}")));
        sandbox
            .run(&["build"])
            .expect(6)
            .says(&[path, "ocitect.toml:", "linux/amd64", "help:"]);
        assert!(!sandbox.path("build").exists());
    }
    let sandbox = Sandbox::new();
    let reference = format!("docker://{}/no/such/image:1#/x", part("REGISTRY_OPEN"));
    sandbox.spec(&spec(&format!("{{ from = \"{reference}\", to = \"/x\" }}")));
    sandbox.run(&["build"]).expect(6).says(&["no/such/image"]);
}

#[test]
fn a_platform_that_the_other_image_lacks_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.spec(&spec(&format!(
        "{{ from = \"oci:{}#/etc/platform\", to = \"/platform\" }}",
        part("BASE_VARIANTS")
    )));
    sandbox
        .run(&["build"])
        .expect(6)
        .says(&["linux/amd64", "linux/386", "linux/arm64"]);
    sandbox.ok(&["build", "--platform", "linux/arm64"]);
}
