//! Matches the glob of a `from`, component by component, during a walk.

use globset::{Candidate, Glob, GlobBuilder, GlobMatcher};

/// A glob of relative paths: `*`, `?` and `[…]` within a component, `**` for any number of components. Matches bytes.
pub(super) struct GlobPath {
    components: Vec<Component>,
    /// The glob ends in a slash, so only directories match.
    only_directories: bool,
}

enum Component {
    AnyDepth,
    Name(GlobMatcher),
}

/// The state of matching a path: positions in the pattern's components, without duplicates.
pub(super) type Positions = Vec<usize>;

impl GlobPath {
    /// Parses the glob `pattern`, which begins at its first component that is not fixed.
    ///
    /// # Errors
    /// Returns a text that says what is wrong with the pattern.
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        let mut components = Vec::new();
        for part in pattern.split('/').filter(|part| !part.is_empty() && *part != ".") {
            match part {
                ".." => return Err("`..` is not allowed after a wildcard".to_owned()),
                "**" if matches!(components.last(), Some(Component::AnyDepth)) => {}
                "**" => components.push(Component::AnyDepth),
                name => components.push(Component::Name(name_glob(name)?)),
            }
        }
        if matches!(components.last(), Some(Component::AnyDepth)) {
            components.push(Component::Name(name_glob("*")?));
        }
        Ok(Self {
            components,
            only_directories: pattern.ends_with('/'),
        })
    }

    /// Returns the number of components of a match; `None` if it varies or if only directories match.
    pub(super) fn depth(&self) -> Option<usize> {
        let is_fixed = self
            .components
            .iter()
            .all(|component| matches!(component, Component::Name(_)));
        (is_fixed && !self.only_directories).then_some(self.components.len())
    }

    /// Returns the positions before the first component of a path.
    pub(super) fn start(&self) -> Positions {
        let mut positions = Positions::new();
        self.add(0, &mut positions);
        positions
    }

    /// Returns the positions after one more component. Empty if nothing below can match.
    pub(super) fn advance(&self, positions: &[usize], name: &[u8]) -> Positions {
        let candidate = Candidate::from_bytes(name);
        let mut next = Positions::new();
        for position in positions {
            match self.components.get(*position) {
                Some(Component::AnyDepth) => self.add(*position, &mut next),
                Some(Component::Name(glob)) if glob.is_match_candidate(&candidate) => self.add(position + 1, &mut next),
                _ => {}
            }
        }
        next
    }

    /// Returns `true` if the path that led to `positions` matches.
    pub(super) fn accepts(&self, positions: &[usize], is_directory: bool) -> bool {
        positions.contains(&self.components.len()) && (is_directory || !self.only_directories)
    }

    fn add(&self, position: usize, positions: &mut Positions) {
        if positions.contains(&position) {
            return;
        }
        positions.push(position);
        if matches!(self.components.get(position), Some(Component::AnyDepth)) {
            self.add(position + 1, positions);
        }
    }
}

/// Returns `true` if `text` contains a character that makes it a glob.
pub(super) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Splits a glob after its last fixed component: `dist/*/bin` into `dist` and `*/bin`.
pub(super) fn split_fixed(pattern: &str) -> (&str, &str) {
    let wild = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
    match pattern[..wild].rfind('/') {
        Some(0) => ("/", &pattern[1..]),
        Some(slash) => (&pattern[..slash], &pattern[slash + 1..]),
        None => ("", pattern),
    }
}

/// Compiles a glob over attribute names, in which `*` matches any characters.
pub(super) fn attribute_glob(pattern: &str) -> Result<Glob, String> {
    GlobBuilder::new(&literal_braces(pattern, false))
        .literal_separator(false)
        .backslash_escape(false)
        .build()
        .map_err(|error| error.kind().to_string())
}

fn name_glob(pattern: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(&literal_braces(pattern, false))
        .literal_separator(true)
        .backslash_escape(false)
        .build()
        .map_err(|error| error.kind().to_string())?;
    Ok(glob.compile_matcher())
}

/// Escapes the braces of `pattern`: the glob library gives them a meaning that gitignore(5), Docker and the spec do not
/// have. With `escapes`, a backslash escapes the next character.
pub(super) fn literal_braces(pattern: &str, escapes: bool) -> String {
    let mut literal = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\\' if escapes => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            '[' => class_length(rest).unwrap_or(1),
            '{' | '}' => {
                literal.extend(['[', first, ']']);
                rest = &rest[1..];
                continue;
            }
            other => other.len_utf8(),
        };
        literal.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    literal
}

/// Returns the length in bytes of the class `[…]` at the start of `text`; `None` if it is not closed.
fn class_length(text: &str) -> Option<usize> {
    let mut body = 1;
    if text[body..].starts_with(['!', '^']) {
        body += 1;
    }
    if text[body..].starts_with(']') {
        body += 1;
    }
    text[body..].find(']').map(|end| body + end + 1)
}
