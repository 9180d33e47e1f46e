//! Checks the target of `java`: whether its main class exists and is compiled for the image's Java (java(1); The Java
//! Virtual Machine Specification, 4.1).

use std::collections::BTreeMap;

use super::commands::{Visit, trail};
use super::failure::{elsewhere, listed};
use super::program::{Setting, Standing};
use crate::check::jar::{CLASS_HEAD_BYTES, JarFacts, class_file, class_version};
use crate::check::rules::rule::{Rule, read_all};
use crate::check::{Code, Evidence, Finding, Interest, Subject};
use crate::model::{EntryPath, escape};

/// Options whose value is the next word.
const VALUED: &[&str] = &[
    "--add-exports",
    "--add-modules",
    "--add-opens",
    "--add-reads",
    "--enable-native-access",
    "--limit-modules",
    "--patch-module",
];

/// Options that name the class path.
const CLASS_PATH: &[&str] = &["-cp", "-classpath", "--class-path"];

/// Beginnings of options that hold their value, or have none.
const FLAGS: &[&str] = &[
    "-D",
    "-X",
    "-agentlib:",
    "-agentpath:",
    "-da",
    "-dsa",
    "-ea",
    "-esa",
    "-javaagent:",
    "-server",
    "-client",
    "-showversion",
    "-verbose",
    "--add-exports=",
    "--add-modules=",
    "--add-opens=",
    "--add-reads=",
    "--enable-preview",
    "--enable-native-access=",
    "--illegal-access=",
];

/// Class files of Java N have the version N + 44.
const VERSION_OFFSET: u16 = 44;

/// Entries of a class path that are looked at; applications with a folder of libraries name it with a star.
const MAX_ENTRIES: usize = 4_000;

/// Libraries that a message names.
const MAX_NAMED: usize = 5;

/// The target that `java` starts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target<'a> {
    Jar(&'a str),
    Class { name: &'a str, path: Option<&'a str> },
}

/// The rule of [`java`].
pub(super) const RULE: Rule = Rule::new(&[Code::EntrypointMissing, Code::JavaTooOld, Code::MissingJar], java)
    .following(|subject, read| read_all(unread(subject), read));

/// Finds problems of Java programs: `java-too-old`, `missing-jar`, and `entrypoint-missing` for a main class.
fn java(subject: &Subject, findings: &mut Vec<Finding>) {
    for visit in trail(subject).visits.iter().filter(|visit| is_java(visit)) {
        match target(&visit.arguments) {
            Some(Target::Jar(name)) => jar(visit, name, findings),
            Some(Target::Class { name, path }) => class(visit, name, path, findings),
            None => {}
        }
    }
}

/// Returns the files of your layers that must be read for it.
fn unread(subject: &Subject) -> BTreeMap<EntryPath, Interest> {
    let mut unread = BTreeMap::new();
    for visit in trail(subject).visits.iter().filter(|visit| is_java(visit)) {
        let files = match target(&visit.arguments) {
            Some(Target::Jar(name)) => file(visit, name.as_bytes())
                .into_iter()
                .map(|at| (at, Interest::Jar))
                .collect(),
            Some(Target::Class { name, path }) => class_files(visit, name, path),
            None => continue,
        };
        let release = releases(visit).into_iter().map(|at| (at, Interest::Whole));
        // Of an executable archive the first bytes were read.
        let is_unread = |(at, interest): &(EntryPath, Interest)| match subject.own().get(at).map(|own| own.evidence()) {
            Some(Evidence::NotRead) => true,
            Some(Evidence::Head(_)) => *interest == Interest::Jar,
            _ => false,
        };
        unread.extend(files.into_iter().chain(release).filter(is_unread));
    }
    unread
}

fn is_java(visit: &Visit<'_>) -> bool {
    visit.program.named.file_name() == b"java" && visit.setting.subject.shebang(&visit.program.at).is_none()
}

