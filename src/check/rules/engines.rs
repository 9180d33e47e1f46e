//! `unsupported-engine`: a package that is loaded at the start and requires another version of Node than the image has
//! (npm, "package.json", "engines").

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::node_graph::Graph;
use super::semver::{Version, is_in, version};
use crate::check::{Code, Finding, Subject};
use crate::model::{EntryPath, escape};

/// Names of the package that has Node in the distributions.
const PACKAGES: &[&str] = &[
    "nodejs",
    "nodejs-current",
    "nodejs18",
    "nodejs20",
    "nodejs22",
    "nodejs24",
];

/// Packages that a message names.
const MAX_NAMED: usize = 3;

/// Finds packages for another version of Node: one finding for all packages.
pub(super) fn engines(subject: &Subject, graph: &Graph, findings: &mut Vec<Finding>) {
    let Some(found) = version_of(subject, graph) else {
        return;
    };
    let mut unfit: BTreeMap<EntryPath, (String, String)> = BTreeMap::new();
    for manifest in manifests(subject, graph) {
        let Some(value) = subject
            .content(&manifest)
            .and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok())
        else {
            continue;
        };
        let Some(range) = value.get("engines").and_then(|engines| engines.get("node")?.as_str()) else {
            continue;
        };
        if is_in(found, range) == Some(false) {
            let name = value.get("name").and_then(Value::as_str).unwrap_or("the application");
            unfit.insert(manifest, (escape(name.as_bytes()), escape(range.as_bytes())));
        }
    }
    let Some((path, (name, range))) = unfit.iter().next() else {
        return;
    };
    let found = format!("Node {}.{}.{}", found.0, found.1, found.2);
    let more: Vec<&str> = unfit
        .values()
        .skip(1)
        .take(MAX_NAMED)
        .map(|(name, _)| &**name)
        .collect();
    let rest = unfit.len() - 1 - more.len();
    let more = match (more.is_empty(), rest) {
        (true, _) => String::new(),
        (false, 0) => format!("; the same applies to {}", more.join(", ")),
        (false, rest) => format!("; the same applies to {} and {rest} more", more.join(", ")),
    };
    let message = format!("{name} requires Node {range}, but the image has {found}{more}");
    let help = "use a base image with a matching Node, or a version of the package that supports this one";
    let finding = subject.finding(Code::UnsupportedEngine, path.clone(), message, help);
    findings.push(finding.evidence(format!("Node {range}"), found));
}

/// The manifests of what is loaded: the nearest one above each file.
fn manifests(subject: &Subject, graph: &Graph) -> BTreeSet<EntryPath> {
    let mut found = BTreeSet::new();
    let mut last: Option<EntryPath> = None;
    for file in &graph.files {
        // Files of one folder have one manifest.
        let folder = file.parent();
        if folder == last {
            continue;
        }
        last.clone_from(&folder);
        let above = std::iter::successors(folder, EntryPath::parent);
        let manifests = above
            .take_while(|folder| folder.file_name() != b"node_modules")
            .filter_map(|folder| folder.join(b"package.json").ok());
        // A manifest without a name only declares which modules are ECMAScript.
        let has_name = |path: &EntryPath| subject.content(path).is_some_and(has_name);
        found.extend(manifests.filter(|path| subject.node(path).is_some()).find(has_name));
    }
    found
}

fn has_name(manifest: &[u8]) -> bool {
    serde_json::from_slice::<Value>(manifest)
        .is_ok_and(|value| value.get("name").is_some() || value.get("engines").is_some())
}

/// Returns the header that contains the version, beside the program `bin/node` of an installation.
fn header(runtime: &EntryPath) -> Option<EntryPath> {
    runtime.parent()?.parent()?.join(b"include/node/node_version.h").ok()
}

/// Returns the headers of your Node installations that were not read.
pub(super) fn unread(subject: &Subject, graph: &Graph) -> BTreeSet<EntryPath> {
    let headers = graph.runtimes.iter().filter_map(header);
    headers
        .filter(|at| subject.own().contains_key(at) && subject.content(at).is_none())
        .collect()
}

