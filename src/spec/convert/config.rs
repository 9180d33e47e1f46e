//! Converts `[config]`: how the image runs.

use std::collections::BTreeMap;

use super::super::at::{At, Text};
use super::super::choice::{self, HealthcheckChoice, PortText, TextOrFalse};
use super::super::error::Problem;
use super::super::raw;
use super::super::{Command, ConfigSpec, Healthcheck};
use super::values::{duration_ns, image_path};
use crate::model::{escape, nearest};

/// Linux's last signal number, SIGRTMAX.
const MAX_SIGNAL: u32 = 64;

/// Names of Linux's signals without SIG (signal(7)), as Docker and podman accept them.
const SIGNALS: [&str; 35] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1",
    "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "UNUSED",
];

/// Protocols of ports. image-spec (config.md "ExposedPorts") defines tcp and udp; Docker and podman also accept sctp.
const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// Converts `[config]` after variables are expanded.
pub(in super::super) fn config(config: &raw::Config) -> Result<ConfigSpec, Problem> {
    Ok(ConfigSpec {
        user: config.user.as_ref().map(without_nul).transpose()?,
        workdir: config.workdir.as_ref().map(image_path).transpose()?,
        env: env(&config.env)?,
        labels: labels(&config.labels)?,
        ports: config.ports.iter().map(port).collect::<Result<_, _>>()?,
        volumes: config.volumes.iter().map(image_path).collect::<Result<_, _>>()?,
        stop_signal: config.stop_signal.as_ref().map(stop_signal).transpose()?,
        required_env: config.required_env.iter().map(required_env).collect::<Result<_, _>>()?,
        entrypoint: config.entrypoint.as_ref().map(command).transpose()?,
        cmd: config.cmd.as_ref().map(command).transpose()?,
        shell: config.shell.as_ref().map(shell).transpose()?,
        healthcheck: config.healthcheck.as_ref().map(healthcheck).transpose()?,
    })
}

fn without_nul(text: &Text) -> Result<String, Problem> {
    if text.value.contains('\0') {
        Err(Problem::new(&text.span, "a NUL character is not allowed here"))
    } else {
        Ok(text.value.clone())
    }
}

fn env(env: &At<BTreeMap<String, TextOrFalse>>) -> Result<BTreeMap<String, Option<String>>, Problem> {
    for (name, value) in &env.value {
        if !is_env_name(name) {
            return Err(env_name_problem(name, &env.span));
        }
        if matches!(value, TextOrFalse::Text(text) if text.contains('\0')) {
            return Err(Problem::new(
                &env.span,
                format!("the value of `{}` contains a NUL character", escape(name.as_bytes())),
            ));
        }
    }
    Ok(optional(env))
}

fn optional(table: &At<BTreeMap<String, TextOrFalse>>) -> BTreeMap<String, Option<String>> {
    let value = |value: &TextOrFalse| match value {
        TextOrFalse::Text(text) => Some(text.clone()),
        TextOrFalse::False(_) => None,
    };
    table
        .value
        .iter()
        .map(|(name, text)| (name.clone(), value(text)))
        .collect()
}

fn is_env_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

fn env_name_problem(name: &str, span: &std::ops::Range<usize>) -> Problem {
    let message = format!(
        "\"{}\" is not a valid name of an environment variable",
        escape(name.as_bytes())
    );
    Problem::new(span, message).help("a name must not be empty or contain =")
}

fn required_env(text: &Text) -> Result<String, Problem> {
    // A label joins the names, so white space and commas are not allowed in them.
    if is_env_name(&text.value)
        && !text
            .value
            .contains(|character: char| character == ',' || character.is_whitespace())
    {
        Ok(text.value.clone())
    } else {
        Err(env_name_problem(&text.value, &text.span))
    }
}

fn labels(labels: &At<BTreeMap<String, TextOrFalse>>) -> Result<BTreeMap<String, Option<String>>, Problem> {
    if labels.value.contains_key("") {
        Err(Problem::new(&labels.span, "the name of a label is empty"))
    } else {
        Ok(optional(labels))
    }
}

/// Parses `3000` or `3000/udp`; the default protocol is tcp.
fn port(port: &At<PortText>) -> Result<String, Problem> {
    let (number, protocol) = port.value.0.split_once('/').unwrap_or((&port.value.0, "tcp"));
    let is_number = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
    match number.parse::<u16>() {
        Ok(number @ 1..) if is_number && PROTOCOLS.contains(&protocol) => Ok(format!("{number}/{protocol}")),
        _ => Err(Problem::new(&port.span, "not a valid port").help(
            "write a port from 1 to 65535 with an optional protocol: \"3000\", \"53/udp\"; list each port of a range",
        )),
    }
}

