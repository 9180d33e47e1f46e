//! Arbitrary texts: the properties are those of the fuzz targets.

use proptest::prelude::*;

use crate::deploy::compose::fuzzing::compose;

fn try_all(text: &str, env: &str) {
    compose(format!("{text}\0{env}").as_bytes());
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
