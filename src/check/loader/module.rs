//! Programs, libraries, and modules that programs open, told apart by path and facts.

use super::super::folders::is_site_name;
use crate::elf::ElfFacts;
use crate::model::EntryPath;

/// A program that opens modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    Node,
    /// The minor version of Python 3, if the name contains it.
    Python(Option<u32>),
}

impl Host {
    /// Returns the kind of a program, by its name.
    pub(super) fn of_program(name: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(name).ok()?;
        match text {
            "node" | "nodejs" => Some(Self::Node),
            "python3" | "python" => Some(Self::Python(None)),
            _ => text
                .strip_prefix("python3.")?
                .parse()
                .ok()
                .map(|minor| Self::Python(Some(minor))),
        }
    }
}

/// Kinds of ELF files that are known to be opened by `dlopen`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Module {
    Node,
    Python,
}

impl Module {
    /// Returns the kind of module that a file is, by its path.
    pub(in super::super) fn of(path: &EntryPath) -> Option<Self> {
        let name = path.file_name();
        if name.ends_with(b".node") {
            return Some(Self::Node);
        }
        let has = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
        let is_tagged = has(b".cpython-") || has(b".abi3.") || has(b".pypy");
        let in_packages = || {
            path.components()
                .any(|component| is_site_name(component) || component == b"lib-dynload")
        };
        let is_extension = name.ends_with(b".so") && (is_tagged || (!name.starts_with(b"lib") && in_packages()));
        // `numpy.libs/x.so`: libraries that wheels include are loaded only by name.
        let is_bundled = path
            .parent()
            .is_some_and(|folder| folder.file_name().ends_with(b".libs"));
        (is_extension && !is_bundled).then_some(Self::Python)
    }
}

/// Returns the minor version in a path such as `lib/python3.11/site-packages`.
pub(in super::super) fn python_minor(path: &EntryPath) -> Option<u32> {
    let minor = |component: &[u8]| {
        std::str::from_utf8(component.strip_prefix(b"python3.")?)
            .ok()?
            .parse()
            .ok()
    };
    path.components().find_map(minor)
}

/// Returns `true` for a library that can also be started, as glibc's own.
pub(in super::super) fn is_library(path: &EntryPath, facts: &ElfFacts) -> bool {
    let name = path.file_name();
    facts.soname.is_some() && name.starts_with(b"lib") && name.windows(3).any(|part| part == b".so")
}

/// Returns `true` for files of one processor.
pub(super) fn is_same_machine(left: &ElfFacts, right: &ElfFacts) -> bool {
    (left.class, left.endianness, left.machine) == (right.class, right.endianness, right.machine)
}
