//! `stale-pyc`: compiled Python that the interpreter does not use, since it records another source than the packed one
//! (PEP 552, and PEP 3147 for the path of the source).

use std::collections::BTreeMap;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::listing::{count, list, place};
use crate::check::folders::site_folder;
use crate::check::{Code, Evidence, Finding, Interest, Rule, Subject};
use crate::model::{EntryPath, escape};

/// How much of a compiled Python file is read: magic, flags, and the source's time and size (PEP 552).
const PYC_HEAD_BYTES: u64 = 16;

/// Returns `true` for a compiled file that is read. An installation compiles all its packages at one time, so one file
/// of each package is enough: `site-packages/NAME/__pycache__/__init__.*.pyc`, `site-packages/__pycache__/NAME.*.pyc`.
/// Elsewhere each file is read. Files for `python -O` are like those beside them, and are skipped.
fn is_compiled(path: &EntryPath) -> bool {
    let name = path.file_name();
    if path.parent_name() != b"__pycache__" || !name.ends_with(b".pyc") || name.windows(5).any(|part| part == b".opt-")
    {
        return false;
    }
    let Some(site) = site_folder(path) else { return true };
    let depth = path.components().count() - 1 - site.components().count();
    depth == 1 || depth == 2 && name.starts_with(b"__init__.")
}

/// A compiled file whose record does not match.
struct Stale<'a> {
    path: &'a EntryPath,
    recorded: Record,
    packed: Record,
}

/// Time and size of a source, as a compiled file records them: 32 bits each.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Record {
    mtime_s: u32,
    size_bytes: u32,
}

/// Reads the head of compiled files.
fn interest(path: &EntryPath, _mode: u32) -> Interest {
    Interest::Head(PYC_HEAD_BYTES).when(is_compiled(path))
}

/// The rule of [`stale_pyc`].
pub(super) const RULE: Rule = Rule::new(&[Code::StalePyc], stale_pyc).reading(interest);

/// Finds stale files: one finding for each folder of packages, and one for each layer's other files.
fn stale_pyc(subject: &Subject, findings: &mut Vec<Finding>) {
    let Some(mtime_s) = subject.mtime_s else { return };
    let mut groups: BTreeMap<(Option<EntryPath>, &str), Vec<Stale<'_>>> = BTreeMap::new();
    for (path, own) in subject.own() {
        let (Evidence::Head(head) | Evidence::Whole(head)) = own.evidence() else {
            continue;
        };
        let Some(source) = source_of(path).and_then(|source| subject.own().get(&source)) else {
            continue;
        };
        // Both are kept in 32 bits, cut.
        let packed = Record {
            mtime_s: mtime_s as u32,
            size_bytes: source.size_bytes as u32,
        };
        if let Some(recorded) = Record::of(head).filter(|recorded| *recorded != packed) {
            let stale = Stale { path, recorded, packed };
            groups.entry((site_folder(path), &own.layer)).or_default().push(stale);
        }
    }
    findings.extend(
        groups
            .iter()
            .map(|((site, layer), stale)| finding(subject, site.as_ref(), layer, stale)),
    );
}

impl Record {
    /// Reads the record in the head of a compiled file. Returns `None` for files that are checked by a hash of the
    /// source or not at all, and for those of Python before 3.7, which had no flags.
    fn of(head: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
        let is_magic = head.get(2..4)? == b"\r\n";
        let flags = word(4)?;
        (is_magic && flags == 0).then_some(Self {
            mtime_s: word(8)?,
            size_bytes: word(12)?,
        })
    }
}

/// Returns the source of a compiled file: `x/a.py` for `x/__pycache__/a.cpython-311.pyc`. `None` for a compiled file
/// that has no source.
fn source_of(path: &EntryPath) -> Option<EntryPath> {
    let name = path.file_name().strip_suffix(b".pyc")?;
    let cache = (path.parent_name() == b"__pycache__").then(|| path.parent())??;
    let stem = &name[..name.iter().position(|byte| *byte == b'.')?];
    cache.parent()?.join(&[stem, b".py"].concat()).ok()
}

