//! The spec's ignore file: gitignore(5), or Docker's rules for a file named `….dockerignore`.
//!
//! The rules apply only inside the spec's directory, and only to paths that a walk finds. A path that `from` names is
//! always packed.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::os::unix::ffi::OsStrExt as _;

use super::error::FilesError;
use crate::model::{InputFile, Pipes, literal_braces};
use crate::spec::IgnoreFile;

/// Greatest size of an ignore file, in bytes: far above any file written by hand, and small enough to hold in memory.
pub const MAX_IGNORE_FILE_BYTES: u64 = 1024 * 1024;

/// Each `**` inside a name doubles the globs of its line. Further ones in a line are read as `*`.
const MAX_WILD_NAMES: usize = 3;

/// The rules of the spec's ignore file.
#[derive(Debug, Default)]
pub struct IgnoreRules {
    /// The spec's directory, canonical.
    root: PathBuf,
    rules: Rules,
}

#[derive(Debug, Default)]
enum Rules {
    #[default]
    None,
    Git(Gitignore),
    Docker(Vec<DockerRule>),
}

/// One line of a `.dockerignore`.
#[derive(Debug)]
struct DockerRule {
    globs: GlobSet,
    /// The line begins with `!`.
    includes: bool,
}

/// The result of the rules for a path. Entries below a directory inherit it.
#[derive(Debug, Clone, Default)]
pub(super) struct IgnoreState {
    /// The path is left out.
    pub ignored: bool,
    /// The Docker rules that matched the path or a directory above it; empty for none.
    matched: Arc<[bool]>,
}

impl IgnoreRules {
    /// Reads the ignore file of a spec in `spec_directory`.
    ///
    /// # Errors
    /// Returns [`FilesError::IgnoreFile`] if it cannot be read, or if it is required and does not exist. Returns
    /// [`FilesError::IgnoreLine`] for a line that is not a valid pattern.
    pub fn load(file: &IgnoreFile, spec_directory: &Path) -> Result<Self, FilesError> {
        let failed = |source| FilesError::IgnoreFile {
            path: file.path.clone(),
            source,
        };
        let text = match read(&file.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !file.required => return Ok(Self::default()),
            other => other.map_err(failed)?,
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let docker = file
            .path
            .file_name()
            .is_some_and(|name| name.as_bytes().ends_with(b".dockerignore"));
        let rules = if docker {
            Rules::Docker(docker_rules(&file.path, text)?)
        } else {
            Rules::Git(git_rules(&file.path, text)?)
        };
        let directory = if spec_directory.as_os_str().is_empty() {
            Path::new(".")
        } else {
            spec_directory
        };
        Ok(Self {
            root: directory.canonicalize().map_err(failed)?,
            rules,
        })
    }

    /// Returns `true` if there are no rules.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self.rules, Rules::None)
    }

    /// Returns the result for `canonical`, whose directory has the result `parent`.
    pub(super) fn below(&self, parent: &IgnoreState, canonical: &Path, is_directory: bool) -> IgnoreState {
        let relative = match canonical.strip_prefix(&self.root) {
            Ok(relative) if !relative.as_os_str().is_empty() => relative,
            _ => return IgnoreState::default(),
        };
        match &self.rules {
            Rules::None => IgnoreState::default(),
            Rules::Git(rules) => {
                let ignored = matches!(rules.matched(relative, is_directory), Match::Ignore(_));
                IgnoreState {
                    ignored: parent.ignored || ignored,
                    matched: Arc::default(),
                }
            }
            Rules::Docker(rules) => docker_state(rules, parent, relative),
        }
    }

