//! The directories in which Python searches for modules (Python, "Command line and environment"; `site`; PEP 405).
//!
//! The search is generous: a module that is found anywhere that Python may search counts as found. If something may add
//! directories that are not known here, the search records it.

use super::super::program::{Program, Setting, Standing};
use super::command_line::is_python;
use crate::model::EntryPath;
use crate::tree::{Node, NodeKind};

/// `.pth` files that tools leave behind and that add no directories.
const INERT_PATH_FILES: &[&[u8]] = &[b"distutils-precedence.pth", b"_virtualenv.pth", b"a1_coverage.pth"];

/// How `.pth` files of namespace packages end: their code makes the package that their folder is named after.
const NAMESPACE_PATH_FILE: &[u8] = b"nspkg.pth";

/// Minor versions of Python 3 that are looked for; some are still to come.
const MINOR_VERSIONS: std::ops::RangeInclusive<u32> = 3..=30;

/// The directory that Python puts before all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum First {
    /// The working directory: `-m` and `-c`.
    Workdir,
    /// A script's.
    Folder(EntryPath),
    /// None: `-I` and `-P`.
    Nothing,
}

/// The directories in which Python searches for modules.
#[derive(Debug, Clone)]
pub(in super::super) struct Search {
    /// Directories that exist, the first to be searched first.
    pub(super) folders: Vec<EntryPath>,
    /// The minor version of the interpreter, if it is known.
    pub(super) minor: Option<u32>,
    /// `true` if PYTHONPATH or a `.pth` file names more than directories.
    has_archives: bool,
}

impl Search {
    /// Determines the search of an interpreter. Returns `None` if its own library is not at the expected path, since
    /// nothing is known then.
    pub(super) fn of(setting: &Setting<'_>, program: &Program, first: First) -> Option<Self> {
        let execution = &setting.subject.execution;
        let variable = |name: &str| execution.variable(name).filter(|value| !value.is_empty());
        let is_plain = is_python(&String::from_utf8_lossy(program.at.file_name()));
        if !is_plain || variable("PYTHONHOME").is_some() {
            return None;
        }
        let minor = minor_of(setting, program);
        let libraries = libraries(setting, program, minor)?;
        let mut search = Self {
            folders: Vec::new(),
            minor,
            has_archives: false,
        };
        if variable("PYTHONSAFEPATH").is_none() {
            search.folders.extend(match first {
                First::Workdir => Some(setting.workdir.clone()),
                First::Folder(folder) => Some(folder),
                First::Nothing => None,
            });
        }
        for folder in variable("PYTHONPATH")
            .unwrap_or_default()
            .split(':')
            .filter(|folder| !folder.is_empty())
        {
            search.add(setting, setting.place(folder.as_bytes()));
        }
        for library in libraries {
            let inside = [&b""[..], b"lib-dynload", b"site-packages", b"dist-packages"];
            let below = inside.iter().filter_map(|name| library.join(name).ok());
            for folder in below.filter(|at| setting.standing(at) == Standing::Directory) {
                let added = if is_site(&folder) {
                    added_by_path_files(setting, &folder)
                } else {
                    Vec::new()
                };
                search.folders.push(folder);
                for folder in added {
                    search.add(setting, Some(folder));
                }
            }
        }
        Some(search)
    }

    /// Adds a directory, if it is one. Anything else may be an archive of modules.
    fn add(&mut self, setting: &Setting<'_>, at: Option<EntryPath>) {
        match at {
            Some(at) if setting.standing(&at) == Standing::Directory => self.folders.push(at),
            Some(at) if setting.standing(&at) == Standing::Nothing => {}
            _ => self.has_archives = true,
        }
    }

    /// Returns `true` if more may be searched than is known here. It looks at every file of the directories.
    pub(super) fn is_open(&self, setting: &Setting<'_>) -> bool {
        let resolved: Vec<EntryPath> = self
            .folders
            .iter()
            .filter_map(|folder| setting.subject.resolve(folder).ok())
            .collect();
        // The content of a mount is not known.
        let is_volatile = |folder: &EntryPath| {
            folder
                .join(b"__init__")
                .is_ok_and(|at| setting.standing(&at) == Standing::Unknown)
        };
        self.has_archives
            || self.folders.iter().any(is_volatile)
            || self
                .folders
                .iter()
                .filter(|folder| is_site(folder))
                .any(|folder| has_path_files(setting, folder))
            || setting.subject.own().keys().any(|own| is_customisation(own, &resolved))
    }
}

