//! `missing-module`, `dangling-symlink` and `symlink-escape`: symbolic links of your layers that point to nothing, or
//! out of the image.
//!
//! Links are followed inside the image, as the system does with the image as its root (path_resolution(7)).

use std::collections::BTreeMap;

use super::listing::{is_in_volume, is_made_at_run_time, list, place};
use crate::check::node_modules::Place;
use crate::check::{Code, Finding, Marks, Rule, Subject};
use crate::model::{EntryPath, escape};
use crate::tree::{Node, NodeKind, ResolveError};

/// The help if a package is a link.
const NO_LINKS: &str = "install without links (`pnpm deploy`, `npm install --install-links`)";

/// Documentation, which slim images leave out. Dangling links into it do no harm.
const DOCUMENTATION: &[&[u8]] = &[
    b"usr/share/doc",
    b"usr/share/man",
    b"usr/share/info",
    b"usr/share/locale",
];

/// A link, its target as written, and its resolved target.
struct Lost<'a> {
    link: &'a EntryPath,
    target: &'a [u8],
    end: End,
}

/// Why a link leads to nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// Nothing is there.
    Missing(EntryPath),
    /// A file is on the way.
    ThroughFile(EntryPath),
    /// A folder of the base is there that is not a package.
    NoPackage(EntryPath),
    /// Links lead in a circle, or become too long.
    Endless,
}

/// The rule of [`links`].
pub(super) const RULE: Rule = Rule::new(
    &[Code::DanglingSymlink, Code::MissingModule, Code::SymlinkEscape],
    links,
);

/// Finds links that lead to nothing or out of the image.
fn links(subject: &Subject, findings: &mut Vec<Finding>) {
    // Grouped by the missing target: one folder that was not packed breaks many links.
    let mut lost: BTreeMap<(Code, Option<EntryPath>), Vec<Lost<'_>>> = BTreeMap::new();
    let mut escapes = Vec::new();
    for (link, _) in subject.own_marked(Marks::LINK) {
        let Some(NodeKind::Symlink { target }) = subject.node(link).map(|node| &node.kind) else {
            continue;
        };
        let is_module = is_module(link);
        let end = if is_module {
            end_of_module(subject, link)
        } else {
            end_of_other(subject, link)
        };
        if end.is_some() && is_module || !climbs_above_root(link, target) {
            let Some(end) = end else { continue };
            let code = if is_module {
                Code::MissingModule
            } else {
                Code::DanglingSymlink
            };
            let cause = match &end {
                End::Missing(at) => Some(missing_root(subject, at)),
                End::ThroughFile(file) | End::NoPackage(file) => Some(file.clone()),
                End::Endless => None,
            };
            lost.entry((code, cause)).or_default().push(Lost { link, target, end });
        } else {
            escapes.push(link);
        }
    }
    findings.extend(
        lost.iter()
            .map(|((code, cause), lost)| dangling(subject, *code, cause.as_ref(), lost)),
    );
    findings.extend(escape_finding(subject, &escapes));
}

/// Returns why a link leads to nothing. `None` if its end exists, or if a volume may provide it.
fn end(subject: &Subject, link: &EntryPath) -> Option<End> {
    let end = match subject.resolve(link) {
        Ok(at) if subject.exists(&at) || is_in_volume(subject, &at) => return None,
        Ok(at) => End::Missing(at),
        Err(ResolveError::NotADirectory { file, .. }) => End::ThroughFile(file),
        Err(_) => End::Endless,
    };
    (!is_in_volume(subject, link)).then_some(end)
}

/// Returns the target of a link that is a package. A link out of the packed tree may hit a folder of the base image by
/// its name: `../../lib` in `/app/node_modules` is `/lib`.
fn end_of_module(subject: &Subject, link: &EntryPath) -> Option<End> {
    let end = end(subject, link);
    if end.is_some() || link.file_name() == b"node_modules" || is_in_volume(subject, link) {
        return end;
    }
    let at = subject.resolve(link).ok()?;
    let is_of_base = at.is_root() || subject.base().tree.node(&at).is_some_and(Node::is_directory);
    let has = |name: &&str| at.join(name.as_bytes()).is_ok_and(|at| subject.node(&at).is_some());
    let is_package = [
        "package.json",
        "index.js",
        "index.cjs",
        "index.mjs",
        "index.json",
        "index.node",
    ]
    .iter()
    .any(has);
    (is_of_base && !is_package && !is_in_volume(subject, &at)).then_some(End::NoPackage(at))
}

/// Returns the end of a link that is not a module. `None` also if something may be created when the container runs, and
/// for documentation.
fn end_of_other(subject: &Subject, link: &EntryPath) -> Option<End> {
    let is_documentation = |path: &EntryPath| DOCUMENTATION.iter().any(|folder| is_below(path, folder));
    let is_harmless = |path: &EntryPath| is_made_at_run_time(subject, path) || is_documentation(path);
    end(subject, link).filter(|end| match end {
        End::Missing(at) | End::ThroughFile(at) | End::NoPackage(at) => !is_harmless(at) && !is_harmless(link),
        End::Endless => !is_harmless(link),
    })
}

fn is_below(path: &EntryPath, folder: &[u8]) -> bool {
    path.as_bytes()
        .strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with(b"/"))
}

