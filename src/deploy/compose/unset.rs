//! Variables that are used in compose files and env files, and not set.

use std::collections::BTreeSet;

use super::effective::Source;
use super::finding::{FindingPlace, Running, ServiceFinding};
use super::required::Fed;
use super::subject::{Context, Subject};
use super::walk::UnsetUse;
use crate::deploy::listed::{listed, shown};
use crate::model::code::{Code, Severity};
use crate::model::escape;

/// Reports variables of compose files and of the env files that Compose itself reads. A variable in a value that an image
/// requires is an error; one without which Compose refuses the file is an error whichever services are selected.
pub(super) fn check(
    selected: &BTreeSet<&str>,
    running: &Running<'_>,
    fed: &Fed,
    context: Context<'_>,
    findings: &mut Vec<ServiceFinding>,
) {
    for used in &context.stack.uses {
        let is_selected = used.service.as_deref().is_none_or(|service| selected.contains(service));
        let source = Source::Compose(used.scalar.clone());
        if used.refusal.is_some() || is_selected && !fed.reported.contains(&source) {
            let found = finding(used, fed, &source, context);
            // No `allow` makes Compose accept a file.
            findings.push(if used.refusal.is_some() {
                found
            } else {
                found.of_member(running)
            });
        }
    }
    for (path, line, name) in context.variables.unset.iter().chain(&context.stack.env_unset) {
        let place = FindingPlace::in_env_file(path, *line);
        findings.push(unset(None, name, &[], place, context));
    }
}

/// Reports variables of the env files of a service.
pub(super) fn check_env_files(
    subject: &Subject<'_>,
    context: Context<'_>,
    fed: &mut Fed,
    findings: &mut Vec<ServiceFinding>,
) {
    for (path, line, name) in &subject.environment.unset {
        let source = Source::EnvFile {
            path: path.clone(),
            line: *line,
        };
        let place = FindingPlace::in_env_file(path, *line);
        // A file may belong to several services.
        let is_new = fed.env_file_uses.insert((path.clone(), *line, name.clone()));
        if fed.reported.contains(&source) || !is_new {
            continue;
        }
        let found = unset(None, name, &required_by(fed, &source), place, context);
        let base = subject.finding(
            found.code,
            found.place.clone(),
            found.message.clone(),
            found.help.clone(),
        );
        findings.push(ServiceFinding {
            severity: found.severity,
            ..base
        });
    }
    for name in &subject.environment.taken_away {
        findings.extend(taken_away(subject, name, "an env file", context));
    }
    let of_image = subject
        .member
        .iter()
        .flat_map(|(_, platforms)| platforms)
        .flat_map(|platform| &platform.env);
    let of_image: BTreeSet<&str> = of_image.map(|(name, _)| name.as_str()).collect();
    for (name, given) in &subject.environment.variables {
        let is_lost = given.value.is_none() && !subject.environment.taken_away.contains(name);
        if is_lost && of_image.contains(name.as_str()) {
            findings.extend(taken_away(subject, name, "the image", context));
        }
    }
}

/// Returns the finding on a name without a value that removes what is set elsewhere. A required variable is reported
/// already.
fn taken_away(subject: &Subject<'_>, name: &str, by: &str, context: Context<'_>) -> Option<ServiceFinding> {
    let mut platforms = subject.member.iter().flat_map(|(_, platforms)| platforms);
    if platforms.any(|platform| platform.required.iter().any(|known| known == name)) {
        return None;
    }
    let given = subject.environment.variables.get(name)?;
    let Source::Compose(place) = &given.source else {
        return None;
    };
    let shown = escape(name.as_bytes());
    let message = format!(
        "{shown} is to come from the shell, and is not set there: the container loses the value that {by} sets"
    );
    let help = format!(
        "set {shown} {}, or remove it from `environment`",
        context.variable_places()
    );
    Some(subject.finding(Code::UnsetInterpolation, context.in_compose(place), message, help))
}

fn required_by<'a>(fed: &'a Fed, source: &Source) -> Vec<&'a str> {
    let of_source = fed.with_holes.iter().filter(|(known, _)| known == source);
    let mut names: Vec<&str> = of_source.map(|(_, name)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn finding(used: &UnsetUse, fed: &Fed, source: &Source, context: Context<'_>) -> ServiceFinding {
    let place = context.in_compose(&used.place);
    let service = used.service.clone();
    let Some(refusal) = &used.refusal else {
        return unset(service, &used.name, &required_by(fed, source), place, context);
    };
    let name = shown(&used.name);
    let state = if refusal.is_empty { "empty" } else { "not set" };
    let mut message = format!("Compose refuses the file, because variable {name} is {state}");
    if !refusal.message.is_empty() {
        message.push_str(&format!(": {}", shown(&refusal.message)));
    }
    ServiceFinding {
        severity: Severity::Error,
        code: Code::UnsetInterpolation,
        service,
        member: None,
        platforms: Vec::new(),
        message,
        help: format!("set {name} {}", context.variable_places()),
        place,
    }
}

fn unset(
    service: Option<String>,
    name: &str,
    required: &[&str],
    place: FindingPlace,
    context: Context<'_>,
) -> ServiceFinding {
    let name = shown(name);
    let (severity, message) = if required.is_empty() {
        let message = format!("variable {name} is not set, and an empty string is used instead");
        (Code::UnsetInterpolation.severity(), message)
    } else {
        let required = listed(required.iter().copied());
        let message = format!("variable {name} is not set, and is part of {required}, which the image requires");
        (Severity::Error, message)
    };
    ServiceFinding {
        severity,
        code: Code::UnsetInterpolation,
        service,
        member: None,
        platforms: Vec::new(),
        message,
        help: format!(
            "set {name} {}, or write ${{{name}:-}} if it may be empty",
            context.variable_places()
        ),
        place,
    }
}
