//! The findings of a spec are those of the image that is built from it, whatever the image starts.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Cursor, Write as _};

use serde_json::Value;

use crate::support::{Sandbox, part};

/// A spec that packs `root` on a base, or on nothing.
fn spec(sandbox: &Sandbox, base: Option<&str>, config: &str, check: &str) {
    let base = base
        .map(|base| format!("base = \"oci:{}\"\n", part(base)))
        .unwrap_or_default();
    sandbox.spec(&format!(
        "[image]\nname = \"registry.example/check/alike\"\n{base}platforms = [\"linux/amd64\"]\n[config]\nuser = \"1000\"\n\
         workdir = \"/app\"\n{config}\n[[layers]]\nname = \"app\"\nfiles = [{{ from = \"root\", to = \"/\" }}]\n{check}"
    ));
}

/// Returns code and path of each finding.
fn found(sandbox: &Sandbox, arguments: &[&str]) -> BTreeSet<(String, String)> {
    let outcome = sandbox.run(&[&["check", "--json"], arguments].concat()).expect(3);
    let document: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let findings = document["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| (text(finding, "code"), text(finding, "path")))
        .collect()
}

/// Checks the spec, then its image in a layout and an archive: the findings are the same and include `expected`.
/// Without a base, `root` gets a shell and a program of that name.
fn is_found_alike(sandbox: &Sandbox, program: &str, config: &str, expected: &[(&str, &str)]) {
    let busybox = fs::read(part("BUSYBOX_AMD64")).unwrap();
    sandbox.write_mode("root/bin/sh", &busybox, 0o755);
    sandbox.write_mode(&format!("root/usr/bin/{program}"), &busybox, 0o755);
    is_found_alike_on(sandbox, None, config, expected);
}

fn is_found_alike_on(sandbox: &Sandbox, base: Option<&str>, config: &str, expected: &[(&str, &str)]) {
    spec(sandbox, base, config, "");
    let of_spec = found(sandbox, &[]);
    for (code, path) in expected {
        assert!(
            of_spec.contains(&((*code).to_owned(), (*path).to_owned())),
            "{code} {path}: {of_spec:?}"
        );
    }
    spec(sandbox, base, config, "[check]\nallow = [\"*:/**\"]\n");
    sandbox.ok(&["build", "-o", "oci:layout:1", "-o", "docker-archive:image.tar"]);
    assert_eq!(found(sandbox, &["oci:layout:1"]), of_spec);
    assert_eq!(found(sandbox, &["docker-archive:image.tar"]), of_spec);
}

#[test]
fn modules_of_node() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "root/app/package.json",
        "{\"name\": \"app\", \"dependencies\": {\"web\": \"1\"}}",
    );
    sandbox.write("root/app/index.js", "require('./lib/start')\nrequire('web')\n");
    sandbox.write("root/app/lib/start.cjs", "");
    sandbox.write(
        "root/app/lib/start.js",
        "require('lost')\ntry { require('gone') } catch {}\n",
    );
    sandbox.write(
        "root/app/node_modules/web/package.json",
        "{\"name\": \"web\", \"exports\": \"./server\"}",
    );
    sandbox.write("root/app/node_modules/web/server", "require('parse')\n");
    let expected = [
        ("missing-import", "/app/lib/start.js"),
        ("missing-import", "/app/node_modules/web/server"),
    ];
    is_found_alike(&sandbox, "node", "cmd = [\"node\", \"index.js\"]", &expected);
}

#[test]
fn the_version_of_node() {
    let sandbox = Sandbox::new();
    let header = "#define NODE_MAJOR_VERSION 18\n#define NODE_MINOR_VERSION 20\n#define NODE_PATCH_VERSION 4\n";
    sandbox.write("root/usr/include/node/node_version.h", header);
    sandbox.write(
        "root/app/package.json",
        "{\"name\": \"app\", \"engines\": {\"node\": \">=20\"}}",
    );
    sandbox.write("root/app/index.js", "require('lost')\n");
    let expected = [
        ("missing-import", "/app/index.js"),
        ("unsupported-engine", "/app/package.json"),
    ];
    is_found_alike(&sandbox, "node", "cmd = [\"node\", \"index.js\"]", &expected);
}

