//! Modules and scripts that are passed to Python.
//!
//! If something could add directories to its path that are not known here, nothing is reported.

use super::super::failure::{Failure, Kind, elsewhere, found_instead, listed};
use super::super::program::{Program, Setting, Standing};
use super::super::script_failure::missing_script;
use super::command_line::{Handed, after, handed};
use super::search::{First, Search, has_extension_module, has_module, packages};
use super::servers;
use crate::model::{EntryPath, escape};

/// How many of the searched directories a message names.
const MAX_SHOWN_FOLDERS: usize = 5;

/// Checks whether the module or script that Python is given exists.
pub(in super::super) fn check_python(
    setting: &Setting<'_>,
    program: &Program,
    arguments: &[String],
) -> Result<(), Box<Failure>> {
    match handed(arguments) {
        Some(Handed::Script(script)) => check_script(setting, script),
        Some(Handed::Module { name, sees_workdir }) => {
            check_module(setting, program, name, sees_workdir)?;
            match servers::target(setting, name, after(arguments, name)) {
                Some(module) => servers::check_target(setting, program, name, &module),
                None => Ok(()),
            }
        }
        Some(Handed::Code { .. }) | None => Ok(()),
    }
}

fn check_script(setting: &Setting<'_>, script: &str) -> Result<(), Box<Failure>> {
    let Some(at) = setting.place(script.as_bytes()) else {
        return Ok(());
    };
    match setting.standing(&at) {
        Standing::Nothing => Err(missing_script(setting, "python", at, None)),
        Standing::Directory if !has_module(setting, &at, b"__main__") => Err(Box::new(Failure {
            kind: Kind::Missing,
            message: "runs this directory with python, but it has no __main__.py".to_owned(),
            expected: format!("{at}/__main__.py"),
            found: "nothing".to_owned(),
            help: "pack a __main__.py into it, or pass the script to python".to_owned(),
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
    let first = if sees_workdir { First::Workdir } else { First::Nothing };
    let Some(search) = Search::of(setting, program, first) else {
        return Ok(());
    };
    let mut names = module.split('.').map(str::as_bytes);
    let last = names.next_back().unwrap_or_default();
    let holders = names.fold(search.folders.clone(), |folders, name| {
        packages(setting, &folders, name)
    });
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
        message: format!("runs the Python package \"{module}\", which has no __main__.py"),
        expected: format!("{package}/__main__.py"),
        found: "nothing".to_owned(),
        help: "pack the package's __main__.py, or name a module of the package".to_owned(),
        path: package,
    })
}

fn no_module(setting: &Setting<'_>, module: &str, search: &Search) -> Box<Failure> {
    let relative = module.replace('.', "/");
    let candidates = [
        format!("{relative}/__main__.py"),
        format!("{relative}/__init__.py"),
        format!("{relative}.py"),
    ];
    let places = candidates
        .iter()
        .map(|wanted| elsewhere(setting.subject, wanted.as_bytes(), false));
    // Any file is called __main__.py: only those of this module are meant.
    let is_meant = |place: &EntryPath| {
        candidates
            .iter()
            .any(|wanted| place.as_bytes().ends_with(wanted.as_bytes()))
    };
    let places = places.map(|places| places.into_iter().filter(is_meant).collect::<Vec<_>>());
    let places = places.into_iter().find(|places| !places.is_empty()).unwrap_or_default();
    let at = setting.workdir.join(relative.as_bytes()).unwrap_or_default();
    let module = escape(module.as_bytes());
    let help = match &places[..] {
        [] => format!(
            "pack \"{module}\" into a directory that Python searches, or set PYTHONPATH or `workdir` to its directory"
        ),
        places => format!(
            "it is at {}: set PYTHONPATH or `workdir` to the directory that contains its package",
            listed(places)
        ),
    };
    let shown = &search.folders[..search.folders.len().min(MAX_SHOWN_FOLDERS)];
    let found = if places.is_empty() {
        found_instead(setting.subject, &at)
    } else {
        listed(&places)
    };
    Box::new(Failure {
        kind: Kind::Missing,
        message: format!("runs the Python module \"{module}\", which is not in Python's search path"),
        expected: format!("{module} in {}", listed(shown)),
        found,
        help,
        path: at,
    })
}

#[cfg(test)]
mod tests;
