//! `wrong-python`: packages that are installed for another version of Python than the one that would import them (PEP
//! 405; `site`).

use std::collections::{BTreeMap, BTreeSet};

use super::super::commands::trail;
use super::super::program::{Lookup, Program, Setting};
use super::super::shebang;
use super::command_line::is_python;
use super::search::minor_of;
use crate::check::folders::is_site_name;
use crate::check::{Code, Finding, Rule, Subject};
use crate::model::EntryPath;

/// Names of an environment's interpreter, and where those of a system are.
const INTERPRETERS: &[&[u8]] = &[b"python", b"python3"];
const SYSTEM_FOLDERS: &[&[u8]] = &[b"usr/bin", b"usr/local/bin", b"bin"];

/// Minor versions of Python 3 that are looked for; some are still to come.
const MINOR_VERSIONS: std::ops::RangeInclusive<u32> = 3..=30;

/// The prefix of an installation, and the minor versions that it has packages for, each with their folder.
type Installations = BTreeMap<EntryPath, BTreeMap<u32, EntryPath>>;

/// The rule of [`wrong_python`].
pub(in super::super) const WRONG_PYTHON: Rule = Rule::new(&[Code::WrongPython], wrong_python);

/// Finds packages for another version of Python: one finding for each environment.
fn wrong_python(subject: &Subject, findings: &mut Vec<Finding>) {
    let installations = installations(subject);
    if installations.is_empty() {
        return;
    }
    let setting = Setting::of(subject);
    let started = started(subject);
    for (prefix, versions) in installations {
        let Some(minor) = minor_for(&setting, &prefix).filter(|minor| !versions.contains_key(minor)) else {
            continue;
        };
        // What the base has for the right version serves.
        let has_right = [&b"lib"[..], b"lib64"].iter().any(|lib| {
            let folder = format!("{}/python3.{minor}", String::from_utf8_lossy(lib));
            let site = prefix
                .join(folder.as_bytes())
                .and_then(|library| library.join(b"site-packages"));
            is_environment(subject, &prefix) && site.is_ok_and(|site| subject.below(&site).next().is_some())
        });
        let Some((other, site)) = versions.into_iter().next().filter(|_| !has_right) else {
            continue;
        };
        let is_used = started.iter().any(|program| uses(subject, program, &prefix));
        findings.push(finding(subject, &site, other, minor, is_used));
    }
}

fn finding(subject: &Subject, site: &EntryPath, other: u32, minor: u32, is_used: bool) -> Finding {
    let message = format!("contains packages for Python 3.{other}, but the Python that would import them is 3.{minor}");
    let help = format!(
        "install them with Python 3.{minor} (`uv venv --python 3.{minor}`, `pip install --python-version 3.{minor}`), \
         or use a base image with Python 3.{other}"
    );
    let finding = subject.finding(Code::WrongPython, site.clone(), message, help);
    finding
        .evidence(format!("python3.{minor}"), format!("python3.{other}"))
        .warning_if(!is_used)
}

/// Where your own layers install packages of Python.
fn installations(subject: &Subject) -> Installations {
    let mut found = Installations::new();
    for path in subject.own().keys() {
        let Some(at) = memchr::memmem::find(path.as_bytes(), b"/python3.") else {
            continue;
        };
        let bytes = path.as_bytes();
        let Some(prefix) = bytes[..at]
            .strip_suffix(b"/lib")
            .or_else(|| bytes[..at].strip_suffix(b"/lib64"))
        else {
            continue;
        };
        let rest = &bytes[at + b"/python3.".len()..];
        let mut parts = rest.splitn(3, |byte| *byte == b'/');
        let minor = parts
            .next()
            .and_then(|text| std::str::from_utf8(text).ok()?.parse::<u32>().ok());
        let (Some(minor), Some(folder), Some(_)) = (minor, parts.next(), parts.next()) else {
            continue;
        };
        if !is_site_name(folder) {
            continue;
        }
        let length =
            bytes.len() - rest.len() + rest.iter().position(|byte| *byte == b'/').unwrap_or(0) + 1 + folder.len();
        if let (Ok(prefix), Ok(site)) = (EntryPath::new(prefix), EntryPath::new(&bytes[..length])) {
            found.entry(prefix).or_default().entry(minor).or_insert(site);
        }
    }
    found
}

/// Returns `true` for a virtual environment.
fn is_environment(subject: &Subject, prefix: &EntryPath) -> bool {
    prefix.join(b"pyvenv.cfg").is_ok_and(|config| subject.exists(&config))
}

/// The minor version of the Python that imports what is installed at a prefix: its own interpreter's, or that of all of
/// the system's. `None` if there is none, or several.
fn minor_for(setting: &Setting<'_>, prefix: &EntryPath) -> Option<u32> {
    let folder = prefix.join(b"bin").ok()?;
    let own = interpreters(setting, &folder);
    if !own.is_empty() || is_environment(setting.subject, prefix) {
        let mut own = own.into_iter();
        return own.next().filter(|_| own.next().is_none());
    }
    let system = SYSTEM_FOLDERS.iter().filter_map(|folder| EntryPath::new(folder).ok());
    let on_path = setting
        .folders
        .iter()
        .flatten()
        .filter_map(|folder| setting.place(folder));
    let all: BTreeSet<u32> = system
        .chain(on_path)
        .flat_map(|folder| interpreters(setting, &folder))
        .collect();
    let mut all = all.into_iter();
    all.next().filter(|_| all.next().is_none())
}

