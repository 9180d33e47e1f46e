//! What lies in the directory of a project: names down to a fixed depth, and the texts of its manifests.
//!
//! Everything is bounded, and the order is that of the names, so the same directory always gives the same spec. Symbolic
//! links below the directory are not followed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::error::ImportError;
use crate::model::{escape, open_regular};

/// Most files and directories that are looked at. Real projects have some thousands outside of `node_modules`.
pub const MAX_ENTRIES: usize = 20_000;

/// Most names in one directory. A directory with more is skipped as a whole, so that the order of the file system does not
/// decide what is found.
pub const MAX_NAMES: usize = 10_000;

/// How many directories deep build results are looked for: `bin/Release/net8.0/linux-x64/publish/app` has five.
const MAX_RESULT_DEPTH: usize = 6;

/// How many directories deep sources and manifests are looked for: `crates/server/src/main.rs` has three.
const MAX_SOURCE_DEPTH: usize = 3;

/// Greatest size of a manifest, in bytes. Manifests are written by hand; lockfiles are larger, and only their names count.
pub const MAX_MANIFEST_BYTES: u64 = 1024 * 1024;

/// Greatest number of manifests that are read. A workspace has one for each member.
pub const MAX_MANIFESTS: usize = 100;

/// Where build tools put results.
pub const RESULT_DIRECTORIES: [&str; 7] = ["dist", "out", "build", "bin", "publish", "public", "target"];

/// Directories of dependencies and caches. That they exist may count, what is in them does not.
const OPAQUE_DIRECTORIES: [&str; 6] = ["node_modules", "__pycache__", "vendor", "venv", "env", "quarkus-app"];

/// Files whose text says what the project is.
const MANIFESTS: [&str; 18] = [
    ".node-version",
    ".nvmrc",
    ".python-version",
    "Cargo.toml",
    "build.gradle",
    "build.gradle.kts",
    "go.mod",
    "gradle.properties",
    "main.py",
    "package.json",
    "pom.xml",
    "pyproject.toml",
    "requirements.txt",
    "settings.gradle",
    "settings.gradle.kts",
    "app.py",
    "setup.cfg",
    ".yarnrc.yml",
];

/// Ends of the names of .NET's project files.
pub const DOTNET_ENDINGS: [&str; 3] = [".csproj", ".fsproj", ".vbproj"];

/// The names below a project's directory, and the texts of its manifests. Paths are relative, with `/`.
#[derive(Debug, Default)]
pub struct ProjectTree {
    root: PathBuf,
    files: BTreeSet<String>,
    directories: BTreeSet<String>,
    manifests: BTreeMap<String, String>,
    notes: Vec<String>,
}

impl ProjectTree {
    /// Looks at a directory.
    ///
    /// # Errors
    /// [`ImportError`] if it does not exist, is not a directory or cannot be read. What is wrong below it is a note.
    pub fn read(root: &Path) -> Result<Self, ImportError> {
        let failed = |cause| ImportError::Read {
            path: root.to_owned(),
            cause,
        };
        if !fs::metadata(root).map_err(failed)?.is_dir() {
            return Err(ImportError::NotADirectory { path: root.to_owned() });
        }
        let mut tree = Self {
            root: root.to_owned(),
            ..Self::default()
        };
        tree.enter("").map_err(failed)?;
        tree.walk();
        tree.read_manifests();
        Ok(tree)
    }

    /// Returns the name of the directory itself, if it has one that is UTF-8.
    pub fn name(&self) -> Option<String> {
        let absolute = fs::canonicalize(&self.root).ok()?;
        Some(absolute.file_name()?.to_str()?.to_owned())
    }

    /// Returns `true` if this file exists.
    pub fn has_file(&self, path: &str) -> bool {
        self.files.contains(path)
    }

    /// Returns `true` if this directory exists.
    pub fn has_directory(&self, path: &str) -> bool {
        self.directories.contains(path)
    }

    /// Returns `true` if this file or directory exists.
    pub fn has(&self, path: &str) -> bool {
        self.has_file(path) || self.has_directory(path)
    }

    /// Returns all files, sorted.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// Returns all directories, sorted.
    pub fn directories(&self) -> impl Iterator<Item = &str> {
        self.directories.iter().map(String::as_str)
    }

