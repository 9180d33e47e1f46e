//! The spec as a whole: reads its text and its env-files, and merges the document of each platform once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config::ConfigSpec;
use super::convert::{self, Cell, Context, Input, Outside, directory_of, lock_path_of};
use super::error::{Problem, SourceText, SpecError};
use super::reading::{MAX_SPEC_BYTES, parsed, read_bounded};
use super::resolve::{self, Merged};
use super::root::Root;
use super::schema::{ImageSpec, PlatformSpec};
use super::tree::{Node, Value};
use super::{env_file, identity, merge, shape};
use crate::model::{Digest, Pipes, Platform, ShortNames, facts_directory, nearest};

/// The name of the spec in a directory.
pub const DEFAULT_NAME: &str = "ocitect.toml";

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
    lock_path: PathBuf,
    /// The variables that `[matrix]` sets.
    fixed_variables: BTreeSet<String>,
    outside: Outside,
    image: ImageSpec,
    /// The values for each of the image's platforms, in their order.
    platform_specs: Vec<Result<PlatformSpec, Problem>>,
    /// `[config]` of each platform, before variables are expanded.
    configs: Vec<Merged>,
    ignore_files: BTreeSet<PathBuf>,
    warnings: Vec<String>,
    digest: Digest,
    variables_digest: Digest,
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

/// Returns the path of a spec: that of the [`DEFAULT_NAME`] in a directory, else the path itself.
pub fn spec_path(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.join(DEFAULT_NAME)
    } else {
        path.to_owned()
    }
}

impl Spec {
    /// Loads a spec from a file, or from the [`DEFAULT_NAME`] in a directory.
    pub fn load(path: &Path, inputs: &Inputs) -> Result<Self, SpecError> {
        let path = spec_path(path);
        // Paths are relative to the spec's directory, and its lockfile is there too. A pipe has no directory.
        let text = read_bounded(&path, MAX_SPEC_BYTES, Pipes::Refused)?;
        Self::parse(&text, &path, inputs)
    }

    /// Parses the text of the spec at `path`. Env-files are read relative to it.
    pub fn parse(text: &str, path: &Path, inputs: &Inputs) -> Result<Self, SpecError> {
        let source = Arc::new(SourceText::new(path, text));
        let invalid = |problem| source.error(vec![problem]);
        let document = parsed(path, text)?;
        if let Some(matrix) = document.get("matrix") {
            return Err(invalid(
                Problem::new(&matrix.key, "`matrix` is only for members of a workspace")
                    .help("list this spec in `members` of the workspace's ocitect.toml, in a directory above it"),
            ));
        }
        if let Some(workspace) = document.get("workspace") {
            return Err(invalid(
                Problem::new(&workspace.key, "the root file of a workspace describes no image")
                    .help("give the path of a member's spec"),
            ));
        }
        check_shape(&document, &source)?;
        let env_files = resolve::env_files(&document, directory_of(path)).map_err(invalid)?;
        Self::of(source.clone(), document, env_files, inputs, lock_path_of(path))
    }

    /// Loads the spec of a member of a workspace: one for each combination of its `[matrix]`, with the values of the
    /// axes; without `[matrix]` one without values. Variables of `--set` that it does not declare are ignored.
    ///
    /// # Errors
    /// Returns [`SpecError`] if it cannot be read or is invalid.
    pub fn load_member(path: &Path, root: &Root, inputs: &Inputs) -> Result<Vec<(Vec<String>, Self)>, SpecError> {
        let text = read_bounded(path, MAX_SPEC_BYTES, Pipes::Refused)?;
        let document = parsed(path, &text)?;
        let mut source = SourceText::new(path, &text);
        let start = source.add_root(root.path(), root.text());
        let source = Arc::new(source);
        let invalid = |problem| source.error(vec![problem]);
        let mut env_files = resolve::env_files(&document, directory_of(path)).map_err(invalid)?;
        env_files.extend(root.env_files().iter().cloned());
        let mut merged = root.defaults(start);
        merge::merge(&mut merged, &document).map_err(invalid)?;
        let document = Node {
            value: Value::Table(merged),
            ..document
        };
        check_shape(&document, &source)?;
        let mut specs = Vec::new();
        for cell in matrix_cells(&document, &source).map_err(invalid)? {
            let mut document = document.clone();
            document.remove("matrix");
            document.set_all("vars", &cell.vars);
            let inputs = Inputs {
                sets: known_sets(&document, &cell, inputs),
                ..inputs.clone()
            };
            let spec = Self::of(source.clone(), document, env_files.clone(), &inputs, root.lock_path())?;
            let fixed_variables = cell.vars.into_keys().collect();
            specs.push((
                cell.values,
                Self {
                    fixed_variables,
                    ..spec
                },
            ));
        }
        Ok(specs)
    }