fn target(arguments: &[String]) -> Option<Target<'_>> {
    let mut rest = arguments.iter().map(String::as_str);
    let mut path = None;
    while let Some(word) = rest.next() {
        if word == "-jar" {
            return rest.next().map(Target::Jar);
        } else if CLASS_PATH.contains(&word) {
            path = Some(rest.next()?);
        } else if let Some(value) = word.strip_prefix("--class-path=") {
            path = Some(value);
        } else if VALUED.contains(&word) {
            rest.next()?;
        } else if !word.starts_with('-') {
            let is_class = !word.contains(['/', '@', '$']) && !word.ends_with(".java");
            return is_class.then_some(Target::Class { name: word, path });
        } else if !FLAGS.iter().any(|flag| word.starts_with(flag)) {
            return None;
        }
    }
    None
}

/// The file at a path of the command line, links followed.
fn file(visit: &Visit<'_>, name: &[u8]) -> Option<EntryPath> {
    let at = visit.setting.place(name)?;
    let is_file = visit.setting.standing(&at) == Standing::File;
    visit.setting.subject.resolve(&at).ok().filter(|_| is_file)
}

fn facts<'s>(subject: &'s Subject, at: &EntryPath) -> Option<&'s JarFacts> {
    match subject.own().get(at)?.evidence() {
        Evidence::Jar(facts) => Some(facts),
        _ => None,
    }
}

fn jar(visit: &Visit<'_>, name: &str, findings: &mut Vec<Finding>) {
    let subject = visit.setting.subject;
    let Some(at) = file(visit, name.as_bytes()) else { return };
    let Some(own) = subject.own().get(&at) else { return };
    let error = |message: &str, expected: &str, found: String, help: &str| {
        subject
            .finding(Code::EntrypointMissing, at.clone(), message.to_owned(), help)
            .evidence(expected, found)
    };
    let facts = match own.evidence() {
        Evidence::Jar(facts) => facts,
        Evidence::DamagedJar => {
            let message = "java runs this file, which is not a jar";
            let help = "pack the complete jar";
            findings.push(error(
                message,
                "a zip archive",
                "another file, or an incomplete archive".to_owned(),
                help,
            ));
            return;
        }
        _ => return,
    };
    let Some(main) = facts
        .attributes
        .get("Main-Class")
        .map(|main| main.trim())
        .filter(|main| !main.is_empty())
    else {
        let message = "java runs this jar, but its manifest names no main class";
        let help = "pack an executable jar (such as one of Spring Boot or Maven Shade), set Main-Class in its \
                    manifest, or start a class with `-cp`";
        findings.push(error(
            message,
            "Main-Class in META-INF/MANIFEST.MF",
            "no Main-Class".to_owned(),
            help,
        ));
        return;
    };
    let libraries = libraries(visit, &at, facts, findings);
    let serves = |at: &EntryPath| self::facts(subject, at).is_none_or(|facts| facts.member_of(main).is_some());
    if facts.member_of(main).is_none() && !libraries.iter().any(serves) {
        let message = "java runs this jar, but its main class is not in it";
        let found = format!("Main-Class: {}, but no such class", escape(main.as_bytes()));
        findings.push(error(
            message,
            &escape(class_file(main).as_bytes()),
            found,
            "build the jar with its classes",
        ));
        return;
    }
    let newest = facts.versions.iter().max_by_key(|(_, version)| **version);
    if let Some((class, version)) = newest {
        findings.extend(too_old(visit, &at, class, *version));
    }
}