/// Returns the version of the Node that is started, if there is only one.
pub(super) fn version_of(subject: &Subject, graph: &Graph) -> Option<Version> {
    let mut runtimes = graph.runtimes.iter();
    let (Some(runtime), None) = (runtimes.next(), runtimes.next()) else {
        return None;
    };
    if let Some(content) = header(runtime).and_then(|header| subject.content(&header)) {
        return version_of_header(&String::from_utf8_lossy(content));
    }
    if !subject.is_of_base(runtime) {
        return None;
    }
    if runtime.as_bytes().starts_with(b"usr/bin/") {
        let package = subject
            .base()
            .packages
            .iter()
            .find(|package| PACKAGES.contains(&&*package.name));
        return version(&package?.version);
    }
    // Node's official images set it in the environment, and their program does not belong to a package.
    version(subject.base_variable("NODE_VERSION")?)
}

fn version_of_header(content: &str) -> Option<Version> {
    let number = |name: &str| {
        let mut lines = content.lines();
        lines.find_map(|line| {
            line.strip_prefix("#define ")?
                .trim()
                .strip_prefix(name)?
                .trim()
                .parse()
                .ok()
        })
    };
    Some((
        number("NODE_MAJOR_VERSION")?,
        number("NODE_MINOR_VERSION")?,
        number("NODE_PATCH_VERSION")?,
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::node_graph::graph;
    use super::*;
    use crate::check::testing::{Image, Thing, elf};

    fn found(manifest: &str, package: &str) -> Vec<String> {
        let text = |text: &str| Thing::Text(text.to_owned());
        let header = "#define NODE_MAJOR_VERSION 18\n#define NODE_MINOR_VERSION 20\n#define NODE_PATCH_VERSION 4\n";
        let subject = Image::new("linux/amd64")
            .config(json!({ "WorkingDir": "/app", "Cmd": ["node", "index.js"], "Env": ["PATH=/opt/node/bin"] }))
            .own("opt/node/bin/node", 0o755, Thing::Elf(elf(None, &[])))
            .own("opt/node/include/node/node_version.h", 0o644, text(header))
            .own("app/package.json", 0o644, text(manifest))
            .own("app/index.js", 0o644, text("require('a')"))
            .own("app/node_modules/a/package.json", 0o644, text(package))
            .own("app/node_modules/a/index.js", 0o644, text(""))
            .own(
                "app/node_modules/b/package.json",
                0o644,
                text(r#"{"name": "b", "engines": {"node": "99"}}"#),
            )
            .subject();
        let mut findings = Vec::new();
        engines(&subject, &graph(&subject), &mut findings);
        findings
            .into_iter()
            .map(|finding| format!("{} {}", finding.path, finding.message))
            .collect()
    }

    #[test]
    fn what_is_loaded_and_for_another_node_is_a_warning() {
        let fits = r#"{"name": "app", "engines": {"node": ">=18"}}"#;
        let unfit = r#"{"name": "a", "engines": {"node": "^20.19.0 || >=22.12.0"}}"#;
        assert_eq!(
            found(fits, r#"{"name": "a", "engines": {"node": "18 || 20"}}"#),
            [""; 0]
        );
        let message = "requires Node ^20.19.0 || >=22.12.0, but the image has Node 18.20.4";
        assert_eq!(
            found(fits, unfit),
            [format!("/app/node_modules/a/package.json a {message}")]
        );
        let both = found(r#"{"name": "app", "engines": {"node": "16"}}"#, unfit);
        assert_eq!(both.len(), 1);
        assert!(both[0].ends_with("; the same applies to app"), "{both:?}");
        assert_eq!(
            found(r#"{"engines": {"node": "lts/*"}}"#, r#"{"engines": {"npm": "1"}}"#),
            [""; 0]
        );
    }
}
