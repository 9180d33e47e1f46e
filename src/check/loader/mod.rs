//! Finds the libraries that a program loads, by the rules of its loader: glibc's ld.so (ld.so(8)) or musl's (its
//! ldso/dynlink.c), on the files of the image.
//!
//! Libraries that a program opens by `dlopen` are not known, except for two kinds: modules of Python and of Node.

mod closure;
mod config;
mod files;
mod places;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

pub use closure::{Closure, Loaded, Need};

use super::abi::{Architecture, Libc};
use super::subject::Subject;
use crate::elf::ElfFacts;
use crate::model::EntryPath;
use config::configured_directories;
use files::{Files, Located};

/// The dynamic loaders of an image.
pub struct Loader<'a> {
    subject: &'a Subject,
    files: Files<'a>,
    /// Directories of `/etc/ld.so.conf`, as far as there is a cache that was made of them.
    cached_directories: Vec<EntryPath>,
    /// `true` if the cache is the base's: it knows no file of your layers.
    cache_is_of_base: bool,
    musl_paths: BTreeMap<EntryPath, Vec<u8>>,
    /// Python and Node, by their kind.
    hosts: Vec<(Host, EntryPath)>,
    host_closures: RefCell<BTreeMap<EntryPath, Option<Closure<'a>>>>,
}

/// A program that opens modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host {
    Node,
    /// The minor version of Python 3, if the name contains it.
    Python(Option<u32>),
}

