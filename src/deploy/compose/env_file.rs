//! Reads env files as Compose does (docs.docker.com, "Set, use, and manage variables in a Compose file", `.env` file
//! syntax): comments, quotes, escapes, variables in unquoted and double-quoted values. A message never shows a value.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::template::{Budget, Expansion, Template, TemplateReason};
use crate::model::{Diagnostic, ErrorKind, escape, escape_path};

/// Greatest size of an env file, in bytes. It has few lines; the limit keeps a wrong file out of memory.
pub const MAX_ENV_FILE_BYTES: u64 = 1024 * 1024;

/// How an env file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum EnvFormat {
    /// With quotes and variables.
    Compose,
    /// `format: raw`: values are taken as they are.
    Raw,
}

/// A variable of an env file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EnvEntry {
    /// Its name.
    pub name: String,
    /// The line that it begins at, from 1.
    pub line: usize,
    /// Its value.
    pub value: String,
    /// Variables in the value that are not set, and that an empty string stands for.
    pub unset: Vec<String>,
}

/// A line of an env file that Compose refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {reason}", escape_path(.path))]
pub struct EnvFileError {
    /// The file.
    pub path: PathBuf,
    /// Line number, from 1.
    pub line: usize,
    /// What is wrong; never the value itself.
    pub reason: String,
    /// How to fix it.
    pub help: &'static str,
}

impl Diagnostic for EnvFileError {
    fn error_kind(&self) -> ErrorKind {
        ErrorKind::Input
    }

    fn help(&self) -> Option<String> {
        Some(self.help.to_owned())
    }
}

const LINE_HELP: &str = "write NAME=value, export NAME=value, or a comment after #";
const QUOTE_HELP: &str = "end the value with the quote that it begins with";
const SIZE_HELP: &str = "use shorter values";

/// Variables by name.
pub(super) type Lookup<'a, 'v> = &'a dyn Fn(&str) -> Option<&'v str>;

/// Reads the variables of an env file, in their order. A name alone takes its value from `known`, and is skipped if it has
/// none. Values may use the variables in `known`, then those of earlier lines, then those in `earlier`.
pub(super) fn read_env_file<'v, 'e>(
    path: &Path,
    text: &str,
    format: EnvFormat,
    known: Lookup<'_, 'v>,
    earlier: Lookup<'_, 'e>,
    budget: &Budget,
) -> Result<Vec<EnvEntry>, EnvFileError> {
    let mut reader = Reader {
        path,
        rest: text.trim_start_matches('\u{feff}'),
        line: 1,
        known,
        earlier,
        budget,
        entries: Vec::new(),
        values: BTreeMap::new(),
    };
    reader.count(text.len())?;
    while !reader.rest.is_empty() {
        match format {
            EnvFormat::Compose => reader.statement()?,
            EnvFormat::Raw => reader.raw_line()?,
        }
    }
    Ok(reader.entries)
}

struct Reader<'a, 'v, 'e> {
    path: &'a Path,
    rest: &'a str,
    line: usize,
    known: Lookup<'a, 'v>,
    earlier: Lookup<'a, 'e>,
    budget: &'a Budget,
    entries: Vec<EnvEntry>,
    /// The values of earlier lines.
    values: BTreeMap<String, String>,
}

impl<'a> Reader<'a, '_, '_> {
    fn error<T>(&self, reason: impl Into<String>, help: &'static str) -> Result<T, EnvFileError> {
        Err(EnvFileError {
            path: self.path.to_owned(),
            line: self.line,
            reason: reason.into(),
            help,
        })
    }

    /// Counts bytes that are read or kept.
    fn count(&self, bytes: usize) -> Result<(), EnvFileError> {
        match self.budget.take(bytes) {
            true => Ok(()),
            false => self.error(TemplateReason::TooMuch.message(), SIZE_HELP),
        }
    }

