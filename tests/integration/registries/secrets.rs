//! Layers with secrets: which of them are sent to a registry.

use std::collections::BTreeSet;

use crate::registries::images::{all_requests, at, is_manifest, is_upload};
use crate::support::Sandbox;

/// Larger than the size from which on a layer is sent ahead, in bytes.
const LARGE_BYTES: usize = 20 * 1024 * 1024;

/// A private key of OpenSSH; its numbers are one letter after the other.
fn key() -> String {
    let body = "k3JfLq9ZxW0uPsTnYbVmQ2rE5tH8aC".repeat(12);
    let head = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAAB";
    [
        "-----BEGIN ",
        "OPENSSH PRIVATE KEY-----\n",
        head,
        &body,
        "\n-----END ",
        "OPENSSH PRIVATE KEY-----\n",
    ]
    .concat()
}

/// Returns an image of two large layers: `keys`, of which one file ends with `secret`, and `rest`.
fn two_layers(name: &str, secret: &str, check: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let filler = |word: &str| format!("{word}\n").repeat(LARGE_BYTES / (word.len() + 1));
    // The larger one is packed first, and would be sent while the other one is packed.
    sandbox.write(
        "keys/data",
        filler("keys and more") + &filler("and what makes it the larger one") + secret,
    );
    sandbox.write("rest/data", filler("nothing but the rest"));
    let layer =
        |name: &str| format!("[[layers]]\nname = \"{name}\"\nfiles = [{{ from = \"{name}/\", to = \"/{name}\" }}]\n");
    sandbox.spec(&format!(
        "[image]\nname = \"{name}\"\ntags = [\"1\"]\nbase = \"scratch\"\nplatforms = [\"linux/amd64\"]\ncompression = \"zstd\"\n{}{}{check}",
        layer("keys"),
        layer("rest"),
    ));
    sandbox
}

/// Returns the digests of the layers that a build of the same files has.
fn layers(sandbox: &Sandbox) -> BTreeSet<String> {
    let manifest = sandbox.layout("alone").manifest("1", "linux/amd64");
    let layers = manifest["layers"].as_array().unwrap().iter();
    layers
        .map(|layer| layer["digest"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_layer_with_a_private_key_is_never_sent_and_no_manifest_either() {
    let name = at("OPEN", "secrets/key");
    let sandbox = two_layers(&name, &key(), "[check]\nallow = [\"secret:/**\"]\n");
    sandbox.ok(&["build", "-o", "oci:alone:1"]);
    let allowed = layers(&sandbox);
    let keys = sandbox.layout("alone").manifest("1", "linux/amd64")["layers"][0]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(allowed.len(), 2);
    let refused = two_layers(&name, &key(), "");
    let outcome = refused.run(&["build", "--push"]).expect(3);
    assert!(
        outcome.stderr.contains("error[secret]: linux/amd64 /keys/data: "),
        "{}",
        outcome.stderr
    );
    let seen = all_requests(&refused, "OPEN", "secrets/key", 0);
    let hex = keys.trim_start_matches("sha256:");
    assert!(
        !seen
            .iter()
            .any(|request| is_upload(request) && request.path.contains(hex)),
        "{seen:#?}"
    );
    assert!(!seen.iter().any(is_manifest), "{seen:#?}");
}

#[test]
fn where_every_secret_is_denied_nothing_is_sent_ahead() {
    let name = at("OPEN", "secrets/denied");
    let token = ["\ntoken = gh", "p_", "k3JfLq9ZxW0uPsTnYbVmQ2rE5tH8aCaZ3dQ1\n"].concat();
    let sandbox = two_layers(&name, &token, "[check]\ndeny = [\"secret\"]\n");
    sandbox.run(&["build", "--push"]).expect(3);
    let seen = all_requests(&sandbox, "OPEN", "secrets/denied", 0);
    assert_eq!(seen.iter().filter(|request| is_upload(request)).count(), 0, "{seen:#?}");
    let warned = two_layers(&name, &token, "");
    let outcome = warned.ok(&["build", "--push"]);
    assert!(
        outcome.stderr.contains("warning[secret]: linux/amd64 /keys/data: "),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_layer_of_an_earlier_image_is_said_not_to_be_scanned_and_its_files_are() {
    let name = at("OPEN", "secrets/earlier");
    two_layers(&name, &key(), "[check]\nallow = [\"secret:/**\"]\n").ok(&["build", "--push"]);
    let sandbox = two_layers(&name, &key(), "");
    let outcome = sandbox
        .run(&["build", "--push", "-t", "2", "--cache-from", &format!("{name}:1")])
        .expect(3);
    for words in [
        "the layer itself is not scanned for secrets",
        "error[secret]: linux/amd64 /keys/data: ",
    ] {
        assert!(outcome.stderr.contains(words), "{words}: {}", outcome.stderr);
    }
}
