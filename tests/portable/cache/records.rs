//! Layers whose files have not changed are not read again, and compressed blocks are not compressed again, without any
//! effect on the bytes.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::Sandbox;

/// Age of files from which on a layer is recorded, with a little to spare.
const SETTLED_AFTER: Duration = Duration::from_millis(2100);

/// A layer of some MiB in small files, and one large file; more than a few blocks.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    for number in 0..400_u64 {
        let lines =
            (0..400).map(|line| format!("{number} {:x}\n", (number * 1000 + line).wrapping_mul(0x9e37_79b9_7f4a)));
        sandbox.write(
            &format!("files/{:02}/{number:03}", number % 17),
            lines.collect::<String>(),
        );
    }
    let large = (0..400_000_u64).map(|line| format!("{:x}\n", line.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    sandbox.write("files/large", large.collect::<String>());
    write_spec(&sandbox, "");
    sandbox
}

fn write_spec(sandbox: &Sandbox, image: &str) {
    let layer = "[[layers]]\nname = \"app\"\nfiles = [{ from = \"files/\", to = \"/app\" }]\n";
    sandbox.spec(&format!(
        "[image]\nbase = \"scratch\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n{image}\n{layer}"
    ));
}

/// Waits until every file is old enough for its layer to be recorded.
fn settle(sandbox: &Sandbox) {
    let youngest = crate::support::files_below(&sandbox.path("files"))
        .iter()
        .map(|path| fs::metadata(path).unwrap())
        .map(|metadata| Duration::new(metadata.ctime() as u64, metadata.ctime_nsec() as u32))
        .max()
        .unwrap();
    let settled_at = SystemTime::UNIX_EPOCH + youngest + SETTLED_AFTER;
    while let Ok(left) = settled_at.duration_since(SystemTime::now()) {
        std::thread::sleep(left);
    }
}

/// Builds. Returns how the layer of each platform was made, and the digest.
fn build(sandbox: &Sandbox, output: &str, more: &[&str]) -> (Vec<String>, String) {
    let arguments = [&["build", "--metadata", "metadata.json", "-o", output][..], more].concat();
    let digest = sandbox.ok(&arguments).digest();
    let metadata = sandbox.json("metadata.json");
    let origins = metadata["platforms"].as_array().unwrap().iter().map(|platform| {
        let layers = platform["layers"].as_array().unwrap();
        layers.last().unwrap()["origin"].as_str().unwrap().to_owned()
    });
    (origins.collect(), digest)
}

fn blocks(sandbox: &Sandbox) -> Vec<std::path::PathBuf> {
    let mut found = crate::support::files_below(&sandbox.path("cache/blocks"));
    found.sort();
    found
}

#[test]
fn a_layer_whose_files_are_unchanged_is_not_packed_again() {
    let sandbox = sandbox();
    settle(&sandbox);
    let (first, digest) = build(&sandbox, "oci:one", &[]);
    assert_eq!(first, ["packed", "reused"]);
    let (second, same) = build(&sandbox, "oci:one", &[]);
    assert_eq!((second, &same), (vec!["unchanged".to_owned(); 2], &digest));
    // In another place it is assembled from its blocks.
    let (third, same) = build(&sandbox, "oci:two", &[]);
    assert_eq!((third, &same), (vec!["unchanged".to_owned(); 2], &digest));
    sandbox.ok(&["copy", "oci:two", "oci:verified-two"]);

    // A new modification time causes another read; the content then decides.
    let file = sandbox.path("files/00/000");
    fs::File::options()
        .append(true)
        .open(&file)
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH)
        .unwrap();
    let before = blocks(&sandbox).len();
    assert_eq!(
        build(&sandbox, "oci:one", &[]),
        (vec!["packed".to_owned(), "reused".to_owned()], digest.clone())
    );
    assert_eq!(blocks(&sandbox).len(), before);
    fs::write(&file, "something else").unwrap();
    let (changed, other) = build(&sandbox, "oci:one", &[]);
    assert_eq!(changed, ["packed", "reused"]);
    assert_ne!(other, digest);
    let new = blocks(&sandbox).len() - before;
    assert!((1..=3).contains(&new), "{new} new blocks");
}