impl Host {
    fn of_program(name: &[u8]) -> Option<Self> {
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
pub(super) enum Module {
    Node,
    Python,
}

impl Module {
    /// Returns the kind of module that a file is, by its path.
    pub(super) fn of(path: &EntryPath) -> Option<Self> {
        let name = path.file_name();
        if name.ends_with(b".node") {
            return Some(Self::Node);
        }
        let has = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
        let is_tagged = has(b".cpython-") || has(b".abi3.") || has(b".pypy");
        let in_packages = || {
            let folders: [&[u8]; 3] = [b"site-packages", b"dist-packages", b"lib-dynload"];
            path.components().any(|component| folders.contains(&component))
        };
        let is_extension = name.ends_with(b".so") && (is_tagged || (!name.starts_with(b"lib") && in_packages()));
        // `numpy.libs/x.so`: libraries that wheels include are loaded only by name.
        let is_bundled = path
            .parent()
            .is_some_and(|folder| folder.file_name().ends_with(b".libs"));
        (is_extension && !is_bundled).then_some(Self::Python)
    }
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

    /// Returns the needs of a program or library and of everything that it loads, breadth first, like `ldd`: each name
    /// once, with the path that it was found at, after following links. Returns `None` if that is not known: there is
    /// no ELF file at exactly this path, the program is static, or its loader is missing in the image or belongs to
    /// neither glibc nor musl.
    pub fn needs(&self, path: &EntryPath) -> Option<Vec<(Vec<u8>, Option<EntryPath>)>> {
        let closure = self.load(path)?;
        let mut seen = BTreeSet::new();
        let first = closure.own_needs().filter(|need| seen.insert(&need.name));
        let place = |need: &Need| need.found.map(|at| closure.objects[at].path.clone());
        Some(first.map(|need| (need.name.clone(), place(need))).collect())
    }

    /// Returns everything that is loaded with a program, a module or a library. `None` as with [`Loader::needs`].
    pub fn load(&self, path: &EntryPath) -> Option<Closure<'a>> {
        let facts = self.subject.elf(path)?;
        if let Some(interpreter) = facts.interpreter.as_ref().filter(|_| !is_library(path, facts)) {
            let loader = self.files.at(interpreter)?;
            let libc = self.libc_of(interpreter, &loader)?;
            return self.close(Closure::of_program(path, facts, libc, &loader));
        }
        match Module::of(path).and_then(|module| self.host_of(module, path)) {
            Some(host) => {
                let closure = self.host_closure(&host)?;
                let is_same_kind = closure.objects[0]
                    .facts
                    .is_some_and(|host| is_same_machine(host, facts));
                is_same_kind
                    .then(|| self.close(closure.with_module(path, facts)))
                    .flatten()
            }
            None => {
                let (libc, loader) = self.only_loader(facts)?;
                self.close(Closure::of_program(path, facts, libc, &loader))
            }
        }
    }

    /// Returns the loaders of an architecture that exist where its programs expect them.
    pub(super) fn loaders(&self, architecture: &Architecture) -> Vec<(Libc, EntryPath)> {
        let of = |libc: Libc| {
            let paths = architecture.loaders(libc).iter();
            paths
                .filter_map(|path| self.files.at(format!("/{path}").as_bytes()))
                .map(move |found| (libc, found.named))
        };
        of(Libc::Glibc).chain(of(Libc::Musl)).collect()
    }

    /// Returns `true` if a path leads to a file.
    pub(super) fn has_file(&self, path: &[u8]) -> bool {
        self.files.at(path).is_some()
    }

    /// Whose loader it is, which a program names by `interpreter`.
    fn libc_of(&self, interpreter: &[u8], loader: &Located<'_>) -> Option<Libc> {
        let asked = interpreter.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let asked = Libc::of_loader(asked);
        let real = Libc::of_loader(loader.real.file_name());
        if [asked, real].contains(&Some(Libc::Musl)) {
            return Some(Libc::Musl);
        }
        let libc = asked.or(real)?;
        // gcompat has a loader by glibc's name, which runs programs with musl.
        let architecture = loader.facts.and_then(Architecture::of);
        let architecture = architecture.or_else(|| Architecture::of_platform(&self.subject.platform));
        let is_musl = |(libc, _): &(Libc, EntryPath)| *libc == Libc::Musl;
        let has_musl = architecture.is_some_and(|architecture| self.loaders(architecture).iter().any(is_musl));
        let has_glibc = || {
            let places = self.default_places(libc, &loader.real, loader.facts);
            places
                .iter()
                .any(|place| self.files.in_directory(place, b"libc.so.6").is_some())
        };
        (!has_musl || has_glibc()).then_some(libc)
    }

    /// The loader of a library that nothing is known to load: the only one of its architecture, or the one whose C
    /// library it needs.
    fn only_loader(&self, facts: &ElfFacts) -> Option<(Libc, Located<'a>)> {
        let architecture = Architecture::of(facts)?;
        let known = |(_, path): (Libc, EntryPath)| {
            let name = [b"/", path.as_bytes()].concat();
            let located = self.files.at(&name)?;
            Some((self.libc_of(&name, &located)?, located))
        };
        let mut loaders: Vec<(Libc, Located<'a>)> = self.loaders(architecture).into_iter().filter_map(known).collect();
        let needs_musl = facts
            .needed
            .iter()
            .any(|name| name == b"libc.so" || name.starts_with(b"libc.musl-"));
        let wanted = if needs_musl { Libc::Musl } else { Libc::Glibc };
        let several = loaders.iter().any(|(libc, _)| *libc != loaders[0].0);
        loaders.retain(|(libc, _)| !several || *libc == wanted);
        loaders.into_iter().next()
    }

    /// The program that opens a module, if the image has one.
    fn host_of(&self, module: Module, path: &EntryPath) -> Option<EntryPath> {
        let minor = python_minor(path);
        let serves = |host: &Host| match (module, host) {
            (Module::Node, Host::Node) => true,
            (Module::Python, Host::Python(version)) => minor.is_none() || version.is_none() || *version == minor,
            _ => false,
        };
        let mut serving = self.hosts.iter().filter(|(host, _)| serves(host));
        let exact = serving
            .clone()
            .find(|(host, _)| minor.is_some() && *host == Host::Python(minor));
        exact.or_else(|| serving.next()).map(|(_, path)| path.clone())
    }

    /// Returns the minor version of the image's Python 3, if it has exactly one.
    pub(super) fn only_python_minor(&self) -> Option<u32> {
        let minors = self.hosts.iter().filter_map(|(host, _)| match host {
            Host::Python(minor) => *minor,
            Host::Node => None,
        });
        let mut minors: Vec<u32> = minors.collect();
        minors.sort_unstable();
        minors.dedup();
        (minors.len() == 1).then(|| minors[0])
    }

    fn host_closure(&self, host: &EntryPath) -> Option<Closure<'a>> {
        if let Some(known) = self.host_closures.borrow().get(host) {
            return known.clone();
        }
        let closure = self.load(host);
        self.host_closures.borrow_mut().insert(host.clone(), closure.clone());
        closure
    }
}

/// Returns the minor version in a path such as `lib/python3.11/site-packages`.
pub(super) fn python_minor(path: &EntryPath) -> Option<u32> {
    let minor = |component: &[u8]| {
        std::str::from_utf8(component.strip_prefix(b"python3.")?)
            .ok()?
            .parse()
            .ok()
    };
    path.components().find_map(minor)
}

/// Returns `true` for a library that can also be started, as glibc's own.
pub(super) fn is_library(path: &EntryPath, facts: &ElfFacts) -> bool {
    let name = path.file_name();
    facts.soname.is_some() && name.starts_with(b"lib") && name.windows(3).any(|part| part == b".so")
}

fn is_same_machine(left: &ElfFacts, right: &ElfFacts) -> bool {
    (left.class, left.endianness, left.machine) == (right.class, right.endianness, right.machine)
}
