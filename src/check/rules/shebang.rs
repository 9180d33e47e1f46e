//! The first line of scripts, followed as the kernel and `env` follow it (execve(2); Linux, fs/binfmt_script.c;
//! env(1)).

use super::failure::{Failure, Kind, elsewhere, found_instead};
use super::program::{Lookup, Obstacle, Program, Setting};
use crate::model::{EntryPath, base_name, escape};
use crate::tree::SHEBANG_BYTES;

/// Scripts whose `#!` names a script again: Linux follows five (fs/exec.c).
const MAX_SCRIPTS: usize = 5;

/// Longest part of a first line that a message shows.
const MAX_SHOWN_BYTES: usize = 120;

/// Folders of build machines. Paths below them are rarely meant for an image.
const BUILD_FOLDERS: &[&str] = &[
    "/Users/",
    "/build/",
    "/builds/",
    "/github/",
    "/home/",
    "/opt/hostedtoolcache/",
    "/private/",
    "/root/project/",
    "/tmp/",
    "/var/tmp/",
];

/// The program in a first line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Line<'a> {
    Program {
        interpreter: &'a [u8],
        argument: Option<&'a [u8]>,
    },
    /// The kernel refuses it.
    Refused(&'static str),
}

/// A script that does not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    /// The script.
    pub(super) script: EntryPath,
    /// The program in its first line, as written.
    pub(super) program: Vec<u8>,
    pub(super) reason: Reason,
}

/// Why a script does not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason {
    /// The program does not exist, or is in no directory of PATH.
    Missing(Obstacle),
    /// The program is there and cannot be executed.
    NotExecutable(Obstacle),
    /// The line ends as Windows writes lines, and the carriage return became part of the name.
    WindowsLineEnd,
    /// `env` uses all of the text after it as one name.
    OneName,
    /// The kernel does not accept it as a first line.
    Refused(&'static str),
}

/// Takes a first line apart as the kernel does: `#!`, blanks, the interpreter, and all the rest as one argument.
fn parse(line: &[u8]) -> Line<'_> {
    let limit = usize::try_from(SHEBANG_BYTES).unwrap_or(usize::MAX);
    let (line, is_cut) = if line.len() >= limit {
        (&line[..limit - 1], true)
    } else {
        (line, false)
    };
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let text = line.strip_prefix(b"#!").unwrap_or_default();
    let start = text.iter().position(|byte| !is_blank(byte)).unwrap_or(text.len());
    let text = &text[start..];
    let end = text.iter().position(|byte| is_blank(byte) || *byte == 0);
    if is_cut && end.is_none() {
        return Line::Refused("its first line is longer than the 256 bytes that the kernel reads");
    }
    let (interpreter, rest) = text.split_at(end.unwrap_or(text.len()));
    if interpreter.is_empty() {
        return Line::Refused("its #! line names no program");
    }
    let rest = rest.split(|byte| *byte == 0).next().unwrap_or_default();
    let start = rest.iter().position(|byte| !is_blank(byte)).unwrap_or(rest.len());
    let end = rest
        .iter()
        .rposition(|byte| !is_blank(byte))
        .map_or(start, |last| last + 1);
    let argument = Some(&rest[start..end]).filter(|argument| !argument.is_empty());
    Line::Program { interpreter, argument }
}

/// The program that `env` starts for its one argument in a first line.
enum EnvProgram<'a> {
    Name(&'a [u8]),
    OneName(&'a [u8]),
    Unknown,
}

fn env_program(argument: &[u8]) -> EnvProgram<'_> {
    let split = [&b"-S"[..], b"-vS", b"-iS", b"--split-string="]
        .iter()
        .find_map(|option| argument.strip_prefix(*option));
    let has_blank = argument.contains(&b' ') || argument.contains(&b'\t');
    match split {
        Some(rest) => {
            let mut words = rest
                .split(|byte| matches!(byte, b' ' | b'\t'))
                .filter(|word| !word.is_empty());
            let is_plain = |word: &&[u8]| !word.starts_with(b"-") && !word.iter().any(|byte| b"='\"$\\".contains(byte));
            words
                .next()
                .filter(is_plain)
                .map_or(EnvProgram::Unknown, EnvProgram::Name)
        }
        None if argument.starts_with(b"-") || argument.contains(&b'=') => EnvProgram::Unknown,
        None if has_blank => EnvProgram::OneName(argument),
        None => EnvProgram::Name(argument),
    }
}

