//! What a project has built already: programs by platform and C library, jars, wheels, .NET assemblies, pages.
//!
//! Only ELF headers are read, as `check` reads them. Everything else counts by its name.

use std::collections::BTreeSet;
use std::io::{self, Read as _};

use object::ReadCache;

use super::tree::{ProjectTree, file_name, is_result, parent};
use crate::check::{Libc, architecture_of};
use crate::elf::{ElfFacts, ElfType};
use crate::model::{Platform, escape};

/// Greatest number of programs that are looked at in detail. A project has some dozens.
pub const MAX_PROGRAMS: usize = 500;

/// `EI_OSABI` of programs for Linux: System V, which nearly all have, and GNU.
const LINUX_ABIS: [u8; 2] = [0, 3];

/// `e_flags` of arm programs that pass floating point numbers in registers, which ARMv7 systems expect.
const EF_ARM_ABI_FLOAT_HARD: u32 = 0x400;

/// Libraries of the two C libraries and of the compiler, which every base for such programs has, by the start of the name.
const SYSTEM_LIBRARIES: [&str; 16] = [
    "ld-linux",
    "ld64.so",
    "ld-musl",
    "libc.so",
    "libc.musl",
    "libm.so",
    "libpthread.so",
    "libdl.so",
    "librt.so",
    "libutil.so",
    "libresolv.so",
    "libnsl.so",
    "libgcc_s.so",
    "libstdc++.so",
    "libanl.so",
    "linux-vdso",
];

/// What a program needs to be loaded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Linkage {
    /// Nothing.
    Static,
    /// musl's dynamic loader.
    Musl,
    /// glibc's dynamic loader, and a glibc of at least this version, if it names one.
    Glibc(Option<(u32, u32)>),
    /// Another dynamic loader.
    Other(String),
}

/// A program for Linux.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program {
    /// Its path.
    pub path: String,
    /// What it runs on.
    pub platform: Platform,
    /// What loads it.
    pub linkage: Linkage,
    /// Libraries that it needs and that a base may not have, sorted.
    pub libraries: Vec<String>,
}

impl Program {
    /// Returns what it is in words: `program for linux/amd64, needs glibc 2.34, libpq.so.5`.
    pub fn describe(&self) -> String {
        let mut needs = match &self.linkage {
            Linkage::Static => return format!("program for {}, static", self.platform),
            Linkage::Musl => vec!["musl".to_owned()],
            Linkage::Glibc(None) => vec!["glibc".to_owned()],
            Linkage::Glibc(Some((major, minor))) => vec![format!("glibc {major}.{minor}")],
            Linkage::Other(loader) => vec![escape(loader.as_bytes())],
        };
        needs.extend(self.libraries.iter().map(|name| escape(name.as_bytes())));
        format!("program for {}, needs {}", self.platform, needs.join(", "))
    }
}

/// A wheel, by the tags in its name (PEP 427).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wheel {
    /// Its path.
    pub path: String,
    /// The name of the distribution, as wheels write it.
    pub distribution: String,
    /// `any`, `manylinux2014_x86_64`, `musllinux_1_2_aarch64`.
    pub platform_tag: String,
}

impl Wheel {
    fn of(path: &str) -> Option<Self> {
        let parts: Vec<&str> = file_name(path).strip_suffix(".whl")?.split('-').collect();
        if !(5..=6).contains(&parts.len()) {
            return None;
        }
        let platform_tag = (*parts.last()?).to_owned();
        Some(Self {
            path: path.to_owned(),
            distribution: parts[0].to_owned(),
            platform_tag,
        })
    }

    /// Returns the platform of Linux that the wheel is for; `None` for one that is for all, or for another system.
    pub fn platform(&self) -> Option<Platform> {
        let platforms = [
            "linux/amd64",
            "linux/arm64",
            "linux/386",
            "linux/ppc64le",
            "linux/s390x",
            "linux/riscv64",
        ];
        let mut platforms = platforms.iter().filter_map(|text| Platform::parse_known(text).ok());
        platforms.find(|platform| {
            self.platform_tag.contains("linux") && self.platform_tag.ends_with(&format!("_{}", platform.machine()))
        })
    }

    /// Returns `true` for a wheel without compiled parts.
    pub fn is_pure(&self) -> bool {
        self.platform_tag == "any"
    }

    /// Returns `true` for a wheel that needs musl.
    pub fn is_musl(&self) -> bool {
        self.platform_tag.starts_with("musllinux")
    }
}

/// What was found in the directories of build results.
#[derive(Debug, Default)]
pub struct Artifacts {
    /// Programs for Linux, sorted by path.
    pub programs: Vec<Program>,
    /// Jars that may be started, sorted.
    pub jars: Vec<String>,
    /// Wheels, sorted by path.
    pub wheels: Vec<Wheel>,
    /// .NET programs: their `NAME.runtimeconfig.json`, sorted.
    pub dotnet: Vec<String>,
    /// Directories with an `index.html`, sorted.
    pub pages: Vec<String>,
    /// What is there and no image for Linux can run, and why.
    pub notes: Vec<String>,
}

