//! Variables that an image requires.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::effective::{Given, Source};
use super::finding::{FindingPlace, ServiceFinding};
use super::members::MemberPlatform;
use super::subject::{Context, Subject};
use crate::deploy::listed::listed;
use crate::model::code::Code;
use crate::model::escape;

/// Values that required variables get.
#[derive(Debug, Default)]
pub(super) struct Fed {
    /// Values with a variable that is not set, and the required variables that they are for.
    pub with_holes: Vec<(Source, String)>,
    /// Values that were reported already.
    pub reported: Vec<Source>,
    /// Variables of env files of services that were reported already: the file, the line and the name.
    pub env_file_uses: BTreeSet<(PathBuf, usize, String)>,
}

/// Reports required variables that are not set, or set to an empty string.
pub(super) fn check(subject: &Subject<'_>, context: Context<'_>, fed: &mut Fed, findings: &mut Vec<ServiceFinding>) {
    let Some((_, platforms)) = &subject.member else { return };
    let names: BTreeSet<&str> = platforms
        .iter()
        .flat_map(|platform| &platform.required)
        .map(String::as_str)
        .collect();
    for name in names {
        let requiring = platforms
            .iter()
            .copied()
            .filter(|platform| platform.required.iter().any(|known| known == name));
        let requiring: Vec<&MemberPlatform> = requiring.collect();
        match subject.environment.variables.get(name) {
            Some(given) if given.value.as_ref().is_some_and(|value| !value.is_empty()) => {
                if !given.unset.is_empty() {
                    fed.with_holes.push((given.source.clone(), name.to_owned()));
                }
            }
            Some(given) => {
                findings.push(missing_value(subject, name, given, &requiring, context));
                fed.reported.push(given.source.clone());
            }
            None => findings.extend(missing_name(subject, name, &requiring, context)),
        }
    }
}

/// Returns the finding on a variable that the service names.
fn missing_value(
    subject: &Subject<'_>,
    name: &str,
    given: &Given,
    requiring: &[&MemberPlatform],
    context: Context<'_>,
) -> ServiceFinding {
    let shown = escape(name.as_bytes());
    let state = match (&given.value, given.is_of_shell) {
        (None, _) => "which is to come from the shell, and is not set there".to_owned(),
        (Some(_), true) => "which is set to an empty string in the shell or in an env file".to_owned(),
        (Some(_), false) if !given.unset.is_empty() => {
            format!(
                "which is set to an empty string: {} is not set",
                listed(given.unset.iter().map(String::as_str))
            )
        }
        (Some(_), false) => "which is set to an empty string".to_owned(),
    };
    let names = if given.is_of_shell {
        shown.clone()
    } else {
        listed(given.unset.iter().map(String::as_str))
    };
    let help = if names.is_empty() {
        format!("give {shown} a value here")
    } else {
        format!("set {names} {}", context.variable_places())
    };
    let place = match &given.source {
        Source::Compose(place) => context.in_compose(place),
        Source::EnvFile { path, line } => FindingPlace::in_env_file(path, *line),
    };
    let message = format!("the image requires environment variable {shown}, {state}");
    about(subject.finding(Code::MissingVariable, place, message, help), requiring)
}

/// Returns the finding on a variable that the service does not name, unless all images have it.
fn missing_name(
    subject: &Subject<'_>,
    name: &str,
    requiring: &[&MemberPlatform],
    context: Context<'_>,
) -> Option<ServiceFinding> {
    // The variable may come from what is not evaluated, which is reported.
    if !subject.service.open_questions.is_empty() {
        return None;
    }
    let of_image = |platform: &&MemberPlatform| -> Option<String> {
        let variables: BTreeMap<&str, &str> = platform.env.iter().map(|(name, value)| (&**name, &**value)).collect();
        variables.get(name).map(|value| (*value).to_owned())
    };
    let lacking: Vec<&MemberPlatform> = requiring
        .iter()
        .copied()
        .filter(|platform| of_image(platform).is_none_or(|value| value.is_empty()))
        .collect();
    let first = lacking.first()?;
    let shown = escape(name.as_bytes());
    let state = match of_image(first) {
        Some(_) => "which the image sets to an empty string",
        None => "which is not set",
    };
    let service = escape(subject.name.as_bytes());
    let message = format!("the image requires environment variable {shown}, {state}");
    let help = format!("set {shown} in `environment` or in an env file of service {service}");
    let place = subject
        .service
        .image
        .as_ref()
        .map_or(&subject.service.place, |image| &image.place);
    let place = context.in_compose(place);
    Some(about(
        subject.finding(Code::MissingVariable, place, message, help),
        &lacking,
    ))
}

fn about(finding: ServiceFinding, platforms: &[&MemberPlatform]) -> ServiceFinding {
    ServiceFinding {
        platforms: platforms.iter().map(|platform| platform.platform.clone()).collect(),
        ..finding
    }
}
