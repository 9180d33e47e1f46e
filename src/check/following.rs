//! Files that are read because others lead to them: what the image starts, and what that loads.
//!
//! [`interest()`](super::interest()) goes by paths alone. This goes by what is in the files: each is read when another
//! names it.

use std::collections::BTreeSet;

use super::interest::{Evidence, Interest, MAX_WHOLE_BYTES};
use super::jar::MAX_JAR_BYTES;
use super::javascript::MAX_SCRIPT_BYTES;
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
            if is_asked && asked.insert(path.clone()) {
                if let Some(evidence) = read(&path, interest)? {
                    subject.see(&path, evidence);
                    is_done = false;
                }
            }
        }
        if is_done {
            break;
        }
    }
    Ok(())
}

fn limit_bytes(interest: Interest) -> u64 {
    match interest {
        Interest::Jar => MAX_JAR_BYTES,
        Interest::Script => MAX_SCRIPT_BYTES,
        Interest::Whole => MAX_WHOLE_BYTES,
        Interest::Nothing | Interest::Program | Interest::Head(_) => u64::MAX,
    }
}
