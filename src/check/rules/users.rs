//! The user that the image runs as, and what that user can write.

use std::collections::BTreeSet;

use super::identity::{Identity, UserText, id, known_accounts};
use crate::check::folders::package_folder;
use crate::check::{Code, Finding, Interest, Rule, Subject};
use crate::model::{EntryPath, escape};
use crate::tree::{Accounts, Node};

/// IDs below it belong to the system, by the convention of the distributions (login.defs(5)).
const FIRST_USER_ID: u32 = 1000;

/// The last two ids: the user `nobody`, and an invalid id.
const NOBODY_ID: u32 = 65534;

/// How many users or groups a message names.
const MAX_SHOWN_NAMES: usize = 8;

/// Reads the accounts of the image.
fn interest(path: &EntryPath, _mode: u32) -> Interest {
    Interest::Whole.when([&b"etc/passwd"[..], b"etc/group"].contains(&path.as_bytes()))
}

/// The rule of [`unknown_accounts`].
pub(super) const UNKNOWN_ACCOUNTS: Rule =
    Rule::new(&[Code::UnknownGroup, Code::UnknownUser], unknown_accounts).reading(interest);

/// Finds unknown accounts: `unknown-user` and `unknown-group`.
fn unknown_accounts(subject: &Subject, findings: &mut Vec<Finding>) {
    let Some(accounts) = known_accounts(subject).filter(|_| subject.platform.os == "linux") else {
        return;
    };
    let text = UserText::of(subject);
    let is_unknown_user = !text.user.is_empty() && id(text.user).is_none() && accounts.user(text.user).is_none();
    if is_unknown_user {
        let names = accounts.users().iter().map(|user| &*user.name);
        let help =
            |name: &str| format!("add [[users]] with name = \"{name}\", use a user of the base image, or use a number");
        findings.push(unknown(subject, Code::UnknownUser, "user", text.user, names, help));
    }
    let unknown_group = text
        .group
        .filter(|group| id(group).is_none() && accounts.group(group).is_none());
    if let Some(group) = unknown_group {
        let names = accounts.groups().iter().map(|group| &*group.name);
        let help = |name: &str| {
            format!("add [[groups]] with name = \"{name}\", use a group of the base image, or use a number")
        };
        findings.push(unknown(subject, Code::UnknownGroup, "group", group, names, help));
    }
}

fn unknown<'a>(
    subject: &Subject,
    code: Code,
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'a str>,
    help: impl Fn(&str) -> String,
) -> Finding {
    let file = if code == Code::UnknownUser {
        "etc/passwd"
    } else {
        "etc/group"
    };
    let path = EntryPath::new(file.as_bytes()).unwrap_or_default();
    let name = escape(name.as_bytes());
    let known: Vec<String> = known.map(|name| escape(name.as_bytes())).collect();
    let found = match (known.len(), subject.exists(&path)) {
        (_, false) => format!("no /{file}"),
        (0, true) => format!("no {what}"),
        (1..=MAX_SHOWN_NAMES, true) => known.join(", "),
        (count, true) => {
            format!(
                "{} and {} more",
                known[..MAX_SHOWN_NAMES].join(", "),
                count - MAX_SHOWN_NAMES
            )
        }
    };
    let message = format!("the image runs as {what} \"{name}\", which does not exist in /{file}");
    subject.finding(code, path, message, help(&name)).evidence(name, found)
}

/// The rule of [`runs_as_root`].
pub(super) const RUNS_AS_ROOT: Rule = Rule::new(&[Code::RunsAsRoot], runs_as_root);

/// Finds an image that runs as root, for the code `runs-as-root`.
fn runs_as_root(subject: &Subject, findings: &mut Vec<Finding>) {
    if subject.platform.os != "linux" || Identity::of(subject).is_none_or(|user| !user.is_root()) {
        return;
    }
    // An image that starts nothing has no user to check.
    if subject.execution.entrypoint.is_empty() && subject.execution.cmd.is_empty() {
        return;
    }
    let text = subject.execution.user.as_deref();
    let message = match text {
        None => "no user is set, so the image runs as root".to_owned(),
        Some(text) => format!("the image runs as \"{}\", which is root", escape(text.as_bytes())),
    };
    let found = text.map_or("none".to_owned(), |text| escape(text.as_bytes()));
    let help = match plain_user(&subject.accounts()) {
        Some(name) => format!("set `user` in [config]; user \"{name}\" already exists"),
        None => "add [[users]], and set `user` in [config] to its name".to_owned(),
    };
    let finding = subject.finding(Code::RunsAsRoot, EntryPath::root(), message, help);
    findings.push(finding.evidence("a user other than root", found));
}

