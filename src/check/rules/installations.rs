//! `editable-install` and `foreign-path`: files that Python reads at its start (the documentation of `site`, and PEP
//! 660), and files that name the machine that it was installed on.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::listing::{count, is_in_volume, list, place};
use crate::check::python_settings::{Pointer, is_python_setting};
use crate::check::{Code, Finding, Interest, Marks, Rule, Subject};
use crate::model::{EntryPath, escape};

/// Suffixes of a module, for finders that name a module without one.
const MODULE_SUFFIXES: &[&str] = &["", ".py", ".pyc", ".so"];

/// Greatest minor version of Python 3 whose program is looked for: a bound, far above those that exist.
const MAX_PYTHON_MINOR: u32 = 40;

/// Reads what Python reads at its start.
fn interest(path: &EntryPath, _mode: u32) -> Interest {
    Interest::Whole.when(is_python_setting(path))
}

/// The rule of [`editable_install`].
pub(super) const EDITABLE_INSTALL: Rule = Rule::new(&[Code::EditableInstall], editable_install).reading(interest);

/// Finds files of `site-packages` that point to folders that are not in the image: one finding for each folder.
fn editable_install(subject: &Subject, findings: &mut Vec<Finding>) {
    let mut lacking: BTreeMap<&[u8], Vec<&EntryPath>> = BTreeMap::new();
    for (path, _) in subject.own_marked(Marks::PYTHON_SETTING) {
        let Some((pointer, text)) = Pointer::of(path).and_then(|pointer| Some((pointer, subject.content(path)?)))
        else {
            continue;
        };
        for target in pointer
            .paths(text)
            .into_iter()
            .filter(|target| !may_be_there(subject, target))
        {
            let files = lacking.entry(target).or_default();
            if files.last() != Some(&path) {
                files.push(path);
            }
        }
    }
    for (target, files) in lacking {
        let shown = escape(target);
        let message = match files.len() {
            1 => format!("makes Python search for modules in {shown}, which is not in the image"),
            many => format!(
                "{} make Python search for modules in {shown}, which is not in the image: {}",
                count(many, "file", "files"),
                list(files.iter().copied())
            ),
        };
        let whose = if is_on_disk(subject, target) {
            "exists only on the build machine"
        } else {
            "does not exist"
        };
        let help = format!(
            "install the package itself (`pip install .` without `-e`, `uv sync --no-editable`), or pack its \
             directory at {shown}"
        );
        let finding = subject.finding(Code::EditableInstall, place(files), message, help);
        findings.push(finding.evidence("a directory of the image", format!("{shown} {whose}")));
    }
}

/// Returns `true` if the target exists, or if that is not known.
fn may_be_there(subject: &Subject, target: &[u8]) -> bool {
    MODULE_SUFFIXES.iter().any(|suffix| {
        let path = [target, suffix.as_bytes()].concat();
        EntryPath::new(&path).map_or(true, |at| subject.exists(&at) || is_in_volume(subject, &at))
    })
}

fn is_on_disk(subject: &Subject, path: &[u8]) -> bool {
    subject.is_on_disk(Path::new(OsStr::from_bytes(path)))
}

/// The rule of [`foreign_home`].
pub(super) const FOREIGN_HOME: Rule = Rule::new(&[Code::ForeignPath], foreign_home).reading(interest);

/// Finds virtual environments whose Python is not in the image.
fn foreign_home(subject: &Subject, findings: &mut Vec<Finding>) {
    let settings = subject.own_marked(Marks::PYTHON_SETTING).map(|(path, _)| path);
    for path in settings.filter(|path| path.file_name() == b"pyvenv.cfg") {
        let Some(home) = subject.content(path).and_then(venv_home) else {
            continue;
        };
        let Ok(at) = EntryPath::new(home) else { continue };
        if has_python(subject, &at) || is_in_volume(subject, &at) {
            continue;
        }
        let home = escape(home);
        let message = format!("uses the Python in {home}, which is not in the image");
        let help = format!(
            "create the virtual environment with the Python of the base image (`python3 -m venv`, `uv venv --python \
             /usr/bin/python3`), or pack the Python in {home}"
        );
        let finding = subject.finding(Code::ForeignPath, path.clone(), message, help);
        findings.push(finding.evidence("home = a directory with python3", format!("home = {home}")));
    }
}

/// The value of `home` (PEP 405), if it is an absolute path.
fn venv_home(text: &[u8]) -> Option<&[u8]> {
    text.split(|byte| *byte == b'\n').find_map(|line| {
        let at = line.iter().position(|byte| *byte == b'=')?;
        let is_home = line[..at].trim_ascii().eq_ignore_ascii_case(b"home");
        let value = line[at + 1..].trim_ascii();
        (is_home && value.starts_with(b"/")).then_some(value)
    })
}

