//! Resolves modules like Node (Node.js, "Modules: CommonJS modules", "All together"; "Modules: ECMAScript modules",
//! "Resolution Algorithm Specification").

use serde_json::Value;

use super::builtin::is_builtin;
use crate::check::javascript::System;
use crate::check::rules::program::{Setting, Standing, place};
use crate::model::EntryPath;

/// Extensions that `require` tries after a name, in its order.
const EXTENSIONS: &[&str] = &[".js", ".json", ".node"];

/// The additional folders of Debian's Node, and those of every Node for modules from before 2011.
const GLOBAL_FOLDERS: &[&str] = &[
    "/usr/share/nodejs",
    "/usr/lib/nodejs",
    "/usr/local/lib/node",
    "/usr/lib/node",
    "/root/.node_modules",
    "/root/.node_libraries",
];

/// Folders within one another in `exports` that are looked at; packages have at most some six.
const MAX_CONDITIONS: usize = 16;

/// The target of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// This file, links followed.
    File(EntryPath),
    /// Something that exists, or may exist: a part of Node, a file that was not read, or a path in a volume.
    Unknown,
    /// Nothing.
    Nothing(Lack),
}

/// The missing object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Lack {
    /// The file of a path.
    File(EntryPath),
    /// A file of a path whose extension `import` wants to be written.
    Extension(EntryPath),
    /// A package, in any `node_modules` above.
    Package(String),
    /// A file in an existing package, which the package itself or a caller names.
    Inside { package: EntryPath, name: String },
}

/// The places where modules are searched, beside the folders above the requiring file.
pub(super) struct Resolver<'s> {
    setting: &'s Setting<'s>,
    global_folders: Vec<EntryPath>,
}

/// A `package.json`.
enum Manifest {
    Nothing,
    /// It was not read, or is not JSON.
    Unknown,
    Known(Value),
}

impl<'s> Resolver<'s> {
    pub(super) fn new(setting: &'s Setting<'s>) -> Self {
        let node_path = setting.subject.execution.variable("NODE_PATH").unwrap_or_default();
        let folders = node_path
            .split(':')
            .filter(|folder| !folder.is_empty())
            .chain(GLOBAL_FOLDERS.iter().copied());
        let global_folders = folders.filter_map(|folder| setting.place(folder.as_bytes())).collect();
        Self {
            setting,
            global_folders,
        }
    }

    /// Returns the target of `name` for a file in `folder`, whose links are resolved.
    pub(super) fn resolve(&self, folder: &EntryPath, name: &str, system: System) -> Target {
        if name.is_empty() || name.contains([':', '?', '\0', '!']) || is_builtin(name) {
            return Target::Unknown;
        }
        if system == System::Ecma && name.contains(['%', '#']) && !name.starts_with('#') {
            return Target::Unknown;
        }
        if name.starts_with('#') {
            return self.inner_import(folder, name, system);
        }
        let is_path = name.starts_with('/') || matches!(name.split('/').next(), Some("." | ".."));
        match (is_path, place(self.setting.subject, folder, name.as_bytes())) {
            (true, None) => Target::Unknown,
            (true, Some(at)) => self.path(&at, name, system),
            (false, _) => self.package(folder, name, system),
        }
    }

    /// Returns the file that `node NAME` starts.
    pub(super) fn main(&self, name: &str) -> Target {
        match self.setting.place(name.as_bytes()) {
            Some(at) => self.path(&at, name, System::CommonJs),
            None => Target::Unknown,
        }
    }

    fn path(&self, at: &EntryPath, name: &str, system: System) -> Target {
        let is_folder = name.ends_with('/') || matches!(name.rsplit('/').next(), Some("." | ".."));
        let exact = self.file(at).filter(|_| !is_folder);
        if system == System::Ecma {
            return exact.unwrap_or_else(|| match self.loose(at) {
                Some(Target::Unknown) => Target::Unknown,
                Some(_) => Target::Nothing(Lack::Extension(at.clone())),
                None => Target::Nothing(Lack::File(at.clone())),
            });
        }
        let file = exact.or_else(|| self.with_extension(at).filter(|_| !is_folder));
        file.or_else(|| self.folder(at))
            .unwrap_or_else(|| Target::Nothing(Lack::File(at.clone())))
    }

