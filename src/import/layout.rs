//! Which part of a path is the platform: `dist/amd64/server` and `dist/arm64/server` are `dist/${arch}/server`.

use std::collections::{BTreeMap, BTreeSet};

use super::artifacts::{Linkage, Program};
use super::tree::{ProjectTree, RESULT_DIRECTORIES, file_name, parent};
use crate::model::Platform;

/// Platforms whose directories are looked for, most common first.
const KNOWN_PLATFORMS: [&str; 7] = [
    "linux/amd64",
    "linux/arm64",
    "linux/arm/v7",
    "linux/386",
    "linux/ppc64le",
    "linux/riscv64",
    "linux/s390x",
];

/// Variables of a spec that differ by platform; the earlier one is chosen where two of them fit.
const VARIABLES: [&str; 4] = ["arch", "machine", "node_arch", "gnu_triplet"];

/// Words of file names that are no part of a program's own name.
const PLATFORM_WORDS: [&str; 10] = [
    "linux",
    "unknown",
    "gnu",
    "musl",
    "gnueabihf",
    "musleabihf",
    "static",
    "glibc",
    "release",
    "v1",
];

/// Where one program is, for each platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The path, perhaps with a variable: `dist/${arch}/server`.
    pub from: String,
    /// The platforms that it exists for, or whose directory exists.
    pub platforms: Vec<Platform>,
    /// The path for each platform, if no variable gives it; `from` is then `${PROGRAM}`.
    pub paths: BTreeMap<Platform, String>,
}

/// The variable of the spec that holds the path of a program that no built-in variable gives.
pub const PATH_VARIABLE: &str = "PROGRAM";

impl Layout {
    /// Returns the path for a platform.
    pub fn path(&self, platform: &Platform) -> String {
        self.paths
            .get(platform)
            .cloned()
            .unwrap_or_else(|| expand(&self.from, platform))
    }
}

/// Returns the known platforms, most common first.
pub fn known_platforms() -> Vec<Platform> {
    KNOWN_PLATFORMS
        .iter()
        .filter_map(|text| Platform::parse_known(text).ok())
        .collect()
}

/// Returns the two platforms that a spec is for if nothing says otherwise.
pub fn default_platforms() -> Vec<Platform> {
    known_platforms().into_iter().take(2).collect()
}

/// Returns a path with the variables of a platform in it.
pub fn expand(template: &str, platform: &Platform) -> String {
    VARIABLES.iter().fold(template.to_owned(), |text, name| {
        text.replace(&format!("${{{name}}}"), &value(name, platform))
    })
}

/// Returns the programs by their own names, without the words of platforms: `server-linux-amd64` is `server`.
pub fn programs_by_name(programs: &[Program]) -> BTreeMap<String, Vec<&Program>> {
    let mut by_name: BTreeMap<String, Vec<&Program>> = BTreeMap::new();
    for program in programs {
        by_name
            .entry(own_name(file_name(&program.path), &program.platform))
            .or_default()
            .push(program);
    }
    by_name
}

/// Returns where the programs of one name are: the paths of as many platforms as one variable gives.
pub fn layout_of(programs: &[&Program], tree: &ProjectTree) -> Option<Layout> {
    let mut templates: BTreeMap<String, BTreeMap<Platform, &Program>> = BTreeMap::new();
    for program in programs {
        for template in templates_of(&program.path, &program.platform) {
            templates
                .entry(template)
                .or_default()
                .insert(program.platform.clone(), program);
        }
    }
    let all: BTreeSet<&Platform> = programs.iter().map(|program| &program.platform).collect();
    let (from, found) = templates
        .into_iter()
        .max_by_key(|(from, found)| preference(from, found))?;
    if found.len() < all.len() {
        return Some(listed(programs));
    }
    let mut platforms: BTreeSet<Platform> = found.into_keys().collect();
    if from.contains("${") {
        let has_directory = |platform: &Platform| tree.has_directory(parent(&expand(&from, platform)));
        let is_in_directory = parent(&from).contains("${");
        platforms.extend(
            known_platforms()
                .into_iter()
                .filter(|platform| is_in_directory && has_directory(platform)),
        );
    }
    Some(Layout {
        from,
        platforms: platforms.into_iter().collect(),
        paths: BTreeMap::new(),
    })
}