fn has_python(subject: &Subject, home: &EntryPath) -> bool {
    let versions = (0..=MAX_PYTHON_MINOR).map(|minor| format!("python3.{minor}"));
    let mut names = ["python3", "python", "pypy3", "pypy", "python2"]
        .map(str::to_owned)
        .into_iter()
        .chain(versions);
    names.any(|name| home.join(name.as_bytes()).is_ok_and(|at| subject.find(&at).is_some()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::testing::{Image, Thing, path};
    use super::*;
    use crate::check::Severity;

    const SITE: &str = "app/.venv/lib/python3.11/site-packages";

    fn with(files: &[(&str, &str)]) -> Image {
        files.iter().fold(Image::new("linux/amd64"), |image, (name, text)| {
            image.own(&format!("{SITE}/{name}"), 0o644, Thing::Text((*text).to_owned()))
        })
    }

    fn messages(image: Image, code: Code) -> Vec<String> {
        image.found(code).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_folder_of_the_build_machine_is_an_error() {
        let found = with(&[("__editable__.agent-1.0.pth", "/home/dev/agent/src\n")]).found_by(editable_install);
        let [finding] = &found[..] else { panic!("{found:?}") };
        assert_eq!(finding.severity, Severity::Error);
        assert_eq!(finding.path, path(&format!("{SITE}/__editable__.agent-1.0.pth")));
        assert_eq!(
            finding.message,
            "makes Python search for modules in /home/dev/agent/src, which is not in the image"
        );
        assert_eq!(finding.found.as_deref(), Some("/home/dev/agent/src does not exist"));
        assert_eq!(
            finding.help,
            "install the package itself (`pip install .` without `-e`, `uv sync --no-editable`), or pack its \
             directory at /home/dev/agent/src"
        );
    }

    #[test]
    fn one_folder_is_one_finding() {
        let image = with(&[
            (
                "__editable___a_finder.py",
                "import sys\nMAPPING: dict[str, str] = {'a': '/src/a', \"b\": \"/src/b\"}\n",
            ),
            ("easy-install.pth", "/src/a\n/src/a\n/tmp/build/c\n"),
            ("a.egg-link", "/src/a\n.\n"),
        ]);
        let site = format!("/{SITE}");
        assert_eq!(
            messages(image, Code::EditableInstall),
            [
                format!(
                    "3 files make Python search for modules in /src/a, which is not in the image: \
                     {site}/__editable___a_finder.py, {site}/a.egg-link, {site}/easy-install.pth"
                ),
                "makes Python search for modules in /src/b, which is not in the image".to_owned(),
                "makes Python search for modules in /tmp/build/c, which is not in the image".to_owned(),
            ]
        );
    }

    #[test]
    fn what_is_there_or_no_path_is_fine() {
        let image = with(&[
            (
                "a.pth",
                "/app/src\n\n# /gone\nimport sys; sys.path.append('/gone')\n../../../lib\n",
            ),
            (
                "__editable___a_finder.py",
                "MAPPING = {'a': '/app/src/a', 'm': '/app/src/m'}\nOTHER = '/gone'\n",
            ),
            ("b.egg-link", "/app/src\n/gone\n"),
            ("distutils-precedence.pth", "import os; enabled = True"),
            (
                "a-1.0.dist-info/direct_url.json",
                "{\"dir_info\": {\"editable\": true}, \"url\": \"file:///gone\"}",
            ),
            ("vendor/x.pth", "/gone\n"),
            ("cut.pth", "/data/models\n"),
        ])
        .own("app/src/a/__init__.py", 0o644, Thing::Unread(1))
        .own("app/src/m.py", 0o644, Thing::Unread(1))
        .own("app/model.pth", 0o644, Thing::Text("/gone".to_owned()))
        .config(json!({"Volumes": {"/data": {}}}));
        assert_eq!(image.found_by(editable_install), []);
    }

    #[test]
    fn damaged_pointers_are_passed_over() {
        for text in ["MAPPING = {'a': '/gone", "MAPPING", "MAPPING = '", "/\0\n"] {
            let image = with(&[
                ("__editable___a_finder.py", text),
                ("x.pth", &text.replace("MAPPING", "import")),
            ]);
            assert_eq!(image.found_by(editable_install), [], "{text}");
        }
    }

    fn venv(text: &str) -> Image {
        Image::new("linux/amd64")
            .own("app/.venv/pyvenv.cfg", 0o644, Thing::Text(text.to_owned()))
            .base("usr/bin/python3.11", 0o755, Thing::Unread(1))
            .base("opt/pypy/bin/pypy3", 0o755, Thing::Unread(1))
            .base("opt/tools/bin/python-config", 0o755, Thing::Unread(1))
    }

    #[test]
    fn the_python_of_a_virtual_environment_must_be_there() {
        let found = venv("version = 3.11\nhome = /home/dev/.pyenv/versions/3.11.7/bin\n").found_by(foreign_home);
        let [finding] = &found[..] else { panic!("{found:?}") };
        assert_eq!(
            (finding.path.clone(), finding.severity),
            (path("app/.venv/pyvenv.cfg"), Severity::Warning)
        );
        assert_eq!(
            finding.message,
            "uses the Python in /home/dev/.pyenv/versions/3.11.7/bin, which is not in the image"
        );
        assert_eq!(finding.expected.as_deref(), Some("home = a directory with python3"));
        assert_eq!(
            finding.found.as_deref(),
            Some("home = /home/dev/.pyenv/versions/3.11.7/bin")
        );
        assert_eq!(messages(venv("home=/opt/tools/bin"), Code::ForeignPath).len(), 1);
        for fine in [
            "home = /usr/bin",
            "Home=/opt/pypy/bin\r\n",
            "home = bin",
            "version = 3.11",
            "",
        ] {
            assert_eq!(messages(venv(fine), Code::ForeignPath), [""; 0], "{fine}");
        }
    }
}
