//! Scopes of a token: what it allows (distribution's token scope grammar, `type:name:actions`).

use std::collections::{BTreeMap, BTreeSet};

/// Resources with the actions on each, merged and sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Scopes(BTreeMap<String, BTreeSet<String>>);

impl Scopes {
    /// Returns the scopes to read a repository.
    pub(super) fn pull(path: &str) -> Self {
        Self::parse(&format!("repository:{path}:pull"))
    }

    /// Returns the scopes to read and write a repository.
    pub(super) fn push(path: &str) -> Self {
        Self::parse(&format!("repository:{path}:pull,push"))
    }

    /// Parses scopes separated by spaces. One that does not match the grammar (`*`) is kept as it is.
    pub(super) fn parse(text: &str) -> Self {
        let mut scopes = Self::default();
        for scope in text.split_ascii_whitespace() {
            let (resource, actions) = match scope.rsplit_once(':') {
                // A scope without actions is kept whole: otherwise the end of its name would be taken for actions.
                Some((resource, actions)) if resource.contains(':') && !actions.trim_matches(',').is_empty() => {
                    (resource, actions)
                }
                _ => (scope, ""),
            };
            let actions = actions
                .split(',')
                .filter(|action| !action.is_empty())
                .map(ToOwned::to_owned);
            scopes.0.entry(resource.to_owned()).or_default().extend(actions);
        }
        scopes
    }

    /// Returns these scopes and others, actions merged by resource.
    pub(super) fn merged(mut self, others: &Self) -> Self {
        for (resource, actions) in &others.0 {
            self.0
                .entry(resource.clone())
                .or_default()
                .extend(actions.iter().cloned());
        }
        self
    }

    /// Returns `true` if these scopes allow everything that `others` allow.
    pub(super) fn covers(&self, others: &Self) -> bool {
        others
            .0
            .iter()
            .all(|(resource, actions)| self.0.get(resource).is_some_and(|own| own.is_superset(actions)))
    }

    /// Returns each scope as text, those that write first: some services read only the first.
    pub(super) fn ordered(&self) -> Vec<String> {
        let (writing, reading): (Vec<_>, Vec<_>) = self.0.iter().partition(|(_, actions)| actions.contains("push"));
        let scopes = writing.into_iter().chain(reading);
        scopes
            .map(|(resource, actions)| {
                if actions.is_empty() {
                    resource.clone()
                } else {
                    format!("{resource}:{}", actions.iter().cloned().collect::<Vec<_>>().join(","))
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_covers_less() {
        let more = Scopes::push("a").merged(&Scopes::pull("b"));
        for less in [
            Scopes::default(),
            Scopes::pull("a"),
            Scopes::pull("a").merged(&Scopes::pull("b")),
            more.clone(),
        ] {
            assert!(more.covers(&less));
        }
        for other in [
            Scopes::push("b"),
            Scopes::pull("c"),
            Scopes::parse("repository:a:delete"),
            Scopes::parse("*"),
        ] {
            assert!(!more.covers(&other));
        }
    }

    #[test]
    fn actions_merge_and_writing_stands_first() {
        let scopes = Scopes::pull("a")
            .merged(&Scopes::push("z"))
            .merged(&Scopes::parse("repository:a:delete *"));
        assert_eq!(
            scopes.ordered(),
            ["repository:z:pull,push", "*", "repository:a:delete,pull"]
        );
        assert_eq!(Scopes::pull("x").merged(&Scopes::pull("x")), Scopes::pull("x"));
        assert_eq!(
            Scopes::parse("repository:host:5000/x:pull").ordered(),
            ["repository:host:5000/x:pull"]
        );
        assert!(Scopes::parse("").ordered().is_empty());
        assert_eq!(
            Scopes::parse("repository:a:b: x:y:,").ordered(),
            ["repository:a:b:", "x:y:,"]
        );
    }
}
