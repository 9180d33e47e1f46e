//! `missing-platform-package` of packages that are built at installation: `binding.gyp` exists, but no module that
//! Linux loads (npm's `--ignore-scripts`).

use std::collections::BTreeSet;

use serde_json::Value;

use super::dependencies::{Dependencies, Need, package_at};
use crate::check::abi::Architecture;
use crate::check::folders::test_folder;
use crate::check::node_modules::Place;
use crate::check::{Code, Finding, Loader, Marks, Script, Severity, Subject, Surety};
use crate::model::{EntryPath, escape};
use crate::tree::NodeKind;

/// Words of an install script that build a native part, or fetch one.
const BUILDERS: &[&str] = &[
    "cmake-js",
    "install-from-cache",
    "node-gyp",
    "node-gyp-build",
    "node-pre-gyp",
    "pkg-prebuilds-verify",
    "prebuild-install",
    "prebuildify-ci",
];

/// Words of the last way out of an install script that still builds.
const LAST_BUILDERS: &[&str] = &["gyp", "build", "cmake", "make"];

/// Modules that load a native part.
const LOADERS: &[&str] = &[
    "@discordjs/node-pre-gyp",
    "@mapbox/node-pre-gyp",
    "bindings",
    "node-gyp-build",
    "node-gyp-build-optional-packages",
    "node-pre-gyp",
    "pkg-prebuilds",
    "prebuildify",
    "require-addon",
];

/// Packages that others need only for building, and that load nothing.
const ONLY_FOR_BUILDS: &[&str] = &["nan", "node-addon-api", "node-gyp", "napi-macros"];

/// Sources of a package that are followed, from its main module on.
const MAX_SOURCES: usize = 60;

/// Packages for one platform whose parents do without them: slower, or by fetching them.
const DISPENSABLE: &[&str] = &[
    "@cbor-extract/",
    "@msgpackr-extract/",
    "@next/swc-",
    "@nx/nx-",
    "@sentry/cli-",
];

/// Files that a package for one platform has beside its native part.
const ASIDE: &[&str] = &[".d.ts", ".json", ".md", ".txt", "LICENSE", "NOTICE", "README"];

/// A package without its native part.
struct Unbuilt {
    folder: EntryPath,
    name: String,
    /// `true` for a package that is nothing but the native part of another, for one platform.
    is_part: bool,
    /// `true` if others can do without it: it is only missing if it is loaded itself.
    is_for_loading: bool,
}

/// Finds packages without their native part. `loaded` are the files that Node certainly loads at its start.
pub(super) fn native_parts(subject: &Subject, loaded: &BTreeSet<EntryPath>, findings: &mut Vec<Finding>) {
    if subject.platform.os != "linux" {
        return;
    }
    let unbuilt: Vec<Unbuilt> = unbuilt(subject)
        .into_iter()
        .filter(|one| !does_without(subject, &one.folder))
        .collect();
    if unbuilt.is_empty() {
        return;
    }
    let dependencies = Dependencies::of(subject);
    for Unbuilt {
        folder,
        name,
        is_part,
        is_for_loading,
    } in unbuilt
    {
        // Names that start like the folder are sorted between it and the files below it.
        let near = loaded
            .range(folder.clone()..)
            .take_while(|path| path.as_bytes().starts_with(folder.as_bytes()));
        let is_loaded = near.into_iter().any(|path| path.starts_with(&folder));
        // An install script may move the program out of the package for the platform into its parent.
        let has_moved = is_part
            && dependencies
                .optional_parents(&folder)
                .any(|parent| has_program(subject, parent));
        if has_moved || is_for_loading && !is_loaded {
            continue;
        }
        // Each package for a platform is optional, and one of them is needed.
        let need = if is_part {
            dependencies.need_of_parents(&folder)
        } else {
            dependencies.need_of(&folder)
        };
        let severity = match need {
            _ if is_loaded => Severity::Error,
            Need::Required => Severity::Error,
            Need::Development | Need::Unnamed => Severity::Warning,
            // A package that needs it optionally can do without it.
            Need::Optional => continue,
        };
        findings.push(finding(subject, &folder, &name, is_part, severity));
    }
}

