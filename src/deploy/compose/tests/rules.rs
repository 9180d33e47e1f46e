use super::{Input, member, platform};
use crate::model::Family;

/// The finding on a required variable.
fn requires(place: &str, state: &str) -> String {
    format!("error[missing-variable] {place} api: the image requires environment variable TOKEN, {state}")
}

#[test]
fn required_variables_must_have_a_value_after_interpolation() {
    let empty = "which is set to an empty string";
    let of_shell = "which is to come from the shell, and is not set there";
    for (lines, expected) in [
        ("environment: { TOKEN: x }", vec![]),
        ("environment: [TOKEN=x]", vec![]),
        ("environment: { TOKEN: 1 }", vec![]),
        ("", vec![requires("ws/compose.yaml:3:12", "which is not set")]),
        (
            "environment:",
            vec![requires("ws/compose.yaml:3:12", "which is not set")],
        ),
        (
            "environment: { TOKEN: '' }",
            vec![requires("ws/compose.yaml:4:27", empty)],
        ),
        ("environment:\n  - TOKEN=", vec![requires("ws/compose.yaml:5:9", empty)]),
        (
            "environment: { TOKEN: }",
            vec![requires("ws/compose.yaml:4:20", of_shell)],
        ),
        (
            "environment:\n  - TOKEN",
            vec![requires("ws/compose.yaml:5:9", of_shell)],
        ),
        (
            "environment:\n  TOKEN: ${API}",
            vec![requires("ws/compose.yaml:5:14", &format!("{empty}: API is not set"))],
        ),
        ("environment:\n  TOKEN: ${API:-x}", vec![]),
        (
            "environment:\n  TOKEN: ${API:+x}",
            vec![requires("ws/compose.yaml:5:14", empty)],
        ),
    ] {
        assert_eq!(Input::api(lines).findings(), expected, "{lines}");
    }
    // The image sets URL; an empty string of the service takes precedence.
    let found = Input::api("environment: { TOKEN: x, URL: '' }").findings();
    assert_eq!(found.len(), 1);
    assert!(
        found[0].contains("variable URL, which is set to an empty string"),
        "{found:?}"
    );
}

#[test]
fn variables_come_from_the_shell_and_then_from_the_env_file() {
    let input = || Input::api("environment:\n  TOKEN: ${API}");
    assert_eq!(input().env("API=x").findings(), [""; 0]);
    assert_eq!(input().shell("API", "x").findings(), [""; 0]);
    let empty = requires("ws/compose.yaml:5:14", "which is set to an empty string");
    assert_eq!(input().env("API=").findings(), std::slice::from_ref(&empty));
    assert_eq!(input().env("API=x").shell("API", "").findings(), [empty]);
    let of_shell = || Input::api("environment: [TOKEN]");
    assert_eq!(of_shell().shell("TOKEN", "x").findings(), [""; 0]);
    assert_eq!(of_shell().env("TOKEN=x").findings(), [""; 0]);
    let state = "which is set to an empty string in the shell or in an env file";
    assert_eq!(
        of_shell().shell("TOKEN", "").findings(),
        [requires("ws/compose.yaml:4:19", state)]
    );
}

#[test]
fn env_files_are_below_environment_and_later_ones_come_first() {
    let input = |lines: &str| {
        Input::api(lines)
            .text("a.env", Some("TOKEN=a\n"))
            .text("b.env", Some("# c\nTOKEN=\n"))
    };
    assert_eq!(input("env_file: a.env").findings(), [""; 0]);
    assert_eq!(input("env_file: [b.env, a.env]").findings(), [""; 0]);
    assert_eq!(input("env_file: [{ path: a.env }]").findings(), [""; 0]);
    let of_file = requires("ws/b.env:2", "which is set to an empty string");
    assert_eq!(input("env_file: [a.env, b.env]").findings(), [of_file]);
    assert_eq!(input("env_file: b.env\nenvironment: { TOKEN: x }").findings(), [""; 0]);
    let lost = input("env_file: a.env\nenvironment: [TOKEN]").findings();
    assert_eq!(
        lost,
        [requires(
            "ws/compose.yaml:5:19",
            "which is to come from the shell, and is not set there"
        )]
    );
    // Values are taken as they are.
    let raw = |lines: &str| Input::api(lines).text("r.env", Some("TOKEN=$NO"));
    assert_eq!(raw("env_file: [{ path: r.env, format: raw }]").findings(), [""; 0]);
    let state = "which is set to an empty string: NO is not set";
    assert_eq!(raw("env_file: r.env").findings(), [requires("ws/r.env:1", state)]);
    let two = input("env_file: [a.env, c.env]").text("c.env", Some("TOKEN=$TOKEN$NO"));
    assert_eq!(
        two.findings().len(),
        1,
        "variables of earlier files are known: {:?}",
        two.findings()
    );
    assert!(two.findings()[0].contains("variable NO is not set, and is part of TOKEN"));
    // A value may use the service's own variables.
    let own = Input::api("env_file: c.env\nenvironment: { OWN: x }").text("c.env", Some("TOKEN=<$OWN>"));
    assert_eq!(own.findings(), [""; 0]);
}

