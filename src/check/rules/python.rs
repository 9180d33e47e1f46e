//! Modules and scripts that Python is handed (Python, "Command line and environment"; `site`; PEP 405, virtual
//! environments).
//!
//! The search is generous: what is found anywhere that Python may look counts as found. Where something could put more
//! directories on its path than are known here, nothing is said.

use super::failure::{Failure, Kind, elsewhere, found_instead, listed};
use super::program::{Program, Setting, Standing};
use super::scripts::missing_script;
use crate::model::{EntryPath, escape};
use crate::tree::Node;

/// Options without a value, as letters.
const FLAGS: &str = "bBdEhiIOPqsSuvVx";

/// `.pth` files that tools leave behind and that add no directories.
const INERT_PATH_FILES: &[&[u8]] = &[b"distutils-precedence.pth", b"_virtualenv.pth", b"a1_coverage.pth"];

/// Minor versions of Python 3 that are looked for; some are still to come.
const MINOR_VERSIONS: std::ops::RangeInclusive<u32> = 3..=30;

/// How many of the searched directories a message names.
const MAX_SHOWN_FOLDERS: usize = 5;

/// What Python is handed.
#[derive(Debug, PartialEq, Eq)]
enum Handed<'a> {
    Module { name: &'a str, sees_workdir: bool },
    Script(&'a str),
}

/// True for `python`, `python3`, `python3.11`.
pub(super) fn is_python(name: &str) -> bool {
    let version = name.strip_prefix("python");
    version.is_some_and(|version| version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
}

/// Whether the module or script that Python is handed is there.
pub(super) fn check(setting: &Setting<'_>, program: &Program, arguments: &[String]) -> Result<(), Box<Failure>> {
    match handed(arguments) {
        Some(Handed::Script(script)) => check_script(setting, script),
        Some(Handed::Module { name, sees_workdir }) => check_module(setting, program, name, sees_workdir),
        None => Ok(()),
    }
}

/// What stands behind the options; `None` for code on the command line, standard input, and options that are not known.
fn handed(arguments: &[String]) -> Option<Handed<'_>> {
    let mut rest = arguments.iter().map(String::as_str);
    let mut sees_workdir = true;
    while let Some(word) = rest.next() {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            return (word != "-").then_some(Handed::Script(word));
        };
        for (index, letter) in letters.char_indices() {
            let joined = &letters[index + letter.len_utf8()..];
            let mut value = || if joined.is_empty() { rest.next() } else { Some(joined) };
            match letter {
                'm' => return Some(Handed::Module { name: value()?, sees_workdir }),
                'W' | 'X' => {
                    value()?;
                    break;
                }
                'h' | 'V' => return None,
                _ if FLAGS.contains(letter) => sees_workdir &= !matches!(letter, 'I' | 'P'),
                _ => return None,
            }
        }
    }
    None
}

fn check_script(setting: &Setting<'_>, script: &str) -> Result<(), Box<Failure>> {
    let Some(at) = setting.place(script.as_bytes()) else { return Ok(()) };
    match setting.standing(&at) {
        Standing::Nothing => Err(missing_script(setting, "python", at, None)),
        Standing::Directory if !has_module(setting, &at, b"__main__") => Err(Box::new(Failure {
            kind: Kind::Missing,
            message: "has python run this directory, which has no __main__.py".to_owned(),
            expected: format!("{at}/__main__.py"),
            found: "nothing".to_owned(),
            help: "pack a __main__.py into it, or hand python the script itself".to_owned(),
            path: at,
        })),
        _ => Ok(()),
    }
}

fn check_module(
    setting: &Setting<'_>,
    program: &Program,
    module: &str,
    sees_workdir: bool,
) -> Result<(), Box<Failure>> {
    let Some(search) = Search::of(setting, program, sees_workdir) else { return Ok(()) };
    let mut names = module.split('.').map(str::as_bytes);
    let last = names.next_back().unwrap_or_default();
    let holders = names.fold(search.folders.clone(), |folders, name| packages(setting, &folders, name));
    let packages = packages(setting, &holders, last);
    let has = |folders: &[EntryPath], name| folders.iter().any(|folder| has_module(setting, folder, name));
    let has_extension =
        |folders: &[EntryPath]| folders.iter().any(|folder| has_extension_module(setting, folder, last));
    if has(&holders, last) || has(&packages, b"__main__") || has_extension(&holders) || search.is_open(setting) {
        return Ok(());
    }
    Err(match packages.first() {
        Some(package) => no_main(module, package.clone()),
        None => no_module(setting, module, &search),
    })
}

fn no_main(module: &str, package: EntryPath) -> Box<Failure> {
    let module = escape(module.as_bytes());
    Box::new(Failure {
        kind: Kind::Missing,
        message: format!("has python run the package \"{module}\", which has no __main__.py"),
        expected: format!("{package}/__main__.py"),
        found: "nothing".to_owned(),
        help: "pack the package's __main__.py, or name the module that is meant".to_owned(),
        path: package,
    })
}

