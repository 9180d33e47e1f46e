//! The dynamic loaders of an image, and what configures their search.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::super::abi::{Architecture, Libc};
use super::super::subject::Subject;
use super::closure::Closure;
use super::config::configured_directories;
use super::files::Files;
use super::module::Host;
use crate::elf::ElfFacts;
use crate::model::EntryPath;

/// The dynamic loaders of an image.
pub struct Loader<'a> {
    pub(super) subject: &'a Subject,
    pub(super) files: Files<'a>,
    /// Directories of `/etc/ld.so.conf`, as far as there is a cache that was made of them.
    pub(super) cached_directories: Vec<EntryPath>,
    /// `true` if the cache is the base's: it knows no file of your layers.
    pub(super) cache_is_of_base: bool,
    pub(super) musl_paths: BTreeMap<EntryPath, Vec<u8>>,
    /// Python and Node, by their kind.
    pub(super) hosts: Vec<(Host, EntryPath)>,
    pub(super) host_closures: RefCell<BTreeMap<EntryPath, Option<Closure<'a>>>>,
}

impl<'a> Loader<'a> {
    /// Reads the loader configuration of an image.
    pub fn new(subject: &'a Subject) -> Self {
        let files = Files::new(subject);
        let cache = EntryPath::new(b"etc/ld.so.cache")
            .ok()
            .and_then(|path| subject.find(&path));
        let own_cache = cache.as_ref().is_some_and(|(path, _)| subject.own().contains_key(path));
        let configs = if own_cache {
            subject.loader_configs()
        } else {
            subject.base().loader_configs.clone()
        };
        // ld.so reads the cache and never the configuration that ldconfig made it of.
        let configured = if cache.is_some() {
            configured_directories(&configs)
        } else {
            Vec::new()
        };
        let cached_directories = configured.iter().filter_map(|path| files.directory(path)).collect();
        let is_musl = |path: &EntryPath| path.file_name().starts_with(b"ld-musl-");
        let mut musl_paths = subject.loader_configs();
        musl_paths.retain(|path, _| is_musl(path));
        let host = |(path, facts): (&EntryPath, &ElfFacts)| {
            facts.interpreter.as_ref()?;
            Some((Host::of_program(path.file_name())?, path.clone()))
        };
        let hosts = subject.elf_files().into_iter().filter_map(host).collect();
        Self {
            subject,
            files,
            cached_directories,
            cache_is_of_base: !own_cache,
            musl_paths,
            hosts,
            host_closures: RefCell::default(),
        }
    }

    /// Returns the loaders of an architecture that exist where its programs expect them.
    pub(in super::super) fn loaders(&self, architecture: &Architecture) -> Vec<(Libc, EntryPath)> {
        let of = |libc: Libc| {
            let paths = architecture.loaders(libc).iter();
            paths
                .filter_map(|path| self.files.at(format!("/{path}").as_bytes()))
                .map(move |found| (libc, found.named))
        };
        of(Libc::Glibc).chain(of(Libc::Musl)).collect()
    }

    /// Returns `true` if a path leads to a file.
    pub(in super::super) fn has_file(&self, path: &[u8]) -> bool {
        self.files.at(path).is_some()
    }

    /// Returns the minor version of the image's Python 3, if it has exactly one.
    pub(in super::super) fn only_python_minor(&self) -> Option<u32> {
        let minors = self.hosts.iter().filter_map(|(host, _)| match host {
            Host::Python(minor) => *minor,
            Host::Node => None,
        });
        let mut minors: Vec<u32> = minors.collect();
        minors.sort_unstable();
        minors.dedup();
        (minors.len() == 1).then(|| minors[0])
    }
}
