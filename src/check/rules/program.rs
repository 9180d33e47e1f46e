//! Looks programs up in an image as a runtime does inside the container: names with a slash from the working directory,
//! others through PATH, the first executable file wins (execvp(3); Go's `exec.LookPath`, which runc calls).

use std::collections::BTreeSet;

use super::failure::{Failure, Kind, elsewhere, found_instead, listed};
use super::identity::Identity;
use crate::check::subject::Subject;
use crate::model::{EntryPath, escape};
use crate::tree::{Node, NodeKind};

/// The search path if the image does not set one, as in docker, podman and containerd.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Directories that the runtime fills. Their content is not known.
const VOLATILE: &[&[u8]] = &[b"dev", b"proc", b"run", b"sys", b"tmp", b"var/run"];

/// Most directories of PATH: with more, nothing is known. Real ones have less than twenty.
const MAX_FOLDERS: usize = 256;

/// The environment in which a program is started.
#[derive(Debug, Clone)]
pub(super) struct Setting<'a> {
    pub(super) subject: &'a Subject,
    /// The directories of PATH, as they are written; `None` if they are not known.
    pub(super) folders: Option<Vec<Vec<u8>>>,
    /// The working directory, links not followed.
    pub(super) workdir: EntryPath,
    /// Who starts it; `None` if that is not known.
    pub(super) user: Option<Identity>,
    /// `true` for the health check, whose help is another.
    pub(super) is_healthcheck: bool,
    /// The paths of the volumes, after following links: anything may be mounted there.
    pub(super) volumes: BTreeSet<EntryPath>,
}

/// A program that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    /// The path that leads to it.
    pub(super) named: EntryPath,
    /// The path of the file, links followed.
    pub(super) at: EntryPath,
}

/// The result of looking up a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lookup {
    Found(Program),
    /// It cannot be known: a directory that is filled at run time, a search path of a script's own.
    Unknown,
    Failed(Obstacle),
}

/// Why a name leads to no program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// In no directory of PATH.
    NotOnPath,
    /// Nothing is at the path, or a directory.
    Missing(EntryPath),
    /// A file without the bit that this user needs.
    NotExecutable(EntryPath),
    /// A directory on the way that this user may not search.
    Closed { at: EntryPath, directory: EntryPath },
}

/// The entry at the target of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    File,
    Directory,
    Nothing,
    /// A device, or something below a directory that is filled at run time.
    Unknown,
}

impl<'a> Setting<'a> {
    /// Returns the setting of the image's own process.
    pub(super) fn of(subject: &'a Subject) -> Self {
        let path = subject.execution.variable("PATH").unwrap_or(DEFAULT_PATH);
        // Runtimes treat an empty search path differently.
        let folders: Vec<Vec<u8>> = path
            .split(':')
            .take(MAX_FOLDERS + 1)
            .map(|folder| folder.as_bytes().to_vec())
            .collect();
        let folders = Some(folders).filter(|folders| !path.is_empty() && folders.len() <= MAX_FOLDERS);
        let workdir = subject.execution.workdir.as_deref().unwrap_or_default();
        let workdir = place(subject, &EntryPath::root(), workdir.as_bytes()).unwrap_or_default();
        let resolved = |path: &String| {
            subject
                .resolve(&place(subject, &EntryPath::root(), path.as_bytes())?)
                .ok()
        };
        let volumes = subject.execution.volumes.iter().filter_map(resolved).collect();
        Self {
            subject,
            folders,
            workdir,
            user: Identity::of(subject),
            is_healthcheck: false,
            volumes,
        }
    }

    /// Returns the path of a word of the command line, from the working directory. The last component is not followed.
    /// `None` for a path that no system would accept.
    pub(super) fn place(&self, path: &[u8]) -> Option<EntryPath> {
        place(self.subject, &self.workdir, path)
    }

    /// Returns the entry at the target of a path, following links.
    pub(super) fn standing(&self, path: &EntryPath) -> Standing {
        let Ok(at) = self.subject.resolve(path) else {
            return Standing::Nothing;
        };
        match self.subject.node(&at).map(|node| &node.kind) {
            Some(NodeKind::File { .. }) => Standing::File,
            Some(NodeKind::Directory) => Standing::Directory,
            Some(NodeKind::Special | NodeKind::Symlink { .. }) => Standing::Unknown,
            None if self.subject.exists(&at) => Standing::Directory,
            None if self.is_volatile(&at) => Standing::Unknown,
            None => Standing::Nothing,
        }
    }

