//! The objects that are loaded into one process.

use std::collections::BTreeMap;

use super::super::abi::Libc;
use super::files::Located;
use super::places::Place;
use super::{Loader, is_same_machine};
use crate::elf::ElfFacts;
use crate::model::EntryPath;

/// Greatest number of objects in one process. The largest known programs have some five hundred.
const MAX_OBJECTS: usize = 4096;

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
    loader_at: usize,
    /// Objects that are loaded already, by name.
    names: BTreeMap<Vec<u8>, usize>,
    /// Objects by path.
    places: BTreeMap<EntryPath, usize>,
    /// The next object whose needs are looked at.
    next: usize,
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
    fn add(&mut self, found: Located<'a>, loaded_by: Option<usize>) -> usize {
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

impl<'a> Loader<'a> {
    /// Loads all needed libraries recursively. Returns `None` if the limits are exceeded.
    pub(super) fn close(&self, mut closure: Closure<'a>) -> Option<Closure<'a>> {
        if closure.next == 0 {
            self.preload(&mut closure);
        }
        while closure.next < closure.objects.len() {
            let by = closure.next;
            closure.next += 1;
            let Some(facts) = closure.objects[by].facts else {
                continue;
            };
            let versions = facts
                .version_needs
                .iter()
                .map(|need| need.versions.len())
                .sum::<usize>();
            self.files.spend(facts.needed.len() + versions / 8);
            let places = if facts.needed.is_empty() {
                Vec::new()
            } else {
                self.places(&closure, by)
            };
            for name in &facts.needed {
                self.load_need(&mut closure, by, &places, name);
                if closure.objects.len() > MAX_OBJECTS || self.files.is_exhausted() {
                    return None;
                }
            }
        }
        Some(closure)
    }

    /// Loads the libraries of LD_PRELOAD; missing ones are skipped.
    fn preload(&self, closure: &mut Closure<'a>) {
        let names = self.subject.execution.variable("LD_PRELOAD").unwrap_or_default();
        if names.is_empty() {
            return;
        }
        let places = self.places(closure, 0);
        for name in names.split([':', ' ']).filter(|name| !name.is_empty()) {
            self.load_need(closure, 0, &places, name.as_bytes());
        }
        closure.needs.clear();
    }

    fn load_need(&self, closure: &mut Closure<'a>, by: usize, places: &[Place], name: &[u8]) {
        let mut passed_over = None;
        let known = match closure.libc {
            // musl's loader is its C library, by any of these names.
            Libc::Musl if is_reserved_by_musl(name) => Some(closure.loader_at),
            _ => closure.names.get(name).copied(),
        };
        let found = known.or_else(|| {
            let located = self.search(closure, by, places, name, &mut passed_over)?;
            let at = closure.add(located, Some(by));
            closure.names.insert(name.to_vec(), at);
            Some(at)
        });
        closure.needs.push(Need {
            name: name.to_vec(),
            by,
            found,
            passed_over,
        });
    }

    fn search(
        &self,
        closure: &Closure<'a>,
        by: usize,
        places: &[Place],
        name: &[u8],
        passed_over: &mut Option<EntryPath>,
    ) -> Option<Located<'a>> {
        let program = closure.objects[closure.first_own].facts?;
        let mut fits = |found: &Located<'a>| match found.facts {
            // Its kind is not known.
            None => true,
            Some(facts) if is_same_machine(facts, program) => true,
            Some(_) => {
                passed_over.get_or_insert_with(|| found.real.clone());
                false
            }
        };
        if name.contains(&b'/') {
            let texts = self.expand(closure, by, name);
            return texts
                .iter()
                .filter_map(|path| self.files.at(path))
                .find(|found| fits(found));
        }
        places
            .iter()
            .flat_map(|place| self.in_place(place, name))
            .find(|found| fits(found))
    }
}

/// The names under which musl finds itself (`load_library` of its ldso/dynlink.c).
fn is_reserved_by_musl(name: &[u8]) -> bool {
    let own = [&b"c."[..], b"pthread.", b"rt.", b"m.", b"dl.", b"util.", b"xnet."];
    name.strip_prefix(b"lib")
        .is_some_and(|rest| own.iter().any(|start| rest.starts_with(start)))
}
