//! Checks the programs that the image starts, and its health check. The command line is followed to the file that must
//! exist, through PATH, links, `#!`, shells, wrappers, and interpreters with their scripts.

mod shell_argument;
mod start;

use std::collections::BTreeSet;

use self::shell_argument::inside_shell;
use self::start::{Start, behind_script};
pub(super) use self::start::{Trail, Visit};
use super::failure::{Failure, Kind};
use super::node::package_command;
use super::program::{Lookup, Obstacle, Program, Setting};
use super::scripts::check_script;
use super::shebang;
use super::shell::{SHELLS, first_command};
use super::wrappers::wrapped;
use crate::check::rules::rule::{ReadPart, Rule, read_all};
use crate::check::{Code, Evidence, Finding, Interest, Subject};
use crate::model::EntryPath;

/// Greatest number of programs that start one another on one command line. Each consumes a word, so it is never
/// reached.
const MAX_PROGRAMS: usize = 64;

/// Programs that a busybox may have inside without a link for them, and that health checks and entrypoints use.
const APPLETS: &[&str] = &[
    "arping",
    "awk",
    "basename",
    "cat",
    "chmod",
    "chown",
    "cp",
    "crond",
    "cut",
    "date",
    "dd",
    "df",
    "dirname",
    "du",
    "egrep",
    "env",
    "expr",
    "find",
    "flock",
    "free",
    "ftpget",
    "grep",
    "head",
    "hostname",
    "httpd",
    "id",
    "install",
    "ip",
    "killall",
    "less",
    "ln",
    "logger",
    "ls",
    "md5sum",
    "mkdir",
    "mkfifo",
    "mktemp",
    "mv",
    "nc",
    "netstat",
    "nice",
    "nohup",
    "nproc",
    "nslookup",
    "pgrep",
    "pidof",
    "ping",
    "pkill",
    "ps",
    "rm",
    "sed",
    "seq",
    "setsid",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "su",
    "tail",
    "tar",
    "tee",
    "telnet",
    "timeout",
    "top",
    "touch",
    "tr",
    "uname",
    "uniq",
    "unzip",
    "wc",
    "wget",
    "which",
    "whoami",
    "xargs",
    "yes",
];

/// Beginnings of Mach-O files, of either width.
const MACH_O: &[&[u8]] = &[b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe"];

/// Beginning of Mach-O files for several processors, whose count follows; and of Java's classes, whose version, 45 at
/// the least, follows.
const MACH_O_FAT: &[u8] = b"\xca\xfe\xba\xbe\0\0\0";
const MAX_MACH_O_PARTS: u8 = 20;

/// Which command of the config it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Entrypoint,
    Cmd,
    Healthcheck,
}

impl Role {
    fn noun(self) -> &'static str {
        match self {
            Self::Entrypoint => "the entrypoint",
            Self::Cmd => "the command",
            Self::Healthcheck => "the health check",
        }
    }

    fn code(self, kind: Kind) -> Code {
        match (self, kind) {
            (Self::Healthcheck, _) => Code::HealthcheckMissing,
            (_, Kind::Missing) => Code::EntrypointMissing,
            (_, Kind::NotExecutable) => Code::EntrypointNotExecutable,
            (_, Kind::Shebang) => Code::ShebangMissing,
        }
    }
}

/// The rule of [`commands`].
pub(super) const RULE: Rule = Rule::new(
    &[
        Code::EntrypointMissing,
        Code::EntrypointNotExecutable,
        Code::HealthcheckMissing,
        Code::ShebangMissing,
    ],
    commands,
)
.reading(|_, mode| Interest::of_program(mode))
.following(scripts);

/// Reads the scripts that the start runs.
fn scripts(subject: &Subject, read: &mut ReadPart<'_>) {
    read_all(trail(subject).unread.into_iter().map(|at| (at, Interest::Whole)), read);
}

/// Finds commands that cannot start: `entrypoint-missing`, `entrypoint-not-executable`, `shebang-missing`,
/// `healthcheck-missing`.
fn commands(subject: &Subject, findings: &mut Vec<Finding>) {
    for (role, failure) in failures(subject) {
        let message = format!("{} {}", role.noun(), failure.message);
        let finding = subject.finding(role.code(failure.kind), failure.path, message, failure.help);
        findings.push(finding.evidence(failure.expected, failure.found));
    }
}

