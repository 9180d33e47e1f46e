//! Collects facts from the files of a base image while its layers are streamed, by the position of the content: layer
//! and stored path. Which files belong to the final image is known only at the end, with the complete tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek as _, Write as _};

use object::read::ReadCache;

use super::error::LayerError;
use super::file_tree::Tree;
use super::node::{Node, NodeKind};
use super::packages::{MAX_DATABASE_BYTES, Package, PackageSystem, read_packages};
use super::rpm::{MAX_RPM_DATABASE_BYTES, read_rpm};
use crate::elf::ElfFacts;
use crate::model::EntryPath;

/// Greatest size of a file that is kept whole, in bytes: `/etc/passwd`, `/etc/group`, and the configuration of the
/// dynamic loader. Real ones have a few KiB.
pub const MAX_KEPT_FILE_BYTES: u64 = 1024 * 1024;

/// Greatest size of everything that is kept of a base image beside its tree, in bytes. A base image with a thousand
/// libraries needs about two million.
pub const MAX_KEPT_BYTES: usize = 256 * 1024 * 1024;

/// Bytes of a program that the kernel reads for `#!`: Linux's BINPRM_BUF_SIZE.
pub const SHEBANG_BYTES: u64 = 256;

const COPY_BUFFER_BYTES: usize = 64 * 1024;

/// Position of content: the layer, and the path in its stream.
pub(super) type Place = (u32, EntryPath);

/// The purpose for which a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Whole,
    Packages(PackageSystem),
}

impl Role {
    pub(super) fn limit_bytes(self) -> u64 {
        match self {
            Self::Whole => MAX_KEPT_FILE_BYTES,
            Self::Packages(PackageSystem::Rpm) => MAX_RPM_DATABASE_BYTES,
            Self::Packages(_) => MAX_DATABASE_BYTES,
        }
    }
}

/// Files with a role, by their usual paths.
const KNOWN_FILES: &[(&str, Role)] = &[
    ("etc/passwd", Role::Whole),
    ("etc/group", Role::Whole),
    ("etc/ld.so.conf", Role::Whole),
    ("var/lib/dpkg/status", Role::Packages(PackageSystem::Dpkg)),
    ("lib/apk/db/installed", Role::Packages(PackageSystem::Apk)),
    ("usr/lib/apk/db/installed", Role::Packages(PackageSystem::Apk)),
    ("var/lib/rpm/rpmdb.sqlite", Role::Packages(PackageSystem::Rpm)),
    ("usr/lib/sysimage/rpm/rpmdb.sqlite", Role::Packages(PackageSystem::Rpm)),
];

/// Folders whose files have a role, with the prefix and suffix of their names. Images without a package manager have
/// dpkg's database in pieces.
const KNOWN_FOLDERS: &[(&str, &str, &str, Role)] = &[
    ("etc/ld.so.conf.d", "", "", Role::Whole),
    ("etc", "ld-musl-", ".path", Role::Whole),
    ("var/lib/dpkg/status.d", "", "", Role::Packages(PackageSystem::Dpkg)),
];

fn role_of(path: &EntryPath) -> Option<Role> {
    let known = KNOWN_FILES
        .iter()
        .find(|(known, _)| known.as_bytes() == path.as_bytes());
    known.map(|(_, role)| *role).or_else(|| {
        let folder = path.parent()?;
        KNOWN_FOLDERS
            .iter()
            .find(|known| known.0.as_bytes() == folder.as_bytes() && fits(known, path))
            .map(|known| known.3)
    })
}

fn fits((_, start, end, _): &(&str, &str, &str, Role), path: &EntryPath) -> bool {
    path.file_name().starts_with(start.as_bytes()) && path.file_name().ends_with(end.as_bytes())
}

