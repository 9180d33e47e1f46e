//! The golden file: digests, with a listing beside each, which shows what a change has changed.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::reproducibility::fixture::{Built, COMPRESSIONS, Checkout};
use crate::reproducibility::listing::{self, assert_same_lines};
use crate::support::Sandbox;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/golden/build.txt");
const UPDATE: &str = "OCITECT_UPDATE_GOLDEN";
const HEAD: &str =
    "# What tests/integration/reproducibility builds of its fixture. Byte format 1 is what these digests say: a change is a new format.
# Written by OCITECT_UPDATE_GOLDEN=1 tests/run --test integration golden.
";
const DIGESTS: &str = "## digests\n";

#[test]
fn the_digests_are_golden_and_a_change_shows_the_entry() {
    let sandbox = Sandbox::new();
    let checkout = Checkout::write(sandbox.path("checkout"));
    let built = COMPRESSIONS.map(|compression| (compression, checkout.build(&sandbox, compression)));
    let listings = listings(&built[0].1, "gzip");
    for (compression, built) in &built[1..] {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        assert_same_lines(
            compression,
            &lines(&listings),
            &lines(&self::listings(built, compression)),
        );
    }
    let digests: String = built
        .iter()
        .map(|(compression, built)| digests(compression, built))
        .collect();
    let found = format!("{HEAD}{listings}{DIGESTS}{digests}");
    if std::env::var_os(UPDATE).is_some_and(|value| value == "1") {
        std::fs::create_dir_all(Path::new(GOLDEN).parent().unwrap()).unwrap();
        std::fs::write(GOLDEN, &found).unwrap();
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap_or_else(|error| panic!("{GOLDEN}: {error}; set {UPDATE}=1"));
    let part = |text: &str, digests: bool| -> Vec<String> {
        let (listing, rest) = text.split_once(DIGESTS).expect("a golden file has both parts");
        (if digests { rest } else { listing })
            .lines()
            .map(str::to_owned)
            .collect()
    };
    assert_same_lines("the listing of the layers", &part(&golden, false), &part(&found, false));
    assert_same_lines(
        "the listing is the same, the digest",
        &part(&golden, true),
        &part(&found, true),
    );
}

/// Returns the layers of the first platform: name, and one line for each entry.
fn listings(built: &Built, compression: &str) -> String {
    let manifest = built.layout.manifest("golden", "linux/amd64");
    let config = built.layout.config("golden", "linux/amd64");
    let mut text = String::new();
    for (at, history) in config["history"].as_array().unwrap().iter().enumerate() {
        writeln!(text, "## {}", history["created_by"].as_str().unwrap()).unwrap();
        let tar = listing::plain(&built.layout.layer_path(&manifest, at), compression);
        for row in listing::rows(&tar) {
            writeln!(text, "{}", row.line()).unwrap();
        }
    }
    text
}

/// Returns the digests of every document and layer of an image.
fn digests(compression: &str, built: &Built) -> String {
    let layout = &built.layout;
    let string = |value: &Value| value.as_str().unwrap().to_owned();
    let mut text = format!("{compression} index {}\n", built.index_digest);
    let index = layout.tagged("golden");
    let mut layers_before = Value::Null;
    for entry in index["manifests"].as_array().unwrap() {
        let manifest = layout.json(entry["digest"].as_str().unwrap());
        let config = layout.json(manifest["config"]["digest"].as_str().unwrap());
        let platform = format!("{}/{}", string(&config["os"]), string(&config["architecture"]));
        writeln!(text, "{compression} {platform} manifest {}", string(&entry["digest"])).unwrap();
        writeln!(
            text,
            "{compression} {platform} config {}",
            string(&manifest["config"]["digest"])
        )
        .unwrap();
        if manifest["layers"] != layers_before {
            text.push_str(&layers(compression, &manifest, &config));
            assert_eq!(
                layers_before,
                Value::Null,
                "nothing in the layers depends on the platform"
            );
        }
        layers_before = manifest["layers"].clone();
    }
    text
}

fn layers(compression: &str, manifest: &Value, config: &Value) -> String {
    let layers = manifest["layers"].as_array().unwrap();
    let diff_ids = config["rootfs"]["diff_ids"].as_array().unwrap();
    assert_eq!(layers.len(), diff_ids.len());
    let mut text = String::new();
    for (at, (layer, diff_id)) in layers.iter().zip(diff_ids).enumerate() {
        let digest = layer["digest"].as_str().unwrap();
        let size = layer["size"].as_u64().unwrap();
        writeln!(
            text,
            "{compression} layer {at} {digest} {size} bytes, diff id {}",
            diff_id.as_str().unwrap()
        )
        .unwrap();
    }
    text
}