/// Returns the scripts that a finding of [`commands`] already names for their `#!`.
pub(super) fn named_scripts(subject: &Subject) -> BTreeSet<EntryPath> {
    let scripts = failures(subject)
        .into_iter()
        .filter(|(_, failure)| failure.kind == Kind::Shebang);
    scripts.map(|(_, failure)| failure.path).collect()
}

/// Returns the programs that the image starts, in order, without the health check.
pub(super) fn trail(subject: &Subject) -> Trail<'_> {
    let mut trail = Trail::default();
    if subject.platform.os == "linux" {
        // A failure ends the chain, and has a separate finding.
        let _ended = start(&Setting::of(subject), &mut trail);
    }
    trail
}

fn start<'a>(setting: &Setting<'a>, trail: &mut Trail<'a>) -> Result<(), (Role, Box<Failure>)> {
    let execution = &setting.subject.execution;
    match (&execution.entrypoint[..], &execution.cmd[..]) {
        ([], cmd) => follow(setting.clone(), cmd.to_vec(), trail).map_err(|failure| (Role::Cmd, failure)),
        (entrypoint, cmd) => start_with_arguments(setting, entrypoint, cmd, trail),
    }
}

fn failures(subject: &Subject) -> Vec<(Role, Failure)> {
    if subject.platform.os != "linux" {
        return Vec::new();
    }
    let execution = &subject.execution;
    let setting = Setting::of(subject);
    let start = start(&setting, &mut Trail::default());
    let setting = Setting {
        is_healthcheck: true,
        ..setting
    };
    let trail = &mut Trail::default();
    let health = match execution.healthcheck.split_first() {
        Some((kind, command)) if kind == "CMD" => follow(setting, command.to_vec(), trail),
        Some((kind, text)) if kind == "CMD-SHELL" => follow(setting, [&execution.shell[..], text].concat(), trail),
        _ => Ok(()),
    };
    let health = health.map_err(|failure| (Role::Healthcheck, failure));
    [start, health]
        .into_iter()
        .filter_map(Result::err)
        .map(|(role, failure)| (role, *failure))
        .collect()
}

/// Starts an entrypoint with `Cmd` as arguments. What a script does with them is known if its last line shows it, and
/// for the entrypoint of Node's official images, which starts a command unchanged.
fn start_with_arguments<'a>(
    setting: &Setting<'a>,
    entrypoint: &[String],
    cmd: &[String],
    trail: &mut Trail<'a>,
) -> Result<(), (Role, Box<Failure>)> {
    follow(setting.clone(), [entrypoint, cmd].concat(), trail).map_err(|failure| (Role::Entrypoint, failure))?;
    let [name] = entrypoint else { return Ok(()) };
    let Lookup::Found(program) = setting.look_up(name.as_bytes()) else {
        return Ok(());
    };
    let is_nodes_own = program.at.file_name() == b"docker-entrypoint.sh"
        && !setting.subject.own().contains_key(&program.at)
        && cmd
            .first()
            .is_some_and(|name| matches!(&**name, "node" | "npm" | "pnpm" | "yarn"));
    if !is_nodes_own || !matches!(setting.look_up(cmd[0].as_bytes()), Lookup::Found(_)) {
        return Ok(());
    }
    follow(setting.clone(), cmd.to_vec(), trail).map_err(|failure| (Role::Cmd, failure))
}

/// Follows a command line to the last program that it certainly starts.
fn follow<'a>(setting: Setting<'a>, arguments: Vec<String>, trail: &mut Trail<'a>) -> Result<(), Box<Failure>> {
    let mut next = Some(Start {
        setting,
        arguments,
        is_direct: true,
        in_busybox: false,
        is_prepared: false,
    });
    for _ in 0..MAX_PROGRAMS {
        let Some(start) = next else { return Ok(()) };
        next = step(start, trail)?;
    }
    Ok(())
}