fn no_module(setting: &Setting<'_>, module: &str, search: &Search) -> Box<Failure> {
    let relative = module.replace('.', "/");
    let candidates = [format!("{relative}/__main__.py"), format!("{relative}/__init__.py"), format!("{relative}.py")];
    let places = candidates.iter().map(|wanted| elsewhere(setting.subject, wanted.as_bytes(), false));
    // Any file is called __main__.py: only those of this module are meant.
    let is_meant = |place: &EntryPath| candidates.iter().any(|wanted| place.as_bytes().ends_with(wanted.as_bytes()));
    let places = places.map(|places| places.into_iter().filter(is_meant).collect::<Vec<_>>());
    let places = places.into_iter().find(|places| !places.is_empty()).unwrap_or_default();
    let at = setting.workdir.join(relative.as_bytes()).unwrap_or_default();
    let module = escape(module.as_bytes());
    let help = match &places[..] {
        [] => format!("pack \"{module}\" where python looks, or set PYTHONPATH or `workdir` to where it is"),
        places => format!("it is at {}: set PYTHONPATH or `workdir` to where its package lies", listed(places)),
    };
    let shown = &search.folders[..search.folders.len().min(MAX_SHOWN_FOLDERS)];
    let found = if places.is_empty() { found_instead(setting.subject, &at) } else { listed(&places) };
    Box::new(Failure {
        kind: Kind::Missing,
        message: format!("has python run the module \"{module}\", which is not in the image"),
        expected: format!("{module} in {}", listed(shown)),
        found,
        help,
        path: at,
    })
}

/// Where Python looks for modules.
struct Search {
    /// Directories that exist, the first to be searched first.
    folders: Vec<EntryPath>,
    /// True where PYTHONPATH names more than directories.
    has_archives: bool,
}

impl Search {
    /// `None` where the interpreter's own library is not where this module expects it: nothing is known then.
    fn of(setting: &Setting<'_>, program: &Program, sees_workdir: bool) -> Option<Self> {
        let execution = &setting.subject.execution;
        let variable = |name: &str| execution.variable(name).filter(|value| !value.is_empty());
        let is_plain = is_python(&String::from_utf8_lossy(program.at.file_name()));
        if !is_plain || variable("PYTHONHOME").is_some() {
            return None;
        }
        let libraries = libraries(setting, program)?;
        let mut folders = Vec::new();
        let mut has_archives = false;
        if sees_workdir && variable("PYTHONSAFEPATH").is_none() {
            folders.push(setting.workdir.clone());
        }
        for folder in variable("PYTHONPATH").unwrap_or_default().split(':').filter(|folder| !folder.is_empty()) {
            match setting.place(folder.as_bytes()) {
                Some(at) if setting.standing(&at) == Standing::Directory => folders.push(at),
                Some(at) if setting.standing(&at) == Standing::Nothing => {}
                // An archive of modules.
                _ => has_archives = true,
            }
        }
        for library in libraries {
            let inside = [&b""[..], b"lib-dynload", b"site-packages", b"dist-packages"];
            let below = inside.iter().filter_map(|name| library.join(name).ok());
            for folder in below.filter(|at| setting.standing(at) == Standing::Directory) {
                let added = is_site(&folder).then(|| added_by_path_files(setting, &folder));
                folders.push(folder);
                folders.extend(added.into_iter().flatten());
            }
        }
        Some(Self { folders, has_archives })
    }

    /// True where more may be searched than is known here. It looks at every file of the directories.
    fn is_open(&self, setting: &Setting<'_>) -> bool {
        let resolved: Vec<EntryPath> =
            self.folders.iter().filter_map(|folder| setting.subject.resolve(folder).ok()).collect();
        self.has_archives
            || self.folders.iter().filter(|folder| is_site(folder)).any(|folder| has_path_files(setting, folder))
            || setting.subject.own().keys().any(|own| is_customisation(own, &resolved))
    }
}

/// Code that runs at every start and may extend the path, packed by oneself.
fn is_customisation(own: &EntryPath, folders: &[EntryPath]) -> bool {
    matches!(own.file_name(), b"sitecustomize.py" | b"usercustomize.py")
        && own.parent().is_some_and(|parent| folders.contains(&parent))
}

/// The library directories `lib/python3.11` of the interpreter, of the virtual environment that it is in, and of the
/// user; `None` where the interpreter's own is not there.
fn libraries(setting: &Setting<'_>, program: &Program) -> Option<Vec<EntryPath>> {
    let prefix = |path: &EntryPath| path.parent().and_then(|folder| folder.parent());
    let home = setting.user.as_ref().and_then(|user| user.home.clone());
    let home = setting.subject.execution.variable("HOME").map(str::to_owned).or(home).unwrap_or("/root".to_owned());
    let user_prefix = setting.place(home.as_bytes()).and_then(|home| home.join(b".local").ok());
    let environment = setting.subject.resolve(&program.named.parent()?).ok().and_then(|folder| folder.parent());
    let own = prefix(&program.at)?;
    let standard = library_folders(setting, &own);
    let has_standard = |library: &EntryPath| has_module(setting, library, b"os");
    if !standard.iter().any(has_standard) {
        return None;
    }
    let mut libraries: Vec<EntryPath> = Vec::new();
    let local = own.join(b"local").ok();
    for prefix in environment.into_iter().chain(prefix(&program.named)).chain(user_prefix).chain([own]).chain(local) {
        for library in library_folders(setting, &prefix) {
            if !libraries.contains(&library) {
                libraries.push(library);
            }
        }
    }
    Some(libraries)
}

