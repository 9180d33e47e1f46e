//! The members of a build that failed, and those that are not built because of that.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::build::BuildError;
use crate::build::member::Member;
use crate::events::{Event, Observer};

/// Why a member was not built.
#[derive(Debug)]
pub enum Unbuilt {
    /// It failed.
    Failed(BuildError),
    /// A member failed that it is based on or takes files from, by its ID.
    Needs(String),
    /// Another member failed, and the build ended before this one was finished.
    Unfinished,
}

/// The members that are not built, in the order in which that was found.
pub(super) struct Failures {
    /// What is done with the members, for messages.
    action: &'static str,
    /// Whether the others are built nevertheless.
    keeps_going: bool,
    /// Set once a member failed, and no other is built any more.
    is_stopped: bool,
    members: Vec<(String, Unbuilt)>,
    observer: Arc<dyn Observer>,
}

impl Failures {
    /// Creates a value without failures. If it `keeps_going`, the members that do not need a failed one are built.
    pub fn new(action: &'static str, keeps_going: bool, observer: &Arc<dyn Observer>) -> Self {
        Self {
            action,
            keeps_going,
            is_stopped: false,
            members: Vec::new(),
            observer: observer.clone(),
        }
    }

    /// Returns `true` if the members that do not need a failed one are built.
    pub fn keeps_going(&self) -> bool {
        self.keeps_going
    }

    /// Returns `true` if no member is built any more, since one failed.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Returns `true` if a member is not built: it failed, needs one that is not built, or comes after one that stopped
    /// the build.
    pub fn concern(&mut self, id: Option<&str>, needs: &BTreeSet<String>) -> bool {
        let id = id.unwrap_or_default();
        if self.has(id) {
            return true;
        }
        if self.is_stopped {
            self.members.push((id.to_owned(), Unbuilt::Unfinished));
            return true;
        }
        let Some(failed) = needs.iter().find(|needed| self.has(needed)) else {
            return false;
        };
        self.observer
            .event(Event::Note(format!("{id} is not built: {failed} failed")));
        self.members.push((id.to_owned(), Unbuilt::Needs(failed.clone())));
        true
    }

    /// Adds the error of a member. The others may be tried nevertheless, so that all errors are known at once.
    pub fn add(&mut self, id: Option<&str>, error: BuildError) {
        let error = Unbuilt::Failed(error.of_member_in(self.action, id));
        self.members.push((id.unwrap_or_default().to_owned(), error));
    }

    /// Adds the error of a member. No other is tried any more, unless the others are built nevertheless.
    pub fn add_and_stop(&mut self, id: Option<&str>, error: BuildError) {
        self.add(id, error);
        self.stop();
    }

    /// Ends the build if a member failed, unless the others are built nevertheless.
    pub fn stop(&mut self) {
        self.is_stopped |= !self.keeps_going && !self.members.is_empty();
    }

    /// Returns the errors, if there are any.
    ///
    /// # Errors
    /// Returns those errors as one.
    pub fn take_errors(&mut self) -> Result<(), BuildError> {
        let errors = std::mem::take(&mut self.members)
            .into_iter()
            .filter_map(|(_, why)| match why {
                Unbuilt::Failed(error) => Some(error),
                Unbuilt::Needs(_) | Unbuilt::Unfinished => None,
            });
        as_one(errors.collect())
    }

    /// Removes and returns the reason why a member is not built.
    pub fn take(&mut self, member: &Member<'_>) -> Option<Unbuilt> {
        let id = member.id.unwrap_or_default();
        let at = self.members.iter().position(|(known, _)| known == id)?;
        Some(self.members.remove(at).1)
    }

    fn has(&self, id: &str) -> bool {
        self.members.iter().any(|(known, _)| known == id)
    }
}

/// Returns the errors of a build that wrote nothing as one, if there are any: if the check refused all of these members,
/// one error counts its findings, which were reported.
pub fn as_one_refusal(errors: Vec<BuildError>) -> Result<(), BuildError> {
    let counts: Option<Vec<usize>> = errors.iter().map(BuildError::refused_count).collect();
    match counts {
        Some(counts) if !counts.is_empty() => Err(BuildError::Refused {
            error_count: counts.into_iter().sum(),
        }),
        _ => as_one(errors),
    }
}

/// Returns errors as one, if there are any.
pub fn as_one(errors: Vec<BuildError>) -> Result<(), BuildError> {
    let mut errors = errors.into_iter();
    match (errors.next(), errors.len()) {
        (None, _) => Ok(()),
        (Some(only), 0) => Err(only),
        (Some(first), _) => Err(BuildError::Several {
            first: Box::new(first),
            others: errors.collect(),
        }),
    }
}
