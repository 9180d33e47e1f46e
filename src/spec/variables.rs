//! Resolves the names in `${…}`, and expands them in the strings of a tree.
//!
//! A value from outside (`--set`, the environment, an env-file) is used literally; only text of the spec itself is
//! expanded. Messages name variables and never show their values.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;

use super::convert::{BUILT_IN, Outside, Var, VarTable};
use super::error::Problem;
use super::template::{self, Otherwise, Piece};
use super::tree::{Node, Value};
use crate::model::{Platform, escape, nearest};

/// A Dockerfile's names for parts of the platform, and their equivalents in a spec ("Automatic platform ARGs in the
/// global scope" of Docker's reference).
const OF_DOCKERFILES: [(&str, &str); 4] = [
    ("TARGETPLATFORM", "${os}/${arch}"),
    ("TARGETOS", "${os}"),
    ("TARGETARCH", "${arch}"),
    ("TARGETVARIANT", "${variant}"),
];

/// Returns the spelling in a spec for a variable that is defined without `[vars]`, here or in a Dockerfile.
pub(super) fn written_here(name: &str) -> Option<String> {
    let of_dockerfiles = OF_DOCKERFILES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, ours)| (*ours).to_owned());
    of_dockerfiles.or_else(|| BUILT_IN.contains(&name).then(|| format!("${{{name}}}")))
}

/// Greatest number of variables that the expansion of one string may use. Otherwise defaults that refer to each other
/// could keep the program busy forever.
const MAX_LOOK_UPS: usize = 10_000;

/// Greatest length of an expanded string, in bytes: far above any path or command, and small enough to hold in memory.
const MAX_EXPANDED_BYTES: usize = 4 * 1024 * 1024;

/// The state of expanding one string.
#[derive(Default)]
struct Walk {
    /// Variables whose own text is being expanded, outermost first.
    open: Vec<String>,
    look_ups: usize,
}

/// The scope in which variables are resolved.
pub(super) enum Scope<'a> {
    /// The image with all its platforms. Built-in names and these names, which differ by platform, are refused.
    Image(&'a BTreeSet<String>),
    /// One platform.
    Platform(&'a Platform),
}

/// The values of `${base.NAME}`.
#[derive(Clone, Copy)]
pub(super) enum BaseEnv<'a> {
    /// Not allowed, since it is outside `[config]`.
    Refused,
    /// Not known yet. It expands to nothing, so that the rest can be checked.
    Unknown,
    /// The base image's environment.
    Known(&'a [(String, String)]),
}

/// Resolves names.
pub(super) struct Variables<'a> {
    pub(super) vars: &'a BTreeMap<String, Var>,
    pub(super) outside: &'a Outside,
    pub(super) scope: Scope<'a>,
    pub(super) base: BaseEnv<'a>,
}

