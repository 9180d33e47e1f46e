//! Reads env-files: `NAME=value` lines, `#` comments, optional `export` and quotes. Nothing is expanded.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::SpecError;
use super::reading::read_bounded;
use crate::model::Pipes;

/// Greatest size of an env-file, in bytes. It has few lines; the limit keeps a wrong file out of memory.
const MAX_ENV_FILE_BYTES: u64 = 1024 * 1024;

/// Reads the variables of an env-file, which may be a pipe such as a shell's `<(…)`. Returns `None` if the file does
/// not exist. If a name occurs twice, the later line counts.
///
/// # Errors
/// Returns [`SpecError`] if the file cannot be read or a line is invalid.
pub fn read(path: &Path) -> Result<Option<BTreeMap<String, String>>, SpecError> {
    match read_bounded(path, MAX_ENV_FILE_BYTES, Pipes::Read) {
        Ok(text) => parse(&text, path).map(Some),
        Err(SpecError::Read { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn parse(text: &str, path: &Path) -> Result<BTreeMap<String, String>, SpecError> {
    let mut variables = BTreeMap::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = parse_line(line).map_err(|reason| SpecError::EnvFile {
            path: path.to_owned(),
            line: index + 1,
            reason,
        })?;
        variables.insert(name.to_owned(), value.to_owned());
    }
    Ok(variables)
}

fn parse_line(line: &str) -> Result<(&str, &str), &'static str> {
    let (name, value) = line.split_once('=').ok_or("the line has no =")?;
    let name = match name.split_once(char::is_whitespace) {
        Some(("export", name)) => name.trim(),
        _ => name.trim(),
    };
    if name.is_empty() || name.contains(char::is_whitespace) || name.contains('\0') {
        return Err("there is no name before the =");
    }
    let value = value.trim();
    let Some(quote) = value.chars().next().filter(|first| matches!(first, '"' | '\'')) else {
        return Ok((name, without_comment(value)));
    };
    let (quoted, rest) = value[1..].split_once(quote).ok_or("unterminated quote")?;
    match rest.trim_start() {
        rest if rest.is_empty() || rest.starts_with('#') => Ok((name, quoted)),
        _ => Err("unexpected text after the closing quote"),
    }
}

/// Removes a comment: it begins with a `#` at the start or after white space.
fn without_comment(value: &str) -> &str {
    let comment = value
        .char_indices()
        .find(|(at, character)| *character == '#' && value[..*at].chars().next_back().is_none_or(char::is_whitespace));
    value[..comment.map_or(value.len(), |(at, _)| at)].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Option<(String, String)> {
        parse(line, Path::new(".env")).ok()?.into_iter().next()
    }

    #[test]
    fn lines_are_read_and_nothing_is_expanded() {
        for (line, name, value) in [
            ("A=1", "A", "1"),
            ("  export  A = x y # comment", "A", "x y"),
            ("A=", "A", ""),
            ("A=# comment", "A", ""),
            ("A=a#b", "A", "a#b"),
            ("A=\"$B ${C} \\n\"  # c", "A", "$B ${C} \\n"),
            ("A='it \"is\"'", "A", "it \"is\""),
            ("\u{feff}A=1\r\n", "A", "1"),
            ("A=b=c", "A", "b=c"),
            ("A=1\nA=2", "A", "2"),
        ] {
            assert_eq!(one(line), Some((name.to_owned(), value.to_owned())), "{line}");
        }
        assert!(parse("\n# only\n\n", Path::new(".env")).unwrap().is_empty());
    }

    #[test]
    fn bad_lines_name_file_and_line_and_keep_the_value_secret() {
        for bad in ["SECRET", "=SECRET", "A B=SECRET", "A=\"SECRET", "A='SECRET' x"] {
            let error = parse(&format!("# first\n{bad}"), Path::new("x/.env")).unwrap_err();
            let message = error.to_string();
            assert!(message.contains("x/.env:2: "), "{message}");
            assert!(!message.contains("SECRET"), "{message}");
        }
    }
}
