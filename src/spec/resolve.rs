//! The document of one platform: overrides are merged, variables expanded, and the result is read into its types.
//!
//! A merged tree borrows from the text and keeps all positions, so that later errors still point to the right place in
//! the text.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::at::At;
use super::choice::Var;
use super::convert::{self, Context};
use super::error::{Problem, SourceText};
use super::raw::{self, Document, ONCE_IN_IMAGE};
use super::schema::{ConfigSpec, ImageSpec, PlatformSpec};
use super::variables::{BUILT_IN, BaseEnv, Outside, Scope, Variables, required_is_unset};
use super::{dollar, merge, shape, template};
use crate::model::{Platform, escape};

/// The only supported format.
const FORMAT: i64 = 1;

/// Parses the text to a tree. The parser limits its depth.
pub(super) fn parse_toml(text: &str) -> Result<Spanned<DeTable<'_>>, Problem> {
    DeTable::parse(text).map_err(|error| {
        let message = escape(error.message().trim_end().as_bytes());
        let problem = Problem::new(&error.span().unwrap_or(0..0), message.as_str());
        // No other valid value in a spec begins with a zero.
        if message.contains("leading zero") {
            problem.help("write the mode as a string of octal digits: \"0755\"")
        } else {
            problem
        }
    })
}

/// Checks the format. Done before the keys are checked, since a newer format may have other keys.
pub(super) fn check_format(document: &DeTable<'_>) -> Result<(), Problem> {
    let Some(value) = document.get("format") else {
        return Ok(());
    };
    let DeValue::Integer(format) = value.get_ref() else {
        return Ok(());
    };
    match i64::from_str_radix(format.as_str(), format.radix()) {
        Ok(FORMAT) => Ok(()),
        Ok(..FORMAT) => Err(Problem::new(&value.span(), "unknown format").help("write format = 1")),
        _ => Err(Problem::new(
            &value.span(),
            "the spec needs a newer version of ocitect: this one supports format 1",
        )
        .help("update ocitect, or write format = 1")),
    }
}

/// Returns the env-files, joined to the spec's directory. They are read before variables are known, so their names
/// cannot contain variables.
pub(super) fn env_files(document: &DeTable<'_>, directory: &Path) -> Result<Vec<PathBuf>, Problem> {
    let named = document.get("env-files").and_then(|files| files.get_ref().as_array());
    let paths = named
        .into_iter()
        .flatten()
        .map(|file| match file.get_ref().as_str().unwrap_or_default() {
            name if name.contains("${") => Err(Problem::new(
                &file.span(),
                "the name of an env-file must not contain variables",
            )
            .help("write the name as it is: env-files are read before variables are known")),
            name if name.is_empty() || name.contains('\0') => {
                Err(Problem::new(&file.span(), "not a valid path of an env-file"))
            }
            name => Ok(directory.join(name)),
        });
    paths.collect()
}

/// Returns the dollar signs of a document that only look like variables.
pub(super) fn dollars(document: &DeTable<'_>, text: &str) -> Result<dollar::Dollars, Problem> {
    let vars = vars(document)?;
    let names: Vec<&str> = vars.keys().map(String::as_str).collect();
    Ok(dollar::find(document, &names, text))
}

/// Returns the settings of `[image]` that are the same for all platforms, and checks the keys of `[platform."…"]`
/// against them.
pub(super) fn image(document: &DeTable<'_>, outside: &Outside, text: &str) -> Result<ImageSpec, Problem> {
    let vars = vars(document)?;
    let mut overridden = BTreeSet::new();
    for (_, platform) in platform_tables(document) {
        overridden.extend(self::vars(platform)?.into_keys());
    }
    let Some(image) = document.get("image") else {
        return Err(Problem::new(&(0..0), "the spec has no `image`"));
    };
    let keys = image.get_ref().as_table().into_iter().flatten();
    let said_once = keys.filter(|(key, _)| ONCE_IN_IMAGE.contains(&key.get_ref().as_ref()));
    let mut table: DeTable<'_> = said_once.map(|(key, value)| (key.clone(), value.clone())).collect();
    let scope = Scope::Image(&overridden);
    Variables {
        vars: &vars,
        outside,
        scope,
        base: BaseEnv::Refused,
    }
    .expand_table(&mut table, text)?;
    let image = convert::identity(&read::<raw::Image>(table, image.span())?)?;
    check_platform_tables(document, &image)?;
    Ok(image)
}