/// Checks one program, and returns the command that it starts.
fn step<'a>(start: Start<'a>, trail: &mut Trail<'a>) -> Result<Option<Start<'a>>, Box<Failure>> {
    let Start {
        setting,
        arguments,
        is_direct,
        in_busybox,
        is_prepared,
    } = start;
    let Some((name, rest)) = arguments.split_first() else {
        return Ok(None);
    };
    let program = match setting.look_up(name.as_bytes()) {
        Lookup::Found(program) => program,
        Lookup::Unknown => return Ok(None),
        Lookup::Failed(Obstacle::NotOnPath) if in_busybox && APPLETS.contains(&&**name) => return Ok(None),
        Lookup::Failed(obstacle) => return Err(Box::new(setting.failure(name.as_bytes(), obstacle))),
    };
    if let Some(broken) = shebang::broken(&setting, &program.at) {
        return Err(Box::new(broken.failure(&setting)));
    }
    if let Some(failure) = refused_by_the_kernel(&setting, &program).filter(|_| is_direct) {
        return Err(Box::new(failure));
    }
    check_script(&setting, &program, rest)?;
    let arguments = rest.to_vec();
    trail.visits.push(Visit {
        setting: setting.clone(),
        program: program.clone(),
        arguments,
        is_prepared,
    });
    let tool = String::from_utf8_lossy(program.named.file_name()).into_owned();
    if let Some((folder, text)) = package_command(&setting, &tool, rest) {
        return Ok(in_package(setting, folder, &text).map(|start| Start { is_prepared, ..start }));
    }
    if let Some(line) = setting.subject.shebang(&program.at) {
        let is_shell = shebang::interpreter_name(line).is_some_and(|name| SHELLS.contains(&name));
        return Ok(if is_shell {
            behind_script(setting, &program.at, rest, trail)
        } else {
            None
        });
    }
    if SHELLS.contains(&&*tool) {
        let next = inside_shell(setting, &program, &tool, rest, trail)?;
        return Ok(next.map(|next| Start {
            is_prepared: next.is_prepared || is_prepared,
            ..next
        }));
    }
    Ok(wrapped(&tool, rest).map(|wrapped| {
        let user = setting.user.clone().filter(|_| !wrapped.changes_user);
        let arguments = wrapped.arguments.to_vec();
        let setting = Setting { user, ..setting };
        Start {
            arguments,
            setting,
            is_direct: false,
            in_busybox: false,
            is_prepared,
        }
    }))
}

/// Returns the command that a script of `package.json` starts: its first one, with the programs of packages on PATH.
fn in_package<'a>(setting: Setting<'a>, folder: EntryPath, text: &str) -> Option<Start<'a>> {
    let first = first_command(text).filter(|first| first.is_decisive && first.folders.is_empty())?;
    let above = folder.ancestors();
    let stores = above.filter_map(|at| at.join(b"node_modules/.bin").ok());
    let stores = stores.map(|at| [&b"/"[..], at.as_bytes()].concat());
    let folders = setting.folders.clone().map(|folders| stores.chain(folders).collect());
    let setting = Setting {
        workdir: folder,
        folders,
        ..setting
    };
    Some(Start {
        setting,
        arguments: first.words,
        is_direct: false,
        in_busybox: true,
        is_prepared: false,
    })
}

/// A file that was read and is certainly neither a program nor a script: text, nothing, or a program of macOS.
fn refused_by_the_kernel(setting: &Setting<'_>, program: &Program) -> Option<Failure> {
    let own = setting.subject.own().get(&program.at)?;
    let (Evidence::Head(bytes) | Evidence::Whole(bytes)) = own.evidence() else {
        return None;
    };
    let without_mark = bytes.strip_prefix(b"\xef\xbb\xbf");
    let is_text = std::str::from_utf8(&bytes[..bytes.len().min(64)]).is_ok_and(|text| !text.contains('\0'));
    let (found, help) = if bytes.is_empty() {
        ("an empty file", "pack the program itself")
    } else if is_mach_o(bytes) {
        ("a macOS program", "build the program for Linux")
    } else if without_mark.is_some_and(|rest| rest.starts_with(b"#!")) {
        (
            "a byte order mark before #!",
            "write the file without a byte order mark",
        )
    } else if is_text && !bytes.starts_with(b"#!") {
        (
            "text without #!",
            "start the script with `#!` and its interpreter, or name the interpreter in the command",
        )
    } else {
        return None;
    };
    Some(Failure {
        kind: Kind::NotExecutable,
        path: program.at.clone(),
        message: "starts this file, but the kernel cannot execute it (exec format error)".to_owned(),
        expected: "an ELF program, or a script that starts with #!".to_owned(),
        found: found.to_owned(),
        help: help.to_owned(),
    })
}

fn is_mach_o(bytes: &[u8]) -> bool {
    let parts = bytes.strip_prefix(MACH_O_FAT).and_then(<[u8]>::first);
    MACH_O.iter().any(|start| bytes.starts_with(start)) || parts.is_some_and(|parts| *parts < MAX_MACH_O_PARTS)
}

#[cfg(test)]
mod tests;