/// The minor versions of the interpreters in a folder.
fn interpreters(setting: &Setting<'_>, folder: &EntryPath) -> BTreeSet<u32> {
    let versions = MINOR_VERSIONS.map(|minor| format!("python3.{minor}").into_bytes());
    let names = INTERPRETERS.iter().map(|name| name.to_vec()).chain(versions);
    let programs = names.filter_map(|name| {
        let path = folder.join(&name).ok()?;
        match setting.look_up(&[b"/", path.as_bytes()].concat()) {
            Lookup::Found(program) => Some(program),
            _ => None,
        }
    });
    programs.filter_map(|program| minor_of(setting, &program)).collect()
}

/// The interpreters of Python that the image certainly starts, under the paths by which they are started.
fn started(subject: &Subject) -> Vec<Program> {
    let interpreter = |setting: &Setting<'_>, program: Program| {
        let is_it = |program: &Program| is_python(&String::from_utf8_lossy(program.named.file_name()));
        Some(program.clone())
            .filter(is_it)
            .or_else(|| shebang::interpreter(setting, &program.at).filter(is_it))
    };
    let visited = trail(subject)
        .visits
        .into_iter()
        .filter_map(|visit| interpreter(&visit.setting, visit.program));
    // The way ends before a program that does not find its module, which the wrong version may be the reason for.
    let execution = &subject.execution;
    let setting = Setting::of(subject);
    let first = execution.entrypoint.first().or_else(|| execution.cmd.first());
    let first = first.and_then(|name| match setting.look_up(name.as_bytes()) {
        Lookup::Found(program) => interpreter(&setting, program),
        _ => None,
    });
    visited.chain(first).collect()
}

/// Returns `true` if an interpreter imports from a prefix: the environment's own, or the system's, which has
/// `/usr/local` too.
fn uses(subject: &Subject, program: &Program, prefix: &EntryPath) -> bool {
    if program.named.starts_with(prefix)
        && program.named.parent().and_then(|folder| folder.parent()).as_ref() == Some(prefix)
    {
        return true;
    }
    !is_environment(subject, prefix)
        && [&b"usr"[..], b"usr/local"].contains(&prefix.as_bytes())
        && program
            .at
            .parent()
            .and_then(|folder| folder.parent())
            .is_some_and(|own| !is_environment(subject, &own))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::Severity;
    use crate::check::testing::{Image, Thing};

    fn base(entrypoint: &[&str]) -> Image {
        Image::new("linux/amd64")
            .config(json!({ "Entrypoint": entrypoint, "WorkingDir": "/app" }))
            .base("usr/bin/python3.11", 0o755, Thing::Unread(1))
            .base("usr/bin/python3", 0o777, Thing::Link("python3.11"))
            .base("usr/lib/python3.11/os.py", 0o644, Thing::Unread(1))
    }

    fn environment(image: Image, minor: u32) -> Image {
        image
            .own(
                "app/.venv/pyvenv.cfg",
                0o644,
                Thing::Text(format!("home = /usr/bin\nversion = 3.{minor}.1\n")),
            )
            .own("app/.venv/bin/python", 0o777, Thing::Link("/usr/bin/python3"))
            .own(
                &format!("app/.venv/lib/python3.{minor}/site-packages/x/__init__.py"),
                0o644,
                Thing::Unread(1),
            )
    }

    fn told(image: Image) -> Vec<(Severity, String)> {
        let show = |finding: Finding| (finding.severity, format!("{} {}", finding.path, finding.message));
        image.found_by(wrong_python).into_iter().map(show).collect()
    }

    #[test]
    fn an_environment_of_another_python_is_told() {
        let line = "/app/.venv/lib/python3.12/site-packages contains packages for Python 3.12, but the Python that \
                    would import them is 3.11";
        for entrypoint in [&["/app/.venv/bin/python", "-m", "x"][..], &["/app/.venv/bin/tool"]] {
            let image = environment(base(entrypoint), 12);
            let image = image.own(
                "app/.venv/bin/tool",
                0o755,
                Thing::Text("#!/app/.venv/bin/python\n".to_owned()),
            );
            assert_eq!(told(image), [(Severity::Error, line.to_owned())], "{entrypoint:?}");
        }
        assert_eq!(
            told(environment(base(&["python3"]), 12)),
            [(Severity::Warning, line.to_owned())]
        );
    }

    #[test]
    fn packages_of_the_system_for_another_python_are_told() {
        let image = |entrypoint: &[&str]| {
            base(entrypoint).own("usr/local/lib/python3.12/dist-packages/x.py", 0o644, Thing::Unread(1))
        };
        let found = told(image(&["python3", "-c", "import x"]));
        assert_eq!((found.len(), found[0].0), (1, Severity::Error));
        assert_eq!(told(image(&["sh"]))[0].0, Severity::Warning);
    }

    #[test]
    fn what_fits_is_fine() {
        assert_eq!(told(environment(base(&["/app/.venv/bin/python"]), 11)), []);
        let both = environment(base(&["/app/.venv/bin/python"]), 11);
        assert_eq!(
            told(both.own("app/.venv/lib/python3.12/site-packages/y.py", 0o644, Thing::Unread(1))),
            []
        );
        let two = base(&["python3"]).base("usr/local/bin/python3.12", 0o755, Thing::Unread(1));
        assert_eq!(
            told(two.own("usr/local/lib/python3.12/site-packages/y.py", 0o644, Thing::Unread(1))),
            []
        );
        let none = Image::new("linux/amd64");
        assert_eq!(
            told(none.own("usr/local/lib/python3.12/site-packages/y.py", 0o644, Thing::Unread(1))),
            []
        );
        // An interpreter of its own.
        let own = environment(base(&["python3"]), 12).own("app/.venv/bin/python", 0o755, Thing::Unread(1));
        assert_eq!(
            told(own.own("app/.venv/lib/python3.12/os.py", 0o644, Thing::Unread(1))),
            []
        );
    }
}