    /// Takes the rest of the line, without its end.
    fn take_line(&mut self) -> &'a str {
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        self.line += 1;
        line.strip_suffix('\r').unwrap_or(line)
    }

    /// Reads a line of `format: raw`, as `docker run --env-file` does.
    fn raw_line(&mut self) -> Result<(), EnvFileError> {
        let start = self.line;
        let line = self.take_line().trim_start();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (line, None),
        };
        self.line = start;
        if name.is_empty() || name.contains(char::is_whitespace) {
            return self.error("there is no name before the =", LINE_HELP);
        }
        let value = value.or_else(|| (self.known)(name));
        self.add(name, start, value.map(str::to_owned), Vec::new())?;
        self.line = start + 1;
        Ok(())
    }

    /// Reads one line, or a value of several lines.
    fn statement(&mut self) -> Result<(), EnvFileError> {
        let start = self.line;
        let line = self.rest.split('\n').next().unwrap_or_default();
        let statement = line.trim();
        if statement.is_empty() || statement.starts_with('#') {
            self.take_line();
            return Ok(());
        }
        let statement = match statement.split_once(char::is_whitespace) {
            Some(("export", rest)) => rest.trim_start(),
            _ => statement,
        };
        // Compose takes a colon too, as in YAML.
        let Some(separator) = statement.find(['=', ':']) else {
            return self.name_alone(statement);
        };
        let name = statement[..separator].trim_end();
        self.check_name(name)?;
        let value = statement[separator + 1..].trim_start();
        match value.chars().next().filter(|first| matches!(first, '"' | '\'')) {
            None => {
                let expansion = self.expand(without_comment(value))?;
                self.take_line();
                self.add_expansion(name, start, expansion)
            }
            Some(quote) => {
                // The value may continue on other lines: it is read from the text, not from the line.
                let offset = value.as_ptr() as usize - self.rest.as_ptr() as usize;
                self.rest = &self.rest[offset + quote.len_utf8()..];
                self.quoted(name, quote)
            }
        }
    }

    /// Reads a name without a value.
    fn name_alone(&mut self, name: &str) -> Result<(), EnvFileError> {
        if name.contains(char::is_whitespace) {
            return self.error("the line has no =", LINE_HELP);
        }
        self.check_name(name)?;
        let start = self.line;
        let value = (self.known)(name).map(str::to_owned);
        self.take_line();
        self.add(name, start, value, Vec::new())
    }

    fn check_name(&self, name: &str) -> Result<(), EnvFileError> {
        let is_in_name = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.' | '-' | '[' | ']');
        match () {
            () if name.is_empty() => self.error("there is no name before the =", LINE_HELP),
            () if !name.chars().all(is_in_name) => {
                self.error("a name has a character that Compose does not accept", LINE_HELP)
            }
            () => Ok(()),
        }
    }

    /// Reads a value in quotes, from behind the first one.
    fn quoted(&mut self, name: &str, quote: char) -> Result<(), EnvFileError> {
        let start = self.line;
        let Some(length) = closing_quote(self.rest, quote) else {
            return self.error("unterminated quote", QUOTE_HELP);
        };
        let inside = self.rest[..length].replace("\r\n", "\n");
        self.line += inside.matches('\n').count();
        self.rest = &self.rest[length + quote.len_utf8()..];
        let expansion = match quote {
            '"' => self.expand(&unescape(&inside))?,
            _ => Expansion {
                text: inside.replace("\\'", "'"),
                ..Expansion::default()
            },
        };
        // Compose reads on behind the quote: what follows in the line is the next variable, or a comment.
        self.add_expansion(name, start, expansion)
    }

    fn expand(&self, value: &str) -> Result<Expansion, EnvFileError> {
        let own = |name: &str| self.values.get(name).map(String::as_str);
        let lookup = |name: &str| {
            (self.known)(name)
                .or_else(|| own(name))
                .or_else(|| (self.earlier)(name))
        };
        let expansion = Template::parse(value).and_then(|template| template.expand(&lookup, self.budget));
        let expansion = match expansion {
            Ok(expansion) => expansion,
            Err(error) => return self.error(error.reason.message(), error.reason.help().unwrap_or(SIZE_HELP)),
        };
        match expansion.refused.first() {
            Some(refused) => {
                let name = escape(refused.name.as_bytes());
                let state = if refused.is_empty { "empty" } else { "not set" };
                let message = match &refused.message[..] {
                    "" => format!("the value requires variable {name}, which is {state}"),
                    said => format!(
                        "the value requires variable {name}, which is {state}: {}",
                        escape(said.as_bytes())
                    ),
                };
                self.error(message, "set the variable in the shell, or on an earlier line")
            }
            None => Ok(expansion),
        }
    }

    fn add_expansion(&mut self, name: &str, line: usize, expansion: Expansion) -> Result<(), EnvFileError> {
        let unset = expansion.unset.into_iter().map(|(name, _)| name).collect();
        self.add(name, line, Some(expansion.text), unset)
    }

    fn add(&mut self, name: &str, line: usize, value: Option<String>, unset: Vec<String>) -> Result<(), EnvFileError> {
        let Some(value) = value else { return Ok(()) };
        if name.contains('\0') || value.contains('\0') {
            self.line = line;
            return self.error("the line contains a NUL byte", "write text");
        }
        self.values.insert(name.to_owned(), value.clone());
        self.entries.push(EnvEntry {
            name: name.to_owned(),
            line,
            value,
            unset,
        });
        Ok(())
    }
}

/// Removes a comment: it begins with ` #`.
fn without_comment(value: &str) -> &str {
    value.split(" #").next().unwrap_or_default().trim_end()
}

/// Returns the length of the text before the closing quote. A backslash before a quote keeps it in the text.
fn closing_quote(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if character == quote => return Some(at),
            _ => {}
        }
    }
    None
}

