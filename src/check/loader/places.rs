//! The directories where the loader searches for a library, in its order.

use super::super::abi::{Architecture, Libc};
use super::super::modes::SET_ID;
use super::closure::Closure;
use super::config::{Tokens, parts};
use super::files::Located;
use super::settings::Loader;
use crate::elf::ElfFacts;
use crate::model::EntryPath;

/// Directories for newer processors, which glibc searches before the directory itself. Which of them it uses depends on
/// the processor, so they count only if nothing else is found.
const HWCAPS: &[&str] = &[
    "x86-64-v2",
    "x86-64-v3",
    "x86-64-v4",
    "power9",
    "power10",
    "z13",
    "z14",
    "z15",
    "z16",
];

/// A directory in which a library is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Its path, after following links.
    pub(super) directory: EntryPath,
    /// `true` if a file counts only if the cache knows it.
    is_cached: bool,
}

impl<'a> Loader<'a> {
    /// Returns the existing directories that the loader searches for the needs of an object, in search order, for
    /// messages.
    pub(in super::super) fn searched(&self, closure: &Closure<'a>, by: usize) -> Vec<EntryPath> {
        let mut searched: Vec<EntryPath> = Vec::new();
        for place in self.places(closure, by) {
            if !searched.contains(&place.directory) {
                searched.push(place.directory);
            }
        }
        searched
    }

    /// Returns `true` if `/etc/ld.so.conf` names a directory, and the cache that was made of it does not know your
    /// files.
    pub(in super::super) fn is_in_stale_cache(&self, directory: &EntryPath) -> bool {
        self.cache_is_of_base && self.cached_directories.contains(directory)
    }

    pub(super) fn places(&self, closure: &Closure<'a>, by: usize) -> Vec<Place> {
        match closure.libc {
            Libc::Glibc => self.glibc_places(closure, by),
            Libc::Musl => self.musl_places(closure, by),
        }
    }

    /// ld.so(8): DT_RPATH along the chain of loading, LD_LIBRARY_PATH, DT_RUNPATH of the object alone, the cache, the
    /// default directories.
    fn glibc_places(&self, closure: &Closure<'a>, by: usize) -> Vec<Place> {
        let runpath = |at: usize| closure.objects[at].facts.and_then(|facts| facts.runpath.as_deref());
        let rpath = |at: usize| {
            let own = closure.objects[at].facts.filter(|facts| facts.runpath.is_none())?;
            own.rpath.as_deref()
        };
        let mut found = Vec::new();
        if runpath(by).is_none() {
            let mut chain: Vec<usize> = closure.chain(by).collect();
            if !chain.contains(&0) {
                chain.push(0);
            }
            for at in chain {
                found.extend(self.listed(closure, at, rpath(at), b":"));
            }
        }
        found.extend(self.listed(closure, 0, self.search_variable(closure), b":;"));
        found.extend(self.listed(closure, by, runpath(by), b":"));
        let mut places: Vec<Place> = found.into_iter().map(Place::plain).collect();
        let cached = self.cached_directories.iter().cloned();
        places.extend(cached.map(|directory| Place {
            directory,
            is_cached: true,
        }));
        let loader = &closure.loader;
        places.extend(
            self.default_places(Libc::Glibc, &loader.real, loader.facts)
                .into_iter()
                .map(Place::plain),
        );
        places
    }

    /// musl: LD_LIBRARY_PATH, then RPATH and RUNPATH alike along the chain of loading, then its path file or the
    /// default directories.
    fn musl_places(&self, closure: &Closure<'a>, by: usize) -> Vec<Place> {
        let rpath = |at: usize| {
            let facts = closure.objects[at].facts?;
            facts.runpath.as_deref().or(facts.rpath.as_deref())
        };
        let listed = |at: usize, list: Option<&[u8]>| {
            let texts = musl_parts(list.unwrap_or_default()).flat_map(|part| self.expand(closure, at, part));
            texts
                .filter_map(|path| self.files.directory(&path))
                .collect::<Vec<EntryPath>>()
        };
        let mut found = listed(0, self.search_variable(closure));
        for at in closure.chain(by) {
            found.extend(listed(at, rpath(at)));
        }
        let file = self.musl_paths.iter().find(|(path, _)| {
            let stem = |path: &EntryPath| path.file_name().split(|byte| *byte == b'.').next().map(<[u8]>::to_vec);
            stem(path) == stem(&closure.loader.named)
        });
        match file {
            Some((_, list)) => found.extend(musl_parts(list).filter_map(|path| self.files.directory(path))),
            None => found.extend(self.default_places(Libc::Musl, &closure.loader.real, closure.loader.facts)),
        }
        found.into_iter().map(Place::plain).collect()
    }

