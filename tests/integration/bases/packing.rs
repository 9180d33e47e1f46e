//! Sources of a files entry: archives of every kind, patterns, ignore files, and files that are never packed by
//! default.

use std::fs;

use crate::bases::container::{Container, on, on_base};
use crate::support::{Sandbox, tool};

/// Returns the paths of the layer of linux/amd64, without the parents of `/srv`.
fn packed(sandbox: &Sandbox) -> Vec<String> {
    sandbox.ok(&["build"]);
    let image = format!("oci:{}", sandbox.path("build/oci").display());
    let listed = sandbox.ok(&["ls", "--platform", "linux/amd64", &image, "/srv"]).stdout;
    let path = |line: &str| line.split_whitespace().nth(3).unwrap().to_owned();
    let mode = |line: &str| line.split_whitespace().next().unwrap().to_owned();
    let lines = listed.lines().filter(|line| !line.starts_with('d'));
    lines
        .map(|line| format!("{} {}", path(line).trim_start_matches("/srv/"), &mode(line)[1..]))
        .collect()
}

fn entry(text: &str) -> String {
    on("scratch", &format!("[[layers]]\nname = \"app\"\nfiles = [{text}]\n"))
}

/// A tree, and archives of it: `top/bin/tool` (0755), `top/share/text` (0600), `top/link`.
fn archives(sandbox: &Sandbox) {
    sandbox
        .write_mode("top/bin/tool", "#!/bin/sh\necho tool\n", 0o755)
        .write_mode("top/share/text", "text\n", 0o600);
    std::os::unix::fs::symlink("bin/tool", sandbox.path("top/link")).unwrap();
    let root = sandbox.root().to_str().unwrap();
    tool("tar", &["-C", root, "-cf", &format!("{root}/a.tar"), "top"]);
    tool("tar", &["-C", root, "-czf", &format!("{root}/a.tar.gz"), "top"]);
    tool(
        "tar",
        &["-C", root, "--zstd", "-cf", &format!("{root}/a.tar.zst"), "top"],
    );
    tool(
        "bsdtar",
        &["-C", root, "--format", "zip", "-cf", &format!("{root}/a.zip"), "top"],
    );
    fs::remove_dir_all(sandbox.path("top")).unwrap();
}

#[test]
fn every_kind_of_archive_unpacks_to_the_same() {
    let mut layers = Vec::new();
    for name in ["a.tar", "a.tar.gz", "a.tar.zst", "a.zip"] {
        let sandbox = Sandbox::new();
        archives(&sandbox);
        // Detected by its content, not by its name.
        fs::rename(sandbox.path(name), sandbox.path("archive")).unwrap();
        sandbox.spec(&on_base(
            "[[layers]]\nname = \"app\"\nfiles = [{ from = \"archive\", to = \"/srv\", unpack = true, strip = 1 }]\n",
        ));
        sandbox.ok(&["build"]);
        layers.push(sandbox.layout("build/oci").manifest("latest", "linux/amd64")["layers"][2]["digest"].clone());
        if name == "a.zip" {
            let container = Container::build(&sandbox);
            assert_eq!(
                container.run(&["sh", "-c", "/srv/link; cat /srv/share/text"]),
                "tool\ntext\n"
            );
            assert_eq!(
                container.stat(&["/srv/bin/tool", "/srv/share/text", "/srv/link"]),
                [
                    "/srv/bin/tool 755 0:0 regular file",
                    "/srv/share/text 644 0:0 regular file",
                    "/srv/link 777 0:0 symbolic link"
                ]
            );
        }
    }
    assert!(layers.iter().all(|digest| digest == &layers[0]), "{layers:?}");
}

