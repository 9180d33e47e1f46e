//! Outputs and other files of a build on a base, inside of directories that files are packed from.

use crate::support::{Sandbox, on_base};

#[test]
fn what_belongs_to_the_build_is_not_packed_either() {
    let sandbox = Sandbox::new();
    let image = format!("[image]\n{}\nplatforms = [\"linux/amd64\"]\n", on_base());
    let layer = "[[layers]]\nname = \"all\"\nfiles = [{ from = \".\", to = \"/all\" }]\n";
    sandbox.write("project/file", "packed\n").write(
        "project/ocitect.toml",
        format!("format = 1\nenv-files = [\"secret.env\"]\n{image}{layer}"),
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
        let listed = sandbox.ok(&["ls", "oci:out"]).stdout;
        let paths = listed.lines().map(|line| line.rsplit(' ').next().unwrap());
        let paths: Vec<&str> = paths.filter(|path| path.starts_with("/all")).collect();
        assert_eq!(paths, ["/all", "/all/file"]);
    }
}
