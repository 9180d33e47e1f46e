//! Files that are read because the started program leads to them: modules of Node, jars, the last line of an entrypoint
//! script.

use std::fs;
use std::io::{Cursor, Write as _};

use crate::support::{Sandbox, part};

/// A spec that packs `root`, with a program of that name in `/usr/bin`.
fn spec(sandbox: &Sandbox, program: &str, config: &str) {
    let busybox = fs::read(part("BUSYBOX_AMD64")).unwrap();
    sandbox.write_mode(&format!("root/usr/bin/{program}"), &busybox, 0o755);
    sandbox.write_mode("root/bin/sh", &busybox, 0o755);
    sandbox.spec(&format!(
        "[image]\nplatforms = [\"linux/amd64\"]\n[config]\nuser = \"1000\"\n{config}\n[[layers]]\nname = \"app\"\n\
         files = [{{ from = \"root\", to = \"/\" }}]\n"
    ));
}

#[test]
fn modules_are_followed_from_file_to_file() {
    let sandbox = Sandbox::new();
    spec(&sandbox, "node", "workdir = \"/app\"\ncmd = [\"node\", \"index.js\"]");
    sandbox.write(
        "root/app/package.json",
        "{\"name\": \"app\", \"dependencies\": {\"web\": \"1\"}}",
    );
    sandbox.write("root/app/index.js", "const web = require('web')\nweb()\n");
    sandbox.write(
        "root/app/node_modules/web/package.json",
        "{\"name\": \"web\", \"main\": \"lib\"}",
    );
    sandbox.write(
        "root/app/node_modules/web/lib/index.js",
        "module.exports = require('./server')\n",
    );
    sandbox.write(
        "root/app/node_modules/web/lib/server.js",
        "const parse = require('parse')\n",
    );
    let outcome = sandbox.run(&["check"]).expect(3);
    let expected = "error[missing-import]: linux/amd64 /app/node_modules/web/lib/server.js: requires \"parse\", which is not \
                    in the image\n";
    assert!(outcome.stdout.contains(expected), "{}", outcome.stdout);
    sandbox.run(&["build"]).expect(3);
    sandbox.write("root/app/node_modules/parse/index.js", "");
    let outcome = sandbox.ok(&["check"]);
    assert_eq!(
        outcome.stdout,
        "checked linux/amd64: 1 layer, 8 files\n0 errors, 0 warnings\n"
    );
}

#[test]
fn a_jar_is_read_for_its_java() {
    let sandbox = Sandbox::new();
    spec(
        &sandbox,
        "tool",
        "entrypoint = [\"/opt/jre/bin/java\", \"-jar\", \"/app/app.jar\"]",
    );
    sandbox.write_mode("root/opt/jre/bin/java", fs::read(part("BUSYBOX_AMD64")).unwrap(), 0o755);
    sandbox.write("root/opt/jre/release", "JAVA_VERSION=\"17.0.15\"\n");
    for (version, status) in [(61, 0), (65, 3)] {
        let mut jar = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        jar.start_file("META-INF/MANIFEST.MF", options).unwrap();
        jar.write_all(b"Manifest-Version: 1.0\r\nMain-Class: a.Main\r\n")
            .unwrap();
        jar.start_file("a/Main.class", options).unwrap();
        jar.write_all(&[0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, version]).unwrap();
        sandbox.write("root/app/app.jar", jar.finish().unwrap().into_inner());
        let outcome = sandbox.run(&["check"]).expect(status);
        let is_told = outcome
            .stdout
            .contains("error[java-too-old]: linux/amd64 /app/app.jar: is compiled for Java 21");
        assert_eq!(is_told, status == 3, "{}", outcome.stdout);
    }
    fs::remove_file(sandbox.path("root/app/app.jar")).unwrap();
    sandbox.write("root/app/app.jar/app-1.0.jar", "");
    let outcome = sandbox.run(&["check"]).expect(3);
    let expected = "error[entrypoint-missing]: linux/amd64 /app/app.jar: the entrypoint runs this path with java, but \
                    it is a directory
";
    assert!(outcome.stdout.contains(expected), "{}", outcome.stdout);
}

#[test]
fn an_entrypoint_script_is_read_to_its_last_line() {
    let sandbox = Sandbox::new();
    spec(
        &sandbox,
        "tool",
        "entrypoint = [\"/entry.sh\"]\ncmd = [\"/srv/server\"]",
    );
    // Longer than the part that is read of every script.
    let script = format!("#!/bin/sh\nset -e\n# {}\nexec \"$@\"\n", "x".repeat(1000));
    sandbox.write_mode("root/entry.sh", script, 0o755);
    let outcome = sandbox.run(&["check"]).expect(3);
    let expected = "error[entrypoint-missing]: linux/amd64 /srv/server: ";
    assert!(outcome.stdout.contains(expected), "{}", outcome.stdout);
    sandbox.write_mode("root/srv/server", fs::read(part("BUSYBOX_AMD64")).unwrap(), 0o755);
    sandbox.ok(&["check"]);
}