    /// LD_LIBRARY_PATH of the image; programs that run with their owner's rights do not heed it.
    fn search_variable(&self, closure: &Closure<'a>) -> Option<&[u8]> {
        let is_privileged = self
            .subject
            .node(&closure.objects[0].path)
            .is_some_and(|node| node.mode & SET_ID != 0);
        let value = self
            .subject
            .execution
            .variable("LD_LIBRARY_PATH")
            .filter(|value| !value.is_empty());
        value.filter(|_| !is_privileged).map(str::as_bytes)
    }

    /// Returns the existing directories of a list, with the tokens replaced for object `at`.
    fn listed(
        &self,
        closure: &Closure<'a>,
        at: usize,
        list: Option<&[u8]>,
        separators: &'static [u8],
    ) -> Vec<EntryPath> {
        let Some(list) = list else { return Vec::new() };
        let texts = parts(list, separators).flat_map(|part| self.expand(closure, at, part));
        texts.filter_map(|path| self.files.directory(&path)).collect()
    }

    /// Replaces the tokens in a text of an object.
    pub(super) fn expand(&self, closure: &Closure<'a>, at: usize, text: &[u8]) -> Vec<Vec<u8>> {
        let origin = closure.objects[at].named.parent().unwrap_or_default();
        let mut lib: Vec<Vec<u8>> = vec![b"lib64".to_vec(), b"lib".to_vec()];
        if let Some(tuple) = multiarch_folder(&closure.loader.real) {
            lib = vec![[b"lib/", tuple].concat()];
        }
        let platform = self.subject.platform.machine();
        Tokens {
            origin: &origin,
            lib: &lib,
            platform,
        }
        .expand(text)
    }

    /// Returns the existing directories that are built into a loader.
    pub(super) fn default_places(&self, libc: Libc, loader: &EntryPath, facts: Option<&ElfFacts>) -> Vec<EntryPath> {
        let mut texts: Vec<String> = Vec::new();
        let mut beside = None;
        if libc == Libc::Musl {
            texts.extend(["/lib", "/usr/local/lib", "/usr/lib"].map(str::to_owned));
        } else if let Some(tuple) = multiarch_folder(loader) {
            // Debian's: by the processor, and common to all.
            let tuple = String::from_utf8_lossy(tuple);
            texts.extend([
                format!("/lib/{tuple}"),
                format!("/usr/lib/{tuple}"),
                "/lib".into(),
                "/usr/lib".into(),
            ]);
        } else {
            // Which directories other loaders were built with is not recorded: take all usual ones.
            let usual = [
                "/lib64",
                "/usr/lib64",
                "/lib64/lp64d",
                "/usr/lib64/lp64d",
                "/lib",
                "/usr/lib",
            ];
            texts.extend(usual.map(str::to_owned));
            let tuples = facts
                .and_then(Architecture::of)
                .map(|architecture| architecture.tuples)
                .unwrap_or_default();
            texts.extend(
                tuples
                    .iter()
                    .flat_map(|tuple| [format!("/lib/{tuple}"), format!("/usr/lib/{tuple}")]),
            );
            beside = loader.parent();
        }
        texts
            .iter()
            .filter_map(|path| self.files.directory(path.as_bytes()))
            .chain(beside)
            .collect()
    }

    /// Returns the files of a name in a place: its own, then those for newer processors.
    pub(super) fn in_place(&self, place: &Place, name: &[u8]) -> Vec<Located<'a>> {
        let own = self.files.in_directory(&place.directory, name);
        let own = own.filter(|found| !place.is_cached || self.is_in_cache(found));
        let newer = || {
            let folder = [b"/", place.directory.as_bytes(), b"/glibc-hwcaps"].concat();
            self.files.directory(&folder)?;
            HWCAPS.iter().find_map(|capability| {
                let directory = self
                    .files
                    .directory(&[&folder, &b"/"[..], capability.as_bytes()].concat())?;
                self.files.in_directory(&directory, name)
            })
        };
        own.or_else(newer).into_iter().collect()
    }

    /// A cache that came with the base knows the names that the base has.
    fn is_in_cache(&self, found: &Located<'a>) -> bool {
        !self.cache_is_of_base || self.subject.base().tree.node(&found.named).is_some()
    }
}

impl Place {
    fn plain(directory: EntryPath) -> Self {
        Self {
            directory,
            is_cached: false,
        }
    }
}

/// Splits a list like musl, which ignores empty parts.
fn musl_parts(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    parts(list, b":\n").filter(|part| !part.is_empty())
}

/// Returns the directory of a loader if it is at Debian's place: `x86_64-linux-gnu`.
fn multiarch_folder(loader: &EntryPath) -> Option<&[u8]> {
    let components: Vec<&[u8]> = loader.components().collect();
    let [.., b"lib", folder, _] = components[..] else {
        return None;
    };
    folder.windows(7).any(|part| part == b"-linux-").then_some(folder)
}
