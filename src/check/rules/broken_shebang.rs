//! Scripts of your layers that can be called by name, and whose `#!` line names a program that does not exist: console
//! scripts with the path of the machine that built them.

use std::collections::{BTreeMap, BTreeSet};

use super::commands::named_scripts;
use super::failure::elsewhere;
use super::program::{Lookup, Obstacle, Setting};
use super::shebang::{Broken, Reason, broken, is_build_path};
use crate::check::{Code, Evidence, Finding, Interest, Rule, Subject};
use crate::model::{EntryPath, base_name, escape};

/// Most findings of an image. Each one searches the whole image for an alternative.
const MAX_FINDINGS: usize = 32;

/// How many scripts one finding names.
const MAX_SHOWN_SCRIPTS: usize = 5;

/// The rule of [`broken_shebang`].
pub(super) const RULE: Rule =
    Rule::new(&[Code::BrokenShebang], broken_shebang).reading(|_, mode| Interest::of_program(mode));

/// Finds scripts for the code `broken-shebang`: one finding for all scripts that need the same missing program.
fn broken_shebang(subject: &Subject, findings: &mut Vec<Finding>) {
    if subject.platform.os != "linux" {
        return;
    }
    // Who calls the script is not known.
    let setting = Setting {
        user: None,
        ..Setting::of(subject)
    };
    let named = named_scripts(subject);
    let follow = |script: &EntryPath| broken(&setting, script).or_else(|| behind_a_shell(&setting, script));
    let scripts = scripts_on_path(&setting);
    let mut all: Vec<Broken> = scripts.difference(&named).filter_map(follow).collect();
    all.retain(|broken| !named.contains(&broken.script));
    let present = names_in_image(&setting, &all);
    let mut groups: BTreeMap<(bool, Vec<u8>), Vec<Broken>> = BTreeMap::new();
    for broken in all {
        let is_line_end = broken.reason == Reason::WindowsLineEnd;
        let is_sure = match &broken.reason {
            // A program that env looks up may be on the caller's PATH.
            Reason::Missing(Obstacle::NotOnPath) => !present.contains(&broken.program),
            Reason::Missing(_) | Reason::WindowsLineEnd => true,
            _ => false,
        };
        if is_sure {
            groups
                .entry((is_line_end, broken.program.clone()))
                .or_default()
                .push(broken);
        }
    }
    let groups = groups.into_values().take(MAX_FINDINGS);
    findings.extend(groups.filter_map(|group| finding(&setting, &group)));
}

/// Returns the programs that `env` does not find, although they are somewhere in the image.
fn names_in_image(setting: &Setting<'_>, all: &[Broken]) -> BTreeSet<Vec<u8>> {
    let is_sought = |broken: &&Broken| broken.reason == Reason::Missing(Obstacle::NotOnPath);
    let sought: BTreeSet<&[u8]> = all.iter().filter(is_sought).map(|broken| &*broken.program).collect();
    if sought.is_empty() {
        return BTreeSet::new();
    }
    let files = setting
        .subject
        .below(&EntryPath::root())
        .filter(|(_, node)| !node.is_directory());
    let names = files.filter(|(path, _)| sought.contains(path.file_name()));
    names.map(|(path, _)| path.file_name().to_vec()).collect()
}

/// Executable scripts of your layers in the directories of PATH, links followed.
fn scripts_on_path(setting: &Setting<'_>) -> BTreeSet<EntryPath> {
    let subject = setting.subject;
    let places = setting
        .folders
        .iter()
        .flatten()
        .filter_map(|folder| setting.place(folder));
    let folders: BTreeSet<EntryPath> = places.filter_map(|folder| subject.resolve(&folder).ok()).collect();
    let on_path = subject.own().keys().filter(|own| folders.contains(own.parent_bytes()));
    let targets = on_path.filter_map(|own| subject.find(own)).map(|(at, _)| at);
    targets
        .filter(|at| subject.own().contains_key(at) && subject.shebang(at).is_some())
        .collect()
}

