//! Environment markers (PyPA, "Dependency specifiers"; PEP 508): whether a requirement counts on a platform.

use std::cmp::Ordering;

use crate::model::Platform;

/// How deep parentheses may be nested. Real markers have two or three levels.
const MAX_DEPTH: usize = 32;

/// The values that markers are compared with.
#[derive(Debug, Clone)]
pub(super) struct Environment {
    /// The minor version of Python 3, if it is known.
    pub(super) minor: Option<u32>,
    pub(super) platform: Platform,
}

impl Environment {
    /// Evaluates a marker. Returns `None` if the result is not known, or if the text is not a marker.
    pub(super) fn evaluate(&self, marker: &str) -> Option<bool> {
        let tokens = tokens(marker)?;
        let mut reader = Reader {
            environment: self,
            tokens: &tokens,
            depth: 0,
        };
        let value = reader.any()?;
        reader.tokens.is_empty().then_some(value)?
    }

    fn text(&self, variable: &str) -> Option<String> {
        let text = match variable {
            "os_name" => "posix",
            "sys_platform" => "linux",
            "platform_system" => "Linux",
            "platform_machine" => self.platform.machine(),
            "platform_python_implementation" => "CPython",
            "implementation_name" => "cpython",
            // No extra is requested.
            "extra" => "",
            _ => return None,
        };
        Some(text.to_owned())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Name(String),
    Text(String),
    /// `<`, `in`, `(` and similar.
    Mark(String),
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' => {
                let end = rest[1..].find(first)?;
                tokens.push(Token::Text(rest[1..=end].to_owned()));
                end + 2
            }
            '(' | ')' => {
                tokens.push(Token::Mark(first.to_string()));
                1
            }
            '<' | '>' | '=' | '!' | '~' => {
                let end = rest
                    .find(|character| !"<>=!~".contains(character))
                    .unwrap_or(rest.len());
                tokens.push(Token::Mark(rest[..end].to_owned()));
                end
            }
            _ => {
                let is_part = |character: char| character.is_ascii_alphanumeric() || "_.".contains(character);
                let end = rest.find(|character| !is_part(character)).unwrap_or(rest.len());
                let word = &rest[..end];
                match word {
                    "" => return None,
                    "and" | "or" | "in" | "not" => tokens.push(Token::Mark(word.to_owned())),
                    _ => tokens.push(Token::Name(word.to_owned())),
                }
                end
            }
        };
        rest = rest[length..].trim_start();
    }
    Some(tokens)
}

/// Reads a marker from the front. The outer `Option` is `None` for a text that is not a marker, the inner one for an
/// unknown result.
struct Reader<'t> {
    environment: &'t Environment,
    tokens: &'t [Token],
    depth: usize,
}

impl Reader<'_> {
    fn take_mark(&mut self, wanted: &str) -> bool {
        let is_it = matches!(self.tokens.first(), Some(Token::Mark(mark)) if mark == wanted);
        if is_it {
            self.tokens = &self.tokens[1..];
        }
        is_it
    }

    fn any(&mut self) -> Option<Option<bool>> {
        let mut value = self.all()?;
        while self.take_mark("or") {
            let other = self.all()?;
            value = match (value, other) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };
        }
        Some(value)
    }

    fn all(&mut self) -> Option<Option<bool>> {
        let mut value = self.one()?;
        while self.take_mark("and") {
            let other = self.one()?;
            value = match (value, other) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
        }
        Some(value)
    }

    fn one(&mut self) -> Option<Option<bool>> {
        if self.take_mark("(") {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return None;
            }
            let value = self.any()?;
            self.depth -= 1;
            return self.take_mark(")").then_some(value);
        }
        let (left, after) = self.tokens.split_first()?;
        self.tokens = after;
        let operator = if self.take_mark("not") {
            self.take_mark("in").then(|| "not in".to_owned())?
        } else {
            let Some((Token::Mark(mark), after)) = self.tokens.split_first() else {
                return None;
            };
            self.tokens = after;
            mark.clone()
        };
        let (right, after) = self.tokens.split_first()?;
        self.tokens = after;
        Some(self.compare(left, &operator, right))
    }

    fn compare(&self, left: &Token, operator: &str, right: &Token) -> Option<bool> {
        match (left, right) {
            (Token::Name(name), Token::Text(text)) if is_version(name) => {
                compare_by(operator, self.compare_version(name, text)?)
            }
            (Token::Text(text), Token::Name(name)) if is_version(name) => {
                compare_by(operator, self.compare_version(name, text)?.reverse())
            }
            (left, right) => {
                let left = self.text(left)?;
                let right = self.text(right)?;
                match operator {
                    "in" => Some(right.contains(&left)),
                    "not in" => Some(!right.contains(&left)),
                    operator => compare_by(operator, left.cmp(&right)),
                }
            }
        }
    }

    fn compare_version(&self, name: &str, text: &str) -> Option<Ordering> {
        compare_version(self.environment.minor?, text, name == "python_full_version")
    }

    fn text(&self, token: &Token) -> Option<String> {
        match token {
            Token::Text(text) => Some(text.clone()),
            Token::Name(name) => self.environment.text(name),
            Token::Mark(_) => None,
        }
    }
}

