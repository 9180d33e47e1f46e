//! Reads files that other files refer to: the programs that the image starts, and the files that these load.
//!
//! [`interest()`](super::interest()) selects files only by their paths. This module selects by content: each file is
//! read when another one refers to it.

use std::collections::BTreeSet;

use super::jar::MAX_JAR_BYTES;
use super::javascript::MAX_SCRIPT_BYTES;
use super::python_source::MAX_SOURCE_BYTES;
use super::rules;
use super::{Evidence, Interest, MAX_WHOLE_BYTES, Subject};
use crate::model::EntryPath;

/// Greatest number of files that are read because others refer to them. The largest known applications load some three
/// thousand at their start.
const MAX_FOLLOWED_FILES: usize = 10_000;

/// Times that files are read which lead to others: a file that is deeper than this is not looked for.
const MAX_ROUNDS: usize = 100;

/// Extensions of sources of JavaScript and of shells.
const SCRIPT_EXTENSIONS: &[&[u8]] = &[
    b"bash", b"cjs", b"cts", b"js", b"jsx", b"mjs", b"mts", b"sh", b"ts", b"tsx",
];

/// Files that contain the version of a runtime.
const FOLLOWED_NAMES: &[&[u8]] = &[b"node_version.h"];

/// Reads the files that others refer to, and adds the evidence to an image. `read` reads the requested part of a file
/// of your own layers; it returns `None` for a file that it cannot read.
///
/// # Errors
/// Returns the first error of `read`.
pub fn follow<E>(
    subject: &mut Subject,
    mut read: impl FnMut(&EntryPath, Interest) -> Result<Option<Evidence>, E>,
) -> Result<(), E> {
    let mut asked: BTreeSet<(EntryPath, Interest)> = BTreeSet::new();
    for _ in 0..MAX_ROUNDS {
        let mut seen: Vec<(EntryPath, Evidence)> = Vec::new();
        let mut failure = None;
        rules::follow(subject, &mut |path, interest| {
            let size_bytes = subject.own().get(path).map_or(u64::MAX, |own| own.size_bytes);
            // Half a file may say the opposite of the whole.
            let fits = size_bytes <= limit_bytes(interest) && asked.len() < MAX_FOLLOWED_FILES;
            if failure.is_some() || !fits || !asked.insert((path.clone(), interest)) {
                return None;
            }
            let evidence = read(path, interest).unwrap_or_else(|error| {
                failure = Some(error);
                None
            })?;
            seen.push((path.clone(), evidence.clone()));
            Some(evidence)
        });
        if let Some(error) = failure {
            return Err(error);
        }
        if seen.is_empty() {
            break;
        }
        for (path, evidence) in seen {
            subject.see(&path, evidence);
        }
    }
    Ok(())
}

/// Returns the files of your layers that the command line refers to directly.
pub fn first_files(subject: &Subject) -> BTreeSet<EntryPath> {
    let mut first = BTreeSet::new();
    rules::follow(subject, &mut |path, _| {
        first.insert(path.clone());
        None
    });
    first
}

/// Returns `true` for a file that [`follow`] may come to, by its name, mode and size: of an image whose layers are read
/// once, these are kept until it is known which of them others lead to.
pub fn may_be_followed(path: &EntryPath, mode: u32, size_bytes: u64) -> bool {
    let name = path.file_name();
    let extension = match name.iter().rposition(|byte| *byte == b'.') {
        Some(at) if at > 0 => &name[at + 1..],
        _ => b"",
    };
    let is_declaration = [&b".d.ts"[..], b".d.mts", b".d.cts"]
        .iter()
        .any(|end| name.ends_with(end));
    let is_other = mode & 0o111 != 0 || extension.is_empty() || FOLLOWED_NAMES.contains(&name);
    match extension {
        b"jar" | b"war" => size_bytes <= MAX_JAR_BYTES,
        b"class" => size_bytes <= MAX_WHOLE_BYTES,
        b"py" => size_bytes <= MAX_SOURCE_BYTES,
        _ if is_declaration => false,
        _ => (is_other || SCRIPT_EXTENSIONS.contains(&extension)) && size_bytes <= MAX_SCRIPT_BYTES,
    }
}

fn limit_bytes(interest: Interest) -> u64 {
    match interest {
        Interest::Jar => MAX_JAR_BYTES,
        Interest::Script => MAX_SCRIPT_BYTES,
        Interest::Whole => MAX_WHOLE_BYTES,
        Interest::Source => MAX_SOURCE_BYTES,
        Interest::Nothing | Interest::Program | Interest::Head(_) | Interest::Record => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::path;
    use super::*;

    #[test]
    fn sources_and_archives_may_be_followed() {
        for (at, mode, size_bytes, expected) in [
            ("app/index.js", 0o644, 10, true),
            ("app/index.js", 0o644, MAX_SCRIPT_BYTES + 1, false),
            ("app/index.d.ts", 0o644, 10, false),
            ("app/index.ts", 0o644, 10, true),
            ("app/index.js.map", 0o644, 10, false),
            ("app/app.jar", 0o644, 100_000_000, true),
            ("app/app.jar", 0o644, MAX_JAR_BYTES + 1, false),
            ("app/Main.class", 0o644, 10, true),
            ("app/a.py", 0o644, MAX_SOURCE_BYTES, true),
            ("app/a.py", 0o644, MAX_SOURCE_BYTES + 1, false),
            ("app/entry.sh", 0o644, 10, true),
            ("app/entry.any", 0o755, 10, true),
            ("app/logo.png", 0o644, 10, false),
            ("opt/jre/release", 0o644, 10, true),
            ("opt/node/include/node/node_version.h", 0o644, 10, true),
            ("opt/node/include/node/node.h", 0o644, 10, false),
            ("app/.bashrc", 0o644, 10, true),
        ] {
            assert_eq!(may_be_followed(&path(at), mode, size_bytes), expected, "{at}");
        }
    }
}