/// Handles an interpreter whose path is too long for a first line: pip writes a script for `/bin/sh` whose second line
/// calls it: `'''exec' /path/to/python "$0" "$@"`.
fn behind_a_shell(setting: &Setting<'_>, script: &EntryPath) -> Option<Broken> {
    let (Evidence::Head(bytes) | Evidence::Whole(bytes)) = setting.subject.own().get(script)?.evidence() else {
        return None;
    };
    let line = bytes.split(|byte| *byte == b'\n').nth(1)?.strip_prefix(b"'''exec' ")?;
    let start = line.strip_prefix(b"\"").unwrap_or(line);
    let end = &b" \"$0\" \"$@\""[..];
    let length = start.windows(end.len()).position(|part| part == end)?;
    let program = start[..length].strip_suffix(b"\"").unwrap_or(&start[..length]);
    if !program.starts_with(b"/") || program.iter().any(|byte| b"\"'$`\\".contains(byte)) {
        return None;
    }
    match setting.look_up(program) {
        Lookup::Failed(obstacle @ Obstacle::Missing(_)) => Some(Broken {
            script: script.clone(),
            program: program.to_vec(),
            reason: Reason::Missing(obstacle),
        }),
        _ => None,
    }
}

fn finding(setting: &Setting<'_>, group: &[Broken]) -> Option<Finding> {
    let first = group.first()?;
    let message = match group {
        [one] => format!("this script is on PATH, but {}", one.clause()),
        all => {
            let shown: Vec<String> = all
                .iter()
                .skip(1)
                .take(MAX_SHOWN_SCRIPTS)
                .map(|one| one.script.to_string())
                .collect();
            let more = all.len() - 1 - shown.len();
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            format!(
                "this script is on PATH, but {}; the same applies to {}{more}",
                first.clause(),
                shown.join(", ")
            )
        }
    };
    let (expected, found) = first.evidence(setting);
    let subject = setting.subject;
    let path = first.script.clone();
    let finding = subject.finding(Code::BrokenShebang, path, message, help(setting, first));
    Some(finding.evidence(expected, found).warning_if(!is_of_the_build(first)))
}

/// Returns `true` if the script was built wrongly. A helper script of a package whose interpreter is not in the image
/// (`#!/usr/bin/env python3`) does no harm until it is called.
fn is_of_the_build(broken: &Broken) -> bool {
    is_build_path(&broken.program)
        || broken.reason == Reason::WindowsLineEnd
        || broken
            .program
            .windows(7)
            .any(|part| part == b"/.venv/" || part == b"/venv/b")
}