    /// Returns the target that CommonJS finds at a path.
    fn loose(&self, at: &EntryPath) -> Option<Target> {
        self.file(at)
            .or_else(|| self.with_extension(at))
            .or_else(|| self.folder(at))
    }

    /// The file at exactly this path.
    fn file(&self, at: &EntryPath) -> Option<Target> {
        match self.setting.standing(at) {
            Standing::File => Some(self.setting.subject.resolve(at).map_or(Target::Unknown, Target::File)),
            Standing::Unknown => Some(Target::Unknown),
            Standing::Directory | Standing::Nothing => None,
        }
    }

    fn with_extension(&self, at: &EntryPath) -> Option<Target> {
        let named = |end: &&str| at.with_suffix(end).ok();
        EXTENSIONS.iter().filter_map(named).find_map(|at| self.file(&at))
    }

    /// LOAD_AS_DIRECTORY: the `main` of its manifest, else an index.
    fn folder(&self, at: &EntryPath) -> Option<Target> {
        if self.setting.standing(at) != Standing::Directory {
            return None;
        }
        let index = |at: &EntryPath| at.join(b"index").ok().and_then(|index| self.with_extension(&index));
        match self.manifest(at) {
            Manifest::Unknown => Some(Target::Unknown),
            Manifest::Nothing => index(at),
            Manifest::Known(manifest) => {
                let main = manifest
                    .get("main")
                    .and_then(Value::as_str)
                    .filter(|main| !main.is_empty());
                let main = main.and_then(|main| place(self.setting.subject, at, main.as_bytes()));
                let found = main.and_then(|main| {
                    self.file(&main)
                        .or_else(|| self.with_extension(&main))
                        .or_else(|| index(&main))
                });
                found.or_else(|| index(at))
            }
        }
    }

    fn manifest(&self, folder: &EntryPath) -> Manifest {
        let Ok(at) = folder.join(b"package.json") else {
            return Manifest::Nothing;
        };
        match self.setting.standing(&at) {
            Standing::Nothing | Standing::Directory => Manifest::Nothing,
            Standing::Unknown => Manifest::Unknown,
            Standing::File => {
                let content = self.setting.subject.resolve(&at).ok();
                let content = content.and_then(|at| self.setting.subject.content(&at).map(<[u8]>::to_vec));
                match content.and_then(|bytes| serde_json::from_slice(strip_mark(&bytes)).ok()) {
                    Some(manifest) => Manifest::Known(manifest),
                    None => Manifest::Unknown,
                }
            }
        }
    }

    /// The nearest manifest above a file, and its folder (LOOKUP_PACKAGE_SCOPE).
    fn scope(&self, folder: &EntryPath) -> Option<(EntryPath, Manifest)> {
        let above = folder.ancestors();
        for at in above.take_while(|at| at.file_name() != b"node_modules") {
            match self.manifest(&at) {
                Manifest::Nothing => {}
                found => return Some((at, found)),
            }
        }
        None
    }

    /// Returns `true` if the manifest makes a file without a specific extension an ECMAScript module; `None` if no
    /// manifest declares a type.
    pub(super) fn declared_system(&self, folder: &EntryPath) -> Option<System> {
        match self.scope(folder)?.1 {
            Manifest::Known(manifest) => match manifest.get("type").and_then(Value::as_str) {
                Some("module") => Some(System::Ecma),
                Some("commonjs") => Some(System::CommonJs),
                _ => None,
            },
            _ => None,
        }
    }

    /// Resolves `#name` by the manifest's `imports`. Only a target that exists counts: a missing one is rarely meant
    /// for Node.
    fn inner_import(&self, folder: &EntryPath, name: &str, system: System) -> Target {
        let Some((scope, Manifest::Known(manifest))) = self.scope(folder) else {
            return Target::Unknown;
        };
        let Some(imports) = manifest.get("imports") else {
            return Target::Unknown;
        };
        match self.mapped(&scope, imports, name, system) {
            Mapped::File(target) => target,
            _ => Target::Unknown,
        }
    }