/// Returns `[vars]` of the document or of an override.
fn vars(document: &DeTable<'_>) -> Result<BTreeMap<String, Var>, Problem> {
    let Some(vars) = document.get("vars") else {
        return Ok(BTreeMap::new());
    };
    let table = vars.get_ref().as_table().cloned().unwrap_or_default();
    for key in table.keys() {
        let name = key.get_ref().as_ref();
        if BUILT_IN.contains(&name) {
            let message = format!("`{name}` is a built-in variable and cannot be set");
            return Err(Problem::new(&key.span(), message).help("choose another name"));
        }
        if !template::is_name(name) {
            let message = format!("\"{}\" is not a valid variable name", escape(name.as_bytes()));
            return Err(
                Problem::new(&key.span(), message).help("use letters, digits and _, and do not begin with a digit")
            );
        }
    }
    read(table, vars.span())
}

/// Returns the tables of `[platform."…"]` and their keys.
fn platform_tables<'a, 'i>(
    document: &'a DeTable<'i>,
) -> impl Iterator<Item = (&'a Spanned<toml::de::DeString<'i>>, &'a DeTable<'i>)> {
    let tables = document.get("platform").and_then(|tables| tables.get_ref().as_table());
    tables
        .into_iter()
        .flatten()
        .filter_map(|(key, table)| Some((key, table.get_ref().as_table()?)))
}

fn check_platform_tables(document: &DeTable<'_>, image: &ImageSpec) -> Result<(), Problem> {
    let mut seen: Vec<(Platform, Range<usize>)> = Vec::new();
    for (key, _) in platform_tables(document) {
        let text = At {
            value: key.get_ref().to_string(),
            span: key.span(),
        };
        let platform = convert::parse_platform(&text)?;
        if !image.platforms.iter().any(|known| known.is_same_as(&platform)) {
            return Err(convert::unknown_platform(&platform, &image.platforms, &text.span));
        }
        if let Some((_, first)) = seen.iter().find(|(known, _)| known.is_same_as(&platform)) {
            return Err(Problem::new(&text.span, "two tables for one platform").context(first, "the other one"));
        }
        seen.push((platform, text.span));
    }
    Ok(())
}

/// Converts a table to its type.
fn read<T: DeserializeOwned>(table: DeTable<'_>, span: Range<usize>) -> Result<T, Problem> {
    let value = Spanned::new(span.clone(), DeValue::Table(table));
    T::deserialize(ValueDeserializer::from(value))
        .map_err(|error| Problem::new(&error.span().unwrap_or(span), escape(error.message().as_bytes())))
}

/// What all platforms of a spec share.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub(super) source: &'a SourceText,
    pub(super) directory: &'a Path,
    pub(super) outside: &'a Outside,
    pub(super) image: &'a ImageSpec,
}

/// The document of one platform, before variables are expanded.
pub(super) struct Merged<'a> {
    shared: Shared<'a>,
    platform: &'a Platform,
    document: DeTable<'a>,
    span: Range<usize>,
    pub(super) vars: BTreeMap<String, Var>,
}

impl<'a> Merged<'a> {
    /// Merges the override of a platform into the document.
    pub(super) fn new(
        shared: Shared<'a>,
        parsed: &Spanned<DeTable<'a>>,
        platform: &'a Platform,
    ) -> Result<Self, Problem> {
        let span = parsed.span();
        let mut document = parsed.get_ref().clone();
        let is_this = |key: &str| key.parse().is_ok_and(|key: Platform| key.is_same_as(platform));
        let over = platform_tables(&document)
            .find(|(key, _)| is_this(key.get_ref()))
            .map(|(_, over)| over.clone());
        document.remove("platform");
        if let Some(over) = over {
            document = merge::merge(document, &over)?;
        }
        let vars = vars(&document)?;
        Ok(Self {
            shared,
            platform,
            document,
            span,
            vars,
        })
    }

