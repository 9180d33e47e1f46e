//! The spec as a whole: reads its text and its env-files, and merges the document of each platform once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{Problem, SourceText, SpecError};
use super::reading::read_bounded;
use super::resolve::{self, Merged, Shared};
use super::schema::{ConfigSpec, ImageSpec, PlatformSpec};
use super::variables::Outside;
use super::{env_file, foreign, shape};
use crate::model::{Pipes, Platform, ShortNames, facts_directory, nearest};

/// The name of the spec in a directory.
pub const DEFAULT_NAME: &str = "ocitect.toml";

/// Greatest size of a spec, in bytes. A spec is written by hand; the limit keeps a wrong file out of memory.
pub const MAX_SPEC_BYTES: u64 = 1024 * 1024;

/// The inputs of a spec from outside its file.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Inputs {
    /// The environment, which `[vars]` refers to.
    pub environment: BTreeMap<String, String>,
    /// `--set K=V`: values of `[vars]` that take precedence over all others.
    pub sets: BTreeMap<String, String>,
    /// Suggestions for a base image without a registry.
    pub short_names: ShortNames,
}

/// A spec whose keys, types and image-wide values are checked. An error of one platform is returned when its values are
/// requested.
pub struct Spec {
    source: Arc<SourceText>,
    directory: PathBuf,
    env_files: Vec<PathBuf>,
    outside: Outside,
    image: ImageSpec,
    /// The values for each of the image's platforms, in their order.
    platform_specs: Vec<Result<PlatformSpec, Problem>>,
    ignore_files: BTreeSet<PathBuf>,
    warnings: Vec<String>,
}

impl fmt::Debug for Spec {
    /// Omits the environment, which may contain secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Spec")
            .field("path", &self.source.path)
            .field("image", &self.image)
            .finish()
    }
}

impl Spec {
    /// Loads a spec from a file, or from the [`DEFAULT_NAME`] in a directory.
    pub fn load(path: &Path, inputs: &Inputs) -> Result<Self, SpecError> {
        let path = if path.is_dir() {
            path.join(DEFAULT_NAME)
        } else {
            path.to_owned()
        };
        // Paths are relative to the spec's directory, and its lockfile is there too. A pipe has no directory.
        let text = read_bounded(&path, MAX_SPEC_BYTES, Pipes::Refused)?;
        Self::parse(&text, &path, inputs)
    }

    /// Parses the text of the spec at `path`. Env-files are read relative to it.
    pub fn parse(text: &str, path: &Path, inputs: &Inputs) -> Result<Self, SpecError> {
        let source = Arc::new(SourceText {
            path: path.to_owned(),
            text: text.to_owned(),
        });
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let invalid = |problem| source.error(vec![problem]);
        let document = resolve::parse_toml(text).map_err(|problem| invalid(named(problem, path, text)))?;
        resolve::check_format(document.get_ref()).map_err(invalid)?;
        let problems = shape::check(&document);
        if !problems.is_empty() {
            return Err(source.error(problems));
        }
        let env_files = resolve::env_files(document.get_ref(), &directory).map_err(invalid)?;
        let outside = outside(inputs, &env_files)?;
        // Checked before a dollar sign makes a name or a tag malformed.
        let dollars = resolve::dollars(document.get_ref(), text).map_err(invalid)?;
        if !dollars.errors.is_empty() {
            return Err(source.error(dollars.errors));
        }
        let image = resolve::image(document.get_ref(), &outside, text).map_err(invalid)?;
        let shared = Shared {
            source: &source,
            directory: &directory,
            outside: &outside,
            image: &image,
        };
        let merged = image
            .platforms
            .iter()
            .map(|platform| Merged::new(shared, &document, platform))
            .collect::<Result<Vec<_>, _>>()
            .map_err(invalid)?;
        check_variables(&merged, shared.outside, &source)?;
        let warnings = check_dollars(&merged, &source)?;
        let ignore_files = ignore_files(&merged, &directory);
        let platform_specs = merged.iter().map(Merged::platform_spec).collect();
        Ok(Self {
            source,
            directory,
            env_files,
            outside,
            image,
            platform_specs,
            ignore_files,
            warnings,
        })
    }

    /// Returns warnings about values that are probably mistakes: `FILE:LINE:COLUMN: message (hint)`, without
    /// duplicates.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns the settings that are the same for all platforms.
    pub fn image(&self) -> &ImageSpec {
        &self.image
    }

    /// Returns the platforms, in the spec's order.
    pub fn platforms(&self) -> &[Platform] {
        &self.image.platforms
    }

    /// Returns the spec's path, as given.
    pub fn path(&self) -> &Path {
        &self.source.path
    }

    /// Returns the spec's directory, which its paths are relative to; `.` for a bare file name.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the path of the lockfile: beside the spec, and named after it.
    pub fn lock_path(&self) -> PathBuf {
        self.source.path.with_extension("lock")
    }