/// Returns sources that were not read, and that show whether the packages work without their native parts.
pub(super) fn unread(subject: &Subject) -> BTreeSet<EntryPath> {
    let mut unread = BTreeSet::new();
    for one in unbuilt(subject) {
        let mut sources = Sources {
            subject,
            folder: &one.folder,
            native: Vec::new(),
            unread: &mut unread,
        };
        sources.follow();
    }
    unread
}

fn finding(subject: &Subject, folder: &EntryPath, name: &str, is_part: bool, severity: Severity) -> Finding {
    let platform = &subject.platform;
    let name = escape(name.as_bytes());
    let message = if is_part {
        format!("{name} does not contain the program or module that it provides")
    } else {
        format!("{name} was not built: it contains no native module for this platform")
    };
    let help = if is_part {
        "pack the whole package: a pattern in `exclude` or in an ignore file may leave it out".to_owned()
    } else {
        format!(
            "run its install script on {platform} (`npm rebuild {name}`, without `--ignore-scripts`), with the C \
             library of the image"
        )
    };
    let (expected, found) = if is_part {
        ("a program or a *.node file in the package", "only its manifest")
    } else {
        (
            "a *.node file, such as build/Release/*.node or prebuilds/*/*.node",
            "its sources, but no *.node file for Linux",
        )
    };
    let mut finding = Finding::new(Code::MissingPlatformPackage, platform, folder.clone(), message, help);
    finding.severity = severity;
    finding.evidence(expected, found)
}

/// Packages of `node_modules` that are built when they are installed, and have no native module of Linux.
fn unbuilt(subject: &Subject) -> Vec<Unbuilt> {
    let manifests = subject
        .own_marked(Marks::NODE_PACKAGE)
        .filter(|(path, _)| path.file_name() == b"package.json");
    manifests.filter_map(|(path, _)| unbuilt_at(subject, path)).collect()
}

fn unbuilt_at(subject: &Subject, path: &EntryPath) -> Option<Unbuilt> {
    let place = Place::of(path).filter(|place| place.inside == b"package.json" && !place.is_of_a_test())?;
    let folder = path.parent()?;
    let name = String::from_utf8_lossy(&place.name).into_owned();
    if ONLY_FOR_BUILDS.contains(&name.as_str()) || test_folder(&folder).is_some() {
        return None;
    }
    let manifest: Value = serde_json::from_slice(subject.content(path)?).ok()?;
    let has_gyp = folder.join(b"binding.gyp").is_ok_and(|at| subject.exists(&at));
    let install = ["preinstall", "install", "postinstall"]
        .iter()
        .filter_map(|name| manifest.get("scripts")?.get(name)?.as_str())
        .find(|text| is_build(text));
    let is_for_linux = !excludes(&manifest, "os", "linux") && !excludes(&manifest, "cpu", subject.platform.node_arch());
    let is_for_loading = has_platform_packages(&manifest) && !has_platform_package(subject, &folder, &manifest);
    let is_built_elsewhere = install.is_some_and(is_tolerant) || has_platform_packages(&manifest) && !is_for_loading;
    let loads_native = ["dependencies", "optionalDependencies"]
        .iter()
        .filter_map(|list| manifest.get(list)?.as_object())
        .any(|names| names.keys().any(|name| LOADERS.contains(&name.as_str())));
    let is_part = is_for_one_platform(subject, &manifest) && !DISPENSABLE.iter().any(|start| name.starts_with(start));
    let is_native = has_gyp || install.is_some() || loads_native;
    let is_bare = if is_part {
        is_bare(subject, &folder)
    } else {
        is_native && !is_built_elsewhere && !has_module(subject, &folder)
    };
    (is_bare && is_for_linux && !excludes_libc(subject, &manifest)).then_some(Unbuilt {
        folder,
        name,
        is_part,
        is_for_loading,
    })
}