    /// Looks up a program by its name.
    pub(super) fn look_up(&self, name: &[u8]) -> Lookup {
        if name.is_empty() {
            return Lookup::Unknown;
        }
        if name.contains(&b'/') {
            return self.place(name).map_or(Lookup::Unknown, |at| self.inspect(at));
        }
        let Some(folders) = &self.folders else {
            return Lookup::Unknown;
        };
        let mut refused = None;
        let mut is_known = true;
        for folder in folders {
            let Some(at) = self
                .place(&[folder, &b"/"[..], name].concat())
                .filter(|_| !folder.is_empty())
            else {
                is_known = false;
                continue;
            };
            match self.inspect(at) {
                Lookup::Found(program) => return Lookup::Found(program),
                Lookup::Unknown => is_known = false,
                Lookup::Failed(Obstacle::Missing(at)) if !self.is_dangling(&at) => {}
                Lookup::Failed(obstacle) => _ = refused.get_or_insert(obstacle),
            }
        }
        if is_known {
            Lookup::Failed(refused.unwrap_or(Obstacle::NotOnPath))
        } else {
            Lookup::Unknown
        }
    }

    fn inspect(&self, named: EntryPath) -> Lookup {
        match self.standing(&named) {
            Standing::File => {}
            Standing::Unknown => return Lookup::Unknown,
            Standing::Directory | Standing::Nothing => return Lookup::Failed(Obstacle::Missing(named)),
        }
        let Some((at, node)) = self.subject.find(&named) else {
            return Lookup::Unknown;
        };
        if !self.may_execute(node) {
            return Lookup::Failed(Obstacle::NotExecutable(at));
        }
        let closed = self
            .user
            .as_ref()
            .and_then(|user| user.closed_directory(self.subject, &at));
        match closed {
            Some(directory) => Lookup::Failed(Obstacle::Closed { at, directory }),
            None => Lookup::Found(Program { named, at }),
        }
    }

    fn may_execute(&self, node: &Node) -> bool {
        self.user
            .as_ref()
            .map_or(node.mode & 0o111 != 0, |user| user.may_execute(node))
    }

    fn is_dangling(&self, path: &EntryPath) -> bool {
        matches!(
            self.subject.node(path).map(|node| &node.kind),
            Some(NodeKind::Symlink { .. })
        )
    }

    /// Returns `true` below a directory that the runtime fills, or that is a volume, into which anything may be
    /// mounted.
    fn is_volatile(&self, path: &EntryPath) -> bool {
        let mut at = Some(path.clone());
        while let Some(folder) = at {
            if VOLATILE.contains(&folder.as_bytes()) || self.volumes.contains(&folder) {
                return true;
            }
            at = folder.parent();
        }
        false
    }

    /// Returns PATH as text.
    pub(super) fn path_text(&self) -> String {
        escape(&self.folders.as_deref().unwrap_or_default().join(&b':'))
    }

    /// Returns the failure for a program that cannot be started.
    pub(super) fn failure(&self, name: &[u8], obstacle: Obstacle) -> Failure {
        match obstacle {
            Obstacle::NotOnPath => self.not_on_path(name),
            Obstacle::Missing(at) => self.missing(name, at),
            Obstacle::NotExecutable(at) => self.not_executable(at),
            Obstacle::Closed { at, directory } => Failure {
                kind: Kind::NotExecutable,
                message: "starts this program, but its user cannot access it".to_owned(),
                expected: format!("search permission on {directory} for {}", self.user_text()),
                found: self.mode_text(&directory),
                help: format!("move it out of {directory}, or give the image's user search permission on it"),
                path: at,
            },
        }
    }

    fn not_on_path(&self, name: &[u8]) -> Failure {
        let shown = escape(name);
        let in_base = self.subject.base_help(&shown);
        let places = elsewhere(self.subject, name, true);
        let (found, help) = match (&places[..], self.is_healthcheck) {
            ([], true) => (
                "nothing".to_owned(),
                format!("{in_base}, or use a health check that runs a program of the image"),
            ),
            ([], false) => (
                "nothing".to_owned(),
                format!(
                    "pack {shown} into a directory on PATH, or {}",
                    self.subject.base_help("it")
                ),
            ),
            ([first, ..], _) => (
                format!("{}, outside of PATH", listed(&places)),
                format!("use the path {first}, or add its directory to PATH in `env`"),
            ),
        };
        Failure {
            kind: Kind::Missing,
            path: EntryPath::root(),
            message: format!("starts \"{shown}\", which is not on PATH"),
            expected: format!("an executable file {shown} in {}", self.path_text()),
            found,
            help,
        }
    }

    fn missing(&self, name: &[u8], at: EntryPath) -> Failure {
        let found = found_instead(self.subject, &at);
        let places = elsewhere(self.subject, at.as_bytes(), true);
        let help = match (&places[..], self.is_healthcheck) {
            _ if found == "a directory" => "use a program in that directory".to_owned(),
            ([], true) => "use a health check that runs a program of the image".to_owned(),
            ([], false) => "pack it at this path, or use a program that the image contains".to_owned(),
            (places, _) => {
                format!(
                    "a file of this name is at {}: use that path, or pack it at this one",
                    listed(places)
                )
            }
        };
        let what = if name.contains(&b'/') {
            "this program".to_owned()
        } else {
            format!("\"{}\"", escape(name))
        };
        Failure {
            kind: Kind::Missing,
            message: format!("starts {what}, which is not in the image"),
            expected: "an executable file".to_owned(),
            found,
            help,
            path: at,
        }
    }