impl Artifacts {
    /// Looks at the build results of a project.
    pub fn read(tree: &ProjectTree) -> Self {
        let mut artifacts = Self::default();
        let installed = installed_packages(tree);
        for path in tree.files().filter(|path| is_result(path)) {
            let name = file_name(path);
            let is_in_package = installed.iter().any(|directory| path.starts_with(directory));
            if path.contains('$') || path.contains(char::is_control) {
                // A spec would take it for a variable, and no one means such a file.
                continue;
            }
            if name == "index.html" {
                artifacts.pages.push(parent(path).to_owned());
            } else if name.ends_with(".jar") && is_started(name) {
                artifacts.jars.push(path.to_owned());
            } else if name.ends_with(".runtimeconfig.json") {
                artifacts.dotnet.push(path.to_owned());
            } else if let Some(wheel) = Wheel::of(path) {
                artifacts.wheels.push(wheel);
            } else if !is_in_package {
                artifacts.look_at_program(tree, path);
            }
        }
        artifacts.remove_apphosts();
        artifacts
    }

    fn look_at_program(&mut self, tree: &ProjectTree, path: &str) {
        if self.programs.len() >= MAX_PROGRAMS {
            return;
        }
        let shown = escape(path.as_bytes());
        match read_program(tree, path) {
            Ok(Found::Program(program)) => self.programs.push(program),
            Ok(Found::Foreign(what)) => self
                .notes
                .push(format!("{shown} is {what}: images for Linux cannot run it")),
            Ok(Found::Other) => {}
            Err(reason) => self.notes.push(format!("{shown} was skipped: {reason}")),
        }
    }

    /// Forgets the programs that .NET puts beside an assembly: `dotnet NAME.dll` starts it on every processor.
    fn remove_apphosts(&mut self) {
        let hosts: BTreeSet<String> = self
            .dotnet
            .iter()
            .filter_map(|path| Some(path.strip_suffix(".runtimeconfig.json")?.to_owned()))
            .collect();
        self.programs.retain(|program| !hosts.contains(&program.path));
    }
}

/// Directories of installed Python packages and virtual environments, with a `/` at the end: programs in them are tools of
/// these packages.
fn installed_packages(tree: &ProjectTree) -> BTreeSet<String> {
    let packages = tree
        .directories()
        .filter(|path| path.ends_with(".dist-info"))
        .map(parent);
    let environments = tree.files().filter(|path| file_name(path) == "pyvenv.cfg").map(parent);
    packages
        .chain(environments)
        .map(|directory| format!("{directory}/"))
        .collect()
}

/// Returns `false` for the jars that build tools write beside the one that is started.
fn is_started(name: &str) -> bool {
    let stem = name.trim_end_matches(".jar");
    let is_extra = ["-sources", "-javadoc", "-tests", "-plain", "-original"]
        .iter()
        .any(|end| stem.ends_with(end));
    !is_extra && !stem.starts_with("original-") && !stem.ends_with("-wrapper")
}

enum Found {
    Program(Program),
    Foreign(&'static str),
    Other,
}

fn read_program(tree: &ProjectTree, path: &str) -> Result<Found, String> {
    let mut file = tree.open(path).map_err(|error| error.to_string())?;
    let mut magic = [0; 4];
    match file.read_exact(&mut magic) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Found::Other),
        outcome => outcome.map_err(|error| error.to_string())?,
    }
    match &magic {
        b"\x7fELF" => {}
        // Mach-O of 64 bits, little-endian.
        b"\xcf\xfa\xed\xfe" => return Ok(Found::Foreign("a program for macOS")),
        [b'M', b'Z', ..] if path.ends_with(".exe") => return Ok(Found::Foreign("a program for Windows")),
        _ => return Ok(Found::Other),
    }
    let cache = ReadCache::new(file);
    let facts = ElfFacts::read(&cache).map_err(|error| error.to_string())?;
    Ok(facts
        .filter(|facts| is_program(path, facts))
        .map_or(Found::Other, |facts| classify(path, &facts)))
}

/// Returns `false` for shared libraries. A static program that can be relocated has neither an interpreter nor needs.
fn is_program(path: &str, facts: &ElfFacts) -> bool {
    let name = file_name(path);
    let is_library = name.contains(".so") || name.ends_with(".node") || facts.soname.is_some();
    facts.elf_type == ElfType::Executable
        || facts.interpreter.is_some() && !is_library
        || facts.needed.is_empty() && !is_library
}

fn classify(path: &str, facts: &ElfFacts) -> Found {
    if !LINUX_ABIS.contains(&facts.os_abi) {
        return Found::Foreign("a program for another system than Linux");
    }
    let Some(architecture) = architecture_of(facts) else {
        return Found::Foreign("for an unknown processor");
    };
    let variant = match architecture {
        "arm" if facts.flags & EF_ARM_ABI_FLOAT_HARD != 0 => "/v7",
        "arm" => "/v5",
        _ => "",
    };
    let Ok(platform) = Platform::parse_known(&format!("linux/{architecture}{variant}")) else {
        return Found::Foreign("for a processor that images have no name for");
    };
    let text = |name: &Vec<u8>| String::from_utf8_lossy(name).into_owned();
    let is_system = |name: &String| SYSTEM_LIBRARIES.iter().any(|start| name.starts_with(start));
    let libraries: BTreeSet<String> = facts.needed.iter().map(text).filter(|name| !is_system(name)).collect();
    Found::Program(Program {
        path: path.to_owned(),
        platform,
        linkage: linkage(facts),
        libraries: libraries.into_iter().collect(),
    })
}

