//! A survey of the ELF files of an image, which all rules of this folder share.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use serde_json::Value;

use super::optional::optional_packages;
use super::packages::{Registry, package_of};
use super::words::{is_for_other_system, words};
use crate::check::abi::{Architecture, Fit, Libc, fit};
use crate::check::loader::{Loader, Module, is_library};
use crate::check::rules::commands::trail;
use crate::check::rules::program::{Lookup, Setting};
use crate::check::rules::python::Reach;
use crate::check::rules::shebang;
use crate::check::rules::shell::SHELLS;
use crate::check::{Finding, Subject};
use crate::elf::ElfFacts;
use crate::model::{EntryPath, base_name, part_before};

/// Folders of files that are there to be read by tests and cross-compilers, and not to run.
const MATERIALS: &[&[u8]] = &[
    b"testdata",
    b"fixtures",
    b"__fixtures__",
    b"test-fixtures",
    b"gcc-cross",
];

/// Values of `e_ident[EI_OSABI]` that Linux runs: System V, GNU, and the standalone one of arm.
const LINUX_ABIS: &[u8] = &[0, 3, 97];

/// `EF_ARM_ABI_FLOAT_HARD`.
const ARM_HARD_FLOAT: u32 = 0x400;

pub(super) struct Survey<'a> {
    pub(super) subject: &'a Subject,
    pub(super) loader: Loader<'a>,
    /// Every ELF file, sorted by path.
    pub(super) files: BTreeMap<&'a EntryPath, &'a ElfFacts>,
    /// The first program of the image, after following links.
    pub(super) started: Option<EntryPath>,
    by_name: OnceCell<BTreeMap<&'a [u8], BTreeSet<&'a EntryPath>>>,
    on_path: OnceCell<BTreeSet<EntryPath>>,
    reach: OnceCell<Reach>,
    optional: OnceCell<BTreeSet<String>>,
}

impl<'a> Survey<'a> {
    /// Surveys an image. `None` for a platform whose programs are not known.
    pub(super) fn of(subject: &'a Subject) -> Option<Self> {
        Architecture::of_platform(&subject.platform)?;
        Some(Self {
            subject,
            loader: Loader::new(subject),
            files: subject.elf_files(),
            started: started(subject),
            by_name: OnceCell::new(),
            on_path: OnceCell::new(),
            reach: OnceCell::new(),
            optional: OnceCell::new(),
        })
    }

    /// Returns your ELF files, sorted by path.
    pub(super) fn own(&self) -> impl Iterator<Item = (&'a EntryPath, &'a ElfFacts)> {
        let is_own = |(path, _): &(&&'a EntryPath, &&'a ElfFacts)| self.subject.own().contains_key(**path);
        self.files.iter().filter(is_own).map(|(path, facts)| (*path, *facts))
    }

