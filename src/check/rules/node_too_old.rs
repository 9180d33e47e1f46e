//! `node-too-old`: a module of ECMAScript that the started program certainly loads with `require`, which the image's
//! Node refuses (Node.js, "Modules: CommonJS modules", "Loading ECMAScript modules using require()").

use std::collections::BTreeMap;

use super::engines::version_of;
use super::listing::count;
use super::node_graph::{Graph, RequiredModule};
use super::semver::Version;
use crate::check::{Code, Finding, Subject};
use crate::model::{EntryPath, escape};

/// The first releases that load modules of ECMAScript with `require`, and without an option.
const FIRST_OF_20: Version = (20, 19, 0);
const FIRST_OF_22: Version = (22, 12, 0);

/// Most findings of an image: one cause has them all.
const MAX_FINDINGS: usize = 20;

/// Finds ES modules that Node cannot load with `require`: one finding for each module.
pub(super) fn node_too_old(subject: &Subject, graph: &Graph, findings: &mut Vec<Finding>) {
    let Some(version) = version_of(subject, graph).filter(|version| !can_require_modules(*version)) else {
        return;
    };
    let mut by_module: BTreeMap<&EntryPath, Vec<&RequiredModule>> = BTreeMap::new();
    for required in &graph.required_modules {
        by_module.entry(&required.module).or_default().push(required);
    }
    findings.extend(
        by_module
            .values()
            .take(MAX_FINDINGS)
            .map(|all| finding(subject, version, all)),
    );
}

/// Returns `true` for a Node whose `require` loads ECMAScript modules. No release of 21 does.
fn can_require_modules(version: Version) -> bool {
    match version.0 {
        20 => version >= FIRST_OF_20,
        22 => version >= FIRST_OF_22,
        major => major > 22,
    }
}

fn finding(subject: &Subject, version: Version, all: &[&RequiredModule]) -> Finding {
    let first = all[0];
    let node = format!("Node {}.{}.{}", version.0, version.1, version.2);
    let words = if first.from.is_root() {
        "the code on the command line "
    } else {
        ""
    };
    let more = match all.len() {
        1 => String::new(),
        2 => "; the same applies to 1 more file".to_owned(),
        many => format!("; the same applies to {}", count(many - 1, "more file", "more files")),
    };
    let name = escape(first.name.as_bytes());
    let message = format!("{words}requires \"{name}\", an ES module, which {node} cannot load with `require`{more}");
    let help = "use a base image with Node 20.19, 22.12 or newer, load the module with `import()`, or install a \
                version of it that has CommonJS";
    let finding = subject.finding(Code::NodeTooOld, first.from.clone(), message, help);
    finding.evidence(
        "Node 20.19, 22.12 or newer",
        format!("{node}, and {} is an ES module", first.module),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::node_graph::graph;
    use super::*;
    use crate::check::testing::{Image, Thing, elf};

    fn text(text: &str) -> Thing {
        Thing::Text(text.to_owned())
    }

    /// An application with modules of both systems, and a Node of this version.
    fn image(version: Version, command: &[&str], index: &str) -> Image {
        let header = format!(
            "#define NODE_MAJOR_VERSION {}\n#define NODE_MINOR_VERSION {}\n#define NODE_PATCH_VERSION {}\n",
            version.0, version.1, version.2
        );
        let exports = r#"{"name": "both", "exports": {"import": "./i.mjs", "require": "./r.cjs"}}"#;
        let modules = "app/node_modules";
        Image::new("linux/amd64")
            .config(json!({ "WorkingDir": "/app", "Cmd": command, "Env": ["PATH=/opt/node/bin"] }))
            .own("opt/node/bin/node", 0o755, Thing::Elf(elf(None, &[])))
            .own("opt/node/include/node/node_version.h", 0o644, Thing::Text(header))
            .own("app/index.js", 0o644, text(index))
            .own("app/own.mjs", 0o644, text("import 'modern'"))
            .own(
                &format!("{modules}/modern/package.json"),
                0o644,
                text(r#"{"type": "module", "exports": "./i.js"}"#),
            )
            .own(&format!("{modules}/modern/i.js"), 0o644, text("export default 1"))
            .own(&format!("{modules}/both/package.json"), 0o644, text(exports))
            .own(&format!("{modules}/both/i.mjs"), 0o644, text(""))
            .own(&format!("{modules}/both/r.cjs"), 0o644, text(""))
            .own(&format!("{modules}/plain/index.js"), 0o644, text("require('modern')"))
    }

    fn found(image: Image) -> Vec<String> {
        let subject = image.subject();
        let mut findings = Vec::new();
        node_too_old(&subject, &graph(&subject), &mut findings);
        findings
            .into_iter()
            .map(|finding| format!("{} {}", finding.path, finding.message))
            .collect()
    }

    fn of_index(version: Version, index: &str) -> Vec<String> {
        found(image(version, &["node", "index.js"], index))
    }

    #[test]
    fn a_module_that_an_old_node_requires_is_an_error() {
        let message = "an ES module, which Node 18.20.4 cannot load with `require`";
        let old = (18, 20, 4);
        assert_eq!(
            of_index(old, "const m = require('modern')"),
            [format!("/app/index.js requires \"modern\", {message}")]
        );
        assert_eq!(
            of_index(old, "require('./own.mjs')"),
            [format!("/app/index.js requires \"./own.mjs\", {message}")]
        );
        let inner = format!("/app/node_modules/plain/index.js requires \"modern\", {message}");
        assert_eq!(of_index(old, "require('plain')"), [inner]);
        let both = format!("/app/index.js requires \"modern\", {message}; the same applies to 1 more file");
        assert_eq!(of_index(old, "require('plain'); require('modern')"), [both]);
        let code = found(image(old, &["node", "-e", "require('modern')"], ""));
        assert_eq!(
            code,
            [format!("/ the code on the command line requires \"modern\", {message}")]
        );
    }

    #[test]
    fn what_may_work_is_no_finding() {
        for index in [
            "import('modern')",
            "import 'modern'",
            "require('both')",
            "try { require('modern') } catch {}",
            "function later() { return require('modern') }",
            "require('module-alias'); require('modern')",
        ] {
            assert_eq!(of_index((18, 20, 4), index), [""; 0], "{index}");
        }
        let option = image(
            (22, 11, 0),
            &["node", "--experimental-require-module", "index.js"],
            "require('modern')",
        );
        assert_eq!(found(option), [""; 0]);
    }

    #[test]
    fn it_goes_by_the_release() {
        for (version, is_told) in [
            ((16, 20, 2), true),
            ((20, 18, 3), true),
            ((20, 19, 0), false),
            ((21, 7, 3), true),
            ((22, 11, 0), true),
            ((22, 12, 0), false),
            ((24, 0, 0), false),
        ] {
            assert_eq!(
                !of_index(version, "require('modern')").is_empty(),
                is_told,
                "{version:?}"
            );
        }
    }
}
