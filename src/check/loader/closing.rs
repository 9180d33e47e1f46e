//! Loads what loaded objects need, until nothing is missing any more.

use super::super::abi::Libc;
use super::closure::{Closure, Need};
use super::files::Located;
use super::module::is_same_machine;
use super::places::Place;
use super::settings::Loader;
use crate::model::EntryPath;

/// Greatest number of objects in one process. The largest known programs have some five hundred.
const MAX_OBJECTS: usize = 4096;

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
