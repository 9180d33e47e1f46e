//! Reads `[vars]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::super::error::Problem;
use super::super::template;
use super::super::tree::Span;
use super::context::Input;
use crate::model::escape;

/// Names that differ by platform and are defined without `[vars]`.
pub(in super::super) const BUILT_IN: [&str; 6] = ["os", "arch", "variant", "machine", "node_arch", "gnu_triplet"];

/// A variable: its value, or its source.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(untagged)]
pub(in super::super) enum Var {
    /// The value.
    Value(String),
    /// Its source.
    Table(VarTable),
}

/// The long form of a variable.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "kebab-case")]
pub(in super::super) struct VarTable {
    /// Name in the environment, and after that in env-files.
    pub(in super::super) env: Option<String>,
    /// Value if it is unset or empty.
    pub(in super::super) default: Option<String>,
    /// Message of the error if it is unset or empty; says how to set it.
    pub(in super::super) required: Option<String>,
    /// Place of the message.
    #[schemars(skip)]
    pub(in super::super) required_span: Span,
}

/// Reads `[vars]` of the document or of an override.
pub(in super::super) fn vars(document: Input<'_>) -> Result<BTreeMap<String, Var>, Problem> {
    let Some(vars) = document.get("vars") else {
        return Ok(BTreeMap::new());
    };
    for (name, value) in vars.node.entries() {
        if BUILT_IN.contains(&name) {
            let message = format!("`{name}` is a built-in variable and cannot be set");
            return Err(Problem::new(&value.key, message).help("choose another name"));
        }
        if !template::is_name(name) {
            let message = format!("\"{}\" is not a valid variable name", escape(name.as_bytes()));
            return Err(
                Problem::new(&value.key, message).help("use letters, digits and _, and do not begin with a digit")
            );
        }
    }
    vars.map(var)
}

fn var(input: Input<'_>) -> Result<Var, Problem> {
    if let Some(text) = input.node.as_text() {
        return Ok(Var::Value(text.to_owned()));
    }
    Ok(Var::Table(VarTable {
        env: input.optional("env", Input::string)?,
        default: input.optional("default", Input::string)?,
        required: input.optional("required", Input::string)?,
        required_span: input.span_of("required").clone(),
    }))
}