impl Variables<'_> {
    /// Expands variables in all strings of `value`. Keys are not changed; dates become strings.
    pub(super) fn expand_all(&self, node: &mut Node, source: &str) -> Result<(), Problem> {
        match &mut node.value {
            Value::Text(text) if text.contains('$') => *text = self.expand(text, &node.span, source)?,
            Value::List(items) => items.iter_mut().try_for_each(|item| self.expand_all(item, source))?,
            Value::Table(table) => table
                .values_mut()
                .try_for_each(|value| self.expand_all(value, source))?,
            Value::Time(time) => node.value = Value::Text(std::mem::take(time)),
            Value::Text(_) | Value::Integer(_) | Value::Float | Value::Boolean(_) => {}
        }
        Ok(())
    }

    /// Expands the string at `span` of `source`.
    pub(super) fn expand(&self, text: &str, span: &Range<usize>, source: &str) -> Result<String, Problem> {
        let expanded = template::parse(text)
            .map_err(|error| {
                Problem::new(&error.range, error.message).help("write $$ for a literal dollar sign before {")
            })
            .and_then(|pieces| self.join(&pieces, &mut Walk::default()));
        // Until here, places are relative to the string.
        expanded.map_err(|problem| Problem {
            span: place(text, span, source, &problem.span),
            ..problem
        })
    }

    /// Returns the value of a name of `[vars]` or a built-in name, if it has one.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        self.look_up(name, &(0..0), &mut Walk::default()).ok().flatten()
    }

    fn join(&self, pieces: &[Piece], walk: &mut Walk) -> Result<String, Problem> {
        let mut joined = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => joined.push_str(text),
                Piece::Variable { name, otherwise, range } => {
                    let value = self.variable(name, otherwise, range, walk)?;
                    if joined.len() + value.len() > MAX_EXPANDED_BYTES {
                        return Err(Problem::new(
                            range,
                            "this string is too long after its variables are expanded",
                        ));
                    }
                    joined.push_str(&value);
                }
            }
        }
        Ok(joined)
    }

    fn variable(
        &self,
        name: &str,
        otherwise: &Otherwise,
        range: &Range<usize>,
        walk: &mut Walk,
    ) -> Result<String, Problem> {
        walk.look_ups += 1;
        if walk.look_ups > MAX_LOOK_UPS {
            return Err(Problem::new(range, "too many nested variables"));
        }
        let value = match name.strip_prefix("base.") {
            Some(_) if matches!(self.base, BaseEnv::Unknown) => return Ok(String::new()),
            Some(name) => self.base_value(name, range)?,
            None => self.look_up(name, range, walk)?,
        };
        match (value, otherwise) {
            (Some(value), _) if !value.is_empty() => Ok(value),
            (Some(_), Otherwise::Unsaid) if self.is_required(name) => Err(self.unset(name, range)),
            (Some(value), Otherwise::Unsaid) => Ok(value),
            (_, Otherwise::Default(pieces)) => self.join(pieces, walk),
            (_, Otherwise::Error(pieces)) => {
                let message = self.join(pieces, walk)?;
                let help = (!message.is_empty()).then(|| escape(message.as_bytes()));
                Err(Problem::new(range, format!("the variable `{name}` is not set")).help_if(help))
            }
            (None, Otherwise::Unsaid) => Err(self.unset(name, range)),
        }
    }

    fn is_required(&self, name: &str) -> bool {
        matches!(
            self.vars.get(name),
            Some(Var::Table(VarTable { required: Some(_), .. }))
        )
    }

    fn unset(&self, name: &str, range: &Range<usize>) -> Problem {
        if let Some(Var::Table(VarTable {
            env,
            required: Some(required),
            ..
        })) = self.vars.get(name)
        {
            let help = (!required.is_empty()).then(|| escape(required.as_bytes()));
            return Problem::new(range, required_is_unset(name, env.as_deref())).help_if(help);
        }
        if let Some(name_in_base) = name.strip_prefix("base.") {
            return Problem::new(range, format!("the base's environment has no `{name_in_base}`")).help(format!(
                "write ${{{name}:-default}} if the variable may be missing in the base"
            ));
        }
        let mut help = String::new();
        if let Some(Var::Table(VarTable { env: Some(env), .. })) = self.vars.get(name) {
            let _ = write!(help, "set {} in the environment, or ", escape(env.as_bytes()));
        }
        help.push_str(&container_hint(name));
        Problem::new(range, format!("the variable `{name}` has no value and no default")).help(help)
    }

    fn base_value(&self, name: &str, range: &Range<usize>) -> Result<Option<String>, Problem> {
        match self.base {
            BaseEnv::Refused => Err(
                Problem::new(range, format!("`${{base.{name}}}` is used outside `[config]`"))
                    .help("use the base's environment only in values of [config]"),
            ),
            BaseEnv::Unknown => Ok(None),
            BaseEnv::Known(pairs) => Ok(pairs
                .iter()
                .rev()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.clone())),
        }
    }

    fn look_up(&self, name: &str, range: &Range<usize>, walk: &mut Walk) -> Result<Option<String>, Problem> {
        if BUILT_IN.contains(&name) {
            return self.built_in(name, range).map(Some);
        }
        if let Scope::Image(overridden) = &self.scope
            && overridden.contains(name)
        {
            return Err(differs(name, range));
        }
        let Some(var) = self.vars.get(name) else {
            return Err(self.unknown(name, range));
        };
        let set = self.outside.sets.get(name);
        let (env, own) = match var {
            Var::Value(text) => {
                return set
                    .map_or_else(|| self.own_text(name, text, range, walk), |set| Ok(set.clone()))
                    .map(Some);
            }
            Var::Table(table) => (table.env.as_deref(), table.default.as_deref()),
        };
        let given = set.or_else(|| self.outside.environment.get(env?));
        match (given, own) {
            (Some(given), _) if !given.is_empty() => Ok(Some(given.clone())),
            (_, Some(default)) => self.own_text(name, default, range, walk).map(Some),
            (given, None) => Ok(given.cloned()),
        }
    }

    /// Expands a text of `[vars]`, which may refer to other variables. Errors point to the place where the variable is
    /// used.
    fn own_text(&self, name: &str, text: &str, range: &Range<usize>, walk: &mut Walk) -> Result<String, Problem> {
        if walk.open.iter().any(|known| known == name) {
            let chain = walk.open.join(" -> ");
            return Err(Problem::new(
                range,
                format!("the variable `{name}` refers to itself: {chain} -> {name}"),
            ));
        }
        walk.open.push(name.to_owned());
        let expanded = template::parse(text)
            .map_err(|error| Problem::new(range, format!("in the variable `{name}`: {}", error.message)))
            .and_then(|pieces| self.join(&pieces, walk))
            .map_err(|problem| Problem {
                span: range.clone(),
                ..problem
            });
        walk.open.pop();
        expanded
    }

    fn built_in(&self, name: &str, range: &Range<usize>) -> Result<String, Problem> {
        let Scope::Platform(platform) = &self.scope else {
            return Err(differs(name, range));
        };
        Ok(match name {
            "os" => platform.os.clone(),
            "arch" => platform.architecture.clone(),
            "variant" => platform.variant.clone().unwrap_or_default(),
            "machine" => platform.machine().to_owned(),
            "node_arch" => platform.node_arch().to_owned(),
            _ => platform.gnu_triplet(),
        })
    }

    fn unknown(&self, name: &str, range: &Range<usize>) -> Problem {
        let known = self.vars.keys().map(String::as_str).chain(BUILT_IN);
        let help = match (written_here(name), nearest(name, known)) {
            (Some(ours), _) => format!("write {ours}, or {}", container_hint(name)),
            (None, Some(near)) => format!("did you mean ${{{near}}}? Otherwise {}", container_hint(name)),
            (None, None) if !matches!(self.base, BaseEnv::Refused) => {
                format!(
                    "write ${{base.{name}}} for the value of the base image, add {name} to [vars], or {}",
                    container_hint(name)
                )
            }
            (None, None) => format!("add it to [vars], or {}", container_hint(name)),
        };
        Problem::new(range, format!("unknown variable `{name}`")).help(help)
    }
}

/// Returns the message that a required variable is unset or empty. It includes the name in the environment if that
/// differs.
pub(super) fn required_is_unset(name: &str, env: Option<&str>) -> String {
    match env {
        Some(env) if env != name => {
            format!(
                "the required variable `{name}` is not set (in the environment: {})",
                escape(env.as_bytes())
            )
        }
        _ => format!("the required variable `{name}` is not set"),
    }
}

fn container_hint(name: &str) -> String {
    format!("write $${{{name}}} for the literal text ${{{name}}}")
}

fn differs(name: &str, range: &Range<usize>) -> Problem {
    Problem::new(
        range,
        format!("the variable `{name}` differs by platform, but this value is shared by all platforms"),
    )
}

/// Returns the place of a part of a string in the text: the exact place if the literal has no escapes, else the whole
/// literal.
pub(super) fn place(text: &str, span: &Range<usize>, source: &str, range: &Range<usize>) -> Range<usize> {
    let literal = source.get(span.clone()).unwrap_or_default();
    let quoted = literal.get(1..literal.len().saturating_sub(1));
    if quoted == Some(text) {
        return span.start + 1 + range.start..span.start + 1 + range.end;
    }
    span.clone()
}