fn help(setting: &Setting<'_>, broken: &Broken) -> String {
    if !is_build_path(&broken.program) || broken.reason == Reason::WindowsLineEnd {
        return broken.help(setting);
    }
    let name = base_name(&broken.program);
    let folder = broken.script.parent().unwrap_or_default();
    let beside = folder.join(name).ok().filter(|beside| setting.subject.exists(beside));
    let place = beside.into_iter().chain(elsewhere(setting.subject, name, true)).next();
    match place {
        Some(place) => format!(
            "make the scripts relocatable (`uv venv --relocatable`), or build them with the interpreter {place}"
        ),
        None => format!("build the scripts with the path that {} has in the image", escape(name)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::Severity;
    use crate::check::testing::{Image, Thing};

    fn script(line: &str) -> Thing {
        Thing::Text(format!("{line}\nimport x\n"))
    }

    fn image() -> Image {
        Image::new("linux/amd64")
            .config(json!({ "Env": ["PATH=/app/.venv/bin:/bin"] }))
            .base("usr/bin/env", 0o755, Thing::Unread(1))
            .base("usr/bin/sh", 0o755, Thing::Unread(1))
            .base("bin", 0o777, Thing::Link("usr/bin"))
            .own("app/.venv/bin/python", 0o755, Thing::Unread(1))
    }

    #[test]
    fn console_scripts_of_the_build_machine_are_one_finding() {
        let mut image = image();
        for name in ["a", "b", "c", "d", "e", "f", "g"] {
            image = image.own(
                &format!("app/.venv/bin/{name}"),
                0o755,
                script("#!/home/ci/app/.venv/bin/python"),
            );
        }
        let found = image.found(Code::BrokenShebang);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path.to_string(), "/app/.venv/bin/a");
        assert_eq!(
            found[0].message,
            "this script is on PATH, but its #! line names /home/ci/app/.venv/bin/python, a path of the machine that \
             built it; the same applies to /app/.venv/bin/b, /app/.venv/bin/c, /app/.venv/bin/d, /app/.venv/bin/e, \
             /app/.venv/bin/f and 1 more"
        );
        assert_eq!(found[0].expected.as_deref(), Some("/home/ci/app/.venv/bin/python"));
        assert_eq!(
            found[0].found.as_deref(),
            Some("nothing; the directory /home does not exist")
        );
        assert_eq!(
            found[0].help,
            "make the scripts relocatable (`uv venv --relocatable`), or build them with the interpreter \
             /app/.venv/bin/python"
        );
    }

    #[test]
    fn only_own_scripts_in_directories_of_path_count() {
        let broken = || script("#!/usr/bin/perl");
        assert!(
            image()
                .own("app/lib/x", 0o755, broken())
                .found(Code::BrokenShebang)
                .is_empty()
        );
        assert!(
            image()
                .base("usr/bin/x", 0o755, broken())
                .found(Code::BrokenShebang)
                .is_empty()
        );
        assert!(
            image()
                .own("usr/bin/x", 0o644, broken())
                .found(Code::BrokenShebang)
                .is_empty()
        );
        assert_eq!(
            image()
                .own("usr/bin/x", 0o755, broken())
                .found(Code::BrokenShebang)
                .len(),
            1
        );
        let linked = image()
            .own("opt/x", 0o755, broken())
            .own("usr/bin/x", 0o777, Thing::Link("/opt/x"));
        assert_eq!(linked.found(Code::BrokenShebang)[0].path.to_string(), "/opt/x");
    }

    #[test]
    fn scripts_that_start_or_may_start_are_passed_over() {
        for line in [
            "#!/bin/sh",
            "#!/usr/bin/env sh",
            "#!/usr/bin/env python",
            "#!/bin/sh -e",
            "#!/usr/bin/env -S python -u",
        ] {
            assert!(
                image()
                    .own("usr/bin/x", 0o755, script(line))
                    .found(Code::BrokenShebang)
                    .is_empty(),
                "{line}"
            );
        }
        let outside = image().own("opt/node/bin/node", 0o755, Thing::Unread(1));
        assert!(
            outside
                .own("usr/bin/x", 0o755, script("#!/usr/bin/env node"))
                .found(Code::BrokenShebang)
                .is_empty()
        );
        let none = image().own("usr/bin/x", 0o755, script("#!/usr/bin/env node"));
        assert_eq!(none.found(Code::BrokenShebang).len(), 1);
    }

    #[test]
    fn windows_line_ends_and_long_paths_are_seen_through() {
        let found = image()
            .own("usr/bin/x", 0o755, script("#!/bin/sh\r"))
            .found(Code::BrokenShebang);
        assert_eq!(
            found[0].message,
            "this script is on PATH, but its #! line ends with a carriage return (Windows line ending)"
        );
        let pip = |path: &str| script(&format!("#!/bin/sh\n'''exec' {path} \"$0\" \"$@\"\n' '''"));
        let found = image()
            .own("usr/bin/x", 0o755, pip("\"/home/a b/python\""))
            .found(Code::BrokenShebang);
        assert_eq!(found[0].expected.as_deref(), Some("/home/a b/python"));
        assert!(
            image()
                .own("usr/bin/x", 0o755, pip("/app/.venv/bin/python"))
                .found(Code::BrokenShebang)
                .is_empty()
        );
        assert!(
            image()
                .own("usr/bin/x", 0o755, pip("\"$(dirname $0)\"/'python'"))
                .found(Code::BrokenShebang)
                .is_empty()
        );
    }

    #[test]
    fn what_the_entrypoint_is_told_for_is_not_told_again() {
        let config = json!({ "Entrypoint": ["x"], "Env": ["PATH=/usr/bin"] });
        let image = image()
            .config(config)
            .own("usr/bin/x", 0o755, script("#!/usr/bin/perl"));
        let codes: Vec<Code> = image.findings().into_iter().map(|finding| finding.code).collect();
        assert!(
            codes.contains(&Code::ShebangMissing) && !codes.contains(&Code::BrokenShebang),
            "{codes:?}"
        );
    }

    #[test]
    fn a_helper_without_its_interpreter_is_a_warning() {
        let severity = |line: &str| {
            let text = Thing::Text(format!("{line}\ncode\n"));
            let image = Image::new("linux/amd64").base("usr/bin/env", 0o755, Thing::Unread(1));
            image.own("usr/bin/helper", 0o755, text).found(Code::BrokenShebang)[0].severity
        };
        assert_eq!(severity("#!/usr/bin/env python3"), Severity::Warning);
        assert_eq!(severity("#!/usr/bin/perl"), Severity::Warning);
        assert_eq!(severity("#!/home/ci/app/.venv/bin/python"), Severity::Error);
        assert_eq!(severity("#!/opt/app/.venv/bin/python"), Severity::Error);
    }
}
