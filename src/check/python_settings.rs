//! Files that Python reads at its start (the documentation of `site`; PEP 405; PEP 660).

use super::folders::is_site_name;
use crate::model::EntryPath;

/// Returns `true` for `pyvenv.cfg`, and for a [`Pointer`].
pub fn is_python_setting(path: &EntryPath) -> bool {
    path.file_name() == b"pyvenv.cfg" || Pointer::of(path).is_some()
}

/// A file of `site-packages` that adds places to look for modules.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pointer {
    /// `*.pth`: a folder on each line.
    Lines,
    /// `*.egg-link`: the folder is the first line.
    FirstLine,
    /// `__editable___NAME_finder.py`: a mapping of module names to paths.
    Finder,
}

impl Pointer {
    /// Returns the kind of a file; `None` for other files.
    pub fn of(path: &EntryPath) -> Option<Self> {
        if !is_site_name(path.parent_name()) {
            return None;
        }
        let name = path.file_name();
        if name.ends_with(b".pth") {
            Some(Self::Lines)
        } else if name.ends_with(b".egg-link") {
            Some(Self::FirstLine)
        } else {
            (name.starts_with(b"__editable__") && name.ends_with(b".py")).then_some(Self::Finder)
        }
    }

    /// Returns the absolute paths that it names; the rest is code, comments, or relative to the folder.
    pub fn paths(self, text: &[u8]) -> Vec<&[u8]> {
        let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        match self {
            Self::Lines => lines.filter(|line| line.starts_with(b"/")).collect(),
            Self::FirstLine => lines.next().filter(|line| line.starts_with(b"/")).into_iter().collect(),
            Self::Finder => lines
                .filter(|line| line.starts_with(b"MAPPING"))
                .flat_map(quoted_paths)
                .collect(),
        }
    }
}

/// The strings of a Python literal that begin with a slash.
fn quoted_paths(line: &[u8]) -> Vec<&[u8]> {
    let mut paths = Vec::new();
    let mut rest = line;
    while let Some(start) = rest.iter().position(|byte| matches!(byte, b'\'' | b'"')) {
        let inside = &rest[start + 1..];
        let Some(end) = inside.iter().position(|byte| *byte == rest[start]) else {
            break;
        };
        if inside.starts_with(b"/") {
            paths.push(&inside[..end]);
        }
        rest = &inside[end + 1..];
    }
    paths
}
