//! Reads `[config]`: how the image runs.

use std::collections::BTreeMap;

use super::super::error::Problem;
use super::super::tree::{Span, Value};
use super::super::{Command, ConfigSpec, HealthTest, Healthcheck};
use super::context::Input;
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

/// Reads `[config]` after variables are expanded.
pub(in super::super) fn config(config: Input<'_>) -> Result<ConfigSpec, Problem> {
    Ok(ConfigSpec {
        user: config.optional("user", without_nul)?,
        workdir: config.optional("workdir", image_path)?,
        env: config.optional("env", env)?.unwrap_or_default(),
        labels: config.optional("labels", labels)?.unwrap_or_default(),
        ports: config.list_of("ports", port)?,
        volumes: config.list_of("volumes", image_path)?,
        stop_signal: config.optional("stop-signal", stop_signal)?,
        required_env: config.list_of("required-env", required_env)?,
        entrypoint: config.optional("entrypoint", command)?,
        cmd: config.optional("cmd", command)?,
        shell: config.optional("shell", shell)?,
        healthcheck: config.optional("healthcheck", healthcheck)?,
    })
}

fn without_nul(input: Input<'_>) -> Result<String, Problem> {
    let text = input.string()?;
    if text.contains('\0') {
        Err(input.problem("a NUL character is not allowed here"))
    } else {
        Ok(text)
    }
}

/// Reads a value, or `false` to remove the one of the base.
fn text_or_false(input: Input<'_>) -> Result<Option<String>, Problem> {
    match input.node.value {
        Value::Boolean(false) => Ok(None),
        _ => input.string().map(Some),
    }
}

fn env(input: Input<'_>) -> Result<BTreeMap<String, Option<String>>, Problem> {
    let env = input.map(text_or_false)?;
    for (name, value) in &env {
        if !is_env_name(name) {
            return Err(env_name_problem(name, &input.node.span));
        }
        if value.as_ref().is_some_and(|text| text.contains('\0')) {
            let message = format!("the value of `{}` contains a NUL character", escape(name.as_bytes()));
            return Err(input.problem(message));
        }
    }
    Ok(env)
}

fn is_env_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

fn env_name_problem(name: &str, span: &Span) -> Problem {
    let message = format!(
        "\"{}\" is not a valid name of an environment variable",
        escape(name.as_bytes())
    );
    Problem::new(span, message).help("a name must not be empty or contain =")
}

fn required_env(input: Input<'_>) -> Result<String, Problem> {
    let name = input.string()?;
    // A label joins the names, so white space and commas are not allowed in them.
    if is_env_name(&name) && !name.contains(|character: char| character == ',' || character.is_whitespace()) {
        Ok(name)
    } else {
        Err(env_name_problem(&name, &input.node.span))
    }
}

fn labels(input: Input<'_>) -> Result<BTreeMap<String, Option<String>>, Problem> {
    let labels = input.map(text_or_false)?;
    if labels.contains_key("") {
        Err(input.problem("the name of a label is empty"))
    } else {
        Ok(labels)
    }
}

/// Reads `3000` or `3000/udp`; the default protocol is tcp.
fn port(input: Input<'_>) -> Result<String, Problem> {
    let text = input.text()?;
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let is_number = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
    match number.parse::<u16>() {
        Ok(number @ 1..) if is_number && PROTOCOLS.contains(&protocol) => Ok(format!("{number}/{protocol}")),
        _ => input.refuse(
            "not a valid port",
            "write a port from 1 to 65535 with an optional protocol: \"3000\", \"53/udp\"; list each port of a range",
        ),
    }
}

/// Reads a signal like Docker and podman: a name in any case, with or without SIG, or a number.
fn stop_signal(input: Input<'_>) -> Result<String, Problem> {
    let signal = input.string()?;
    let upper = signal.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let is_number = signal.bytes().all(|byte| byte.is_ascii_digit())
        && signal
            .parse::<u32>()
            .is_ok_and(|number| (1..=MAX_SIGNAL).contains(&number));
    if is_number || SIGNALS.contains(&name) || is_real_time(name) {
        return Ok(signal);
    }
    input.refuse(
        "not a Linux signal",
        match nearest(name, SIGNALS) {
            Some(near) => format!("did you mean SIG{near}?"),
            None => format!("such as \"SIGTERM\", \"SIGRTMIN+3\", or a number from 1 to {MAX_SIGNAL}"),
        },
    )
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

fn command(input: Input<'_>) -> Result<Command, Problem> {
    let Some(text) = input.node.as_text() else {
        return input.list(without_nul).map(Command::Exec);
    };
    if text.trim().is_empty() {
        return input.refuse("the command is empty", "write an empty list, [], for no command");
    }
    without_nul(input).map(Command::Shell)
}

fn shell(input: Input<'_>) -> Result<Vec<String>, Problem> {
    let words = input.list(Input::string)?;
    match words.first() {
        Some(program) if !program.is_empty() => Ok(words),
        _ => input.refuse("a shell needs at least one word", "such as [\"/bin/sh\", \"-c\"]"),
    }
}

fn healthcheck(input: Input<'_>) -> Result<Healthcheck, Problem> {
    if let Value::Boolean(false) = input.node.value {
        return Ok(Healthcheck::None);
    }
    let Some(test) = input.get("test") else {
        return input.refuse(
            "`healthcheck` has no `test`",
            "write `healthcheck = false` to remove the health check of the base",
        );
    };
    let Some(test) = health_test(test)? else {
        return Ok(Healthcheck::None);
    };
    Ok(Healthcheck::Check(HealthTest {
        test,
        retries: input.optional("retries", retries)?,
        interval_ns: input.optional("interval", duration_ns)?,
        timeout_ns: input.optional("timeout", duration_ns)?,
        start_period_ns: input.optional("start-period", duration_ns)?,
        start_interval_ns: input.optional("start-interval", duration_ns)?,
    }))
}

fn retries(input: Input<'_>) -> Result<u64, Problem> {
    u64::try_from(input.integer()?).map_err(|_| input.problem("`retries` must be 0 or more"))
}

/// Returns the test in the config's form; `None` for `["NONE"]`.
fn health_test(test: Input<'_>) -> Result<Option<Vec<String>>, Problem> {
    let words = match command(test)? {
        Command::Shell(text) => return Ok(Some(vec!["CMD-SHELL".to_owned(), text])),
        Command::Exec(words) => words,
    };
    let problem = |message: &str| {
        test.problem(message)
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