    fn variables<'b>(&'b self, base: BaseEnv<'b>) -> Variables<'b> {
        Variables {
            vars: &self.vars,
            outside: self.shared.outside,
            scope: Scope::Platform(self.platform),
            base,
        }
    }

    /// Converts everything except `[config]`, which is checked as far as it does not depend on the base image.
    pub(super) fn platform_spec(&self) -> Result<PlatformSpec, Problem> {
        let mut document = self.document.clone();
        for key in ["vars", "config", "env-files"] {
            document.remove(key);
        }
        self.variables(BaseEnv::Refused)
            .expand_table(&mut document, &self.shared.source.text)?;
        let document = Spanned::new(self.span.clone(), document);
        // Checked again, since a keyword may come from a variable.
        if let Some(problem) = shape::check(&document).into_iter().next() {
            return Err(problem);
        }
        let document: Document = read(document.into_inner(), self.span.clone())?;
        let context = Context {
            source: self.shared.source,
            directory: self.shared.directory,
            short_names: &self.shared.outside.short_names,
        };
        let spec = convert::platform(context, &document, self.shared.image, self.platform)?;
        self.check_config()?;
        Ok(spec)
    }

    /// Converts `[config]`, with the base image's environment.
    pub(super) fn config_spec(&self, base_env: &[(String, String)]) -> Result<ConfigSpec, Problem> {
        let (config, span) = self.expanded_config(BaseEnv::Known(base_env))?;
        convert::config(&read(config, span)?)
    }

    /// Checks `[config]` as far as possible before the base image is known.
    fn check_config(&self) -> Result<(), Problem> {
        let (config, span) = self.expanded_config(BaseEnv::Unknown)?;
        let depends_on_base = self
            .document
            .get("config")
            .is_some_and(|config| names_base(config.get_ref()));
        if !depends_on_base {
            convert::config(&read(config, span)?)?;
        }
        Ok(())
    }

    fn expanded_config(&self, base: BaseEnv<'_>) -> Result<(DeTable<'a>, Range<usize>), Problem> {
        let Some(config) = self.document.get("config") else {
            return Ok((DeTable::new(), 0..0));
        };
        let mut table = config.get_ref().as_table().cloned().unwrap_or_default();
        self.variables(base)
            .expand_table(&mut table, &self.shared.source.text)?;
        Ok((table, config.span()))
    }

    /// Returns a problem for each required variable that is unset or empty.
    pub(super) fn unset_required(&self) -> Vec<Problem> {
        let variables = self.variables(BaseEnv::Refused);
        let required = self.vars.iter().filter_map(|(name, var)| match var {
            Var::Table(table) => Some((name, table.env.as_ref(), table.required.as_ref()?)),
            Var::Value(_) => None,
        });
        let unset = required.filter(|(name, ..)| variables.value(name).is_none_or(|value| value.is_empty()));
        let problems = unset.map(|(name, env, required)| {
            let problem = Problem::new(&required.span, required_is_unset(name, env));
            if required.value.is_empty() {
                problem
            } else {
                problem.help(escape(required.value.as_bytes()))
            }
        });
        problems.collect()
    }

    /// Returns the dollar signs that only look like variables.
    pub(super) fn dollars(&self) -> dollar::Dollars {
        let vars: Vec<&str> = self.vars.keys().map(String::as_str).collect();
        dollar::find(&self.document, &vars, &self.shared.source.text)
    }

    /// Returns the ignore file's name, if its variables are set.
    pub(super) fn ignore_file_name(&self) -> Option<String> {
        let image = self.document.get("image")?.get_ref().as_table()?;
        let Some(named) = image.get("ignore-file") else {
            return Some(convert::DEFAULT_IGNORE_FILE.to_owned());
        };
        let text = named.get_ref().as_str()?;
        self.variables(BaseEnv::Refused)
            .expand(text, &named.span(), &self.shared.source.text)
            .ok()
    }
}

/// Returns `true` if a string refers to a variable of the base image.
fn names_base(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::String(text) => text.contains("${base."),
        DeValue::Array(items) => items.iter().any(|item| names_base(item.get_ref())),
        DeValue::Table(table) => table.iter().any(|(_, value)| names_base(value.get_ref())),
        _ => false,
    }
}