/// Returns the name of the program that a first line names: `node` for `#!/usr/bin/env node`.
pub(super) fn interpreter_name(line: &[u8]) -> Option<&str> {
    let Line::Program { interpreter, argument } = parse(line) else {
        return None;
    };
    let is_env = base_name(interpreter) == b"env";
    let program = match argument.filter(|_| is_env).map(env_program) {
        None => interpreter,
        Some(EnvProgram::Name(program)) => program,
        Some(EnvProgram::OneName(_) | EnvProgram::Unknown) => return None,
    };
    std::str::from_utf8(base_name(program)).ok()
}

/// Follows the `#!` of an executable file, and of the scripts that it refers to. Returns `None` if it is not a script,
/// if it starts, or if that is not known.
pub(super) fn broken(setting: &Setting<'_>, script: &EntryPath) -> Option<Broken> {
    let mut at = script.clone();
    for _ in 0..=MAX_SCRIPTS {
        let line = setting.subject.shebang(&at)?;
        match follow(setting, line) {
            Followed::To(program) => at = program.at,
            Followed::Unknown => return None,
            Followed::Broken(program, reason) => {
                return Some(Broken {
                    script: at,
                    program,
                    reason,
                });
            }
        }
    }
    let reason = Reason::Refused("its #! line leads through more scripts than the kernel follows");
    setting.subject.shebang(&at).map(|_| Broken {
        script: script.clone(),
        program: Vec::new(),
        reason,
    })
}

/// Returns the program that finally runs a script, links and scripts on the way followed. `None` if it is not a script,
/// or if that cannot be known.
pub(super) fn interpreter(setting: &Setting<'_>, script: &EntryPath) -> Option<Program> {
    let mut found: Option<Program> = None;
    for _ in 0..=MAX_SCRIPTS {
        let at = found.as_ref().map_or(script, |program| &program.at);
        let Some(line) = setting.subject.shebang(at) else {
            return found;
        };
        match follow(setting, line) {
            Followed::To(program) => found = Some(program),
            Followed::Unknown | Followed::Broken(..) => return None,
        }
    }
    None
}

enum Followed {
    To(Program),
    Unknown,
    Broken(Vec<u8>, Reason),
}

fn follow(setting: &Setting<'_>, line: &[u8]) -> Followed {
    let (interpreter, argument) = match parse(line) {
        Line::Program { interpreter, argument } => (interpreter, argument),
        Line::Refused(reason) => return Followed::Broken(Vec::new(), Reason::Refused(reason)),
    };
    // An interpreter without a slash is relative, too: the kernel knows no PATH.
    let named = if interpreter.contains(&b'/') {
        interpreter.to_vec()
    } else {
        [&b"./"[..], interpreter].concat()
    };
    let program = match look_up(setting, &named, interpreter) {
        Followed::To(program) => program,
        other => return other,
    };
    let is_env = base_name(interpreter) == b"env";
    match argument.filter(|_| is_env).map(env_program) {
        None => Followed::To(program),
        Some(EnvProgram::Unknown) => Followed::Unknown,
        Some(EnvProgram::Name(name)) => look_up(setting, name, name),
        Some(EnvProgram::OneName(name)) => {
            if name.ends_with(b"\r") && !name.contains(&b' ') {
                Followed::Broken(name.to_vec(), Reason::WindowsLineEnd)
            } else {
                Followed::Broken(name.to_vec(), Reason::OneName)
            }
        }
    }
}

fn look_up(setting: &Setting<'_>, name: &[u8], written: &[u8]) -> Followed {
    match setting.look_up(name) {
        Lookup::Found(program) => Followed::To(program),
        Lookup::Unknown => match gone_with_its_build(setting, name) {
            Some(at) => Followed::Broken(written.to_vec(), Reason::Missing(Obstacle::Missing(at))),
            None => Followed::Unknown,
        },
        Lookup::Failed(_) if written.ends_with(b"\r") => Followed::Broken(written.to_vec(), Reason::WindowsLineEnd),
        Lookup::Failed(obstacle @ (Obstacle::NotOnPath | Obstacle::Missing(_))) => {
            Followed::Broken(written.to_vec(), Reason::Missing(obstacle))
        }
        Lookup::Failed(obstacle) => Followed::Broken(written.to_vec(), Reason::NotExecutable(obstacle)),
    }
}