    /// Returns `true` if rules may include entries below an ignored directory again.
    pub(super) fn may_include_again(&self) -> bool {
        matches!(&self.rules, Rules::Docker(rules) if rules.iter().any(|rule| rule.includes))
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    InputFile::open(path, Pipes::Refused)?
        .take(MAX_IGNORE_FILE_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_IGNORE_FILE_BYTES {
        return Err(std::io::Error::other(format!(
            "it is over the limit of {MAX_IGNORE_FILE_BYTES} bytes"
        )));
    }
    String::from_utf8(bytes).map_err(|_| std::io::Error::other("it is not UTF-8"))
}

fn git_rules(path: &Path, text: &str) -> Result<Gitignore, FilesError> {
    let bad = |line, error: ignore::Error| FilesError::IgnoreLine {
        path: path.to_owned(),
        line,
        reason: crate::model::escape(error.to_string().as_bytes()),
    };
    let mut builder = GitignoreBuilder::new("");
    for (number, line) in text.lines().enumerate() {
        builder
            .add_line(None, &literal_braces(line, true))
            .map_err(|error| bad(number + 1, error))?;
    }
    builder.build().map_err(|error| bad(text.lines().count(), error))
}

/// Parses the rules of a `.dockerignore`. The last line that matches a path, or a directory above it, decides.
fn docker_rules(path: &Path, text: &str) -> Result<Vec<DockerRule>, FilesError> {
    let mut rules = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = if line.starts_with('#') { "" } else { line.trim() };
        let (includes, pattern) = match line.strip_prefix('!') {
            Some(rest) => (true, rest.trim_start()),
            None => (false, line),
        };
        let pattern = docker_clean(pattern);
        if pattern.is_empty() {
            continue;
        }
        let globs = docker_globs(&pattern).map_err(|reason| FilesError::IgnoreLine {
            path: path.to_owned(),
            line: number + 1,
            reason,
        })?;
        rules.push(DockerRule { globs, includes });
    }
    Ok(rules)
}

/// Returns a pattern without leading and trailing slashes, `.` and `..`. Returns an empty text if it means the
/// directory itself, which is never left out, or something outside it.
fn docker_clean(pattern: &str) -> String {
    let mut parts = Vec::new();
    for part in pattern.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match part {
            ".." if parts.pop().is_none() => return String::new(),
            ".." => {}
            name => parts.push(name),
        }
    }
    parts.join("/")
}

fn docker_globs(pattern: &str) -> Result<GlobSet, String> {
    let mut set = GlobSetBuilder::new();
    for variant in docker_variants(pattern) {
        let glob = GlobBuilder::new(&literal_braces(&variant, true))
            .literal_separator(true)
            .backslash_escape(true)
            .build()
            .map_err(|error| format!("bad pattern: {}", error.kind()))?;
        set.add(glob);
    }
    set.build().map_err(|error| error.to_string())
}

/// Returns the globs for a pattern. Docker's `**` also matches slashes inside a name (`**.log`), so it is expanded to
/// `*` and `*/**/*`.
fn docker_variants(pattern: &str) -> Vec<String> {
    let mut variants = vec![String::new()];
    let mut wild_names = 0;
    for (position, part) in pattern.split('/').enumerate() {
        let separator = if position == 0 { "" } else { "/" };
        let mut choices = vec![part.to_owned()];
        if let Some((before, after)) = part.split_once("**").filter(|_| part != "**") {
            wild_names += 1;
            choices = vec![format!("{before}*{after}")];
            if wild_names <= MAX_WILD_NAMES {
                choices.push(format!("{before}*/**/*{after}"));
            }
        }
        variants = variants
            .iter()
            .flat_map(|start| choices.iter().map(move |choice| format!("{start}{separator}{choice}")))
            .collect();
    }
    variants
}

fn docker_state(rules: &[DockerRule], parent: &IgnoreState, relative: &Path) -> IgnoreState {
    let candidate = Candidate::new(relative);
    let mut ignored = false;
    let mut matched = Vec::with_capacity(rules.len());
    for (position, rule) in rules.iter().enumerate() {
        let matches =
            parent.matched.get(position).copied().unwrap_or(false) || rule.globs.is_match_candidate(&candidate);
        if matches {
            ignored = !rule.includes;
        }
        matched.push(matches);
    }
    IgnoreState {
        ignored,
        matched: matched.into(),
    }
}