fn finding(subject: &Subject, site: Option<&EntryPath>, layer: &str, stale: &[Stale<'_>]) -> Finding {
    let first = &stale[0];
    let path = match site {
        Some(site) => site.clone(),
        None => place(stale.iter().map(|stale| stale.path)),
    };
    let paths = list(stale.iter().map(|stale| stale.path));
    let what = match (site, stale.len()) {
        (Some(_), number) => format!("the compiled files of {} do", count(number, "package", "packages")),
        (None, 1) => "1 compiled file does".to_owned(),
        (None, number) => format!("{number} compiled files do"),
    };
    let layer = escape(layer.as_bytes());
    let message = format!(
        "{what} not match the source in layer \"{layer}\", so Python compiles it again at every start: {paths}"
    );
    let help = "leave them out with `exclude = [\"**/__pycache__\"]`, or compile them with \
                `python3 -m compileall --invalidation-mode unchecked-hash`, which records no time";
    let is_time = first.recorded.mtime_s != first.packed.mtime_s;
    let (expected, found) = if is_time {
        (
            format!("source time {}", moment(first.packed)),
            format!("source time {}", moment(first.recorded)),
        )
    } else {
        let bytes = |record: Record| format!("source size {}", count(record.size_bytes as usize, "byte", "bytes"));
        (bytes(first.packed), bytes(first.recorded))
    };
    subject.finding(Code::StalePyc, path, message, help).evidence(
        format!("{expected}, as packed"),
        format!("{found}, recorded in {}", first.path),
    )
}

fn moment(record: Record) -> String {
    let time = OffsetDateTime::from_unix_timestamp(i64::from(record.mtime_s)).ok();
    time.and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| record.mtime_s.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{Image, Thing, path};
    use super::*;

    const TIME: u32 = 1_700_000_000;

    /// A compiled file's first 16 bytes, with the magic number of 3.11.
    fn head(flags: u32, mtime_s: u32, size_bytes: u32) -> Thing {
        let words = [flags, mtime_s, size_bytes].map(u32::to_le_bytes).concat();
        Thing::Bytes([&b"\xa7\x0d\r\n"[..], &words].concat())
    }

    fn with(compiled: &str, head: Thing) -> Image {
        Image::new("linux/amd64")
            .own("app/src/a.py", 0o644, Thing::Unread(7))
            .own(compiled, 0o644, head)
    }

    #[test]
    fn a_recorded_time_that_is_not_the_packed_one_is_stale() {
        let found = with("app/src/__pycache__/a.cpython-311.pyc", head(0, TIME, 7)).found_by(stale_pyc);
        let [finding] = &found[..] else { panic!("{found:?}") };
        assert_eq!(
            (finding.code, finding.path.clone()),
            (Code::StalePyc, path("app/src/__pycache__/a.cpython-311.pyc"))
        );
        assert_eq!(
            finding.message,
            "1 compiled file does not match the source in layer \"app\", so Python compiles it again at every start: \
             /app/src/__pycache__/a.cpython-311.pyc"
        );
        assert_eq!(
            finding.expected.as_deref(),
            Some("source time 1970-01-01T00:00:01Z, as packed")
        );
        assert_eq!(
            finding.found.as_deref(),
            Some("source time 2023-11-14T22:13:20Z, recorded in /app/src/__pycache__/a.cpython-311.pyc")
        );
        assert!(finding.help.contains("unchecked-hash"));
    }

    #[test]
    fn sizes_are_compared_too() {
        let found = with("app/src/__pycache__/a.cpython-311.pyc", head(0, 1, 8)).found_by(stale_pyc);
        assert_eq!(
            found[0].found.as_deref().map(|text| &text[..19]),
            Some("source size 8 bytes")
        );
        assert_eq!(
            with("app/src/__pycache__/a.cpython-311.opt-1.pyc", head(0, 1, 7)).found_by(stale_pyc),
            []
        );
    }

    #[test]
    fn hashes_other_forms_and_lonely_files_are_fine() {
        let cache = "app/src/__pycache__/a.cpython-311.pyc";
        for flags in [1, 3, 2, TIME] {
            assert_eq!(with(cache, head(flags, TIME, 9)).found_by(stale_pyc), [], "{flags}");
        }
        for lonely in [
            "app/src/a.pyc",
            "app/src/__pycache__/b.cpython-311.pyc",
            "app/src/__pycache__/a.pyc",
        ] {
            assert_eq!(with(lonely, head(0, TIME, 7)).found_by(stale_pyc), [], "{lonely}");
        }
        for cut in [
            &b""[..],
            b"\xa7\x0d\r\n",
            b"\xa7\x0d\r\n\0\0\0\0\x01\0\0\0\x01\0\0",
            b"no magic at all!",
        ] {
            assert_eq!(with(cache, Thing::Bytes(cut.to_vec())).found_by(stale_pyc), []);
        }
    }

    #[test]
    fn a_whole_installation_is_one_finding() {
        let site = "v/lib/python3.11/site-packages";
        let mut image = Image::new("linux/amd64");
        for name in ["a", "b", "c", "d"] {
            image = image
                .own(&format!("{site}/{name}/__init__.py"), 0o644, Thing::Unread(7))
                .own(
                    &format!("{site}/{name}/__pycache__/__init__.cpython-311.pyc"),
                    0o644,
                    head(0, TIME, 7),
                );
        }
        let found = image.found_by(stale_pyc);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].path, path(site));
        assert!(
            found[0]
                .message
                .starts_with("the compiled files of 4 packages do not match"),
            "{}",
            found[0].message
        );
        assert!(found[0].message.ends_with("and 1 more"), "{}", found[0].message);
    }

    #[test]
    fn of_an_installed_package_one_file_is_read() {
        for (at, is_read) in [
            ("app/src/__pycache__/a.cpython-311.pyc", true),
            ("app/src/deep/er/__pycache__/a.cpython-311.pyc", true),
            ("v/site-packages/__pycache__/six.cpython-311.pyc", true),
            ("v/site-packages/a/__pycache__/__init__.cpython-311.pyc", true),
            ("v/site-packages/a/__pycache__/b.cpython-311.pyc", false),
            ("v/site-packages/a/b/__pycache__/__init__.cpython-311.pyc", false),
            ("app/src/__pycache__/a.cpython-311.opt-1.pyc", false),
            ("app/src/a.pyc", false),
            ("app/src/__pycache__/a.py", false),
        ] {
            assert_eq!(is_compiled(&path(at)), is_read, "{at}");
        }
    }

    #[test]
    fn without_one_time_for_all_nothing_is_known() {
        let mut subject = with("app/src/__pycache__/a.cpython-311.pyc", head(0, TIME, 7)).subject();
        subject.mtime_s = None;
        let mut findings = Vec::new();
        stale_pyc(&subject, &mut findings);
        assert_eq!(findings, []);
    }
}
