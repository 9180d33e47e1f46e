//! The facts of a base are read once: counted at the registry, also with a cache that is damaged or cannot be written.

use std::fs;

use crate::bases::container::on;
use crate::support::{Layout, Request, Sandbox, files_below, is_put_of, part, requests, tool};

const APP: &str = "[[layers]]\nname = \"app\"\nfiles = [{ from = \"app.txt\", to = \"/lib/\" }]\n";

/// A base for a single test in the open registry, and a spec on it, in the same registry.
struct Repository {
    sandbox: Sandbox,
    base: String,
    target: String,
}

impl Repository {
    fn new(name: &str) -> Self {
        let host = part("REGISTRY_OPEN");
        let base = format!("{name}/base");
        let target = format!("{name}/app");
        let from = format!("oci:{}:latest", part("BASE"));
        let to = format!("docker://{host}/{base}:latest");
        tool(
            "skopeo",
            &[
                "copy",
                "-q",
                "--all",
                "--preserve-digests",
                "--dest-tls-verify=false",
                &from,
                &to,
            ],
        );
        let sandbox = Sandbox::new();
        sandbox.write("app.txt", "the app\n");
        let spec = on(&format!("{host}/{base}:latest"), APP).replace("localhost/bases", &format!("{host}/{target}"));
        sandbox.spec(&spec);
        Self { sandbox, base, target }
    }

    /// Pushes with a tag. Returns the digest, and the number of the base's layers that were read.
    fn push(&self, tag: &str) -> (String, usize) {
        let skip = requests("OPEN", &self.base, 0, |_| true).len();
        // Without the lockfile, which has the facts too.
        let _ = fs::remove_file(self.sandbox.path("ocitect.lock"));
        let digest = self.sandbox.ok(&["build", "--push", "-t", tag]).digest();
        requests("OPEN", &self.target, 0, is_put_of(tag));
        let marker = format!("/manifests/after-{tag}");
        self.sandbox
            .run(&[
                "inspect",
                &format!("{}/{}:after-{tag}", part("REGISTRY_OPEN"), self.base),
            ])
            .expect(6);
        let seen = requests("OPEN", &self.base, skip, |request| request.path.ends_with(&marker));
        let is_layer = |request: &&Request| request.method == "GET" && self.is_layer(&request.path);
        (digest, seen.iter().filter(is_layer).count())
    }

    fn is_layer(&self, path: &str) -> bool {
        let base = Layout {
            directory: part("BASE").into(),
        };
        ["linux/amd64", "linux/arm64"].iter().any(|platform| {
            let manifest = base.manifest("latest", platform);
            let layers = manifest["layers"].as_array().unwrap().clone();
            layers
                .iter()
                .any(|layer| path.ends_with(layer["digest"].as_str().unwrap()))
        })
    }
}

#[test]
fn a_second_build_reads_no_layer_of_the_base() {
    let repository = Repository::new("bases-cached");
    let (first, read) = repository.push("one");
    // Three layers: the upper one is the same for both platforms, and may be read for each of them.
    assert!((3..=4).contains(&read), "{read} layers read");
    let (second, read) = repository.push("two");
    assert_eq!((second, read), (first.clone(), 0));
    // Other content above it does not need more of the base.
    repository.sandbox.write("app.txt", "another app\n");
    let (third, read) = repository.push("three");
    assert_eq!(read, 0);
    assert_ne!(third, first);
}

#[test]
fn a_damaged_entry_of_the_cache_is_read_anew_and_mended() {
    let repository = Repository::new("bases-damaged");
    let (first, _) = repository.push("first");
    let cached = files_below(&repository.sandbox.path("cache/facts"));
    assert_eq!(cached.len(), 2, "an entry for each platform: {cached:?}");
    let whole: Vec<Vec<u8>> = cached.iter().map(|path| fs::read(path).unwrap()).collect();
    let cut = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let flipped = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        bytes
    };
    type Damage<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;
    let damages: [(&str, Damage<'_>); 4] = [
        ("empty", &|_| Vec::new()),
        ("cut", &cut),
        ("flipped", &flipped),
        ("foreign", &|_| b"{}".to_vec()),
    ];
    for (name, damage) in damages {
        for (path, bytes) in cached.iter().zip(&whole) {
            fs::write(path, damage(bytes)).unwrap();
        }
        let (digest, read) = repository.push(name);
        assert_eq!(digest, first, "{name}");
        assert!(read >= 3, "{name}: {read} layers read");
        for (path, bytes) in cached.iter().zip(&whole) {
            assert!(
                fs::read(path).unwrap() == *bytes,
                "{name}: {} is not mended",
                path.display()
            );
        }
    }
}

#[test]
fn one_platforms_facts_are_not_the_others() {
    let repository = Repository::new("bases-swapped");
    let (first, _) = repository.push("first");
    let cached = files_below(&repository.sandbox.path("cache/facts"));
    let [one, other] = [fs::read(&cached[0]).unwrap(), fs::read(&cached[1]).unwrap()];
    fs::write(&cached[0], other).unwrap();
    fs::write(&cached[1], one).unwrap();
    let (digest, read) = repository.push("second");
    assert_eq!(digest, first);
    assert!(read >= 3, "{read} layers read");
}

#[test]
fn a_cache_that_cannot_be_written_is_told_once_and_the_build_works() {
    let sandbox = Sandbox::new();
    sandbox
        .write("app.txt", "the app\n")
        .spec(&on(&format!("oci:{}", part("BASE")), APP));
    let expected = sandbox.ok(&["build", "-o", "oci:expected"]).digest();
    sandbox.write("file", "no directory");
    let places = [
        "/proc/cache".to_owned(),
        sandbox.path("file/cache").display().to_string(),
    ];
    for (at, place) in places.iter().enumerate() {
        let output = format!("oci:out-{at}");
        let mut command = sandbox.command(&["build", "-o", &output]);
        command.env("OCITECT_CACHE_DIR", place);
        let built = crate::support::Outcome::of(command).expect(0);
        assert_eq!(built.digest(), expected);
        assert_eq!(
            built.stderr.matches("cannot write to the cache").count(),
            1,
            "{}",
            built.stderr
        );
        assert!(built.stderr.contains(place), "{}", built.stderr);
    }
}