/// Returns `true` for a script that calls something which builds or fetches a native part.
fn is_build(text: &str) -> bool {
    text.split(|character: char| character.is_whitespace() || "&|;()".contains(character))
        .any(|word| BUILDERS.contains(&word))
}

/// Returns `true` if the script goes on though nothing was built: `node-gyp rebuild || exit 0`.
fn is_tolerant(text: &str) -> bool {
    let Some((_, last)) = text.rsplit_once("||") else {
        return false;
    };
    !LAST_BUILDERS.iter().any(|word| last.contains(word))
}

/// Returns `true` for a list of package.json that leaves this value out (npm, "os", "cpu").
fn excludes(manifest: &Value, list: &str, value: &str) -> bool {
    let names: Vec<&str> = match manifest.get(list) {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => vec![one],
        _ => return false,
    };
    let is_refused = names.iter().any(|name| name.strip_prefix('!') == Some(value));
    let has_plain = names.iter().any(|name| !name.starts_with('!'));
    let has_it = names.contains(&value);
    is_refused || (has_plain && !has_it && !names.contains(&"any"))
}

/// Returns `true` for a package that declares Linux and this processor.
fn is_for_one_platform(subject: &Subject, manifest: &Value) -> bool {
    let names = |list: &str, value: &str| {
        let names = manifest.get(list).and_then(Value::as_array);
        names.is_some_and(|names| names.iter().any(|name| name.as_str() == Some(value)))
    };
    names("os", "linux") && names("cpu", subject.platform.node_arch())
}

/// Returns `true` if a package contains only its manifest and its documentation.
fn is_bare(subject: &Subject, folder: &EntryPath) -> bool {
    let is_aside = |path: &EntryPath| {
        let name = String::from_utf8_lossy(path.file_name()).into_owned();
        ASIDE
            .iter()
            .any(|aside| name.ends_with(aside) || name.starts_with(aside))
    };
    subject
        .below(folder)
        .filter(|(_, node)| !node.is_directory())
        .all(|(path, _)| is_aside(path))
}

/// Returns `true` for a package that declares another C library than the only one of the image.
fn excludes_libc(subject: &Subject, manifest: &Value) -> bool {
    if manifest.get("libc").is_none() {
        return false;
    }
    let loaders = Loader::new(subject);
    let Some(architecture) = Architecture::of_platform(&subject.platform) else {
        return false;
    };
    let found = loaders.loaders(architecture);
    !found.is_empty() && found.iter().all(|(libc, _)| excludes(manifest, "libc", libc.as_str()))
}

/// Returns `true` if its programs come in one package for each platform: these are looked at by themselves.
fn has_platform_packages(manifest: &Value) -> bool {
    let optional = manifest.get("optionalDependencies").and_then(Value::as_object);
    optional.is_some_and(|names| names.keys().any(|name| name.contains("linux")))
}

/// Returns `true` if one of those packages is there, for whichever platform of Linux.
fn has_platform_package(subject: &Subject, folder: &EntryPath, manifest: &Value) -> bool {
    let optional = manifest.get("optionalDependencies").and_then(Value::as_object);
    let mut names = optional
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
        .filter(|name| name.contains("linux"));
    names.any(|name| package_at(subject, folder, name).is_some())
}

/// Returns `true` if a package itself contains an ELF file, a program or a module.
fn has_program(subject: &Subject, folder: &EntryPath) -> bool {
    subject
        .below(folder)
        .any(|(path, _)| is_inner(folder, path) && subject.elf(path).is_some())
}

/// Returns `false` for files of a package inside the one in `folder`.
fn is_inner(folder: &EntryPath, path: &EntryPath) -> bool {
    const STORE: &[u8] = b"/node_modules/";
    let rest = path.as_bytes().get(folder.as_bytes().len()..).unwrap_or_default();
    !rest.windows(STORE.len()).any(|part| part == STORE)
}

