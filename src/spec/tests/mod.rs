//! Tests of the spec as a whole.

mod arbitrary;
mod bad_input;
mod diagnostics;
mod example;
mod files_of_its_own;
mod hints;
mod meaning;
mod overrides;
mod published_schema;
mod variables;

use std::path::Path;

use super::{ConfigSpec, Inputs, PlatformSpec, Spec, SpecError};
use crate::model::{Diagnostic, Platform};

/// The minimal spec.
const HEAD: &str = "format = 1\n[image]\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n";

fn parse(text: &str) -> Result<Spec, SpecError> {
    parse_with(text, &[], &[])
}

fn parse_with(text: &str, environment: &[(&str, &str)], sets: &[(&str, &str)]) -> Result<Spec, SpecError> {
    let map = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect()
    };
    Spec::parse(
        text,
        Path::new("nowhere/ocitect.toml"),
        &Inputs {
            environment: map(environment),
            sets: map(sets),
            ..Inputs::default()
        },
    )
}

/// Parses `text` after [`HEAD`], whose last table is `[image]`.
fn with_head(text: &str) -> Spec {
    parse(&format!("{HEAD}{text}")).unwrap()
}

fn platform(text: &str) -> Platform {
    text.parse().unwrap()
}

fn on(spec: &Spec, name: &str) -> PlatformSpec {
    spec.platform(&platform(name)).unwrap()
}

fn amd64(text: &str) -> PlatformSpec {
    on(&with_head(text), "linux/amd64")
}

fn config(text: &str) -> ConfigSpec {
    with_head(text).config(&platform("linux/amd64"), &[]).unwrap()
}

/// Returns the first error of a spec, at whichever stage it is found.
fn error_of(text: &str) -> SpecError {
    let spec = match parse(text) {
        Ok(spec) => spec,
        Err(error) => return error,
    };
    let failures = spec.platforms().iter().filter_map(|platform| {
        spec.platform(platform)
            .err()
            .or_else(|| spec.config(platform, &[]).err())
    });
    failures
        .into_iter()
        .next()
        .unwrap_or_else(|| panic!("nothing is wrong with:\n{text}"))
}

/// Returns the message and the hint.
fn message_of(text: &str) -> String {
    let error = error_of(text);
    format!("{error}\n{}", error.help().unwrap_or_default())
}

/// Returns lines to assemble other specs from.
fn example_lines() -> Vec<&'static str> {
    include_str!("example.toml").lines().collect()
}
