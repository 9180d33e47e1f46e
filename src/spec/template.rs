//! Parses `${NAME}`, `${NAME:-default}`, `${NAME:?message}` in a string: only the syntax, not the meaning of names.
//!
//! `$$` is a dollar sign, and so is a `$` before anything but `{`. A default or a message ends at its matching `}`, and
//! may contain variables.

use std::ops::Range;

/// Greatest nesting of defaults; it limits recursion, and is far beyond any real spec.
const MAX_DEPTH: usize = 16;

/// A part of a string.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Literal text.
    Text(String),
    /// A variable.
    Variable {
        /// Its name, including `base.`.
        name: String,
        /// The fallback if it has no value.
        otherwise: Otherwise,
        /// Its byte range in the string.
        range: Range<usize>,
    },
}

/// The fallback of a variable without a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Otherwise {
    /// None is given.
    Unsaid,
    /// `:-default`
    Default(Vec<Piece>),
    /// `:?message`
    Error(Vec<Piece>),
}

/// A syntax error, and its position in the string.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) range: Range<usize>,
    pub(super) message: &'static str,
}

/// Splits a string into its parts.
pub(super) fn parse(text: &str) -> Result<Vec<Piece>, SyntaxError> {
    let mut parser = Parser { text, at: 0 };
    parser.pieces(0)
}

/// Returns `true` for a valid name in `[vars]`: letters, digits and `_`, no digit first.
pub(super) fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    /// Parses to the end, or inside a variable (`depth` > 0) up to its `}`, which is not consumed.
    fn pieces(&mut self, depth: usize) -> Result<Vec<Piece>, SyntaxError> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        while let Some(character) = self.rest().chars().next() {
            if character == '}' && depth > 0 {
                break;
            }
            if self.rest().starts_with("${") {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(self.variable(depth + 1)?);
                continue;
            }
            self.at += if self.rest().starts_with("$$") {
                2
            } else {
                character.len_utf8()
            };
            text.push(character);
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(pieces)
    }

    fn variable(&mut self, depth: usize) -> Result<Piece, SyntaxError> {
        let start = self.at;
        let error = |end, message| {
            Err(SyntaxError {
                range: start..end,
                message,
            })
        };
        if depth > MAX_DEPTH {
            return error(start + 2, "variables are nested too deeply");
        }
        self.at += 2;
        let name_end = self.rest().find([':', '}']).map(|length| self.at + length);
        let Some(name_end) = name_end else {
            return error(self.text.len(), "`${` has no closing `}`");
        };
        let name = self.text[self.at..name_end].to_owned();
        if !is_name(name.strip_prefix("base.").unwrap_or(&name)) {
            return error(name_end, "not a valid variable name: expected letters, digits and _");
        }
        self.at = name_end;
        let otherwise = self.otherwise(start, depth)?;
        if !self.rest().starts_with('}') {
            return error(self.text.len(), "`${` has no closing `}`");
        }
        self.at += 1;
        Ok(Piece::Variable {
            name,
            otherwise,
            range: start..self.at,
        })
    }

    fn otherwise(&mut self, start: usize, depth: usize) -> Result<Otherwise, SyntaxError> {
        let make = match self.rest().get(..2) {
            _ if self.rest().starts_with('}') => return Ok(Otherwise::Unsaid),
            Some(":-") => Otherwise::Default,
            Some(":?") => Otherwise::Error,
            _ => {
                let message = "expected }, :-default} or :?message} after the name of the variable";
                return Err(SyntaxError {
                    range: start..self.at + 1,
                    message,
                });
            }
        };
        self.at += 2;
        self.pieces(depth).map(make)
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }
}