/// The archives of `Class-Path` that are there; those that are not are a finding.
fn libraries(visit: &Visit<'_>, jar: &EntryPath, facts: &JarFacts, findings: &mut Vec<Finding>) -> Vec<EntryPath> {
    let subject = visit.setting.subject;
    let folder = jar.parent().unwrap_or_default();
    let beside = Setting {
        workdir: folder,
        ..visit.setting.clone()
    };
    let entries = facts
        .attributes
        .get("Class-Path")
        .map(String::as_str)
        .unwrap_or_default();
    let mut found = Vec::new();
    let mut lost = Vec::new();
    for entry in entries.split_whitespace().take(MAX_ENTRIES) {
        // An entry is an address; few are more than a path.
        if entry.contains(['%', ':']) || entry.ends_with('/') {
            continue;
        }
        let Some(at) = beside.place(entry.as_bytes()) else {
            continue;
        };
        match beside.standing(&at) {
            Standing::Nothing => lost.push(at),
            _ => found.push(subject.resolve(&at).unwrap_or(at)),
        }
    }
    if let Some(first) = lost.first() {
        let named: Vec<String> = lost.iter().take(MAX_NAMED).map(ToString::to_string).collect();
        let more = if lost.len() > named.len() {
            format!(" and {} more", lost.len() - named.len())
        } else {
            String::new()
        };
        let message = format!(
            "its Class-Path names {}{more}, which Java skips because no such file exists",
            named.join(", ")
        );
        let help = match &elsewhere(subject, first.file_name(), false)[..] {
            [] => "pack the libraries at the paths that the manifest names".to_owned(),
            places => format!(
                "a file of this name is at {}: pack the libraries at the paths that the manifest names",
                listed(places)
            ),
        };
        let finding = subject.finding(Code::MissingJar, jar.clone(), message, help);
        findings.push(finding.evidence(first.to_string(), "nothing"));
    }
    found
}

/// A place where a class of the class path may be.
enum Place {
    /// A class file of a folder.
    File(EntryPath),
    Archive(EntryPath),
}

/// Returns the places of a class in a class path. Returns `None` if they are not known.
fn class_places(visit: &Visit<'_>, name: &str, path: Option<&str>) -> Option<Vec<Place>> {
    let setting = &visit.setting;
    let execution = &visit.setting.subject.execution;
    let options = ["JDK_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS"];
    let names_path = |text: &str| text.contains("-cp") || text.contains("class") || text.contains('@');
    if options
        .iter()
        .filter_map(|name| execution.variable(name))
        .any(names_path)
    {
        return None;
    }
    let mut places = Vec::new();
    let path = path.or_else(|| execution.variable("CLASSPATH")).unwrap_or(".");
    for entry in path.split(':').take(MAX_ENTRIES) {
        let (folder, is_star) = match entry.strip_suffix('*') {
            Some(folder) if folder.is_empty() || folder.ends_with('/') => (folder, true),
            _ => (entry, false),
        };
        let at = setting.place(if folder.is_empty() { b"." } else { folder.as_bytes() })?;
        match setting.standing(&at) {
            Standing::Unknown => return None,
            Standing::Nothing => {}
            Standing::File => places.push(Place::Archive(setting.subject.resolve(&at).ok()?)),
            Standing::Directory => {
                let at = setting.subject.resolve(&at).ok()?;
                if is_star {
                    let below = setting.subject.below(&at).map(|(path, _)| path);
                    let is_jar = |path: &&EntryPath| {
                        path.parent().as_ref() == Some(&at) && path.file_name().to_ascii_lowercase().ends_with(b".jar")
                    };
                    let jars = below
                        .filter(is_jar)
                        .filter_map(|path| setting.subject.resolve(path).ok());
                    places.extend(jars.map(Place::Archive));
                } else {
                    places.push(Place::File(at.join(class_file(name).as_bytes()).ok()?));
                }
            }
        }
    }
    Some(places)
}

fn class_files(visit: &Visit<'_>, name: &str, path: Option<&str>) -> BTreeMap<EntryPath, Interest> {
    let places = class_places(visit, name, path).unwrap_or_default();
    let interest = |place| match place {
        Place::File(at) => (at, Interest::Head(CLASS_HEAD_BYTES)),
        Place::Archive(at) => (at, Interest::Jar),
    };
    places.into_iter().map(interest).collect()
}

