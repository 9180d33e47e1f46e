//! What a run learns of mirrors: which to leave alone from now on, and where a tag was found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::config::{Endpoint, Route};
use crate::model::Repository;
use crate::store::StoreError;

/// What is known of mirrors, by all repositories of a client.
#[derive(Default)]
pub(super) struct Mirrors {
    /// Hosts that failed, whole or for one repository.
    left_out: Mutex<BTreeSet<(Endpoint, Option<Repository>)>>,
    /// Where a tag of a repository was found.
    found: Mutex<BTreeMap<Repository, Route>>,
}

/// What a failure at a mirror means for what comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is no reason to ask elsewhere: the fault lies here.
    Final,
    /// The mirror lacks this, and may have other things.
    Lacking,
    /// The mirror does not give this repository to us.
    Refusing,
    /// The mirror is down, or not to be relied on.
    Failing,
}

impl Verdict {
    pub(super) fn of(error: &StoreError) -> Self {
        match error {
            StoreError::NotFound { .. } => Self::Lacking,
            StoreError::AuthenticationRequired { .. } | StoreError::Unauthorized { .. } | StoreError::Denied { .. } => {
                Self::Refusing
            }
            StoreError::Remote { .. } | StoreError::Damaged { .. } | StoreError::Document { .. } => Self::Failing,
            _ => Self::Final,
        }
    }
}

impl Mirrors {
    /// True for a mirror that is not asked any more.
    pub(super) fn is_left_out(&self, way: &Route) -> bool {
        let left_out = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        let host = (way.endpoint.clone(), None);
        way.is_mirror && (left_out.contains(&host) || left_out.contains(&(host.0, Some(way.repository.clone()))))
    }

    /// Remembers a failure. True where this is the first time that it is heard of.
    pub(super) fn leave_out(&self, way: &Route, verdict: Verdict) -> bool {
        let repository = match verdict {
            Verdict::Final | Verdict::Lacking => return false,
            Verdict::Refusing => Some(way.repository.clone()),
            Verdict::Failing => None,
        };
        let mut left_out = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        left_out.insert((way.endpoint.clone(), repository))
    }

    /// Remembers where a tag was found: what it names is there, also where the configuration would not look for it.
    pub(super) fn found(&self, repository: &Repository, way: &Route) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.insert(repository.clone(), way.clone());
    }

    /// Where a tag of a repository was found last.
    pub(super) fn finder(&self, repository: &Repository) -> Option<Route> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).get(repository).cloned()
    }
}