#[test]
fn missing_env_files_are_errors_unless_they_may_be_missing() {
    let missing = "error[missing-env-file] ws/compose.yaml:4:15 api: env file ws/a.env does not exist";
    let token = requires("ws/compose.yaml:3:12", "which is not set");
    assert_eq!(
        Input::api("env_file: a.env").text("a.env", None).findings(),
        [token.clone(), missing.to_owned()]
    );
    let allowed = Input::api("env_file: [{ path: a.env, required: false }]").text("a.env", None);
    assert_eq!(allowed.findings(), [token]);
}

#[test]
fn unset_variables_are_warnings_and_errors_in_what_an_image_requires() {
    let token = "environment:\n  TOKEN: x\n";
    let unset = |place: &str| {
        format!("warning[unset-interpolation] {place} api: variable NO is not set, and an empty string is used instead")
    };
    for (lines, place) in [
        ("  LEVEL: ${NO}", "ws/compose.yaml:6:14"),
        ("  LEVEL: a $NO", "ws/compose.yaml:6:16"),
        ("  LEVEL: \"a ${NO}\"", "ws/compose.yaml:6:17"),
        // Written otherwise than it is decoded: the place of the whole value.
        ("  LEVEL: \"\\ta ${NO}\"", "ws/compose.yaml:6:14"),
        ("command: run ${NO}", "ws/compose.yaml:6:18"),
        ("ports: ['${NO}:80']", "ws/compose.yaml:6:14"),
    ] {
        assert_eq!(
            Input::api(&format!("{token}{lines}")).findings(),
            [unset(place)],
            "{lines}"
        );
    }
    for lines in [
        "  LEVEL: ${NO:-}",
        "  LEVEL: ${NO-x}",
        "  LEVEL: ${NO:+x}",
        "  LEVEL: $$NO",
        "  ${NO}: x",
    ] {
        assert_eq!(Input::api(&format!("{token}{lines}")).findings(), [""; 0], "{lines}");
    }
    let part = Input::api("environment:\n  TOKEN: a-${NO}-b");
    let expected = "error[unset-interpolation] ws/compose.yaml:5:16 api: variable NO is not set, and is part of TOKEN, \
                    which the image requires";
    assert_eq!(part.findings(), [expected]);
    let of_file = Input::api("env_file: a.env").text("a.env", Some("\nTOKEN=a-$NO\nX=$NO\n"));
    let expected = [
        "error[unset-interpolation] ws/a.env:2 api: variable NO is not set, and is part of TOKEN, which the image requires",
        "warning[unset-interpolation] ws/a.env:3 api: variable NO is not set, and an empty string is used instead",
    ];
    assert_eq!(of_file.findings(), expected);
    let of_env = Input::api(token).env("A=$NO");
    let expected =
        "warning[unset-interpolation] ws/.env:1 -: variable NO is not set, and an empty string is used instead";
    assert_eq!(of_env.findings(), [expected]);
}

#[test]
fn what_compose_refuses_is_an_error_in_every_service() {
    let text = "services:\n  api:\n    image: ghcr.io/ws/api:1.0\n    environment: { TOKEN: x }\n  other:\n    image: redis\n    \
                environment:\n      A: ${NO:?set NO}\n      B: ${EMPTY:?}\n";
    let input = || Input::new(text).shell("EMPTY", "").service("api");
    let error = |place: &str, what: &str| {
        format!(
            "error[unset-interpolation] ws/compose.yaml:{place} other: Compose refuses the file, because variable {what}"
        )
    };
    let expected = [error("8:10", "NO is not set: set NO"), error("9:10", "EMPTY is empty")];
    assert_eq!(input().findings(), expected);
}

#[test]
fn a_name_without_a_value_that_takes_one_away_is_a_warning() {
    let lost = |by: &str| {
        format!(
            "warning[unset-interpolation] ws/compose.yaml:4:29 api: MODE is to come from the shell, and is not set there: \
             the container loses the value that {by} sets"
        )
    };
    let lines = "environment: { TOKEN: x, MODE: }";
    assert_eq!(Input::api(lines).findings(), [lost("the image").replace(":29", ":30")]);
    let of_file = Input::api(&format!("{lines}\nenv_file: a.env")).text("a.env", Some("MODE=slow"));
    assert_eq!(of_file.findings(), [lost("an env file").replace(":29", ":30")]);
    assert_eq!(Input::api("environment: { TOKEN: x, OTHER: }").findings(), [""; 0]);
    assert_eq!(Input::api(lines).shell("MODE", "").findings(), [""; 0]);
}

