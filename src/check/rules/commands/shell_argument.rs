//! The script or the text that a shell on a command line is given.

use super::super::failure::Failure;
use super::super::program::{Program, Setting, Standing};
use super::super::script_failure::{missing_script, started_directory};
use super::super::shell::first_command;
use super::start::{Start, Trail, behind_script};

/// The input that a shell runs.
enum Told<'a> {
    /// A text, after `-c`.
    Text(&'a str),
    /// A script of that name.
    Script(&'a str),
}

/// Returns the options of a shell: whether it is a login or interactive shell, whose profile may set another PATH, and
/// its input. Returns `None` if that is not known.
fn told(arguments: &[String]) -> Option<(bool, Told<'_>)> {
    let mut rest = arguments.iter().map(String::as_str);
    let mut has_profile = false;
    let mut takes_text = false;
    let operand = loop {
        let word = rest.next()?;
        match word {
            "--" | "-" => break rest.next()?,
            "--login" => has_profile = true,
            "--norc" | "--noprofile" | "--posix" => {}
            _ if word.starts_with("--") => return None,
            _ => {
                let Some(letters) = word.strip_prefix(['-', '+']) else {
                    break word;
                };
                if letters.contains('s') {
                    return None;
                }
                has_profile |= letters.contains(['l', 'i']);
                takes_text |= word.starts_with('-') && letters.contains('c');
                if letters.ends_with(['o', 'O']) {
                    rest.next()?;
                }
            }
        }
    };
    Some((
        has_profile,
        if takes_text {
            Told::Text(operand)
        } else {
            Told::Script(operand)
        },
    ))
}

/// Returns the first command of a shell, if it is simple, and whether its script exists.
pub(super) fn inside_shell<'a>(
    setting: Setting<'a>,
    shell: &Program,
    tool: &str,
    arguments: &[String],
    trail: &mut Trail<'a>,
) -> Result<Option<Start<'a>>, Box<Failure>> {
    let Some((has_profile, told)) = told(arguments) else {
        return Ok(None);
    };
    let text = match told {
        Told::Text(text) => text,
        Told::Script(script) => {
            check_shell_script(&setting, tool, script)?;
            let at = setting
                .place(script.as_bytes())
                .and_then(|at| setting.subject.resolve(&at).ok());
            let behind = arguments
                .iter()
                .position(|word| word == script)
                .map_or(arguments.len(), |at| at + 1);
            return Ok(at.and_then(|at| behind_script(setting, &at, &arguments[behind..], trail)));
        }
    };
    let Some(first) = first_command(text).filter(|first| first.is_decisive) else {
        return Ok(None);
    };
    let execution = &setting.subject.execution;
    let is_searched_anew = has_profile
        || ["BASH_ENV", "ENV"]
            .iter()
            .any(|name| execution.variable(name).is_some());
    let mut setting = setting;
    for folder in &first.folders {
        match setting.place(folder.as_bytes()).filter(|at| setting.subject.exists(at)) {
            Some(at) => setting.workdir = at,
            None => return Ok(None),
        }
    }
    if is_searched_anew {
        setting.folders = None;
    }
    let in_busybox = shell.at.file_name().starts_with(b"busybox");
    Ok(Some(Start {
        setting,
        arguments: first.words,
        is_direct: false,
        in_busybox,
        is_prepared: false,
    }))
}

/// Checks a script by its name: at its path, or in PATH.
fn check_shell_script(setting: &Setting<'_>, tool: &str, script: &str) -> Result<(), Box<Failure>> {
    let Some(at) = setting.place(script.as_bytes()) else {
        return Ok(());
    };
    let folders = setting.folders.as_ref().filter(|_| !script.contains('/'));
    let on_path = folders.into_iter().flatten().any(|folder| {
        let at = setting.place(&[folder, &b"/"[..], script.as_bytes()].concat());
        at.is_some_and(|at| setting.standing(&at) != Standing::Nothing)
    });
    match setting.standing(&at) {
        Standing::Nothing if !on_path => Err(missing_script(setting, tool, at, None)),
        Standing::Directory if !on_path => Err(started_directory(setting, tool, at)),
        _ => Ok(()),
    }
}