/// A program below `/tmp` that is not in the image: nothing brings an interpreter there when a container starts, unless
/// it is a volume.
fn gone_with_its_build(setting: &Setting<'_>, name: &[u8]) -> Option<EntryPath> {
    let at = setting
        .place(name)
        .filter(|_| name.starts_with(b"/tmp/") || name.starts_with(b"/var/tmp/"))?;
    let is_in_volume = setting.volumes.iter().any(|volume| at.starts_with(volume));
    (!is_in_volume && !setting.subject.exists(&at)).then_some(at)
}

/// Returns `true` for a path that looks as if it came from the machine that built the script.
pub(super) fn is_build_path(program: &[u8]) -> bool {
    BUILD_FOLDERS
        .iter()
        .any(|folder| program.starts_with(folder.as_bytes()))
}

impl Broken {
    /// Returns the problem, as a clause: `its #! line names …`.
    pub(super) fn clause(&self) -> String {
        let program = self.shown_program();
        match &self.reason {
            Reason::Missing(Obstacle::NotOnPath) => {
                format!("its #! line makes env run {program}, which is not on PATH")
            }
            Reason::Missing(_) if is_build_path(&self.program) => {
                format!("its #! line names {program}, a path of the machine that built it")
            }
            Reason::Missing(_) => format!("its #! line names {program}, which is not in the image"),
            Reason::NotExecutable(_) => format!("its #! line names {program}, which is not executable"),
            Reason::WindowsLineEnd => "its #! line ends with a carriage return (Windows line ending)".to_owned(),
            Reason::OneName => format!("its #! line makes env look for one program named \"{program}\""),
            Reason::Refused(reason) => format!("the kernel rejects it: {reason}"),
        }
    }

    /// Returns the expected value and the value that was found.
    pub(super) fn evidence(&self, setting: &Setting<'_>) -> (String, String) {
        let program = self.shown_program();
        let line = setting.subject.shebang(&self.script).unwrap_or_default();
        let shown_line = escape(&line[..line.len().min(MAX_SHOWN_BYTES)]);
        match &self.reason {
            Reason::Missing(Obstacle::Missing(at)) => (program, found_instead(setting.subject, at)),
            Reason::Missing(_) => (format!("{program} in {}", setting.path_text()), "nothing".to_owned()),
            Reason::NotExecutable(obstacle) => {
                let failure = setting.failure(&self.program, obstacle.clone());
                (failure.expected, failure.found)
            }
            _ => ("the path of a program after #!".to_owned(), shown_line),
        }
    }

    /// Returns how to fix it.
    pub(super) fn help(&self, setting: &Setting<'_>) -> String {
        let name = base_name(&self.program);
        match &self.reason {
            Reason::WindowsLineEnd => "save the file with Unix line endings (LF)".to_owned(),
            Reason::OneName => "use `#!/usr/bin/env -S` if arguments follow the program".to_owned(),
            Reason::Refused(_) => "start the file with `#!` and the absolute path of a program".to_owned(),
            Reason::NotExecutable(obstacle) => setting.failure(&self.program, obstacle.clone()).help,
            Reason::Missing(_) => match &elsewhere(setting.subject, name, true)[..] {
                [first, ..] => format!("use `#!{first}`, or build the script at its path in the image"),
                [] => format!(
                    "pack {}, use a base image that contains it, or name another program after #!",
                    escape(name)
                ),
            },
        }
    }

    /// Returns the failure of a script that the image starts.
    pub(super) fn failure(&self, setting: &Setting<'_>) -> Failure {
        let (expected, found) = self.evidence(setting);
        let message = format!("starts this script, but {}", self.clause());
        let help = self.help(setting);
        Failure {
            kind: Kind::Shebang,
            path: self.script.clone(),
            message,
            expected,
            found,
            help,
        }
    }

    fn shown_program(&self) -> String {
        escape(&self.program)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::testing::{Image, Thing, path};

    fn program(interpreter: &'static str, argument: Option<&'static str>) -> Line<'static> {
        Line::Program {
            interpreter: interpreter.as_bytes(),
            argument: argument.map(str::as_bytes),
        }
    }