fn class(visit: &Visit<'_>, name: &str, path: Option<&str>, findings: &mut Vec<Finding>) {
    let subject = visit.setting.subject;
    // Java's own classes are in no class path.
    let is_of_java = ["com.sun.", "java.", "javax.", "jdk.", "sun."]
        .iter()
        .any(|start| name.starts_with(start));
    let Some(places) = class_places(visit, name, path).filter(|_| !is_of_java) else {
        return;
    };
    for place in &places {
        match place {
            Place::File(at) => {
                let Some((at, _)) = subject.find(at) else { continue };
                let head = match subject.own().get(&at).map(|own| own.evidence()) {
                    Some(Evidence::Head(bytes) | Evidence::Whole(bytes)) => &bytes[..],
                    _ => return,
                };
                let version = class_version(head);
                findings.extend(version.and_then(|version| too_old(visit, &at, &class_file(name), version)));
                return;
            }
            Place::Archive(at) => match facts(subject, at) {
                Some(facts) if facts.member_of(name).is_none() => {}
                // It has the class, or was not read.
                _ => return,
            },
        }
    }
    let shown = escape(name.as_bytes());
    let path = places.iter().map(|place| match place {
        Place::File(at) | Place::Archive(at) => at.to_string(),
    });
    let path: Vec<String> = path.take(MAX_NAMED).collect();
    let message = format!("java runs the class {shown}, which is not on its class path");
    let help = "fix `-cp` or the name of the class, or pack the archive that contains it";
    let finding = subject.finding(Code::EntrypointMissing, visit.program.named.clone(), message, help);
    let found = if path.is_empty() {
        "no entry of the class path exists".to_owned()
    } else {
        path.join(", ")
    };
    findings.push(finding.evidence(class_file(&shown), found));
}

fn too_old(visit: &Visit<'_>, at: &EntryPath, class: &str, version: u16) -> Option<Finding> {
    let subject = visit.setting.subject;
    let has = java_version(visit)?;
    let needs = version.checked_sub(VERSION_OFFSET).filter(|needs| *needs > has)?;
    let class = escape(class.as_bytes());
    let message = format!("is compiled for Java {needs}, but the image has Java {has}");
    let help = format!("use a base image with Java {needs} or newer, or compile for Java {has} (`--release {has}`)");
    let finding = subject.finding(Code::JavaTooOld, at.clone(), message, help);
    Some(finding.evidence(
        format!("class file version {} at most", has + VERSION_OFFSET),
        format!("class file version {version} ({class})"),
    ))
}

/// Returns the files that may contain the version of an installation.
fn releases(visit: &Visit<'_>) -> Vec<EntryPath> {
    let home = visit.program.at.parent().and_then(|bin| bin.parent());
    // Java 8 has its programs in `jre/bin` as well.
    let outer = home
        .as_ref()
        .filter(|home| home.file_name() == b"jre")
        .and_then(EntryPath::parent);
    home.iter()
        .chain(&outer)
        .filter_map(|home| home.join(b"release").ok())
        .collect()
}

/// Returns the version of the Java that is started: by the file `release`, by the name of its folder, or by the base
/// image's declarations.
fn java_version(visit: &Visit<'_>) -> Option<u16> {
    let subject = visit.setting.subject;
    if subject.own().contains_key(&visit.program.at) {
        let content = releases(visit)
            .into_iter()
            .find_map(|at| subject.content(&at).map(String::from_utf8_lossy))?;
        return content
            .lines()
            .find_map(|line| feature(line.strip_prefix("JAVA_VERSION=")?));
    }
    let of_folder = visit.program.at.components().filter_map(|part| {
        let part = std::str::from_utf8(part).ok()?;
        let rest = ["java-", "jdk-", "jre-", "jdk", "jre", "zulu-", "zulu", "temurin-"]
            .iter()
            .find_map(|start| part.strip_prefix(start))?;
        feature(rest)
    });
    let of_image = || feature(subject.base_variable("JAVA_VERSION")?);
    of_folder.last().or_else(of_image)
}

/// The number that Java goes by: 17 of `17.0.9+9`, 8 of `1.8.0_392` and of `jdk8u392`.
fn feature(text: &str) -> Option<u16> {
    let text = text
        .trim_matches(['"', ' ', '\r'])
        .trim_start_matches("jdk")
        .trim_start_matches('-');
    let mut numbers = text.split(|character: char| !character.is_ascii_digit());
    match numbers.next()?.parse().ok()? {
        1 => numbers.next()?.parse().ok(),
        version => Some(version),
    }
}

#[cfg(test)]
mod tests;