fn is_version(name: &str) -> bool {
    matches!(name, "python_version" | "python_full_version")
}

/// Compares 3.MINOR with a version. Returns `None` if the result depends on the patch version, or if the text is not a
/// plain version.
fn compare_version(minor: u32, text: &str, is_full: bool) -> Option<Ordering> {
    let text = text.trim_end_matches(".*");
    let numbers: Vec<u32> = text.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let order = (3, minor).cmp(&(*numbers.first()?, numbers.get(1).copied().unwrap_or(0)));
    let depends = order == Ordering::Equal && is_full && numbers.len() > 2;
    (!depends).then_some(order)
}

fn compare_by(operator: &str, order: Ordering) -> Option<bool> {
    Some(match operator {
        "<" => order == Ordering::Less,
        "<=" => order != Ordering::Greater,
        ">" => order == Ordering::Greater,
        ">=" => order != Ordering::Less,
        "==" | "===" => order == Ordering::Equal,
        "!=" => order != Ordering::Equal,
        // `~= 3.8` is at least that, below 4.
        "~=" => order != Ordering::Less,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_held_against_platform_and_python() {
        let environment = Environment {
            minor: Some(11),
            platform: "linux/amd64".parse().unwrap(),
        };
        for (marker, expected) in [
            ("python_version >= '3.8'", Some(true)),
            ("python_version < \"3.9\"", Some(false)),
            ("python_version == '3.11'", Some(true)),
            ("'3.12' > python_version", Some(true)),
            ("python_full_version >= '3.11.4'", None),
            ("python_full_version < '3.10.2'", Some(false)),
            ("sys_platform == 'win32'", Some(false)),
            ("sys_platform != 'win32' and python_version >= '3.10'", Some(true)),
            (
                "platform_system == 'Linux' and platform_machine == 'x86_64'",
                Some(true),
            ),
            ("extra == 'socks'", Some(false)),
            (
                "python_version < '3.8' or (extra == 'x' and os_name == 'posix')",
                Some(false),
            ),
            ("implementation_name in 'cpython pypy'", Some(true)),
            ("platform_machine not in 'aarch64 arm64'", Some(true)),
            ("platform_release >= '20'", None),
            ("platform_release >= '20' and sys_platform == 'darwin'", Some(false)),
            ("platform_python_implementation != 'PyPy'", Some(true)),
            ("python_version", None),
            ("(((", None),
            ("", None),
            ("'unclosed", None),
        ] {
            assert_eq!(environment.evaluate(marker), expected, "{marker}");
        }
        let unknown = Environment {
            minor: None,
            ..environment
        };
        assert_eq!(unknown.evaluate("python_version < '3.8'"), None);
        assert_eq!(unknown.evaluate(&"(".repeat(10_000)), None);
    }
}
