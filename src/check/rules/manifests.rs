//! `broken-json`: manifests that a runtime reads before the program and cannot parse.
//!
//! Node reads the `package.json` of every folder from a script up to the root, and that of each package (Node's
//! documentation, "Determining module system"). The host of .NET reads the two manifests beside a program.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::node_modules::{Place, is_package_manifest};
use crate::check::{Code, Finding, Interest, Marks, Rule, Subject};
use crate::model::{EntryPath, base_name};
use crate::tree::NodeKind;
use flaw::{Dialect, flaw};

mod flaw;

/// Programs that run on Node, and read `package.json` like it. Bun is not one of them: it accepts comments and commas.
const NODE_PROGRAMS: &[&[u8]] = &[
    b"node",
    b"nodejs",
    b"npm",
    b"npx",
    b"pnpm",
    b"pnpx",
    b"yarn",
    b"yarnpkg",
    b"corepack",
    b"deno",
    b"tsx",
    b"ts-node",
    b"pm2",
    b"pm2-runtime",
];

/// The usual paths of Node itself.
const NODE_PLACES: &[&[u8]] = &[b"usr/bin/node", b"usr/local/bin/node", b"bin/node", b"nodejs/bin/node"];

/// The files that the host of .NET reads beside `NAME.dll`.
const DOTNET_MANIFESTS: &[&str] = &[".runtimeconfig.json", ".deps.json"];

/// Returns `true` for a manifest that this rule reads.
fn is_manifest(path: &EntryPath) -> bool {
    let name = path.file_name();
    is_package_manifest(path) || DOTNET_MANIFESTS.iter().any(|ending| name.ends_with(ending.as_bytes()))
}

/// Reads every manifest.
fn interest(path: &EntryPath, _mode: u32) -> Interest {
    Interest::Whole.when(is_manifest(path))
}

/// The rule of [`broken_json`].
pub(super) const RULE: Rule = Rule::new(&[Code::BrokenJson], broken_json).reading(interest);

/// Finds manifests that are not valid JSON.
fn broken_json(subject: &Subject, findings: &mut Vec<Finding>) {
    let words = Words::of(subject);
    let node = if runs_node(subject, &words) {
        node_manifests(subject, &words)
    } else {
        BTreeSet::new()
    };
    let node = node.into_iter().map(|path| (path, Dialect::Strict, "Node.js"));
    let dotnet = dotnet_manifests(&words)
        .into_iter()
        .map(|path| (path, Dialect::DotNetHost, "the .NET host"));
    for (path, dialect, reader) in node.chain(dotnet) {
        let Some(flaw) = subject.content(&path).and_then(|bytes| flaw(bytes, dialect)) else {
            continue;
        };
        let message = format!(
            "is not valid JSON: {} (line {}, column {})",
            flaw.what, flaw.line, flaw.column
        );
        let help = format!(
            "fix line {}: {reader} reads this file before the program and fails",
            flaw.line
        );
        let found = format!("line {}, column {}\n{}", flaw.line, flaw.column, flaw.shown);
        findings.push(
            subject
                .finding(Code::BrokenJson, path, message, help)
                .evidence("valid JSON", found),
        );
    }
}

/// The command that the image starts, taken apart.
struct Words {
    workdir: EntryPath,
    /// Every word, those of a shell's script too.
    words: Vec<Vec<u8>>,
    /// The files that words name, links followed.
    files: Vec<EntryPath>,
}

