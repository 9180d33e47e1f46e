//! The facts that a build needs about a base image in addition to its manifest and config. They are a pure function of
//! the base image's digest and of [`FACTS_VERSION`]: stored facts equal those read from the layers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::accounts::Accounts;
use super::capture::{Capture, Place, Role, roles_of};
use super::error::TreeError;
use super::extract::extract_layer;
use super::file_tree::Tree;
use super::layers::TreeBuilder;
use super::packages::Package;
use super::stream::read_layer;
use crate::elf::ElfFacts;
use crate::events::Task;
use crate::model::{EntryPath, Image};
use crate::store::Source;

/// Version of the content and the encoding of facts. Facts of another version are read from the base image again.
pub const FACTS_VERSION: u32 = 2;

/// The facts about a base image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Every path of the image.
    pub tree: Arc<Tree>,
    /// The bytes of `/etc/passwd`, following links; `None` if it does not exist.
    pub passwd: Option<Vec<u8>>,
    /// The bytes of `/etc/group`, following links; `None` if it does not exist.
    pub group: Option<Vec<u8>>,
    /// The configuration of the dynamic loader: `/etc/ld.so.conf`, `/etc/ld.so.conf.d/*`, `/etc/ld-musl-*.path`.
    pub loader_configs: BTreeMap<EntryPath, Vec<u8>>,
    /// The first line of each executable file that begins with `#!`, including the `#!`, without the line feed.
    pub shebangs: BTreeMap<EntryPath, Vec<u8>>,
    /// The facts about each ELF program and shared library. Damaged files are left out.
    pub elf: BTreeMap<EntryPath, ElfFacts>,
    /// The installed packages of dpkg, apk and rpm, sorted, without duplicates.
    pub packages: Vec<Package>,
}

impl Facts {
    /// Returns the facts about `scratch`, an empty image.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Returns the users and groups of the base image.
    pub fn accounts(&self) -> Accounts {
        let bytes = |file: &Option<Vec<u8>>| file.clone().unwrap_or_default();
        Accounts::parse(&bytes(&self.passwd), &bytes(&self.group))
    }

    /// Returns the dynamic loaders of the base image, sorted: files and links in a library folder with the name of a
    /// loader.
    pub fn loaders(&self) -> Vec<EntryPath> {
        let is_loader = |path: &EntryPath| {
            let name = path.file_name();
            let named = [&b"ld-"[..], b"ld.so.", b"ld64.so."];
            let folder = path.parent().unwrap_or_default();
            named.iter().any(|start| name.starts_with(start))
                && name.windows(3).any(|part| part == b".so")
                && folder.components().any(|component| component.starts_with(b"lib"))
        };
        let nodes = self.tree.nodes().filter(|(_, node)| !node.is_directory());
        nodes
            .map(|(path, _)| path)
            .filter(|path| is_loader(path))
            .cloned()
            .collect()
    }
}

/// Reads the facts about an image. Each layer is streamed once, the lowest first, and verified to its end; nothing is
/// unpacked. If a file of interest is only reachable through a link, its layer is streamed a second time.
///
/// `scratch_folder` is used for one unlinked temporary file, of the size of the largest ELF file or of rpm's database.
/// `task` advances by the compressed bytes that are read.
///
/// # Errors
/// Returns [`TreeError`] if a layer cannot be opened, is damaged or truncated, does not match its digest, size or diff
/// ID, or exceeds the limits of this module.
pub async fn read_facts(
    source: &dyn Source,
    image: &Image,
    scratch_folder: &Path,
    task: &Arc<Task>,
) -> Result<Facts, TreeError> {
    let mut state = (TreeBuilder::new(), Capture::new(scratch_file(scratch_folder)?));
    for (index, (descriptor, diff_id)) in (0u32..).zip(image.layers()) {
        let work = move |reader: &mut dyn Read| {
            let (mut builder, mut capture) = state;
            builder.apply_layer(reader, index, &mut |path, node, content| {
                capture.visit(path, node, content)
            })?;
            capture.prune(builder.tree());
            Ok((builder, capture))
        };
        state = read_layer(source, descriptor, diff_id, Arc::clone(task), work).await?;
    }
    let (builder, capture) = state;
    let tree = builder.finish();
    let capture = take_missing(source, image, &tree, capture, task).await?;
    assemble(tree, &capture)
}

/// Creates an unlinked temporary file.
pub(super) fn scratch_file(folder: &Path) -> Result<File, TreeError> {
    tempfile::tempfile_in(folder).map_err(|cause| TreeError::Scratch {
        folder: folder.to_string_lossy().into_owned(),
        cause,
    })
}

/// Reads files with a role that were not recognized in the first pass, because they are reached through a link.
async fn take_missing(
    source: &dyn Source,
    image: &Image,
    tree: &Tree,
    mut capture: Capture,
    task: &Arc<Task>,
) -> Result<Capture, TreeError> {
    let mut missing: BTreeMap<u32, BTreeMap<EntryPath, Role>> = BTreeMap::new();
    for (_, role, size_bytes, place) in roles_of(tree) {
        if size_bytes <= role.limit_bytes() && !capture.has(role, &place) {
            missing.entry(place.0).or_default().entry(place.1).or_insert(role);
        }
    }
    for (layer, wanted) in missing {
        let paths = wanted.keys().cloned().collect();
        let each = move |capture: &mut Capture, path: &EntryPath, content: &mut dyn Read| {
            wanted
                .get(path)
                .map_or(Ok(()), |role| capture.take((layer, path.clone()), *role, content))
        };
        capture = extract_layer(source, image, layer, paths, Arc::clone(task), capture, each).await?;
    }
    Ok(capture)
}

/// Selects what was collected of the files that a complete tree refers to.
pub(super) fn assemble(tree: Tree, capture: &Capture) -> Result<Facts, TreeError> {
    let mut facts = Facts::empty();
    let mut databases: BTreeSet<(Role, Place)> = BTreeSet::new();
    for (path, role, size_bytes, place) in roles_of(&tree) {
        if size_bytes > role.limit_bytes() {
            return Err(TreeError::TooLarge {
                path,
                size_bytes,
                limit_bytes: role.limit_bytes(),
            });
        }
        match role {
            Role::Packages(system) => {
                // Two usual paths may lead to one file.
                if databases.insert((role, place.clone())) {
                    facts
                        .packages
                        .extend(capture.packages.get(&(system, place)).into_iter().flatten().cloned());
                }
            }
            Role::Whole => {
                let Some(bytes) = capture.whole.get(&place).cloned() else {
                    continue;
                };
                match path.as_bytes() {
                    b"etc/passwd" => facts.passwd = Some(bytes),
                    b"etc/group" => facts.group = Some(bytes),
                    _ => {
                        facts.loader_configs.insert(path, bytes);
                    }
                }
            }
        }
    }
    facts.packages.sort();
    facts.packages.dedup();
    for (path, node) in tree.nodes() {
        let Some((layer, stored)) = node.content_at(path) else {
            continue;
        };
        let place = (layer, stored.clone());
        if let Some(line) = capture.shebangs.get(&place) {
            facts.shebangs.insert(path.clone(), line.clone());
        }
        if let Some(elf) = capture.elf.get(&place) {
            facts.elf.insert(path.clone(), elf.clone());
        }
    }
    facts.tree = Arc::new(tree);
    Ok(facts)
}

#[cfg(test)]
mod tests;
