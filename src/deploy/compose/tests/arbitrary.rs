//! Arbitrary texts: no panic, every finding and every error can be shown, and no value of a variable is among them.

use std::path::Path;

use proptest::prelude::*;

use super::Input;
use crate::deploy::compose::{FileRole, Stack, Variables};

/// A value that nothing else contains.
const SECRET: &str = "hunter2hunter2";

fn try_all(compose: &str, env: &str) {
    let variables = Variables::of_shell([("SET".to_owned(), SECRET.to_owned())].into());
    let variables = match variables.with_file("ws/.env".into(), env) {
        Ok(variables) => variables,
        Err(error) => {
            assert!(!error.to_string().contains(SECRET), "{error}");
            Variables::of_shell([("SET".to_owned(), SECRET.to_owned())].into())
        }
    };
    let input = Input::new(compose);
    let files = [input.files.clone(), vec![("later.yaml".into(), compose.to_owned())]].concat();
    // Every file that is named has the same text.
    let read = |_: &Path, role: FileRole| {
        Ok(Some(match role {
            FileRole::Compose => compose.to_owned(),
            FileRole::EnvFile => env.to_owned(),
        }))
    };
    let stack = match Stack::read(files, &variables, &read) {
        Ok(stack) => stack,
        Err(error) => {
            let shown = format!("{error}{}{}", error.render(false).unwrap(), error.render(true).unwrap());
            // The path of a file may be what a variable says.
            assert!(!shown.contains(SECRET) || compose.contains("SET"), "{shown}");
            return;
        }
    };
    let texts = stack.env_files().into_iter().map(|path| (path, Some(env.to_owned())));
    let selected = stack.select(&[]).unwrap();
    let Ok(report) = stack.check(&input.members, &selected, &texts.collect(), &variables) else {
        return;
    };
    for finding in &report.findings {
        let shown = format!(
            "{}{}{}",
            stack.render(finding, false),
            stack.render(finding, true),
            finding.to_json(None)
        );
        // An image or a path may be what a variable says.
        assert!(!shown.contains(SECRET) || compose.contains("SET"), "{shown}");
    }
}

/// Lines of compose files that may follow each other.
const LINES: [&str; 36] = [
    "services:",
    "  api:",
    "  web: &web",
    "  b: { <<: *web, image: x }",
    "    image: ghcr.io/ws/api:1.0",
    "    image: ghcr.io/ws/api:${NO}",
    "    platform: linux/arm64",
    "    build: .",
    "    environment:",
    "      TOKEN: ${NO}",
    "      TOKEN: \"\\u00e4${NO:-$SET}\"",
    "      URL:",
    "      - TOKEN",
    "      - TOKEN=${SET:+x}${NO?}",
    "    environment: !reset null",
    "    environment: !override { A: b }",
    "    env_file: a.env",
    "    env_file: [{ path: b.env, required: false, format: raw }]",
    "    depends_on: [web, no]",
    "    depends_on:",
    "      web: { condition: service_healthy }",
    "    healthcheck: { disable: true }",
    "    healthcheck: { test: [NONE] }",
    "    extends: web",
    "    extends: { file: x, service: y }",
    "    profiles: [x]",
    "    command: |",
    "      echo ${NO} $$ $",
    "    models: [x]",
    "include: [x]",
    "include: [{ path: [y, d/z], project_directory: '${SET}', env_file: e }]",
    "    extends: { file: d/x, service: web }",
    "x-a: &a [b, c]",
    "---",
    "# \u{fc}",
    "\u{feff}",
];

proptest! {
    #[test]
    fn any_text(text in "\\PC*", env in "\\PC*") {
        try_all(&text, &env);
    }

    #[test]
    fn any_value(value in "[ -~\u{e4}\n]{0,30}|[$A-Z{}:?+-]{0,30}", env in "[A-Z$ =:'\"#{}\\\\\n\r-]{0,60}") {
        let quoted = serde_json::to_string(&value).unwrap();
        try_all(&format!("services:\n  api:\n    image: ghcr.io/ws/api:1.0\n    command: {quoted}\n    env_file: a\n"), &env);
        try_all(&format!("services:\n  api:\n    image: {value}\n    environment: [TOKEN={value}]\n"), &env);
    }

    #[test]
    fn lines_in_any_selection(picks in proptest::collection::vec(0..LINES.len(), 0..30)) {
        let lines: Vec<&str> = picks.iter().map(|at| LINES[*at]).collect();
        try_all(&lines.join("\n"), "A=$NO\nB='x'\n");
        try_all(&format!("services:\n  api:\n    image: ghcr.io/ws/api:1.0\n{}", lines.join("\r\n")), "");
    }
}
