//! The users and groups of an image (passwd(5), group(5)).
//!
//! The files are untrusted input: a malformed line is ignored, as in the C library, and of two lines with one name or
//! ID the first counts.

/// A user, from a line of `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserEntry {
    /// Login name.
    pub name: String,
    /// User ID.
    pub uid: u32,
    /// ID of the primary group.
    pub gid: u32,
    /// Home directory; empty if the line has none.
    pub home: String,
    /// Login shell; empty if the line has none.
    pub shell: String,
}

/// A group, from a line of `/etc/group`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupEntry {
    /// Its name.
    pub name: String,
    /// Group ID.
    pub gid: u32,
    /// Login names of its members, in the line's order.
    pub members: Vec<String>,
}

/// All users and groups of an image, in the order of their lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accounts {
    users: Vec<UserEntry>,
    groups: Vec<GroupEntry>,
}

impl Accounts {
    /// Parses both files. Bytes that are not UTF-8 are replaced, and malformed lines are ignored.
    pub fn parse(passwd: &[u8], group: &[u8]) -> Self {
        let lines = |file: &[u8]| -> Vec<String> {
            file.split(|byte| *byte == b'\n')
                .map(|line| String::from_utf8_lossy(line).into_owned())
                .collect()
        };
        Self {
            users: lines(passwd).iter().filter_map(|line| user(line)).collect(),
            groups: lines(group).iter().filter_map(|line| group_entry(line)).collect(),
        }
    }

    /// Returns all users, in the order of their lines.
    pub fn users(&self) -> &[UserEntry] {
        &self.users
    }

    /// Returns all groups, in the order of their lines.
    pub fn groups(&self) -> &[GroupEntry] {
        &self.groups
    }

    /// Returns the first user with this name.
    pub fn user(&self, name: &str) -> Option<&UserEntry> {
        self.users.iter().find(|user| user.name == name)
    }

    /// Returns the first user with this ID.
    pub fn user_by_id(&self, uid: u32) -> Option<&UserEntry> {
        self.users.iter().find(|user| user.uid == uid)
    }

    /// Returns the first group with this name.
    pub fn group(&self, name: &str) -> Option<&GroupEntry> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// Returns the first group with this ID.
    pub fn group_by_id(&self, gid: u32) -> Option<&GroupEntry> {
        self.groups.iter().find(|group| group.gid == gid)
    }
}

/// Parses `name:password:uid:gid:comment:home:shell`; the last two fields may be missing.
fn user(line: &str) -> Option<UserEntry> {
    let mut fields = line.split(':');
    let name = name(fields.next()?)?;
    let _password = fields.next()?;
    let uid = id(fields.next()?)?;
    let gid = id(fields.next()?)?;
    let home = fields.nth(1).unwrap_or_default().to_owned();
    let shell = fields.next().unwrap_or_default().to_owned();
    Some(UserEntry {
        name,
        uid,
        gid,
        home,
        shell,
    })
}

/// Parses `name:password:gid:member,member`; the members may be missing.
fn group_entry(line: &str) -> Option<GroupEntry> {
    let mut fields = line.split(':');
    let name = name(fields.next()?)?;
    let _password = fields.next()?;
    let gid = id(fields.next()?)?;
    let members = fields
        .next()
        .unwrap_or_default()
        .split(',')
        .filter(|member| !member.is_empty());
    Some(GroupEntry {
        name,
        gid,
        members: members.map(str::to_owned).collect(),
    })
}

/// Returns the name, unless the line is a comment, which begins with `#`, or an entry of the old network service, which
/// begins with `+` or `-`.
fn name(field: &str) -> Option<String> {
    (!field.is_empty() && !field.starts_with(['#', '+', '-'])).then(|| field.to_owned())
}

fn id(field: &str) -> Option<u32> {
    if !field.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    field.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_are_found_by_name_and_id() {
        let passwd = b"root:x:0:0:root:/root:/bin/bash\nnode:x:1000:1001::/home/node:/bin/sh\nbare:*:7:8\n";
        let group = b"root:x:0:\nstaff:x:50:node,,root\n";
        let accounts = Accounts::parse(passwd, group);
        let node = accounts.user("node").unwrap();
        assert_eq!(
            (node.uid, node.gid, &node.home[..], &node.shell[..]),
            (1000, 1001, "/home/node", "/bin/sh")
        );
        assert_eq!(accounts.user_by_id(0).unwrap().name, "root");
        assert_eq!(accounts.user("bare").unwrap().home, "");
        assert_eq!(accounts.group("staff").unwrap().members, ["node", "root"]);
        assert_eq!(accounts.group_by_id(50).unwrap().name, "staff");
        assert_eq!((accounts.user("nobody"), accounts.group_by_id(1)), (None, None));
    }

    #[test]
    fn malformed_lines_are_passed_over_and_the_first_of_two_counts() {
        let passwd =
            b"\n# comment:x:1:1\n+::::::\nshort:x:1\nneg:x:-1:1::\nbig:x:4294967296:0::\nplus:x:+1:1::\n:x:1:1::\n\
            odd\xff:x:3:3::/:\na:x:5:5::/1:\na:x:6:6::/2:\n";
        let accounts = Accounts::parse(passwd, b"x\ny:z\nw::q:\n");
        assert_eq!(
            accounts.users().iter().map(|user| user.uid).collect::<Vec<_>>(),
            [3, 5, 6]
        );
        assert_eq!(accounts.user("a").unwrap().uid, 5);
        assert!(accounts.groups().is_empty());
    }
}
