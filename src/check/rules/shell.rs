//! The first command of a shell's text (POSIX, Shell Command Language), if it is simple enough.
//!
//! This is not a shell. If the command depends on more than the text itself, nothing is returned.

/// Names of shells whose option `-c` takes a text in the usual language.
pub(super) const SHELLS: &[&str] = &["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"];

/// Builtins and reserved words of the usual shells; their effects are not analyzed.
const NO_PROGRAMS: &[&str] = &[
    "!",
    ".",
    ":",
    "[",
    "[[",
    "alias",
    "bg",
    "break",
    "builtin",
    "caller",
    "case",
    "cd",
    "command",
    "compgen",
    "complete",
    "continue",
    "coproc",
    "declare",
    "dirs",
    "disown",
    "do",
    "done",
    "echo",
    "elif",
    "else",
    "enable",
    "esac",
    "eval",
    "exec",
    "exit",
    "export",
    "false",
    "fc",
    "fg",
    "fi",
    "for",
    "function",
    "getopts",
    "hash",
    "help",
    "history",
    "if",
    "in",
    "jobs",
    "kill",
    "let",
    "local",
    "logout",
    "mapfile",
    "popd",
    "printf",
    "pushd",
    "pwd",
    "read",
    "readarray",
    "readonly",
    "return",
    "select",
    "set",
    "shift",
    "shopt",
    "source",
    "suspend",
    "test",
    "then",
    "time",
    "times",
    "trap",
    "true",
    "type",
    "typeset",
    "ulimit",
    "umask",
    "unalias",
    "unset",
    "until",
    "wait",
    "while",
    "{",
    "}",
];

/// Builtins that come before the first command and change nothing that matters here.
const PRELUDES: &[&str] = &[":", "echo", "export", "printf", "set", "true", "ulimit", "umask"];

/// Variables that change the search for programs, or the file that a shell runs first.
const SEARCH_VARIABLES: &[&str] = &["PATH", "BASH_ENV", "ENV", "IFS"];

/// Commands that are looked at before the first that is a program: far more than any text has.
const MAX_PRELUDES: usize = 32;

/// The first command of a text that starts a program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct FirstCommand {
    /// The program, and its arguments up to the first that only the shell knows; never empty.
    pub(super) words: Vec<String>,
    /// Directories that were changed to before it, in their order.
    pub(super) folders: Vec<String>,
    /// `true` if the text fails when this command fails: it has no alternative.
    pub(super) is_decisive: bool,
    /// `false` if arguments follow that only the shell knows.
    pub(super) is_whole: bool,
}

/// Returns the first command that starts a program. `None` if that is not certain.
pub(super) fn first_command(text: &str) -> Option<FirstCommand> {
    let mut reader = Reader { rest: text };
    let mut folders = Vec::new();
    let mut stops_at_errors = false;
    for _ in 0..MAX_PRELUDES {
        let mut command = reader.command()?;
        let name = command.words.first()?.clone();
        if name == "exec" {
            command.words.remove(0);
            let program = command.words.first()?;
            let is_plain = !program.starts_with('-');
            let is_whole = command.is_whole;
            return is_plain.then_some(FirstCommand {
                words: command.words,
                folders,
                is_decisive: true,
                is_whole,
            });
        }
        if !NO_PROGRAMS.contains(&&*name) {
            let is_decisive = is_decisive(&command.end, reader.rest, stops_at_errors);
            let is_whole = command.is_whole;
            return Some(FirstCommand {
                words: command.words,
                folders,
                is_decisive,
                is_whole,
            });
        }
        match (&*name, command.is_whole) {
            ("cd", true) if command.words.len() == 2 && !command.words[1].starts_with('-') => {
                folders.push(command.words.remove(1));
            }
            (_, is_whole) if PRELUDES.contains(&&*name) => {
                let sets_search = |word: &String| SEARCH_VARIABLES.iter().any(|name| word.starts_with(name));
                if (name == "export" || name == "set") && (!is_whole || command.words.iter().any(sets_search)) {
                    return None;
                }
                stops_at_errors |= name == "set" && command.words.iter().any(|word| is_errexit(word));
            }
            _ => return None,
        }
        if !matches!(command.end, End::And | End::Sequence) {
            return None;
        }
    }
    None
}

