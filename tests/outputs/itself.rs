//! Outputs inside of directories that files are packed from.

use std::fs;

use crate::outputs::images::on_base;
use crate::support::Sandbox;

fn write_spec(sandbox: &Sandbox, from: &str) {
    let layer = format!("[[layers]]\nname = \"all\"\nfiles = [{{ from = \"{from}\", to = \"/all\" }}]\n");
    sandbox.write(
        "project/ocitect.toml",
        format!("format = 1\n[image]\nplatforms = [\"linux/amd64\"]\n{layer}"),
    );
    sandbox.write("project/file", "packed\n");
}

fn packed(sandbox: &Sandbox, layout: &str) -> String {
    sandbox.ok(&["ls", layout]).stdout
}

#[test]
fn no_output_is_packed_into_itself() {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, ".");
    fs::create_dir(sandbox.path("project/out")).unwrap();
    let outputs = [
        "-o",
        "oci:project/build/oci",
        "-o",
        "oci-archive:project/out/a.tar",
        "-o",
        "docker-archive:project/d.tar",
    ];
    let arguments = [&["build", "project"][..], &outputs].concat();
    let first = sandbox.ok(&arguments).digest();
    let second = sandbox.ok(&arguments).digest();
    let listed = packed(&sandbox, "oci:project/build/oci");
    assert!(!listed.contains("oci-layout") && !listed.contains(".tar"), "{listed}");
    assert_eq!(second, first, "{listed}");
}

#[test]
fn neither_are_layouts_and_archives_of_earlier_builds() {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, ".");
    let first = sandbox.ok(&["build", "project", "-o", "oci:first"]).digest();
    sandbox.ok(&[
        "build",
        "project",
        "-o",
        "oci:project/old",
        "-o",
        "oci-archive:project/old.tar",
    ]);
    let second = sandbox.ok(&["build", "project", "-o", "oci:second"]).digest();
    let listed = packed(&sandbox, "oci:second");
    assert_eq!(second, first, "{listed}");
}

#[test]
fn one_that_is_named_is_packed_unless_it_is_being_written() {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, "old.tar");
    sandbox.write(
        "other/ocitect.toml",
        "format = 1\n[image]\nplatforms = [\"linux/amd64\"]\n",
    );
    sandbox.ok(&["build", "other", "-o", "oci-archive:project/old.tar"]);
    sandbox.ok(&["build", "project", "-o", "oci:out"]);
    assert!(
        packed(&sandbox, "oci:out").contains(" /all"),
        "{}",
        packed(&sandbox, "oci:out")
    );
    let before = fs::read(sandbox.path("project/old.tar")).unwrap();
    sandbox
        .run(&["build", "project", "-o", "oci-archive:project/old.tar"])
        .expect(2)
        .says(&["is an output of this build", "write the output to another path"]);
    assert_eq!(fs::read(sandbox.path("project/old.tar")).unwrap(), before);
}

#[test]
fn what_belongs_to_the_build_is_not_packed_either() {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, ".");
    let spec = fs::read_to_string(sandbox.path("project/ocitect.toml")).unwrap();
    let spec = spec.replacen("\n", "\nenv-files = [\"secret.env\"]\n", 1);
    sandbox.write(
        "project/ocitect.toml",
        spec.replacen("[image]\n", &format!("[image]\n{}\n", on_base()), 1),
    );
    sandbox
        .write("project/secret.env", "TOKEN=x\n")
        .write("project/.git/config", "[core]\n");
    sandbox
        .write("project/.ocitectignore", "*.log\n")
        .write("project/build.log", "ignored\n");
    for _ in 0..2 {
        sandbox.ok(&["build", "project", "-o", "oci:out"]);
        assert!(
            sandbox.path("project/ocitect.lock").is_file(),
            "the first build writes it, the second finds it"
        );
        let listed = packed(&sandbox, "oci:out");
        let paths = listed.lines().map(|line| line.rsplit(' ').next().unwrap());
        let paths: Vec<&str> = paths.filter(|path| path.starts_with("/all")).collect();
        assert_eq!(paths, ["/all", "/all/file"]);
    }
}

#[test]
fn metadata_beside_the_files_is_not_packed() {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, ".");
    let arguments = ["build", "project", "-o", "oci:out", "--metadata", "project/meta.json"];
    let first = sandbox.ok(&arguments).digest();
    assert_eq!(sandbox.ok(&arguments).digest(), first);
}
