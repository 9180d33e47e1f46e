//! Loads a program, a module or a library: finds its loader, or its host.

use std::collections::BTreeSet;

use super::super::abi::{Architecture, Libc};
use super::closure::{Closure, Need};
use super::files::Located;
use super::module::{Host, Module, is_library, is_same_machine, python_minor};
use super::settings::Loader;
use crate::elf::ElfFacts;
use crate::model::{EntryPath, base_name};

impl<'a> Loader<'a> {
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

    /// Whose loader it is, which a program names by `interpreter`.
    fn libc_of(&self, interpreter: &[u8], loader: &Located<'_>) -> Option<Libc> {
        let asked = base_name(interpreter);
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

    fn host_closure(&self, host: &EntryPath) -> Option<Closure<'a>> {
        if let Some(known) = self.host_closures.borrow().get(host) {
            return known.clone();
        }
        let closure = self.load(host);
        self.host_closures.borrow_mut().insert(host.clone(), closure.clone());
        closure
    }
}