/// Returns `true` for `-e` among the letters of an option of `set`.
fn is_errexit(word: &str) -> bool {
    word.strip_prefix('-')
        .is_some_and(|letters| !letters.starts_with('-') && letters.contains('e'))
}

/// The end of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Text,
    /// `&&`
    And,
    /// `||`
    Or,
    /// `|`
    Pipe,
    /// `;` or a line's end.
    Sequence,
    /// `&`
    Background,
}

/// Checks whether a text fails if one of its commands fails, which `end` ends and `rest` follows: each `||` must leave
/// the text, and nothing else may continue.
fn is_decisive(end: &End, rest: &str, stops_at_errors: bool) -> bool {
    let mut reader = Reader { rest };
    let mut end = *end;
    // Each iteration consumes at least one byte.
    loop {
        let is_last = reader.rest.trim().is_empty();
        match end {
            End::Text => return true,
            End::Sequence if is_last || stops_at_errors => return true,
            End::Sequence | End::Background => return false,
            End::Or => return reader.leads_out(),
            End::And | End::Pipe => {}
        }
        match reader.skip_command() {
            Some(next) => end = next,
            None => return false,
        }
    }
}

struct Command {
    words: Vec<String>,
    /// `false` if words follow that only the shell knows.
    is_whole: bool,
    end: End,
}

struct Word {
    text: String,
    /// `false` if its value depends on an expansion.
    is_plain: bool,
    /// The text before the first quote, which must contain the name of an assignment.
    unquoted_start: usize,
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// The next command: assignments skipped, plain words taken.
    fn command(&mut self) -> Option<Command> {
        while let Some(after) = self.rest.trim_start_matches([' ', '\t', '\n', '\r']).strip_prefix('#') {
            self.rest = after.split_once('\n')?.1;
        }
        self.rest = self.rest.trim_start();
        let mut command = Command {
            words: Vec::new(),
            is_whole: true,
            end: End::Text,
        };
        loop {
            self.skip_blanks();
            if let Some(end) = self.end()? {
                return Some(Command { end, ..command });
            }
            if self.redirection()? {
                continue;
            }
            let word = self.word()?;
            match assigned(&word).filter(|_| command.words.is_empty()) {
                Some(name) if SEARCH_VARIABLES.contains(&name) => return None,
                Some(_) => {}
                None if word.is_plain && command.is_whole => command.words.push(word.text),
                // The program itself must be known.
                None if command.words.is_empty() => return None,
                None => command.is_whole = false,
            }
        }
    }

    /// Skips any command, and returns its end.
    fn skip_command(&mut self) -> Option<End> {
        self.rest = self.rest.trim_start();
        loop {
            self.skip_blanks();
            if let Some(end) = self.end()? {
                return Some(end);
            }
            if !self.redirection()? {
                self.word()?;
            }
        }
    }

    /// Returns `true` for `exit`, with a number that is not 0, and similar.
    fn leads_out(mut self) -> bool {
        let Some(command) = self.command() else { return false };
        match command.words.first().map(String::as_str) {
            Some("exit" | "return") => command.is_whole && command.words.get(1).is_none_or(|code| code != "0"),
            Some("false" | "kill") => true,
            _ => false,
        }
    }

