//! Whether a missing library of a module stops the image, or only affects a part of a package that the image may not
//! need.

use std::collections::{BTreeMap, BTreeSet};

use super::alternatives::family;
use super::loading::{Problem, What};
use super::packages::{Package, Registry, package_of};
use super::survey::Survey;
use crate::check::loader::Module;
use crate::model::{EntryPath, part_before};

/// How bad a missing library is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    Error,
    Warning,
}

/// The modules of a package, as far as they matter to each other.
#[derive(Debug, Default)]
struct Siblings {
    count: usize,
    /// `true` if one of them loads.
    has_loading: bool,
    /// How many programs the package has.
    programs: usize,
}

/// Returns the severity of each missing library.
pub(super) fn weigh<'p>(survey: &Survey<'_>, problems: &'p BTreeSet<Problem>) -> BTreeMap<&'p Problem, Weight> {
    let is_missing = |problem: &&Problem| matches!(problem.what, What::MissingLibrary(_));
    if !problems.iter().any(|problem| is_missing(&problem)) {
        return BTreeMap::new();
    }
    let wrong: BTreeSet<&EntryPath> = problems.iter().map(|problem| &problem.root).collect();
    // The alternative that is nearest to loading represents all.
    let families: BTreeSet<_> = wrong.iter().filter_map(|root| family(root)).collect();
    let stands_for_itself =
        |root: &EntryPath| wrong.contains(root) || family(root).is_none_or(|family| !families.contains(&family));
    let mut packages: BTreeMap<Package, Siblings> = BTreeMap::new();
    for (root, _) in survey.roots().filter(|(root, _)| stands_for_itself(root)) {
        let Some(package) = package_of(root) else { continue };
        let siblings = packages.entry(package.whole()).or_default();
        if Module::of(root).is_some() {
            siblings.count += 1;
            siblings.has_loading |= !wrong.contains(root);
        } else {
            siblings.programs += 1;
        }
    }
    problems
        .iter()
        .filter(is_missing)
        .map(|problem| (problem, weight(survey, problem, &packages)))
        .collect()
}

fn weight(survey: &Survey<'_>, problem: &Problem, packages: &BTreeMap<Package, Siblings>) -> Weight {
    let What::MissingLibrary(name) = &problem.what else {
        return Weight::Error;
    };
    let root = &problem.root;
    let Some(package) = package_of(root) else {
        return Weight::Error;
    };
    let is_started = survey.is_started_by_name(root) || survey.is_named_in_command(root);
    if is_started || survey.reach().extensions.contains(root) {
        return Weight::Error;
    }
    if survey.is_optional(root) || survey.reach().does_without(root) {
        return Weight::Warning;
    }
    // A library that the package includes is missing in the image.
    if is_bundled_name(name) || is_unlinked(survey, problem, name) {
        return Weight::Error;
    }
    let siblings = packages.get(&package.clone().whole());
    if Module::of(root).is_none() {
        // The only program of an npm package is the purpose of the package.
        let is_all = package.registry == Registry::Npm
            && siblings.is_some_and(|siblings| siblings.programs == 1 && siblings.count == 0);
        return if is_all { Weight::Error } else { Weight::Warning };
    }
    let does_without = siblings.is_some_and(|siblings| siblings.has_loading && siblings.count > 1);
    if does_without && !is_main(&package, root) {
        Weight::Warning
    } else {
        Weight::Error
    }
}

/// Returns `true` for the module after which its package is named.
fn is_main(package: &Package, root: &EntryPath) -> bool {
    let stem = |name: &[u8]| {
        let name = part_before(name, b'.');
        let plain = name
            .iter()
            .filter(|byte| byte.is_ascii_alphanumeric())
            .map(u8::to_ascii_lowercase);
        plain.collect::<Vec<u8>>()
    };
    let name = package.plain_name().rsplit('/').next().unwrap_or_default();
    let is_top =
        root.parent().as_ref() == Some(&package.folder) || package.registry == Registry::Npm || package.folder == *root;
    is_top && stem(root.file_name()) == stem(name.as_bytes())
}

/// Returns `true` for a name by which auditwheel distinguishes libraries of wheels: `libopenblas-r0-f650aae0.3.3.so`.
fn is_bundled_name(name: &[u8]) -> bool {
    let stem = part_before(name, b'.');
    let Some(at) = stem.iter().rposition(|byte| *byte == b'-') else {
        return false;
    };
    let hash = &stem[at + 1..];
    hash.len() == 8 && hash.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Returns `true` if the package has the library under another name, which bears this one inside.
fn is_unlinked(survey: &Survey<'_>, problem: &Problem, name: &[u8]) -> bool {
    let Some(facts) = survey.files.get(&problem.file) else {
        return false;
    };
    let places = survey.named(name, facts);
    let own = package_of(&problem.root).map(Package::whole);
    places.iter().all(|path| path.file_name() != name)
        && places.iter().any(|path| package_of(path).map(Package::whole) == own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::path;

    #[test]
    fn names_of_wheels_libraries_are_known() {
        for name in [
            "libopenblas64_p-r0-0cf96a72.3.23.dev.so",
            "libgfortran-040039e1.so.5.0.0",
            "libgomp-a34b3233.so.1.0.0",
        ] {
            assert!(is_bundled_name(name.as_bytes()), "{name}");
        }
        for name in [
            "libgomp.so.1",
            "libtbb.so.12",
            "libfoo-abcdefgh.so",
            "libicu-le-hb.so.0",
            "lib-12345678x.so",
        ] {
            assert!(!is_bundled_name(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn a_module_named_after_its_package_is_its_main_one() {
        for (at, is_it) in [
            ("s/site-packages/cv2/cv2.abi3.so", true),
            ("s/site-packages/orjson/orjson.cpython-311-x86_64-linux-gnu.so", true),
            ("s/site-packages/_cffi_backend.cpython-311-x86_64-linux-gnu.so", true),
            (
                "s/site-packages/numba/np/ufunc/tbbpool.cpython-311-x86_64-linux-gnu.so",
                false,
            ),
            ("m/node_modules/@a/canvas/build/Release/canvas.node", true),
            ("m/node_modules/@a/canvas/build/Release/other.node", false),
        ] {
            let at = path(at);
            assert_eq!(is_main(&package_of(&at).unwrap(), &at), is_it, "{at}");
        }
    }
}
