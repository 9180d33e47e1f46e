//! `${NAME}`, `${NAME:-default}`, `${NAME:?message}` in a string: the syntax, without what the names mean.
//!
//! `$$` is a dollar sign, and so is a `$` before anything else than `{`. A default or a message runs to the `}` that
//! closes it, and may hold variables itself.

use std::ops::Range;

/// Deepest nesting of defaults; a bound on recursion that no real spec comes near.
const MAX_DEPTH: usize = 16;

/// A part of a string.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// As it is.
    Text(String),
    /// A variable.
    Variable {
        /// Its name, `base.` included.
        name: String,
        /// What stands where it has no value.
        otherwise: Otherwise,
        /// Where it stands in the string, in bytes.
        range: Range<usize>,
    },
}

/// What stands where a variable has no value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Otherwise {
    /// Nothing is said.
    Unsaid,
    /// `:-default`
    Default(Vec<Piece>),
    /// `:?message`
    Error(Vec<Piece>),
}

/// What is wrong with the syntax, and where in the string.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) range: Range<usize>,
    pub(super) message: &'static str,
}

/// The parts of a string.
pub(super) fn parse(text: &str) -> Result<Vec<Piece>, SyntaxError> {
    let mut parser = Parser { text, at: 0 };
    parser.pieces(0)
}

/// True for a name that `[vars]` may have: letters, digits and `_`, no digit first.
pub(super) fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    /// Up to the end, or inside a variable (`depth` > 0) up to its `}`, which is left where it is.
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
            self.at += if self.rest().starts_with("$$") { 2 } else { character.len_utf8() };
            text.push(character);
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(pieces)
    }

    fn variable(&mut self, depth: usize) -> Result<Piece, SyntaxError> {
        let start = self.at;
        let error = |end, message| Err(SyntaxError { range: start..end, message });
        if depth > MAX_DEPTH {
            return error(start + 2, "variables are nested too deeply");
        }
        self.at += 2;
        let name_end = self.rest().find([':', '}']).map(|length| self.at + length);
        let Some(name_end) = name_end else { return error(self.text.len(), "`${` has no closing `}`") };
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
        Ok(Piece::Variable { name, otherwise, range: start..self.at })
    }

    fn otherwise(&mut self, start: usize, depth: usize) -> Result<Otherwise, SyntaxError> {
        let make = match self.rest().get(..2) {
            _ if self.rest().starts_with('}') => return Ok(Otherwise::Unsaid),
            Some(":-") => Otherwise::Default,
            Some(":?") => Otherwise::Error,
            _ => {
                let message = "expected }, :-default} or :?message} after the name of the variable";
                return Err(SyntaxError { range: start..self.at + 1, message });
            }
        };
        self.at += 2;
        self.pieces(depth).map(make)
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }
}
