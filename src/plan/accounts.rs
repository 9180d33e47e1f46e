//! Users and groups by name and number, as `/etc/passwd` and `/etc/group` list them (passwd(5), group(5)), and the
//! owners that the spec names.

use std::collections::BTreeSet;

use super::error::PlanError;
use crate::spec::{NameOrId, Owner};

/// A line of `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UserEntry {
    pub name: String,
    pub uid: u64,
    pub gid: u64,
    pub home: String,
    pub shell: String,
}

/// A line of `/etc/group`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GroupEntry {
    pub name: String,
    pub gid: u64,
    pub members: Vec<String>,
}

/// The accounts of an image. Of several lines for one name or number the first one counts, as for the C library.
#[derive(Debug, Clone, Default)]
pub(super) struct Accounts {
    users: Vec<UserEntry>,
    groups: Vec<GroupEntry>,
}

impl Accounts {
    /// Reads both files. A line that is not of their form is passed over, as the C library does.
    pub fn parse(passwd: &[u8], group: &[u8]) -> Self {
        Self {
            users: String::from_utf8_lossy(passwd).lines().filter_map(user_of).collect(),
            groups: String::from_utf8_lossy(group).lines().filter_map(group_of).collect(),
        }
    }

    pub fn user(&self, name: &str) -> Option<&UserEntry> {
        self.users.iter().find(|user| user.name == name)
    }

    pub fn user_by_id(&self, uid: u64) -> Option<&UserEntry> {
        self.users.iter().find(|user| user.uid == uid)
    }

    pub fn group(&self, name: &str) -> Option<&GroupEntry> {
        self.groups.iter().find(|group| group.name == name)
    }

    pub fn group_by_id(&self, gid: u64) -> Option<&GroupEntry> {
        self.groups.iter().find(|group| group.gid == gid)
    }

    /// The numbers of an owner: a name brings its primary group, a number alone is the group too. `origin` is whose
    /// owner it is, for the message.
    pub fn owner(&self, owner: &Owner, origin: &str) -> Result<(u64, u64), PlanError> {
        let (uid, primary) = match &owner.user {
            NameOrId::Id(id) => (*id, *id),
            NameOrId::Name(name) => {
                let user = self.user(name).ok_or_else(|| {
                    let known = self.users.iter().map(|user| user.name.clone());
                    unknown("user", name, origin, known.collect())
                })?;
                (user.uid, user.gid)
            }
        };
        let gid = match &owner.group {
            None => primary,
            Some(NameOrId::Id(id)) => *id,
            Some(NameOrId::Name(name)) => {
                let group = self.group(name).ok_or_else(|| {
                    let known = self.groups.iter().map(|group| group.name.clone());
                    unknown("group", name, origin, known.collect())
                })?;
                group.gid
            }
        };
        Ok((uid, gid))
    }
}

fn unknown(kind: &'static str, name: &str, origin: &str, known: BTreeSet<String>) -> PlanError {
    let (name, origin) = (name.to_owned(), origin.to_owned());
    PlanError::UnknownAccount { kind, name, origin, known: known.into_iter().collect() }
}

fn user_of(line: &str) -> Option<UserEntry> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, shell] = fields[..] else { return None };
    let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
    Some(UserEntry { name: name.to_owned(), uid, gid, home: home.to_owned(), shell: shell.to_owned() })
}

fn group_of(line: &str) -> Option<GroupEntry> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, gid, members] = fields[..] else { return None };
    let members = members.split(',').filter(|member| !member.is_empty()).map(str::to_owned).collect();
    Some(GroupEntry { name: name.to_owned(), gid: gid.parse().ok()?, members })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts::parse(
            b"# comment\nroot:x:0:0:root:/root:/bin/sh\nnode:x:1000:100::/home/node:/bin/bash\nbad:x:x:0:::\n+::::::",
            b"root:x:0:\nusers:x:100:node,app\nshort:x:7\n",
        )
    }

    #[test]
    fn lines_are_read_and_bad_ones_passed_over() {
        let accounts = accounts();
        assert_eq!(accounts.user("node").unwrap().home, "/home/node");
        assert_eq!(accounts.user_by_id(0).unwrap().name, "root");
        assert_eq!(accounts.group_by_id(100).unwrap().members, ["node", "app"]);
        assert!(accounts.user("bad").is_none() && accounts.group("short").is_none());
    }

    #[test]
    fn owners_are_looked_up() {
        let name = |name: &str| NameOrId::Name(name.to_owned());
        for (user, group, expected) in [
            (name("node"), None, (1000, 100)),
            (NameOrId::Id(7), None, (7, 7)),
            (NameOrId::Id(1000), Some(name("users")), (1000, 100)),
            (name("node"), Some(NameOrId::Id(0)), (1000, 0)),
        ] {
            assert_eq!(accounts().owner(&Owner { user, group }, "x").unwrap(), expected);
        }
        let error = accounts().owner(&Owner { user: name("nod"), group: None }, "dist/x").unwrap_err();
        assert_eq!(error.to_string(), "there is no user \"nod\" in the spec or in the base (owner of dist/x)");
        let error = accounts().owner(&Owner { user: NameOrId::Id(0), group: Some(name("g")) }, "x").unwrap_err();
        assert!(matches!(error, PlanError::UnknownAccount { kind: "group", .. }), "{error}");
    }
}