/// Parses a signal like Docker and podman: a name in any case, with or without SIG, or a number.
fn stop_signal(text: &Text) -> Result<String, Problem> {
    let signal = &text.value;
    let upper = signal.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let is_number = signal.bytes().all(|byte| byte.is_ascii_digit())
        && signal
            .parse::<u32>()
            .is_ok_and(|number| (1..=MAX_SIGNAL).contains(&number));
    if is_number || SIGNALS.contains(&name) || is_real_time(name) {
        return Ok(signal.clone());
    }
    let problem = Problem::new(&text.span, "not a Linux signal");
    Err(problem.help(match nearest(name, SIGNALS) {
        Some(near) => format!("did you mean SIG{near}?"),
        None => format!("such as \"SIGTERM\", \"SIGRTMIN+3\", or a number from 1 to {MAX_SIGNAL}"),
    }))
}

/// Returns `true` for `RTMIN`, `RTMIN+1` to `RTMIN+15`, `RTMAX-14` to `RTMAX-1` and `RTMAX`, the names that Docker
/// accepts.
fn is_real_time(name: &str) -> bool {
    let offset = |rest: &str, sign| rest.strip_prefix(sign).map(str::to_owned);
    let within = |digits: String, last| {
        !digits.starts_with('0') && digits.parse::<u8>().is_ok_and(|offset| (1..=last).contains(&offset))
    };
    match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(rest), _) => rest.is_empty() || offset(rest, '+').is_some_and(|digits| within(digits, 15)),
        (_, Some(rest)) => rest.is_empty() || offset(rest, '-').is_some_and(|digits| within(digits, 14)),
        _ => false,
    }
}

fn command(command: &At<choice::Command>) -> Result<Command, Problem> {
    match &command.value {
        choice::Command::Shell(text) if text.trim().is_empty() => {
            Err(Problem::new(&command.span, "the command is empty").help("write an empty list, [], for no command"))
        }
        choice::Command::Shell(text) if text.contains('\0') => {
            Err(Problem::new(&command.span, "a NUL character is not allowed here"))
        }
        choice::Command::Shell(text) => Ok(Command::Shell(text.clone())),
        choice::Command::Exec(words) => Ok(Command::Exec(words.iter().map(without_nul).collect::<Result<_, _>>()?)),
    }
}

fn shell(shell: &At<Vec<String>>) -> Result<Vec<String>, Problem> {
    match shell.value.first() {
        Some(program) if !program.is_empty() => Ok(shell.value.clone()),
        _ => Err(Problem::new(&shell.span, "a shell needs at least one word").help("such as [\"/bin/sh\", \"-c\"]")),
    }
}

fn healthcheck(healthcheck: &At<HealthcheckChoice>) -> Result<Healthcheck, Problem> {
    let HealthcheckChoice::Table(table) = &healthcheck.value else {
        return Ok(Healthcheck::None);
    };
    let Some(test) = &table.test else {
        return Err(Problem::new(&healthcheck.span, "`healthcheck` has no `test`")
            .help("write `healthcheck = false` to remove the health check of the base"));
    };
    let Some(test) = health_test(test)? else {
        return Ok(Healthcheck::None);
    };
    let retries = table.retries.as_ref().map(|retries| {
        u64::try_from(retries.value).map_err(|_| Problem::new(&retries.span, "`retries` must be 0 or more"))
    });
    let duration = |text: &Option<At<choice::DurationText>>| text.as_ref().map(duration_ns).transpose();
    Ok(Healthcheck::Check {
        test,
        interval_ns: duration(&table.interval)?,
        timeout_ns: duration(&table.timeout)?,
        start_period_ns: duration(&table.start_period)?,
        start_interval_ns: duration(&table.start_interval)?,
        retries: retries.transpose()?,
    })
}

/// Returns the test in the config's form; `None` for `["NONE"]`.
fn health_test(test: &At<choice::Command>) -> Result<Option<Vec<String>>, Problem> {
    let words = match command(test)? {
        Command::Shell(text) => return Ok(Some(vec!["CMD-SHELL".to_owned(), text])),
        Command::Exec(words) => words,
    };
    let problem = |message: &str| {
        Problem::new(&test.span, message)
            .help("write [\"CMD\", \"/program\", …], [\"CMD-SHELL\", \"command\"], [\"NONE\"], or a string")
    };
    match (words.first().map(String::as_str), words.len()) {
        (Some("NONE"), 1) => Ok(None),
        (Some("CMD"), 2..) | (Some("CMD-SHELL"), 2) => Ok(Some(words)),
        (Some("NONE" | "CMD" | "CMD-SHELL"), _) => {
            Err(problem("the health check's test has the wrong number of words"))
        }
        _ => Err(problem(
            "the health check's test must begin with CMD, CMD-SHELL or NONE",
        )),
    }
}
