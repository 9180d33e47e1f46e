//! Pushing and copying an uncompressed layer of 2 GiB, so that every byte of it is transferred.

use std::fs;
use std::path::PathBuf;

use crate::limits::fixtures::{LARGE_BYTES, write_large_file};
use crate::limits::memory::Allowance;
use crate::support::{Sandbox, part};

/// Removes a blob from the open registry's storage when the test ends: no other test uses it, and it is large.
struct StoredBlob(PathBuf);

impl StoredBlob {
    fn new(digest: &str) -> Self {
        let hex = digest.strip_prefix("sha256:").unwrap();
        let storage = PathBuf::from(part("REGISTRY_OPEN_STORAGE"));
        Self(
            storage
                .join("docker/registry/v2/blobs/sha256")
                .join(&hex[..2])
                .join(hex)
                .join("data"),
        )
    }
}

impl Drop for StoredBlob {
    fn drop(&mut self) {
        // A failure to remove it does not fail the test.
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn a_layer_of_2_gib_is_pushed_and_copied_in_bounded_memory() {
    let sandbox = Sandbox::new();
    write_large_file(&sandbox.path("large"));
    let name = format!("{}/limits/large", part("REGISTRY_OPEN"));
    sandbox.spec(&format!(
        "[image]\nname = \"{name}\"\nplatforms = [\"linux/amd64\"]\ncompression = \"none\"\n\
         [[layers]]\nname = \"large\"\nfiles = [{{ from = \"large\", to = \"/large\" }}]\n"
    ));
    let packing = Allowance::of_packing("none").with_entries(1);
    packing.holds("2 GiB to a registry", &sandbox, &["build", "--push"]);
    fs::remove_file(sandbox.path("large")).unwrap();

    let copying = Allowance::of_copying();
    copying.holds(
        "2 GiB from a registry to a layout",
        &sandbox,
        &["copy", &name, "oci:one:large"],
    );
    let second = format!("{}/limits/large", part("REGISTRY_SECOND"));
    copying.holds("2 GiB from registry to registry", &sandbox, &["copy", &name, &second]);
    let manifest = sandbox.layout("one").manifest("large", "linux/amd64");
    let layer = &manifest["layers"][0];
    let _stored = StoredBlob::new(layer["digest"].as_str().unwrap());
    assert!(
        layer["size"].as_u64().unwrap() > LARGE_BYTES,
        "the whole layer went over the line"
    );

    copying.holds(
        "2 GiB from layout to layout",
        &sandbox,
        &["copy", "oci:one:large", "oci:two:large"],
    );
}
