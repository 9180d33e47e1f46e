//! The facts of a Java archive: its manifest, its classes, and the Java version that they are compiled for (JAR File
//! Specification; The Java Virtual Machine Specification, 4.1).

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use zip::ZipArchive;

/// Greatest size of an archive that is looked at, in bytes. The largest applications in one file have some hundred
/// megabytes.
pub(super) const MAX_JAR_BYTES: u64 = 1024 * 1024 * 1024;

/// Greatest size of a manifest that is read, in bytes. Those that list a thousand libraries have a hundredth of it.
const MAX_MANIFEST_BYTES: u64 = 1024 * 1024;

/// Members of an archive, beyond which it is not looked at.
const MAX_MEMBERS: usize = 500_000;

/// Magic of a class file.
const CLASS_MAGIC: &[u8] = b"\xca\xfe\xba\xbe";

/// How much of a class file is read: magic, minor and major version.
pub(super) const CLASS_HEAD_BYTES: u64 = 8;

/// Folders of an archive that its own loader reads classes from.
const CLASS_FOLDERS: &[&str] = &["", "BOOT-INF/classes/", "WEB-INF/classes/"];

/// An archive, as far as starting it goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JarFacts {
    /// The main section of the manifest, names as they are written.
    pub attributes: BTreeMap<String, String>,
    /// The names of its classes with their folders, sorted: `com/example/Main.class`.
    pub classes: Vec<Box<str>>,
    /// The major version of the class files that the manifest starts, by name.
    pub versions: BTreeMap<String, u16>,
}

impl JarFacts {
    /// Reads the facts. Returns `None` for a file that Java cannot read as an archive.
    pub(super) fn read(source: &mut (impl Read + Seek)) -> Option<Self> {
        let mut archive = ZipArchive::new(source)
            .ok()
            .filter(|archive| archive.len() <= MAX_MEMBERS)?;
        let names: Vec<String> = archive
            .file_names()
            .filter_map(|name| name.ok().map(Into::into))
            .collect();
        let manifest = names
            .iter()
            .find(|name| name.eq_ignore_ascii_case("META-INF/MANIFEST.MF"))
            .cloned();
        let mut classes: Vec<Box<str>> = names
            .into_iter()
            .filter(|name| name.ends_with(".class"))
            .map(String::into_boxed_str)
            .collect();
        classes.sort_unstable();
        let mut facts = Self {
            classes,
            ..Self::default()
        };
        if let Some(name) = manifest {
            let mut bytes = Vec::new();
            archive
                .by_name(&name)
                .ok()?
                .take(MAX_MANIFEST_BYTES)
                .read_to_end(&mut bytes)
                .ok()?;
            facts.attributes = attributes(&String::from_utf8_lossy(&bytes));
        }
        for name in ["Main-Class", "Start-Class"] {
            let Some(class) = facts.attributes.get(name) else {
                continue;
            };
            let Some(member) = facts.member_of(class) else { continue };
            let mut head = Vec::new();
            let read = archive
                .by_name(&member)
                .map(|file| file.take(CLASS_HEAD_BYTES).read_to_end(&mut head));
            if let Some(version) = class_version(&head).filter(|_| matches!(read, Ok(Ok(_)))) {
                facts.versions.insert(member, version);
            }
        }
        Some(facts)
    }

    /// Returns the member of a class by the class's name, if the archive contains it.
    pub fn member_of(&self, class: &str) -> Option<String> {
        let file = class_file(class);
        let mut names = CLASS_FOLDERS.iter().map(|folder| format!("{folder}{file}"));
        names.find(|name| self.classes.binary_search_by(|known| (**known).cmp(name)).is_ok())
    }
}

/// Returns the file of a class: `com/example/Main.class` for `com.example.Main`.
pub(super) fn class_file(class: &str) -> String {
    format!("{}.class", class.trim().replace('.', "/"))
}

/// Returns the major version of a class file, from its first bytes.
pub(super) fn class_version(head: &[u8]) -> Option<u16> {
    let version = head.strip_prefix(CLASS_MAGIC)?.get(2..4)?;
    Some(u16::from_be_bytes([version[0], version[1]]))
}

/// The main section of a manifest: lines `Name: value`, and those that go on with a blank.
fn attributes(text: &str) -> BTreeMap<String, String> {
    let mut attributes: BTreeMap<String, String> = BTreeMap::new();
    let mut last: Option<String> = None;
    for line in text.trim_start_matches('\u{feff}').lines() {
        if line.is_empty() {
            break;
        }
        match (line.strip_prefix(' '), &last) {
            (Some(rest), Some(name)) => {
                if let Some(value) = attributes.get_mut(name) {
                    value.push_str(rest);
                }
            }
            (Some(_), None) => {}
            (None, _) => {
                let Some((name, value)) = line.split_once(':') else {
                    continue;
                };
                attributes.insert(name.trim().to_owned(), value.trim_start().to_owned());
                last = Some(name.trim().to_owned());
            }
        }
    }
    attributes
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use super::*;

    /// An archive with these members.
    fn archive(members: &[(&str, &[u8])]) -> Cursor<Vec<u8>> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in members {
            writer
                .start_file(*name, zip::write::SimpleFileOptions::default())
                .unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn manifest_and_versions_are_read() {
        let manifest = b"Manifest-Version: 1.0\r\nMain-Class: com.example.Ma\r\n in\r\nClass-Path: a.jar b.jar\r\n\r\nName: x\r\nMain-Class: no\r\n";
        let mut source = archive(&[
            ("META-INF/MANIFEST.MF", manifest),
            ("com/example/Main.class", b"\xca\xfe\xba\xbe\0\0\0\x41rest"),
            ("com/example/Other.class", b""),
        ]);
        let facts = JarFacts::read(&mut source).unwrap();
        assert_eq!(facts.attributes["Main-Class"], "com.example.Main");
        assert_eq!(facts.attributes["Class-Path"], "a.jar b.jar");
        assert_eq!(
            facts.versions,
            BTreeMap::from([("com/example/Main.class".to_owned(), 65)])
        );
        assert_eq!(
            facts.member_of("com.example.Other").as_deref(),
            Some("com/example/Other.class")
        );
        assert_eq!(facts.member_of("com.example.Gone"), None);
    }

    #[test]
    fn classes_of_an_application_in_one_file_are_found_in_their_folder() {
        let mut source = archive(&[
            (
                "META-INF/MANIFEST.MF",
                b"Main-Class: l.JarLauncher\nStart-Class: a.App\n",
            ),
            ("l/JarLauncher.class", b"\xca\xfe\xba\xbe\0\0\0\x3d"),
            ("BOOT-INF/classes/a/App.class", b"\xca\xfe\xba\xbe\0\0\0\x41"),
        ]);
        let facts = JarFacts::read(&mut source).unwrap();
        assert_eq!(facts.versions.values().copied().collect::<Vec<_>>(), [65, 61]);
    }

    #[test]
    fn what_is_no_archive_gives_nothing() {
        assert_eq!(JarFacts::read(&mut Cursor::new(b"PK\x03\x04 cut short".to_vec())), None);
        assert_eq!(JarFacts::read(&mut Cursor::new(Vec::new())), None);
        assert_eq!(class_version(b"\xca\xfe\xba\xbe\0\0"), None);
        assert_eq!(class_version(b"MZ"), None);
    }
}
