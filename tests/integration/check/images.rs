//! Existing images: layouts, archives and references, of ocitect and of other tools.

use std::fs;

use crate::support::{Sandbox, part, tool};

/// Builds an image with a program for the wrong processor, without a check. Returns the sandbox.
fn wrong_image() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write_mode("tool", fs::read(part("BUSYBOX_ARM64")).unwrap(), 0o755);
    sandbox
        .write("id_rsa", "-----BEGIN RSA PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ\n-----END RSA PRIVATE KEY-----\n");
    sandbox.spec(
        "[image]\nname = \"registry.example/check/wrong\"\nplatforms = [\"linux/amd64\"]\n[config]\nuser = \"1000\"\n\
         workdir = \"/app\"\nentrypoint = [\"/bin/tool\", \"true\"]\n[[layers]]\nname = \"app\"\n\
         files = [{ from = \"tool\", to = \"/bin/tool\" }, { from = \"id_rsa\", to = \"/app/\" }]\n\
         [check]\nallow = [\"*:/**\"]\n",
    );
    sandbox
}

const FOUND: &str = "error[wrong-architecture]: linux/amd64 /bin/tool: ";

#[test]
fn layouts_archives_and_references_are_checked_alike() {
    let sandbox = wrong_image();
    let name = format!("{}/check/wrong:1", part("REGISTRY_OPEN"));
    sandbox.ok(&[
        "build",
        "-o",
        "oci:layout:1",
        "-o",
        "oci-archive:image.tar",
        "-o",
        "docker-archive:docker.tar",
    ]);
    sandbox.ok(&["push", "oci:layout:1", &name]);
    let first = sandbox.run(&["check", "oci:layout:1"]).expect(3);
    assert!(
        first.stdout.contains(FOUND) && first.stdout.contains("error[secret]: linux/amd64 /app/id_rsa: "),
        "{}",
        first.stdout
    );
    for image in [
        "oci-archive:image.tar",
        "docker-archive:docker.tar",
        &name,
        &format!("docker://{name}"),
    ] {
        assert_eq!(sandbox.run(&["check", image]).expect(3).stdout, first.stdout, "{image}");
    }
    assert_eq!(
        sandbox
            .run(&["check", "oci:layout:1", "--platform", "linux/amd64"])
            .expect(3)
            .stdout,
        first.stdout
    );
    sandbox
        .run(&["check", "oci:layout:1", "--platform", "linux/s390x"])
        .expect(6)
        .says(&["linux/s390x"]);
    sandbox.run(&["check", "oci:layout:2"]).expect(6);
    sandbox.run(&["check", "oci:nowhere"]).expect(6);
    sandbox.run(&["check", "oci:layout:1", "--set", "A=b"]).expect(2);
}

#[test]
fn an_image_that_others_made_is_checked_as_a_whole() {
    let sandbox = wrong_image();
    sandbox.ok(&["build", "-o", "oci:layout:1"]);
    // umoci writes its own layer and history.
    let bundle = sandbox.path("bundle").display().to_string();
    let manifest = sandbox.layout("layout").tagged("1")["manifests"][0]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    sandbox.ok(&["copy", &format!("oci:layout@{manifest}"), "oci:flat:1"]);
    let flat = sandbox.path("flat").display().to_string();
    tool("umoci", &["unpack", "--image", &format!("{flat}:1"), &bundle]);
    fs::write(
        sandbox.path("bundle/rootfs/app/deploy.key"),
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ\n-----END PRIVATE KEY-----\n",
    )
    .unwrap();
    tool("umoci", &["repack", "--image", &format!("{flat}:2"), &bundle]);
    let outcome = sandbox.run(&["check", "oci:flat:2"]).expect(3);
    assert!(outcome.stdout.contains(FOUND), "{}", outcome.stdout);
    assert!(
        outcome.stdout.contains("error[secret]: linux/amd64 /app/deploy.key: "),
        "{}",
        outcome.stdout
    );
}

#[test]
fn a_directory_that_is_a_layout_is_no_spec_and_the_error_says_how_to_name_it() {
    let sandbox = wrong_image();
    sandbox.ok(&["build", "-o", "oci:layout:1"]);
    sandbox.run(&["check", "layout"]).expect(2).says(&["oci:layout"]);
    sandbox
        .run(&["check", "nowhere.toml"])
        .expect(2)
        .says(&["nowhere.toml"]);
    sandbox
        .run(&["check", "node:18"])
        .expect(2)
        .says(&["docker.io/library/node:18"]);
}
