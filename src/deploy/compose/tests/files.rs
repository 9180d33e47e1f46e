use super::Input;
use crate::deploy::compose::ComposeError;
use crate::model::Diagnostic as _;

const TOKEN: &str = "environment: { TOKEN: x }";

#[test]
fn later_files_override_earlier_ones() {
    let found = |lines: &str, later: &str| {
        let text = format!(
            "services:\n  api:\n{}",
            later.lines().map(|line| format!("    {line}\n")).collect::<String>()
        );
        let input = Input::api(lines).file("ws/later.yaml", &text);
        let input = input.text("a.env", Some("TOKEN=a")).text("b.env", Some("TOKEN="));
        input.findings().len()
    };
    for (lines, later, count) in [
        ("", TOKEN, 0),
        (TOKEN, "environment: [TOKEN=]", 1),
        (TOKEN, "environment: { OTHER: y }", 0),
        (TOKEN, "environment: !override { OTHER: y }", 1),
        (TOKEN, "environment: !reset null", 1),
        (TOKEN, "environment: { TOKEN: !reset null }", 1),
        ("env_file: b.env", "env_file: a.env", 0),
        ("env_file: a.env", "env_file: b.env", 1),
        ("env_file: a.env", "env_file: !override []", 1),
        ("", "image: postgres:16", 0),
        ("image: postgres:16", "", 1),
        (TOKEN, "image: !reset null\nbuild: .", 0),
    ] {
        // In one file, a key may not occur twice.
        if lines.starts_with("image") {
            continue;
        }
        assert_eq!(found(lines, later), count, "{lines} + {later}");
    }
    let removed = Input::api("").file("b.yaml", "services:\n  api: !reset null\n");
    assert_eq!(removed.findings(), [""; 0]);
    let replaced = Input::api(TOKEN).file("b.yaml", "services:\n  api: !override\n    image: ghcr.io/ws/api:1.0\n");
    assert_eq!(replaced.findings().len(), 1);
    let documents = Input::new(
        "services:\n  api:\n    image: ghcr.io/ws/api:1.0\n---\nservices:\n  api:\n    environment: { TOKEN: x }\n",
    );
    assert_eq!(documents.findings(), [""; 0]);
    // Merged by key.
    let health = "services:\n  web:\n    image: redis\n    depends_on: { api: { condition: service_healthy } }\n  api:\n    image: \
                  redis\n    healthcheck: { test: [CMD, x] }\n";
    let disabled = "services:\n  api:\n    healthcheck: { disable: true }\n";
    let found = Input::new(health).file("b.yaml", disabled).findings();
    assert!(found[0].starts_with("error[no-health-check]"), "{found:?}");
    assert_eq!(
        Input::new(health)
            .file("b.yaml", "services:\n  web:\n    depends_on: !reset []\n")
            .findings(),
        [""; 0]
    );
}

#[test]
fn dependencies_are_merged_by_what_they_say() {
    let text = |depends_on: &str| format!("services:\n  web:\n    image: redis\n    depends_on: {depends_on}\n");
    let found = |later: &str| {
        let first = text("{ api: { condition: service_healthy }, no: { condition: service_started } }");
        let api = "  api:\n    image: redis\n    healthcheck: { disable: true }\n";
        let input = Input::new(&format!("{first}{api}")).file("ws/later.yaml", &text(later));
        let codes = input
            .report()
            .1
            .findings
            .into_iter()
            .map(|finding| finding.code.to_string());
        codes.collect::<Vec<_>>()
    };
    assert_eq!(found("[]"), ["no-health-check", "dependency-missing"]);
    assert_eq!(
        found("{ no: { required: false } }"),
        ["no-health-check", "dependency-missing"]
    );
    assert_eq!(
        found("{ api: { required: true } }"),
        ["no-health-check", "dependency-missing"]
    );
    assert_eq!(found("[api]"), ["dependency-missing"]);
    assert_eq!(
        found("{ api: { condition: service_completed_successfully } }"),
        ["dependency-missing"]
    );
}

#[test]
fn variables_are_replaced_in_each_file() {
    let input = Input::api("environment:\n  LEVEL: ${NO}").file(
        "ws/later.yaml",
        "services:\n  api:\n    environment:\n      LEVEL: x\n      TOKEN: ${NO:-y}\n",
    );
    let expected = "warning[unset-interpolation] ws/compose.yaml:5:14 api: variable NO is not set, and an empty string is \
                    used instead";
    assert_eq!(input.findings(), [expected]);
}