/// Returns `true` if the package has an ELF module in itself, for whichever processor.
fn has_module(subject: &Subject, folder: &EntryPath) -> bool {
    let names_module = |path: &EntryPath| {
        let name = path.file_name();
        name.ends_with(b".node") || name.ends_with(b".so")
    };
    let mut inside = subject
        .below(folder)
        .filter(|(path, _)| is_inner(folder, path) && names_module(path));
    // A link may lead to a part that was built elsewhere; a file that was not read may have any content.
    inside.any(|(path, node)| match node.kind {
        NodeKind::File { .. } => subject.elf(path).is_some() || !subject.own().contains_key(path),
        _ => subject.exists(path),
    })
}

/// Returns `true` if the package has the same in JavaScript: a fallback by the custom of node-gyp-build, or sources
/// that load the native part in a `try` alone.
fn does_without(subject: &Subject, folder: &EntryPath) -> bool {
    if folder.join(b"fallback.js").is_ok_and(|at| subject.exists(&at)) {
        return true;
    }
    let mut unread = BTreeSet::new();
    let mut sources = Sources {
        subject,
        folder,
        native: Vec::new(),
        unread: &mut unread,
    };
    sources.follow();
    let all_tried = sources.native.iter().all(|(_, surety)| *surety == Surety::Tried);
    let names: BTreeSet<&str> = sources.native.iter().map(|(name, _)| &**name).collect();
    // Who tries one place after the other has no other way in the end.
    names.len() == 1 && all_tried
}

/// The sources of a package, from its main module on.
struct Sources<'s> {
    subject: &'s Subject,
    folder: &'s EntryPath,
    /// Each load of a native part, and how sure it is.
    native: Vec<(Box<str>, Surety)>,
    unread: &'s mut BTreeSet<EntryPath>,
}

impl Sources<'_> {
    fn follow(&mut self) {
        let mut queue: Vec<(EntryPath, Surety)> = self.main().into_iter().map(|main| (main, Surety::Certain)).collect();
        let mut seen = BTreeSet::new();
        while let Some((at, surety)) = queue.pop() {
            if seen.len() >= MAX_SOURCES || !seen.insert((at.clone(), surety)) {
                continue;
            }
            match self.subject.script(&at) {
                Some(script) => self.source(&script, &at, surety, &mut queue),
                None if self.subject.own().contains_key(&at) => _ = self.unread.insert(at),
                None => {}
            }
        }
    }

    fn source(&mut self, script: &Script, at: &EntryPath, above: Surety, queue: &mut Vec<(EntryPath, Surety)>) {
        let folder = at.parent().unwrap_or_default();
        for load in &script.loads {
            let surety = above.max(load.surety);
            let is_native = load.name.ends_with(".node")
                || LOADERS.contains(&&*load.name)
                || load.name.contains("build/Release")
                || load.name.contains("build/Debug");
            if is_native {
                self.native.push((load.name.clone(), surety));
            } else if load.name.starts_with('.') {
                queue.extend(self.file(&folder, &load.name).map(|at| (at, surety)));
            }
        }
    }

    fn main(&self) -> Option<EntryPath> {
        let manifest = self.folder.join(b"package.json").ok()?;
        let manifest: Value = serde_json::from_slice(self.subject.content(&manifest)?).ok()?;
        let main = manifest.get("main").and_then(Value::as_str).unwrap_or("index.js");
        self.file(self.folder, main)
    }

    /// The file of a relative name.
    fn file(&self, folder: &EntryPath, name: &str) -> Option<EntryPath> {
        let mut at = folder.clone();
        for part in name.split('/') {
            at = match part {
                "" | "." => at,
                ".." => at.parent()?,
                part => at.join(part.as_bytes()).ok()?,
            };
        }
        let named = |end: &&str| at.with_suffix(end).ok();
        let is_file = |at: &EntryPath| {
            matches!(
                self.subject.node(at).map(|node| &node.kind),
                Some(NodeKind::File { .. })
            )
        };
        let found = ["", ".js", ".cjs", "/index.js"]
            .iter()
            .filter_map(named)
            .find(is_file)?;
        found.starts_with(self.folder).then_some(found)
    }
}

#[cfg(test)]
mod tests;