    /// Reads everything that does not depend on the base from a document whose keys and types are checked.
    fn of(
        source: Arc<SourceText>,
        document: Node,
        env_files: Vec<PathBuf>,
        inputs: &Inputs,
        lock_path: PathBuf,
    ) -> Result<Self, SpecError> {
        let directory = directory_of(&source.path).to_owned();
        let invalid = |problem| source.error(vec![problem]);
        let outside = outside(inputs, &env_files)?;
        let context = Context {
            source: &source,
            directory: &directory,
            outside: &outside,
        };
        // Checked before a dollar sign makes a name or a tag malformed.
        let dollars = resolve::dollars(&document, context).map_err(invalid)?;
        if !dollars.errors.is_empty() {
            return Err(source.error(dollars.errors));
        }
        let image = resolve::image(&document, context).map_err(invalid)?;
        let merged = image
            .platforms
            .iter()
            .map(|platform| Merged::new(context, &document, platform));
        let mut merged = merged.collect::<Result<Vec<_>, _>>().map_err(invalid)?;
        check_variables(&merged, context, &source)?;
        let warnings = check_dollars(&merged, context, &source)?;
        let ignore_files = ignore_files(&merged, context);
        let variables_digest = identity::variables_digest(&merged, context);
        let platform_specs = merged
            .iter()
            .map(|merged| merged.platform_spec(context, &image))
            .collect();
        merged.iter_mut().for_each(Merged::keep_config);
        Ok(Self {
            source,
            directory,
            env_files,
            lock_path,
            fixed_variables: BTreeSet::new(),
            outside,
            image,
            platform_specs,
            configs: merged,
            ignore_files,
            warnings,
            digest: identity::document_digest(&document),
            variables_digest,
        })
    }

    /// Returns warnings about values that are probably mistakes: `FILE:LINE:COLUMN: message (hint)`, without
    /// duplicates.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns the digest of the spec's values, defaults of its workspace included. Comments, the order of keys and the
    /// values of variables make no difference.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the digest of the values that the variables have on all platforms.
    pub fn variables_digest(&self) -> Digest {
        self.variables_digest
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

    /// Returns the path of the lockfile: beside the spec, and named after it; for a member of a workspace, that of the
    /// root file.
    pub fn lock_path(&self) -> PathBuf {
        self.lock_path.clone()
    }

    /// Returns `true` if `--set` may give a variable of this name.
    pub fn has_variable(&self, name: &str) -> bool {
        !self.fixed_variables.contains(name) && self.configs.iter().any(|merged| merged.vars.contains_key(name))
    }

    /// Returns the IDs of the members of the workspace that the image is based on for some platform, sorted.
    pub fn member_bases(&self) -> BTreeSet<String> {
        let specs = self.platform_specs.iter().flatten();
        specs.filter_map(|spec| spec.member_base().map(str::to_owned)).collect()
    }

    /// Returns the IDs of the members of the workspace that the image takes files from for some platform, sorted.
    pub fn member_sources(&self) -> BTreeSet<String> {
        let specs = self.platform_specs.iter().flatten();
        specs
            .flat_map(PlatformSpec::member_sources)
            .map(str::to_owned)
            .collect()
    }

    /// Returns the IDs of the members of the workspace that the image is based on or takes files from, sorted.
    pub fn needed_members(&self) -> BTreeSet<String> {
        &self.member_bases() | &self.member_sources()
    }

    /// Returns the paths of the spec, its lockfile with the directory of its facts, its ignore files and env-files, whether
    /// they exist or not. They are packed only if a `from` names them.
    pub fn own_files(&self) -> Vec<PathBuf> {
        let lock = self.lock_path();
        let facts = facts_directory(&lock);
        let mut files = vec![self.source.path.clone(), lock, facts];
        files.extend(self.source.root_path().map(Path::to_owned));
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
        let context = Context {
            source: &self.source,
            directory: &self.directory,
            outside: &self.outside,
        };
        let config = self.configs[self.position(platform)?].config_spec(context, base_env);
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
fn check_variables(merged: &[Merged], context: Context<'_>, source: &Arc<SourceText>) -> Result<(), SpecError> {
    let mut names = BTreeSet::new();
    let mut problems: Vec<Problem> = Vec::new();
    for merged in merged {
        add_new(&mut problems, merged.unset_required(context));
        names.extend(merged.vars.keys().map(String::as_str));
    }
    if let Some(name) = context.outside.sets.keys().find(|name| !names.contains(name.as_str())) {
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
fn check_dollars(merged: &[Merged], context: Context<'_>, source: &Arc<SourceText>) -> Result<Vec<String>, SpecError> {
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    for merged in merged {
        let found = merged.dollars(context);
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
fn ignore_files(merged: &[Merged], context: Context<'_>) -> BTreeSet<PathBuf> {
    merged.iter().filter_map(|merged| merged.ignore_file(context)).collect()
}

fn check_shape(document: &Node, source: &Arc<SourceText>) -> Result<(), SpecError> {
    let problems = shape::check(document);
    if problems.is_empty() {
        Ok(())
    } else {
        Err(source.error(problems))
    }
}

/// Returns the images of a spec. Variables are not known yet.
fn matrix_cells(document: &Node, source: &SourceText) -> Result<Vec<Cell>, Problem> {
    let context = Context {
        source,
        directory: directory_of(&source.path),
        outside: &Outside::default(),
    };
    convert::cells(Input::new(document, context))
}

/// Returns the variables of `--set` that a member declares. An axis is set by the matrix alone.
fn known_sets(document: &Node, cell: &Cell, inputs: &Inputs) -> BTreeMap<String, String> {
    let in_platforms = |name: &str| {
        let tables = document.get("platform").into_iter().flat_map(Node::entries);
        tables
            .into_iter()
            .any(|(_, table)| table.get("vars").and_then(|vars| vars.get(name)).is_some())
    };
    let is_declared = |name: &str| {
        let is_general = document.get("vars").and_then(|vars| vars.get(name)).is_some();
        (is_general || in_platforms(name)) && !cell.vars.contains_key(name)
    };
    let declared = inputs.sets.iter().filter(|(name, _)| is_declared(name));
    declared.map(|(name, value)| (name.clone(), value.clone())).collect()
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