#[test]
fn an_archive_is_a_file_unless_it_is_to_be_unpacked_and_a_glob_unpacks_each() {
    let sandbox = Sandbox::new();
    archives(&sandbox);
    sandbox
        .write("one/1", "1")
        .write("two/2", "2")
        .write("packages/not-a-package", "");
    let root = sandbox.root().to_str().unwrap();
    for name in ["one", "two"] {
        tool(
            "tar",
            &["-C", root, "-cf", &format!("{root}/packages/{name}.tar"), name],
        );
    }
    sandbox.spec(&entry(
        "{ from = \"a.zip\", to = \"/srv/\" }, { from = \"packages/*.tar\", to = \"/srv/all\", unpack = true }",
    ));
    assert_eq!(
        packed(&sandbox),
        ["a.zip rw-r--r--", "all/one/1 rw-r--r--", "all/two/2 rw-r--r--"]
    );
}

#[test]
fn keep_modes_keeps_the_modes_of_an_archive_and_nothing_else_of_it() {
    let sandbox = Sandbox::new();
    sandbox
        .write_mode("t/set", "set\n", 0o4711)
        .write_mode("t/shut", "shut\n", 0o600)
        .write_mode("t/open/x", "x\n", 0o666);
    let root = sandbox.root().to_str().unwrap();
    tool("chmod", &["2775", &format!("{root}/t/open")]);
    tool(
        "tar",
        &[
            "-C",
            &format!("{root}/t"),
            "--owner=55:66",
            "--group=77",
            "-cf",
            &format!("{root}/kept.tar"),
            ".",
        ],
    );
    sandbox.spec(&on_base(
        "[[layers]]\nname = \"app\"\nfiles = [{ from = \"kept.tar\", to = \"/srv\", unpack = true, keep-modes = true }, \
         { from = \"kept.tar\", to = \"/ruled\", unpack = true, owner = \"node\", executable = [\"open/*\"] }]\n",
    ));
    let container = Container::build(&sandbox);
    assert_eq!(
        container.stat(&[
            "/srv/set",
            "/srv/shut",
            "/srv/open",
            "/srv/open/x",
            "/ruled/set",
            "/ruled/shut",
            "/ruled/open",
            "/ruled/open/x"
        ]),
        [
            "/srv/set 4711 0:0 regular file",
            "/srv/shut 600 0:0 regular file",
            "/srv/open 2775 0:0 directory",
            "/srv/open/x 666 0:0 regular file",
            "/ruled/set 755 1000:1000 regular file",
            "/ruled/shut 644 1000:1000 regular file",
            "/ruled/open 755 1000:1000 directory",
            "/ruled/open/x 755 1000:1000 regular file",
        ]
    );
}

#[test]
fn includes_choose_excludes_leave_out_and_executable_gives_the_bit() {
    let sandbox = Sandbox::new();
    for name in [
        "src/a.py",
        "src/b.txt",
        "src/deep/c.py",
        "src/deep/__pycache__/c.pyc",
        "src/run.sh",
        "src/deep/tests/d.py",
    ] {
        sandbox.write(name, name);
    }
    let cases: [(&str, &[&str]); 4] = [
        (
            "exclude = [\"**/__pycache__\", \"/b.txt\"]",
            &[
                "a.py rw-r--r--",
                "deep/c.py rw-r--r--",
                "deep/tests/d.py rw-r--r--",
                "run.sh rw-r--r--",
            ],
        ),
        (
            "include = [\"*.py\"], exclude = [\"tests/\"]",
            &["a.py rw-r--r--", "deep/c.py rw-r--r--"],
        ),
        (
            "include = [\"*.sh\", \"/b.txt\"], executable = [\"*.sh\"]",
            &["b.txt rw-r--r--", "run.sh rwxr-xr-x"],
        ),
        (
            "include = [\"deep/\"], mode = \"0640\"",
            &[
                "deep/__pycache__/c.pyc rw-r-----",
                "deep/c.py rw-r-----",
                "deep/tests/d.py rw-r-----",
            ],
        ),
    ];
    for (keys, expected) in cases {
        sandbox.spec(&entry(&format!("{{ from = \"src\", to = \"/srv\", {keys} }}")));
        assert_eq!(packed(&sandbox), expected, "{keys}");
    }
}