    /// Returns the text of a manifest, if it exists and could be read.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.manifests.get(path).map(String::as_str)
    }

    /// Returns the manifests of this name, wherever they are, with their texts; sorted by path.
    pub fn manifests_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let texts = self.manifests.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        texts.filter(move |(path, _)| file_name(path) == name)
    }

    /// Returns the manifests whose names end in one of `endings`, with their texts; sorted by path.
    pub fn manifests_ending<'a>(&'a self, endings: &'a [&'a str]) -> impl Iterator<Item = (&'a str, &'a str)> {
        let texts = self.manifests.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        texts.filter(move |(path, _)| endings.iter().any(|ending| path.ends_with(ending)))
    }

    /// Returns what could not be looked at, and why.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Opens a file of the tree.
    ///
    /// # Errors
    /// Those of the system, and one if it is no longer a regular file.
    pub fn open(&self, path: &str) -> io::Result<File> {
        open_regular(&self.root.join(path))
    }

    /// Looks at directories level by level, so that a bound cuts off what is deepest.
    fn walk(&mut self) {
        let mut waiting: VecDeque<String> = self.directories.iter().cloned().collect();
        while let Some(directory) = waiting.pop_front() {
            if !is_entered(&directory) {
                continue;
            }
            match self.enter(&directory) {
                Ok(found) => waiting.extend(found),
                Err(error) => self
                    .notes
                    .push(format!("cannot read {}: {error}", escape(directory.as_bytes()))),
            }
            if self.files.len() + self.directories.len() >= MAX_ENTRIES {
                self.notes.push(format!(
                    "the project has more than {MAX_ENTRIES} files; the deepest were not looked at"
                ));
                return;
            }
        }
    }

    /// Adds the names in a directory, and returns the directories among them.
    fn enter(&mut self, directory: &str) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        let mut unreadable = 0;
        for (count, entry) in fs::read_dir(self.root.join(directory))?.enumerate() {
            if count >= MAX_NAMES {
                self.notes
                    .push(format!("{} has more than {MAX_NAMES} names: skipped", shown(directory)));
                return Ok(Vec::new());
            }
            let entry = entry?;
            match (entry.file_name().into_string(), entry.file_type()?) {
                (Ok(name), file_type) if file_type.is_dir() || file_type.is_file() => {
                    found.push((join(directory, &name), file_type.is_dir()));
                }
                (Err(_), _) => unreadable += 1,
                _ => {}
            }
        }
        if unreadable > 0 {
            self.notes.push(format!(
                "{} has names that are not UTF-8: they were skipped",
                shown(directory)
            ));
        }
        found.sort();
        let directories: Vec<String> = found
            .iter()
            .filter(|(_, is_directory)| *is_directory)
            .map(|(path, _)| path.clone())
            .collect();
        self.directories.extend(directories.iter().cloned());
        self.files.extend(
            found
                .into_iter()
                .filter(|(_, is_directory)| !is_directory)
                .map(|(path, _)| path),
        );
        Ok(directories)
    }

    fn read_manifests(&mut self) {
        let is_manifest = |path: &&String| {
            let name = file_name(path);
            !is_result(path)
                && (MANIFESTS.contains(&name) || DOTNET_ENDINGS.iter().any(|ending| name.ends_with(ending)))
        };
        // Those of the directory itself come first, whatever their names are.
        let mut paths: Vec<String> = self.files.iter().filter(is_manifest).cloned().collect();
        paths.sort_by_key(|path| (path.matches('/').count(), path.clone()));
        for path in paths.into_iter().take(MAX_MANIFESTS) {
            match self.read_text(&path) {
                Ok(text) => {
                    self.manifests.insert(path, text);
                }
                Err(reason) => self
                    .notes
                    .push(format!("{} was skipped: {reason}", escape(path.as_bytes()))),
            }
        }
    }

    fn read_text(&self, path: &str) -> Result<String, String> {
        let mut bytes = Vec::new();
        let file = self.open(path).map_err(|error| error.to_string())?;
        file.take(MAX_MANIFEST_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| error.to_string())?;
        if bytes.len() as u64 > MAX_MANIFEST_BYTES {
            return Err(format!("it has more than {MAX_MANIFEST_BYTES} bytes"));
        }
        // Editors of Windows begin a file with a byte order mark, which is no part of the text.
        let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        Ok(text.trim_start_matches('\u{feff}').to_owned())
    }
}

