use serde_json::json;

use super::*;
use crate::check::testing::{Image, Thing, elf};

fn text(text: &str) -> Thing {
    Thing::Text(text.to_owned())
}

/// An image with Node that starts `index.js` of `/app`.
fn image(index: &str) -> Image {
    Image::new("linux/amd64")
        .config(json!({ "WorkingDir": "/app", "Cmd": ["node", "index.js"] }))
        .base("usr/bin/node", 0o755, Thing::Elf(elf(None, &[])))
        .own("app/index.js", 0o644, text(index))
}

/// An application with packages of every kind.
fn packages(index: &str) -> Image {
    let package = |image: Image, at: &str, manifest: &str, files: &[(&str, &str)]| {
        let image = image.own(&format!("{at}/package.json"), 0o644, text(manifest));
        files.iter().fold(image, |image, (name, content)| {
            image.own(&format!("{at}/{name}"), 0o644, text(content))
        })
    };
    let image = package(
        image(index),
        "app/node_modules/plain",
        r#"{"name": "plain"}"#,
        &[("index.js", ""), ("lib/x.js", "")],
    );
    let image = package(
        image,
        "app/node_modules/main",
        r#"{"main": "./lib/start"}"#,
        &[("lib/start.js", "require('./next')"), ("lib/next.js", "")],
    );
    let exports = r#"{"exports": {".": {"import": "./i.mjs", "require": "./r.cjs"}, "./sub": "./s.js", "./p/*": "./q/*.js", "./gone": "./gone.js", "./package.json": "./package.json"}}"#;
    let files = [("i.mjs", ""), ("r.cjs", ""), ("s.js", ""), ("q/a.js", "")];
    let image = package(image, "app/node_modules/@s/exports", exports, &files);
    let image = package(
        image,
        "app/node_modules/modern",
        r#"{"exports": {"import": "./i.js"}}"#,
        &[("i.js", "")],
    );
    let image = package(
        image,
        "app/node_modules/unbuilt",
        r#"{"main": "dist/index.js"}"#,
        &[("src/index.ts", "")],
    );
    let image = package(
        image,
        "app/node_modules/needs",
        r#"{"name": "needs"}"#,
        &[("index.js", "require('lost')")],
    );
    let image = image.own("app/node_modules/unread/package.json", 0o644, Thing::Unread(10));
    let image = image.own("app/node_modules/file.js", 0o644, text(""));
    // As pnpm lays them out: the package is beside what it needs.
    let store = "app/node_modules/.pnpm/linked@1/node_modules";
    let image = package(
        image,
        &format!("{store}/linked"),
        r#"{"name": "linked"}"#,
        &[("index.js", "require('beside')")],
    );
    let image = package(
        image,
        &format!("{store}/beside"),
        r#"{"name": "beside"}"#,
        &[("index.js", "")],
    );
    image.own(
        "app/node_modules/linked",
        0o777,
        Thing::Link(".pnpm/linked@1/node_modules/linked"),
    )
}

fn lacks(image: Image) -> Vec<String> {
    let graph = graph(&image.subject());
    let shown = |lack: &Lack| match lack {
        Lack::File(at) => format!("file {at}"),
        Lack::Extension(at) => format!("extension {at}"),
        Lack::Package(name) => format!("package {name}"),
        Lack::Inside { package, name } => format!("{name} in {package}"),
    };
    by_lack(&graph.missing).keys().map(|lack| shown(lack)).collect()
}

fn found(index: &str) -> String {
    lacks(packages(index)).join(", ")
}

#[test]
fn what_require_finds_is_found() {
    for name in [
        "fs",
        "node:test",
        "fs/promises",
        "plain",
        "plain/lib/x",
        "plain/lib/x.js",
        "plain/package.json",
        "main",
        "@s/exports",
        "@s/exports/sub",
        "@s/exports/p/a",
        "@s/exports/package.json",
        "unread",
        "unread/x",
        "file",
        "linked",
        "./index",
        "./index.js",
        "./node_modules/plain",
        "./node_modules/main/",
        "/app/index.js",
        ".",
        "/dev/x",
        "/tmp/x",
        "#own",
        "http://x",
        "",
    ] {
        assert_eq!(found(&format!("require('{name}')")), "", "{name}");
    }
}

#[test]
fn what_require_does_not_find_is_missing() {
    for (name, expected) in [
        ("gone", "package gone"),
        ("@s/gone/x", "package @s/gone"),
        ("punycode/", "package punycode"),
        ("./gone", "file /app/gone"),
        ("../lib/gone.js", "file /lib/gone.js"),
        ("plain/lib/gone", "lib/gone in /app/node_modules/plain"),
        ("@s/exports/gone", "./gone.js in /app/node_modules/@s/exports"),
        ("@s/exports/secret", "secret in /app/node_modules/@s/exports"),
        ("modern", " in /app/node_modules/modern"),
        ("unbuilt", " in /app/node_modules/unbuilt"),
        ("needs", "package lost"),
    ] {
        assert_eq!(found(&format!("require('{name}')")), expected, "{name}");
    }
}

