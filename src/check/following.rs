//! Files that are read because others lead to them: what the image starts, and what that loads.
//!
//! [`interest()`](super::interest()) goes by paths alone. This goes by what is in the files: each is read when another
//! names it.

use std::collections::BTreeSet;

use super::interest::{Evidence, Interest, MAX_WHOLE_BYTES, interest};
use super::jar::MAX_JAR_BYTES;
use super::javascript::MAX_SCRIPT_BYTES;
use super::python_source::MAX_SOURCE_BYTES;
use super::rules;
use super::subject::Subject;
use crate::model::EntryPath;

/// Files that are read because others lead to them: the largest applications known load some three thousand at their
/// start.
const MAX_FOLLOWED_FILES: usize = 10_000;

/// Times that files are read which lead to others: a file that is deeper than this is not looked for.
const MAX_ROUNDS: usize = 100;

/// Adds to an image what is read of the files that others lead to. `read` reads a file of your own layers as far as it is
/// asked; it gives `None` for one that it cannot read.
///
/// # Errors
/// The first error of `read`.
pub fn follow<E>(
    subject: &mut Subject,
    mut read: impl FnMut(&EntryPath, Interest) -> Result<Option<Evidence>, E>,
) -> Result<(), E> {
    let mut asked: BTreeSet<EntryPath> = BTreeSet::new();
    for _ in 0..MAX_ROUNDS {
        let wanted = rules::unread_of_start(subject);
        let mut is_done = true;
        for (path, interest) in wanted {
            let size_bytes = subject.own().get(&path).map_or(u64::MAX, |own| own.size_bytes);
            // Half a file may say the contrary of the whole.
            let is_asked = size_bytes <= limit_bytes(interest) && asked.len() < MAX_FOLLOWED_FILES;
            if is_asked
                && asked.insert(path.clone())
                && let Some(evidence) = read(&path, interest)?
            {
                subject.see(&path, evidence);
                is_done = false;
            }
        }
        if is_done {
            break;
        }
    }
    follow_sources(subject, MAX_FOLLOWED_FILES.saturating_sub(asked.len()), &mut read)
}

/// Reads the Python sources that the start reaches, each when another imports it.
fn follow_sources<E>(
    subject: &mut Subject,
    mut left: usize,
    read: &mut impl FnMut(&EntryPath, Interest) -> Result<Option<Evidence>, E>,
) -> Result<(), E> {
    let mut seen: Vec<(EntryPath, Evidence)> = Vec::new();
    let mut failure = None;
    rules::follow_python(subject, &mut |path| {
        let size_bytes = subject.own().get(path).map_or(u64::MAX, |own| own.size_bytes);
        if left == 0 || failure.is_some() || size_bytes > limit_bytes(Interest::Source) {
            return None;
        }
        left -= 1;
        match read(path, Interest::Source) {
            Ok(Some(Evidence::Source(source))) => {
                seen.push((path.clone(), Evidence::Source(source.clone())));
                Some(*source)
            }
            Ok(_) => None,
            Err(error) => {
                failure = Some(error);
                None
            }
        }
    });
    for (path, evidence) in seen {
        subject.see(&path, evidence);
    }
    failure.map_or(Ok(()), Err)
}

/// Returns what the check wants to see of a file of an image whose layers are read once: as
/// [`interest()`](super::interest()), and the sources that [`follow`] might come to. `shebang` is the first line of a
/// script.
pub fn interest_in_image(path: &EntryPath, mode: u32, size_bytes: u64, shebang: Option<&[u8]>) -> Interest {
    let known = interest(path, mode, size_bytes);
    let is_other = !matches!(known, Interest::Nothing | Interest::Program);
    let is_python = |line: &[u8]| line.windows(6).any(|part| part == b"python");
    let is_source = path.file_name().ends_with(b".py") || shebang.is_some_and(is_python);
    if !is_other && is_source && size_bytes <= MAX_SOURCE_BYTES { Interest::Source } else { known }
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
