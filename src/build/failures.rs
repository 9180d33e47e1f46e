//! The members of a build that failed, and those that are not built because they need them.

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
}

/// The members that are not built, in the order in which that was found.
pub(super) struct Failures {
    /// What is done with the members, for messages.
    action: &'static str,
    /// Whether the others are built nevertheless.
    keeps_going: bool,
    members: Vec<(String, Unbuilt)>,
    observer: Arc<dyn Observer>,
}

impl Failures {
    /// Creates a value without failures. If it `keeps_going`, the members that do not need a failed one are built.
    pub fn new(action: &'static str, keeps_going: bool, observer: &Arc<dyn Observer>) -> Self {
        Self {
            action,
            keeps_going,
            members: Vec::new(),
            observer: observer.clone(),
        }
    }

    /// Returns `true` if the members that do not need a failed one are built.
    pub fn keeps_going(&self) -> bool {
        self.keeps_going
    }

    /// Returns `true` if a member is not built: it failed, or needs one that is not built.
    pub fn concern(&mut self, id: Option<&str>, needs: &BTreeSet<String>) -> bool {
        let id = id.unwrap_or_default();
        if self.has(id) {
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

    /// Adds the error of a member, or returns it if nothing else is to be done.
    pub fn add_or_stop(&mut self, id: Option<&str>, error: BuildError) -> Result<(), BuildError> {
        if !self.keeps_going {
            return Err(error.of_member_in(self.action, id));
        }
        self.add(id, error);
        Ok(())
    }

    /// Returns the errors so far, unless the other members are built nevertheless.
    pub fn stop(&mut self) -> Result<(), BuildError> {
        if self.keeps_going {
            return Ok(());
        }
        self.take_errors()
    }

    /// Returns the errors, if there are any.
    pub fn into_result(mut self) -> Result<(), BuildError> {
        self.take_errors()
    }

    fn take_errors(&mut self) -> Result<(), BuildError> {
        let errors = std::mem::take(&mut self.members)
            .into_iter()
            .filter_map(|(_, why)| match why {
                Unbuilt::Failed(error) => Some(error),
                Unbuilt::Needs(_) => None,
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