    #[test]
    fn first_lines_are_taken_apart_as_the_kernel_does() {
        assert_eq!(parse(b"#!/bin/sh"), program("/bin/sh", None));
        assert_eq!(parse(b"#! \t/bin/sh  -e -u \t"), program("/bin/sh", Some("-e -u")));
        assert_eq!(
            parse(b"#!/usr/bin/env python3 -u"),
            program("/usr/bin/env", Some("python3 -u"))
        );
        assert_eq!(parse(b"#!/bin/sh\r"), program("/bin/sh\r", None));
        assert!(matches!(parse(b"#!  "), Line::Refused(_)));
        assert!(matches!(
            parse(format!("#!/{}", "a".repeat(254)).as_bytes()),
            Line::Refused(_)
        ));
        let cut = format!("#!/bin/sh {}", "a".repeat(300));
        assert!(matches!(
            parse(cut.as_bytes()),
            Line::Program {
                interpreter: b"/bin/sh",
                ..
            }
        ));
    }

    fn outcome(first_line: &str) -> Option<String> {
        let subject = Image::new("linux/amd64")
            .config(json!({ "WorkingDir": "/app" }))
            .base("usr/bin/env", 0o755, Thing::Unread(1))
            .base("usr/bin/python3", 0o755, Thing::Unread(1))
            .base("opt/bin/ruby", 0o755, Thing::Unread(1))
            .base("usr/bin/plain", 0o644, Thing::Unread(1))
            .own("app/wrapper", 0o755, Thing::Text("#!/usr/bin/gone\n".to_owned()))
            .own("app/loop", 0o755, Thing::Text("#!/app/loop\n".to_owned()))
            .own("app/run", 0o755, Thing::Text(format!("{first_line}\ncode\n")))
            .subject();
        let setting = Setting::of(&subject);
        broken(&setting, &path("app/run")).map(|broken| format!("{} {}", broken.script, broken.clause()))
    }

    #[test]
    fn scripts_that_start_are_passed_over() {
        for line in [
            "#!/usr/bin/python3",
            "#!../usr/bin/python3 -u",
            "#!/usr/bin/env python3",
            "#!/usr/bin/env -S python3 -u",
            "#!/usr/bin/env -S VAR=x gone",
            "#!/usr/bin/env -i gone",
            "#!/usr/bin/env -S -i gone",
            "#!/proc/self/exe",
            "no script",
        ] {
            assert_eq!(outcome(line), None, "{line}");
        }
    }

    #[test]
    fn scripts_that_do_not_start_are_told() {
        for (line, expected) in [
            (
                "#!/usr/bin/perl",
                "/app/run its #! line names /usr/bin/perl, which is not in the image",
            ),
            (
                "#!python3",
                "/app/run its #! line names python3, which is not in the image",
            ),
            (
                "#!/usr/bin/env ruby",
                "/app/run its #! line makes env run ruby, which is not on PATH",
            ),
            (
                "#!/usr/bin/env -S ruby -w",
                "/app/run its #! line makes env run ruby, which is not on PATH",
            ),
            (
                "#!/usr/bin/env python3 -u",
                "/app/run its #! line makes env look for one program named \"python3 -u\"",
            ),
            (
                "#!/tmp/build/venv/bin/python",
                "/app/run its #! line names /tmp/build/venv/bin/python, a path of the machine that built it",
            ),
            (
                "#!/home/ci/venv/bin/python",
                "/app/run its #! line names /home/ci/venv/bin/python, a path of the machine that built it",
            ),
            (
                "#!/usr/bin/plain",
                "/app/run its #! line names /usr/bin/plain, which is not executable",
            ),
            (
                "#!/usr/bin/python3\r",
                "/app/run its #! line ends with a carriage return (Windows line ending)",
            ),
            (
                "#!/usr/bin/env python3\r",
                "/app/run its #! line ends with a carriage return (Windows line ending)",
            ),
            (
                "#!/app/wrapper",
                "/app/wrapper its #! line names /usr/bin/gone, which is not in the image",
            ),
            ("#!", "/app/run the kernel rejects it: its #! line names no program"),
            (
                "#!/app/loop",
                "/app/run the kernel rejects it: its #! line leads through more scripts than the kernel follows",
            ),
        ] {
            assert_eq!(outcome(line).as_deref(), Some(expected), "{line}");
        }
    }
}