/// Returns the files of a complete tree that have a role, following links: path, role, size, and position of the
/// content.
pub(super) fn roles_of(tree: &Tree) -> Vec<(EntryPath, Role, u64, Place)> {
    let known = |path: &str| EntryPath::new(path.as_bytes()).ok();
    let mut paths: Vec<(EntryPath, Role)> = KNOWN_FILES
        .iter()
        .filter_map(|(path, role)| Some((known(path)?, *role)))
        .collect();
    for folder in KNOWN_FOLDERS {
        let Some(shown_at) = known(folder.0) else { continue };
        let Ok(at) = tree.resolve(&shown_at) else { continue };
        let children = tree
            .below(&at)
            .map(|(path, _)| path)
            .filter(|path| path.parent().as_ref() == Some(&at));
        let fitting = children.filter(|path| fits(folder, path));
        paths.extend(fitting.filter_map(|path| Some((shown_at.join(path.file_name()).ok()?, folder.3))));
    }
    let placed = |(path, role): (EntryPath, Role)| {
        let at = tree.resolve(&path).ok()?;
        let node = tree.node(&at)?;
        let NodeKind::File { size_bytes, .. } = node.kind else {
            return None;
        };
        let (layer, stored) = node.content_at(&at)?;
        Some((path, role, size_bytes, (layer, stored.clone())))
    };
    paths.into_iter().filter_map(placed).collect()
}

/// The facts collected so far.
#[derive(Debug)]
pub(super) struct Capture {
    /// ELF files and rpm's database are spooled to it, since they need random access.
    scratch: File,
    buffer: Vec<u8>,
    kept_bytes: usize,
    pub(super) whole: BTreeMap<Place, Vec<u8>>,
    pub(super) packages: BTreeMap<(PackageSystem, Place), Vec<Package>>,
    pub(super) shebangs: BTreeMap<Place, Vec<u8>>,
    pub(super) elf: BTreeMap<Place, ElfFacts>,
}

impl Capture {
    /// Creates an empty value. `scratch` is an unlinked temporary file. It grows to the size of the largest ELF file,
    /// or of rpm's database.
    pub(super) fn new(scratch: File) -> Self {
        Self {
            scratch,
            buffer: vec![0; COPY_BUFFER_BYTES],
            kept_bytes: 0,
            whole: BTreeMap::new(),
            packages: BTreeMap::new(),
            shebangs: BTreeMap::new(),
            elf: BTreeMap::new(),
        }
    }

    /// Processes one regular file of a layer.
    pub(super) fn visit(&mut self, path: &EntryPath, node: &Node, content: &mut dyn Read) -> Result<(), LayerError> {
        let Some((layer, stored)) = node.content_at(path) else {
            return Ok(());
        };
        let NodeKind::File { size_bytes, .. } = node.kind else {
            return Ok(());
        };
        let place = (layer, stored.clone());
        match role_of(path) {
            // Too large for its role. This is an error only if the file still exists at the end.
            Some(role) if size_bytes > role.limit_bytes() => Ok(()),
            Some(role) => self.take(place, role, content),
            None => self.peek(place, node.mode, content),
        }
    }

    /// Reads a file for its role.
    pub(super) fn take(&mut self, place: Place, role: Role, content: &mut dyn Read) -> Result<(), LayerError> {
        match role {
            Role::Whole => {
                let mut bytes = Vec::new();
                content.take(MAX_KEPT_FILE_BYTES).read_to_end(&mut bytes)?;
                self.charge(bytes.len())?;
                self.whole.insert(place, bytes);
            }
            Role::Packages(system) => {
                let packages = match system {
                    PackageSystem::Rpm => {
                        self.spool(&[], content)?;
                        read_rpm(&self.scratch)?
                    }
                    PackageSystem::Dpkg | PackageSystem::Apk => read_packages(system, content)?,
                };
                self.charge(packages.iter().map(package_bytes).sum())?;
                self.packages.insert((system, place), packages);
            }
        }
        Ok(())
    }

    pub(super) fn has(&self, role: Role, place: &Place) -> bool {
        match role {
            Role::Whole => self.whole.contains_key(place),
            Role::Packages(system) => self.packages.contains_key(&(system, place.clone())),
        }
    }