/// Returns where something is that has one directory for each platform, such as `node_modules`: the variable for which most
/// of these directories exist. `is_there` says whether one of them is what is looked for.
pub fn directory_layout(suffix: &str, is_there: impl Fn(&str) -> bool) -> Option<Layout> {
    let mut best: Option<Layout> = None;
    for root in RESULT_DIRECTORIES {
        for variable in VARIABLES {
            for prefix in ["", "linux-", "linux_", "linux/"] {
                let from = format!("{root}/{prefix}${{{variable}}}{suffix}");
                let mut platforms = known_platforms();
                platforms.retain(|platform| is_there(&expand(&from, platform)));
                if platforms.len() > best.as_ref().map_or(0, |best| best.platforms.len()) {
                    best = Some(Layout {
                        from,
                        platforms,
                        paths: BTreeMap::new(),
                    });
                }
            }
        }
    }
    best
}

/// Paths that no variable gives, each named for its platform.
fn listed(programs: &[&Program]) -> Layout {
    let mut chosen: BTreeMap<Platform, &Program> = BTreeMap::new();
    for program in programs {
        let known = chosen.entry(program.platform.clone()).or_insert(program);
        if rank(program) < rank(known) {
            *known = program;
        }
    }
    Layout {
        from: format!("${{{PATH_VARIABLE}}}"),
        platforms: chosen.keys().cloned().collect(),
        paths: chosen
            .into_iter()
            .map(|(platform, program)| (platform, program.path.clone()))
            .collect(),
    }
}

/// Static programs come first, since they run on every base; then directories in the order of the list.
fn rank(program: &Program) -> (bool, usize, &str) {
    (program.linkage != Linkage::Static, place(&program.path), &program.path)
}

fn place(path: &str) -> usize {
    let first = path.split('/').next().unwrap_or_default();
    RESULT_DIRECTORIES
        .iter()
        .position(|known| *known == first)
        .unwrap_or(RESULT_DIRECTORIES.len())
}

/// Most platforms first, then a variable, then static programs, then the place, then the earlier variable.
fn preference(from: &str, found: &BTreeMap<Platform, &Program>) -> (usize, bool, bool, isize, isize) {
    let is_static = found.values().all(|program| program.linkage == Linkage::Static);
    let variable = VARIABLES.iter().position(|name| from.contains(&format!("${{{name}}}")));
    let order = |index: usize| -isize::try_from(index).unwrap_or(isize::MAX);
    let variable_order = order(variable.unwrap_or(VARIABLES.len()));
    (
        found.len(),
        variable.is_some(),
        is_static,
        order(place(from)),
        variable_order,
    )
}

fn value(variable: &str, platform: &Platform) -> String {
    match variable {
        "arch" => platform.architecture.clone(),
        "machine" => platform.machine().to_owned(),
        "node_arch" => platform.node_arch().to_owned(),
        _ => platform.gnu_triplet(),
    }
}

/// The path itself, and the path with each variable in place of its value. A path with `$` is only itself.
fn templates_of(path: &str, platform: &Platform) -> BTreeSet<String> {
    let mut templates = BTreeSet::from([path.to_owned()]);
    if !path.contains('$') {
        templates.extend(VARIABLES.iter().filter_map(|name| {
            let replaced = replace_words(path, &value(name, platform), &format!("${{{name}}}"));
            (replaced != path).then_some(replaced)
        }));
    }
    templates
}

/// Replaces a word wherever no letter or digit is beside it.
fn replace_words(text: &str, word: &str, with: &str) -> String {
    let is_part = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    let mut replaced = String::new();
    let mut end = 0;
    for (at, _) in text.match_indices(word) {
        if !is_part(text[..at].chars().next_back()) && !is_part(text[at + word.len()..].chars().next()) {
            replaced.push_str(&text[end..at]);
            replaced.push_str(with);
            end = at + word.len();
        }
    }
    replaced.push_str(&text[end..]);
    replaced
}

