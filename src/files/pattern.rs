//! Patterns: the glob of a `from`, matched component by component as the walk goes down.

use globset::{Candidate, Glob, GlobBuilder, GlobMatcher};

/// A glob of relative paths: `*`, `?` and `[…]` within a component, `**` for any number of components. Byte-wise.
pub(super) struct GlobPath {
    components: Vec<Component>,
    /// It ends in a slash: only directories match.
    only_directories: bool,
}

enum Component {
    AnyDepth,
    Name(GlobMatcher),
}

/// How far into the pattern a path has come: positions in its components, each once.
pub(super) type Positions = Vec<usize>;

impl GlobPath {
    /// The glob `pattern`, which begins at its first component that is not fixed.
    ///
    /// # Errors
    /// What is wrong with the pattern, in words.
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
        Ok(Self { components, only_directories: pattern.ends_with('/') })
    }

    /// How many components a match has; `None` where that differs, and where only directories match.
    pub(super) fn depth(&self) -> Option<usize> {
        let is_fixed = self.components.iter().all(|component| matches!(component, Component::Name(_)));
        (is_fixed && !self.only_directories).then_some(self.components.len())
    }

    /// The positions before the first component of a path.
    pub(super) fn start(&self) -> Positions {
        let mut positions = Positions::new();
        self.add(0, &mut positions);
        positions
    }

    /// The positions after one more component; none where nothing below can match.
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

    /// True where the path that led to `positions` matches.
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

/// True where `text` has a character that makes it a glob.
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

/// A glob over attribute names, where `*` matches anything.
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

/// `pattern` with its braces made literal: the glob library gives them a meaning that neither gitignore(5) nor Docker
/// nor the spec has. With `escapes`, a backslash escapes what follows it.
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

/// The length of the class `[…]` that `text` begins with, in bytes; `None` where it is not closed.
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