/// A user of the image that is not the system's.
fn plain_user(accounts: &Accounts) -> Option<String> {
    let mut users = accounts.users().iter();
    users
        .find(|user| (FIRST_USER_ID..NOBODY_ID).contains(&user.uid))
        .map(|user| escape(user.name.as_bytes()))
}

/// Endings of databases that are one file. Opening one writes files beside it.
const DATABASES: &[&[u8]] = &[b".db", b".sqlite", b".sqlite3"];

/// The rule of [`unwritable_workdir`].
pub(super) const UNWRITABLE_WORKDIR: Rule = Rule::new(&[Code::UnwritableWorkdir], unwritable_workdir);

/// Finds directories for the code `unwritable-workdir`: each volume, and a working directory that is meant to be
/// written. Code that belongs to root and runs as another user is good practice.
fn unwritable_workdir(subject: &Subject, findings: &mut Vec<Finding>) {
    let Some(user) = Identity::of(subject).filter(|user| !user.is_root() && subject.platform.os == "linux") else {
        return;
    };
    let workdir = subject
        .execution
        .workdir
        .iter()
        .filter(|path| is_for_writing(subject, path));
    let workdir = workdir.map(|path| ("the working directory", path));
    let volumes = subject.execution.volumes.iter().map(|path| ("this volume", path));
    let mut seen = BTreeSet::new();
    for (what, text) in workdir.chain(volumes) {
        let Ok(path) = EntryPath::new(text.as_bytes()) else {
            continue;
        };
        if !seen.insert(path.clone()) {
            continue;
        }
        let Some(found) = obstacle(subject, &user, &path) else {
            continue;
        };
        let name = subject.execution.user.as_deref().unwrap_or_default();
        let message = format!("the image's user cannot write to {what}");
        let help = format!(
            "make the user its owner: [[dirs]] with path = \"{path}\" and owner = \"{}\"",
            escape(name.as_bytes())
        );
        let finding = subject.finding(Code::UnwritableWorkdir, path, message, help);
        let expected = format!(
            "write permission for {} ({}:{})",
            escape(name.as_bytes()),
            user.uid,
            user.gid
        );
        findings.push(finding.evidence(expected, found));
    }
}

/// Returns `true` for an empty directory, since it is meant for files that the program creates, and for one with a
/// database.
fn is_for_writing(subject: &Subject, path: &str) -> bool {
    let Some(at) = EntryPath::new(path.as_bytes())
        .ok()
        .and_then(|path| subject.resolve(&path).ok())
    else {
        return false;
    };
    let mut is_empty = true;
    let is_database = |path: &EntryPath| DATABASES.iter().any(|end| path.file_name().ends_with(end));
    for (path, node) in subject.below(&at) {
        is_empty = false;
        if !node.is_directory() && is_database(path) && package_folder(path).is_none() {
            return true;
        }
    }
    is_empty
}

