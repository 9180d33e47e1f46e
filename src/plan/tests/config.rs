//! The config, from base to image.

use super::*;
use crate::spec::{Command, HealthTest, Healthcheck};

fn merged(base_config: Value, config: ConfigSpec) -> Value {
    let mut input = input(Some(base_with(
        MediaType::DockerLayerGzip,
        json!({ "config": base_config }),
    )));
    // The tests of merging do not concern the directory.
    input.platform_spec.layers.clear();
    input.config = config;
    Value::Object(plan(input).unwrap().config.execution)
}

fn exec(words: &[&str]) -> Option<Command> {
    Some(Command::Exec(words.iter().map(|word| (*word).to_owned()).collect()))
}

fn shell(line: &str) -> Option<Command> {
    Some(Command::Shell(line.to_owned()))
}

fn changes(pairs: &[(&str, Option<&str>)]) -> BTreeMap<String, Option<String>> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
        .collect()
}

#[test]
fn env_keeps_the_bases_order_and_new_names_follow_sorted() {
    let base = json!({ "Env": ["PATH=/bin", "GONE=1", "B=1", "bare", "B=2"] });
    let env = changes(&[
        ("Z", Some("z")),
        ("B", Some("3")),
        ("A", Some("")),
        ("GONE", None),
        ("NEVER", None),
    ]);
    let found = merged(
        base,
        ConfigSpec {
            env,
            ..ConfigSpec::default()
        },
    );
    assert_eq!(found, json!({ "Env": ["PATH=/bin", "B=3", "bare", "A=", "Z=z"] }));
    let env = changes(&[("A", None)]);
    assert_eq!(
        merged(
            json!({ "Env": ["A=1"] }),
            ConfigSpec {
                env,
                ..ConfigSpec::default()
            }
        ),
        json!({})
    );
}

#[test]
fn labels_ports_and_volumes_are_added() {
    let base = json!({ "Labels": { "a": "1", "b": "2" }, "ExposedPorts": { "80/tcp": {} }, "Volumes": null });
    let config = ConfigSpec {
        labels: changes(&[("a", None), ("c", Some("3"))]),
        ports: vec!["3000/tcp".to_owned(), "80/tcp".to_owned()],
        volumes: vec!["/data".to_owned()],
        required_env: vec!["Z".to_owned(), "A".to_owned()],
        ..ConfigSpec::default()
    };
    let expected = json!({
        "Labels": { "b": "2", "c": "3", "dev.ocitect.required-env": "Z,A" },
        "ExposedPorts": { "80/tcp": {}, "3000/tcp": {} },
        "Volumes": { "/data": {} },
    });
    assert_eq!(merged(base, config), expected);
    let config = ConfigSpec {
        labels: changes(&[("a", None)]),
        ..ConfigSpec::default()
    };
    assert_eq!(merged(json!({ "Labels": { "a": "1" } }), config), json!({}));
}

#[test]
fn single_values_replace_and_unknown_fields_stay() {
    let base = json!({
        "User": "node", "WorkingDir": "/", "StopSignal": "SIGINT", "ArgsEscaped": true,
        "Healthcheck": { "Test": ["CMD", "true"] }, "Shell": ["/bin/bash", "-c"], "Hostname": "", "X": [1, null],
    });
    assert_eq!(merged(base.clone(), ConfigSpec::default()), base);
    let config = ConfigSpec {
        user: Some("1:2".to_owned()),
        workdir: Some("/tmp".to_owned()),
        stop_signal: Some("9".to_owned()),
        shell: Some(vec!["/bin/ash".to_owned()]),
        healthcheck: Some(Healthcheck::None),
        ..ConfigSpec::default()
    };
    let expected = json!({
        "User": "1:2", "WorkingDir": "/tmp", "StopSignal": "9", "ArgsEscaped": true,
        "Healthcheck": { "Test": ["NONE"] }, "Shell": ["/bin/ash"], "Hostname": "", "X": [1, null],
    });
    assert_eq!(merged(base, config), expected);
}

#[test]
fn an_entrypoint_clears_the_bases_cmd_unless_cmd_is_set_too() {
    let base = || json!({ "Entrypoint": ["docker-entrypoint.sh"], "Cmd": ["node"] });
    for (entrypoint, cmd, expected) in [
        (exec(&["/app"]), None, json!({ "Entrypoint": ["/app"] })),
        (
            exec(&["/app"]),
            exec(&["-v"]),
            json!({ "Entrypoint": ["/app"], "Cmd": ["-v"] }),
        ),
        (
            None,
            exec(&["-v"]),
            json!({ "Entrypoint": ["docker-entrypoint.sh"], "Cmd": ["-v"] }),
        ),
        (exec(&[]), None, json!({})),
        (None, exec(&[]), json!({ "Entrypoint": ["docker-entrypoint.sh"] })),
    ] {
        assert_eq!(
            merged(
                base(),
                ConfigSpec {
                    entrypoint,
                    cmd,
                    ..ConfigSpec::default()
                }
            ),
            expected
        );
    }
}

