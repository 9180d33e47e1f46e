//! The modules that Node certainly loads when the image starts: from the script of the command line through `require`
//! and `import` to the last file that was read.
//!
//! A module whose failure may be caught, or that may be loaded later or not at all, is not followed. If the application
//! changes how modules are found, nothing is known.

mod builtin;
mod resolve;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::commands::{Trail, Visit, trail};
use super::node::{Entry, entry};
use super::shebang::interpreter_name;
use crate::check::javascript::{Load, Script, Surety, System, read_script};
use crate::check::subject::Subject;
use crate::model::EntryPath;
pub(super) use resolve::Lack;
use resolve::{Resolver, Target};

/// Files that are followed. Applications whose modules are not bundled load some hundreds to a few thousand.
const MAX_FILES: usize = 4_000;

/// Packages that change how modules are found when they are loaded.
const HOOKING_PACKAGES: &[&str] = &[
    "@babel/register",
    "@swc-node/register",
    "@swc/register",
    "app-module-path",
    "esbuild-register",
    "esm",
    "jiti",
    "module-alias",
    "rootpath",
    "sucrase",
    "ts-node",
    "tsconfig-paths",
    "tsx",
];

/// A required module that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Missing {
    pub(super) lack: Lack,
    /// The file that asks; the root for code of the command line.
    pub(super) from: EntryPath,
    /// The name, as written.
    pub(super) name: String,
    pub(super) system: System,
    /// `true` if a script of your layers runs before, and may make the file.
    pub(super) is_prepared: bool,
}

/// An ECMAScript module that is loaded with `require`, which older versions of Node refuse (`ERR_REQUIRE_ESM`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RequiredModule {
    /// The module.
    pub(super) module: EntryPath,
    /// The file that asks; the root for code of the command line.
    pub(super) from: EntryPath,
    /// The name, as written.
    pub(super) name: String,
}

/// The facts about the loaded modules.
#[derive(Debug, Clone, Default)]
pub(super) struct Graph {
    /// Files of your layers that are loaded.
    pub(super) files: BTreeSet<EntryPath>,
    /// Those of them that were not read.
    pub(super) unread: BTreeSet<EntryPath>,
    pub(super) missing: BTreeSet<Missing>,
    /// Modules of ECMAScript that are asked for with `require`, if no option allows it.
    pub(super) required_modules: BTreeSet<RequiredModule>,
    /// The program files of Node that run it.
    pub(super) runtimes: BTreeSet<EntryPath>,
}

/// Returns the graph of the program that the image starts. It is empty if the program is not Node.
pub(super) fn graph(subject: &Subject) -> Graph {
    let Trail { visits, .. } = trail(subject);
    let mut graph = Graph::default();
    for visit in &visits {
        let Some((runtime, entry)) = entry_of(visit) else {
            continue;
        };
        graph.runtimes.insert(runtime);
        let Some(entry) = entry else { continue };
        if changes_modules(visit) {
            continue;
        }
        let mut walk = Walk {
            visit,
            resolver: Resolver::new(&visit.setting),
            graph: Graph::default(),
            is_hooked: false,
        };
        walk.start(&entry);
        let Walk {
            graph: found,
            is_hooked,
            ..
        } = walk;
        graph.files.extend(found.files);
        graph.unread.extend(found.unread);
        if !is_hooked {
            graph.missing.extend(found.missing);
            if !allows_require_of_modules(visit) {
                graph.required_modules.extend(found.required_modules);
            }
        }
    }
    graph
}

/// The Node that a visit starts, and with what. `None` if it is another program.
fn entry_of(visit: &Visit<'_>) -> Option<(EntryPath, Option<Entry>)> {
    let subject = visit.setting.subject;
    if let Some(line) = subject.shebang(&visit.program.at) {
        if !matches!(interpreter_name(line), Some("node" | "nodejs")) {
            return None;
        }
        let runtime = match visit.setting.look_up(b"node") {
            super::program::Lookup::Found(program) => program.at,
            _ => return None,
        };
        return Some((runtime, Some(Entry::File(visit.program.at.to_string()))));
    }
    let is_node = matches!(visit.program.named.file_name(), b"node" | b"nodejs");
    is_node.then(|| (visit.program.at.clone(), entry(&visit.arguments)))
}

/// Returns `true` if an option or the environment loads code that may change how modules are found.
fn changes_modules(visit: &Visit<'_>) -> bool {
    const OPTIONS: &[&str] = &[
        "-r",
        "--require",
        "--import",
        "--loader",
        "--experimental-loader",
        "-C",
        "--conditions",
    ];
    let is_hook = |word: &str| OPTIONS.contains(&word.split('=').next().unwrap_or(word));
    let options = visit
        .setting
        .subject
        .execution
        .variable("NODE_OPTIONS")
        .unwrap_or_default();
    let own = visit
        .arguments
        .iter()
        .map(String::as_str)
        .take_while(|word| word.starts_with('-'));
    own.chain(options.split_whitespace()).any(is_hook)
}

