//! The user of a container's process, and its permissions by mode bits (image-spec, config.md, "User";
//! path_resolution(7)).

use crate::check::subject::Subject;
use crate::model::EntryPath;
use crate::tree::{Accounts, Node};

/// The permission to write, as a bit of each of the three groups of mode bits.
const WRITE: u32 = 2;
/// The permission to execute a file, or to search a directory.
const EXECUTE: u32 = 1;

/// An access control list. With one, mode bits alone do not decide the permissions (acl(5)).
const ACL_ATTRIBUTE: &[u8] = b"system.posix_acl_access";

/// The text of `User`: `NAME`, `UID`, `NAME:GROUP`, with either part a number or a name. An empty user is root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UserText<'a> {
    pub(super) user: &'a str,
    pub(super) group: Option<&'a str>,
}

impl<'a> UserText<'a> {
    /// Reads the config. No user and an empty user are root.
    pub(super) fn of(subject: &'a Subject) -> Self {
        let text = subject.execution.user.as_deref().unwrap_or_default();
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
            None => (text, None),
        };
        Self { user, group }
    }
}

/// Returns a number that the runtimes take as an id without a name lookup.
pub(super) fn id(text: &str) -> Option<u64> {
    text.parse::<u32>().ok().map(u64::from)
}

/// User, groups and home of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) uid: u64,
    pub(super) gid: u64,
    /// Supplementary groups.
    pub(super) groups: Vec<u64>,
    /// Home directory, if `/etc/passwd` has one.
    pub(super) home: Option<String>,
}

impl Identity {
    /// Returns the identity that the image runs as, by the rules of the runtimes: a name is looked up first, then it is
    /// taken as a number; the group of a number without a line is 0; supplementary groups count only if no group is
    /// named. `None` if a name or the accounts are unknown.
    pub(super) fn of(subject: &Subject) -> Option<Self> {
        let accounts = known_accounts(subject)?;
        let text = UserText::of(subject);
        let name = if text.user.is_empty() { "0" } else { text.user };
        let line = accounts
            .user(name)
            .or_else(|| id(name).and_then(|uid| accounts.user_by_id(u32::try_from(uid).ok()?)));
        let uid = line.map(|line| u64::from(line.uid)).or_else(|| id(name))?;
        let home = line.map(|line| line.home.clone()).filter(|home| !home.is_empty());
        let (gid, groups) = match text.group {
            Some(group) => {
                let known = accounts.group(group).map(|line| u64::from(line.gid));
                (known.or_else(|| id(group))?, Vec::new())
            }
            None => {
                let is_member = |members: &[String]| line.is_some_and(|line| members.contains(&line.name));
                let groups = accounts.groups().iter().filter(|group| is_member(&group.members));
                (
                    line.map_or(0, |line| u64::from(line.gid)),
                    groups.map(|group| u64::from(group.gid)).collect(),
                )
            }
        };
        Some(Self { uid, gid, groups, home })
    }

    /// Returns `true` for root, whom mode bits do not stop.
    pub(super) fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Returns `true` unless the mode bits certainly forbid to execute a file: root needs any of the three bits.
    pub(super) fn may_execute(&self, file: &Node) -> bool {
        if self.is_root() {
            file.mode & 0o111 != 0
        } else {
            self.may(file, EXECUTE)
        }
    }

    /// Returns `true` unless the mode bits certainly forbid to make files in a directory.
    pub(super) fn may_write_into(&self, directory: &Node) -> bool {
        self.is_root() || self.may(directory, WRITE | EXECUTE)
    }

    /// Returns the first directory on the way to a path that may not be searched. Links are not followed.
    pub(super) fn closed_directory(&self, subject: &Subject, path: &EntryPath) -> Option<EntryPath> {
        if self.is_root() {
            return None;
        }
        let mut at = EntryPath::root();
        for component in path.parent()?.components() {
            at = at.join(component).ok()?;
            if subject
                .node(&at)
                .is_some_and(|node| node.is_directory() && !self.may(node, EXECUTE))
            {
                return Some(at);
            }
        }
        None
    }