/// Returns `true` for a package of `node_modules`, or `node_modules` itself. Returns `false` for commands (`.bin`), for
/// a store's own `node_modules`, and for packages of tests.
fn is_module(link: &EntryPath) -> bool {
    if link.file_name() == b"node_modules" {
        return !link
            .parent()
            .unwrap_or_default()
            .components()
            .any(|part| part == b"node_modules");
    }
    Place::of(link).is_some_and(|place| place.inside.is_empty() && !place.is_hoisted && !place.is_of_a_test())
}

/// The topmost folder on the way that is missing.
fn missing_root(subject: &Subject, at: &EntryPath) -> EntryPath {
    let mut root = at.clone();
    while let Some(parent) = root.parent() {
        if parent.is_root() || subject.exists(&parent) {
            break;
        }
        root = parent;
    }
    root
}

/// Returns `true` if a relative link has more `..` than folders above it.
fn climbs_above_root(link: &EntryPath, target: &[u8]) -> bool {
    if target.first() == Some(&b'/') {
        return false;
    }
    let mut depth = link.components().count().saturating_sub(1);
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if depth == 0 => return true,
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

fn dangling(subject: &Subject, code: Code, cause: Option<&EntryPath>, lost: &[Lost<'_>]) -> Finding {
    let first = &lost[0];
    let links = || lost.iter().map(|lost| lost.link);
    let message = match lost.len() {
        1 => match &first.end {
            End::Missing(at) => format!("points to {at}, which is not in the image"),
            End::ThroughFile(file) => format!("points through {file}, which is not a directory"),
            End::NoPackage(at) => format!("points to {at}, a directory of the base image that is not a package"),
            End::Endless => "is part of a loop of symbolic links".to_owned(),
        },
        many => {
            let is_same = lost.iter().all(|other| other.end == first.end);
            let lead = match &first.end {
                End::Missing(at) if is_same => format!("to {at}, which is not in the image"),
                End::Missing(at) => format!("into {}, which is not in the image", cause.unwrap_or(at)),
                End::ThroughFile(file) => format!("through {file}, which is not a directory"),
                End::NoPackage(at) => format!("to {at}, a directory of the base image that is not a package"),
                End::Endless => "to each other in a loop".to_owned(),
            };
            format!("{many} links point {lead}: {}", list(links()))
        }
    };
    let help = match &first.end {
        // One missing thing is named itself, many by the folder that would hold them.
        End::Missing(at) if lost.iter().all(|other| other.end == first.end) => missing_help(subject, code, first, at),
        End::Missing(at) => missing_help(subject, code, first, cause.unwrap_or(at)),
        End::NoPackage(_) => {
            format!("pack the directory that the link was created for where the link finds it; or {NO_LINKS}")
        }
        _ => "fix the target of the link, or leave it out with `exclude`".to_owned(),
    };
    let path = if lost.len() == 1 {
        first.link.clone()
    } else {
        place(links())
    };
    let found = match lost.len() {
        1 => format!("a link to {}", escape(first.target)),
        _ => format!("{} is a link to {}", first.link, escape(first.target)),
    };
    let expected = match &first.end {
        End::Missing(at) => at.to_string(),
        End::NoPackage(_) => "a directory with a package.json".to_owned(),
        _ => "a link to a path that exists".to_owned(),
    };
    subject.finding(code, path, message, help).evidence(expected, found)
}

fn missing_help(subject: &Subject, code: Code, first: &Lost<'_>, missing: &EntryPath) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let disk = std::path::Path::new(std::ffi::OsStr::from_bytes(first.target));
    match (code, disk.is_absolute() && subject.is_on_disk(disk)) {
        (Code::MissingModule, true) => format!("the link points to a directory of the build machine: {NO_LINKS}"),
        (Code::MissingModule, false) => format!("pack {missing} at that path, or {NO_LINKS}"),
        _ if is_python_of_venv(subject, first.link) => {
            "create the virtual environment with the Python of the base image, or pack the Python that it uses"
                .to_owned()
        }
        (_, true) => "the link points to a file of the build machine: point it to a file of the image".to_owned(),
        (_, false) => format!("pack {missing}, or leave the link out with `exclude`"),
    }
}

/// `bin/python3` of a virtual environment (PEP 405).
fn is_python_of_venv(subject: &Subject, link: &EntryPath) -> bool {
    let folder = link.parent().and_then(|bin| bin.parent()).unwrap_or_default();
    let settings = folder.join(b"pyvenv.cfg");
    link.file_name().starts_with(b"python") && settings.is_ok_and(|settings| subject.node(&settings).is_some())
}

fn escape_finding(subject: &Subject, links: &[&EntryPath]) -> Option<Finding> {
    let first = links.first()?;
    let target = match subject.node(first).map(|node| &node.kind) {
        Some(NodeKind::Symlink { target }) => escape(target),
        _ => String::new(),
    };
    let message = match links.len() {
        1 => "points above the root of the image".to_owned(),
        many => format!(
            "{many} links point above the root of the image: {}",
            list(links.iter().copied())
        ),
    };
    let help = "make the link absolute, or fix its number of `..`: in a container, the parent of the root is the root";
    let depth = first.components().count().saturating_sub(1);
    let path = if links.len() == 1 {
        (*first).clone()
    } else {
        place(links.iter().copied())
    };
    let expected = format!("at most {depth} `..` in a link at this depth");
    let found = format!("{first} is a link to {target}");
    Some(
        subject
            .finding(Code::SymlinkEscape, path, message, help)
            .evidence(expected, found),
    )
}

#[cfg(test)]
mod tests;