/// Returns `true` for a path below a directory of build results.
pub fn is_result(path: &str) -> bool {
    path.split_once('/')
        .is_some_and(|(first, _)| RESULT_DIRECTORIES.contains(&first))
}

/// Returns the last component of a path.
pub fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Returns a path without its last component; empty for a name alone.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Returns the path of a name in a directory; the empty directory is the project's own.
pub fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() {
        name.to_owned()
    } else {
        format!("{directory}/{name}")
    }
}

fn shown(directory: &str) -> String {
    if directory.is_empty() {
        "the directory".to_owned()
    } else {
        escape(directory.as_bytes())
    }
}

/// Whether what is in a directory is looked at.
fn is_entered(directory: &str) -> bool {
    let parts: Vec<&str> = directory.split('/').collect();
    let name = file_name(directory);
    if name.starts_with('.') || OPAQUE_DIRECTORIES.contains(&name) {
        return false;
    }
    match parts[..] {
        // cargo keeps gigabytes in `target`, and Maven classes; programs are in `release`, with a target's name before it
        // or without.
        ["target"] | ["target", _] | ["target", _, "release"] => true,
        ["target", ..] => false,
        [first, ..] if RESULT_DIRECTORIES.contains(&first) => parts.len() <= MAX_RESULT_DEPTH,
        _ => parts.len() <= MAX_SOURCE_DEPTH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::tests::projects::project;

    #[test]
    fn names_are_found_to_a_depth_and_never_through_links() {
        let directory = project(&[
            ("package.json", "{}"),
            ("dist/amd64/a/b/c/d/e/too-deep", ""),
            ("dist/amd64/server", ""),
            ("node_modules/x/package.json", "{}"),
            (".git/config", ""),
            ("target/release/server", ""),
            ("target/release/deps/x", ""),
            ("target/debug/incremental/x/y", ""),
            ("src/a/b/c/too-deep", ""),
        ]);
        std::os::unix::fs::symlink("/etc", directory.path().join("dist/etc")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", directory.path().join("go.mod")).unwrap();
        let tree = ProjectTree::read(directory.path()).unwrap();
        let files: Vec<&str> = tree.files().collect();
        assert_eq!(files, ["dist/amd64/server", "package.json", "target/release/server"]);
        assert!(tree.has_directory("node_modules") && tree.has_directory(".git") && !tree.has("dist/etc"));
        assert_eq!(tree.text("package.json"), Some("{}"));
        assert_eq!(tree.text("go.mod"), None);
        assert!(tree.notes().is_empty(), "{:?}", tree.notes());
    }

    #[test]
    fn what_cannot_be_read_is_a_note() {
        let large = "x".repeat(usize::try_from(MAX_MANIFEST_BYTES).unwrap() + 1);
        let directory = project(&[("package.json", &large), ("pyproject.toml", "\u{feff}[project]\n")]);
        fs::write(directory.path().join("go.mod"), b"module \xff\n").unwrap();
        use std::os::unix::ffi::OsStrExt as _;
        fs::write(directory.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9")), "").unwrap();
        let tree = ProjectTree::read(directory.path()).unwrap();
        assert_eq!(tree.text("pyproject.toml"), Some("[project]\n"));
        assert_eq!(
            tree.notes(),
            [
                "the directory has names that are not UTF-8: they were skipped",
                "go.mod was skipped: it is not UTF-8",
                "package.json was skipped: it has more than 1048576 bytes",
            ]
        );
    }

    #[test]
    fn a_directory_of_too_many_names_is_skipped() {
        let directory = project(&[("go.mod", "module x\n")]);
        fs::create_dir(directory.path().join("dist")).unwrap();
        for number in 0..=MAX_NAMES {
            File::create(directory.path().join(format!("dist/{number}"))).unwrap();
        }
        let tree = ProjectTree::read(directory.path()).unwrap();
        assert_eq!(tree.files().collect::<Vec<_>>(), ["go.mod"]);
        assert_eq!(tree.notes(), ["dist has more than 10000 names: skipped"]);
    }

    #[test]
    fn a_missing_directory_and_a_file_are_errors() {
        let directory = project(&[("file", "")]);
        assert!(matches!(
            ProjectTree::read(&directory.path().join("none")),
            Err(ImportError::Read { .. })
        ));
        assert!(matches!(
            ProjectTree::read(&directory.path().join("file")),
            Err(ImportError::NotADirectory { .. })
        ));
    }
}
