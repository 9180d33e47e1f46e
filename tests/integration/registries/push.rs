//! The order and the number of a push's requests.

use crate::registries::images::{
    all_requests, at, count, is_manifest, is_mount, is_read, is_upload, small_image, write_spec, write_spec_with,
};
use crate::support::{Sandbox, is_put_of, requests};

#[test]
fn blobs_go_before_manifests_and_tags_last() {
    let sandbox = Sandbox::new();
    let name = at("OPEN", "push/order");
    write_spec_with(&sandbox, &name, "scratch", "tags = [\"1.0\", \"1\", \"latest\"]");
    let built = sandbox.ok(&["build", "--push"]);
    let seen = requests("OPEN", "push/order", 0, is_put_of("latest"));

    let last_blob = seen
        .iter()
        .rposition(|request| request.path.contains("/blobs/"))
        .unwrap();
    let first_manifest = seen.iter().position(is_manifest).unwrap();
    assert!(last_blob < first_manifest, "{seen:#?}");
    let manifests: Vec<&str> = seen
        .iter()
        .filter(|request| is_manifest(request))
        .map(|put| &*put.path)
        .collect();
    assert_eq!(manifests.len(), 2 + 3, "{manifests:?}");
    assert!(
        manifests[..2].iter().all(|path| path.contains("/manifests/sha256:")),
        "{manifests:?}"
    );
    let tags: Vec<&str> = manifests[2..]
        .iter()
        .map(|path| path.rsplit('/').next().unwrap())
        .collect();
    assert_eq!(tags, ["1.0", "1", "latest"]);
    assert_eq!(built.stdout, format!("{name}@{}\n", built.digest()));
    for tag in ["1.0", "1", "latest"] {
        let said = sandbox.ok(&["inspect", "--json", &format!("{name}:{tag}")]).stdout;
        let image: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(image["digest"], built.digest());
    }
}

#[test]
fn each_blob_is_asked_for_and_sent_in_one_piece() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    sandbox.ok(&["push", "oci:image", &format!("{}:1", at("OPEN", "push/pieces"))]);
    let seen = requests("OPEN", "push/pieces", 0, is_put_of("1"));
    // Two configs and one layer, which both platforms have.
    let count = |matches: &dyn Fn(&crate::support::Request) -> bool| seen.iter().filter(|one| matches(one)).count();
    // In a repository without the tag, configs are sent without a check.
    assert_eq!(
        count(&|request| request.method == "HEAD" && request.path.contains("/blobs/sha256:")),
        1
    );
    assert_eq!(count(&|request| request.method == "POST"), 3);
    assert_eq!(count(&is_upload), 3);
    assert_eq!(count(&|request| request.method == "PATCH"), 0);
    let head = seen.iter().position(|request| request.method == "HEAD").unwrap();
    assert!(
        head < seen.iter().position(|request| request.method == "POST").unwrap(),
        "{seen:#?}"
    );
}

#[test]
fn a_second_push_uploads_nothing() {
    let sandbox = Sandbox::new();
    let name = at("OPEN", "push/twice");
    write_spec(&sandbox, &name, "scratch");
    let first = sandbox.ok(&["build", "--push"]).digest();
    let before = count(&sandbox, "OPEN", "push/twice");
    let second = sandbox.ok(&["build", "--push"]);
    assert_eq!(second.digest(), first);
    second.says(&["skipped"]);
    let seen = all_requests(&sandbox, "OPEN", "push/twice", before);
    let writes: Vec<_> = seen.iter().filter(|request| !is_read(request)).collect();
    assert!(writes.is_empty(), "{writes:#?}");
}

#[test]
fn several_references_get_the_same_image() {
    let sandbox = Sandbox::new();
    let digest = small_image(&sandbox);
    let [first, second] = ["push/several-a", "push/several-b"].map(|repository| at("OPEN", repository));
    let references = [
        format!("{first}:1"),
        format!("docker://{second}:x"),
        format!("{first}:2"),
        first.clone(),
    ];
    let pushed = sandbox.ok(&[&["push", "oci:image"][..], &references.each_ref().map(|text| &**text)].concat());
    assert_eq!(pushed.stdout, format!("{first}@{digest}\n"));
    pushed.says(&[&format!("{first}: tags 1, 2, latest\n"), &format!("{second}: tags x\n")]);
    for reference in [
        format!("{first}:1"),
        format!("{first}:2"),
        format!("{first}:latest"),
        format!("{second}:x"),
    ] {
        sandbox.ok(&["inspect", &reference]);
    }
}

