//! Text with variables, as Compose writes it (compose-spec, 12-interpolation.md): `$NAME`, `${NAME}`, `${NAME:-default}`
//! and kin, and `$$` for a dollar sign.

use std::cell::Cell;
use std::ops::Range;

/// Greatest depth of defaults within defaults. Compose files have two or three; the limit bounds the recursion.
const MAX_TEMPLATE_DEPTH: usize = 32;

/// Greatest size of a value with its variables replaced, in bytes: what Linux accepts for one environment variable
/// (MAX_ARG_STRLEN).
pub const MAX_VALUE_BYTES: usize = 128 * 1024;

/// Greatest size of all values together with their variables replaced, in bytes. Variables of env files may refer to each
/// other, so that a small file could grow to any size. It is smaller in unit tests, so that they reach it quickly.
pub const MAX_EXPANDED_BYTES: usize = if cfg!(test) { 4 * 1024 * 1024 } else { 64 * 1024 * 1024 };

/// Text with variables, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(Use),
}

/// A variable in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Use {
    name: String,
    form: Form,
    /// Its place in the text, in bytes.
    span: Range<usize>,
}

/// What stands for a variable that is not set, or that is empty if `or_empty` is set.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// `${NAME}`: an empty string.
    Plain,
    /// `${NAME:-text}`, `${NAME-text}`: a default.
    Default { or_empty: bool, text: Template },
    /// `${NAME:?text}`, `${NAME?text}`: Compose fails with this message.
    Required { or_empty: bool, message: Template },
    /// `${NAME:+text}`, `${NAME+text}`: an empty string; the text stands for a variable that is set.
    Alternative { or_empty: bool, text: Template },
}

/// Text that Compose refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TemplateError {
    /// What is wrong.
    pub reason: TemplateReason,
    /// The place in the text, in bytes.
    pub span: Range<usize>,
}

/// Why Compose refuses a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TemplateReason {
    /// `${` without its `}`.
    Unterminated,
    /// No name after `${`, or something other than an operator after the name.
    Malformed,
    /// Too many defaults within defaults.
    TooDeep,
    /// The value is too large.
    TooLarge,
    /// All values together are too large.
    TooMuch,
}

impl TemplateReason {
    /// Returns what is wrong, as a fragment.
    pub fn message(self) -> String {
        match self {
            Self::Unterminated => "`${` is not closed by `}`".to_owned(),
            Self::Malformed => "`${` is not followed by a name and an operator that Compose knows".to_owned(),
            Self::TooDeep => format!("variables are nested more than {MAX_TEMPLATE_DEPTH} levels deep"),
            Self::TooLarge => {
                format!("the value has more than {MAX_VALUE_BYTES} bytes after its variables are replaced")
            }
            Self::TooMuch => {
                format!("all values have more than {MAX_EXPANDED_BYTES} bytes after their variables are replaced")
            }
        }
    }

    /// Returns how to fix it, if that is known.
    pub fn help(self) -> Option<&'static str> {
        match self {
            Self::Unterminated => Some("add the closing }, or write $$ for a dollar sign"),
            Self::Malformed => {
                Some("write ${NAME}, ${NAME:-default}, ${NAME:?message} or ${NAME:+text}; write $$ for a dollar sign")
            }
            Self::TooDeep | Self::TooLarge | Self::TooMuch => None,
        }
    }
}

/// A text with its variables replaced, and what is known of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Expansion {
    /// The text.
    pub text: String,
    /// Variables that are not set, and that an empty string stands for; with their places.
    pub unset: Vec<(String, Range<usize>)>,
    /// Variables without which Compose refuses the file.
    pub refused: Vec<Refused>,
}

/// A variable without which Compose refuses the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// Its name.
    pub name: String,
    /// `true` if it is set to an empty string.
    pub is_empty: bool,
    /// The message that Compose prints.
    pub message: String,
    /// Its place in the text, in bytes.
    pub span: Range<usize>,
}