/// `lib/python3.11` and its like below a prefix.
fn library_folders(setting: &Setting<'_>, prefix: &EntryPath) -> Vec<EntryPath> {
    let versions =
        MINOR_VERSIONS.map(|minor| format!("python3.{minor}")).chain(["python3".to_owned(), "python2.7".to_owned()]);
    let names = versions.flat_map(|version| [format!("lib/{version}"), format!("lib64/{version}")]);
    let paths = names.filter_map(|name| prefix.join(name.as_bytes()).ok());
    paths.filter(|at| setting.standing(at) == Standing::Directory).collect()
}

/// `site-packages` and `dist-packages`, whose `.pth` files are read at every start.
fn is_site(folder: &EntryPath) -> bool {
    folder.file_name().ends_with(b"-packages")
}

/// The lines of a `.pth` file that name directories; `None` where one of them is code, or the file was not read.
fn plain_lines<'a>(setting: &Setting<'a>, path: &EntryPath) -> Option<Vec<&'a [u8]>> {
    let lines = setting.subject.content(path)?.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let lines: Vec<&[u8]> = lines.filter(|line| !line.is_empty() && !line.starts_with(b"#")).collect();
    let is_code = |line: &&[u8]| line.starts_with(b"import ") || line.starts_with(b"import\t");
    (!lines.iter().any(is_code)).then_some(lines)
}

/// The directories that `.pth` files of a directory add, where these are read and hold no code.
fn added_by_path_files(setting: &Setting<'_>, folder: &EntryPath) -> Vec<EntryPath> {
    let Ok(folder) = setting.subject.resolve(folder) else { return Vec::new() };
    let files = children(setting, &folder).into_iter().map(|(path, _)| path);
    let files = files.filter(|path| path.file_name().ends_with(b".pth"));
    let lines = files.filter_map(|path| plain_lines(setting, &path)).flatten();
    let added = lines.filter_map(|line| match line.strip_prefix(b"/") {
        Some(absolute) => EntryPath::new(absolute).ok(),
        None => folder.join(line).ok(),
    });
    added.filter(|at| setting.standing(at) == Standing::Directory).collect()
}

/// True where `.pth` files may add directories that are not known here.
fn has_path_files(setting: &Setting<'_>, folder: &EntryPath) -> bool {
    let is_active = |path: &EntryPath| {
        path.file_name().ends_with(b".pth")
            && !INERT_PATH_FILES.contains(&path.file_name())
            && plain_lines(setting, path).is_none()
    };
    let Ok(folder) = setting.subject.resolve(folder) else { return true };
    children(setting, &folder).iter().any(|(path, _)| is_active(path))
}

/// What stands directly in a directory.
fn children(setting: &Setting<'_>, folder: &EntryPath) -> Vec<(EntryPath, Node)> {
    let below = setting.subject.below(folder).filter(|(path, _)| path.parent().as_ref() == Some(folder));
    below.map(|(path, node)| (path.clone(), node.clone())).collect()
}

/// True where a directory holds a module of that name, as source, bytecode, or an extension module without a tag.
fn has_module(setting: &Setting<'_>, folder: &EntryPath, name: &[u8]) -> bool {
    [&b".py"[..], b".pyc", b".so", b".abi3.so"].iter().any(|end| {
        let at = folder.join(&[name, *end].concat());
        at.is_ok_and(|at| setting.standing(&at) != Standing::Nothing)
    })
}

/// True where a directory holds an extension module of that name: `name.cpython-311-x86_64-linux-gnu.so`.
fn has_extension_module(setting: &Setting<'_>, folder: &EntryPath, name: &[u8]) -> bool {
    let Ok(folder) = setting.subject.resolve(folder) else { return false };
    let start = [name, &b"."[..]].concat();
    let is_extension = |name: &[u8]| name.starts_with(&start) && name.ends_with(b".so");
    children(setting, &folder).iter().any(|(path, _)| is_extension(path.file_name()))
}

/// The directories of that name: packages, and parts of namespace packages.
fn packages(setting: &Setting<'_>, folders: &[EntryPath], name: &[u8]) -> Vec<EntryPath> {
    let below = folders.iter().filter_map(|folder| folder.join(name).ok());
    below.filter(|at| setting.standing(at) == Standing::Directory).collect()
}

#[cfg(test)]
mod tests;
