//! The objects that are loaded into one process.

use std::collections::BTreeMap;

use super::super::abi::Libc;
use super::files::Located;
use crate::elf::ElfFacts;
use crate::model::EntryPath;

/// A file that is loaded.
#[derive(Debug, Clone)]
pub struct Loaded<'a> {
    /// Its path, after following links.
    pub path: EntryPath,
    /// The facts about the file; `None` if it was not read.
    pub facts: Option<&'a ElfFacts>,
    /// The path under which it was found.
    pub(super) named: EntryPath,
    /// The object that it was loaded for.
    pub(super) loaded_by: Option<usize>,
}

/// A library that a loaded file needs.
#[derive(Debug, Clone)]
pub struct Need {
    /// Its name.
    pub name: Vec<u8>,
    /// Who needs it: an index of [`Closure::objects`].
    pub by: usize,
    /// The object, as an index of [`Closure::objects`]. `None` if the loader does not find it.
    pub found: Option<usize>,
    /// A file of that name for another processor, which the loader skipped.
    pub passed_over: Option<EntryPath>,
}

/// The objects in a process after a program was loaded, or a module into its host.
#[derive(Debug, Clone)]
pub struct Closure<'a> {
    /// Whose loader it is.
    pub libc: Libc,
    /// In the order of loading. The first is the program (the host of a module).
    pub objects: Vec<Loaded<'a>>,
    /// The needed libraries, in the order of the search.
    pub needs: Vec<Need>,
    /// Index of the first object of a module; 0 for a program.
    pub(super) first_own: usize,
    /// The loader.
    pub(super) loader: Located<'a>,
    /// Its index.
    pub(super) loader_at: usize,
    /// Objects that are loaded already, by name.
    pub(super) names: BTreeMap<Vec<u8>, usize>,
    /// Objects by path.
    places: BTreeMap<EntryPath, usize>,
    /// The next object whose needs are looked at.
    pub(super) next: usize,
}

impl<'a> Closure<'a> {
    /// Returns a closure of a program and its loader, without the libraries that it needs.
    pub(super) fn of_program(path: &EntryPath, facts: &'a ElfFacts, libc: Libc, loader: &Located<'a>) -> Self {
        let mut closure = Self {
            libc,
            objects: Vec::new(),
            needs: Vec::new(),
            first_own: 0,
            loader: loader.clone(),
            loader_at: 0,
            names: BTreeMap::new(),
            places: BTreeMap::new(),
            next: 0,
        };
        let program = Located {
            named: path.clone(),
            real: path.clone(),
            facts: Some(facts),
        };
        closure.add(program, None);
        closure.loader_at = closure.add(loader.clone(), None);
        closure
            .names
            .insert(loader.named.file_name().to_vec(), closure.loader_at);
        closure
    }

    /// Adds a module that the program opens.
    pub(super) fn with_module(mut self, path: &EntryPath, facts: &'a ElfFacts) -> Self {
        self.first_own = self.objects.len();
        let module = Located {
            named: path.clone(),
            real: path.clone(),
            facts: Some(facts),
        };
        self.add(module, Some(0));
        self
    }

    /// Adds an object and returns its index; an object that is loaded already is not loaded again.
    pub(super) fn add(&mut self, found: Located<'a>, loaded_by: Option<usize>) -> usize {
        if let Some(at) = self.places.get(&found.real) {
            return *at;
        }
        let at = self.objects.len();
        // musl knows libraries by their file's name alone.
        if let (Libc::Glibc, Some(soname)) = (self.libc, found.facts.and_then(|facts| facts.soname.as_ref())) {
            self.names.entry(soname.clone()).or_insert(at);
        }
        self.places.insert(found.real.clone(), at);
        self.objects.push(Loaded {
            path: found.real,
            facts: found.facts,
            named: found.named,
            loaded_by,
        });
        at
    }

    /// Returns the needs of the program (or the module) and its libraries, except those that the host of a module has
    /// already loaded.
    pub fn own_needs(&self) -> impl Iterator<Item = &Need> {
        self.needs.iter().filter(|need| need.by >= self.first_own)
    }

    /// Returns the index of the program, or of the module.
    pub(in super::super) fn first_own(&self) -> usize {
        self.first_own
    }

    /// Returns the needs of one object.
    pub(in super::super) fn needs_of(&self, at: usize) -> &[Need] {
        // Needs are sorted by the object that needs them.
        let start = self.needs.partition_point(|need| need.by < at);
        let end = self.needs.partition_point(|need| need.by <= at);
        &self.needs[start..end]
    }

    /// Returns the program (or the module) and its libraries.
    pub fn own_objects(&self) -> &[Loaded<'a>] {
        &self.objects[self.first_own..]
    }

    /// Returns the object that is loaded under a name.
    pub fn named(&self, name: &[u8]) -> Option<&Loaded<'a>> {
        self.names.get(name).map(|at| &self.objects[*at])
    }

    /// Returns the objects from one up to the program, each followed by the one that loaded it.
    pub(super) fn chain(&self, from: usize) -> impl Iterator<Item = usize> {
        // An object is loaded after the one that loads it, so this ends.
        std::iter::successors(Some(from), |at| self.objects[*at].loaded_by)
    }
}
