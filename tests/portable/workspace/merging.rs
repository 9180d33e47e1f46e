//! Parts of images, built apart and joined to the image that one build makes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{MEMBERS, write_stack};
use crate::support::Sandbox;
use crate::support::faults::fake::Fake;
use crate::support::faults::flavour::Flavour;
use crate::support::faults::log::Seen;
use crate::support::refusal::refused;

pub const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];

pub fn part_file(platform: &str) -> String {
    format!("{}.json", platform.replace('/', "-"))
}

/// Writes a spec with a file of each platform. `image` are further lines of `[image]`.
pub fn write_app(sandbox: &Sandbox, host: &str, image: &str) {
    sandbox.spec(&format!(
        "[vars]\nmode = {{ env = \"MODE\", default = \"plain\" }}\n[image]\nname = \"{host}/me/app\"\ntags = [\"1.0\", \"latest\"]\n\
         platforms = [\"linux/amd64\", \"linux/arm64\"]\nannotations = {{ source = \"x\", mode = \"${{mode}}\" }}\n{image}\n\
         [[layers]]\nname = \"app\"\nfiles = [{{ from = \"dist/${{arch}}/app\", to = \"/app\" }}]\n"
    ));
    for arch in ["amd64", "arm64"] {
        sandbox.write(&format!("dist/{arch}/app"), format!("for {arch}\n"));
    }
}

/// Pushes each platform as a part of its own.
pub fn push_parts(sandbox: &Sandbox, fake: &Fake) {
    for platform in PLATFORMS {
        let file = part_file(platform);
        let outcome = sandbox.ok(&[
            "build",
            "--push",
            "--plain-http",
            fake.host(),
            "--platform",
            platform,
            "--metadata",
            &file,
        ]);
        outcome.says(&["these tags were not changed"]);
    }
}