#[test]
fn modules_of_ecmascript_are_found_by_their_own_rules() {
    for (name, expected) in [
        ("plain", ""),
        ("main", ""),
        ("modern", ""),
        ("@s/exports", ""),
        ("./index.js", ""),
        ("plain/lib/x.js", ""),
        ("./index", "extension /app/index"),
        ("plain/lib/x", "lib/x in /app/node_modules/plain"),
        ("gone", "package gone"),
    ] {
        assert_eq!(found(&format!("import '{name}'")), expected, "{name}");
    }
    let module =
        packages("import 'gone'; require('lost')").own("app/package.json", 0o644, text(r#"{"type": "module"}"#));
    assert_eq!(lacks(module), ["package gone"]);
}

#[test]
fn what_may_not_be_loaded_is_passed_over() {
    for index in [
        "try { require('gone') } catch {}",
        "if (x) require('gone')",
        "function f() { require('gone') }",
        "import('gone')",
        "require(x)",
        "require('gone'",
        "require('module-alias/register'); require('gone')",
        "Module._resolveFilename = f; require('gone')",
    ] {
        assert_eq!(found(index), "", "{index}");
    }
    let with = |config| lacks(packages("require('gone')").config(config));
    assert_eq!(
        with(json!({ "WorkingDir": "/app", "Cmd": ["node", "-r", "./x", "index.js"] })),
        [""; 0]
    );
    let options = |text: &str| json!({ "WorkingDir": "/app", "Cmd": ["node", "index.js"], "Env": [text] });
    assert_eq!(with(options("NODE_OPTIONS=--import=./x.mjs")), [""; 0]);
    assert_eq!(with(options("NODE_OPTIONS=--max-old-space-size=512")), ["package gone"]);
    assert_eq!(with(options("NODE_PATH=/opt/modules")), ["package gone"]);
    let there = packages("require('gone')").own("opt/modules/gone/index.js", 0o644, text(""));
    assert_eq!(lacks(there.config(options("NODE_PATH=/opt/modules"))), [""; 0]);
    let volume = json!({ "WorkingDir": "/app", "Cmd": ["node", "index.js"], "Volumes": { "/app/node_modules": {} } });
    let image = image("require('gone')").config(volume);
    assert_eq!(lacks(image), [""; 0]);
    assert_eq!(
        with(json!({ "WorkingDir": "/app", "Cmd": ["bun", "index.js"] })),
        [""; 0]
    );
}

#[test]
fn every_way_to_node_is_followed() {
    let with = |config| lacks(packages("require('gone')").config(config));
    for config in [
        json!({ "WorkingDir": "/app", "Entrypoint": ["node"], "Cmd": ["--enable-source-maps", "."] }),
        json!({ "WorkingDir": "/app", "Entrypoint": ["/bin/sh", "-c", "exec node index"] }),
        json!({ "WorkingDir": "/app", "Cmd": ["node", "-e", "require('gone')"] }),
        json!({ "WorkingDir": "/app", "Cmd": ["node", "-pe", "require('gone')"] }),
        json!({ "WorkingDir": "/app", "Cmd": ["node", "--input-type=module", "-e", "import 'gone'"] }),
    ] {
        let config_text = config.to_string();
        let base = packages("require('gone')")
            .config(config)
            .base("bin/sh", 0o755, Thing::Elf(elf(None, &[])));
        assert_eq!(lacks(base), ["package gone"], "{config_text}");
    }
    assert_eq!(
        with(json!({ "WorkingDir": "/app/node_modules/plain", "Cmd": ["node", "-e", "require('main')"] })),
        [""; 0]
    );
    let script =
        image("")
            .config(json!({ "Cmd": ["/app/cli"] }))
            .base("usr/bin/env", 0o755, Thing::Elf(elf(None, &[])));
    let script = script.own("app/cli", 0o755, text("#!/usr/bin/env node\nrequire('gone')"));
    assert_eq!(lacks(script), ["package gone"]);
    let npm = json!({ "WorkingDir": "/app", "Cmd": ["npm", "start"] });
    let npm = packages("require('gone')")
        .config(npm)
        .base("usr/bin/npm", 0o755, text("#!/usr/bin/env node\n"));
    let npm = npm.base("usr/bin/env", 0o755, Thing::Elf(elf(None, &[])));
    let npm = npm.own(
        "app/package.json",
        0o644,
        text(r#"{"scripts": {"start": "node index.js"}}"#),
    );
    assert_eq!(lacks(npm), ["package gone"]);
}

#[test]
fn files_that_were_not_read_are_asked_for() {
    let image = image("require('./a'); require('./b.json')")
        .own("app/a.js", 0o644, Thing::Unread(10))
        .own("app/b.json", 0o644, Thing::Unread(10));
    let graph = graph(&image.subject());
    assert_eq!(graph.unread, BTreeSet::from([crate::check::testing::path("app/a.js")]));
    assert_eq!(graph.files.len(), 3);
}
