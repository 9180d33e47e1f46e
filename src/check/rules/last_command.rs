//! The last command of an entrypoint script, if it is plain: `exec "$@"`, `exec /srv/server --port 80`.
//!
//! This is not a shell. A script that may have changed its arguments, or may have created the program itself, returns
//! nothing.

use super::shell::first_command;

/// Forms of all arguments of a script.
const ALL_ARGUMENTS: &[&str] = &["\"$@\"", "\"${@}\"", "$@", "${@}"];

/// Programs that may install a program that a later line starts.
const BRINGERS: &[&str] = &[
    "apk", "apt", "apt-get", "aws", "bundle", "cargo", "composer", "curl", "dnf", "dotnet", "git", "go", "gsutil",
    "install", "make", "mount", "mvn", "npm", "pip", "pip3", "pnpm", "rsync", "tar", "unzip", "uv", "wget", "yarn",
    "yum",
];

/// Beginnings of lines that run code of another file, or code that only the shell knows.
const SOURCES: &[&str] = &[". ", "source ", "eval "];

/// The last command of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LastCommand {
    /// The program, and its arguments up to the first that only the shell knows; never empty.
    pub(super) words: Vec<String>,
    /// The directory that was changed to before it.
    pub(super) folder: Option<String>,
    /// `false` if the script may have changed PATH.
    pub(super) is_path_known: bool,
}

/// Returns the command in the last line of a script that gets `arguments`. Returns `None` if it is not certain.
pub(super) fn last_command(text: &str, arguments: &[String]) -> Option<LastCommand> {
    let text = text.replace("\\\n", " ");
    let lines: Vec<&str> = text.lines().filter(|line| !is_blank(line)).collect();
    let (last, before) = lines.split_last()?;
    if before.iter().any(|line| changes_more_than_known(line) || may_end(line)) || !is_balanced(before) {
        return None;
    }
    let (words, takes_arguments) = words(last.trim_end(), arguments)?;
    let program = words.first()?;
    let is_exec = last.starts_with("exec ");
    // The end of a text that is passed to a command is not a command.
    if !is_exec && before.iter().any(|line| line.contains("<<")) {
        return None;
    }
    let is_function = |line: &&str| {
        let rest = line.trim_start();
        let rest = rest.strip_prefix("function ").unwrap_or(rest).trim_start();
        rest.strip_prefix(program.as_str())
            .is_some_and(|rest| rest.trim_start().starts_with(['(', '{']))
    };
    let runs_other_code = before
        .iter()
        .any(|line| SOURCES.iter().any(|start| line.trim_start().starts_with(start)));
    if !is_exec && (before.iter().any(is_function) || runs_other_code && !program.contains('/')) {
        return None;
    }
    if takes_arguments && before.iter().any(|line| changes_arguments(line)) {
        return None;
    }
    // A program that the script mentions may be created by it, or have a fallback.
    let name = program.rsplit('/').next().unwrap_or_default();
    let is_made = |line: &&str| words_of(line).any(|word| word.rsplit('/').next() == Some(name));
    if before.iter().any(is_made) {
        return None;
    }
    let is_path_known = !runs_other_code && !before.iter().any(|line| line.contains("PATH="));
    Some(LastCommand {
        words,
        folder: folder(before)?,
        is_path_known,
    })
}

fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// The words of the last line, and whether the script's own arguments are among them.
fn words(line: &str, arguments: &[String]) -> Option<(Vec<String>, bool)> {
    // Inside a block it would not be the last line.
    if line.starts_with([' ', '\t']) {
        return None;
    }
    let all = ALL_ARGUMENTS
        .iter()
        .filter_map(|all| Some((line.find(all)?, all.len())))
        .min();
    let Some((at, length)) = all else {
        let command = first_command(line).filter(|command| command.is_decisive && command.folders.is_empty())?;
        return Some((command.words, false));
    };
    let start = line[..at].trim_end();
    let end = line[at + length..].trim();
    let is_plain_end = end.is_empty() || end.starts_with(['>', '1', '2']) && !end.contains([';', '|', '&', '(']);
    let is_plain_end = is_plain_end || matches!(end, "2>&1" | ">&2");
    if !is_plain_end || arguments.is_empty() {
        return None;
    }
    let mut words = Vec::new();
    if !matches!(start, "" | "exec" | "exec --") {
        let command = first_command(start).filter(|command| command.is_decisive && command.folders.is_empty())?;
        if !command.is_whole {
            return Some((command.words, false));
        }
        words = command.words;
    }
    words.extend_from_slice(arguments);
    Some((words, true))
}

fn words_of(line: &str) -> impl Iterator<Item = &str> {
    line.split(|character: char| character.is_whitespace() || ";&|()\"'`$={}<>".contains(character))
        .filter(|word| !word.is_empty())
}

/// Returns `true` for a line that may bring a program.
fn changes_more_than_known(line: &str) -> bool {
    words_of(line).any(|word| BRINGERS.contains(&word.rsplit('/').next().unwrap_or_default()))
}

/// Returns `true` for a line that may end the script well before its last: `exec` of another program, `exit 0`.
fn may_end(line: &str) -> bool {
    let words: Vec<&str> = line.split([' ', '\t', ';']).filter(|word| !word.is_empty()).collect();
    words.iter().enumerate().any(|(at, word)| {
        let next = words.get(at + 1).copied();
        match *word {
            "exec" => next.is_some_and(|next| !next.contains(['<', '>'])),
            "exit" => next.is_none_or(|next| next == "0" || !next.starts_with(|first: char| first.is_ascii_digit())),
            _ => false,
        }
    })
}

