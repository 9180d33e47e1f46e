//! `missing-platform-package` of Node: a package whose programs come in one package for each platform, none of which is
//! for this one (npm's `optionalDependencies`).

use std::collections::BTreeMap;

use serde_json::Value;

use super::groups::listed;
use super::packages::{Package, Registry, package_of};
use super::survey::{Survey, is_material};
use super::words::{Os, Words, words};
use crate::check::abi::{Architecture, Libc};
use crate::check::{Code, Finding, Marks};
use crate::elf::ElfFacts;
use crate::model::{EntryPath, escape};
use crate::tree::NodeKind;

/// Optional dependencies that are looked at. The longest known lists have some thirty.
const MAX_DEPENDENCIES: usize = 1000;

/// Finds missing platform packages: one finding for each package.
pub(super) fn missing_platform_package(survey: &Survey<'_>, findings: &mut Vec<Finding>) {
    let packages = survey.subject.own_marked(Marks::NODE_PACKAGE).map(|(path, _)| path);
    for path in packages.filter(|path| path.file_name() == b"package.json") {
        let Some(package) = package_of(path).filter(|package| package.registry == Registry::Npm) else {
            continue;
        };
        let is_top = path.parent().as_ref() == Some(&package.folder);
        if is_top && !package.does_without_programs() && !is_material(path) {
            findings.extend(
                finding(survey, path, &package).map(|finding| survey.weighed(finding, std::slice::from_ref(path))),
            );
        }
    }
}

/// An optional dependency that is named as a package for one platform.
struct Part<'m> {
    name: &'m str,
    words: Words,
}

fn finding(survey: &Survey<'_>, path: &EntryPath, package: &Package) -> Option<Finding> {
    let manifest: Value = serde_json::from_slice(survey.subject.content(path)?).ok()?;
    let optional = manifest.get("optionalDependencies")?.as_object()?;
    let part = |name: &'_ String| words(name.as_bytes());
    let mut families: BTreeMap<String, Vec<Part<'_>>> = BTreeMap::new();
    for (name, words) in optional.keys().take(MAX_DEPENDENCIES).map(|name| (name, part(name))) {
        if words.is_wasm || words.platform_of_package().is_some() {
            let family = words
                .rest
                .trim_end_matches("64")
                .trim_end_matches("32")
                .trim_matches('-')
                .to_owned();
            families.entry(family).or_default().push(Part { name, words });
        }
    }
    let lacking: Vec<&Part<'_>> = families
        .values()
        .filter_map(|parts| lacking_part(survey, &package.folder, parts))
        .collect();
    if lacking.is_empty() || has_program(survey, &package.folder) {
        return None;
    }
    let present: Vec<String> = families
        .values()
        .flatten()
        .filter(|part| !places(&package.folder, part.name).all(|at| !survey.subject.exists(&at)))
        .map(|part| escape(part.name.as_bytes()))
        .collect();
    let platform = &survey.subject.platform;
    let names: Vec<String> = lacking.iter().map(|part| escape(part.name.as_bytes())).collect();
    let are = if names.len() == 1 { "is" } else { "are" };
    let message = format!(
        "{} needs {} on this platform, which {are} not in the image",
        package.name,
        listed(&names)
    );
    let libc = lacking
        .iter()
        .find_map(|part| part.words.libc)
        .map(|libc| format!(" --libc={}", libc.as_str()));
    let help = format!(
        "install for this platform: `npm install --os=linux --cpu={}{}`, without `--omit=optional`",
        platform.node_arch(),
        libc.unwrap_or_default()
    );
    let found = if present.is_empty() {
        "no package for any platform".to_owned()
    } else {
        listed(&present)
    };
    let finding = survey
        .subject
        .finding(Code::MissingPlatformPackage, path.clone(), message, help);
    Some(finding.evidence(listed(&names), found))
}

/// Returns the package of a family that this platform needs, if none of the suitable ones exists.
fn lacking_part<'p, 'm>(survey: &Survey<'_>, folder: &EntryPath, parts: &'p [Part<'m>]) -> Option<&'p Part<'m>> {
    let wanted = (Os::Linux, &survey.subject.platform.architecture[..]);
    let for_processor = |part: &&Part<'_>| part.words.platform_of_package() == Some(wanted);
    let libc = libc_of_image(survey);
    // If a list distinguishes the C libraries, a name without one is for glibc.
    let tells = parts.iter().any(|part| part.words.libc == Some(Libc::Musl));
    let for_libc = |part: &&Part<'_>| match (part.words.libc, libc) {
        (Some(found), Some(wanted)) => found == wanted,
        (None, Some(Libc::Musl)) => !tells,
        _ => true,
    };
    let wanted = parts.iter().find(|part| for_processor(part) && for_libc(part))?;
    let would_do = |part: &&Part<'_>| part.words.is_wasm || (for_processor(part) && for_libc(part));
    let is_there = |part: &Part<'_>| places(folder, part.name).any(|at| stands(survey, &at));
    // A package for another processor or C library that contains programs of Linux has a separate finding. Static
    // programs are an exception: they run, but a package that searches for this platform's package does not find them.
    let is_told = |part: &Part<'_>| places(folder, part.name).any(|at| has_failing_elf(survey, &at));
    let is_served = parts.iter().filter(would_do).any(is_there) || parts.iter().any(is_told);
    (!is_served).then_some(wanted)
}

/// The C library of the image, if it has one alone.
fn libc_of_image(survey: &Survey<'_>) -> Option<Libc> {
    let architecture = Architecture::of_platform(&survey.subject.platform)?;
    let loaders = survey.loader.loaders(architecture);
    let first = loaders.first()?.0;
    loaders.iter().all(|(libc, _)| *libc == first).then_some(first)
}

/// Returns the places where Node searches for a package that one in `folder` needs (Node.js, "Loading from node_modules
/// folders").
fn places<'a>(folder: &'a EntryPath, name: &'a str) -> impl Iterator<Item = EntryPath> + 'a {
    let above = folder.ancestors();
    let folders = above.filter(|folder| folder.file_name() != b"node_modules");
    folders.filter_map(move |folder| folder.join(&[b"node_modules/", name.as_bytes()].concat()).ok())
}

/// Returns `true` if a path exists, or is a dangling link, which has a separate finding.
fn stands(survey: &Survey<'_>, path: &EntryPath) -> bool {
    let is_link = matches!(
        survey.subject.node(path).map(|node| &node.kind),
        Some(NodeKind::Symlink { .. })
    );
    is_link || survey.subject.exists(path)
}

fn has_failing_elf(survey: &Survey<'_>, folder: &EntryPath) -> bool {
    let Ok(folder) = survey.subject.resolve(folder) else {
        return false;
    };
    let is_static = |facts: &ElfFacts| facts.interpreter.is_none() && facts.needed.is_empty();
    survey
        .files_below(&folder)
        .map(|path| survey.files[path])
        .any(|facts| !survey.runs(facts) || !is_static(facts))
}

/// Returns `true` if a package contains a program for this platform: built at installation, or added by its installer.
fn has_program(survey: &Survey<'_>, folder: &EntryPath) -> bool {
    let inner = |path: &EntryPath| package_of(path).is_some_and(|package| package.folder == *folder);
    survey
        .files_below(folder)
        .any(|path| inner(path) && survey.runs(survey.files[path]))
}