/// The name of a program without the words of its platform; the whole name if nothing else is left.
fn own_name(name: &str, platform: &Platform) -> String {
    let without = VARIABLES.iter().fold(name.to_owned(), |text, variable| {
        replace_words(&text, &value(variable, platform), "linux")
    });
    let words = without
        .split(['-', '_', '.'])
        .filter(|word| !PLATFORM_WORDS.contains(word));
    let own: Vec<&str> = words.collect();
    let is_plain = without == name && !own.is_empty() && !name.split(['-', '_', '.']).any(|word| word == "linux");
    if is_plain || own.is_empty() {
        name.to_owned()
    } else {
        own.join("-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::tests::projects::project;

    fn program(path: &str, platform: &str, linkage: Linkage) -> Program {
        Program {
            path: path.to_owned(),
            platform: platform.parse().unwrap(),
            linkage,
            libraries: Vec::new(),
        }
    }

    fn found(programs: &[(&str, &str)]) -> (Layout, Vec<String>) {
        let programs: Vec<Program> = programs
            .iter()
            .map(|(path, platform)| program(path, platform, Linkage::Static))
            .collect();
        let files: Vec<(&str, &str)> = programs.iter().map(|program| (program.path.as_str(), "")).collect();
        let directory = project(&files);
        let tree = ProjectTree::read(directory.path()).unwrap();
        let layout = layout_of(&programs.iter().collect::<Vec<_>>(), &tree).unwrap();
        let platforms = layout.platforms.iter().map(Platform::to_string).collect();
        (layout, platforms)
    }

    #[test]
    fn the_variable_is_the_one_that_fits_all_platforms() {
        for (amd64, arm64, expected) in [
            ("dist/amd64/server", "dist/arm64/server", "dist/${arch}/server"),
            (
                "dist/linux_amd64/server",
                "dist/linux_arm64/server",
                "dist/linux_${arch}/server",
            ),
            ("dist/x64/server", "dist/arm64/server", "dist/${node_arch}/server"),
            (
                "target/x86_64-unknown-linux-musl/release/server",
                "target/aarch64-unknown-linux-musl/release/server",
                "target/${machine}-unknown-linux-musl/release/server",
            ),
            (
                "dist/server-linux-amd64",
                "dist/server-linux-arm64",
                "dist/server-linux-${arch}",
            ),
            (
                "out/x86_64-linux-gnu/server",
                "out/aarch64-linux-gnu/server",
                "out/${machine}-linux-gnu/server",
            ),
        ] {
            let (layout, platforms) = found(&[(amd64, "linux/amd64"), (arm64, "linux/arm64")]);
            assert_eq!(layout.from, expected);
            assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
            assert_eq!(layout.path(&"linux/arm64".parse().unwrap()), arm64);
        }
    }

    #[test]
    fn paths_that_no_variable_gives_are_listed() {
        let (layout, platforms) = found(&[
            ("dist/server_linux_amd64_v1/server", "linux/amd64"),
            ("dist/server_linux_arm64_v8.0/server", "linux/arm64"),
        ]);
        assert_eq!((layout.from.as_str(), platforms.len()), ("${PROGRAM}", 2));
        assert_eq!(
            layout.path(&"linux/arm64".parse().unwrap()),
            "dist/server_linux_arm64_v8.0/server"
        );
    }

    #[test]
    fn one_program_is_for_its_own_platform_and_for_those_whose_directories_exist() {
        assert_eq!(
            found(&[("target/release/server", "linux/amd64")]).0.from,
            "target/release/server"
        );
        let (layout, platforms) = found(&[("dist/arm64/server", "linux/arm64")]);
        assert_eq!(
            (layout.from.as_str(), platforms),
            ("dist/${arch}/server", vec!["linux/arm64".to_owned()])
        );
        let directory = project(&[("dist/amd64/server", ""), ("dist/arm64/README", "")]);
        let tree = ProjectTree::read(directory.path()).unwrap();
        let layout = layout_of(&[&program("dist/amd64/server", "linux/amd64", Linkage::Static)], &tree).unwrap();
        assert_eq!(layout.platforms.len(), 2);
    }

    #[test]
    fn a_static_program_is_preferred() {
        let gnu = program("target/release/x", "linux/amd64", Linkage::Glibc(None));
        let musl = program(
            "target/x86_64-unknown-linux-musl/release/x",
            "linux/amd64",
            Linkage::Static,
        );
        let directory = project(&[]);
        let layout = layout_of(&[&gnu, &musl], &ProjectTree::read(directory.path()).unwrap()).unwrap();
        assert_eq!(layout.from, "target/${machine}-unknown-linux-musl/release/x");
    }

    #[test]
    fn programs_have_a_name_of_their_own() {
        for (path, expected) in [
            ("dist/server-linux-amd64", "server"),
            ("dist/server_amd64", "server"),
            ("dist/my-server", "my-server"),
            ("dist/my_server.bin", "my_server.bin"),
            ("dist/amd64/server", "server"),
            ("dist/linux-amd64", "linux-amd64"),
            ("dist/server-x86_64-unknown-linux-musl", "server"),
        ] {
            assert_eq!(
                own_name(file_name(path), &"linux/amd64".parse().unwrap()),
                expected,
                "{path}"
            );
        }
    }

    #[test]
    fn directories_of_platforms_are_found() {
        let there = ["dist/x64/node_modules", "dist/arm64/node_modules"];
        let layout = directory_layout("/node_modules", |path| there.contains(&path)).unwrap();
        assert_eq!(
            (layout.from.as_str(), layout.platforms.len()),
            ("dist/${node_arch}/node_modules", 2)
        );
        assert_eq!(directory_layout("/node_modules", |_| false), None);
    }
}