    fn peek(&mut self, place: Place, mode: u32, content: &mut dyn Read) -> Result<(), LayerError> {
        // If a layer holds a path twice, the last one counts.
        self.shebangs.remove(&place);
        self.elf.remove(&place);
        let mut head = Vec::new();
        content.take(SHEBANG_BYTES).read_to_end(&mut head)?;
        if head.starts_with(b"#!") && mode & 0o111 != 0 {
            let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
            self.charge(line.len())?;
            self.shebangs.insert(place, line.to_vec());
        } else if is_program_or_library(&head) {
            self.spool(&head, content)?;
            let cache = ReadCache::new(&self.scratch);
            // Ignores files that only look like ELF, such as test data of compilers.
            if let Ok(Some(facts)) = ElfFacts::read(&cache) {
                self.charge(elf_bytes(&facts))?;
                self.elf.insert(place, facts);
            }
        }
        Ok(())
    }

    fn spool(&mut self, head: &[u8], content: &mut dyn Read) -> Result<(), LayerError> {
        let scratch = |action| move |cause| LayerError::Scratch { action, cause };
        self.scratch.set_len(0).map_err(scratch("empty"))?;
        self.scratch.rewind().map_err(scratch("empty"))?;
        self.scratch.write_all(head).map_err(scratch("write"))?;
        loop {
            match content.read(&mut self.buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => self
                    .scratch
                    .write_all(&self.buffer[..count])
                    .map_err(scratch("write"))?,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(cause.into()),
            }
        }
    }

    fn charge(&mut self, bytes: usize) -> Result<(), LayerError> {
        self.kept_bytes += bytes;
        if self.kept_bytes > MAX_KEPT_BYTES {
            let what = "the facts of a base beside its tree, in bytes";
            return Err(LayerError::OverLimit {
                what,
                limit: MAX_KEPT_BYTES as u64,
            });
        }
        Ok(())
    }

    /// Removes the facts that no node of the tree refers to. Called between layers: a node that was removed never comes
    /// back.
    pub(super) fn prune(&mut self, tree: &Tree) {
        let own = |(layer, path): (u32, &EntryPath)| (layer, path.clone());
        let alive: BTreeSet<Place> = tree
            .nodes()
            .filter_map(|(path, node)| node.content_at(path))
            .map(own)
            .filter(|at| self.holds(at))
            .collect();
        self.whole.retain(|place, _| alive.contains(place));
        self.packages.retain(|(_, place), _| alive.contains(place));
        self.shebangs.retain(|place, _| alive.contains(place));
        self.elf.retain(|place, _| alive.contains(place));
        let whole = self
            .whole
            .values()
            .chain(self.shebangs.values())
            .map(Vec::len)
            .sum::<usize>();
        let packages = self.packages.values().flatten().map(package_bytes).sum::<usize>();
        self.kept_bytes = whole + packages + self.elf.values().map(elf_bytes).sum::<usize>();
    }

    fn holds(&self, place: &Place) -> bool {
        self.shebangs.contains_key(place)
            || self.elf.contains_key(place)
            || self.whole.contains_key(place)
            || self.packages.keys().any(|(_, kept)| kept == place)
    }
}

fn package_bytes(package: &Package) -> usize {
    package.name.len() + package.version.len()
}

fn elf_bytes(facts: &ElfFacts) -> usize {
    let needs = facts
        .version_needs
        .iter()
        .flat_map(|need| need.versions.iter().chain([&need.library]));
    let names = facts.needed.iter().chain(&facts.version_definitions).chain(needs);
    let names = names
        .chain(&facts.soname)
        .chain(&facts.rpath)
        .chain(&facts.runpath)
        .chain(&facts.interpreter);
    // A name in a list needs about three words in addition to its bytes.
    size_of::<ElfFacts>() + names.map(|name| name.len() + 24).sum::<usize>()
}

/// Returns whether the ELF type is ET_EXEC or ET_DYN, in either byte order: object files and kernel modules are not
/// worth spooling.
fn is_program_or_library(head: &[u8]) -> bool {
    head.starts_with(b"\x7fELF") && matches!(head.get(16..18), Some([2 | 3, 0] | [0, 2 | 3]))
}
