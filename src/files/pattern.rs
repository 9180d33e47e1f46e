//! Matches the glob of a `from`, component by component, during a walk.

use globset::{Candidate, Glob, GlobBuilder, GlobMatcher};

use crate::model::literal_braces;

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
