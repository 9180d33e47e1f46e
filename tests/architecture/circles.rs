//! Circles between the files of a room: files that name items of each other, directly or through others.
//!
//! A file that declares a module needs it. So a child may not name what its parent defines; what the parent only
//! re-exports belongs to the file that defines it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::source::{Mention, Source};

/// Re-exports that are followed for one name. More would be a circle of re-exports.
const MAX_REEXPORTS: usize = 8;

/// The files that a file needs, each with the first place that names it. A declared module has no place.
type Needs<'a> = BTreeMap<usize, Option<&'a Mention>>;

/// The files of one room, without those of tests.
struct Room<'a> {
    files: Vec<&'a Source>,
    /// The index of each module's file.
    modules: BTreeMap<&'a [String], usize>,
}

/// Returns a message for each circle among the files of one room. Files that are in a circle already are not reported
/// in a second one.
pub fn circles(sources: &[&Source]) -> Vec<String> {
    let files: Vec<&Source> = sources.iter().copied().filter(|source| !source.scope.is_test).collect();
    let modules = files
        .iter()
        .enumerate()
        .map(|(at, source)| (source.scope.path.as_slice(), at))
        .collect();
    let room = Room { files, modules };
    let needs: Vec<Needs<'_>> = (0..room.files.len()).map(|file| room.needs(file)).collect();
    let mut reported = BTreeSet::new();
    let mut breaches = Vec::new();
    for start in 0..room.files.len() {
        let Some(circle) = circle_through(start, &needs) else {
            continue;
        };
        if circle.iter().all(|file| !reported.contains(file)) {
            breaches.extend(room.breach(&circle, &needs));
            reported.extend(circle);
        }
    }
    breaches
}

impl<'a> Room<'a> {
    fn needs(&self, file: usize) -> Needs<'a> {
        let source = self.files[file];
        let own = source.scope.path.as_slice();
        let mut needs = Needs::new();
        for mention in source.mentions.iter().filter(|mention| !mention.scope.is_test) {
            let Some(path) = self.absolute(source, mention) else {
                continue;
            };
            // A visibility, `pub(in crate::room)`, names a module around the file and needs nothing of it.
            let is_around = own.starts_with(&path);
            if let Some(owner) = self.owner(path).filter(|owner| *owner != file && !is_around) {
                needs.entry(owner).or_insert(Some(mention));
            }
        }
        for (module, child) in &self.modules {
            if module.len() == own.len() + 1 && module.starts_with(own) {
                needs.entry(*child).or_insert(None);
            }
        }
        needs
    }

    /// Returns a path from the root of the crate, also if it begins with a module that its file declares.
    fn absolute(&self, source: &Source, mention: &Mention) -> Option<Vec<String>> {
        if let Some(path) = mention.inside_crate() {
            return Some(path);
        }
        let child = [source.scope.path.as_slice(), &mention.segments[..1]].concat();
        let is_child = self.modules.contains_key(child.as_slice());
        is_child.then(|| [source.scope.path.as_slice(), &mention.segments].concat())
    }

    /// Returns the file that defines what a path names, through re-exports.
    fn owner(&self, mut path: Vec<String>) -> Option<usize> {
        for _ in 0..MAX_REEXPORTS {
            let length = (1..=path.len())
                .rev()
                .find(|end| self.modules.contains_key(&path[..*end]))?;
            let file = self.modules[&path[..length]];
            let Some(origin) = path.get(length).and_then(|name| self.reexport(file, name)) else {
                return Some(file);
            };
            path = [&origin, &path[length + 1..]].concat();
        }
        None
    }

    /// Returns where a name comes from that a file imports and does not define.
    fn reexport(&self, file: usize, name: &str) -> Option<Vec<String>> {
        let source = self.files[file];
        let paths = source.mentions.iter().filter_map(|mention| {
            let is_name = mention.segments.len() > 1 && mention.segments.last().is_some_and(|last| last == name);
            is_name.then(|| self.absolute(source, mention))?
        });
        let own = [source.scope.path.as_slice(), &[name.to_owned()]].concat();
        paths.into_iter().find(|path| *path != own)
    }

    fn breach(&self, circle: &[usize], needs: &[Needs<'_>]) -> Option<String> {
        let mut names: Vec<&str> = circle.iter().map(|file| self.files[*file].name.as_str()).collect();
        names.push(names[0]);
        let rule = format!("a circle of files: {}", names.join(" needs "));
        let next = circle.iter().cycle().skip(1);
        circle.iter().zip(next).find_map(|(file, next)| {
            let mention = needs[*file].get(next).copied().flatten()?;
            Some(self.files[*file].breach(mention, &rule, "move what both need to a file of its own"))
        })
    }
}

/// Returns the shortest circle through a file.
fn circle_through(start: usize, needs: &[Needs<'_>]) -> Option<Vec<usize>> {
    let mut before: BTreeMap<usize, usize> = BTreeMap::new();
    let mut waiting = VecDeque::from([start]);
    while let Some(file) = waiting.pop_front() {
        for next in needs[file].keys() {
            if *next == start {
                let mut circle = vec![file];
                while let Some(previous) = circle.last().filter(|last| **last != start).map(|last| before[last]) {
                    circle.push(previous);
                }
                circle.reverse();
                return Some(circle);
            }
            if !before.contains_key(next) {
                before.insert(*next, file);
                waiting.push_back(*next);
            }
        }
    }
    None
}
