//! The spec files that `members` and `exclude` of a root file name.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::error::WorkspaceError;
use crate::spec::DEFAULT_NAME;

/// Greatest number of directories that patterns of `members` are compared with. A repository with more has its members
/// in few of them, and can name these.
const MAX_DIRECTORIES: usize = 20_000;

/// Returns the specs that `members` names and `exclude` does not, relative to the directory of the root file, sorted.
/// The root file itself is none of them.
/// An entry is a directory with an `ocitect.toml`, or a file. A pattern stands for the directories and `.toml` files
/// that it matches; directories without an `ocitect.toml` are passed over.
pub(super) fn member_files(
    root: &Path,
    members: &[String],
    exclude: &[String],
) -> Result<Vec<PathBuf>, WorkspaceError> {
    let directory = root.parent().unwrap_or(Path::new(""));
    let excluded = exclude
        .iter()
        .map(|pattern| matcher(pattern))
        .collect::<Result<Vec<_>, _>>()?;
    let is_root = |path: &Path| Some(path.as_os_str()) == root.file_name();
    let is_excluded = |path: &Path| {
        is_root(path)
            || excluded
                .iter()
                .any(|pattern| path.ancestors().any(|above| pattern.is_match(above)))
    };
    let mut found = BTreeSet::new();
    for entry in members {
        let leads_out = |part: Component<'_>| !matches!(part, Component::Normal(_) | Component::CurDir);
        if Path::new(entry).components().any(leads_out) {
            return Err(WorkspaceError::Outside {
                root: root.to_owned(),
                entry: entry.clone(),
            });
        }
        if is_pattern(entry) {
            let pattern = matcher(entry)?;
            let mut left = MAX_DIRECTORIES;
            matching(
                directory,
                &fixed_part(entry),
                &pattern,
                &is_excluded,
                &mut left,
                &mut found,
            )?;
            continue;
        }
        let spec = spec_at(directory, &plain(Path::new(entry))).ok_or_else(|| WorkspaceError::NoSpec {
            root: root.to_owned(),
            entry: entry.clone(),
        })?;
        if !is_excluded(&spec) {
            found.insert(spec);
        }
    }
    Ok(found.into_iter().collect())
}

fn matcher(pattern: &str) -> Result<GlobMatcher, WorkspaceError> {
    let text = pattern.trim_start_matches("./").trim_end_matches('/');
    let glob = GlobBuilder::new(text).literal_separator(true).build();
    let glob = glob.map_err(|cause| WorkspaceError::Pattern {
        pattern: pattern.to_owned(),
        reason: cause.kind().to_string(),
    })?;
    Ok(glob.compile_matcher())
}

fn is_pattern(entry: &str) -> bool {
    entry.contains(['*', '?', '[', '{'])
}

/// Returns the directory in front of a pattern.
fn fixed_part(pattern: &str) -> PathBuf {
    let fixed: PathBuf = plain(Path::new(pattern))
        .components()
        .take_while(|part| !is_pattern(&part.as_os_str().to_string_lossy()))
        .collect();
    fixed
}

/// Returns a path without `.` components.
fn plain(path: &Path) -> PathBuf {
    path.components()
        .filter(|part| !matches!(part, Component::CurDir))
        .collect()
}

/// Returns the spec that a path means: the file itself, or the `ocitect.toml` in a directory.
fn spec_at(directory: &Path, path: &Path) -> Option<PathBuf> {
    let full = directory.join(path);
    if full.is_dir() {
        let spec = path.join(DEFAULT_NAME);
        return directory.join(&spec).is_file().then_some(spec);
    }
    full.is_file().then(|| path.to_owned())
}

/// Adds the specs below `at` that a pattern matches. Links to directories, hidden directories and excluded ones are not
/// entered.
fn matching(
    directory: &Path,
    at: &Path,
    pattern: &GlobMatcher,
    is_excluded: &dyn Fn(&Path) -> bool,
    left: &mut usize,
    found: &mut BTreeSet<PathBuf>,
) -> Result<(), WorkspaceError> {
    let failed = |cause: io::Error| WorkspaceError::Read {
        path: directory.join(at),
        reason: cause.to_string(),
    };
    let entries = match fs::read_dir(directory.join(at)) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(failed(cause)),
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let path = at.join(entry.file_name());
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if is_hidden || is_excluded(&path) {
            continue;
        }
        let kind = entry.file_type().map_err(failed)?;
        let is_toml = path.extension().is_some_and(|extension| extension == "toml");
        if pattern.is_match(&path) && (kind.is_dir() || is_toml) {
            found.extend(spec_at(directory, &path));
        }
        if kind.is_dir() && *left > 0 {
            *left -= 1;
            matching(directory, &path, pattern, is_excluded, left, found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_patterns_lead_to_specs() {
        let directory = tempfile::tempdir().unwrap();
        for path in [
            "base",
            "agents/a",
            "agents/b",
            "agents/old",
            "agents/empty",
            "agents/a/deep",
            ".hidden",
        ] {
            fs::create_dir_all(directory.path().join(path)).unwrap();
        }
        let specs = ["base", "agents/a", "agents/b", "agents/old", "agents/a/deep", ".hidden"];
        for spec in specs.map(|path| format!("{path}/ocitect.toml")) {
            fs::write(directory.path().join(spec), "").unwrap();
        }
        fs::write(directory.path().join("servers.toml"), "").unwrap();
        fs::write(directory.path().join("notes.txt"), "").unwrap();
        fs::write(directory.path().join("ocitect.toml"), "").unwrap();
        let root = directory.path().join("ocitect.toml");
        let found = |members: &[&str], exclude: &[&str]| {
            let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
            let files = member_files(&root, &texts(members), &texts(exclude))?;
            Ok::<_, WorkspaceError>(
                files
                    .iter()
                    .map(|path| path.display().to_string())
                    .collect::<Vec<_>>()
                    .join(" "),
            )
        };
        assert_eq!(
            found(&["base", "./agents/*", "servers.toml"], &["agents/old"]).unwrap(),
            "agents/a/ocitect.toml agents/b/ocitect.toml base/ocitect.toml servers.toml"
        );
        assert_eq!(found(&["*.toml"], &[]).unwrap(), "servers.toml");
        assert_eq!(found(&["**"], &["agents"]).unwrap(), "base/ocitect.toml servers.toml");
        assert_eq!(found(&["nothing/*"], &[]).unwrap(), "");
        assert!(matches!(
            found(&["agents/empty"], &[]),
            Err(WorkspaceError::NoSpec { .. })
        ));
        assert!(matches!(found(&["[a"], &[]), Err(WorkspaceError::Pattern { .. })));
        for outside in ["../x", "a/../../x", "/x", "../**"] {
            assert!(
                matches!(found(&[outside], &[]), Err(WorkspaceError::Outside { .. })),
                "{outside}"
            );
        }
    }
}