impl Words {
    fn of(subject: &Subject) -> Self {
        let execution = &subject.execution;
        let workdir = EntryPath::new(execution.workdir.as_deref().unwrap_or("/").as_bytes()).unwrap_or_default();
        let workdir = subject.resolve(&workdir).unwrap_or_default();
        let all = execution.entrypoint.iter().chain(&execution.cmd);
        let words: Vec<Vec<u8>> = all
            .flat_map(|text| text.split_whitespace())
            .map(|word| word.into())
            .collect();
        let absolute = |word: &[u8]| match word.first() {
            Some(b'/') => EntryPath::new(word).ok(),
            _ => workdir.join(word).ok(),
        };
        let is_file = |subject: &Subject, at: &EntryPath| {
            subject
                .node(at)
                .is_some_and(|node| matches!(node.kind, NodeKind::File { .. }))
        };
        let files = words.iter().filter_map(|word| subject.resolve(&absolute(word)?).ok());
        let files = files.filter(|at| is_file(subject, at)).collect();
        Self { workdir, words, files }
    }
}

/// Checks whether Node reads manifests here: the command names it, or starts a script of its, or starts something that
/// nothing is known of in a folder with a manifest, in an image that has Node.
fn runs_node(subject: &Subject, words: &Words) -> bool {
    let name = |word: &[u8]| base_name(word).to_vec();
    let is_node = |word: &[u8]| NODE_PROGRAMS.contains(&&name(word)[..]);
    let is_shebang_of_node = |path: &EntryPath| {
        let line = subject.shebang(path).unwrap_or_default();
        line.strip_prefix(b"#!")
            .unwrap_or(line)
            .split(u8::is_ascii_whitespace)
            .any(is_node)
    };
    let is_bun = |word: &Vec<u8>| [&b"bun"[..], b"bunx"].contains(&&name(word)[..]);
    let has_node = || {
        NODE_PLACES
            .iter()
            .any(|at| EntryPath::new(at).is_ok_and(|at| subject.find(&at).is_some()))
    };
    let has_manifest = || {
        words
            .workdir
            .join(b"package.json")
            .is_ok_and(|at| subject.find(&at).is_some())
    };
    words.words.iter().any(|word| is_node(word))
        || words.files.iter().any(is_shebang_of_node)
        || (!words.words.iter().any(is_bun) && has_manifest() && has_node())
}

/// Returns the manifests of the working directory and of the folders of started scripts, of the folders above them, of
/// the packages in their `node_modules`, and of the workspace folders that these link to.
fn node_manifests(subject: &Subject, words: &Words) -> BTreeSet<EntryPath> {
    let mut packages: BTreeMap<EntryPath, Vec<EntryPath>> = BTreeMap::new();
    let mut links: BTreeMap<EntryPath, Vec<EntryPath>> = BTreeMap::new();
    for (path, _) in subject.own_marked(Marks::NODE_PACKAGE) {
        let Some(place) = Place::of(path) else { continue };
        if place.inside == b"package.json" {
            packages.entry(place.project).or_default().push(path.clone());
        } else if place.inside.is_empty()
            && let Ok(target) = subject.resolve(path)
        {
            links.entry(place.project).or_default().push(target);
        }
    }
    let files = words.files.iter().filter_map(EntryPath::parent);
    let mut todo: Vec<EntryPath> = files.chain([words.workdir.clone()]).collect();
    let mut folders = BTreeSet::new();
    let mut manifests = BTreeSet::new();
    while let Some(folder) = todo.pop() {
        todo.extend(folder.parent().filter(|parent| !folders.contains(parent)));
        if folders.insert(folder.clone()) {
            manifests.extend(folder.join(b"package.json"));
            manifests.extend(packages.remove(&folder).unwrap_or_default());
            todo.extend(links.remove(&folder).unwrap_or_default());
        }
    }
    manifests
}

fn dotnet_manifests(words: &Words) -> BTreeSet<EntryPath> {
    let beside = |file: &EntryPath| {
        let name = file.file_name();
        let stem = name.strip_suffix(b".dll").unwrap_or(name).to_vec();
        let folder = file.parent().unwrap_or_default();
        DOTNET_MANIFESTS
            .iter()
            .filter_map(move |end| folder.join(&[&stem[..], end.as_bytes()].concat()).ok())
    };
    words.files.iter().flat_map(beside).collect()
}

#[cfg(test)]
mod tests;
