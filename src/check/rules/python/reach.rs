//! `missing-import`, and what is certainly imported. The search starts at what the image starts, and follows the
//! imports that happen whenever a source is run to its end.
//!
//! An import below `if`, `try` or `def` is not followed, since it may not happen. A module that is reached is certainly
//! imported. A module that is not reached may still be imported.

mod start;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use self::start::{FirstSource, Start, starts};
use super::search::{Found, find_module, has_extension_module, is_site};
use super::stdlib::is_standard;
use crate::check::rules::rule::{ReadPart, Rule};
use crate::check::{Code, Evidence, Finding, Import, ImportKind, Interest, Source, Subject};
use crate::model::{EntryPath, escape, part_before};

/// Greatest number of modules that are followed. The largest known programs import some five thousand at their start.
const MAX_MODULES: usize = 20_000;

/// How many directories a message names.
const MAX_SHOWN_FOLDERS: usize = 5;

/// How many parts a dotted name may have.
const MAX_PARTS: usize = 32;

/// The modules that the start of the image certainly imports.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Reach {
    /// Extension modules, links followed.
    pub(in super::super) extensions: BTreeSet<EntryPath>,
    /// Sources that were read, with their imports.
    pub(in super::super) sources: BTreeMap<EntryPath, Source>,
    /// Full names of modules that sources can do without.
    tried: BTreeSet<String>,
    /// Modules that are certainly imported, from the top, and that are there for another Python or processor alone.
    lost: BTreeSet<String>,
    /// Imports that find nothing.
    missing: Vec<Missing>,
}

/// An import that finds nothing.
#[derive(Debug, Clone)]
struct Missing {
    /// The module.
    name: String,
    /// The source that imports it, and the line; `None` for code on the command line.
    importer: Option<(EntryPath, u32)>,
    /// The directories that were searched.
    folders: Vec<EntryPath>,
    minor: Option<u32>,
    /// `true` if a script of your layers runs before, which may install it.
    is_prepared: bool,
}

/// Reads a source; `None` for one that is not yours, or that cannot be read.
type Read<'r> = dyn FnMut(&EntryPath) -> Option<Source> + 'r;

impl Reach {
    /// Returns the modules that are reached through sources which were read already.
    pub(in super::super) fn of(subject: &Subject) -> Self {
        walked(subject, &mut |path| subject.source(path).cloned())
    }

    /// Returns `true` if the program can do without a module: it is imported in a `try`, and nowhere else for certain.
    pub(in super::super) fn does_without(&self, module: &EntryPath) -> bool {
        !self.imports(module) && module_name(module).is_some_and(|name| self.tried.contains(&name))
    }

    /// Returns `true` for a module that is certainly imported, whether or not it is for this Python.
    pub(in super::super) fn imports(&self, module: &EntryPath) -> bool {
        self.extensions.contains(module) || module_name(module).is_some_and(|name| self.lost.contains(&name))
    }
}

/// The rule of [`missing_import`].
pub(in super::super) const MISSING_IMPORT: Rule = Rule::new(&[Code::MissingImport], missing_import).following(sources);

/// Reads the sources that the start reaches, each once.
fn sources(subject: &Subject, read: &mut ReadPart<'_>) {
    let mut seen: BTreeMap<EntryPath, Option<Source>> = BTreeMap::new();
    let _reach = walked(subject, &mut |path| {
        if let Some(known) = subject.source(path) {
            return Some(known.clone());
        }
        let source = seen
            .entry(path.clone())
            .or_insert_with(|| match read(path, Interest::Source) {
                Some(Evidence::Source(source)) => Some(*source),
                _ => None,
            });
        source.clone()
    });
}

/// Reports imports that find nothing: one finding a module.
fn missing_import(subject: &Subject, findings: &mut Vec<Finding>) {
    let reach = Reach::of(subject);
    let mut told: BTreeSet<&str> = BTreeSet::new();
    for missing in reach.missing.iter().filter(|missing| told.insert(&missing.name)) {
        findings.push(finding(subject, missing));
    }
}