fn changes_arguments(line: &str) -> bool {
    let mut words = line.split_whitespace().map(|word| word.trim_end_matches(';'));
    let has_set = line.contains("set --") || line.contains("set \"") || line.contains("set -- ");
    // A line that checks the first argument may treat it as one of its own commands.
    let looks_at_first = line.contains("$1") || line.contains("${1") || line.contains("$*");
    has_set || looks_at_first || words.any(|word| matches!(word, "shift" | "getopts"))
}

/// Returns `true` if no quote is open at the end of these lines.
fn is_balanced(lines: &[&str]) -> bool {
    let count = |quote: char| lines.iter().map(|line| line.matches(quote).count()).sum::<usize>();
    count('\'') % 2 == 0 && count('"') % 2 == 0
}

/// The directory that is changed to, if it is one and plain. `None` if it is not known.
fn folder(lines: &[&str]) -> Option<Option<String>> {
    let changes: Vec<&&str> = lines
        .iter()
        .filter(|line| words_of(line).any(|word| matches!(word, "cd" | "pushd" | "popd")))
        .collect();
    match changes[..] {
        [] => Some(None),
        [one] => {
            let path = one.strip_prefix("cd ")?.split([';', '|', '&']).next()?.trim();
            let is_plain = path.starts_with('/') && !path.contains(['$', '`', '"', '\'', '*', ' ', '\\']);
            is_plain.then(|| Some(path.to_owned()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        let arguments = ["/srv/server".to_owned(), "--port".to_owned()];
        let last = last_command(text, &arguments)?;
        let path = if last.is_path_known { "" } else { " PATH?" };
        let folder = last.folder.map(|folder| format!(" in {folder}")).unwrap_or_default();
        Some(format!("{}{folder}{path}", last.words.join(" ")))
    }

    #[test]
    fn the_last_line_is_followed_where_it_is_plain() {
        for (text, expected) in [
            ("#!/bin/sh\nset -e\nexec \"$@\"\n", "/srv/server --port"),
            ("#!/bin/sh\nset -e\nexec $@", "/srv/server --port"),
            ("#!/bin/sh\n\"$@\"\n", "/srv/server --port"),
            ("#!/bin/sh\nexec tini -- \"$@\" 2>&1", "tini -- /srv/server --port"),
            ("#!/bin/sh\nexec gosu app \\\n  \"${@}\"", "gosu app /srv/server --port"),
            ("#!/bin/sh\nexec /srv/gone --port 80\n# end\n\n", "/srv/gone --port 80"),
            ("#!/bin/sh\n/srv/gone --port 80", "/srv/gone --port 80"),
            ("#!/bin/sh\nexec node /app/x.js $OPTIONS", "node /app/x.js"),
            ("#!/bin/sh\nexec java $JAVA_OPTS \"$@\"", "java"),
            (
                "#!/bin/sh\nif [ -n \"$A\" ]; then\n  echo a\nfi\nexec \"$@\"",
                "/srv/server --port",
            ),
            ("#!/bin/sh\ncd /app || exit 1\nexec ./run", "./run in /app"),
            ("#!/bin/sh\nexec 2>&1\nexec >> /log\nexec /srv/gone", "/srv/gone"),
            ("#!/bin/sh\nexport PATH=/x:$PATH\nexec run", "run PATH?"),
            ("#!/bin/sh\n. /venv/bin/activate\nexec run", "run PATH?"),
            ("#!/bin/sh\nfunction main { :; }\nexec run", "run"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_sure_is_left_alone() {
        for text in [
            "#!/bin/sh\nset -- node \"$@\"\nexec \"$@\"",
            "#!/bin/sh\nshift\nexec \"$@\"",
            "#!/bin/sh\ncurl -o /srv/server http://x\nexec \"$@\"",
            "#!/bin/sh\ncp /opt/server /srv\nexec \"$@\"",
            "#!/bin/sh\n[ -x /srv/server ] || exit 0\nexec \"$@\"",
            "#!/bin/sh\nmain() {\n  exec \"$@\"\n}\nmain \"$@\"",
            "#!/bin/sh\nif true; then\n  exec \"$@\"\nfi",
            "#!/bin/sh\n. ./functions\nrun",
            "#!/bin/sh\ncat <<END\nexec gone\nEND",
            "#!/bin/sh\nsh -c '\nexec gone",
            "#!/bin/sh\ncd \"$HOME\"\nexec ./run",
            "#!/bin/sh\ncd /a\ncd b\nexec ./run",
            "#!/bin/sh\nexec \"$1\"",
            "#!/bin/sh\nif [ \"$1\" = serve ]; then echo serve; fi\nexec \"$@\"",
            "#!/bin/sh\nif [ -x /other ]; then exec /other; fi\nexec /srv/gone",
            "#!/bin/sh\nif [ -z \"$A\" ]; then\n  exit\nfi\nexec /srv/gone",
            "#!/bin/sh\nexec \"${@:2}\"",
            "#!/bin/sh\nexec \"$@\" || true",
            "#!/bin/sh\n/srv/gone || true",
            "#!/bin/sh\nexec >/log",
            "#!/bin/sh\n",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
        assert_eq!(last_command("exec \"$@\"", &[]), None);
    }
}
