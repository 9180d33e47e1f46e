//! Properties that hold for every spec file. Compiled for tests and fuzzers only: the target in `tests/fuzz` checks
//! them on bytes from libFuzzer, and the test here on the seeds.

use std::path::Path;

use super::{Inputs, Spec, SpecError};
use crate::model::fuzzing::{check_error, check_text};

/// Checks a spec: it is accepted, or refused with a message that contains nothing a terminal would interpret. The
/// result is the same each time.
pub fn spec(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let said = read(text);
    for line in &said {
        check_text(line);
    }
    assert_eq!(said, read(text));
}

/// Returns every message for the spec.
fn read(text: &str) -> Vec<String> {
    let environment = [("TOKEN", "hunter2\u{1b}[31m"), ("VERSION", "1.2.3"), ("EMPTY", "")];
    let environment = environment
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let inputs = Inputs {
        environment,
        ..Inputs::default()
    };
    let spec = match Spec::parse(text, Path::new("/nowhere/ocitect.toml"), &inputs) {
        Ok(spec) => spec,
        Err(error) => return vec![message(&error)],
    };
    assert!(!spec.platforms().is_empty());
    let base_env = [("PATH".to_owned(), "/usr/bin:/bin".to_owned())];
    let mut said = Vec::new();
    for platform in spec.platforms() {
        said.extend(spec.platform(platform).err().map(|error| message(&error)));
        said.extend(spec.config(platform, &base_env).err().map(|error| message(&error)));
    }
    said
}

fn message(error: &SpecError) -> String {
    check_error(error);
    error.render(false).unwrap_or_else(|| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fuzzing::replay;

    #[test]
    fn the_seeds_of_specs_hold() {
        replay("spec", spec);
    }
}
