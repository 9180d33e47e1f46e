//! `missing-requirement`: installed packages of Python that require others which the image does not have (PyPA, "Core
//! metadata specifications", Requires-Dist).

use std::collections::BTreeSet;

use super::markers::Environment;
use super::search::is_of_dist_info;
use crate::check::loader::python_minor;
use crate::check::{Code, Finding, Interest, Rule, Subject};
use crate::model::{EntryPath, escape, part_before};

/// How much of a METADATA file is read, in bytes: its headers. The longest known have some ten thousand.
const METADATA_HEAD_BYTES: u64 = 16 * 1024;

/// Requirements of one package that are looked at. Those with the most extras have some thousand.
const MAX_REQUIREMENTS: usize = 5_000;

/// Returns `true` for the METADATA file of an installed package.
fn is_python_metadata(path: &EntryPath) -> bool {
    path.file_name() == b"METADATA" && is_of_dist_info(path)
}

/// A line `Requires-Dist`.
struct Requirement<'m> {
    /// Normalised.
    name: String,
    marker: Option<&'m str>,
}

/// Reads the headers of METADATA.
fn interest(path: &EntryPath, _mode: u32) -> Interest {
    Interest::Head(METADATA_HEAD_BYTES).when(is_python_metadata(path))
}

/// The rule of [`missing_requirement`].
pub(in super::super) const MISSING_REQUIREMENT: Rule =
    Rule::new(&[Code::MissingRequirement], missing_requirement).reading(interest);

/// Finds missing requirements: one finding for each package.
fn missing_requirement(subject: &Subject, findings: &mut Vec<Finding>) {
    let manifests: Vec<&EntryPath> = subject.own().keys().filter(|path| is_python_metadata(path)).collect();
    if manifests.is_empty() {
        return;
    }
    let installed = installed(subject);
    for path in manifests {
        let Some(text) = subject.head(path) else { continue };
        let environment = Environment {
            minor: python_minor(path),
            platform: subject.platform.clone(),
        };
        let site = path.parent().and_then(|folder| folder.parent()).unwrap_or_default();
        let is_there = |name: &str| installed.contains(name) || has_module(subject, &site, name);
        let counts = |marker: Option<&str>| marker.is_none_or(|marker| environment.evaluate(marker) == Some(true));
        let lacking: BTreeSet<String> = requirements(text)
            .into_iter()
            .filter(|requirement| counts(requirement.marker) && !is_there(&requirement.name))
            .map(|requirement| requirement.name)
            .collect();
        if !lacking.is_empty() {
            findings.push(finding(subject, path, &lacking));
        }
    }
}

fn finding(subject: &Subject, path: &EntryPath, lacking: &BTreeSet<String>) -> Finding {
    let name = distribution(path.parent_name());
    let names = lacking.iter().map(|name| escape(name.as_bytes())).collect::<Vec<_>>();
    let are = if names.len() == 1 { "is" } else { "are" };
    let message = format!("{name} requires {}, which {are} not installed", names.join(", "));
    let help = "install with dependencies (`pip install` without `--no-deps`), or leave the package out";
    let finding = subject.finding(Code::MissingRequirement, path.clone(), message, help);
    finding.evidence(names.join(", "), "no installed package of that name")
}

/// Returns the names of all packages that a package requires on this platform; `None` if its metadata was not read.
pub(in super::super) fn requirements_of(subject: &Subject, folder: &EntryPath) -> Option<BTreeSet<String>> {
    let site = folder.parent()?;
    let name = normalised(part_before(folder.file_name(), b'.'));
    let manifests = subject
        .own()
        .range::<EntryPath, _>(&site..)
        .take_while(|(path, _)| path.starts_with(&site));
    let mut manifests = manifests.map(|(path, _)| path).filter(|path| is_python_metadata(path));
    let path = manifests.find(|path| distribution(path.parent_name()) == name)?;
    Some(
        requirements(subject.head(path)?)
            .into_iter()
            .map(|requirement| requirement.name)
            .collect(),
    )
}

/// The normalised name in `charset_normalizer-3.3.2.dist-info`.
fn distribution(folder: &[u8]) -> String {
    normalised(part_before(folder, b'-'))
}

/// A name as the index compares it (PyPA, "Names and normalization").
fn normalised(name: &[u8]) -> String {
    let mut out = String::new();
    for character in String::from_utf8_lossy(name).chars() {
        match character {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            other => out.push(other.to_ascii_lowercase()),
        }
    }
    out
}