/// Returns `true` if an option lets `require` load modules of ECMAScript in versions that do not by themselves.
fn allows_require_of_modules(visit: &Visit<'_>) -> bool {
    const OPTION: &str = "--experimental-require-module";
    let subject = visit.setting.subject;
    let options = subject.execution.variable("NODE_OPTIONS").unwrap_or_default();
    let line = String::from_utf8_lossy(subject.shebang(&visit.program.at).unwrap_or_default()).into_owned();
    options.contains(OPTION) || line.contains(OPTION) || visit.arguments.iter().any(|word| word == OPTION)
}

struct Walk<'s> {
    visit: &'s Visit<'s>,
    resolver: Resolver<'s>,
    graph: Graph,
    is_hooked: bool,
}

impl Walk<'_> {
    fn start(&mut self, entry: &Entry) {
        let mut queue = VecDeque::new();
        match entry {
            Entry::File(name) => {
                if let Target::File(at) = self.resolver.main(name) {
                    queue.push_back(at);
                }
            }
            Entry::Text(text) => {
                let folder = self.visit.setting.workdir.clone();
                let folder = self.visit.setting.subject.resolve(&folder).unwrap_or(folder);
                self.source(
                    &read_script(text.as_bytes()),
                    &EntryPath::root(),
                    &folder,
                    None,
                    &mut queue,
                );
            }
        }
        while let Some(at) = queue.pop_front() {
            if self.graph.files.len() >= MAX_FILES {
                return;
            }
            if self.visit.setting.subject.own().contains_key(&at) && self.graph.files.insert(at.clone()) {
                self.file(&at, &mut queue);
            }
        }
    }

    fn file(&mut self, at: &EntryPath, queue: &mut VecDeque<EntryPath>) {
        let name = at.file_name();
        let ends = |end: &str| name.ends_with(end.as_bytes());
        if ends(".json") || ends(".node") || ends(".wasm") {
            return;
        }
        let Some(script) = self.visit.setting.subject.script(at) else {
            self.graph.unread.insert(at.clone());
            return;
        };
        let folder = at.parent().unwrap_or_default();
        let system = match () {
            () if ends(".mjs") || ends(".mts") => Some(System::Ecma),
            () if ends(".cjs") || ends(".cts") => Some(System::CommonJs),
            () => self.resolver.declared_system(&folder),
        };
        self.source(&script, at, &folder, system, queue);
    }

    fn source(
        &mut self,
        script: &Script,
        at: &EntryPath,
        folder: &EntryPath,
        system: Option<System>,
        queue: &mut VecDeque<EntryPath>,
    ) {
        self.is_hooked |= script.changes_modules;
        let system = system.unwrap_or(if script.is_ecma { System::Ecma } else { System::CommonJs });
        for load in script
            .loads
            .iter()
            .filter(|load| load.system == system && load.surety == Surety::Certain)
        {
            self.load(load, at, folder, queue);
        }
    }

    fn load(&mut self, load: &Load, from: &EntryPath, folder: &EntryPath, queue: &mut VecDeque<EntryPath>) {
        let package = |hook: &str| {
            load.name
                .strip_prefix(hook)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.is_hooked |= HOOKING_PACKAGES.iter().any(|hook| package(hook));
        match self.resolver.resolve(folder, &load.name, load.system) {
            Target::File(at) => {
                if load.system == System::CommonJs && self.is_module(&at) {
                    let name = load.name.to_string();
                    self.graph.required_modules.insert(RequiredModule {
                        module: at.clone(),
                        from: from.clone(),
                        name,
                    });
                }
                queue.push_back(at);
            }
            Target::Unknown => {}
            Target::Nothing(lack) => {
                let from = from.clone();
                let name = load.name.to_string();
                let is_prepared = self.visit.is_prepared;
                self.graph.missing.insert(Missing {
                    lack,
                    from,
                    name,
                    system: load.system,
                    is_prepared,
                });
            }
        }
    }

    /// Returns `true` for a file that is certainly a module of ECMAScript: by its extension, or by its nearest
    /// manifest.
    fn is_module(&self, at: &EntryPath) -> bool {
        let name = at.file_name();
        let is_declared = || self.resolver.declared_system(&at.parent().unwrap_or_default()) == Some(System::Ecma);
        name.ends_with(b".mjs") || name.ends_with(b".js") && is_declared()
    }
}

/// Groups the files by the module that they are missing.
pub(super) fn by_lack(missing: &BTreeSet<Missing>) -> BTreeMap<&Lack, Vec<&Missing>> {
    let mut groups: BTreeMap<&Lack, Vec<&Missing>> = BTreeMap::new();
    for one in missing {
        groups.entry(&one.lack).or_default().push(one);
    }
    groups
}

#[cfg(test)]
mod tests;