    /// Returns the ELF files at a path and below it, sorted.
    pub(super) fn files_below(&self, folder: &EntryPath) -> impl Iterator<Item = &'a EntryPath> {
        let from = (Bound::Included(folder), Bound::Unbounded);
        // Names that start like the folder are sorted between it and the files below it.
        let near = self.files.range::<EntryPath, _>(from).map(|(path, _)| *path);
        let near = near.take_while(|path| path.as_bytes().starts_with(folder.as_bytes()));
        near.filter(|path| path.starts_with(folder))
    }

    /// Returns `true` if the image's processor runs a file, or can load it. A companion's file needs a loader of its
    /// own.
    pub(super) fn runs(&self, facts: &ElfFacts) -> bool {
        match fit(&self.subject.platform, facts) {
            Fit::Exact => true,
            Fit::Companion => self.is_served(facts),
            Fit::Foreign | Fit::Unknown => false,
        }
    }

    fn is_served(&self, facts: &ElfFacts) -> bool {
        let Some(architecture) = Architecture::of(facts) else {
            return false;
        };
        if let Some(interpreter) = &facts.interpreter {
            return self.loader.has_file(interpreter);
        }
        if facts.needed.is_empty() && architecture.name == "386" {
            return true;
        }
        let is_hard = facts.flags & ARM_HARD_FLOAT != 0;
        let calls_alike = |path: &EntryPath| {
            architecture.name != "arm" || path.file_name().windows(2).any(|part| part == b"hf") == is_hard
        };
        self.loader
            .loaders(architecture)
            .iter()
            .any(|(_, path)| calls_alike(path))
    }

    /// Returns `true` for files that are not meant to run in this image: files for debuggers, tests and
    /// cross-compilers, and files for other systems.
    pub(super) fn is_aside(&self, path: &EntryPath, facts: &ElfFacts) -> bool {
        !LINUX_ABIS.contains(&facts.os_abi) || is_material(path) || is_for_other_system(path)
    }

    /// Returns the objects that are loaded first: programs that have a loader, and modules of Python and Node.
    pub(super) fn roots(&self) -> impl Iterator<Item = (&'a EntryPath, &'a ElfFacts)> {
        let is_root = |path: &EntryPath, facts: &ElfFacts| {
            Module::of(path).is_some() || (is_program(facts) && !is_library(path, facts))
        };
        let files = self.files.iter().map(|(path, facts)| (*path, *facts));
        files.filter(move |(path, facts)| is_root(path, facts) && self.runs(facts) && !self.is_aside(path, facts))
    }

    /// Returns the files of the image that match a library's name, by their file names and sonames.
    pub(super) fn named(&self, name: &[u8], like: &ElfFacts) -> Vec<&'a EntryPath> {
        let index = self.by_name.get_or_init(|| {
            let mut index: BTreeMap<&[u8], BTreeSet<&EntryPath>> = BTreeMap::new();
            for (path, facts) in &self.files {
                index.entry(path.file_name()).or_default().insert(path);
                if let Some(soname) = &facts.soname {
                    index.entry(soname).or_default().insert(path);
                }
            }
            index
        });
        let name = base_name(name);
        let serves = |path: &&EntryPath| {
            let facts = self.files[*path];
            (facts.class, facts.endianness, facts.machine) == (like.class, like.endianness, like.machine)
        };
        index.get(name).into_iter().flatten().copied().filter(serves).collect()
    }

    /// Returns `true` for a program that is started by its own name, and not by a script that may prepare the
    /// environment for it: the program that the image starts, and programs that are in a directory of PATH or linked
    /// from there.
    pub(super) fn is_started_by_name(&self, path: &EntryPath) -> bool {
        let on_path = self.on_path.get_or_init(|| {
            let setting = Setting::of(self.subject);
            let mut found = BTreeSet::new();
            for folder in setting.folders.iter().flatten() {
                let Some(folder) = setting.place(folder).and_then(|at| self.subject.resolve(&at).ok()) else {
                    continue;
                };
                let children = self.subject.below(&folder).map(|(path, _)| path);
                let children = children.filter(|path| path.parent().as_ref() == Some(&folder));
                found.extend(children.filter_map(|path| self.subject.resolve(path).ok()));
            }
            found
        });
        self.started.as_ref() == Some(path) || on_path.contains(path)
    }

    /// Returns the modules that the start of the image certainly imports.
    pub(super) fn reach(&self) -> &Reach {
        self.reach.get_or_init(|| Reach::of(self.subject))
    }

    /// Returns `true` for a file of a package that is reached through `optionalDependencies` alone.
    pub(super) fn is_optional(&self, path: &EntryPath) -> bool {
        let Some(package) = package_of(path).filter(|package| package.registry == Registry::Npm) else {
            return false;
        };
        self.optional
            .get_or_init(|| optional_packages(self.subject))
            .contains(package.plain_name())
    }

    /// Makes a finding on files a warning if their package is optional for others, or if the started program continues
    /// without them.
    pub(super) fn weighed(&self, finding: Finding, paths: &[EntryPath]) -> Finding {
        let is_weak = |path: &EntryPath| {
            let is_test = is_test_module(path) && !self.reach().imports(path);
            is_test || self.is_optional(path) || self.reach().does_without(path)
        };
        let is_started = paths.iter().any(|path| self.started.as_ref() == Some(path));
        finding.warning_if(!is_started && paths.iter().all(is_weak))
    }

    /// Returns `true` if there is no shell between the runtime and the started program, so that its environment is that
    /// of the image.
    pub(super) fn is_environment_known(&self) -> bool {
        let is_shell = |path: &EntryPath| {
            let name = path.file_name();
            name == b"busybox" || SHELLS.iter().any(|shell| shell.as_bytes() == name)
        };
        let visits = trail(self.subject).visits;
        let has_shell = visits.iter().any(|visit| {
            let interpreter = shebang::interpreter(&visit.setting, &visit.program.at);
            is_shell(&visit.program.named) || interpreter.is_some_and(|program| is_shell(&program.named))
        });
        !visits.is_empty() && !has_shell
    }

    /// Returns `true` for a file whose path is a part of the command line.
    pub(super) fn is_named_in_command(&self, path: &EntryPath) -> bool {
        let text = path.to_string();
        let execution = &self.subject.execution;
        execution
            .entrypoint
            .iter()
            .chain(&execution.cmd)
            .any(|word| word.contains(&text))
    }

    /// Returns `true` for a module whose package has the same in JavaScript, by the custom of those that node-gyp-build
    /// loads, or is known to do without.
    pub(super) fn is_dispensable(&self, path: &EntryPath) -> bool {
        let Some(package) = package_of(path).filter(|package| package.registry == Registry::Npm) else {
            return false;
        };
        let fallback = package.folder.join(b"fallback.js");
        package.does_without_programs() || fallback.is_ok_and(|path| self.subject.exists(&path))
    }

    /// Returns the C library that the package of a file declares (`libc` in package.json, as npm reads it).
    pub(super) fn declared_libc(&self, path: &EntryPath) -> Option<Libc> {
        let package = package_of(path).filter(|package| package.registry == Registry::Npm)?;
        let manifest = self.subject.content(&package.folder.join(b"package.json").ok()?)?;
        let manifest: Value = serde_json::from_slice(manifest).ok()?;
        match manifest.get("libc")?.as_array()?.as_slice() {
            [Value::String(libc)] if libc == "glibc" => Some(Libc::Glibc),
            [Value::String(libc)] if libc == "musl" => Some(Libc::Musl),
            _ => None,
        }
    }
}