    /// Returns the paths of the spec, its lockfile with the directory of its facts, its ignore files and env-files, whether
    /// they exist or not. They are packed only if a `from` names them.
    pub fn own_files(&self) -> Vec<PathBuf> {
        let lock = self.lock_path();
        let facts = facts_directory(&lock);
        let mut files = vec![self.source.path.clone(), lock, facts];
        files.extend(self.ignore_files.iter().cloned());
        files.extend(self.env_files.iter().cloned());
        files
    }

    /// Returns the values for one platform of the spec: overrides are merged, variables are expanded, and every value
    /// is checked. `[config]` is checked too, as far as it does not depend on the base image.
    pub fn platform(&self, platform: &Platform) -> Result<PlatformSpec, SpecError> {
        let spec = self.platform_specs[self.position(platform)?].clone();
        spec.map_err(|problem| self.source.error(vec![problem]))
    }

    /// Returns `[config]` for one platform of the spec. `${base.NAME}` is expanded from `base_env`, the environment of
    /// the base image.
    pub fn config(&self, platform: &Platform, base_env: &[(String, String)]) -> Result<ConfigSpec, SpecError> {
        let platform = &self.image.platforms[self.position(platform)?];
        let shared = Shared {
            source: &self.source,
            directory: &self.directory,
            outside: &self.outside,
            image: &self.image,
        };
        // The merged document borrows from the text, so it cannot be kept from when the spec was parsed.
        let config = resolve::parse_toml(&self.source.text)
            .and_then(|document| Merged::new(shared, &document, platform)?.config_spec(base_env));
        config.map_err(|problem| self.source.error(vec![problem]))
    }

    /// Returns the position of one of the spec's platforms.
    fn position(&self, platform: &Platform) -> Result<usize, SpecError> {
        let position = self.platforms().iter().position(|known| known.is_same_as(platform));
        position.ok_or_else(|| SpecError::UnknownPlatform {
            platform: platform.clone(),
            path: self.source.path.clone(),
            known: self.platforms().to_vec(),
        })
    }
}

/// Checks that `--set` names known variables, and that every required variable is set on every platform.
fn check_variables(merged: &[Merged<'_>], outside: &Outside, source: &Arc<SourceText>) -> Result<(), SpecError> {
    let mut names = BTreeSet::new();
    let mut problems: Vec<Problem> = Vec::new();
    for merged in merged {
        add_new(&mut problems, merged.unset_required());
        names.extend(merged.vars.keys().map(String::as_str));
    }
    if let Some(name) = outside.sets.keys().find(|name| !names.contains(name.as_str())) {
        let help = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => "use a name that is declared in [vars]".to_owned(),
        };
        return Err(SpecError::UnknownSet {
            name: name.clone(),
            path: source.path.clone(),
            help,
        });
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(source.error(problems))
    }
}

/// Checks values for a `$NAME` that is not expanded: an error if a variable is certainly intended, else a warning.
fn check_dollars(merged: &[Merged<'_>], source: &Arc<SourceText>) -> Result<Vec<String>, SpecError> {
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    for merged in merged {
        let found = merged.dollars();
        add_new(&mut errors, found.errors);
        add_new(&mut warnings, found.warnings);
    }
    if errors.is_empty() {
        Ok(source.lines(warnings))
    } else {
        Err(source.error(errors))
    }
}

/// Returns the ignore files of all platforms, as far as their names are known.
fn ignore_files(merged: &[Merged<'_>], directory: &Path) -> BTreeSet<PathBuf> {
    let names = merged.iter().filter_map(Merged::ignore_file_name);
    names.map(|name| directory.join(name)).collect()
}

/// Adds the format of a text that is not TOML to the problem, if it is known.
fn named(problem: Problem, path: &Path, text: &str) -> Problem {
    match foreign::recognise(path, text) {
        Some(foreign::DOCKERFILE) => Problem::new(
            &(0..0),
            format!("expected a spec in TOML, found {}", foreign::DOCKERFILE),
        )
        .help("run `ocitect init` to write a spec; docs/guides/dockerfile.md translates each instruction"),
        Some(what) => Problem::new(&(0..0), format!("expected a spec in TOML, found {what}")).help(
            "give the path of an ocitect.toml, which has `format = 1` and tables such as [image], [[layers]] and \
             [config]",
        ),
        None => problem,
    }
}

/// Adds problems at places without one yet: platforms share most of a spec.
fn add_new(problems: &mut Vec<Problem>, new: Vec<Problem>) {
    for problem in new {
        if problems.iter().all(|known| known.span != problem.span) {
            problems.push(problem);
        }
    }
}

/// Collects the variables from outside. The environment takes precedence over env-files, and earlier env-files over
/// later ones.
fn outside(inputs: &Inputs, env_files: &[PathBuf]) -> Result<Outside, SpecError> {
    let mut environment = inputs.environment.clone();
    for path in env_files {
        for (name, value) in env_file::read(path)?.unwrap_or_default() {
            environment.entry(name).or_insert(value);
        }
    }
    Ok(Outside {
        sets: inputs.sets.clone(),
        environment,
        short_names: inputs.short_names.clone(),
    })
}