#[test]
fn anchors_merge_keys_and_extensions_are_followed() {
    for text in [
        "x-env: &env { TOKEN: x }\nservices:\n  api:\n    image: ghcr.io/ws/api:1.0\n    environment: *env\n",
        "x-env: &env { TOKEN: x }\nservices:\n  api:\n    image: ghcr.io/ws/api:1.0\n    environment: { <<: *env, A: b }\n",
        "x-api: &api { image: 'ghcr.io/ws/api:1.0', environment: [TOKEN=x] }\nservices:\n  api: { <<: [*api] }\n",
        "services:\n  base:\n    image: ghcr.io/ws/api:1.0\n    environment: [TOKEN=x]\n  api:\n    extends: base\n",
        "services:\n  base:\n    image: redis\n    environment: [TOKEN=x]\n  api:\n    extends: { service: base }\n    image: \
         ghcr.io/ws/api:1.0\n",
    ] {
        let input = Input::new(text);
        assert_eq!(input.findings(), [""; 0], "{text}");
        assert!(!input.report().1.checked.is_empty(), "{text}");
    }
    let own = "x-env: &env { TOKEN: x }\nservices:\n  api:\n    image: ghcr.io/ws/api:1.0\n    environment: { <<: *env, TOKEN: '' }\n";
    assert_eq!(Input::new(own).findings().len(), 1);
    let unset =
        "x-env: &env { TOKEN: 'a${NO}' }\nservices:\n  api:\n    image: ghcr.io/ws/api:1.0\n    environment: *env\n";
    let found = Input::new(unset).findings();
    assert_eq!(found.len(), 1, "once, where it is written");
    assert!(
        found[0].starts_with("error[unset-interpolation] ws/compose.yaml:1:24 -: "),
        "{found:?}"
    );
}

#[test]
fn what_is_not_evaluated_is_named_and_never_silent() {
    for (lines, place, what) in [
        (
            "extends: { file: 'https://a.b/c.git', service: base }",
            "4:22",
            "`extends` with a file that Compose fetches from elsewhere",
        ),
        ("profiles: [debug]", "4:15", "`profiles`"),
        ("models: [llm]", "4:13", "`models`"),
        ("environment: !x { A: b }", "4:21", "the tag !x"),
    ] {
        let found = Input::api(lines).findings();
        let start = format!("warning[not-evaluated] ws/compose.yaml:{place} api: not evaluated: {what}");
        assert!(found.iter().any(|line| line.starts_with(&start)), "{lines}: {found:?}");
        // What may come from elsewhere is not reported as missing.
        let is_open = !lines.starts_with("profiles") && !lines.starts_with("environment");
        assert_eq!(
            found.iter().any(|line| line.contains("missing-variable")),
            !is_open,
            "{found:?}"
        );
    }
    let own = Input::api("extends: { file: oci://a.b/c, service: base }\nenvironment: { TOKEN: '' }").findings();
    assert!(own.iter().any(|line| line.contains("missing-variable")), "{own:?}");
}

