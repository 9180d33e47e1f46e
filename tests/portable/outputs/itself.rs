//! Outputs inside of directories that files are packed from.

use std::fs;

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
fn metadata_beside_the_files_is_not_packed() {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, ".");
    let arguments = ["build", "project", "-o", "oci:out", "--metadata", "project/meta.json"];
    let first = sandbox.ok(&arguments).digest();
    assert_eq!(sandbox.ok(&arguments).digest(), first);
}
