//! Large layers over unreliable connections: the sent bytes are measured at the proxy.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::support::faults::content::digest;
use crate::support::faults::fake::Fake;
use crate::support::faults::fixtures::{MIB, uploaded_bytes};
use crate::support::faults::flavour::Flavour;
use crate::support::faults::proxy::Proxy;
use crate::support::faults::script::{Fault, Rule};
use crate::support::{Outcome, Sandbox, part};

/// Upper bound of the bytes of requests' heads, configs and manifests.
const SMALL_BYTES: u64 = MIB;
/// Bytes that a process may have had in transit when it was killed.
const BUFFER_BYTES: u64 = 4 * MIB;
/// Only one of these tests runs at a time: each takes up to two GiB of disk.
static DISK: Mutex<()> = Mutex::new(());
/// How long a process may take for the first half.
const PATIENCE: Duration = Duration::from_secs(300);

/// Writes the layout `image` with one layer of so many bytes, without repetitions. Returns the digest of the layer.
fn large_layout(sandbox: &Sandbox, size_bytes: u64) -> String {
    let blobs = sandbox.path("image/blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let mut file = File::create(blobs.join("layer")).unwrap();
    let mut hash = Sha256::new();
    let mut piece = vec![0; MIB as usize];
    for number in 0..size_bytes / MIB {
        // A number every few pages: a repeated or missing page changes the digest.
        for (at, place) in piece.chunks_mut(16 * 1024).enumerate() {
            place[..8].copy_from_slice(&(number * 64 + at as u64).to_le_bytes());
        }
        hash.update(&piece);
        file.write_all(&piece).unwrap();
    }
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    fs::rename(blobs.join("layer"), blobs.join(&hex)).unwrap();
    let layer = format!("sha256:{hex}");
    let config = put(
        sandbox,
        &json!({ "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [layer] } }),
    );
    let oci = "application/vnd.oci.image";
    let manifest = put(
        sandbox,
        &json!({
            "schemaVersion": 2, "mediaType": format!("{oci}.manifest.v1+json"),
            "config": { "mediaType": format!("{oci}.config.v1+json"), "digest": config.0, "size": config.1 },
            "layers": [{ "mediaType": format!("{oci}.layer.v1.tar"), "digest": layer, "size": size_bytes }],
        }),
    );
    sandbox.write("image/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    let root = json!({ "mediaType": format!("{oci}.manifest.v1+json"), "digest": manifest.0, "size": manifest.1,
        "annotations": { "org.opencontainers.image.ref.name": "latest" } });
    sandbox.write(
        "image/index.json",
        json!({ "schemaVersion": 2, "manifests": [root] }).to_string(),
    );
    layer
}

fn put(sandbox: &Sandbox, document: &serde_json::Value) -> (String, usize) {
    let bytes = document.to_string().into_bytes();
    let digest = digest(&bytes);
    sandbox.write(&format!("image/blobs/sha256/{}", &digest["sha256:".len()..]), &bytes);
    (digest, bytes.len())
}

/// Returns a repository name of the real registry that no other run uses.
fn own_name(name: &str) -> String {
    format!("weather/{name}-{}:1", std::process::id())
}

#[track_caller]
fn assert_at_most(proxy: &Proxy, most_bytes: u64, what: &str) {
    let sent_bytes = proxy.sent_bytes();
    println!(
        "{what}: {:.1} MiB of {:.1} MiB",
        sent_bytes as f64 / MIB as f64,
        most_bytes as f64 / MIB as f64
    );
    assert!(
        sent_bytes <= most_bytes,
        "{what}: {sent_bytes} of {most_bytes}\n{:#?}",
        proxy.log().lines()
    );
}

#[test]
fn a_gib_through_resets_every_16_mib_is_sent_little_more_than_once() {
    let _disk = DISK.lock().unwrap_or_else(PoisonError::into_inner);
    let size_bytes = 1024 * MIB;
    let sandbox = Sandbox::new();
    let layer = large_layout(&sandbox, size_bytes);
    let fake = Fake::start(Flavour::distribution3().keeping_nothing());
    let proxy = Proxy::start(fake.host());
    proxy.script().reset_each_after(16 * MIB);
    let pushed = sandbox.run(&["push", "oci:image", &proxy.image("app:1")]);
    assert_eq!(pushed.code, 0, "{}\n{:#?}", pushed.stderr, proxy.log().lines());
    assert!(fake.holds(&layer));
    assert_at_most(
        &proxy,
        size_bytes + size_bytes / 10,
        "1 GiB to distribution 3, reset every 16 MiB",
    );
}

#[test]
fn a_gib_through_resets_every_16_mib_comes_to_a_registry_that_resumes_nothing() {
    let _disk = DISK.lock().unwrap_or_else(PoisonError::into_inner);
    let size_bytes = 1024 * MIB;
    let sandbox = Sandbox::new();
    large_layout(&sandbox, size_bytes);
    let proxy = Proxy::start(part("REGISTRY_OPEN"));
    proxy.script().reset_each_after(16 * MIB);
    let name = own_name("gib");
    let pushed = sandbox.run(&["push", "oci:image", &proxy.image(&name)]);
    assert_eq!(pushed.code, 0, "{}\n{:#?}", pushed.stderr, proxy.log().lines());
    assert_at_most(
        &proxy,
        size_bytes + size_bytes / 2,
        "1 GiB to docker-registry 2.8, reset every 16 MiB",
    );
    proxy.script().clear();
    sandbox.ok(&["inspect", &proxy.image(&name)]);
}

/// Pushes, and kills the process once half of the layer is in transit.
fn push_and_kill(sandbox: &Sandbox, proxy: &Proxy, image: &str, half_bytes: u64) {
    proxy.rule(
        Rule::new(Fault::StallInBody(half_bytes))
            .on(&["PUT", "PATCH"])
            .bodies_from(half_bytes),
    );
    let mut command = sandbox.command(&["push", "oci:image", image]);
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while uploaded_bytes(proxy.log()) < half_bytes {
        assert!(began.elapsed() < PATIENCE, "never halfway: {:#?}", proxy.log().lines());
        assert!(
            process.try_wait().unwrap().is_none(),
            "ended before: {:#?}",
            proxy.log().lines()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    process.kill().unwrap();
    process.wait().unwrap();
    proxy.script().clear();
}

#[test]
fn a_push_that_was_killed_goes_on_where_it_was() {
    let _disk = DISK.lock().unwrap_or_else(PoisonError::into_inner);
    let size_bytes = 256 * MIB;
    let sandbox = Sandbox::new();
    let layer = large_layout(&sandbox, size_bytes);
    let fake = Fake::start(Flavour::distribution3().keeping_nothing());
    let proxy = Proxy::start(fake.host());
    let image = proxy.image("app:1");
    push_and_kill(&sandbox, &proxy, &image, size_bytes / 2);
    let before_bytes = proxy.sent_bytes();
    let pushed = sandbox.run(&["push", "oci:image", &image]);
    assert_eq!(pushed.code, 0, "{}\n{:#?}", pushed.stderr, proxy.log().lines());
    assert!(fake.holds(&layer));
    let most_bytes = before_bytes + size_bytes / 2 + BUFFER_BYTES + SMALL_BYTES;
    assert_at_most(&proxy, most_bytes, "256 MiB, killed at half");
    assert!(
        !pushed.stderr.contains("restarting upload"),
        "nothing was begun again: {}",
        pushed.stderr
    );
}

#[test]
fn a_push_that_was_killed_begins_again_where_nothing_was_kept_and_says_so() {
    let _disk = DISK.lock().unwrap_or_else(PoisonError::into_inner);
    let size_bytes = 256 * MIB;
    let sandbox = Sandbox::new();
    large_layout(&sandbox, size_bytes);
    let proxy = Proxy::start(part("REGISTRY_OPEN"));
    let image = proxy.image(&own_name("killed"));
    push_and_kill(&sandbox, &proxy, &image, size_bytes / 2);
    let pushed: Outcome = sandbox.ok(&["push", "oci:image", &image]);
    assert!(pushed.stderr.contains("restarting upload"), "{}", pushed.stderr);
    sandbox.ok(&["inspect", &image]);
}

#[test]
fn a_journal_of_which_the_registry_knows_nothing_is_no_trouble() {
    let _disk = DISK.lock().unwrap_or_else(PoisonError::into_inner);
    let size_bytes = 32 * MIB;
    let sandbox = Sandbox::new();
    let layer = large_layout(&sandbox, size_bytes);
    let fake = Fake::start(Flavour::distribution3().keeping_nothing());
    let proxy = Proxy::start(fake.host());
    let image = proxy.image("app:1");
    push_and_kill(&sandbox, &proxy, &image, size_bytes / 2);
    fake.sessions().forget_all();
    sandbox.ok(&["push", "oci:image", &image]);
    assert!(fake.holds(&layer));
}