/// Counts the bytes of all values of a run.
#[derive(Debug, Default)]
pub(super) struct Budget(Cell<usize>);

impl Budget {
    /// Counts bytes. Returns `false` if they are too many.
    pub fn take(&self, bytes: usize) -> bool {
        self.0.set(self.0.get().saturating_add(bytes));
        self.0.get() <= MAX_EXPANDED_BYTES
    }
}

/// Returns `true` for the first byte of a name.
fn begins_name(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphabetic()
}

/// Returns `true` for what makes a dollar sign before it a variable. Before anything else, it stands for itself.
fn begins_variable(rest: &str) -> bool {
    rest.bytes()
        .next()
        .is_some_and(|next| next == b'{' || begins_name(next))
}

/// Returns the length of the name that a text begins with, in bytes.
fn name_length(text: &str) -> usize {
    let is_in_name = |byte: &u8| *byte == b'_' || byte.is_ascii_alphanumeric();
    match text.bytes().next() {
        Some(first) if begins_name(first) => text.bytes().take_while(is_in_name).count(),
        _ => 0,
    }
}

impl Template {
    /// Parses a text.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parser = Parser { text, at: 0 };
        parser.template(0)
    }

    /// Returns the text with its variables replaced.
    pub fn expand<'v>(
        &self,
        lookup: &dyn Fn(&str) -> Option<&'v str>,
        budget: &Budget,
    ) -> Result<Expansion, TemplateError> {
        let mut expansion = Expansion::default();
        self.expand_into(lookup, budget, &mut expansion)?;
        Ok(expansion)
    }

    fn expand_into<'v>(
        &self,
        lookup: &dyn Fn(&str) -> Option<&'v str>,
        budget: &Budget,
        expansion: &mut Expansion,
    ) -> Result<(), TemplateError> {
        for part in &self.0 {
            match part {
                Part::Text(text) => expansion.add(text, &(0..0), budget)?,
                Part::Variable(used) => used.expand_into(lookup, budget, expansion)?,
            }
        }
        Ok(())
    }
}

impl Expansion {
    fn add(&mut self, text: &str, span: &Range<usize>, budget: &Budget) -> Result<(), TemplateError> {
        let refused = |reason| TemplateError {
            reason,
            span: span.clone(),
        };
        if self.text.len() + text.len() > MAX_VALUE_BYTES {
            return Err(refused(TemplateReason::TooLarge));
        }
        if !budget.take(text.len()) {
            return Err(refused(TemplateReason::TooMuch));
        }
        self.text.push_str(text);
        Ok(())
    }
}