#[test]
fn a_service_that_others_wait_for_must_have_a_health_check() {
    let text = |condition: &str, lines: &str| {
        format!(
            "services:\n  web:\n    image: redis\n    depends_on:\n      api: {{ condition: {condition} }}\n  api:\n    image: \
             ghcr.io/ws/api:1.0\n    environment: {{ TOKEN: x }}\n{lines}"
        )
    };
    let healthy = |lines: &str| Input::new(&text("service_healthy", lines));
    let none = "error[no-health-check] ws/compose.yaml:5:25 web: it waits until api is healthy, but neither api nor its \
                image has a health check";
    let off = "error[no-health-check] ws/compose.yaml:5:25 web: it waits until api is healthy, but the health check of api \
               is disabled";
    assert_eq!(healthy("").findings(), [""; 0]);
    for (lines, expected) in [
        ("    healthcheck: { disable: true }\n", vec![off]),
        ("    healthcheck: { test: [NONE] }\n", vec![off]),
        ("    healthcheck: { test: [CMD, x], disable: true }\n", vec![off]),
        ("    healthcheck: { test: [CMD, x], disable: false }\n", vec![]),
        ("    healthcheck: { test: curl x }\n", vec![]),
        ("    healthcheck: { interval: 5s }\n", vec![]),
        ("    healthcheck: { test: [] }\n", vec![]),
    ] {
        assert_eq!(healthy(lines).findings(), expected, "{lines}");
    }
    let image = |lines: &str, has_health_check: bool, family: Family| {
        let mut input = healthy(lines);
        let platform = &mut input.members[0].platforms[0];
        platform.has_health_check = has_health_check;
        platform.family = family;
        input.findings()
    };
    assert_eq!(image("", false, Family::Docker), [none]);
    assert_eq!(
        image("    healthcheck: { interval: 5s }\n", false, Family::Docker),
        [none]
    );
    assert_eq!(
        image("    healthcheck: { test: [CMD, x] }\n", false, Family::Docker),
        [""; 0]
    );
    let ignored = image("", true, Family::Oci);
    assert!(
        ignored[0].starts_with("warning[healthcheck-ignored] ws/compose.yaml:5:25 web: "),
        "{ignored:?}"
    );
    assert_eq!(
        image("    healthcheck: { test: [CMD, x] }\n", true, Family::Oci),
        [""; 0]
    );
    let mut started = Input::new(&text("service_started", ""));
    started.members[0].platforms[0].has_health_check = false;
    assert_eq!(started.findings(), [""; 0]);
    // The health check of another image is not known, and that is said.
    let other = Input::new(
        "services:\n  api:\n    image: ghcr.io/ws/api:1.0\n    environment: { TOKEN: x }\n    depends_on:\n      db: { \
         condition: service_healthy }\n  db:\n    image: postgres:16\n",
    );
    assert_eq!(other.findings(), [""; 0]);
    let notes = other.notes();
    assert!(
        notes[0].contains("whether the image of db has a health check is not known"),
        "{notes:?}"
    );
}

#[test]
fn dependencies_must_exist() {
    let text = |depends_on: &str| {
        format!("services:\n  worker:\n    image: redis\n    depends_on: {depends_on}\n  api:\n    image: redis\n")
    };
    let missing = |column: usize| {
        format!(
            "error[dependency-missing] ws/compose.yaml:4:{column} worker: it depends on service apy, which does not exist"
        )
    };
    assert_eq!(Input::new(&text("[api, apy]")).findings(), [missing(23)]);
    assert_eq!(
        Input::new(&text("{ apy: { condition: service_started } }")).findings(),
        [missing(19)]
    );
    assert_eq!(
        Input::new(&text("{ apy: { condition: service_started, required: false } }")).findings(),
        [missing(19)]
    );
    let included = Input::new(&format!("include: [oci://a.b/c]\n{}", text("[apy]"))).findings();
    assert_eq!(included.len(), 1);
    assert!(
        included[0].starts_with("warning[not-evaluated] ws/compose.yaml:1:11 -: "),
        "{included:?}"
    );
}

