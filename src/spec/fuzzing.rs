//! What must hold for whatever stands in a spec file. Compiled for tests and fuzzers alone: the target in `tests/fuzz` runs
//! this check on bytes that libFuzzer makes, and the test here on the seeds.

use std::path::Path;

use super::{Inputs, Spec, SpecError};
use crate::model::fuzzing::{check_error, check_text};

/// A spec: it is taken, or refused with a message that shows nothing that a terminal would act on; and each time alike.
pub fn spec(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let said = read(text);
    for line in &said {
        check_text(line);
    }
    assert_eq!(said, read(text));
}

/// Every message that the spec gives rise to.
fn read(text: &str) -> Vec<String> {
    let environment = [("TOKEN", "hunter2\u{1b}[31m"), ("VERSION", "1.2.3"), ("EMPTY", "")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let inputs = Inputs { environment, ..Inputs::default() };
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
