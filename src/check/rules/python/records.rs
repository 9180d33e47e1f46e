//! `missing-platform-package` of Python: libraries and extension modules that the RECORD of an installed package lists,
//! and that are not in the image (PyPA, "Recording installed projects").

use std::collections::BTreeSet;

use super::reach::Reach;
use super::search::is_of_dist_info;
use crate::check::rules::listing::count;
use crate::check::{Code, Finding, Interest, Rule, Subject};
use crate::model::{EntryPath, escape};

/// Files that a message names.
const MAX_SHOWN: usize = 3;

/// Returns `true` for the RECORD of an installed package.
fn is_python_record(path: &EntryPath) -> bool {
    path.file_name() == b"RECORD" && is_of_dist_info(path)
}

/// Reads the native files that a RECORD lists.
fn interest(path: &EntryPath, _mode: u32) -> Interest {
    Interest::Record.when(is_python_record(path))
}

/// The rule of [`lost_native_files`].
pub(in super::super) const LOST_NATIVE_FILES: Rule =
    Rule::new(&[Code::MissingPlatformPackage], lost_native_files).reading(interest);

/// Finds native files that are missing: one finding for each package.
fn lost_native_files(subject: &Subject, findings: &mut Vec<Finding>) {
    let records: Vec<&EntryPath> = subject.own().keys().filter(|path| is_python_record(path)).collect();
    if records.is_empty() {
        return;
    }
    let reach = Reach::of(subject);
    for path in records {
        let Some(text) = subject.content(path) else { continue };
        let Some(site) = path.parent().and_then(|folder| folder.parent()) else {
            continue;
        };
        let (there, lost): (Vec<EntryPath>, Vec<EntryPath>) =
            listed(&site, text).into_iter().partition(|file| subject.exists(file));
        if !lost.is_empty() {
            findings.push(finding(subject, &reach, path, &there, &lost));
        }
    }
}

/// The native files that a RECORD lists below its own folder: scripts and data are often installed elsewhere.
fn listed(site: &EntryPath, text: &[u8]) -> BTreeSet<EntryPath> {
    let names = text
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b',').next());
    let names = names.map(|name| name.trim_ascii()).filter(|name| {
        !name.is_empty() && !name.starts_with(b"/") && name.split(|byte| *byte == b'/').all(|part| part != b"..")
    });
    names.filter_map(|name| site.join(name).ok()).collect()
}

fn finding(subject: &Subject, reach: &Reach, record: &EntryPath, there: &[EntryPath], lost: &[EntryPath]) -> Finding {
    let name = record
        .parent_name()
        .split(|byte| *byte == b'-')
        .next()
        .map(escape)
        .unwrap_or_default();
    let shown: Vec<String> = lost.iter().take(MAX_SHOWN).map(ToString::to_string).collect();
    let more = match lost.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "{name} lists {} in RECORD that {} not in the image: {}{more}",
        count(lost.len(), "native file", "native files"),
        if lost.len() == 1 { "is" } else { "are" },
        shown.join(", ")
    );
    let help =
        format!("install {name} again, and check that no pattern in `exclude` or in an ignore file matches `*.so`");
    let finding = subject.finding(Code::MissingPlatformPackage, record.clone(), message, help);
    let finding = finding
        .evidence(shown.join(", "), "nothing")
        .about(lost.iter().cloned());
    // A missing module that is certainly imported has a separate error; the rest of a package may do without a part of
    // it.
    let does_without = lost.iter().all(|file| reach.does_without(file));
    finding.warning_if(does_without || !there.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::Severity;
    use crate::check::testing::{Image, Thing, elf};

    const SITE: &str = "usr/lib/python3.11/site-packages";

    fn image(record: &str) -> Image {
        Image::new("linux/amd64")
            .config(json!({ "Entrypoint": ["python3", "-c", "import p"] }))
            .base("usr/bin/python3", 0o777, Thing::Link("python3.11"))
            .base("usr/bin/python3.11", 0o755, Thing::Unread(1))
            .base("usr/lib/python3.11/os.py", 0o644, Thing::Unread(1))
            .own(
                &format!("{SITE}/p-1.0.dist-info/RECORD"),
                0o644,
                Thing::Text(record.to_owned()),
            )
    }

    fn package(image: Image, text: &str) -> Image {
        image.own(&format!("{SITE}/p/__init__.py"), 0o644, Thing::Text(text.to_owned()))
    }

    fn told(image: Image) -> Vec<(Severity, String)> {
        image
            .found_by(lost_native_files)
            .into_iter()
            .map(|finding| (finding.severity, finding.message))
            .collect()
    }

    #[test]
    fn native_files_that_were_lost_are_told() {
        let record = "p/__init__.py,,\np/_a.cpython-311-x86_64-linux-gnu.so,sha256=x,9\n../../../bin/x.so,,\np.libs/libq-00000000.so.1,,\n";
        let native: String = record
            .lines()
            .filter(|line| line.contains(".so"))
            .map(|line| format!("{line}\n"))
            .collect();
        let found = told(package(image(&native), "import os\n"));
        let [(severity, message)] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!(*severity, Severity::Error);
        assert_eq!(
            *message,
            format!(
                "p lists 2 native files in RECORD that are not in the image: /{SITE}/p.libs/libq-00000000.so.1, \
                 /{SITE}/p/_a.cpython-311-x86_64-linux-gnu.so"
            )
        );
    }

    #[test]
    fn what_a_package_does_without_is_a_warning() {
        let record = "p/_a.cpython-311-x86_64-linux-gnu.so,,\n";
        let tried = "try:\n    from ._a import fast\nexcept ImportError:\n    fast = None\n";
        assert_eq!(told(package(image(record), tried))[0].0, Severity::Warning);
        let raised =
            "try:\n    from ._a import fast\nexcept ImportError as error:\n    raise RuntimeError from error\n";
        assert_eq!(told(package(image(record), raised))[0].0, Severity::Error);
        let two = format!("{record}p/b.abi3.so,,\n");
        let other = |image: Image| image.own(&format!("{SITE}/p/b.abi3.so"), 0o644, Thing::Elf(elf(None, &[])));
        assert_eq!(told(other(package(image(&two), "")))[0].0, Severity::Warning);
    }

    #[test]
    fn a_whole_package_is_fine() {
        let record = "p/_a.abi3.so,,\n/abs/x.so,,\n../bin/y.so,,\n";
        let whole = image(record).own(&format!("{SITE}/p/_a.abi3.so"), 0o644, Thing::Elf(elf(None, &[])));
        assert_eq!(told(whole), []);
    }
}