pub fn merge<'a>(fake: &'a Fake, arguments: &[&'a str]) -> Vec<&'a str> {
    [&["merge", "--plain-http", fake.host()][..], arguments].concat()
}

/// Writes a base image into a layout, and returns its name.
fn base(sandbox: &Sandbox, directory: &str, platforms: &str) -> String {
    let spec = format!("{directory}.toml");
    sandbox.write(
        &spec,
        format!(
            "format = 1\n[image]\nplatforms = [{platforms}]\n[[layers]]\nname = \"{directory}\"\n\
             files = [{{ from = \"{directory}.txt\", to = \"/etc/{directory}\" }}]\n"
        ),
    );
    sandbox.write(&format!("{directory}.txt"), directory);
    sandbox.ok(&["build", &spec, "-t", "1", "-o", &format!("oci:{directory}")]);
    format!("oci:{directory}:1")
}

#[test]
fn the_merged_index_is_the_one_of_a_whole_build() {
    let both = "\"linux/amd64\", \"linux/arm64\"";
    for case in ["scratch", "one base", "a base for each platform"] {
        let sandbox = Sandbox::new();
        let fake = Fake::start(Flavour::distribution3());
        let image = match case {
            "scratch" => String::new(),
            "one base" => format!("base = \"{}\"", base(&sandbox, "both", both)),
            _ => {
                let first = base(&sandbox, "first", "\"linux/amd64\"");
                let second = base(&sandbox, "second", "\"linux/arm64\"");
                format!(
                    "[platform.\"linux/amd64\".image]\nbase = \"{first}\"\nannotations = {{ own = \"x\" }}\n\
                     [platform.\"linux/arm64\".image]\nbase = \"{second}\"\n"
                )
            }
        };
        write_app(&sandbox, fake.host(), &image);
        let whole = sandbox.ok(&["build", "-o", "oci:whole"]).digest();
        push_parts(&sandbox, &fake);
        assert!(fake.contents().manifest("me/app", "1.0").is_none(), "{case}");
        let files = PLATFORMS.map(part_file);
        let merged = sandbox.ok(&merge(&fake, &[&files[1], &files[0], "--metadata", "merged.json"]));
        assert_eq!(merged.digest(), whole, "{case}");
        for tag in ["1.0", "latest"] {
            let contents = fake.contents();
            let (digest, manifest) = contents.manifest("me/app", tag).unwrap();
            assert_eq!(digest, whole, "{case}");
            assert_eq!(contents.missing("me/app", &manifest), None, "{case}");
        }
        let metadata = sandbox.json("merged.json");
        assert_eq!(metadata["digest"], whole.as_str());
        assert_eq!(metadata["platforms"].as_array().unwrap().len(), 2);
        assert_eq!(
            metadata["platforms"][0]["layers"].as_array().unwrap().last().unwrap()["name"],
            "app"
        );
        assert_eq!(metadata.get("part"), None);
    }
}

#[test]
fn a_workspace_is_merged_member_by_member() {
    let sandbox = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    write_stack(&sandbox, fake.host());
    let whole = sandbox.ok(&["build", "-o", "oci:whole"]).stdout;
    push_parts(&sandbox, &fake);
    let before = fake.log().all().len();
    let files = PLATFORMS.map(part_file);
    let merged = sandbox.ok(&merge(&fake, &[&files[0], &files[1]]));
    assert_eq!(merged.stdout, whole);
    let seen = fake.log().all().split_off(before);
    let tags: Vec<&Seen> = seen
        .iter()
        .filter(|seen| seen.method == "PUT" && seen.target.ends_with("/1.0"))
        .collect();
    let tagged: Vec<&str> = tags.iter().map(|seen| seen.target.split('/').nth(3).unwrap()).collect();
    assert_eq!(tagged, MEMBERS);
    let first_tag = seen.iter().position(|seen| seen.line() == tags[0].line()).unwrap();
    let writes = |seen: &&Seen| seen.method != "HEAD" && seen.method != "GET";
    assert_eq!(
        seen[first_tag..].iter().filter(writes).count(),
        MEMBERS.len(),
        "nothing but tags after the first"
    );
    let uploads = seen.iter().filter(|seen| seen.method == "POST");
    assert_eq!(uploads.count(), 0, "the parts are in their repositories already");
}

#[test]
fn shards_are_merged_to_the_workspace() {
    let sandbox = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    write_stack(&sandbox, fake.host());
    let whole = sandbox.ok(&["build", "-o", "oci:whole"]).stdout;
    let mut files = Vec::new();
    for shard in ["1/4", "2/4", "3/4", "4/4"] {
        for platform in PLATFORMS {
            // Every runner has a cache of its own.
            let runner = Sandbox::new();
            write_stack(&runner, fake.host());
            let file = format!("{}-{}", shard.replace('/', "-"), part_file(platform));
            let part = sandbox.path(&file).to_string_lossy().into_owned();
            let push = [
                "build",
                "--push",
                "--plain-http",
                fake.host(),
                "--shard",
                shard,
                "--metadata",
                &part,
            ];
            runner.ok(&[&push[..], &["--platform", platform]].concat());
            files.push(file);
        }
    }
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    for (missing, words) in [(0..2, "no part has shard 1"), (3..4, "no part has linux/arm64")] {
        let mut some = files.clone();
        some.drain(missing);
        sandbox.run(&merge(&fake, &some)).expect(6).says(&[words]);
    }
    let merged = sandbox.ok(&merge(&fake, &[&["--metadata", "merged.json"], &files[..]].concat()));
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<String>>();
    assert_eq!(lines(&merged.stdout), lines(&whole));
    for member in MEMBERS {
        assert!(
            fake.contents().manifest(&format!("ws/{member}"), "1.0").is_some(),
            "{member}"
        );
    }
    let metadata = sandbox.json("merged.json");
    assert_eq!(metadata["images"].as_array().unwrap().len(), MEMBERS.len());
    assert_eq!(metadata["images"][0]["member"], "base");
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let sandbox = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    write_app(&sandbox, fake.host(), "");
    push_parts(&sandbox, &fake);
    let first = sandbox.json("linux-amd64.json");
    let change = |name: &str, pointer: &str, value: Value| {
        let mut part = sandbox.json("linux-arm64.json");
        *part.pointer_mut(pointer).unwrap() = value;
        sandbox.write(name, part.to_string());
    };
    let zeros = format!("sha256:{}", "0".repeat(64));
    change("spec.json", "/part/build/spec", zeros.as_str().into());
    change("variables.json", "/part/build/variables", zeros.as_str().into());
    change("epoch.json", "/part/build/source_date_epoch", 7.into());
    change("tags.json", "/part/tags", vec!["2"].into());
    change("lost.json", "/digest", zeros.as_str().into());
    change("unwritten.json", "/targets", Value::Array(Vec::new()));
    sandbox.write("dist/amd64/app", "another\n");
    let again = [
        "build",
        "--push",
        "--plain-http",
        fake.host(),
        "--platform",
        "linux/amd64",
        "--metadata",
        "again.json",
    ];
    sandbox.ok(&again);
    sandbox.write("other.json", "{}");
    let image = first["image"].as_str().unwrap();
    let tag = image.split('@').next().unwrap().to_owned() + ":1.0";
    let before = fake.log().all().len();
    for (parts, code, words) in [
        (
            &["linux-amd64.json"][..],
            6,
            &[
                "incomplete",
                "no part has linux/arm64",
                "linux/amd64 (from linux-amd64.json)",
            ][..],
        ),
        (
            &["linux-amd64.json", "again.json", "linux-arm64.json"],
            2,
            &["two parts have an image for linux/amd64", "again.json"],
        ),
        (
            &["linux-amd64.json", "spec.json"],
            2,
            &["different builds", "specs differ"],
        ),
        (&["linux-amd64.json", "variables.json"], 2, &["variables differ"]),
        (
            &["linux-amd64.json", "epoch.json"],
            2,
            &["SOURCE_DATE_EPOCH is 0 and 7"],
        ),
        (&["linux-amd64.json", "tags.json"], 2, &["their tags are"]),
        (
            &["linux-amd64.json", "lost.json"],
            6,
            &["cannot read the part lost.json"],
        ),
        (
            &["linux-amd64.json", "unwritten.json"],
            2,
            &["unwritten.json: the image was not written"],
        ),
        (
            &["linux-amd64.json", "other.json"],
            2,
            &["other.json", "not the metadata of a build"],
        ),
        (&["linux-amd64.json", "none.json"], 2, &["none.json"]),
        (&["linux-amd64.json", &tag], 2, &["by its tag", "@sha256:"]),
        (
            &[&tag, image],
            2,
            &["which platforms", "--platforms linux/amd64,linux/arm64"],
        ),
        (
            &[&tag, image, "--platforms", "linux/arm64"],
            2,
            &["has an image for linux/amd64", "the whole image has linux/arm64"],
        ),
        (
            &["linux-amd64.json", "--platforms", "linux/386"],
            2,
            &["--platforms lists linux/386"],
        ),
        (&[&tag], 2, &["needs parts"]),
    ] {
        sandbox.run(&merge(&fake, parts)).expect(code).says(words);
    }
    let written: Vec<String> = fake.log().all()[before..]
        .iter()
        .filter(|seen| seen.method != "HEAD" && seen.method != "GET")
        .map(Seen::line)
        .collect();
    assert!(written.is_empty(), "{written:#?}");
}

#[test]
fn members_that_failed_are_missing() {
    let sandbox = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    write_stack(&sandbox, fake.host());
    std::fs::remove_file(sandbox.path("agents/writer/notes")).unwrap();
    let mut files = Vec::new();
    for platform in PLATFORMS {
        let file = part_file(platform);
        let push = ["build", "--push", "--keep-going", "--plain-http", fake.host()];
        sandbox
            .run(&[&push[..], &["--platform", platform, "--metadata", &file]].concat())
            .expect(2);
        files.push(file);
    }
    let merge_all = merge(&fake, &[&files[0], &files[1]]);
    sandbox.run(&merge_all).expect(6).says(&["no part has writer"]);
    assert!(fake.contents().manifest("ws/base", "1.0").is_none());
    // A rerun that builds it completes the parts.
    sandbox.write("agents/writer/notes", "back\n");
    for platform in PLATFORMS {
        let file = format!("again-{}", part_file(platform));
        let push = ["build", "--push", "-p", "writer", "--plain-http", fake.host()];
        sandbox.ok(&[&push[..], &["--platform", platform, "--metadata", &file]].concat());
        files.push(file);
    }
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let merged = sandbox.ok(&merge(&fake, &files));
    assert_eq!(merged.stdout.lines().count(), MEMBERS.len());
}

#[test]
fn a_merge_never_overwrites_its_parts() {
    let sandbox = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    write_app(&sandbox, fake.host(), "");
    for platform in PLATFORMS {
        let name = platform.replace('/', "-");
        let output = format!("oci-archive:{name}.tar");
        sandbox.ok(&[
            "build",
            "--platform",
            platform,
            "-o",
            &output,
            "--metadata",
            &part_file(platform),
        ]);
    }
    let files = PLATFORMS.map(part_file);
    for (output, words) in [
        (["-o", "oci-archive:linux-arm64.json"], "a part file"),
        (["-o", "oci-archive:linux-arm64.tar"], "a part"),
        (["--metadata", "linux-arm64.tar"], "a part"),
        (["--metadata", "linux-amd64.json"], "a part file"),
        (["--metadata", "out/index.json"], "inside the OCI layout"),
    ] {
        let arguments = [&output[..], &["-o", "oci:out", &files[0], &files[1]]].concat();
        refused(&sandbox, &merge(&fake, &arguments), 2, &["cannot write", words]);
    }
    let mut other = sandbox.json(&files[1]);
    other["name"] = format!("{}/me/other", fake.host()).into();
    sandbox.write("other.json", other.to_string());
    let arguments = ["-o", "oci:out", &files[0], "other.json"];
    sandbox
        .run(&merge(&fake, &arguments))
        .expect(2)
        .says(&["the names of their images are"]);
}

#[test]
fn images_of_other_tools_need_their_platforms() {
    let sandbox = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    write_app(&sandbox, fake.host(), "");
    let whole = sandbox.ok(&["build", "-o", "oci:whole"]).digest();
    for platform in PLATFORMS {
        let directory = format!("oci:{}", platform.replace('/', "-"));
        sandbox.ok(&["build", "--platform", platform, "-t", "1.0", "-o", &directory]);
    }
    let target = format!("{}/other/name:2", fake.host());
    let platforms = ["--platforms", "linux/amd64,linux/arm64"];
    let parts = [
        &[target.as_str(), "oci:linux-amd64", "oci:linux-arm64:1.0"][..],
        &platforms,
    ]
    .concat();
    let merged = sandbox.ok(&merge(&fake, &parts));
    assert_eq!(merged.digest(), whole);
    let (digest, manifest) = fake.contents().manifest("other/name", "2").unwrap();
    assert_eq!(digest, whole);
    assert_eq!(fake.contents().missing("other/name", &manifest), None);
    // Into a layout, from an archive and a registry.
    sandbox.ok(&["copy", "oci:linux-amd64", "oci-archive:amd64.tar"]);
    let image = format!(
        "{}/other/name@{}",
        fake.host(),
        manifest.json()["manifests"][1]["digest"].as_str().unwrap()
    );
    let parts = [&["-o", "oci:joined:3", "oci-archive:amd64.tar", &image][..], &platforms].concat();
    sandbox.ok(&merge(&fake, &parts));
    let index = sandbox.layout("joined").tagged("3");
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2);
    sandbox
        .run(&merge(
            &fake,
            &[
                "oci:linux-amd64",
                "oci:linux-arm64",
                "--platforms",
                "linux/amd64,linux/arm64",
            ],
        ))
        .expect(2)
        .says(&["do not say where to write the image"]);
}