fn requirements(text: &[u8]) -> Vec<Requirement<'_>> {
    let lines = text
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii_end)
        .take_while(|line| !line.is_empty());
    let values = lines.filter_map(|line| std::str::from_utf8(line.strip_prefix(b"Requires-Dist:")?).ok());
    values.take(MAX_REQUIREMENTS).filter_map(requirement).collect()
}

fn requirement(value: &str) -> Option<Requirement<'_>> {
    let (wanted, marker) = match value.split_once(';') {
        Some((wanted, marker)) => (wanted, Some(marker.trim())),
        None => (value, None),
    };
    let wanted = wanted.trim();
    let is_name = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    let name = &wanted[..wanted.find(|character| !is_name(character)).unwrap_or(wanted.len())];
    (!name.is_empty()).then(|| Requirement {
        name: normalised(name.as_bytes()),
        marker,
    })
}

/// Returns the normalized names of the packages that are installed anywhere in the image.
fn installed(subject: &Subject) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (path, _) in subject.below(&EntryPath::root()) {
        let ends = |component: &[u8]| component.ends_with(b".dist-info") || component.ends_with(b".egg-info");
        let name = path.file_name();
        if ends(name) {
            names.insert(distribution(
                name.split(|byte| *byte == b'.')
                    .next()
                    .filter(|_| !name.contains(&b'-'))
                    .unwrap_or(name),
            ));
        } else if matches!(name, b"METADATA" | b"PKG-INFO" | b"RECORD") && ends(path.parent_name()) {
            names.insert(distribution(path.parent_name()));
        }
    }
    names
}

/// Returns `true` if a module of that name is beside the package, although no metadata says that it was installed.
fn has_module(subject: &Subject, site: &EntryPath, name: &str) -> bool {
    let module = name.replace('-', "_");
    [module.clone(), format!("{module}.py")]
        .iter()
        .any(|name| site.join(name.as_bytes()).is_ok_and(|at| subject.exists(&at)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{Image, Thing};

    const SITE: &str = "usr/local/lib/python3.11/dist-packages";

    fn metadata(image: Image, folder: &str, requires: &[&str]) -> Image {
        let lines: String = requires.iter().map(|line| format!("Requires-Dist: {line}\n")).collect();
        let text = format!("Metadata-Version: 2.1\nName: x\n{lines}\nRequires-Dist: not-a-header\n");
        image.own(
            &format!("{SITE}/{folder}/METADATA"),
            0o644,
            Thing::Bytes(text.into_bytes()),
        )
    }

    fn told(image: Image) -> Vec<String> {
        image
            .found_by(missing_requirement)
            .into_iter()
            .map(|finding| finding.message)
            .collect()
    }

    #[test]
    fn requirements_that_are_not_installed_are_told() {
        let requires = [
            "charset-normalizer (<4,>=2)",
            "idna<4,>=2.5",
            "Urllib3<3,>=1.21.1",
            "PySocks>=1.5.6; extra == 'socks'",
            "wincertstore; sys_platform == 'win32'",
        ];
        let image = metadata(Image::new("linux/amd64"), "requests-2.31.0.dist-info", &requires);
        let image = metadata(image, "idna-3.4.dist-info", &[]);
        assert_eq!(
            told(image),
            ["requests requires charset-normalizer, urllib3, which are not installed"]
        );
    }

    #[test]
    fn names_are_compared_as_the_index_does() {
        let image = metadata(
            Image::new("linux/amd64"),
            "a-1.dist-info",
            &["Zope.Interface", "typing_extensions>=4", "vendored", "old"],
        );
        let image = metadata(image, "zope.interface-5.dist-info", &[])
            .base(
                "usr/lib/python3/dist-packages/typing_extensions-4.4.0.egg-info/PKG-INFO",
                0o644,
                Thing::Unread(1),
            )
            .base(
                "usr/lib/python3/dist-packages/old-1.0.egg-info",
                0o644,
                Thing::Unread(1),
            )
            .own(&format!("{SITE}/vendored/__init__.py"), 0o644, Thing::Unread(1));
        assert_eq!(told(image), [""; 0]);
    }

    #[test]
    fn what_a_package_requires_is_known_by_its_folder() {
        let image = metadata(
            Image::new("linux/amd64"),
            "torchvision-0.18.dist-info",
            &["torch ==2.3", "Pillow"],
        );
        let subject = image.subject();
        let folder = |name: &str| EntryPath::new(format!("{SITE}/{name}").as_bytes()).unwrap();
        let required: Vec<String> = requirements_of(&subject, &folder("torchvision"))
            .unwrap()
            .into_iter()
            .collect();
        assert_eq!(required, ["pillow", "torch"]);
        assert_eq!(requirements_of(&subject, &folder("torch")), None);
    }
}