fn finding(subject: &Subject, missing: &Missing) -> Finding {
    let name = escape(missing.name.as_bytes());
    let (path, message) = match &missing.importer {
        Some((path, line)) => (
            path.clone(),
            format!("imports \"{name}\" (line {line}), which is not in Python's search path"),
        ),
        None => (
            EntryPath::root(),
            format!("the code on the command line imports \"{name}\", which is not in Python's search path"),
        ),
    };
    let relative = missing.name.replace('.', "/");
    let wanted = [format!("{relative}/__init__.py"), format!("{relative}.py")];
    let places = wanted.iter().flat_map(|wanted| places_of(subject, wanted)).take(1);
    let place = places.into_iter().next();
    let version = missing
        .minor
        .map(|minor| format!(" for Python 3.{minor}"))
        .unwrap_or_default();
    let top = escape(missing.name.split('.').next().unwrap_or_default().as_bytes());
    let help = match &place {
        Some(place) => format!(
            "it is at {place}: set PYTHONPATH or `workdir` to the directory that contains it, or install it{version}"
        ),
        None if top == name => format!("install the package that provides \"{top}\" into the image{version}"),
        None => format!("install the whole package that provides \"{top}\"{version}: this part of it is missing"),
    };
    let shown = missing
        .folders
        .iter()
        .take(MAX_SHOWN_FOLDERS)
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    let found = place.map_or_else(|| "nothing".to_owned(), |place| place.to_string());
    let finding = subject.finding(Code::MissingImport, path, message, help);
    finding
        .evidence(format!("{name} in {}", shown.join(", ")), found)
        .warning_if(missing.is_prepared)
}

/// Files of the image that end in a path.
fn places_of(subject: &Subject, wanted: &str) -> Option<EntryPath> {
    let ending = format!("/{wanted}");
    let files = subject
        .below(&EntryPath::root())
        .filter(|(_, node)| !node.is_directory());
    let found = files
        .map(|(path, _)| path)
        .find(|path| path.as_bytes().ends_with(ending.as_bytes()));
    found.cloned()
}

fn walked(subject: &Subject, read: &mut Read<'_>) -> Reach {
    let mut reach = Reach::default();
    for start in starts(subject) {
        let mut walk = Walk {
            start: &start,
            read: &mut *read,
            modules: BTreeMap::new(),
            queue: VecDeque::new(),
            steps: Vec::new(),
            missing: Vec::new(),
            tried: BTreeSet::new(),
            lost: BTreeSet::new(),
        };
        walk.run();
        reach.tried.append(&mut walk.tried);
        reach.lost.append(&mut walk.lost);
        let found = walk
            .missing
            .into_iter()
            .filter(|(_, is_sure)| *is_sure)
            .map(|(missing, _)| missing);
        let found: Vec<Missing> = found.collect();
        reach
            .extensions
            .extend(walk.modules.values().filter_map(|module| match module {
                Module::Extension(at) => Some(at.clone()),
                Module::Package { main: Some(main), .. } if !main.file_name().ends_with(b".py") => Some(main.clone()),
                _ => None,
            }));
        for step in walk.steps {
            if let Some(at) = step.at {
                reach.sources.insert(at, step.source);
            }
        }
        if !found.is_empty() && !start.search.is_open(&start.setting) {
            reach.missing.extend(found);
        }
    }
    reach
}

/// The result of resolving a module name.
#[derive(Debug, Clone)]
enum Module {
    Package {
        folders: Vec<EntryPath>,
        main: Option<EntryPath>,
        is_namespace: bool,
    },
    Extension(EntryPath),
    /// A source, bytecode, or a module built into Python.
    Plain,
}

/// A source that was read, and how it was come to.
struct Step {
    at: Option<EntryPath>,
    source: Source,
    /// The package that its relative imports begin at.
    package: String,
    by: Option<usize>,
}

struct Walk<'w, 'a, 'r> {
    start: &'w Start<'a>,
    read: &'w mut Read<'r>,
    modules: BTreeMap<String, Module>,
    queue: VecDeque<usize>,
    steps: Vec<Step>,
    /// Imports that find nothing, and whether that is sure.
    missing: Vec<(Missing, bool)>,
    tried: BTreeSet<String>,
    lost: BTreeSet<String>,
}

