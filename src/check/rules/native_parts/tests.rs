use super::*;
use crate::check::testing::{Image, Thing, elf};

fn text(text: &str) -> Thing {
    Thing::Text(text.to_owned())
}

/// An application that needs `native`, whose manifest has `more`.
fn with(root: &str, more: &str) -> Image {
    let manifest = format!(r#"{{"name": "native", "main": "lib"{more}}}"#);
    Image::new("linux/amd64")
        .own("app/package.json", 0o644, text(root))
        .own("app/node_modules/native/package.json", 0o644, text(&manifest))
        .own("app/node_modules/native/binding.gyp", 0o644, Thing::Unread(10))
        .own(
            "app/node_modules/native/lib/index.js",
            0o644,
            text("module.exports = require('bindings')('x')"),
        )
}

const NEEDS: &str = r#"{"dependencies": {"native": "1"}}"#;

fn found(image: Image) -> Vec<String> {
    let mut findings = Vec::new();
    native_parts(&image.subject(), &BTreeSet::new(), &mut findings);
    findings
        .iter()
        .map(|finding| format!("{} {} {}", finding.severity.as_str(), finding.path, finding.message))
        .collect()
}

const ERROR: &str =
    "error /app/node_modules/native native was not built: it contains no native module for this platform";

#[test]
fn a_package_that_was_never_built_is_an_error() {
    assert_eq!(found(with(NEEDS, "")), [ERROR]);
    let prebuilt = r#", "scripts": {"install": "prebuild-install || node-gyp rebuild"}"#;
    assert_eq!(found(with(NEEDS, prebuilt)), [ERROR]);
    let of_others = with(NEEDS, "").own(
        "app/node_modules/native/prebuilds/darwin-x64/a.node",
        0o644,
        Thing::Bytes(vec![1]),
    );
    assert_eq!(found(of_others), [ERROR]);
    let lazy = text("function f() { return require('node-gyp-build')(__dirname) }");
    assert_eq!(
        found(with(NEEDS, "").own("app/node_modules/native/lib/index.js", 0o644, lazy)),
        [ERROR]
    );
    let second = text("try { x = require('../build/Release/x') } catch { x = require('../build/Debug/x') }");
    assert_eq!(
        found(with(NEEDS, "").own("app/node_modules/native/lib/index.js", 0o644, second)),
        [ERROR]
    );
    let probing =
        text("try { x = require('../build/Release/x') } catch { try { x = require('../build/Debug/x') } catch {} }");
    assert_eq!(
        found(with(NEEDS, "").own("app/node_modules/native/lib/index.js", 0o644, probing)),
        [ERROR]
    );
    // Without a manifest of an application, each package is the application's.
    let image = Image::new("linux/amd64").own(
        "usr/lib/node_modules/n/package.json",
        0o644,
        text(r#"{"scripts": {"install": "node-gyp-build"}}"#),
    );
    assert_eq!(found(image).len(), 1);
}

#[test]
fn what_has_its_module_or_does_without_is_left_alone() {
    for at in [
        "build/Release/a.node",
        "prebuilds/linux-x64/a.node",
        "lib/binding/napi-v3/a.node",
    ] {
        let at = format!("app/node_modules/native/{at}");
        assert_eq!(
            found(with(NEEDS, "").own(&at, 0o644, Thing::Elf(elf(None, &[])))),
            [""; 0],
            "{at}"
        );
    }
    for more in [
        r#", "os": ["darwin"]"#,
        r#", "os": "!linux""#,
        r#", "cpu": ["arm64"]"#,
        r#", "scripts": {"install": "node-gyp rebuild || exit 0"}"#,
        r#", "scripts": {"install": "node-gyp rebuild || node suppress-error.js"}"#,
        r#", "optionalDependencies": {"@native/linux-x64": "1"}"#,
    ] {
        assert_eq!(found(with(NEEDS, more)), [""; 0], "{more}");
    }
    let fallback = with(NEEDS, "").own("app/node_modules/native/fallback.js", 0o644, Thing::Unread(1));
    assert_eq!(found(fallback), [""; 0]);
    let tried = text("try { module.exports = require('./native') } catch { module.exports = require('./js') }");
    let tried = with(NEEDS, "")
        .own("app/node_modules/native/lib/index.js", 0o644, tried)
        .own(
            "app/node_modules/native/lib/native.js",
            0o644,
            text("module.exports = require('bindings')('x')"),
        );
    assert_eq!(found(tried), [""; 0]);
    let nan = Image::new("linux/amd64")
        .own("app/node_modules/nan/package.json", 0o644, text("{}"))
        .own("app/node_modules/nan/binding.gyp", 0o644, Thing::Unread(1));
    assert_eq!(found(nan), [""; 0]);
}

#[test]
fn who_needs_it_decides() {
    let warning = ERROR.replacen("error", "warning", 1);
    for (root, expected) in [
        (r#"{"optionalDependencies": {"native": "1"}}"#, None),
        (
            r#"{"dependencies": {"native": "1"}, "optionalDependencies": {"native": "1"}}"#,
            None,
        ),
        (
            r#"{"peerDependencies": {"native": "1"}, "peerDependenciesMeta": {"native": {"optional": true}}}"#,
            None,
        ),
        (r#"{"devDependencies": {"native": "1"}}"#, Some(&*warning)),
        ("{}", Some(&*warning)),
        (r#"{"peerDependencies": {"native": "1"}}"#, Some(ERROR)),
    ] {
        assert_eq!(found(with(root, "")).first().map(String::as_str), expected, "{root}");
    }
    let through = |list: &str| {
        let manifest = format!(r#"{{"{list}": {{"native": "1"}}}}"#);
        with(r#"{"dependencies": {"ssh": "1"}}"#, "").own("app/node_modules/ssh/package.json", 0o644, text(&manifest))
    };
    assert_eq!(found(through("dependencies")), [ERROR]);
    assert_eq!(found(through("optionalDependencies")), [""; 0]);
    // What is loaded at the start is needed, whatever is said.
    let subject = through("optionalDependencies").subject();
    let loaded = BTreeSet::from([crate::check::testing::path("app/node_modules/native/lib/index.js")]);
    let mut findings = Vec::new();
    native_parts(&subject, &loaded, &mut findings);
    assert_eq!(findings.len(), 1);
}

#[test]
fn sources_that_were_not_read_are_asked_for() {
    let image = with(NEEDS, "").own("app/node_modules/native/lib/index.js", 0o644, Thing::Unread(10));
    assert_eq!(
        unread(&image.subject()),
        BTreeSet::from([crate::check::testing::path("app/node_modules/native/lib/index.js")])
    );
}

#[test]
fn a_package_for_this_platform_that_lost_its_module_is_an_error() {
    let with = |name: &str, cpu: &str, parent_list: &str| {
        let part = format!(r#"{{"name": "{name}", "main": "x.node", "os": ["linux"], "cpu": ["{cpu}"]}}"#);
        let parent = format!(r#"{{"optionalDependencies": {{"{name}": "1"}}}}"#);
        Image::new("linux/amd64")
            .own(
                "app/package.json",
                0o644,
                text(&format!(r#"{{"{parent_list}": {{"tool": "1"}}}}"#)),
            )
            .own("app/node_modules/tool/package.json", 0o644, text(&parent))
            .own(&format!("app/node_modules/{name}/package.json"), 0o644, text(&part))
            .own(&format!("app/node_modules/{name}/README.md"), 0o644, Thing::Unread(1))
    };
    let expected = "error /app/node_modules/@tool/linux-x64 @tool/linux-x64 does not contain the program or \
                    module that it provides";
    assert_eq!(found(with("@tool/linux-x64", "x64", "dependencies")), [expected]);
    assert_eq!(found(with("@tool/linux-x64", "arm64", "dependencies")), [""; 0]);
    assert_eq!(found(with("@tool/linux-x64", "x64", "optionalDependencies")), [""; 0]);
    assert_eq!(found(with("@next/swc-linux-x64-gnu", "x64", "dependencies")), [""; 0]);
    let moved = with("@tool/linux-x64", "x64", "dependencies");
    let moved = moved.own("app/node_modules/tool/bin/tool", 0o755, Thing::Elf(elf(None, &[])));
    assert_eq!(found(moved), [""; 0]);
    let whole = with("@tool/linux-x64", "x64", "dependencies");
    assert_eq!(
        found(whole.own("app/node_modules/@tool/linux-x64/bin/tool", 0o644, Thing::Unread(1))),
        [""; 0]
    );
}

#[test]
fn a_package_that_others_do_without_is_missed_where_it_is_loaded_itself() {
    let image = || with(NEEDS, r#", "optionalDependencies": {"@native/native-linux-x64": "1"}"#);
    assert_eq!(found(image()), [""; 0]);
    let loaded = BTreeSet::from([crate::check::testing::path("app/node_modules/native/lib/index.js")]);
    let count = |image: Image| {
        let mut findings = Vec::new();
        native_parts(&image.subject(), &loaded, &mut findings);
        findings.len()
    };
    assert_eq!(count(image()), 1);
    let part = image().own(
        "app/node_modules/@native/native-linux-x64/package.json",
        0o644,
        text("{}"),
    );
    assert_eq!(count(part), 0);
}