/// Replaces the escapes of a value in double quotes. An escaped dollar sign becomes the one of templates.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('t') => plain.push('\t'),
            Some('$') => plain.push_str("$$"),
            Some(other @ ('"' | '\\')) => plain.push(other),
            Some(other) => plain.extend(['\\', other]),
            None => plain.push('\\'),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str) -> Option<&'static str> {
        (name == "SHELL_SET").then_some("from shell")
    }

    fn read(text: &str, format: EnvFormat) -> Result<Vec<(String, String)>, EnvFileError> {
        let entries = read_env_file(Path::new("x/.env"), text, format, &known, &|_| None, &Budget::default())?;
        Ok(entries.into_iter().map(|entry| (entry.name, entry.value)).collect())
    }

    fn last(text: &str) -> Option<(String, String)> {
        read(text, EnvFormat::Compose).unwrap().pop()
    }

    #[test]
    fn lines_are_read_as_compose_reads_them() {
        for (text, name, value) in [
            ("A=1", "A", "1"),
            ("  export  A = x y # comment", "A", "x y"),
            ("A=", "A", ""),
            // Compose takes a comment for the value if nothing is before it.
            ("A= # comment", "A", "# comment"),
            ("A=#fff", "A", "#fff"),
            ("A=a#b", "A", "a#b"),
            ("A: yaml", "A", "yaml"),
            ("B='1' A=\"2\"#c", "A", "2"),
            ("A.b-c=1", "A.b-c", "1"),
            ("A=\"it's\" # c", "A", "it's"),
            ("A='$SHELL_SET \"x\" \\n'", "A", "$SHELL_SET \"x\" \\n"),
            ("A='Let\\'s go'", "A", "Let's go"),
            ("A=\"a\\tb\\\\c\\\"d\\$SHELL_SET\\q\"", "A", "a\tb\\c\"d$SHELL_SET\\q"),
            ("A=\"one\ntwo\"", "A", "one\ntwo"),
            ("A='one\r\n# two'\r\n", "A", "one\n# two"),
            ("A=$SHELL_SET", "A", "from shell"),
            ("A=\"<${SHELL_SET}>\"", "A", "<from shell>"),
            ("B=1\nA=${B}2", "A", "12"),
            ("A=${B:-d}", "A", "d"),
            ("A=$$B", "A", "$B"),
            ("SHELL_SET=own\nA=$SHELL_SET", "A", "from shell"),
            ("SHELL_SET", "SHELL_SET", "from shell"),
            ("\u{feff}A=1\r\n", "A", "1"),
            ("A=b=c", "A", "b=c"),
            ("A=http://x", "A", "http://x"),
        ] {
            assert_eq!(last(text), Some((name.to_owned(), value.to_owned())), "{text:?}");
        }
        for text in ["", "\n# only\n\n", "UNKNOWN", "\u{feff}"] {
            assert_eq!(last(text), None, "{text:?}");
        }
    }

    #[test]
    fn lines_are_counted_through_values_of_several_lines() {
        let text = "# first\nA=\"x\n\ny\"\nB=$NO";
        let entries = read_env_file(
            Path::new("e"),
            text,
            EnvFormat::Compose,
            &known,
            &|_| None,
            &Budget::default(),
        )
        .unwrap();
        let found: Vec<_> = entries
            .iter()
            .map(|entry| (&entry.name[..], entry.line, entry.unset.len()))
            .collect();
        assert_eq!(found, [("A", 2, 0), ("B", 5, 1)]);
    }

    #[test]
    fn raw_files_are_taken_as_they_are() {
        let text = "# comment\n  A=\"x\" # $B \r\n\nSHELL_SET\nUNKNOWN\nB=";
        let expected = [("A", "\"x\" # $B "), ("SHELL_SET", "from shell"), ("B", "")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(read(text, EnvFormat::Raw).unwrap(), expected);
        assert!(read("A B=1", EnvFormat::Raw).is_err() && read("=1", EnvFormat::Raw).is_err());
    }

    #[test]
    fn bad_lines_name_file_and_line_and_keep_the_value_secret() {
        for bad in [
            "=SECRET",
            "A B=SECRET",
            "A B",
            "A$=SECRET",
            "A=\"SECRET",
            "A='SECRET' $",
            "A # SECRET",
            "A=SECRET${",
            "A=\"SECRET${B\"",
            "A=SECRET${B:?}",
            "A=SECRET\0",
        ] {
            let error = read(&format!("# first\n{bad}"), EnvFormat::Compose).unwrap_err();
            let message = error.to_string();
            assert!(message.starts_with("x/.env:2: "), "{bad:?}: {message}");
            assert!(!message.contains("SECRET"), "{message}");
        }
    }

    #[test]
    fn values_that_grow_are_bounded() {
        let line = |at: u32| format!("A{}=$A{at}$A{at}\n", at + 1);
        let text: String = std::iter::once("A0=x\n".to_owned()).chain((0..64).map(line)).collect();
        let error = read(&text, EnvFormat::Compose).unwrap_err();
        assert!(error.reason.contains("131072 bytes") && error.line > 10, "{error}");
    }
}
