//! The document of one platform: overrides are merged, variables expanded, and the result is read into its types.
//!
//! A merged tree keeps all positions, so that later errors still point to the right place in the text.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::config::ConfigSpec;
use super::convert::{self, Context, Input, Var};
use super::document::ONCE_IN_IMAGE;
use super::error::Problem;
use super::schema::{ImageSpec, PlatformSpec};
use super::tree::{Node, Span, Table, Value};
use super::variables::{BaseEnv, Scope, Variables, required_is_unset};
use super::{dollar, merge, shape};
use crate::model::{Platform, escape};

/// The only supported format.
const FORMAT: i128 = 1;

/// Checks the format. Done before the keys are checked, since a newer format may have other keys.
pub(super) fn check_format(document: &Node) -> Result<(), Problem> {
    let Some(Node {
        value: Value::Integer(format),
        span,
        ..
    }) = document.get("format")
    else {
        return Ok(());
    };
    match *format {
        FORMAT => Ok(()),
        ..FORMAT => Err(Problem::new(span, "unknown format").help("write format = 1")),
        _ => Err(Problem::new(
            span,
            "the spec needs a newer version of ocitect: this one supports format 1",
        )
        .help("update ocitect, or write format = 1")),
    }
}

/// Returns the env-files, joined to the spec's directory. They are read before variables are known, so their names
/// cannot contain variables.
pub(super) fn env_files(document: &Node, directory: &Path) -> Result<Vec<PathBuf>, Problem> {
    let named = document.get("env-files").map_or(&[][..], Node::items);
    let paths = named.iter().map(|file| match file.as_text().unwrap_or_default() {
        name if name.contains("${") => Err(Problem::new(
            &file.span,
            "the name of an env-file must not contain variables",
        )
        .help("write the name as it is: env-files are read before variables are known")),
        name if name.is_empty() || name.contains('\0') => {
            Err(Problem::new(&file.span, "not a valid path of an env-file"))
        }
        name => Ok(directory.join(name)),
    });
    paths.collect()
}

/// Returns the dollar signs of a document that only look like variables.
pub(super) fn dollars(document: &Node, context: Context<'_>) -> Result<dollar::Dollars, Problem> {
    let vars = convert::vars(Input::new(document, context))?;
    let names: Vec<&str> = vars.keys().map(String::as_str).collect();
    Ok(dollar::find(document, &names, &context.source.text))
}

/// Returns the settings of `[image]` that are the same for all platforms, and checks the keys of `[platform."…"]`
/// against them.
pub(super) fn image(document: &Node, context: Context<'_>) -> Result<ImageSpec, Problem> {
    let vars = convert::vars(Input::new(document, context))?;
    let mut overridden = BTreeSet::new();
    for (_, platform) in platform_tables(document) {
        overridden.extend(convert::vars(Input::new(platform, context))?.into_keys());
    }
    let Some(mut image) = document.get("image").cloned() else {
        return Err(Problem::new(&(0..0), "the spec has no `image`"));
    };
    if let Value::Table(table) = &mut image.value {
        table.retain(|key, _| ONCE_IN_IMAGE.contains(&key.as_str()));
    }
    let variables = Variables {
        vars: &vars,
        outside: context.outside,
        scope: Scope::Image(&overridden),
        base: BaseEnv::Refused,
    };
    variables.expand_all(&mut image, &context.source.text)?;
    let image = convert::identity(Input::new(&image, context))?;
    check_platform_tables(document, &image)?;
    Ok(image)
}

/// Returns the names of `[platform."…"]` and their tables.
fn platform_tables(document: &Node) -> impl Iterator<Item = (&str, &Node)> {
    document.get("platform").into_iter().flat_map(Node::entries)
}

fn check_platform_tables(document: &Node, image: &ImageSpec) -> Result<(), Problem> {
    let mut seen: Vec<(Platform, &Span)> = Vec::new();
    for (name, table) in platform_tables(document) {
        let span = &table.key;
        let platform = convert::parse_platform(name, span)?;
        if !image.platforms.iter().any(|known| known.is_same_as(&platform)) {
            return Err(convert::unknown_platform(&platform, &image.platforms, span));
        }
        if let Some((_, first)) = seen.iter().find(|(known, _)| known.is_same_as(&platform)) {
            return Err(Problem::new(span, "two tables for one platform").context(first, "the other one"));
        }
        seen.push((platform, span));
    }
    Ok(())
}

/// The document of one platform, before variables are expanded.
pub(super) struct Merged {
    platform: Platform,
    document: Node,
    pub(super) vars: BTreeMap<String, Var>,
}