#[test]
fn malformed_files_are_refused_at_their_place() {
    for (text, expected) in [
        ("", "ws/compose.yaml:1:1: the file has no `services`"),
        ("services:\n", "ws/compose.yaml:1:1: the file has no `services`"),
        ("x: y\n", "ws/compose.yaml:1:1: the file has no `services`"),
        (
            "- a\n",
            "ws/compose.yaml:1:1: expected a compose file, which is a mapping with `services`",
        ),
        (
            "services: [a]\n",
            "ws/compose.yaml:1:11: expected a mapping of services",
        ),
        (
            "services: { a: b }\n",
            "ws/compose.yaml:1:16: expected the mapping of a service",
        ),
        (
            "services: { a: { image: [x] } }\n",
            "ws/compose.yaml:1:25: expected text",
        ),
        (
            "services: { a: { environment: x } }\n",
            "ws/compose.yaml:1:31: expected a mapping or a list of variables",
        ),
        (
            "services: { a: { environment: { A: [b] } } }\n",
            "ws/compose.yaml:1:36: expected text",
        ),
        (
            "services: { a: { env_file: [{ required: true }] } }\n",
            "ws/compose.yaml:1:29: `env_file` does not name a file",
        ),
        (
            "services: { a: { env_file: [{ path: x, format: y }] } }\n",
            "ws/compose.yaml:1:29: unknown `format` \"y\"",
        ),
        (
            "services: { a: { depends_on: x } }\n",
            "ws/compose.yaml:1:30: expected a list or a mapping of services",
        ),
        (
            "services: { a: { healthcheck: x } }\n",
            "ws/compose.yaml:1:31: expected the mapping of a health check",
        ),
        (
            "services: { a: { extends: {} } }\n",
            "ws/compose.yaml:1:27: `extends` does not name a service",
        ),
        (
            "services: { a: { extends: b } }\n",
            "ws/compose.yaml:1:27: `extends` names no service of this file: \"b\"",
        ),
        (
            "services: { a: { extends: a } }\n",
            "ws/compose.yaml:1:27: services extend each other in a circle: a \u{2192} a",
        ),
        (
            "services: { a: { image: x, image: y } }\n",
            "ws/compose.yaml:1:28: the key \"image\" occurs twice",
        ),
        (
            "services: { a: { command: 'a ${B' } }\n",
            "ws/compose.yaml:1:30: Compose refuses this value: `${` is not closed by `}`",
        ),
        (
            "services: { a: { command: 'a ${(b)}' } }\n",
            "ws/compose.yaml:1:30: Compose refuses this value: `${` is not followed by a name",
        ),
        ("services: { a: { command: 'x ${}' } }\nname: ${}\n", "(and 1 more)"),
    ] {
        let error = Input::new(text).error();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
    let yaml = Input::new("services:\n  a:\n    environment: [TOKEN=${TOKEN:?x}]\n")
        .read()
        .1
        .unwrap_err();
    assert!(yaml.to_string().starts_with("ws/compose.yaml:3:"), "{yaml}");
    assert!(yaml.help().unwrap().contains("put quotes around the value"));
    let shown = yaml.render(false).unwrap();
    assert!(
        shown.contains("3 |     environment: [TOKEN=${TOKEN:?x}]") && shown.contains('^'),
        "{shown}"
    );
}

#[test]
fn the_second_file_is_named_in_its_errors() {
    let error = Input::api("").file("ws/b.yaml", "services:\n  a: {\n").error();
    assert!(error.starts_with("ws/b.yaml:"), "{error}");
}

#[test]
fn bombs_are_refused() {
    let mut text = "x0: &x0 { A: b }\n".to_owned();
    for at in 1..40 {
        text.push_str(&format!("x{at}: &x{at} {{ <<: [*x{0}, *x{0}] }}\n", at - 1));
    }
    text.push_str("services:\n  api: { image: 'ghcr.io/ws/api:1.0', environment: *x39 }\n");
    assert!(Input::new(&text).error().contains("aliases make more than"));
    let deep = format!("services:\n  a: {}{}\n", "[".repeat(10_000), "]".repeat(10_000));
    assert!(Input::new(&deep).error().contains("levels deep"));
    let variables = "${A:-".repeat(10_000);
    let error = Input::new(&format!("services:\n  a:\n    command: '{variables}'\n")).error();
    assert!(error.contains("nested more than 32 levels deep"), "{error}");
    // Many services read one large value.
    let value = "v".repeat(100_000);
    let services: String = (0..1000)
        .map(|at| format!("  s{at}:\n    environment: *env\n"))
        .collect();
    let large = Input::new(&format!("x: &env [ 'A=${{V}}' ]\nservices:\n{services}")).shell("V", &value);
    let error = large.error();
    assert!(error.contains("all values have more than 4194304 bytes"), "{error}");
    let services: String = (0..2000).map(|at| format!("  s{at}:\n    image: x\n")).collect();
    let error = Input::new(&format!("services:\n{services}")).error();
    assert!(error.contains("more than 1000 services"), "{error}");
    let names: String = (0..6000).map(|at| format!("n{at}, ")).collect();
    let dependencies = format!("services:\n  a: {{ depends_on: &n [{names}] }}\n  b: {{ depends_on: *n }}\n");
    let error = Input::new(&dependencies).error();
    assert!(error.contains("more than 10000 dependencies"), "{error}");
    let uses: String = (0..2000).map(|_| "      - $NO\n".to_owned()).collect();
    let error = Input::new(&format!("services:\n  a:\n    command:\n{uses}")).error();
    assert_eq!(
        error,
        "ws/compose.yaml:1004:9: more than 1000 values use variables that are not set"
    );
    let files: String = (0..1000)
        .map(|at| format!("  s{at}:\n    image: x\n    env_file: a.env\n"))
        .collect();
    let input = Input::new(&format!("services:\n{files}")).text("a.env", Some(&"A=b\n".repeat(200_000)));
    let (variables, stack) = input.read();
    let stack = stack.unwrap();
    let selected = stack.select(&[]).unwrap();
    let error = stack
        .check(&input.members, &selected, &input.texts, &variables)
        .unwrap_err();
    let error = ComposeError::from(error);
    assert!(error.to_string().contains("all values have more than 4194304 bytes") && error.render(false).is_none());
}

#[test]
fn many_problems_are_cut() {
    let services: String = (0..30).map(|at| format!("  s{at}: x\n")).collect();
    let error = Input::new(&format!("services:\n{services}")).read().1.unwrap_err();
    assert!(
        error.render(false).unwrap().ends_with("and 18 more problems"),
        "{error}"
    );
}
