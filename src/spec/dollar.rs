//! Finds `$NAME` in values that no shell reads: a Dockerfile would expand it, but a spec does not.
//!
//! Checks environment, labels and annotations, paths, names and `[vars]`. Commands are not checked, since the shell
//! that runs them may expand it. `$$` is a literal dollar sign.

use std::ops::Range;

use super::error::Problem;
use super::tree::{Node, Value};
use super::variables::{place, written_here};
use crate::model::escape;

/// The role of a value, which decides how likely a dollar sign is a mistake.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role<'a> {
    /// The value of this container variable.
    Env(&'a str),
    /// A path, on the disk or in the image.
    Path,
    /// A name that cannot contain a dollar sign.
    Name,
    /// Text for people and programs, which may contain anything.
    Text,
}

/// The results: errors and warnings.
#[derive(Default)]
pub(super) struct Dollars {
    pub(super) errors: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

/// Checks a document before variables are expanded. `vars` are the names of `[vars]`; `text` is that of the spec.
pub(super) fn find(document: &Node, vars: &[&str], text: &str) -> Dollars {
    let mut search = Search {
        vars,
        text,
        found: Dollars::default(),
    };
    search.document(document);
    search.found
}

struct Search<'a> {
    vars: &'a [&'a str],
    text: &'a str,
    found: Dollars,
}

/// A `$NAME` in a value.
struct Dollar<'a> {
    name: &'a str,
    /// Its byte range in the value, including the dollar sign.
    range: Range<usize>,
    /// A letter or a digit comes before it, as in `Outer$Inner.class`.
    is_inside_word: bool,
}

impl Search<'_> {
    fn document(&mut self, document: &Node) {
        self.keys(
            document.get("image"),
            &[
                ("name", Role::Name),
                ("base", Role::Name),
                ("tags", Role::Name),
                ("ignore-file", Role::Path),
                ("annotations", Role::Text),
            ],
        );
        let config = document.get("config");
        self.keys(
            config,
            &[("workdir", Role::Path), ("volumes", Role::Path), ("labels", Role::Text)],
        );
        self.keys(Some(document), &[("vars", Role::Text)]);
        for (name, value) in config
            .and_then(|config| config.get("env"))
            .into_iter()
            .flat_map(Node::entries)
        {
            self.value(value, Role::Env(name));
        }
        self.keys(items(document, "dirs"), &[("path", Role::Path)]);
        self.keys(items(document, "users"), &[("home", Role::Path), ("shell", Role::Path)]);
        for layer in items(document, "layers") {
            self.keys([layer], &[("remove", Role::Path), ("annotations", Role::Text)]);
            self.keys(items(layer, "files"), &[("from", Role::Path), ("to", Role::Path)]);
            self.keys(items(layer, "links"), &[("path", Role::Path), ("target", Role::Path)]);
        }
    }

    /// Checks some keys of tables.
    fn keys<'a>(&mut self, tables: impl IntoIterator<Item = &'a Node>, keys: &[(&str, Role<'_>)]) {
        for table in tables {
            for (key, role) in keys {
                if let Some(value) = table.get(key) {
                    self.value(value, *role);
                }
            }
        }
    }

    /// Checks a string, or the strings of a list or a table.
    fn value(&mut self, value: &Node, role: Role<'_>) {
        match &value.value {
            Value::Text(text) => self.string(text, &value.span, role),
            Value::List(items) => items.iter().for_each(|item| self.value(item, role)),
            Value::Table(table) => table.values().for_each(|value| self.value(value, role)),
            _ => {}
        }
    }

    fn string(&mut self, value: &str, span: &Range<usize>, role: Role<'_>) {
        for dollar in dollars(value) {
            let at = place(value, span, self.text, &dollar.range);
            let is_known = self.vars.contains(&dollar.name) || written_here(dollar.name).is_some();
            let is_itself = matches!(role, Role::Env(own) if own == dollar.name);
            let is_error = role == Role::Name || is_itself || (is_known && role != Role::Text);
            if is_error || is_known || is_suspect(&dollar, role) {
                let problem = self.problem(&dollar, role, &at);
                if is_error {
                    self.found.errors.push(problem)
                } else {
                    self.found.warnings.push(problem)
                }
            }
        }
    }

    fn problem(&self, dollar: &Dollar<'_>, role: Role<'_>, at: &Range<usize>) -> Problem {
        let name = escape(dollar.name.as_bytes());
        let literal = format!("$${name}");
        let write = match (self.vars.contains(&dollar.name), written_here(dollar.name), role) {
            (true, ..) => format!("write ${{{name}}}"),
            (false, Some(ours), _) => format!("write {ours}"),
            (false, None, Role::Env(_)) => format!("write ${{base.{name}}} for the value of the base image"),
            (false, None, _) => format!("write ${{{name}}}, and add {name} to [vars]"),
        };
        Problem::new(at, format!("`${name}` is not expanded: variables need braces"))
            .help(format!("{write}, or {literal} for the literal text ${name}"))
    }
}

fn items<'a>(table: &'a Node, key: &str) -> &'a [Node] {
    table.get(key).map_or(&[], Node::items)
}

/// Returns `true` for what looks like a variable and is not a known one.
fn is_suspect(dollar: &Dollar<'_>, role: Role<'_>) -> bool {
    /// Least number of characters. A single capital letter may also be part of a pattern or a hash.
    const MIN_CHARS: usize = 2;
    let is_upper = dollar.name.len() >= MIN_CHARS
        && dollar
            .name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    match role {
        Role::Env(_) => is_upper,
        Role::Path => is_upper || !dollar.is_inside_word,
        Role::Name => true,
        Role::Text => false,
    }
}

/// Returns each `$NAME` that is neither `$$NAME` nor `${NAME}`.
fn dollars(value: &str) -> Vec<Dollar<'_>> {
    let bytes = value.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'$' {
            at += 1;
            continue;
        }
        if bytes.get(at + 1) == Some(&b'$') {
            at += 2;
            continue;
        }
        let start = at + 1;
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let end = start + bytes[start..].iter().take_while(|byte| is_word(byte)).count();
        if bytes
            .get(start)
            .is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
        {
            let is_inside_word = at > 0 && is_word(&bytes[at - 1]);
            found.push(Dollar {
                name: &value[start..end],
                range: at..end,
                is_inside_word,
            });
        }
        at = end.max(start);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::convert::BUILT_IN;
    use super::*;

    #[test]
    fn names_after_one_dollar_sign_are_found() {
        let names = |text| dollars(text).iter().map(|dollar| dollar.name).collect::<Vec<_>>();
        assert_eq!(names("/app/bin:$PATH"), ["PATH"]);
        assert_eq!(names("$a$B_1/$c"), ["a", "B_1", "c"]);
        for text in [
            "", "$", "$$", "$$PATH", "${PATH}", "$${PATH}", "cost: $5", "a $ b", "$(x)", "$-x",
        ] {
            assert!(names(text).is_empty(), "{text}");
        }
        assert_eq!(names("$$A$B"), ["B"]);
    }

    #[test]
    fn every_built_in_name_is_written_as_itself() {
        for name in BUILT_IN {
            assert_eq!(written_here(name), Some(format!("${{{name}}}")));
        }
    }
}