/// Returns why a user cannot create files in a directory. A missing directory is created by the runtime, for root.
fn obstacle(subject: &Subject, user: &Identity, path: &EntryPath) -> Option<String> {
    let at = subject.resolve(path).ok()?;
    let shown = |node: &Node| format!("mode {:04o}, owner {}:{}", node.mode, node.uid, node.gid);
    if let Some(closed) = user.closed_directory(subject, &at) {
        let node = subject.node(&closed)?;
        return Some(format!("{closed}, which the user cannot enter, has {}", shown(node)));
    }
    match subject.node(&at) {
        Some(node) if !node.is_directory() || user.may_write_into(node) => None,
        Some(node) => Some(shown(node)),
        None if at.is_root() || subject.exists(&at) => None,
        None => Some("nothing, so the runtime creates it for root".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::check::testing::{Image, Thing};

    fn image(config: Value) -> Image {
        let passwd = "root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n".to_owned();
        Image::new("linux/amd64")
            .config(config)
            .base("etc/passwd", 0o644, Thing::Text(passwd))
            .base(
                "etc/group",
                0o644,
                Thing::Text("root:x:0:\nnode:x:1000:\nstaff:x:50:node\n".to_owned()),
            )
            .base("bin/sh", 0o755, Thing::Unread(1))
    }

    fn with_user(user: &str) -> Image {
        image(
            json!({ "User": user, "Cmd": ["/bin/sh"], "WorkingDir": "/app", "Volumes": { "/data": {}, "/app/": {} } }),
        )
    }

    #[test]
    fn unknown_users_and_groups_are_errors() {
        let found = with_user("app").found(Code::UnknownUser);
        assert_eq!(found[0].path.to_string(), "/etc/passwd");
        assert_eq!(
            found[0].message,
            "the image runs as user \"app\", which does not exist in /etc/passwd"
        );
        assert_eq!(found[0].found.as_deref(), Some("root, node"));
        assert_eq!(
            found[0].help,
            "add [[users]] with name = \"app\", use a user of the base image, or use a number"
        );
        let found = with_user("1000:app").found(Code::UnknownGroup);
        assert_eq!(
            found[0].message,
            "the image runs as group \"app\", which does not exist in /etc/group"
        );
        for user in ["", "node", "1000", "4711", "node:staff", "node:7", "0:0"] {
            let findings = with_user(user).findings();
            let is_unknown = |finding: &Finding| matches!(finding.code, Code::UnknownUser | Code::UnknownGroup);
            assert!(!findings.iter().any(is_unknown), "{user}");
        }
        let bare = Image::new("linux/amd64")
            .config(json!({ "User": "app" }))
            .found(Code::UnknownUser);
        assert_eq!(bare[0].found.as_deref(), Some("no /etc/passwd"));
        let unread = with_user("app").own("etc/passwd", 0o644, Thing::Unread(9));
        assert!(unread.found(Code::UnknownUser).is_empty());
        let own = Thing::Text("app:x:7:7::/:/bin/sh\n".to_owned());
        assert!(
            with_user("app")
                .own("etc/passwd", 0o644, own)
                .found(Code::UnknownUser)
                .is_empty()
        );
    }

    #[test]
    fn running_as_root_is_a_warning() {
        let found = with_user("").found(Code::RunsAsRoot);
        assert_eq!(found[0].message, "no user is set, so the image runs as root");
        assert_eq!(found[0].help, "set `user` in [config]; user \"node\" already exists");
        assert_eq!(
            with_user("root").found(Code::RunsAsRoot)[0].message,
            "the image runs as \"root\", which is root"
        );
        assert_eq!(with_user("0:1000").found(Code::RunsAsRoot).len(), 1);
        for user in ["node", "1000", "gone", "7:0"] {
            assert!(with_user(user).found(Code::RunsAsRoot).is_empty(), "{user}");
        }
        assert!(image(json!({})).found(Code::RunsAsRoot).is_empty());
    }

    fn unwritable(image: Image) -> Vec<String> {
        let found = image.found(Code::UnwritableWorkdir);
        found
            .into_iter()
            .map(|finding| format!("{}: {}", finding.path, finding.found.unwrap()))
            .collect()
    }

    #[test]
    fn directories_that_the_user_cannot_write_are_warned_of() {
        let root_made = "nothing, so the runtime creates it for root";
        let expected = [format!("/app: {root_made}"), format!("/data: {root_made}")];
        assert_eq!(unwritable(with_user("node")), expected);
        let half = with_user("node")
            .own("app", 0o755, Thing::Directory)
            .owned("data", 0o750, 50, Thing::Directory);
        assert_eq!(
            unwritable(half),
            ["/app: mode 0755, owner 0:0", "/data: mode 0750, owner 50:50"]
        );
        let shared = with_user("node")
            .owned("app", 0o775, 50, Thing::Directory)
            .own("data", 0o777, Thing::Directory);
        assert!(unwritable(shared).is_empty());
        assert!(unwritable(with_user("")).is_empty());
        let closed = image(json!({ "User": "node", "WorkingDir": "/root/x" }));
        let closed = closed
            .own("root", 0o700, Thing::Directory)
            .owned("root/x", 0o755, 1000, Thing::Directory);
        assert_eq!(
            unwritable(closed),
            ["/root/x: /root, which the user cannot enter, has mode 0700, owner 0:0"]
        );
        assert!(unwritable(image(json!({ "User": "node" }))).is_empty());
        let with = |at: &str| {
            image(json!({ "User": "node", "WorkingDir": "/app" }))
                .own("app", 0o755, Thing::Directory)
                .own(at, 0o644, Thing::Unread(1))
        };
        assert!(unwritable(with("app/index.js")).is_empty());
        assert!(unwritable(with("app/node_modules/a/x.db")).is_empty());
        assert_eq!(unwritable(with("app/data/app.sqlite3")), ["/app: mode 0755, owner 0:0"]);
        let found = with_user("node").found(Code::UnwritableWorkdir);
        assert_eq!(
            found[0].message,
            "the image's user cannot write to the working directory"
        );
        assert_eq!(
            found[0].help,
            "make the user its owner: [[dirs]] with path = \"/app\" and owner = \"node\""
        );
        assert_eq!(found[1].message, "the image's user cannot write to this volume");
    }
}