#[test]
fn members_that_were_selected_and_are_in_no_part_are_missing() {
    let sandbox = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    write_stack(&sandbox, fake.host());
    push_parts(&sandbox, &fake);
    let files = PLATFORMS.map(part_file);
    for file in &files {
        let mut part = sandbox.json(file);
        part["images"]
            .as_array_mut()
            .unwrap()
            .retain(|image| image["member"] != "writer");
        sandbox.write(&format!("less-{file}"), part.to_string());
    }
    let less = files.clone().map(|file| format!("less-{file}"));
    sandbox
        .run(&merge(&fake, &[&less[0], &less[1]]))
        .expect(6)
        .says(&["no part has writer", "help:"]);
    assert!(fake.contents().manifest("ws/base", "1.0").is_none());
    // A narrower selection demands no more than itself.
    for platform in PLATFORMS {
        let push = [
            "build",
            "--push",
            "--plain-http",
            fake.host(),
            "-p",
            "planner",
            "--platform",
            platform,
        ];
        sandbox.ok(&[&push[..], &["--metadata", &format!("planner-{}", part_file(platform))]].concat());
    }
    let planner = files.map(|file| format!("planner-{file}"));
    let merged = sandbox.ok(&merge(&fake, &[&planner[0], &planner[1]]));
    assert_eq!(merged.stdout.lines().count(), 1);
}