    fn may(&self, node: &Node, wanted: u32) -> bool {
        let has_acl = node
            .xattrs
            .as_ref()
            .is_some_and(|xattrs| xattrs.contains_key(ACL_ATTRIBUTE));
        let bits = if node.uid == self.uid {
            node.mode >> 6
        } else if node.gid == self.gid || self.groups.contains(&node.gid) {
            node.mode >> 3
        } else {
            node.mode
        };
        has_acl || bits & wanted == wanted
    }
}

/// Returns the accounts of the image; `None` if `/etc/passwd` or `/etc/group` was not read.
pub(super) fn known_accounts(subject: &Subject) -> Option<Accounts> {
    let is_known = |path: &[u8]| {
        let Ok(path) = EntryPath::new(path) else { return false };
        let found = subject.find(&path);
        found.is_none_or(|(at, _)| {
            !subject.own().contains_key(&at) || subject.content(&at).is_some() || is_base(subject, &at)
        })
    };
    (is_known(b"etc/passwd") && is_known(b"etc/group")).then(|| subject.accounts())
}

/// Returns `true` if the base has the very same node, so that its facts count.
fn is_base(subject: &Subject, path: &EntryPath) -> bool {
    subject
        .base()
        .tree
        .node(path)
        .is_some_and(|node| subject.node(path) == Some(node))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::testing::{Image, Thing, path};

    fn image(user: &str) -> Image {
        let passwd = "root:x:0:0::/root:/bin/sh\nnode:x:1000:1001::/home/node:/bin/sh\n";
        Image::new("linux/amd64")
            .config(json!({ "User": user }))
            .base("etc/passwd", 0o644, Thing::Text(passwd.to_owned()))
            .base("etc/group", 0o644, Thing::Text("staff:x:50:node\n".to_owned()))
    }

    #[test]
    fn a_user_is_found_as_the_runtimes_find_it() {
        for (text, expected) in [
            ("", Some((0, 0, vec![]))),
            ("node", Some((1000, 1001, vec![50]))),
            ("1000", Some((1000, 1001, vec![50]))),
            ("node:staff", Some((1000, 50, vec![]))),
            (":staff", Some((0, 50, vec![]))),
            ("7", Some((7, 0, vec![]))),
            ("7:8", Some((7, 8, vec![]))),
            ("app", None),
            ("node:app", None),
        ] {
            let found = Identity::of(&image(text).subject()).map(|who| (who.uid, who.gid, who.groups));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn accounts_that_were_not_read_are_not_guessed() {
        assert_eq!(
            Identity::of(&image("app").own("etc/passwd", 0o644, Thing::Unread(9)).subject()),
            None
        );
        assert_eq!(
            Identity::of(&image("1000").own("etc/passwd", 0o644, Thing::Unread(9)).subject()),
            None
        );
    }

    #[test]
    fn mode_bits_of_owner_group_and_others_are_told_apart() {
        let image = image("node")
            .own("f", 0o100, Thing::Unread(1))
            .owned("g", 0o410, 50, Thing::Unread(1));
        let subject = image
            .owned("h", 0o100, 1000, Thing::Unread(1))
            .own("d", 0o700, Thing::Directory)
            .subject();
        let who = Identity::of(&subject).unwrap();
        let may = |at: &str| who.may_execute(subject.node(&path(at)).unwrap());
        assert_eq!((may("f"), may("g"), may("h")), (false, true, true));
        assert_eq!(who.closed_directory(&subject, &path("d/e/f")), Some(path("d")));
        assert_eq!(who.closed_directory(&subject, &path("d")), None);
        let root = Identity {
            uid: 0,
            gid: 0,
            groups: Vec::new(),
            home: None,
        };
        assert!(root.may_execute(subject.node(&path("f")).unwrap()));
        assert!(root.may_write_into(subject.node(&path("d")).unwrap()));
    }
}