#[test]
fn patterns_act_on_the_unpacked_tree_after_strip() {
    let sandbox = Sandbox::new();
    archives(&sandbox);
    sandbox.spec(&entry(
        "{ from = \"a.tar.gz\", to = \"/srv\", unpack = true, strip = 1, include = [\"/share\", \"/bin/tool\"], exclude = [\"text\"] }",
    ));
    assert_eq!(packed(&sandbox), ["bin/tool rwxr-xr-x"]);
}

#[test]
fn globs_keep_what_is_below_their_fixed_part() {
    let sandbox = Sandbox::new();
    for name in [
        "dist/one/a.js",
        "dist/one/b.css",
        "dist/two/deep/c.js",
        "dist/.hidden.js",
        "dist/[x].js",
    ] {
        sandbox.write(name, name);
    }
    let cases: [(&str, &[&str]); 3] = [
        ("dist/**/*.js", &[".hidden.js", "[x].js", "one/a.js", "two/deep/c.js"]),
        (
            "dist/*",
            &[".hidden.js", "[x].js", "one/a.js", "one/b.css", "two/deep/c.js"],
        ),
        ("dist/[x].js", &["[x].js"]),
    ];
    for (from, expected) in cases {
        sandbox.spec(&entry(&format!("{{ from = \"{from}\", to = \"/srv/\" }}")));
        let found: Vec<String> = packed(&sandbox)
            .iter()
            .map(|line| line.trim_end_matches(" rw-r--r--").to_owned())
            .collect();
        assert_eq!(found, expected, "{from}");
    }
}

#[test]
fn an_ignore_file_leaves_out_and_brings_back() {
    let sandbox = Sandbox::new();
    for name in ["src/a.log", "src/keep.log", "src/b", "src/tmp/c", "other/tmp/d"] {
        sandbox.write(name, name);
    }
    sandbox
        .write(".ocitectignore", "*.log\n!keep.log\n/src/tmp/\n")
        .spec(&entry(
            "{ from = \"src\", to = \"/srv\" }, { from = \"other\", to = \"/srv/other\" }",
        ));
    assert_eq!(
        packed(&sandbox),
        ["b rw-r--r--", "keep.log rw-r--r--", "other/tmp/d rw-r--r--"]
    );
    // By Docker's rules a pattern without a slash matches at the top only.
    sandbox.write("my.dockerignore", "a.log\nsrc/keep.log\n**/tmp\n");
    let spec = entry("{ from = \"src\", to = \"/srv\" }")
        .replace("platforms =", "ignore-file = \"my.dockerignore\"\nplatforms =");
    sandbox.spec(&spec);
    assert_eq!(packed(&sandbox), ["a.log rw-r--r--", "b rw-r--r--"]);
}

#[test]
fn the_specs_own_files_layouts_and_git_are_never_packed_unasked() {
    let sandbox = Sandbox::new();
    sandbox
        .write(".env", "A=1\n")
        .write(".git/HEAD", "ref\n")
        .write("src/.git/config", "x\n")
        .write("src/app", "app\n");
    sandbox.write(".ocitectignore", "home\n");
    let spec = entry("{ from = \".\", to = \"/srv\" }");
    sandbox.write("ocitect.toml", format!("format = 1\nenv-files = [\".env\"]\n{spec}"));
    sandbox.ok(&[
        "build",
        "-o",
        "oci:made",
        "-o",
        "oci-archive:made.tar",
        "-o",
        "docker-archive:docker.tar:localhost/x:1",
        "--platform",
        "linux/amd64",
    ]);
    fs::remove_dir_all(sandbox.path("cache")).ok();
    assert_eq!(packed(&sandbox), ["src/app rw-r--r--"]);
    // If it is named itself, it is packed.
    let spec = entry("{ from = \".git\", to = \"/srv/git\" }, { from = \".env\", to = \"/srv/env\" }");
    sandbox.write("ocitect.toml", format!("format = 1\nenv-files = [\".env\"]\n{spec}"));
    assert_eq!(packed(&sandbox), ["env rw-r--r--", "git/HEAD rw-r--r--"]);
}