fn linkage(facts: &ElfFacts) -> Linkage {
    let Some(interpreter) = &facts.interpreter else {
        return Linkage::Static;
    };
    let text = String::from_utf8_lossy(interpreter).into_owned();
    match Libc::of_loader(file_name(&text).as_bytes()) {
        Some(Libc::Musl) => Linkage::Musl,
        Some(Libc::Glibc) => Linkage::Glibc(newest_glibc(facts)),
        None => Linkage::Other(text),
    }
}

/// The newest version of glibc's symbols that a program needs.
fn newest_glibc(facts: &ElfFacts) -> Option<(u32, u32)> {
    let versions = facts.version_needs.iter().flat_map(|need| &need.versions);
    let numbers = versions.filter_map(|version| {
        let text = std::str::from_utf8(version).ok()?.strip_prefix("GLIBC_")?;
        let mut numbers = text.split('.').map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    });
    numbers.max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::tests::projects::{HELLO_AMD64, HELLO_ARM64, project, project_of_bytes};

    #[test]
    fn programs_are_told_from_libraries_and_from_those_of_packages() {
        let mut foreign = vec![0; 64];
        foreign[..4].copy_from_slice(b"\xcf\xfa\xed\xfe");
        let directory = project_of_bytes(&[
            ("dist/amd64/server", HELLO_AMD64),
            ("dist/arm64/server", HELLO_ARM64),
            ("dist/amd64/libx.so.1", b"\x7fELF"),
            ("dist/x86_64/ruff-1.dist-info/METADATA", b""),
            ("dist/x86_64/bin/ruff", HELLO_AMD64),
            ("build/venv-1/pyvenv.cfg", b""),
            ("build/venv-1/bin/python3", HELLO_AMD64),
            ("dist/mac/server", &foreign),
            ("dist/damaged", &HELLO_AMD64[..70]),
            ("src/server", HELLO_AMD64),
        ]);
        let artifacts = Artifacts::read(&ProjectTree::read(directory.path()).unwrap());
        let found: Vec<String> = artifacts
            .programs
            .iter()
            .map(|program| format!("{}: {}", program.path, program.describe()))
            .collect();
        assert_eq!(
            found,
            [
                "dist/amd64/server: program for linux/amd64, static",
                "dist/arm64/server: program for linux/arm64, static"
            ]
        );
        let notes = artifacts.notes.join("\n");
        assert!(
            notes.contains("dist/mac/server is a program for macOS: images for Linux cannot run it"),
            "{notes}"
        );
        assert!(
            notes.contains("dist/damaged was skipped: the ELF file is damaged"),
            "{notes}"
        );
    }

    #[test]
    fn wheels_say_what_they_are_for() {
        let wheel = |name: &str| Wheel::of(name).unwrap();
        let native = wheel("dist/hello_x-1.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl");
        assert_eq!(
            (native.distribution.as_str(), native.is_pure(), native.is_musl()),
            ("hello_x", false, false)
        );
        assert_eq!(native.platform().unwrap().to_string(), "linux/amd64");
        let musl = wheel("dist/hello-1.0-cp312-cp312-musllinux_1_2_aarch64.whl");
        assert_eq!(
            (musl.is_musl(), musl.platform().unwrap().to_string()),
            (true, "linux/arm64".to_owned())
        );
        assert!(wheel("dist/hello-1.0-py3-none-any.whl").is_pure());
        assert_eq!(
            wheel("dist/hello-1.0-cp312-cp312-macosx_11_0_arm64.whl").platform(),
            None
        );
        assert_eq!(Wheel::of("dist/hello.whl"), None);
    }

    #[test]
    fn other_results_are_found_by_their_names() {
        let directory = project(&[
            ("target/app-1.0.jar", ""),
            ("target/app-1.0-sources.jar", ""),
            ("target/original-app-1.0.jar", ""),
            ("dist/index.html", ""),
            ("bin/Release/net8.0/publish/App.runtimeconfig.json", "{}"),
        ]);
        std::fs::write(directory.path().join("bin/Release/net8.0/publish/App"), HELLO_AMD64).unwrap();
        let artifacts = Artifacts::read(&ProjectTree::read(directory.path()).unwrap());
        assert_eq!(artifacts.jars, ["target/app-1.0.jar"]);
        assert_eq!(artifacts.pages, ["dist"]);
        assert_eq!(artifacts.dotnet, ["bin/Release/net8.0/publish/App.runtimeconfig.json"]);
        assert!(artifacts.programs.is_empty(), "{:?}", artifacts.programs);
    }
}
