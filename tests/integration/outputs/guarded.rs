//! Files that outputs must not destroy: devices, pipes, links, and the files that the run itself needs.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Outcome, Sandbox, files_below, tool};

/// A project of one platform, for every kind of output.
fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox
        .write("files/greeting", "hello\n")
        .write(".ocitectignore", "*.bak\n")
        .write("app.env", "A=b\n");
    sandbox.spec(
        "env-files = [\"app.env\"]\n[image]\nname = \"example.com/guarded\"\nplatforms = [\"linux/amd64\"]\n\
         [[layers]]\nname = \"app\"\nfiles = [{ from = \"files/\", to = \"/app\" }]\n",
    );
    sandbox
}

/// Returns every file of the project, with its content.
fn contents(sandbox: &Sandbox) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |path: PathBuf| (path.clone(), fs::read(path).unwrap_or_default());
    files_below(sandbox.root())
        .into_iter()
        .filter(|path| !path.starts_with(sandbox.path("cache")))
        .map(read)
        .collect()
}

fn metadata(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

#[test]
fn devices_and_pipes_are_written_to_and_stay() {
    let sandbox = project();
    let device = sandbox.path("device");
    // A null device, which nothing can damage.
    tool("mknod", &[device.to_str().unwrap(), "c", "1", "3"]);
    tool("mkfifo", &[sandbox.path("pipe")]);
    symlink("pipe", sandbox.path("to-pipe")).unwrap();
    for output in ["oci-archive:device", "docker-archive:device"] {
        sandbox.ok(&["build", "-o", output]);
    }
    sandbox.ok(&["build", "-o", "oci:out", "--metadata", "device"]);
    sandbox.ok(&["build", "-o", "oci:out", "--metadata", "/dev/null"]);
    sandbox.ok(&["copy", "oci:out", "oci-archive:device"]);
    assert!(fs::metadata(&device).unwrap().file_type().is_char_device());
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    for name in ["pipe", "to-pipe"] {
        let reader = Command::new("cat")
            .arg(sandbox.path("pipe"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        sandbox.ok(&["build", "-o", "oci:out", "--metadata", name]);
        let read = reader.wait_with_output().unwrap();
        assert_eq!(
            metadata(&String::from_utf8(read.stdout).unwrap())["name"],
            "example.com/guarded"
        );
    }
    assert!(fs::metadata(sandbox.path("pipe")).unwrap().file_type().is_fifo());
}

#[test]
fn metadata_goes_to_standard_output_and_the_digest_to_standard_error() {
    let sandbox = project();
    let digest = sandbox.ok(&["build", "-o", "oci:out"]).digest();
    for name in ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        let built = sandbox.ok(&["build", "-o", "oci:out", "--metadata", name]);
        assert_eq!(metadata(&built.stdout)["digest"], *digest, "{name}");
        assert!(
            built
                .stderr
                .trim_end()
                .ends_with(&format!("example.com/guarded@{digest}")),
            "{}",
            built.stderr
        );
    }
    // A file that standard output is redirected to is standard output too.
    let file = fs::File::create(sandbox.path("all")).unwrap();
    let mut command = sandbox.command(&["build", "-o", "oci:out", "--metadata", "/dev/stdout"]);
    assert!(command.stdout(file).stderr(Stdio::null()).status().unwrap().success());
    assert_eq!(
        metadata(&fs::read_to_string(sandbox.path("all")).unwrap())["digest"],
        *digest
    );
    let archive = sandbox.path("from-stdout.tar");
    let mut command = sandbox.command(&["build", "-o", "oci-archive:/dev/stdout"]);
    assert!(
        command
            .stdout(fs::File::create(&archive).unwrap())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    assert!(tool("tar", &["-tf", archive.to_str().unwrap()]).starts_with("oci-layout\n"));
    sandbox
        .run(&["build", "-o", "oci-archive:-", "--metadata", "-"])
        .expect(2)
        .says(&[
            "oci-archive:- and --metadata are both written to standard output",
            "write one of them to a file",
        ]);
}

#[test]
fn links_stay_and_what_they_lead_to_is_replaced() {
    let sandbox = project();
    sandbox
        .write("real/meta.json", "")
        .write("real/app.tar", "")
        .ok(&["build", "-o", "oci:base"]);
    for (link, target) in [
        ("meta.json", "real/meta.json"),
        ("app.tar", "real/app.tar"),
        ("new.json", "real/new.json"),
        ("new.tar", "real/new.tar"),
        ("ocitect.lock", "real/the.lock"),
    ] {
        symlink(target, sandbox.path(link)).unwrap();
    }
    let spec = fs::read_to_string(sandbox.path("ocitect.toml")).unwrap();
    sandbox.write(
        "ocitect.toml",
        spec.replace("[image]\n", "[image]\nbase = \"oci:base\"\n"),
    );
    sandbox.ok(&["build", "-o", "oci-archive:app.tar", "--metadata", "meta.json"]);
    sandbox.ok(&["build", "-o", "oci-archive:new.tar", "--metadata", "new.json"]);
    for link in ["meta.json", "app.tar", "new.json", "new.tar", "ocitect.lock"] {
        assert!(fs::symlink_metadata(sandbox.path(link)).unwrap().is_symlink(), "{link}");
        assert!(fs::metadata(sandbox.path(link)).unwrap().len() > 0, "{link}");
    }
    sandbox.ok(&["build", "--locked", "-o", "oci:out"]);
    assert_eq!(files_below(&sandbox.path("real")).len(), 5);
}

#[test]
fn what_the_run_needs_is_not_written_over() {
    let sandbox = project();
    sandbox.ok(&["build", "-o", "oci:layout", "-o", "oci-archive:base.tar"]);
    let spec = fs::read_to_string(sandbox.path("ocitect.toml")).unwrap();
    sandbox.write(
        "ocitect.toml",
        spec.replace("[image]\n", "[image]\nbase = \"oci-archive:base.tar\"\n"),
    );
    sandbox.write("ca.pem", "").write("auth.json", "{}");
    sandbox.ok(&["build", "-o", "oci:out"]);
    symlink("ocitect.toml", sandbox.path("to-spec")).unwrap();
    symlink(".", sandbox.path("here")).unwrap();
    fs::hard_link(sandbox.path("ocitect.toml"), sandbox.path("hard-spec")).unwrap();
    fs::hard_link(sandbox.path("files/greeting"), sandbox.path("hard-greeting")).unwrap();
    fs::hard_link(sandbox.path("base.tar"), sandbox.path("hard-base")).unwrap();
    let before = contents(&sandbox);
    let spec = "it is the spec";
    let inside = "it is inside the OCI layout";
    for (path, reason) in [
        ("ocitect.toml", spec),
        ("./files/../ocitect.toml", spec),
        ("here/ocitect.toml", spec),
        ("to-spec", spec),
        ("hard-spec", spec),
        ("ocitect.lock", "it is the spec's lockfile"),
        (".ocitectignore", "it is a file that the spec reads"),
        ("app.env", "it is a file that the spec reads"),
        ("files/greeting", "is an output of this build and a file of `from`"),
        ("hard-greeting", "files/greeting, which is packed into the image"),
        ("base.tar", "it is an image that the spec reads"),
        ("hard-base", "it is an image that the spec reads"),
        ("layout/index.json", inside),
        ("layout/new", inside),
        ("here/layout/blobs/sha256/x", inside),
        ("new-layout/x", inside),
        ("cache/blocks/x", "it is inside the cache"),
        ("cache", "it is a directory"),
        ("auth.json", "it is a file that this command reads"),
        ("ca.pem", "it is a file that this command reads"),
        ("files", "it is a directory"),
    ] {
        let archive = format!("oci-archive:{path}");
        let registry = ["--authfile", "auth.json", "--ca-file", "ca.pem"];
        for output in [
            ["-o", "oci:new-layout", "--metadata", path],
            ["-o", "oci:new-layout", "-o", &archive],
        ] {
            let refused = sandbox.run(&[&["build"][..], &output, &registry].concat());
            refused.expect(2).says(&[reason, "help: "]);
            assert!(contents(&sandbox) == before, "{path}");
        }
    }
    assert!(!sandbox.path("new-layout").exists(), "nothing is built before");
    for outputs in [
        ["-o", "oci-archive:one", "--metadata", "here/one"],
        ["-o", "oci-archive:one", "-o", "docker-archive:./one"],
        ["-o", "oci-archive:cache/../one", "-o", "docker-archive:here/one"],
    ] {
        sandbox
            .run(&[&["build"][..], &outputs].concat())
            .expect(2)
            .says(&["is written to the same file"]);
    }
    sandbox
        .run(&["build", "-o", "oci:layout/inner"])
        .expect(2)
        .says(&[inside]);
    sandbox
        .run(&["build", "-o", "oci:cache/inner"])
        .expect(2)
        .says(&["it is inside the cache"]);
    sandbox
        .run(&[
            "build",
            "--cache-from",
            "oci-archive:hard-base",
            "-o",
            "oci-archive:base.tar",
        ])
        .expect(2);
    let whole = "it is the image that is copied";
    sandbox
        .run(&["copy", "oci-archive:base.tar", "docker-archive:hard-base"])
        .expect(2)
        .says(&[whole]);
    sandbox
        .run(&["copy", "oci-archive:base.tar", "oci-archive:here/base.tar"])
        .expect(2)
        .says(&[whole]);
    sandbox
        .run(&["copy", "oci-archive:base.tar", "oci-archive:layout/index.json"])
        .expect(2)
        .says(&[inside]);
    assert!(contents(&sandbox) == before);
}

#[test]
fn what_a_run_wrote_is_written_again() {
    let sandbox = project();
    let outputs = [
        "-o",
        "oci:files/oci",
        "-o",
        "oci-archive:files/app.tar",
        "--metadata",
        "files/meta.json",
    ];
    let build = [&["build"][..], &outputs].concat();
    let first = sandbox.ok(&build).digest();
    assert_eq!(sandbox.ok(&build).digest(), first, "no output is packed");
    // An empty file may be replaced: mktemp creates one.
    sandbox.write("files/meta.json", "");
    assert_eq!(sandbox.ok(&build).digest(), first);
    sandbox.ok(&["copy", "oci:files/oci", "oci:files/oci:again"]);
}

#[test]
fn an_archive_is_not_dumped_onto_a_terminal() {
    let sandbox = project();
    let image = sandbox.ok(&["build", "-o", "oci:out"]);
    let digest = image.digest();
    let on_terminal = |arguments: &str| {
        let binary = env!("CARGO_BIN_EXE_ocitect");
        let mut script = Command::new("script");
        script.args([
            "--quiet",
            "--return",
            "--command",
            &format!("{binary} {arguments}"),
            "/dev/null",
        ]);
        script
            .current_dir(sandbox.root())
            .env("OCITECT_CACHE_DIR", sandbox.path("cache"))
            .stdin(Stdio::null());
        Outcome::of(script)
    };
    for arguments in [
        "build -o oci-archive:-",
        "build -o docker-archive:/dev/stdout",
        "build -o oci-archive:/dev/tty",
        "copy oci:out oci-archive:-",
    ] {
        let refused = on_terminal(arguments).expect(2);
        assert!(
            refused.stdout.contains("to a terminal") && refused.stdout.contains("help"),
            "{}",
            refused.stdout
        );
        assert!(!refused.stdout.contains("oci-layout"), "{}", refused.stdout);
    }
    assert!(
        on_terminal("build -o oci:out --metadata -")
            .expect(0)
            .stdout
            .contains(&digest)
    );
    assert!(
        on_terminal("build -o oci-archive:- | tar -t")
            .expect(0)
            .stdout
            .contains("oci-layout")
    );
}

#[test]
fn an_image_without_a_name_is_refused_before_anything_is_built() {
    let sandbox = project();
    sandbox.ok(&["build"]);
    let spec = fs::read_to_string(sandbox.path("ocitect.toml")).unwrap();
    let nameless: String = spec
        .lines()
        .filter(|line| !line.starts_with("name = \"example.com"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_ne!(nameless, spec);
    sandbox.write("ocitect.toml", nameless);
    sandbox.write("files/greeting", "something that must be packed\n");
    let cached = files_below(&sandbox.path("cache")).len();
    sandbox.run(&["build"]).expect(2).says(&[
        "the tag latest in oci:build/oci belongs to example.com/guarded, not to an image without a name",
        "help: give the image a `name` in [image], or write to another layout with `-o oci:OTHER`",
    ]);
    assert_eq!(files_below(&sandbox.path("cache")).len(), cached, "nothing was packed");
    sandbox.ok(&["build", "-o", "oci:other"]);

    // A renamed image is another one beside it.
    sandbox.write(
        "ocitect.toml",
        spec.replace("example.com/guarded", "example.com/renamed"),
    );
    sandbox.ok(&["build"]);
    let names = tool(
        "skopeo",
        &[
            "inspect",
            "--format",
            "{{.Digest}}",
            "oci:build/oci:example.com/renamed:latest",
        ]
        .map(|word| word.replace("build/oci", sandbox.path("build/oci").to_str().unwrap())),
    );
    assert!(names.starts_with("sha256:"), "{names}");
    sandbox.run(&["inspect", "oci:build/oci:latest"]).expect(2);
}
