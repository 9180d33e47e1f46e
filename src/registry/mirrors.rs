//! State of mirrors during a run: which ones are disabled, and where a tag was found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use super::config::{Endpoint, RepositoryEndpoint};
use crate::model::{Repository, locked};
use crate::store::StoreError;

/// State of mirrors, shared by all repositories of a client.
#[derive(Default)]
pub(super) struct Mirrors {
    /// Hosts that failed, for all repositories or for one.
    disabled: Mutex<BTreeSet<(Endpoint, Option<Repository>)>>,
    /// The endpoint at which a tag of a repository was found.
    found: Mutex<BTreeMap<Repository, RepositoryEndpoint>>,
}

/// What a mirror's failure means for the requests that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The error is local: no other host is tried.
    Final,
    /// The mirror does not have this content, and may have other content.
    Lacking,
    /// The mirror denies access to this repository.
    Refusing,
    /// The mirror is down or unreliable.
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
    /// Returns `true` if a mirror is disabled.
    pub(super) fn is_disabled(&self, endpoint: &RepositoryEndpoint) -> bool {
        let disabled = locked(&self.disabled);
        let host = (endpoint.host.clone(), None);
        endpoint.is_mirror
            && (disabled.contains(&host) || disabled.contains(&(host.0, Some(endpoint.repository.clone()))))
    }

    /// Records a failure. Returns `true` if it is the first one of this kind.
    pub(super) fn disable(&self, endpoint: &RepositoryEndpoint, verdict: Verdict) -> bool {
        let repository = match verdict {
            Verdict::Final | Verdict::Lacking => return false,
            Verdict::Refusing => Some(endpoint.repository.clone()),
            Verdict::Failing => None,
        };
        let mut disabled = locked(&self.disabled);
        disabled.insert((endpoint.host.clone(), repository))
    }

    /// Records where a tag was found: the content that it names is there, even if the configuration would not look
    /// there.
    pub(super) fn found(&self, repository: &Repository, endpoint: &RepositoryEndpoint) {
        let mut found = locked(&self.found);
        found.insert(repository.clone(), endpoint.clone());
    }

    /// Returns the endpoint at which a tag of a repository was found last.
    pub(super) fn found_at(&self, repository: &Repository) -> Option<RepositoryEndpoint> {
        locked(&self.found).get(repository).cloned()
    }
}