#[test]
fn modules_of_node_on_a_base() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "root/app/package.json",
        "{\"name\": \"app\", \"engines\": {\"node\": \">=99\"}}",
    );
    sandbox.write("root/app/index.js", "require('modern')\nrequire('lost')\n");
    sandbox.write(
        "root/app/node_modules/modern/package.json",
        "{\"type\": \"module\", \"exports\": \"./i.js\"}",
    );
    sandbox.write("root/app/node_modules/modern/i.js", "export default 1\n");
    let expected = [
        ("missing-import", "/app/index.js"),
        ("node-too-old", "/app/index.js"),
        ("unsupported-engine", "/app/package.json"),
    ];
    is_found_alike_on(&sandbox, Some("REAL_NODE"), "cmd = [\"node\", \"index.js\"]", &expected);
}

/// An archive with these members.
fn jar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut jar = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        jar.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        jar.write_all(bytes).unwrap();
    }
    jar.finish().unwrap().into_inner()
}

#[test]
fn archives_of_java() {
    let sandbox = Sandbox::new();
    let config = "entrypoint = [\"java\", \"-jar\", \"/app/app.jar\"]";
    let manifest = b"Manifest-Version: 1.0\r\nMain-Class: a.Main\r\nClass-Path: lib/gone.jar\r\n";
    sandbox.write("root/app/app.jar", jar(&[("META-INF/MANIFEST.MF", manifest)]));
    let expected = [("entrypoint-missing", "/app/app.jar"), ("missing-jar", "/app/app.jar")];
    is_found_alike(&sandbox, "java", config, &expected);
    // Executable, as after some builds.
    sandbox.write_mode(
        "root/app/app.jar",
        jar(&[("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\n")]),
        0o755,
    );
    is_found_alike(&sandbox, "java", config, &[("entrypoint-missing", "/app/app.jar")]);
}

#[test]
fn the_class_path_of_java() {
    let sandbox = Sandbox::new();
    sandbox.write("root/app/lib/a.jar", jar(&[("b/Other.class", b"")]));
    let config = "entrypoint = [\"java\", \"-cp\", \"/app/classes:/app/lib/*\", \"a.Main\"]";
    is_found_alike(&sandbox, "java", config, &[("entrypoint-missing", "/usr/bin/java")]);
    sandbox.write("root/usr/release", "JAVA_VERSION=\"17.0.15\"\n");
    sandbox.write("root/app/classes/a/Main.class", [0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 65]);
    is_found_alike(
        &sandbox,
        "java",
        config,
        &[("java-too-old", "/app/classes/a/Main.class")],
    );
}

#[test]
fn scripts_of_shells() {
    let sandbox = Sandbox::new();
    // Longer than the part that is read of every script.
    let script = format!("#!/bin/sh\nset -e\n# {}\nexec \"$@\"\n", "x".repeat(1000));
    sandbox.write_mode("root/entry.sh", &script, 0o755);
    let config = "entrypoint = [\"/entry.sh\"]\ncmd = [\"/srv/server\"]";
    is_found_alike(&sandbox, "tool", config, &[("entrypoint-missing", "/srv/server")]);
    // A name without an extension, and one script behind the other.
    sandbox.write("root/app/start.text", "exec /app/run\n");
    sandbox.write_mode("root/app/run", "#!/bin/sh\nexec /srv/gone --port 80\n", 0o755);
    let config = "entrypoint = [\"sh\", \"/app/start.text\"]";
    is_found_alike(&sandbox, "tool", config, &[("entrypoint-missing", "/srv/gone")]);
    sandbox.write_mode("root/app/run", "exec /srv/gone --port 80\n", 0o755);
    let config = "entrypoint = [\"/app/run\"]";
    is_found_alike(&sandbox, "tool", config, &[("entrypoint-not-executable", "/app/run")]);
}

#[test]
fn modules_of_python() {
    let sandbox = Sandbox::new();
    sandbox.write("root/usr/lib/python3.11/os.py", "");
    sandbox.write("root/app/main", "import web\n");
    sandbox.write(
        "root/usr/lib/python3.11/site-packages/web/__init__.py",
        "from . import server\n",
    );
    sandbox.write("root/usr/lib/python3.11/site-packages/web/server.py", "import lost\n");
    let path = "/usr/lib/python3.11/site-packages/web/server.py";
    let config = "cmd = [\"python3.11\", \"main\"]";
    is_found_alike(&sandbox, "python3.11", config, &[("missing-import", path)]);
}
