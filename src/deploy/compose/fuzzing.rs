//! Properties that hold for every compose file. Compiled for tests and fuzzers only: the targets in `tests/fuzz` check
//! them on bytes from libFuzzer, and the tests on the seeds and on arbitrary files.

use std::path::Path;

use super::template::{Budget, Template};
use super::{ComposeError, FileRole, MemberName, MemberPlatform, Stack, StackMember, Variables};
use crate::model::fuzzing::{check_error, check_text};
use crate::model::{Family, Platform};

/// A value that nothing else contains. The variable `SET` has it.
const SECRET: &str = "hunter2hunter2";

/// Separates the compose file, which is also every file that it names, from the env file.
const SEPARATOR: char = '\0';

/// Checks a compose file and an env file: no panic, and every error and every finding can be shown, without the value of a
/// variable and without anything that a terminal would interpret.
pub fn compose(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (compose, env) = text.split_once(SEPARATOR).unwrap_or((text, "A=$NO\nB='x'\n"));
    let shell = || Variables::of_shell([("SET".to_owned(), SECRET.to_owned())].into());
    let variables = match shell().with_file("ws/.env".into(), env) {
        Ok(variables) => variables,
        Err(error) => {
            check_error(&error);
            assert!(!error.to_string().contains(SECRET), "{error}");
            shell()
        }
    };
    let files = ["ws/compose.yaml", "later.yaml"].map(|path| (path.into(), compose.to_owned()));
    // Every file that is named has the same text.
    let read = |_: &Path, role: FileRole| {
        Ok(Some(match role {
            FileRole::Compose => compose.to_owned(),
            FileRole::EnvFile => env.to_owned(),
        }))
    };
    // A reference or a path may be what a variable says.
    let is_open = compose.contains("SET") || env.contains("SET");
    let stack = match Stack::read(files.into(), &variables, &read) {
        Ok(stack) => stack,
        Err(error) => return check_refusal(&error, is_open),
    };
    let texts = stack.env_files().into_iter().map(|path| (path, Some(env.to_owned())));
    let texts = texts.collect();
    let selected = match stack.select(&[]) {
        Ok(selected) => selected,
        Err(error) => panic!("{error}"),
    };
    let report = match stack.check(&members(), &selected, &texts, &variables) {
        Ok(report) => report,
        Err(error) => return check_refusal(&error.into(), is_open),
    };
    for finding in &report.findings {
        let shown = stack.render(finding, false);
        check_text(&shown);
        // JSON is for programs.
        let shown = format!("{shown}{}", finding.to_json(None));
        stack.render(finding, true);
        assert!(is_open || !shown.contains(SECRET), "{shown}");
    }
    report.notes.iter().for_each(|note| check_text(note));
}

fn check_refusal(error: &ComposeError, is_open: bool) {
    check_error(error);
    let shown = format!("{error}{}", error.render(false).unwrap_or_default());
    check_text(&shown);
    error.render(true);
    assert!(is_open || !shown.contains(SECRET), "{shown}");
}

/// Returns a member that requires two variables, of which its image sets one.
fn members() -> Vec<StackMember> {
    let platform = |platform: Platform| MemberPlatform {
        platform,
        env: vec![("URL".to_owned(), "http://x".to_owned())],
        required: vec!["TOKEN".to_owned(), "URL".to_owned()],
        has_health_check: true,
        family: Family::Oci,
    };
    let platforms = ["amd64", "arm64"].map(|architecture| platform(Platform::new("linux", architecture)));
    let name = "ghcr.io/ws/api".parse().ok().zip("1.0".parse().ok());
    let member = name.map(|(repository, tag)| StackMember {
        name: MemberName {
            id: None,
            repository,
            tags: vec![tag],
        },
        platforms: platforms.into(),
    });
    member.into_iter().collect()
}

/// Checks a value: with every dollar sign doubled it stands for itself, and what is said of its variables lies in it.
pub fn interpolation(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let lookup = |name: &str| match name {
        "SET" => Some("value"),
        "EMPTY" => Some(""),
        _ => None,
    };
    let expand = |text: &str| Template::parse(text).and_then(|template| template.expand(&lookup, &Budget::default()));
    match expand(text) {
        Ok(expansion) => {
            let refused = expansion.refused.iter().map(|refused| (&refused.name, &refused.span));
            let unset = expansion.unset.iter().map(|(name, span)| (name, span));
            for (name, span) in unset.chain(refused) {
                let used = text.get(span.clone());
                assert!(used.is_some_and(|used| used.starts_with('$') && used.contains(name.as_str())));
                assert!(lookup(name).is_none_or(str::is_empty), "{name} is set");
            }
        }
        Err(error) => assert!(text.get(error.span).is_some(), "{text}"),
    }
    let doubled = text.replace('$', "$$");
    if let Ok(expansion) = expand(&doubled) {
        assert_eq!(expansion.text, text);
        assert!(expansion.unset.is_empty() && expansion.refused.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, proptest};

    use super::*;
    use crate::model::fuzzing::replay;

    #[test]
    fn the_seeds_of_compose_files_hold() {
        replay("compose", compose);
    }

    #[test]
    fn the_seeds_of_values_hold() {
        replay("interpolation", interpolation);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn any_value_is_expanded_or_refused(value in "([$A-Z{}:?+-]|SET|EMPTY|\u{e4}){0,30}") {
            interpolation(value.as_bytes());
        }
    }
}
