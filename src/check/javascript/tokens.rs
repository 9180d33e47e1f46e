//! The tokens of a JavaScript source (ECMA-262, "Lexical Grammar"), as needed to find `require` and `import`.

/// The kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// An identifier or a keyword.
    Word(&'a str),
    /// A string, without its quotes; `None` for one with escapes.
    Text(Option<&'a str>),
    /// A number, a regular expression, or the last part of a template.
    Value,
    /// Punctuation, the longest that matters here: `=>`, `?.`, `&&`.
    Mark(&'a str),
    /// The start of a substitution in a template: `${`.
    Substitution,
    /// The end of one.
    SubstitutionEnd,
}

/// A token, and whether a line ends before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) after_line_end: bool,
}

/// Punctuation of more than one character that must not be read as its parts.
const MARKS: &[&str] = &[
    "...", "&&=", "||=", "??=", "=>", "?.", "&&", "||", "??", "++", "--", "==", "!=", "<=", ">=", "+=", "-=", "*=",
];

/// Words after which a slash begins a regular expression.
const BEFORE_VALUE: &[&str] = &[
    "return",
    "typeof",
    "case",
    "in",
    "of",
    "delete",
    "void",
    "instanceof",
    "new",
    "do",
    "else",
    "throw",
    "yield",
    "await",
];

/// Reads tokens one by one. After an error no more tokens follow, and [`Tokens::is_broken`] returns `true`.
pub(super) struct Tokens<'a> {
    rest: &'a str,
    before: Option<Kind<'a>>,
    /// Braces that are open: `true` for those of a substitution.
    braces: Vec<bool>,
    /// `true` after a substitution, where the template continues.
    is_in_template: bool,
    pub(super) is_broken: bool,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let rest = if text.starts_with("#!") {
            text.split_once('\n').map_or("", |(_, rest)| rest)
        } else {
            text
        };
        Self {
            rest,
            before: None,
            braces: Vec::new(),
            is_in_template: false,
            is_broken: false,
        }
    }

    fn broken<T>(&mut self) -> Option<T> {
        self.is_broken = true;
        self.rest = "";
        None
    }

    /// Skips blanks and comments; `true` if a line ended among them.
    fn skip_blanks(&mut self) -> Option<bool> {
        let mut has_line_end = false;
        loop {
            let text = self.rest.trim_start();
            has_line_end |= self.rest[..self.rest.len() - text.len()].contains(['\n', '\r', '\u{2028}', '\u{2029}']);
            self.rest = text;
            if text.starts_with("//") {
                let end = text.find(['\n', '\r']).unwrap_or(text.len());
                self.rest = &text[end..];
            } else if let Some(comment) = text.strip_prefix("/*") {
                let Some((comment, rest)) = comment.split_once("*/") else {
                    return self.broken();
                };
                has_line_end |= comment.contains('\n');
                self.rest = rest;
            } else {
                return Some(has_line_end);
            }
        }
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    /// Returns `true` if a slash here begins a regular expression.
    fn expects_value(&self, after_line_end: bool) -> bool {
        match self.before {
            None | Some(Kind::Substitution) => true,
            Some(Kind::SubstitutionEnd) => false,
            Some(Kind::Word(word)) => BEFORE_VALUE.contains(&word),
            Some(Kind::Text(_) | Kind::Value) => false,
            Some(Kind::Mark(mark)) => match mark {
                ")" | "]" | "++" | "--" => false,
                "}" => after_line_end,
                _ => true,
            },
        }
    }

    /// The length of a regular expression that begins here, flags included; `None` if the line ends first.
    fn expression_length(&self) -> Option<usize> {
        let mut is_escaped = false;
        let mut in_class = false;
        for (at, character) in self.rest.char_indices().skip(1) {
            match character {
                '\n' | '\r' => return None,
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                '[' => in_class = true,
                ']' => in_class = false,
                '/' if !in_class => {
                    let flags = &self.rest[at + 1..];
                    let end = flags
                        .find(|flag: char| !flag.is_ascii_alphabetic())
                        .unwrap_or(flags.len());
                    return Some(at + 1 + end);
                }
                _ => {}
            }
        }
        None
    }

    fn string(&mut self, quote: char) -> Option<Kind<'a>> {
        let text = &self.rest[1..];
        let mut is_escaped = false;
        let mut has_escapes = false;
        for (at, character) in text.char_indices() {
            match character {
                _ if is_escaped => is_escaped = false,
                '\\' => (is_escaped, has_escapes) = (true, true),
                '\n' | '\r' => return self.broken(),
                _ if character == quote => {
                    self.rest = &text[at + 1..];
                    return Some(Kind::Text((!has_escapes).then_some(&text[..at])));
                }
                _ => {}
            }
        }
        self.broken()
    }

    /// The part of a template up to its end or to the next substitution.
    fn template(&mut self) -> Option<Kind<'a>> {
        let mut is_escaped = false;
        let text = self.rest;
        for (at, character) in text.char_indices() {
            match character {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                '`' => {
                    self.rest = &text[at + 1..];
                    return Some(Kind::Value);
                }
                '$' if text[at + 1..].starts_with('{') => {
                    self.rest = &text[at + 2..];
                    self.braces.push(true);
                    return Some(Kind::Substitution);
                }
                _ => {}
            }
        }
        self.broken()
    }

    fn mark(&mut self) -> Option<Kind<'a>> {
        let first = self.rest.chars().next()?;
        // `a?.5:b` is a condition.
        let is_number = |text: &str| text[2..].starts_with(|next: char| next.is_ascii_digit());
        let long = MARKS.iter().find(|mark| self.rest.starts_with(**mark));
        let long = long.filter(|mark| **mark != "?." || !is_number(self.rest));
        let mark = self.take(long.map_or(first.len_utf8(), |mark| mark.len()));
        match mark {
            "{" => self.braces.push(false),
            "}" if self.braces.pop().is_none() => return self.broken(),
            _ => {}
        }
        Some(Kind::Mark(mark))
    }

    fn kind(&mut self, after_line_end: bool) -> Option<Kind<'a>> {
        let first = self.rest.chars().next()?;
        let is_word = |character: char| character.is_alphanumeric() || matches!(character, '_' | '$');
        let length_of = |text: &str, is_part: &dyn Fn(char) -> bool| {
            text.find(|character| !is_part(character)).unwrap_or(text.len())
        };
        match first {
            '"' | '\'' => self.string(first),
            '`' => {
                self.take(1);
                self.template()
            }
            '}' if self.braces.last() == Some(&true) => {
                self.braces.pop();
                self.take(1);
                self.is_in_template = true;
                Some(Kind::SubstitutionEnd)
            }
            '0'..='9' => {
                self.take(length_of(self.rest, &|character| {
                    is_word(character) || character == '.'
                }));
                Some(Kind::Value)
            }
            _ if is_word(first) => Some(Kind::Word(self.take(length_of(self.rest, &is_word)))),
            '/' if self.expects_value(after_line_end) => match self.expression_length() {
                Some(length) => {
                    self.take(length);
                    Some(Kind::Value)
                }
                None => self.mark(),
            },
            _ => self.mark(),
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        if std::mem::take(&mut self.is_in_template) {
            let kind = self.template()?;
            self.before = Some(kind);
            return Some(Token {
                kind,
                after_line_end: false,
            });
        }
        let after_line_end = self.skip_blanks()?;
        let kind = self.kind(after_line_end)?;
        self.before = Some(kind);
        Some(Token { kind, after_line_end })
    }
}