/// Returns the minor version of an interpreter: by its name, or by the only library beside it.
pub(in super::super) fn minor_of(setting: &Setting<'_>, program: &Program) -> Option<u32> {
    let name = String::from_utf8_lossy(program.at.file_name()).into_owned();
    let by_name = name.strip_prefix("python3.").and_then(|minor| minor.parse().ok());
    by_name.or_else(|| {
        let prefix = program.at.parent()?.parent()?;
        let has_library = |minor: &u32| {
            let library = prefix.join(format!("lib/python3.{minor}").as_bytes());
            library.is_ok_and(|library| has_module(setting, &library, b"os"))
        };
        let mut minors = MINOR_VERSIONS.filter(has_library);
        minors.next().filter(|_| minors.next().is_none())
    })
}

/// Code that runs at every start and may extend the path, packed by oneself.
fn is_customisation(own: &EntryPath, folders: &[EntryPath]) -> bool {
    matches!(own.file_name(), b"sitecustomize.py" | b"usercustomize.py")
        && own.parent().is_some_and(|parent| folders.contains(&parent))
}

/// Returns the library directories `lib/python3.11` of the interpreter, of its virtual environment, and of the user.
/// Returns `None` if the interpreter's own does not exist.
fn libraries(setting: &Setting<'_>, program: &Program, minor: Option<u32>) -> Option<Vec<EntryPath>> {
    let prefix = |path: &EntryPath| path.parent().and_then(|folder| folder.parent());
    let home = setting.user.as_ref().and_then(|user| user.home.clone());
    let home = setting
        .subject
        .execution
        .variable("HOME")
        .map(str::to_owned)
        .or(home)
        .unwrap_or("/root".to_owned());
    let user_prefix = setting
        .place(home.as_bytes())
        .and_then(|home| home.join(b".local").ok());
    let environment = setting
        .subject
        .resolve(&program.named.parent()?)
        .ok()
        .and_then(|folder| folder.parent());
    let own = prefix(&program.at)?;
    let standard = library_folders(setting, &own, minor);
    let has_standard = |library: &EntryPath| has_module(setting, library, b"os");
    if !standard.iter().any(has_standard) {
        return None;
    }
    let mut libraries: Vec<EntryPath> = Vec::new();
    let local = own.join(b"local").ok();
    for prefix in environment
        .into_iter()
        .chain(prefix(&program.named))
        .chain(user_prefix)
        .chain([own])
        .chain(local)
    {
        for library in library_folders(setting, &prefix, minor) {
            if !libraries.contains(&library) {
                libraries.push(library);
            }
        }
    }
    Some(libraries)
}

/// `lib/python3.11` and similar below a prefix: those of one version, if that is known.
fn library_folders(setting: &Setting<'_>, prefix: &EntryPath, minor: Option<u32>) -> Vec<EntryPath> {
    let minors = MINOR_VERSIONS.filter(|found| minor.is_none_or(|minor| minor == *found));
    let versions = minors
        .map(|minor| format!("python3.{minor}"))
        .chain(["python3".to_owned(), "python2.7".to_owned()]);
    let names = versions.flat_map(|version| [format!("lib/{version}"), format!("lib64/{version}")]);
    let paths = names.filter_map(|name| prefix.join(name.as_bytes()).ok());
    paths.filter(|at| setting.standing(at) == Standing::Directory).collect()
}

/// Returns `true` for `site-packages` and `dist-packages`, whose `.pth` files are read at every start.
pub(super) fn is_site(folder: &EntryPath) -> bool {
    folder.file_name().ends_with(b"-packages")
}

/// Returns `true` for a file of what an installer wrote about a package: `site-packages/NAME-VERSION.dist-info/FILE`.
pub(super) fn is_of_dist_info(path: &EntryPath) -> bool {
    let site = path.parent().and_then(|folder| folder.parent());
    path.parent_name().ends_with(b".dist-info") && site.is_some_and(|site| is_site(&site))
}

/// The lines of a `.pth` file that name directories; `None` if one of them is code, or the file was not read.
fn plain_lines<'a>(setting: &Setting<'a>, path: &EntryPath) -> Option<Vec<&'a [u8]>> {
    let lines = setting
        .subject
        .content(path)?
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii_end);
    let lines: Vec<&[u8]> = lines
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        .collect();
    let is_code = |line: &&[u8]| line.starts_with(b"import ") || line.starts_with(b"import\t");
    (!lines.iter().any(is_code)).then_some(lines)
}

/// Returns the directories that the `.pth` files of a directory add, if they were read and contain no code.
fn added_by_path_files(setting: &Setting<'_>, folder: &EntryPath) -> Vec<EntryPath> {
    let Ok(folder) = setting.subject.resolve(folder) else {
        return Vec::new();
    };
    let files = children(setting, &folder).into_iter().map(|(path, _)| path);
    let files = files.filter(|path| path.file_name().ends_with(b".pth"));
    let lines = files.filter_map(|path| plain_lines(setting, &path)).flatten();
    let added = lines.filter_map(|line| match line.strip_prefix(b"/") {
        Some(absolute) => EntryPath::new(absolute).ok(),
        None => folder.join(line).ok(),
    });
    added.collect()
}