    fn package(&self, folder: &EntryPath, name: &str, system: System) -> Target {
        let length = if name.starts_with('@') { 2 } else { 1 };
        let parts: Vec<&str> = name.splitn(length + 1, '/').collect();
        let Some(package) = parts.get(..length).map(|parts| parts.join("/")) else {
            return Target::Unknown;
        };
        let inner = parts.get(length).copied().unwrap_or_default();
        if let Some(target) = self.own_name(folder, &package, inner, system) {
            return target;
        }
        let above = folder.ancestors();
        let stores = above
            .filter(|at| at.file_name() != b"node_modules")
            .filter_map(|at| at.join(b"node_modules").ok());
        let globals = self
            .global_folders
            .iter()
            .filter(|_| system == System::CommonJs)
            .cloned();
        let mut lack = Lack::Package(package.clone());
        for store in stores.chain(globals) {
            let Ok(at) = store.join(package.as_bytes()) else {
                continue;
            };
            match self.setting.standing(&at) {
                Standing::Unknown => return Target::Unknown,
                Standing::Directory => match self.in_package(&at, inner, system) {
                    Target::Nothing(inside) => {
                        lack = inside;
                        // `import` looks no further; `require` does, and finds it rarely.
                        if system == System::Ecma {
                            break;
                        }
                    }
                    found => return found,
                },
                Standing::File | Standing::Nothing if system == System::CommonJs => {
                    let at = store.join(name.as_bytes()).ok();
                    if let Some(found) = at.and_then(|at| self.file(&at).or_else(|| self.with_extension(&at))) {
                        return found;
                    }
                }
                Standing::File | Standing::Nothing => {}
            }
        }
        Target::Nothing(lack)
    }

    /// A package may ask for itself by its own name, if it has `exports`.
    fn own_name(&self, folder: &EntryPath, package: &str, inner: &str, system: System) -> Option<Target> {
        let (scope, Manifest::Known(manifest)) = self.scope(folder)? else {
            return None;
        };
        let is_own = manifest.get("name").and_then(Value::as_str) == Some(package);
        let exports = manifest.get("exports").filter(|exports| is_own && !exports.is_null())?;
        Some(match self.exported(&scope, exports, inner, system) {
            Target::Nothing(_) => Target::Unknown,
            found => found,
        })
    }

    /// Returns the target of a name in a package; its main module without a name.
    fn in_package(&self, at: &EntryPath, inner: &str, system: System) -> Target {
        let Ok(real) = self.setting.subject.resolve(at) else {
            return Target::Unknown;
        };
        let manifest = match self.manifest(&real) {
            Manifest::Unknown => return Target::Unknown,
            Manifest::Nothing => None,
            Manifest::Known(manifest) => Some(manifest),
        };
        let exports = manifest
            .as_ref()
            .and_then(|manifest| manifest.get("exports"))
            .filter(|value| !value.is_null());
        if let Some(exports) = exports {
            return self.exported(&real, exports, inner, system);
        }
        let lack = || {
            Target::Nothing(Lack::Inside {
                package: real.clone(),
                name: inner.to_owned(),
            })
        };
        if inner.is_empty() {
            return self.folder(&real).unwrap_or_else(lack);
        }
        let Some(at) = place(self.setting.subject, &real, inner.as_bytes()) else {
            return Target::Unknown;
        };
        let exact = self.file(&at).filter(|_| !inner.ends_with('/'));
        let found = if system == System::Ecma {
            exact
        } else {
            exact.or_else(|| self.loose(&at))
        };
        found.unwrap_or_else(lack)
    }