impl Walk<'_, '_, '_> {
    fn run(&mut self) {
        match &self.start.first {
            FirstSource::Code(source) => {
                let step = Step {
                    at: None,
                    source: source.clone(),
                    package: String::new(),
                    by: None,
                };
                self.steps.push(step);
                self.queue.push_back(0);
            }
            FirstSource::Module(name) => {
                if self.load(name, None, 0) && matches!(self.modules.get(name), Some(Module::Package { .. })) {
                    self.load(&format!("{name}.__main__"), None, 0);
                }
            }
            FirstSource::Script(at) => self.add_source(at, String::new(), None),
        }
        if let Some(module) = &self.start.served {
            self.load(module, None, 0);
        }
        while let Some(at) = self.queue.pop_front() {
            let imports: Vec<Import> = self.steps[at]
                .source
                .imports
                .iter()
                .filter(|import| import.kind == ImportKind::Certain)
                .cloned()
                .collect();
            self.note_tried(at);
            for import in imports {
                self.import(at, &import);
                if self.modules.len() > MAX_MODULES {
                    return;
                }
            }
        }
    }

    fn import(&mut self, by: usize, import: &Import) {
        let Some(base) = self.absolute(by, import) else { return };
        if !base.is_empty() && !self.load(&base, Some(by), import.line) {
            return;
        }
        for name in import.names.iter().flatten() {
            // A name imported from a package may be a module in it, or a name that it defines.
            let Some(Module::Package { folders, .. }) = self.modules.get(&base).cloned() else {
                return;
            };
            let full = format!("{base}.{name}");
            if find_module(&self.start.setting, &self.start.search, &folders, name) != Found::Nothing {
                self.load(&full, Some(by), import.line);
            } else if self.is_for_other(&folders, name) {
                self.lost.insert(full);
            }
        }
    }

    fn note_tried(&mut self, by: usize) {
        let mut tried = Vec::new();
        for import in self.steps[by]
            .source
            .imports
            .iter()
            .filter(|import| import.kind == ImportKind::Tried)
        {
            let Some(base) = self.absolute(by, import) else {
                continue;
            };
            tried.extend(import.names.iter().flatten().map(|name| format!("{base}.{name}")));
            tried.push(base);
        }
        self.tried.extend(tried);
    }

    /// The module's name from the top; `None` for a relative one that climbs too high.
    fn absolute(&self, by: usize, import: &Import) -> Option<String> {
        if import.level == 0 {
            return Some(import.module.clone());
        }
        let mut parts: Vec<&str> = self.steps[by]
            .package
            .split('.')
            .filter(|part| !part.is_empty())
            .collect();
        let kept = (parts.len() + 1).checked_sub(import.level).filter(|kept| *kept > 0)?;
        parts.truncate(kept);
        parts.extend(import.module.split('.').filter(|part| !part.is_empty()));
        Some(parts.join("."))
    }

    /// Loads a module and the packages that it is in. `false` if one of them is not found, or not known.
    fn load(&mut self, name: &str, by: Option<usize>, line: u32) -> bool {
        let mut done = String::new();
        let mut parent: Option<Module> = None;
        for (index, part) in name.split('.').take(MAX_PARTS).enumerate() {
            if !done.is_empty() {
                done.push('.');
            }
            done.push_str(part);
            if let Some(known) = self.modules.get(&done) {
                parent = Some(known.clone());
                continue;
            }
            let folders = match &parent {
                None if index == 0 => self.start.search.folders.clone(),
                Some(Module::Package { folders, .. }) => folders.clone(),
                _ => return false,
            };
            let module = match find_module(&self.start.setting, &self.start.search, &folders, part) {
                Found::Package { folder, main } => Module::Package {
                    folders: vec![folder],
                    main,
                    is_namespace: false,
                },
                Found::Namespace(folders) => Module::Package {
                    folders,
                    main: None,
                    is_namespace: true,
                },
                Found::Extension(at) => Module::Extension(at),
                Found::Source(at) => {
                    self.modules.insert(done.clone(), Module::Plain);
                    let package = done
                        .rsplit_once('.')
                        .map(|(package, _)| package)
                        .unwrap_or_default()
                        .to_owned();
                    self.add_source(&at, package, by);
                    Module::Plain
                }
                Found::Other => Module::Plain,
                Found::Nothing if index == 0 && is_standard(part) => Module::Plain,
                Found::Nothing => {
                    self.note_missing(&done, parent.as_ref(), folders, by, line);
                    return false;
                }
            };
            self.modules.insert(done.clone(), module.clone());
            if let Module::Package { main: Some(main), .. } = &module
                && main.file_name().ends_with(b".py")
            {
                self.add_source(main, done.clone(), by);
            }
            parent = Some(module);
        }
        true
    }

    fn add_source(&mut self, at: &EntryPath, package: String, by: Option<usize>) {
        // Python's own library is taken to be whole.
        if is_of_standard_library(at) || !self.start.setting.subject.own().contains_key(at) {
            return;
        }
        if let Some(source) = (self.read)(at) {
            self.steps.push(Step {
                at: Some(at.clone()),
                source,
                package,
                by,
            });
            self.queue.push_back(self.steps.len() - 1);
        }
    }

    fn note_missing(
        &mut self,
        name: &str,
        parent: Option<&Module>,
        folders: Vec<EntryPath>,
        by: Option<usize>,
        line: u32,
    ) {
        // A missing module on the command line has a separate finding.
        let Some(by) = by else { return };
        let last = name.rsplit('.').next().unwrap_or_default();
        let mut is_sure = !self.is_search_changed(by);
        match parent {
            None => {}
            Some(Module::Package {
                is_namespace: false,
                main: Some(main),
                ..
            }) => {
                let source = self.steps.iter().find(|step| step.at.as_ref() == Some(main));
                is_sure &= source.is_some_and(|step| !step.source.changes_search);
            }
            _ => is_sure = false,
        }
        // A module for another interpreter or processor has a separate finding.
        if self.is_for_other(&folders, last) {
            self.lost.insert(name.to_owned());
            is_sure = false;
        }
        let step = &self.steps[by];
        let importer = step.at.clone().map(|at| (at, line));
        let minor = self.start.search.minor;
        let is_prepared = self.start.is_prepared;
        self.missing.push((
            Missing {
                name: name.to_owned(),
                importer,
                folders,
                minor,
                is_prepared,
            },
            is_sure,
        ));
    }

    /// Returns `true` if folders hold an extension module of that name, for whatever Python and processor.
    fn is_for_other(&self, folders: &[EntryPath], name: &str) -> bool {
        folders.iter().any(|folder| {
            has_extension_module(&self.start.setting, folder, name.as_bytes())
                || folder
                    .join(name.as_bytes())
                    .is_ok_and(|at| has_extension_module(&self.start.setting, &at, b"__init__"))
        })
    }

    /// Returns `true` if a source on the path from the start may change the search for modules.
    fn is_search_changed(&self, by: usize) -> bool {
        let way = std::iter::successors(Some(by), |at| self.steps[*at].by);
        way.take(self.steps.len())
            .any(|at| self.steps[at].source.changes_search)
    }
}

/// Returns the full name of an installed module: `yaml._yaml` for
/// `site-packages/yaml/_yaml.cpython-311-x86_64-linux-gnu.so`.
pub(in super::super) fn module_name(path: &EntryPath) -> Option<String> {
    let components: Vec<&[u8]> = path.components().collect();
    let at = components
        .iter()
        .rposition(|component| component.ends_with(b"-packages"))?;
    let (last, folders) = components[at + 1..].split_last()?;
    let stem = part_before(last, b'.');
    let names = folders
        .iter()
        .copied()
        .chain([stem])
        .filter(|name| *name != b"__init__");
    Some(names.map(escape).collect::<Vec<_>>().join("."))
}

/// Returns `true` for `lib/python3.11/os.py`, and not for packages that are installed below it.
fn is_of_standard_library(at: &EntryPath) -> bool {
    let mut components = at.components();
    let in_library = components.any(|component| component.starts_with(b"python3."));
    in_library && !std::iter::successors(at.parent(), EntryPath::parent).any(|folder| is_site(&folder))
}

#[cfg(test)]
mod tests;