impl Use {
    fn expand_into<'v>(
        &self,
        lookup: &dyn Fn(&str) -> Option<&'v str>,
        budget: &Budget,
        expansion: &mut Expansion,
    ) -> Result<(), TemplateError> {
        let value = lookup(&self.name);
        let counts_as_set = |or_empty: bool| value.filter(|value| !(or_empty && value.is_empty()));
        match &self.form {
            Form::Plain => match value {
                Some(value) => expansion.add(value, &self.span, budget),
                None => {
                    expansion.unset.push((self.name.clone(), self.span.clone()));
                    Ok(())
                }
            },
            Form::Default { or_empty, text } => match counts_as_set(*or_empty) {
                Some(value) => expansion.add(value, &self.span, budget),
                None => text.expand_into(lookup, budget, expansion),
            },
            Form::Alternative { or_empty, text } => match counts_as_set(*or_empty) {
                Some(_) => text.expand_into(lookup, budget, expansion),
                None => Ok(()),
            },
            Form::Required { or_empty, message } => match counts_as_set(*or_empty) {
                Some(value) => expansion.add(value, &self.span, budget),
                None => {
                    let mut said = Expansion::default();
                    message.expand_into(lookup, budget, &mut said)?;
                    expansion.refused.push(Refused {
                        name: self.name.clone(),
                        is_empty: value.is_some(),
                        message: said.text,
                        span: self.span.clone(),
                    });
                    Ok(())
                }
            },
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn error<T>(&self, reason: TemplateReason, start: usize, end: usize) -> Result<T, TemplateError> {
        Err(TemplateError {
            reason,
            span: start..self.text.floor_char_boundary(end),
        })
    }

    /// Parses to the end of the text, or to the `}` that ends a default at `depth`.
    fn template(&mut self, depth: usize) -> Result<Template, TemplateError> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        while let Some(next) = self.rest().chars().next() {
            if next == '}' && depth > 0 {
                break;
            }
            if self.rest().starts_with("$$") {
                plain.push('$');
                self.at += "$$".len();
            } else if next == '$' && begins_variable(&self.rest()["$".len()..]) {
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(Part::Variable(self.variable(depth)?));
            } else {
                plain.push(next);
                self.at += next.len_utf8();
            }
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Template(parts))
    }

    /// Parses a variable, which begins with a dollar sign.
    fn variable(&mut self, depth: usize) -> Result<Use, TemplateError> {
        let start = self.at;
        self.at += "$".len();
        let is_braced = self.rest().starts_with('{');
        self.at += usize::from(is_braced);
        let length = name_length(self.rest());
        let name = self.rest()[..length].to_owned();
        self.at += length;
        if !is_braced {
            return Ok(Use {
                name,
                form: Form::Plain,
                span: start..self.at,
            });
        }
        if self.rest().is_empty() {
            return self.error(TemplateReason::Unterminated, start, self.at);
        }
        if length == 0 {
            return self.error(TemplateReason::Malformed, start, self.at);
        }
        let form = self.form(start, depth)?;
        if !self.rest().starts_with('}') {
            return self.error(TemplateReason::Unterminated, start, self.text.len());
        }
        self.at += "}".len();
        Ok(Use {
            name,
            form,
            span: start..self.at,
        })
    }

    /// Parses what follows the name in braces.
    fn form(&mut self, start: usize, depth: usize) -> Result<Form, TemplateError> {
        let rest = self.rest();
        if rest.starts_with('}') {
            return Ok(Form::Plain);
        }
        let or_empty = rest.starts_with(':');
        let operator = rest[usize::from(or_empty)..].chars().next();
        let Some(operator @ ('-' | '?' | '+')) = operator else {
            return self.error(TemplateReason::Malformed, start, self.at);
        };
        self.at += usize::from(or_empty) + operator.len_utf8();
        if depth == MAX_TEMPLATE_DEPTH {
            return self.error(TemplateReason::TooDeep, start, self.at);
        }
        let text = self.template(depth + 1)?;
        Ok(match operator {
            '-' => Form::Default { or_empty, text },
            '?' => Form::Required {
                or_empty,
                message: text,
            },
            _ => Form::Alternative { or_empty, text },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str) -> Option<&'static str> {
        match name {
            "SET" => Some("value"),
            "_a1" => Some("short"),
            "EMPTY" => Some(""),
            "DOLLAR" => Some("$SET"),
            _ => None,
        }
    }

    fn expand(text: &str) -> Result<Expansion, TemplateError> {
        Template::parse(text)?.expand(&value, &Budget::default())
    }

    fn text(text: &str) -> String {
        let expansion = expand(text).unwrap();
        assert!(expansion.refused.is_empty(), "{text}");
        expansion.text
    }

    #[test]
    fn every_form_is_replaced_as_compose_does() {
        for (written, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("$SET", "value"),
            ("${SET}", "value"),
            ("a$_a1-b", "ashort-b"),
            ("${_a1}1", "short1"),
            ("$$SET $${SET} $$$SET", "$SET ${SET} $value"),
            ("${UNSET:-d} ${EMPTY:-d} ${SET:-d}", "d d value"),
            ("${UNSET-d} ${EMPTY-d} ${SET-d}", "d  value"),
            ("${UNSET:+a} ${EMPTY:+a} ${SET:+a}", "  a"),
            ("${UNSET+a} ${EMPTY+a} ${SET+a}", " a a"),
            ("${SET:?m} ${SET?m} ${EMPTY?m}", "value value "),
            ("${UNSET:-${EMPTY:-${SET}}}", "value"),
            ("${UNSET:-a$$b}", "a$b"),
            ("${UNSET:-a:-b?c}", "a:-b?c"),
            ("${UNSET:-}", ""),
            ("${UNSET:-{\"a\":1}}", "{\"a\":1}"),
            ("$ $1 $(SET) $\u{e4} $", "$ $1 $(SET) $\u{e4} $"),
            ("${UNSET:-$}", "$"),
            // A value is not looked at again.
            ("$DOLLAR", "$SET"),
            ("\u{e4}$SET\u{e4}", "\u{e4}value\u{e4}"),
        ] {
            assert_eq!(text(written), expected, "{written}");
        }
    }

    #[test]
    fn only_plain_variables_become_empty_without_a_word() {
        for (written, expected) in [
            ("$NO and ${NO2}", vec![("NO", 0..3), ("NO2", 8..14)]),
            ("$EMPTY${NO:-x}${NO+x}", vec![]),
            ("${NO:-$NO2}", vec![("NO2", 6..10)]),
            ("${SET:-$NO2}", vec![]),
        ] {
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(name, span)| (name.to_owned(), span))
                .collect();
            assert_eq!(expand(written).unwrap().unset, expected, "{written}");
        }
    }

    #[test]
    fn required_variables_are_refused_with_their_message() {
        for (written, name, is_empty, message) in [
            ("${NO:?set NO}", "NO", false, "set NO"),
            ("${NO?}", "NO", false, ""),
            ("${EMPTY:?for $SET}", "EMPTY", true, "for value"),
        ] {
            let refused = expand(written).unwrap().refused;
            let expected = Refused {
                name: name.to_owned(),
                is_empty,
                message: message.to_owned(),
                span: 0..written.len(),
            };
            assert_eq!(refused, [expected], "{written}");
        }
    }

    #[test]
    fn what_compose_refuses_is_refused_at_its_place() {
        use TemplateReason::{Malformed, Unterminated};
        for (written, reason, span) in [
            ("a ${SET", Unterminated, 2..7),
            ("${SET:-x", Unterminated, 0..8),
            ("${SET:-${NO}", Unterminated, 0..12),
            ("${", Unterminated, 0..2),
            ("${}", Malformed, 0..2),
            ("${ SET}", Malformed, 0..2),
            ("${1A}", Malformed, 0..2),
            ("${A:}", Malformed, 0..3),
            ("${A=b}", Malformed, 0..3),
            ("${A b}", Malformed, 0..3),
        ] {
            assert_eq!(expand(written), Err(TemplateError { reason, span }), "{written}");
        }
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let nested = |depth: usize| format!("{}x{}", "${A:-".repeat(depth), "}".repeat(depth));
        assert_eq!(text(&nested(MAX_TEMPLATE_DEPTH)), "x");
        let reason = |text: &str| expand(text).map_err(|error| error.reason);
        assert_eq!(reason(&nested(MAX_TEMPLATE_DEPTH + 1)), Err(TemplateReason::TooDeep));
        assert_eq!(reason(&"${A:-".repeat(100_000)), Err(TemplateReason::TooDeep));
        let many = "$SET".repeat(MAX_VALUE_BYTES / 5 + 1);
        assert_eq!(reason(&many), Err(TemplateReason::TooLarge));
        let budget = Budget::default();
        assert!(budget.take(MAX_EXPANDED_BYTES - 1));
        let error = Template::parse("$SET").unwrap().expand(&value, &budget).unwrap_err();
        assert_eq!(error.reason, TemplateReason::TooMuch);
    }
}
