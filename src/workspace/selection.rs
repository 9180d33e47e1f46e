//! Selects members by patterns of their IDs.

use std::collections::{BTreeMap, BTreeSet};

use globset::{Glob, GlobMatcher};

use super::error::WorkspaceError;
use crate::model::nearest;

/// What to select.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Patterns of IDs, as shells write them; empty for all members. A pattern of the ID of a member with a matrix is for
    /// all of its images.
    pub packages: Vec<String>,
    /// Patterns of IDs that are left out.
    pub exclude: Vec<String>,
    /// Also select every member that is based on a selected one.
    pub with_dependents: bool,
}

impl Selection {
    /// Returns the IDs of the selected members, of members with their bases.
    ///
    /// # Errors
    /// Returns [`WorkspaceError::NoSuchMember`] for a pattern that matches nothing, and
    /// [`WorkspaceError::NothingSelected`].
    pub(super) fn select(&self, bases: &BTreeMap<&str, BTreeSet<&str>>) -> Result<BTreeSet<String>, WorkspaceError> {
        let ids: Vec<&str> = bases.keys().copied().collect();
        let matching_any = |patterns: &[String]| -> Result<BTreeSet<&str>, WorkspaceError> {
            let mut found = BTreeSet::new();
            for pattern in patterns {
                found.extend(matching(pattern, &ids)?);
            }
            Ok(found)
        };
        let mut members = if self.packages.is_empty() {
            bases.keys().copied().collect()
        } else {
            matching_any(&self.packages)?
        };
        if self.with_dependents {
            members = dependents(members, bases);
        }
        for left_out in matching_any(&self.exclude)? {
            members.remove(left_out);
        }
        if members.is_empty() {
            return Err(WorkspaceError::NothingSelected);
        }
        Ok(members.into_iter().map(str::to_owned).collect())
    }
}

/// Returns the IDs that a pattern is for. A pattern of the ID of a member with a matrix is for all of its images.
///
/// # Errors
/// Returns [`WorkspaceError::NoSuchMember`] if there are none, and [`WorkspaceError::Pattern`].
pub(super) fn matching<'a>(pattern: &str, ids: &[&'a str]) -> Result<Vec<&'a str>, WorkspaceError> {
    let matcher = matcher(pattern)?;
    let matches = |id: &&&str| {
        let member = id.split('/').next().unwrap_or_default();
        matcher.is_match(id) || matcher.is_match(member)
    };
    let matching: Vec<&str> = ids.iter().filter(matches).copied().collect();
    if matching.is_empty() {
        return Err(no_such_member(pattern, ids));
    }
    Ok(matching)
}

fn matcher(pattern: &str) -> Result<GlobMatcher, WorkspaceError> {
    let glob = Glob::new(pattern).map_err(|cause| WorkspaceError::Pattern {
        pattern: pattern.to_owned(),
        reason: cause.kind().to_string(),
    })?;
    Ok(glob.compile_matcher())
}

fn no_such_member(pattern: &str, ids: &[&str]) -> WorkspaceError {
    WorkspaceError::NoSuchMember {
        pattern: pattern.to_owned(),
        nearest: nearest(pattern, ids.iter().copied()).map(str::to_owned),
        known: ids.iter().map(|id| (*id).to_owned()).collect(),
    }
}

/// Returns members and all that are based on them, directly or through others.
pub(super) fn dependents<'a>(
    members: BTreeSet<&'a str>,
    bases: &BTreeMap<&'a str, BTreeSet<&'a str>>,
) -> BTreeSet<&'a str> {
    let mut all = members;
    loop {
        let more: Vec<&str> = bases
            .iter()
            .filter(|(id, bases)| !all.contains(*id) && bases.iter().any(|base| all.contains(base)))
            .map(|(id, _)| *id)
            .collect();
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
        BTreeMap::from([
            ("base", BTreeSet::new()),
            ("common", BTreeSet::from(["base"])),
            ("planner", BTreeSet::from(["common"])),
            ("servers/auth", BTreeSet::from(["base"])),
            ("servers/mail", BTreeSet::from(["base"])),
        ])
    }

    fn select(packages: &[&str], exclude: &[&str], with_dependents: bool) -> Result<String, WorkspaceError> {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let selection = Selection {
            packages: texts(packages),
            exclude: texts(exclude),
            with_dependents,
        };
        let selected = selection.select(&members())?;
        Ok(selected.into_iter().collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn patterns_select_members() {
        let select = |packages: &[&str], exclude: &[&str], with| select(packages, exclude, with).unwrap();
        assert_eq!(select(&[], &[], false), "base common planner servers/auth servers/mail");
        assert_eq!(select(&["servers/*"], &["*/mail"], false), "servers/auth");
        assert_eq!(select(&["servers"], &[], false), "servers/auth servers/mail");
        assert_eq!(select(&["planner"], &[], false), "planner");
        assert_eq!(select(&["common"], &[], true), "common planner");
        assert_eq!(select(&["planner", "plan*"], &[], false), "planner");
    }

    #[test]
    fn what_matches_nothing_is_an_error() {
        let error = select(&["planer"], &[], false).unwrap_err();
        assert!(
            matches!(&error, WorkspaceError::NoSuchMember { nearest: Some(near), .. } if near == "planner"),
            "{error}"
        );
        let error = select(&["base"], &["b*"], false).unwrap_err();
        assert!(matches!(error, WorkspaceError::NothingSelected), "{error}");
        let error = select(&["[a"], &[], false).unwrap_err();
        assert!(matches!(error, WorkspaceError::Pattern { .. }), "{error}");
    }
}
