//! Arbitrary texts: no panic, and every diagnostic can be shown.

use std::path::Path;

use proptest::prelude::*;

use super::super::{Inputs, Spec};
use super::{HEAD, example_lines};

fn try_all(text: &str) {
    let inputs = Inputs {
        environment: [("VERSION".to_owned(), "1".to_owned())].into(),
        ..Inputs::default()
    };
    let show = |error: super::SpecError| (error.to_string(), error.render(false), error.render(true));
    match Spec::parse(text, Path::new("nowhere/x.toml"), &inputs) {
        Err(error) => drop(show(error)),
        Ok(spec) => {
            for platform in spec.platforms() {
                let _ = spec.platform(platform).map_err(show);
                let _ = spec.config(platform, &[]).map_err(show);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_text(text in "\\PC*") {
        try_all(&text);
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        try_all(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_value_of_a_key(key in 0..KEYS.len(), value in "\\PC{0,20}|[0-9.a-zA-Zµ/:${}#-]{0,20}") {
        let quoted = serde_json::to_string(&value).unwrap();
        try_all(&format!("{HEAD}{}", KEYS[key].replace('@', &quoted)));
        try_all(&format!("{HEAD}{}", KEYS[key].replace('@', &value)));
    }

    #[test]
    fn lines_of_the_example_in_any_selection(picks in proptest::collection::vec(0..1000_usize, 0..30)) {
        let lines = example_lines();
        let text: Vec<&str> = picks.iter().map(|at| lines[at % lines.len()]).collect();
        try_all(&text.join("\n"));
        try_all(&format!("{HEAD}{}", text.join("\n")));
    }
}

const KEYS: [&str; 16] = [
    "name = @",
    "tags = [@]",
    "base = @",
    "max-size = @",
    "mtime = @",
    "mode = @",
    "owner = @",
    "annotations = { a = @ }",
    "[vars]\nA = @\n[config.env]\nA = \"${A}\"",
    "[config]\nports = [@]\nvolumes = [@]",
    "[config]\nhealthcheck = { test = @, interval = @ }",
    "[config]\nenv = { A = @ }",
    "[[layers]]\nname = @\nfiles = [{ from = @, to = @ }]\nremove = [@]",
    "[[users]]\nname = @\nuid = 1\nhome = @",
    "[check]\nallow = [@]",
    "[platform.@]\nlayers = [@]",
];
