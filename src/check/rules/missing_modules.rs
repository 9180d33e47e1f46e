//! `missing-import` of Node: a module that the started script certainly loads, and that is not in the image.

use super::listing::count;
use super::node_graph::{Graph, Lack, Missing, by_lack};
use crate::check::{Code, Finding, Severity, Subject, System};
use crate::model::{EntryPath, escape};

/// Most findings of an image. If all packages are missing, a complete list does not help.
const MAX_FINDINGS: usize = 20;

/// Finds modules that are not in the image.
pub(super) fn missing_modules(subject: &Subject, graph: &Graph, findings: &mut Vec<Finding>) {
    let groups = by_lack(&graph.missing);
    findings.extend(
        groups
            .into_iter()
            .take(MAX_FINDINGS)
            .map(|(lack, all)| finding(subject, lack, &all)),
    );
}

fn finding(subject: &Subject, lack: &Lack, all: &[&Missing]) -> Finding {
    let first = all[0];
    let verb = if first.system == System::Ecma {
        "imports"
    } else {
        "requires"
    };
    let name = escape(first.name.as_bytes());
    let is_text = first.from.is_root();
    let subject_words = if is_text { "the code on the command line " } else { "" };
    let more = match all.len() {
        1 => String::new(),
        many => {
            format!("; the same applies to {}", count(many - 1, "more file", "more files"))
        }
    };
    let message = format!("{subject_words}{verb} \"{name}\", which is not in the image{more}");
    let (expected, found) = evidence(subject, lack, first);
    let path = if is_text { EntryPath::root() } else { first.from.clone() };
    let mut finding = subject.finding(Code::MissingImport, path, message, help(lack));
    if all.iter().all(|one| one.is_prepared) && matches!(lack, Lack::File(_)) {
        finding.severity = Severity::Warning;
    }
    finding.evidence(expected, found)
}

fn evidence(subject: &Subject, lack: &Lack, first: &Missing) -> (String, String) {
    let nothing = || "nothing".to_owned();
    match lack {
        Lack::File(at) => (at.to_string(), super::failure::found_instead(subject, at)),
        Lack::Extension(at) => (
            at.to_string(),
            "a file with another extension, which `import` does not try".to_owned(),
        ),
        Lack::Package(package) => {
            let above = match first.from.parent() {
                Some(folder) if !first.from.is_root() => format!("{folder} or a directory above it"),
                _ => "the working directory or a directory above it".to_owned(),
            };
            (
                format!("node_modules/{} in {above}", escape(package.as_bytes())),
                nothing(),
            )
        }
        Lack::Inside { package, name } if name.is_empty() => (
            format!("the main module of {package}"),
            "the package without it".to_owned(),
        ),
        Lack::Inside { package, name } => (
            format!("{} in {package}", escape(name.as_bytes())),
            "the package without it".to_owned(),
        ),
    }
}

fn help(lack: &Lack) -> String {
    match lack {
        Lack::File(at) => format!("pack {at}, or fix the name"),
        Lack::Extension(_) => "add the extension, which Node requires in ES modules".to_owned(),
        Lack::Package(package) => format!(
            "install {} (`npm ci --omit=dev` installs what `dependencies` lists), and pack node_modules",
            escape(package.as_bytes())
        ),
        Lack::Inside { package, .. } => {
            format!("build {package} and pack all of it: it may have been packed before its build")
        }
    }
}
