//! Resolves the owners in a spec by the accounts of the image.

use std::collections::BTreeSet;

use super::error::PlanError;
use crate::spec::{NameOrId, Owner};
use crate::tree::Accounts;

/// Returns the user and group ID of an owner. A user name implies its primary group; a user ID alone is also the group
/// ID. `origin` is the owned entry, for messages.
pub(super) fn owner_ids(accounts: &Accounts, owner: &Owner, origin: &str) -> Result<(u64, u64), PlanError> {
    let (uid, primary) = match &owner.user {
        NameOrId::Id(id) => (*id, *id),
        NameOrId::Name(name) => {
            let user = accounts.user(name).ok_or_else(|| {
                let known = accounts.users().iter().map(|user| user.name.clone());
                unknown("user", name, origin, known.collect())
            })?;
            (user.uid.into(), user.gid.into())
        }
    };
    let gid = match &owner.group {
        None => primary,
        Some(NameOrId::Id(id)) => *id,
        Some(NameOrId::Name(name)) => {
            let group = accounts.group(name).ok_or_else(|| {
                let known = accounts.groups().iter().map(|group| group.name.clone());
                unknown("group", name, origin, known.collect())
            })?;
            group.gid.into()
        }
    };
    Ok((uid, gid))
}

fn unknown(kind: &'static str, name: &str, origin: &str, known: BTreeSet<String>) -> PlanError {
    let name = name.to_owned();
    let origin = origin.to_owned();
    PlanError::UnknownAccount {
        kind,
        name,
        origin,
        known: known.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_looked_up() {
        let accounts = Accounts::parse(b"node:x:1000:100::/home/node:/bin/bash\n", b"users:x:100:node,app\n");
        let name = |name: &str| NameOrId::Name(name.to_owned());
        for (user, group, expected) in [
            (name("node"), None, (1000, 100)),
            (NameOrId::Id(7), None, (7, 7)),
            (NameOrId::Id(1000), Some(name("users")), (1000, 100)),
            (name("node"), Some(NameOrId::Id(0)), (1000, 0)),
        ] {
            assert_eq!(owner_ids(&accounts, &Owner { user, group }, "x").unwrap(), expected);
        }
        let error = owner_ids(
            &accounts,
            &Owner {
                user: name("nod"),
                group: None,
            },
            "dist/x",
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown user \"nod\" (owner of dist/x): it is in neither the spec nor the base"
        );
        let owner = Owner {
            user: NameOrId::Id(0),
            group: Some(name("g")),
        };
        let error = owner_ids(&accounts, &owner, "x").unwrap_err();
        assert!(
            matches!(error, PlanError::UnknownAccount { kind: "group", .. }),
            "{error}"
        );
    }
}