#[test]
fn shell_forms_use_the_specs_shell_else_the_bases_else_sh() {
    let own = Some(vec!["/own".to_owned(), "-x".to_owned()]);
    for (base, shell_key, expected) in [
        (json!({}), None, json!(["/bin/sh", "-c", "run me"])),
        (
            json!({ "Shell": ["/bin/bash", "-ec"] }),
            None,
            json!(["/bin/bash", "-ec", "run me"]),
        ),
        (
            json!({ "Shell": ["/bin/bash", "-ec"] }),
            own,
            json!(["/own", "-x", "run me"]),
        ),
    ] {
        let config = ConfigSpec {
            entrypoint: shell("run me"),
            cmd: shell("run me"),
            shell: shell_key,
            ..ConfigSpec::default()
        };
        let found = merged(base, config);
        assert_eq!(found["Entrypoint"], expected);
        assert_eq!(found["Cmd"], expected);
    }
}

#[test]
fn a_health_check_is_written_as_docker_writes_it() {
    let healthcheck = Some(Healthcheck::Check(HealthTest {
        test: vec!["CMD".to_owned(), "/check".to_owned()],
        interval_ns: Some(30_000_000_000),
        timeout_ns: Some(10_000_000_000),
        start_period_ns: Some(40_000_000_000),
        start_interval_ns: Some(1_000_000),
        retries: Some(3),
    }));
    let base = json!({ "Healthcheck": { "Test": ["CMD-SHELL", "x"], "Retries": 9 } });
    let found = merged(
        base,
        ConfigSpec {
            healthcheck,
            ..ConfigSpec::default()
        },
    );
    let expected = json!({
        "Test": ["CMD", "/check"], "Interval": 30_000_000_000_u64, "Timeout": 10_000_000_000_u64,
        "StartPeriod": 40_000_000_000_u64, "StartInterval": 1_000_000, "Retries": 3,
    });
    assert_eq!(found["Healthcheck"], expected);
}

#[test]
fn on_build_is_dropped_with_a_warning() {
    for (on_build, warnings) in [(json!(["RUN x"]), 1), (json!([]), 0), (json!(null), 0)] {
        let config = json!({ "config": { "OnBuild": on_build, "User": "x" } });
        let plan = plan(input(Some(base_with(MediaType::DockerLayerGzip, config)))).unwrap();
        assert_eq!(Value::Object(plan.config.execution), json!({ "User": "x" }));
        assert_eq!(plan.warnings.len(), warnings);
    }
}

#[test]
fn a_base_whose_config_is_malformed_is_refused_by_field() {
    let config = ConfigSpec {
        env: changes(&[("A", None)]),
        labels: changes(&[("A", None)]),
        ports: vec!["1/tcp".to_owned()],
        cmd: shell("x"),
        ..ConfigSpec::default()
    };
    for (base_config, message) in [
        (
            json!({ "config": [] }),
            "the field \"config\" of the base's config is not an object",
        ),
        (
            json!({ "config": { "Env": "A=1" } }),
            "the field \"config.Env\" of the base's config is not a list of strings",
        ),
        (
            json!({ "config": { "Labels": [] } }),
            "the field \"config.Labels\" of the base's config is not an object",
        ),
        (
            json!({ "config": { "ExposedPorts": 1 } }),
            "the field \"config.ExposedPorts\" of the base's config is not an object",
        ),
        (
            json!({ "config": { "Shell": [1] } }),
            "the field \"config.Shell\" of the base's config is not a list of strings",
        ),
    ] {
        let mut input = input(Some(base_with(MediaType::DockerLayerGzip, base_config)));
        input.config = config.clone();
        assert_eq!(plan(input).unwrap_err().to_string(), message);
    }
}

#[test]
fn times_are_written_by_rfc_3339_and_bad_ones_refused() {
    for (seconds, text) in [(0, "1970-01-01T00:00:00Z"), (8_589_934_591, "2242-03-16T12:56:31Z")] {
        let input = PlanInput {
            created_s: seconds,
            ..input(None)
        };
        assert_eq!(plan(input).unwrap().config.created, text);
    }
    let input = PlanInput {
        created_s: i64::MAX,
        ..input(None)
    };
    assert!(matches!(plan(input).unwrap_err(), PlanError::Time { .. }));
}