/// Returns `true` for a file that names a loader. Separated debug symbols have the field for the name, but no content.
fn is_program(facts: &ElfFacts) -> bool {
    facts.interpreter.as_ref().is_some_and(|path| !path.is_empty())
}

/// Returns `true` for files that are only read: test data, symbols for debuggers, and the folder of a cross-compiler
/// (`/usr/aarch64-linux-gnu`).
pub(super) fn is_material(path: &EntryPath) -> bool {
    let mut components = path.components();
    let is_cross = components.next() == Some(b"usr")
        && components
            .next()
            .is_some_and(|folder| words(folder).architecture.is_some() && words(folder).libc.is_some());
    is_cross
        || path.as_bytes().starts_with(b"usr/lib/debug/")
        || path.file_name().ends_with(b".debug")
        || path.components().any(|component| MATERIALS.contains(&component))
}

/// Returns `true` for an extension module that a package tests itself with: `_testcapi`, `_multiarray_tests`.
fn is_test_module(path: &EntryPath) -> bool {
    let stem = part_before(path.file_name(), b'.');
    Module::of(path).is_some() && (stem.starts_with(b"_test") || stem.ends_with(b"_tests"))
}

/// The program that the image starts, if it can be found.
fn started(subject: &Subject) -> Option<EntryPath> {
    let name = subject
        .execution
        .entrypoint
        .first()
        .or_else(|| subject.execution.cmd.first())?;
    match Setting::of(subject).look_up(name.as_bytes()) {
        Lookup::Found(program) => Some(program.at),
        Lookup::Unknown | Lookup::Failed(_) => None,
    }
}