/// Returns `true` if `.pth` files may add directories that are not known here.
fn has_path_files(setting: &Setting<'_>, folder: &EntryPath) -> bool {
    let is_active = |path: &EntryPath| {
        path.file_name().ends_with(b".pth")
            && !path.file_name().ends_with(NAMESPACE_PATH_FILE)
            && !INERT_PATH_FILES.contains(&path.file_name())
            && plain_lines(setting, path).is_none()
    };
    let Ok(folder) = setting.subject.resolve(folder) else {
        return true;
    };
    children(setting, &folder).iter().any(|(path, _)| is_active(path))
}

/// Returns the direct entries of a directory.
fn children(setting: &Setting<'_>, folder: &EntryPath) -> Vec<(EntryPath, Node)> {
    let below = setting
        .subject
        .below(folder)
        .filter(|(path, _)| path.parent_bytes() == folder.as_bytes());
    below.map(|(path, node)| (path.clone(), node.clone())).collect()
}

/// Returns `true` if a directory holds a module of that name, as source, bytecode, or an extension module without a
/// tag.
pub(super) fn has_module(setting: &Setting<'_>, folder: &EntryPath, name: &[u8]) -> bool {
    [&b".py"[..], b".pyc", b".so", b".abi3.so"].iter().any(|end| {
        let at = folder.join(&[name, *end].concat());
        at.is_ok_and(|at| setting.standing(&at) != Standing::Nothing)
    })
}

/// Returns `true` if a directory holds an extension module of that name: `name.cpython-311-x86_64-linux-gnu.so`.
pub(super) fn has_extension_module(setting: &Setting<'_>, folder: &EntryPath, name: &[u8]) -> bool {
    let Ok(folder) = setting.subject.resolve(folder) else {
        return false;
    };
    let start = [name, &b"."[..]].concat();
    let is_extension = |name: &[u8]| name.starts_with(&start) && name.ends_with(b".so");
    children(setting, &folder)
        .iter()
        .any(|(path, _)| is_extension(path.file_name()))
}

/// Returns the directories of that name: packages, and parts of namespace packages.
pub(super) fn packages(setting: &Setting<'_>, folders: &[EntryPath], name: &[u8]) -> Vec<EntryPath> {
    let below = folders.iter().filter_map(|folder| folder.join(name).ok());
    below.filter(|at| setting.standing(at) == Standing::Directory).collect()
}

/// The entry of a directory with the name of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A directory with an `__init__`, and that file if it is a source or an extension module.
    Package {
        folder: EntryPath,
        main: Option<EntryPath>,
    },
    Source(EntryPath),
    Extension(EntryPath),
    /// Bytecode, or an extension module for something else.
    Other,
    /// Directories without an `__init__`.
    Namespace(Vec<EntryPath>),
    Nothing,
}

/// Finds a module by its name like Python, directory by directory (importlib, `FileFinder`).
pub(super) fn find_module(setting: &Setting<'_>, search: &Search, folders: &[EntryPath], name: &str) -> Found {
    let mut portions = Vec::new();
    for folder in folders {
        let Ok(at) = folder.join(name.as_bytes()) else { continue };
        let is_package = setting.standing(&at) == Standing::Directory;
        if is_package {
            match find_file(setting, search, &at, "__init__") {
                Found::Nothing => {}
                Found::Source(main) | Found::Extension(main) => {
                    return Found::Package {
                        folder: at,
                        main: Some(main),
                    };
                }
                _ => return Found::Package { folder: at, main: None },
            }
        }
        match find_file(setting, search, folder, name) {
            Found::Nothing if is_package => portions.push(at),
            Found::Nothing => {}
            found => return found,
        }
    }
    if portions.is_empty() {
        Found::Nothing
    } else {
        Found::Namespace(portions)
    }
}

/// A module of one file, in the order of the suffixes that CPython tries.
fn find_file(setting: &Setting<'_>, search: &Search, folder: &EntryPath, name: &str) -> Found {
    let machine = setting.subject.platform.machine();
    let tag = |libc: &str| {
        search
            .minor
            .map(|minor| format!(".cpython-3{minor}-{machine}-linux-{libc}.so"))
    };
    let tags = [tag("gnu"), tag("musl")].into_iter().flatten();
    let suffixes = tags.chain([".abi3.so", ".so", ".py", ".pyc"].map(str::to_owned));
    for suffix in suffixes {
        let Ok(at) = folder.join(format!("{name}{suffix}").as_bytes()) else {
            continue;
        };
        let Some((real, node)) = setting.subject.find(&at) else {
            continue;
        };
        if !matches!(node.kind, NodeKind::File { .. }) {
            continue;
        }
        return match &*suffix {
            ".py" => Found::Source(real),
            ".pyc" => Found::Other,
            _ => Found::Extension(real),
        };
    }
    Found::Nothing
}