    fn skip_blanks(&mut self) {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t']);
            match self.rest.strip_prefix("\\\n") {
                Some(after) => self.rest = after,
                None => return,
            }
        }
    }

    /// Returns the end of a command at this position, if there is one. Returns `None` for a parenthesis.
    fn end(&mut self) -> Option<Option<End>> {
        let (end, length) = match self.rest.as_bytes() {
            [] => (End::Text, 0),
            [b'&', b'&', ..] => (End::And, 2),
            [b'|', b'|', ..] => (End::Or, 2),
            [b'|', b'&', ..] => (End::Pipe, 2),
            [b'|', ..] => (End::Pipe, 1),
            [b'&', b'>', ..] => return Some(None),
            [b'&', ..] => (End::Background, 1),
            [b';', b';', ..] | [b'(' | b')', ..] => return None,
            [b';' | b'\n', ..] => (End::Sequence, 1),
            [b'#', ..] => (End::Text, self.rest.len()),
            _ => return Some(None),
        };
        self.rest = &self.rest[length..];
        Some(Some(end))
    }

    /// Skips `>file`, `2>&1`, `<file`, `&>file`. `None` for here-documents and process substitutions.
    fn redirection(&mut self) -> Option<bool> {
        let after = self
            .rest
            .trim_start_matches(|character: char| character.is_ascii_digit());
        let after = after.strip_prefix('&').unwrap_or(after);
        if !after.starts_with(['<', '>']) {
            return Some(false);
        }
        if after.starts_with("<<") || after.starts_with("<(") || after.starts_with(">(") {
            return None;
        }
        self.rest = after.trim_start_matches(['<', '>', '&', '|']);
        self.skip_blanks();
        self.word().map(|_| true)
    }

    /// The next word, with quotes taken away. `None` for one that does not end.
    fn word(&mut self) -> Option<Word> {
        let mut word = Word {
            text: String::new(),
            is_plain: true,
            unquoted_start: usize::MAX,
        };
        let bytes_before = self.rest.len();
        while let Some(character) = self.rest.chars().next() {
            let after = &self.rest[character.len_utf8()..];
            match character {
                ' ' | '\t' | '\n' | '\r' | ';' | '&' | '|' | '<' | '>' | '(' | ')' => break,
                '\'' | '"' | '\\' => {
                    word.unquoted_start = word.unquoted_start.min(word.text.len());
                    self.rest = after;
                    self.quoted(character, &mut word)?;
                    continue;
                }
                '$' | '`' => {
                    word.is_plain = false;
                    self.rest = after_expansion(self.rest)?;
                    continue;
                }
                '*' | '?' => word.is_plain = false,
                '[' if !after.starts_with([' ', '\t', '[']) && !word.text.starts_with('[') => word.is_plain = false,
                '~' if word.text.is_empty() => word.is_plain = false,
                '{' if !after.starts_with([' ', '\t', '\n']) => word.is_plain = false,
                _ => {}
            }
            word.text.push(character);
            self.rest = after;
        }
        (self.rest.len() < bytes_before).then_some(word)
    }

    /// Reads the text after a quote: to its end, or one character.
    fn quoted(&mut self, quote: char, word: &mut Word) -> Option<()> {
        if quote == '\\' {
            let character = self.rest.chars().next()?;
            self.rest = &self.rest[character.len_utf8()..];
            if character != '\n' {
                word.text.push(character);
            }
            return Some(());
        }
        loop {
            let character = self.rest.chars().next()?;
            let after = &self.rest[character.len_utf8()..];
            match character {
                _ if character == quote => {
                    self.rest = after;
                    return Some(());
                }
                '\\' if quote == '"' => {
                    let next = after.chars().next()?;
                    if !matches!(next, '$' | '`' | '"' | '\\' | '\n') {
                        word.text.push('\\');
                    }
                    word.text.push(next);
                    self.rest = &after[next.len_utf8()..];
                }
                '$' | '`' if quote == '"' => {
                    word.is_plain = false;
                    self.rest = after_expansion(self.rest)?;
                }
                _ => {
                    word.text.push(character);
                    self.rest = after;
                }
            }
        }
    }
}

/// The name that a word assigns to, if it does.
fn assigned(word: &Word) -> Option<&str> {
    let name = word.text.split_once('=')?.0;
    let is_name = !name.is_empty()
        && name.len() < word.unquoted_start
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || character == '_');
    is_name.then_some(name)
}

/// Returns the text after an expansion: `$NAME`, `${…}`, `$(…)`, `` `…` ``. Brackets are counted; quotes among them are
/// ignored. Returns `None` if the expansion does not end.
fn after_expansion(text: &str) -> Option<&str> {
    if let Some(inner) = text.strip_prefix('`') {
        return inner.split_once('`').map(|(_, after)| after);
    }
    let inner = text.strip_prefix('$')?;
    let (open, close) = match inner.chars().next() {
        Some('{') => ('{', '}'),
        Some('(') => ('(', ')'),
        _ => return Some(inner),
    };
    let mut depth = 0u32;
    for (index, character) in inner.char_indices() {
        if character == open {
            depth += 1;
        } else if character == close {
            depth -= 1;
            if depth == 0 {
                return Some(&inner[index + 1..]);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests;