    /// PACKAGE_EXPORTS_RESOLVE.
    fn exported(&self, package: &EntryPath, exports: &Value, inner: &str, system: System) -> Target {
        let lack = || {
            Target::Nothing(Lack::Inside {
                package: package.clone(),
                name: inner.to_owned(),
            })
        };
        let is_map = exports
            .as_object()
            .is_some_and(|map| map.keys().any(|key| key.starts_with('.')));
        let mapped = match (is_map, inner.is_empty()) {
            (true, true) => self.mapped(package, exports, ".", system),
            (true, false) => self.mapped(package, exports, &format!("./{inner}"), system),
            (false, true) => self.first_target(package, exports, "", system, MAX_CONDITIONS),
            (false, false) => Mapped::Nothing,
        };
        match mapped {
            Mapped::File(target) => target,
            Mapped::Unknown => Target::Unknown,
            Mapped::Nothing => lack(),
        }
    }

    /// The entry of a map that a name falls under: itself, or the longest pattern.
    fn mapped(&self, package: &EntryPath, map: &Value, name: &str, system: System) -> Mapped {
        let Some(map) = map.as_object() else {
            return Mapped::Unknown;
        };
        if let Some(value) = map.get(name).filter(|_| !name.contains('*')) {
            return self.first_target(package, value, "", system, MAX_CONDITIONS);
        }
        // Folders as a whole were given up with Node 17.
        if map
            .keys()
            .any(|key| key.ends_with('/') && name.starts_with(key.as_str()))
        {
            return Mapped::Unknown;
        }
        let fits = |key: &str| {
            let (start, end) = key.split_once('*')?;
            let rest = name.strip_prefix(start)?;
            let part = rest.strip_suffix(end).filter(|part| !part.is_empty())?;
            Some((start.len(), key.len(), part.to_owned()))
        };
        let best = map.iter().filter_map(|(key, value)| Some((fits(key)?, value)));
        match best.max_by(|left, right| left.0.cmp(&right.0)) {
            Some(((_, _, part), value)) => self.first_target(package, value, &part, system, MAX_CONDITIONS),
            None => Mapped::Nothing,
        }
    }

    /// Returns the target of the first condition that applies (PACKAGE_TARGET_RESOLVE).
    fn first_target(&self, package: &EntryPath, value: &Value, part: &str, system: System, depth: usize) -> Mapped {
        match value {
            _ if depth == 0 => Mapped::Unknown,
            Value::String(target) if target.starts_with("./") => {
                let target = target.replace('*', part);
                let Some(at) = place(self.setting.subject, package, target.as_bytes()) else {
                    return Mapped::Unknown;
                };
                // Node does not search for another file if this one does not exist.
                let lack = Lack::Inside {
                    package: package.clone(),
                    name: target,
                };
                Mapped::File(self.file(&at).unwrap_or(Target::Nothing(lack)))
            }
            // Another package, in `imports`.
            Value::String(target) if is_builtin(target) => Mapped::Unknown,
            Value::String(target) => Mapped::File(self.package(package, target, system)),
            Value::Array(all) => {
                let mut found = all
                    .iter()
                    .map(|value| self.first_target(package, value, part, system, depth - 1));
                found
                    .find(|mapped| !matches!(mapped, Mapped::Nothing))
                    .unwrap_or(Mapped::Nothing)
            }
            Value::Object(conditions) => {
                let holds = |name: &str| match name {
                    "node" | "default" | "node-addons" => true,
                    "import" => system == System::Ecma,
                    "require" => system == System::CommonJs,
                    _ => false,
                };
                let active = conditions.iter().filter(|(name, _)| holds(name));
                let mut found = active.map(|(_, value)| self.first_target(package, value, part, system, depth - 1));
                match found.find(|mapped| !matches!(mapped, Mapped::Nothing)) {
                    Some(mapped) => mapped,
                    // Newer versions of Node know it, older ones do not.
                    None if conditions.contains_key("module-sync") => Mapped::Unknown,
                    None => Mapped::Nothing,
                }
            }
            _ => Mapped::Nothing,
        }
    }
}

/// The result of a name in a map of a manifest.
enum Mapped {
    File(Target),
    Unknown,
    Nothing,
}

fn strip_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}