impl Merged {
    /// Merges the override of a platform into the document.
    pub(super) fn new(context: Context<'_>, parsed: &Node, platform: &Platform) -> Result<Self, Problem> {
        let mut document = parsed.clone();
        document.remove("platform");
        let is_this = |key: &str| key.parse().is_ok_and(|key: Platform| key.is_same_as(platform));
        let over = platform_tables(parsed).find(|(name, _)| is_this(name));
        if let (Value::Table(table), Some((_, over))) = (&mut document.value, over) {
            merge::merge(table, over)?;
        }
        Ok(Self {
            platform: platform.clone(),
            vars: convert::vars(Input::new(&document, context))?,
            document,
        })
    }

    fn variables<'b>(&'b self, context: Context<'b>, base: BaseEnv<'b>) -> Variables<'b> {
        Variables {
            vars: &self.vars,
            outside: context.outside,
            scope: Scope::Platform(&self.platform),
            base,
        }
    }

    /// Returns the values of all variables by their names; `None` for one without a value.
    pub(super) fn values(&self, context: Context<'_>) -> BTreeMap<&str, Option<String>> {
        let variables = self.variables(context, BaseEnv::Refused);
        let names = self.vars.keys();
        names.map(|name| (name.as_str(), variables.value(name))).collect()
    }

    /// Reads everything except `[config]`, which is checked as far as it does not depend on the base image.
    pub(super) fn platform_spec(&self, context: Context<'_>, image: &ImageSpec) -> Result<PlatformSpec, Problem> {
        let mut document = self.document.clone();
        for key in ["vars", "config", "env-files"] {
            document.remove(key);
        }
        self.variables(context, BaseEnv::Refused)
            .expand_all(&mut document, &context.source.text)?;
        // Checked again, since a keyword may come from a variable.
        if let Some(problem) = shape::check(&document).into_iter().next() {
            return Err(problem);
        }
        let spec = convert::platform(Input::new(&document, context), image, &self.platform)?;
        self.check_config(context)?;
        Ok(spec)
    }

    /// Drops everything but what [`Self::config_spec`] needs.
    pub(super) fn keep_config(&mut self) {
        if let Value::Table(table) = &mut self.document.value {
            table.retain(|key, _| key == "config");
        }
    }

    /// Reads `[config]`, with the base image's environment.
    pub(super) fn config_spec(
        &self,
        context: Context<'_>,
        base_env: &[(String, String)],
    ) -> Result<ConfigSpec, Problem> {
        let config = self.expanded_config(context, BaseEnv::Known(base_env))?;
        convert::config(Input::new(&config, context))
    }

    /// Checks `[config]` as far as possible before the base image is known.
    fn check_config(&self, context: Context<'_>) -> Result<(), Problem> {
        let config = self.expanded_config(context, BaseEnv::Unknown)?;
        if !self.document.get("config").is_some_and(names_base) {
            convert::config(Input::new(&config, context))?;
        }
        Ok(())
    }

    fn expanded_config(&self, context: Context<'_>, base: BaseEnv<'_>) -> Result<Node, Problem> {
        let none = || Node {
            value: Value::Table(Table::new()),
            span: 0..0,
            key: 0..0,
        };
        let mut config = self.document.get("config").cloned().unwrap_or_else(none);
        self.variables(context, base)
            .expand_all(&mut config, &context.source.text)?;
        Ok(config)
    }

    /// Returns a problem for each required variable that is unset or empty.
    pub(super) fn unset_required(&self, context: Context<'_>) -> Vec<Problem> {
        let variables = self.variables(context, BaseEnv::Refused);
        let required = self.vars.iter().filter_map(|(name, var)| match var {
            Var::Table(table) => Some((name, table, table.required.as_ref()?)),
            Var::Value(_) => None,
        });
        let unset = required.filter(|(name, ..)| variables.value(name).is_none_or(|value| value.is_empty()));
        let problems = unset.map(|(name, table, required)| {
            let help = (!required.is_empty()).then(|| escape(required.as_bytes()));
            Problem::new(&table.required_span, required_is_unset(name, table.env.as_deref())).help_if(help)
        });
        problems.collect()
    }

    /// Returns the dollar signs that only look like variables.
    pub(super) fn dollars(&self, context: Context<'_>) -> dollar::Dollars {
        let vars: Vec<&str> = self.vars.keys().map(String::as_str).collect();
        dollar::find(&self.document, &vars, &context.source.text)
    }

    /// Returns the ignore file, if the variables of its name are set.
    pub(super) fn ignore_file(&self, context: Context<'_>) -> Option<PathBuf> {
        let Some(named) = self.document.get("image")?.get("ignore-file") else {
            return Some(context.directory.join(convert::DEFAULT_IGNORE_FILE));
        };
        let name = self
            .variables(context, BaseEnv::Refused)
            .expand(named.as_text()?, &named.span, &context.source.text)
            .ok()?;
        Some(context.directory_at(&named.span).join(name))
    }
}

/// Returns `true` if a string refers to a variable of the base image.
fn names_base(node: &Node) -> bool {
    match &node.value {
        Value::Text(text) => text.contains("${base."),
        Value::List(items) => items.iter().any(names_base),
        Value::Table(table) => table.values().any(names_base),
        _ => false,
    }
}