#[test]
fn a_part_of_the_platforms_is_pushed_by_digest_alone() {
    let sandbox = Sandbox::new();
    let name = at("OPEN", "push/part");
    write_spec(&sandbox, &name, "scratch");
    let part = sandbox.ok(&["build", "--push", "--platform", "linux/arm64"]).says(&[
        "by digest only",
        &format!(
            "warning: pushed 1 of 2 platforms by digest only; these tags were not changed: {name}:latest (use `-t TAG`"
        ),
    ]);
    sandbox.ok(&["inspect", &format!("{name}@{}", part.digest())]);
    sandbox.run(&["inspect", &name]).expect(6);
    let seen = all_requests(&sandbox, "OPEN", "push/part", 0);
    let mut manifests = seen.iter().filter(|request| is_manifest(request));
    assert!(
        manifests.all(|put| put.path.contains("/manifests/sha256:")),
        "{seen:#?}"
    );

    let tagged = sandbox.ok(&["build", "--push", "--platform", "linux/arm64", "-t", "arm"]);
    assert_eq!(tagged.digest(), part.digest());
    assert!(!tagged.stderr.contains("not changed"), "{}", tagged.stderr);
    sandbox.ok(&["inspect", &format!("{name}:arm")]);
    sandbox.ok(&[
        "build",
        "--push",
        "--platform",
        "linux/arm64",
        "--platform",
        "linux/amd64",
    ]);
    sandbox.ok(&["inspect", &name]);
}

#[test]
fn names_that_never_are_pushed_are_refused() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    sandbox
        .run(&["build", "--push"])
        .expect(2)
        .says(&["cannot push localhost/small", "help: name a registry, such as ghcr.io"]);
    sandbox.spec("[image]\nplatforms = [\"linux/amd64\"]\n");
    sandbox
        .run(&["build", "--push"])
        .expect(2)
        .says(&["--push needs a name", "set `name` in [image]"]);
    sandbox.run(&["push", "oci:image", "node:18"]).expect(2).says(&[
        "node:18",
        "does not include a registry",
        "such as ghcr.io/ME/node:18",
    ]);
    let digest = format!("{}@sha256:{}", at("OPEN", "push/refused"), "0".repeat(64));
    sandbox
        .run(&["push", "oci:image", &digest])
        .expect(2)
        .says(&["has a digest", "use a tag"]);
    sandbox
        .run(&["push", "oci:image", "localhost/small:1"])
        .expect(2)
        .says(&["localhost/… is reserved for names"]);
    sandbox
        .run(&["copy", "oci:image", "localhost/small:1"])
        .expect(2)
        .says(&["localhost/… is reserved for names"]);
}

#[test]
fn before_all_is_planned_and_within_budget_a_registry_sees_only_reads() {
    let sandbox = Sandbox::new();
    let name = at("OPEN", "push/gates");
    write_spec_with(&sandbox, &name, &at("OPEN", "base:latest"), "max-size = \"900KB\"");
    sandbox.run(&["build", "--push"]).expect(3).says(&[
        "linux/amd64 /: the compressed image has",
        "but max-size is 900000 bytes",
        "base 1029004",
    ]);
    write_spec(&sandbox, &name, &at("OPEN", "base:latest"));
    let spec = std::fs::read_to_string(sandbox.path("ocitect.toml")).unwrap();
    // Only the second platform cannot be planned.
    let bad =
        "[platform.\"linux/arm64\"]\nlayers = [{ name = \"bad\", files = [{ from = \"nothing\", to = \"/x\" }] }]\n";
    sandbox.write("ocitect.toml", format!("{spec}{bad}"));
    sandbox.run(&["build", "--push"]).expect(2).says(&["nothing"]);
    let seen = all_requests(&sandbox, "OPEN", "push/gates", 0);
    assert!(seen.iter().all(is_read), "{seen:#?}");
    assert!(!seen.iter().any(is_mount));
}

#[test]
fn push_and_outputs_go_together() {
    let sandbox = Sandbox::new();
    let name = at("OPEN", "push/together");
    write_spec(&sandbox, &name, "scratch");
    let built = sandbox.ok(&[
        "build",
        "--push",
        "-o",
        "oci:out",
        "-o",
        "oci-archive:out.tar",
        "-t",
        "7",
    ]);
    for image in [
        "oci:out:7".to_owned(),
        "oci-archive:out.tar".to_owned(),
        format!("{name}:7"),
    ] {
        let said: serde_json::Value = serde_json::from_str(&sandbox.ok(&["inspect", "--json", &image]).stdout).unwrap();
        assert_eq!(said["digest"], built.digest(), "{image}");
    }
}
