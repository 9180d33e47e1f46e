//! Packages of npm that an image does not need: packages that are reached through `optionalDependencies` only
//! (package.json, "optionalDependencies").

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::packages::{Registry, package_of};
use super::words::words;
use crate::check::marks::Marks;
use crate::check::subject::Subject;
use crate::model::EntryPath;

/// Names of one package's dependencies that are looked at. The longest known lists have some hundreds.
const MAX_DEPENDENCIES: usize = 10_000;

/// The needs of a package.
#[derive(Debug, Default)]
struct Needs {
    /// Packages that must exist, including parts of the package for one platform.
    required: BTreeSet<String>,
    optional: BTreeSet<String>,
    /// Packages for the development of a project. They are not installed for dependencies.
    development: BTreeSet<String>,
}

/// Returns the names of the packages that nothing requires but as an option.
pub(super) fn optional_packages(subject: &Subject) -> BTreeSet<String> {
    let mut projects = Needs::default();
    let mut packages: BTreeMap<String, Needs> = BTreeMap::new();
    for (path, _) in subject
        .own_marked(Marks::NODE_PACKAGE)
        .filter(|(path, _)| path.file_name() == b"package.json")
    {
        let Some(needs) = subject.content(path).and_then(needs_of) else {
            continue;
        };
        match name_of(path) {
            Some(name) => {
                let known = packages.entry(name).or_default();
                known.required.extend(needs.required);
                known.optional.extend(needs.optional);
            }
            None if path.components().all(|component| component != b"node_modules") => {
                projects.required.extend(needs.required);
                projects.required.extend(needs.development);
                projects.optional.extend(needs.optional);
            }
            None => {}
        }
    }
    let named: BTreeSet<&String> = packages
        .values()
        .chain([&projects])
        .flat_map(|needs| needs.required.iter().chain(&needs.optional))
        .collect();
    // A package that no other names was installed on purpose.
    let roots = packages
        .keys()
        .filter(|name| !named.contains(name))
        .chain(&projects.required);
    let required = reached(&packages, roots.collect());
    let options = packages.values().chain([&projects]).flat_map(|needs| &needs.optional);
    let optional = reached(&packages, options.collect());
    optional.difference(&required).map(|name| (*name).clone()).collect()
}

/// The packages that are required, directly or by others, from some on.
fn reached<'p>(packages: &'p BTreeMap<String, Needs>, mut next: Vec<&'p String>) -> BTreeSet<&'p String> {
    let mut reached = BTreeSet::new();
    while let Some(name) = next.pop() {
        if reached.insert(name) {
            next.extend(packages.get(name).into_iter().flat_map(|needs| &needs.required));
        }
    }
    reached
}

/// The name of the package whose manifest it is, if that is the package's own.
fn name_of(manifest: &EntryPath) -> Option<String> {
    let package = package_of(manifest).filter(|package| package.registry == Registry::Npm)?;
    (manifest.parent().as_ref() == Some(&package.folder)).then(|| package.plain_name().to_owned())
}

fn needs_of(manifest: &[u8]) -> Option<Needs> {
    let manifest: Value = serde_json::from_slice(manifest).ok()?;
    let names = |field: &str| -> BTreeSet<String> {
        let table = manifest.get(field).and_then(Value::as_object);
        table
            .into_iter()
            .flat_map(|table| table.keys())
            .take(MAX_DEPENDENCIES)
            .cloned()
            .collect()
    };
    let peers = names("peerDependencies");
    let is_optional_peer = |name: &String| {
        let field = |value: &Value| value.get("optional").and_then(Value::as_bool);
        manifest
            .get("peerDependenciesMeta")
            .and_then(|meta| meta.get(name))
            .and_then(field)
            == Some(true)
    };
    let (parts, optional): (BTreeSet<String>, BTreeSet<String>) = names("optionalDependencies")
        .into_iter()
        .partition(|name| words(name.as_bytes()).platform_of_package().is_some());
    let peers = peers.into_iter().filter(|name| !is_optional_peer(name));
    let required = names("dependencies")
        .into_iter()
        .chain(peers)
        .filter(|name| !optional.contains(name));
    let development = names("devDependencies");
    Some(Needs {
        required: required.chain(parts).collect(),
        optional,
        development,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{Image, Thing};

    fn optional(manifests: &[(&str, &str)]) -> Vec<String> {
        let image = manifests.iter().fold(Image::new("linux/amd64"), |image, (at, text)| {
            image.own(&format!("app/{at}package.json"), 0o644, Thing::Text((*text).to_owned()))
        });
        optional_packages(&image.subject()).into_iter().collect()
    }

    #[test]
    fn what_is_reached_as_an_option_alone_is_optional() {
        let trace = (
            "node_modules/trace/",
            r#"{"dependencies": {"a": "1", "b": "1"}, "optionalDependencies": {"b": "1", "parser": "1"}}"#,
        );
        let parser = (
            "node_modules/parser/",
            r#"{"optionalDependencies": {"@parser/binding-linux-x64-gnu": "1"}}"#,
        );
        let binding = ("node_modules/@parser/binding-linux-x64-gnu/", "{}");
        let others = [("node_modules/a/", "{}"), ("node_modules/b/", "{}")];
        let app = ("", r#"{"dependencies": {"trace": "1"}}"#);
        let all = [app, trace, parser, binding, others[0], others[1]];
        assert_eq!(optional(&all), ["@parser/binding-linux-x64-gnu", "b", "parser"]);
        let both = ("node_modules/a/", r#"{"dependencies": {"parser": "1"}}"#);
        assert_eq!(optional(&[app, trace, parser, binding, both, others[1]]), ["b"]);
        // Without the project's manifest, packages that no other names are the roots.
        assert_eq!(optional(&all[1..]), ["@parser/binding-linux-x64-gnu", "b", "parser"]);
    }

    #[test]
    fn parts_for_platforms_and_peers_are_no_options() {
        let app = (
            "",
            r#"{"devDependencies": {"x": "1"}, "dependencies": {"esbuild": "1"}}"#,
        );
        let esbuild = (
            "node_modules/esbuild/",
            r#"{"optionalDependencies": {"@esbuild/linux-x64": "1"}, "peerDependencies": {"p": "1", "o": "1"}, "peerDependenciesMeta": {"o": {"optional": true}}}"#,
        );
        let rest = [
            ("node_modules/@esbuild/linux-x64/", "{}"),
            ("node_modules/p/", "{}"),
            ("node_modules/o/", "{}"),
        ];
        assert_eq!(optional(&[app, esbuild, rest[0], rest[1], rest[2]]), [""; 0]);
        assert_eq!(
            optional(&[("node_modules/a/", "{"), ("node_modules/b/", "[]")]),
            [""; 0]
        );
    }
}
