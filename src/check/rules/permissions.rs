//! `world-writable` and `setuid`: modes that allow more than a program needs (inode(7), "The file type and mode").

use super::listing::{count, list, place};
use crate::check::modes::{OTHERS_WRITE, SET_ID, STICKY};
use crate::check::{Code, Finding, Marks, Rule, Subject};
use crate::model::EntryPath;
use crate::tree::NodeKind;

/// The rule of [`world_writable`].
pub(super) const WORLD_WRITABLE: Rule = Rule::new(&[Code::WorldWritable], world_writable);

/// Finds your files that every user can write, and directories that are created or changed so: one finding each.
fn world_writable(subject: &Subject, findings: &mut Vec<Finding>) {
    let files = own_files(subject, OTHERS_WRITE);
    let is_open = |mode: u32| mode & OTHERS_WRITE != 0 && mode & STICKY == 0;
    let directories: Vec<&EntryPath> = subject
        .own_directories()
        .filter(|(path, node)| {
            let below = subject.base().tree.node(path);
            is_open(node.mode) && !below.is_some_and(|below| below.is_directory() && is_open(below.mode))
        })
        .map(|(path, _)| path)
        .collect();
    let help = "set `owner` to the user that writes it, with `mode = \"0644\"`, or `\"0755\"` for a program";
    findings.extend(modes_finding(
        subject,
        Code::WorldWritable,
        &files,
        ["file", "files"],
        "can be written by every user",
        help,
    ));
    let help =
        "set `owner` to the user that writes to it, with `dir-mode = \"0755\"`, or set the sticky bit: `\"1777\"`";
    findings.extend(modes_finding(
        subject,
        Code::WorldWritable,
        &directories,
        ["directory", "directories"],
        "can be changed by every user",
        help,
    ));
}

/// The rule of [`setuid`].
pub(super) const SETUID: Rule = Rule::new(&[Code::Setuid], setuid);

/// Finds your files that run with the rights of their owner or group.
fn setuid(subject: &Subject, findings: &mut Vec<Finding>) {
    let files = own_files(subject, SET_ID);
    let help = "remove the bit with `mode`; use `capabilities` if the program needs a single privilege of root";
    let what = "run with the rights of its owner or group";
    findings.extend(modes_finding(
        subject,
        Code::Setuid,
        &files,
        ["file", "files"],
        what,
        help,
    ));
}

fn own_files(subject: &Subject, bits: u32) -> Vec<&EntryPath> {
    let has_bits = |path: &&EntryPath| {
        subject
            .node(path)
            .is_some_and(|node| matches!(node.kind, NodeKind::File { .. }) && node.mode & bits != 0)
    };
    subject
        .own_marked(Marks::OPEN)
        .map(|(path, _)| path)
        .filter(has_bits)
        .collect()
}

/// One finding for all: a mode is given to many files at once.
fn modes_finding(
    subject: &Subject,
    code: Code,
    paths: &[&EntryPath],
    [one, many]: [&str; 2],
    what: &str,
    help: &str,
) -> Option<Finding> {
    let first = *paths.first()?;
    let message = match paths.len() {
        1 => what.replacen("run ", "runs ", 1),
        number => {
            let what = what.replace("its owner", "their owner");
            format!("{} {what}: {}", count(number, one, many), list(paths.iter().copied()))
        }
    };
    let mode = subject.node(first).map_or(0, |node| node.mode);
    let safe = if code == Code::Setuid {
        mode & !SET_ID
    } else {
        mode & !OTHERS_WRITE
    };
    let path = place(paths.iter().copied());
    let evidence = (format!("mode {safe:04o}"), format!("{first} has mode {mode:04o}"));
    Some(
        subject
            .finding(code, path, message, help)
            .evidence(evidence.0, evidence.1),
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{Image, Thing, path};
    use super::*;
    use crate::check::Severity;

    fn modes(subject: &Subject, findings: &mut Vec<Finding>) {
        world_writable(subject, findings);
        setuid(subject, findings);
    }

    fn only(image: Image) -> Finding {
        let found = image.found_by(modes);
        assert_eq!(found.len(), 1, "{found:?}");
        found.into_iter().next().unwrap()
    }

    #[test]
    fn a_file_that_everybody_may_write_is_a_warning() {
        let finding = only(Image::new("linux/amd64").own("app/x", 0o666, Thing::Unread(1)));
        assert_eq!(
            (finding.code, finding.severity),
            (Code::WorldWritable, Severity::Warning)
        );
        assert_eq!(finding.path, path("app/x"));
        assert_eq!(finding.message, "can be written by every user");
        assert_eq!(finding.expected.as_deref(), Some("mode 0664"));
        assert_eq!(finding.found.as_deref(), Some("/app/x has mode 0666"));
    }

    #[test]
    fn a_mode_for_all_is_one_finding() {
        let mut image = Image::new("linux/amd64");
        for name in ["a", "b/c", "b/d", "e"] {
            image = image.own(&format!("app/{name}"), 0o777, Thing::Unread(1));
        }
        let finding = only(image);
        assert_eq!(
            finding.message,
            "4 files can be written by every user: /app/a, /app/b/c, /app/b/d and 1 more"
        );
        assert_eq!(finding.path, path("app"));
    }

    #[test]
    fn directories_count_where_they_are_new_or_changed() {
        let image = || {
            Image::new("linux/amd64")
                .base("var/open", 0o777, Thing::Directory)
                .base("srv", 0o755, Thing::Directory)
                .own("var/open", 0o777, Thing::Directory)
                .own("tmp", 0o1777, Thing::Directory)
                .own("app", 0o755, Thing::Directory)
        };
        assert_eq!(image().found_by(modes), []);
        let finding = only(image().own("srv", 0o777, Thing::Directory));
        assert_eq!(
            (finding.message.as_str(), finding.path),
            ("can be changed by every user", path("srv"))
        );
        let finding = only(
            image()
                .own("opt/a", 0o777, Thing::Directory)
                .own("opt/b", 0o777, Thing::Directory),
        );
        assert_eq!(
            finding.message,
            "2 directories can be changed by every user: /opt/a, /opt/b"
        );
    }

    #[test]
    fn programs_with_anothers_rights_are_a_warning() {
        let finding = only(Image::new("linux/amd64").own("app/su", 0o4755, Thing::Unread(1)));
        assert_eq!((finding.code, finding.severity), (Code::Setuid, Severity::Warning));
        assert_eq!(finding.message, "runs with the rights of its owner or group");
        assert_eq!(finding.expected.as_deref(), Some("mode 0755"));
        assert_eq!(finding.found.as_deref(), Some("/app/su has mode 4755"));
        let two = Image::new("linux/amd64")
            .own("a", 0o2755, Thing::Unread(1))
            .own("b", 0o4755, Thing::Unread(1));
        assert_eq!(
            only(two).message,
            "2 files run with the rights of their owner or group: /a, /b"
        );
    }

    #[test]
    fn links_directories_and_the_bases_files_do_not_count() {
        let image = Image::new("linux/amd64")
            .base("usr/bin/su", 0o4755, Thing::Unread(1))
            .base("usr/lib/x", 0o666, Thing::Unread(1))
            .own("app/x", 0o777, Thing::Link("/usr/bin/su"))
            .own("app/d", 0o2755, Thing::Directory)
            .own("app/y", 0o664, Thing::Unread(1));
        assert_eq!(image.found_by(modes), []);
    }
}