#[test]
fn what_was_found_in_a_layer_is_told_again_when_it_is_not_packed_again() {
    let sandbox = sandbox();
    let token = ["gh", "p_", "k3JfLq9ZxW0uPsTnYbVmQ2rE5tH8aCaZ3dQ1"].concat();
    sandbox.write("files/settings.py", format!("A = 1\nTOKEN = \"{token}\"\n"));
    settle(&sandbox);
    let findings = |stderr: &str| {
        let told = stderr.split_once("warning[secret]").unwrap().1;
        told.split_once("revoke it").unwrap().0.to_owned()
    };
    let build = |output: &str| sandbox.ok(&["build", "--metadata", "metadata.json", "-o", output]);
    let cold = findings(&build("oci:one").stderr);
    assert!(
        cold.contains("/app/settings.py") && cold.contains("a GitHub token (line 2)"),
        "{cold}"
    );
    for output in ["oci:one", "oci:two"] {
        assert_eq!(findings(&build(output).stderr), cold, "{output}");
        assert_eq!(
            sandbox.json("metadata.json")["platforms"][0]["layers"][0]["origin"],
            "unchanged"
        );
    }
    // `check` does not read it again either, with the same findings.
    assert_eq!(findings(&sandbox.ok(&["check"]).stdout), cold);
    let spec = fs::read_to_string(sandbox.path("ocitect.toml")).unwrap();
    sandbox.write(
        "ocitect.toml",
        format!("{spec}[check]\nallow = [\"secret:/app/*.py\"]\n"),
    );
    assert!(!build("oci:one").stderr.contains("[secret]"));
    sandbox.write("ocitect.toml", format!("{spec}[check]\ndeny = [\"secret\"]\n"));
    let outcome = sandbox.run(&["build", "-o", "oci:three"]).expect(3);
    assert!(outcome.stderr.contains("error[secret]: "), "{}", outcome.stderr);
    assert!(!sandbox.path("three/index.json").exists());
}

#[test]
fn a_file_that_was_just_written_is_read_again() {
    let sandbox = sandbox();
    let (_, digest) = build(&sandbox, "oci:one", &[]);
    fs::write(sandbox.path("files/large"), "new").unwrap();
    build(&sandbox, "oci:one", &[]);
    let (again, second) = build(&sandbox, "oci:one", &[]);
    assert_eq!(
        again,
        ["packed", "reused"],
        "it is younger than the steps of a disk's clock"
    );
    assert_ne!(second, digest);
}

#[test]
fn blocks_that_are_damaged_or_gone_are_made_again() {
    let sandbox = sandbox();
    settle(&sandbox);
    let (_, digest) = build(&sandbox, "oci:one", &[]);
    let blocks = blocks(&sandbox);
    assert!(blocks.len() > 3, "{blocks:?}");
    let mut damaged = fs::read(&blocks[0]).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&blocks[0], damaged).unwrap();
    assert_eq!(
        build(&sandbox, "oci:two", &[]),
        (vec!["unchanged".to_owned(); 2], digest.clone())
    );
    sandbox.ok(&["copy", "oci:two", "oci:verified-two"]);
    fs::remove_dir_all(sandbox.path("cache/blocks")).unwrap();
    assert_eq!(
        build(&sandbox, "oci:three", &[]),
        (vec!["unchanged".to_owned(); 2], digest.clone())
    );
    sandbox.ok(&["copy", "oci:three", "oci:verified-three"]);
    // They are stored again.
    assert_eq!(self::blocks(&sandbox), blocks);
}

#[test]
fn the_bytes_are_the_same_for_any_number_of_threads_and_any_cache() {
    for compression in ["gzip", "zstd", "none"] {
        let sandbox = sandbox();
        write_spec(&sandbox, &format!("compression = \"{compression}\""));
        let (_, digest) = build(&sandbox, "oci:one", &["--jobs", "1"]);
        for jobs in ["2", "3", "8", "64"] {
            // Uncompressed layers do not create a cache.
            let _ = fs::remove_dir_all(sandbox.path("cache"));
            assert_eq!(
                build(&sandbox, &format!("oci:cold-{jobs}"), &["--jobs", jobs]).1,
                digest
            );
            assert_eq!(
                build(&sandbox, &format!("oci:warm-{jobs}"), &["--jobs", jobs]).1,
                digest
            );
        }
    }
}

#[test]
fn layers_say_how_they_were_packed() {
    let sandbox = sandbox();
    for (compression, packed) in [
        ("", "1 gzip 6"),
        ("compression = \"zstd\"", "1 zstd 3"),
        ("level = 1", "1 gzip 1"),
        ("compression = \"none\"", "1 none"),
    ] {
        write_spec(&sandbox, compression);
        build(&sandbox, "oci:one:t", &[]);
        let manifest = sandbox.layout("one").manifest("t", "linux/amd64");
        assert_eq!(manifest["layers"][0]["annotations"]["dev.ocitect.packed"], packed);
    }
    write_spec(&sandbox, "media-types = \"docker\"");
    build(&sandbox, "oci:one:t", &[]);
    assert_eq!(
        sandbox.layout("one").manifest("t", "linux/amd64")["layers"][0]["annotations"],
        Value::Null
    );
}