#[test]
fn images_are_those_of_members() {
    let found = |image: &str| Input::new(&format!("services:\n  a:\n    image: {image}\n")).findings();
    for image in ["ghcr.io/ws/apy:1.0", "api:1.0", "ghcr.io/ws/other"] {
        let expected =
            format!("warning[image-not-in-workspace] ws/compose.yaml:3:12 a: no member has the image {image}");
        assert_eq!(found(image), [expected]);
    }
    assert_eq!(found("postgres:16"), [""; 0]);
    assert_eq!(
        found("'a b'"),
        ["error[image-not-in-workspace] ws/compose.yaml:3:12 a: \"a b\" is not an image reference"]
    );
    let unset = found("ghcr.io/ws/api:${TAG}");
    assert!(
        unset.contains(
            &"error[unset-interpolation] ws/compose.yaml:3:12 a: \"ghcr.io/ws/api:\" is not an image reference"
                .to_owned()
        ),
        "{unset:?}"
    );
    let notes = Input::new("services:\n  a:\n    image: postgres:16\n  b:\n    build: .\n  c:\n    image: ghcr.io/ws/api:0.9\n    environment: { TOKEN: x }\n").notes();
    assert!(
        notes[0].contains("service a runs postgres:16, which is no member's image"),
        "{notes:?}"
    );
    assert!(notes[1].contains("service b is built by Compose"), "{notes:?}");
    assert!(notes[2].contains("but the spec has the tags 1.0"), "{notes:?}");
}

#[test]
fn only_the_platform_of_a_service_counts() {
    let mut input = Input::api("platform: linux/arm64");
    input.members[0].platforms = vec![platform("linux/amd64"), platform("linux/arm64")];
    input.members[0].platforms[1].required.clear();
    assert_eq!(input.findings(), [""; 0]);
    let (_, report) = input.report();
    assert_eq!(report.checked[0].required_count, 0);
    let mut both = Input::api("");
    both.members = input.members;
    let (_, report) = both.report();
    assert_eq!(report.findings[0].platforms, ["linux/amd64".parse().unwrap()]);
    let unknown = Input::api("platform: linux/riscv64\nenvironment: { TOKEN: x }").findings();
    let expected = "warning[image-not-in-workspace] ws/compose.yaml:4:15 api: the member has no image for platform \
                    \"linux/riscv64\"";
    assert_eq!(unknown, [expected]);
}

#[test]
fn selected_services_are_checked_with_what_they_depend_on() {
    let text = "services:\n  web:\n    image: redis\n    depends_on: [api]\n  api:\n    image: ghcr.io/ws/api:1.0\n  other:\n    \
                image: ghcr.io/ws/api:1.0\n    command: ${NO}\n";
    let services = |name: &str| {
        let findings = Input::new(text).service(name).report().1.findings;
        let mut services: Vec<String> = findings.into_iter().filter_map(|finding| finding.service).collect();
        services.dedup();
        services
    };
    assert_eq!(services("web"), ["api"]);
    assert_eq!(services("other"), ["other"]);
    let (_, stack) = Input::new(text).read();
    let unknown = stack.unwrap().select(&["wep".to_owned()]).unwrap_err();
    assert_eq!(unknown.nearest.as_deref(), Some("web"));
}

#[test]
fn no_value_of_a_variable_is_shown() {
    let mut input = Input::api(
        "environment:\n  TOKEN: a${SECRET}b${NO}\n  OTHER: ${NO}${SECRET}\nenv_file: a.env\ncommand: ${SECRET:+${X:?no ${SECRET}${NO}}}",
    )
    .shell("SECRET", "hunter2")
    .env("Y=hunter2$NO")
    .text("a.env", Some("Z=hunter2$NO"));
    input.members.push(member("web"));
    let (stack, report) = input.report();
    assert!(report.findings.len() >= 5);
    for finding in &report.findings {
        let shown = format!("{}{}", stack.render(finding, false), finding.to_json(Some("api")));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn a_value_that_names_very_many_variables_makes_short_findings() {
    let same = "$A".repeat(100_000);
    let distinct: String = (0..900).map(|at| format!("$A{at}")).collect();
    let long = format!("${}", "A".repeat(100_000));
    let refused = format!("${{A:?{}}}", "x".repeat(100_000));
    for value in [&same, &distinct, &long, &refused] {
        for text in [
            format!("    image: ghcr.io/ws/api:1.0\n    environment:\n      TOKEN: {value}\n"),
            format!("    image: ghcr.io/ws/api:{value}\n"),
        ] {
            let (_, report) = Input::new(&format!("services:\n  api:\n{text}")).report();
            for finding in &report.findings {
                let (message, help) = (&finding.message, &finding.help);
                assert!(message.len() < 1000 && help.len() < 1000, "{message:.300} {help:.300}");
            }
        }
    }
}