    fn not_executable(&self, at: EntryPath) -> Failure {
        let is_own = self.subject.own().contains_key(&at);
        let name = escape(at.file_name());
        Failure {
            kind: Kind::NotExecutable,
            message: "starts this file, which is not executable".to_owned(),
            expected: format!("execute permission for {}", self.user_text()),
            found: self.mode_text(&at),
            help: if is_own {
                format!(
                    "set `executable = [\"{name}\"]` or `mode` in its `files` entry, or `keep-modes` for an archive"
                )
            } else {
                "change its mode in the base image, or start another program".to_owned()
            },
            path: at,
        }
    }

    fn user_text(&self) -> String {
        self.user.as_ref().map_or("the image's user".to_owned(), |user| {
            format!("user {}:{}", user.uid, user.gid)
        })
    }

    fn mode_text(&self, at: &EntryPath) -> String {
        let node = self.subject.node(at);
        node.map_or(String::new(), |node| {
            format!("mode {:04o}, owner {}:{}", node.mode, node.uid, node.gid)
        })
    }
}

/// Resolves a path relative to a directory. `..` is the parent of the resolved path so far, as on the system. The last
/// component is not followed.
pub(super) fn place(subject: &Subject, from: &EntryPath, path: &[u8]) -> Option<EntryPath> {
    let mut at = if path.first() == Some(&b'/') {
        EntryPath::root()
    } else {
        from.clone()
    };
    for component in path.split(|byte| *byte == b'/') {
        at = match component {
            b".." => subject.resolve(&at).ok()?.parent().unwrap_or_default(),
            _ => at.join(component).ok()?,
        };
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::testing::{Image, Thing};

    fn image() -> Image {
        Image::new("linux/amd64")
            .base("usr/bin/node", 0o755, Thing::Unread(1))
            .base("bin", 0o777, Thing::Link("usr/bin"))
            .own("usr/local/bin/node", 0o644, Thing::Unread(1))
            .own("usr/local/bin/app", 0o777, Thing::Link("../../../opt/app/run"))
            .own("opt/app/run", 0o755, Thing::Unread(1))
            .own("opt/link", 0o777, Thing::Link("/usr/bin"))
            .own("root/tool", 0o755, Thing::Unread(1))
            .own("root", 0o700, Thing::Directory)
    }

    fn shown(subject: &Subject, name: &str) -> String {
        match Setting::of(subject).look_up(name.as_bytes()) {
            Lookup::Found(program) => format!("{} {}", program.named, program.at),
            Lookup::Unknown => "unknown".to_owned(),
            Lookup::Failed(obstacle) => format!("{obstacle:?}").split(['(', ' ']).next().unwrap().to_owned(),
        }
    }

    #[test]
    fn names_are_looked_up_as_execvp_does() {
        let config = json!({ "WorkingDir": "/opt/app", "Volumes": { "/data": {} } });
        let subject = image().config(config).subject();
        for (name, expected) in [
            ("node", "/usr/bin/node /usr/bin/node"),
            ("app", "/usr/local/bin/app /opt/app/run"),
            ("./run", "/opt/app/run /opt/app/run"),
            ("../app/run", "/opt/app/run /opt/app/run"),
            ("../link/../bin/node", "/usr/bin/node /usr/bin/node"),
            ("/bin/node", "/bin/node /usr/bin/node"),
            ("/usr/local/bin/node", "NotExecutable"),
            ("run", "NotOnPath"),
            ("/opt/app", "Missing"),
            ("/opt/x", "Missing"),
            ("/data/x", "unknown"),
            ("/proc/self/exe", "unknown"),
            ("", "unknown"),
        ] {
            assert_eq!(shown(&subject, name), expected, "{name}");
        }
    }

    #[test]
    fn the_search_path_and_the_user_count() {
        let with = |config| image().config(config).subject();
        assert_eq!(
            shown(&with(json!({ "Env": ["PATH=/opt/app"] })), "run"),
            "/opt/app/run /opt/app/run"
        );
        assert_eq!(
            shown(&with(json!({ "Env": ["PATH=opt/app"] })), "run"),
            "/opt/app/run /opt/app/run"
        );
        assert_eq!(shown(&with(json!({ "Env": ["PATH="] })), "run"), "unknown");
        assert_eq!(shown(&with(json!({ "Env": ["PATH=/opt/app:"] })), "node"), "unknown");
        assert_eq!(
            shown(&with(json!({ "Env": ["PATH=/usr/local/bin"] })), "node"),
            "NotExecutable"
        );
        assert_eq!(shown(&with(json!({ "User": "1000" })), "/root/tool"), "Closed");
        assert_eq!(
            shown(&with(json!({ "User": "0" })), "/root/tool"),
            "/root/tool /root/tool"
        );
    }
}
