//! Checks the services of compose files.

use std::collections::BTreeSet;

use super::effective::{EnvTexts, environment};
use super::env_file::EnvFileError;
use super::finding::{Running, ServiceFinding};
use super::health;
use super::members::{ImageOf, MemberName, MemberPlatform, image_of};
use super::required::{self, Fed};
use super::service::Text;
use super::stack::Stack;
use super::subject::{CheckedService, Context, StackMember, StackReport, Subject};
use super::unset;
use super::variables::Variables;
use crate::deploy::listed::listed;
use crate::model::code::{Code, Severity};
use crate::model::{Platform, escape, escape_path, nearest};

impl Stack {
    /// Returns the indexes of the members whose images services run.
    pub fn members_used(&self, members: &[MemberName]) -> BTreeSet<usize> {
        let images = self.images().filter_map(|(_, image)| image);
        let found = images.filter_map(|image| match image_of(image, members) {
            ImageOf::Member { index, .. } => Some(index),
            _ => None,
        });
        found.collect()
    }

    /// Checks the `selected` services. `texts` has the text of each of [`Stack::env_files`].
    ///
    /// # Errors
    /// Returns [`EnvFileError`] for a line that Compose refuses.
    pub fn check(
        &self,
        members: &[StackMember],
        selected: &BTreeSet<&str>,
        texts: &EnvTexts,
        variables: &Variables,
    ) -> Result<StackReport, EnvFileError> {
        let context = Context {
            stack: self,
            members,
            variables,
        };
        let names: Vec<MemberName> = members.iter().map(|member| member.name.clone()).collect();
        let mut report = StackReport::default();
        let mut fed = Fed::default();
        let mut running = Running::new();
        for (name, service) in self
            .services
            .iter()
            .filter(|(name, _)| selected.contains(name.as_str()))
        {
            let mut subject = Subject {
                name,
                service,
                member: None,
                environment: environment(service, texts, variables, &self.budget)?,
            };
            subject.member = find_member(&subject, &names, context, &mut report);
            if let Some((index, platforms)) = &subject.member {
                let platforms = platforms.iter().map(|platform| platform.platform.clone()).collect();
                running.insert(name.as_str(), (*index, platforms));
            }
            missing_env_files(&subject, context, &mut report);
            required::check(&subject, context, &mut fed, &mut report.findings);
            unset::check_env_files(&subject, context, &mut fed, &mut report.findings);
            dependencies(&subject, context, &mut report);
            health::check(&subject, &names, context, &mut report);
        }
        unset::check(selected, &running, &fed, context, &mut report.findings);
        not_evaluated(selected, &running, context, &mut report);
        report
            .findings
            .sort_by(|left, right| left.place.order().cmp(&right.place.order()));
        report.findings.dedup();
        Ok(report)
    }

    /// Returns a finding as text with its line and a caret, in color or plain, without a final newline.
    pub fn render(&self, finding: &ServiceFinding, color: bool) -> String {
        finding.render(&self.sources, color)
    }
}

/// Finds the member whose image a service runs. Reports an image that is probably meant to be one.
fn find_member<'a>(
    subject: &Subject<'a>,
    names: &[MemberName],
    context: Context<'a>,
    report: &mut StackReport,
) -> Option<(usize, Vec<&'a MemberPlatform>)> {
    let service = escape(subject.name.as_bytes());
    let Some(image) = &subject.service.image else {
        let why = if subject.service.is_built {
            "is built by Compose"
        } else {
            "has no image"
        };
        report
            .notes
            .push(format!("service {service} {why}: what it requires is not known"));
        return None;
    };
    let shown = escape(image.text.as_bytes());
    let place = || context.in_compose(&image.place);
    match image_of(&image.text, names) {
        ImageOf::Member { index, has_known_tag } => {
            if !has_known_tag {
                let tags: Vec<&str> = names[index].tags.iter().map(|tag| tag.as_str()).collect();
                report.notes.push(format!(
                    "service {service} runs {shown}, but the spec has {}: it is checked against the spec as it is now",
                    if tags.is_empty() {
                        "no tag".to_owned()
                    } else {
                        format!("the tags {}", tags.join(", "))
                    }
                ));
            }
            return Some((index, checked_platforms(subject, image, index, context, report)));
        }
        ImageOf::Near(index) => {
            let known = &names[index].repository;
            let message = format!("no member has the image {shown}");
            let help = format!("if a member's image is meant, use its name: {known}");
            let finding = subject.finding(Code::ImageNotInWorkspace, place(), message, help);
            report.findings.push(finding);
        }
        ImageOf::Ambiguous(indexes) => {
            let ids: Vec<&str> = indexes.iter().filter_map(|index| names[*index].id.as_deref()).collect();
            let message = format!(
                "{shown} may be the image of several members, and none has its tag: {}",
                ids.join(", ")
            );
            let help = "use a tag of one of them; the variables of this service are not checked";
            report
                .findings
                .push(subject.finding(Code::ImageNotInWorkspace, place(), message, help));
        }
        ImageOf::Foreign => report.notes.push(format!(
            "service {service} runs {shown}, which is no member's image: what it requires is not known"
        )),
        ImageOf::Malformed => report.findings.push(malformed_image(subject, image, context)),
    }
    None
}

/// Returns the finding on an image that is no reference, probably because a variable is not set.
fn malformed_image(subject: &Subject<'_>, image: &Text, context: Context<'_>) -> ServiceFinding {
    let (code, help) = match &image.unset[..] {
        [] => (
            Code::ImageNotInWorkspace,
            "write NAME:TAG, such as ghcr.io/me/app:1.0".to_owned(),
        ),
        unset => (
            Code::UnsetInterpolation,
            format!(
                "set {} {}",
                listed(unset.iter().map(String::as_str)),
                context.variable_places()
            ),
        ),
    };
    let message = format!("\"{}\" is not an image reference", escape(image.text.as_bytes()));
    let place = context.in_compose(&image.place);
    ServiceFinding {
        severity: Severity::Error,
        ..subject.finding(code, place, message, help)
    }
}

/// Returns the platforms that are checked, and notes the service.
fn checked_platforms<'a>(
    subject: &Subject<'_>,
    image: &Text,
    index: usize,
    context: Context<'a>,
    report: &mut StackReport,
) -> Vec<&'a MemberPlatform> {
    let platforms = platforms_of(subject, index, context, report);
    let required: BTreeSet<&String> = platforms.iter().flat_map(|platform| &platform.required).collect();
    report.checked.push(CheckedService {
        service: subject.name.to_owned(),
        image: image.text.clone(),
        member: index,
        required_count: required.len(),
    });
    platforms
}

/// Returns the member's platforms that a service may run on: that of `platform`, else all.
fn platforms_of<'a>(
    subject: &Subject<'_>,
    index: usize,
    context: Context<'a>,
    report: &mut StackReport,
) -> Vec<&'a MemberPlatform> {
    let all: Vec<&MemberPlatform> = context.members[index].platforms.iter().collect();
    let Some(text) = &subject.service.platform else {
        return all;
    };
    let wanted: Option<Platform> = text.text.parse().ok();
    let is_wanted = |known: &&&MemberPlatform| wanted.as_ref().is_some_and(|wanted| known.platform.is_same_as(wanted));
    let found: Vec<&MemberPlatform> = all.iter().filter(is_wanted).copied().collect();
    if found.is_empty() {
        let known: Vec<String> = all.iter().map(|known| known.platform.to_string()).collect();
        let message = format!(
            "the member has no image for platform \"{}\"",
            escape(text.text.as_bytes())
        );
        let help = format!("use one of its platforms: {}", known.join(", "));
        let place = context.in_compose(&text.place);
        report
            .findings
            .push(subject.finding(Code::ImageNotInWorkspace, place, message, help));
        return all;
    }
    found
}

fn missing_env_files(subject: &Subject<'_>, context: Context<'_>, report: &mut StackReport) {
    for file in &subject.environment.missing_files {
        let message = format!("env file {} does not exist", escape_path(&file.file));
        let help = "create it, or allow it to be missing with `required: false`";
        let place = context.in_compose(&file.path.place);
        report
            .findings
            .push(subject.finding(Code::MissingEnvFile, place, message, help));
    }
}

/// Reports dependencies that no file defines.
fn dependencies(subject: &Subject<'_>, context: Context<'_>, report: &mut StackReport) {
    let services = &context.stack.services;
    if context.stack.is_partial {
        return;
    }
    for (name, dependency) in &subject.service.dependencies {
        // `required: false` is for services whose profile is not active, and not for those that do not exist.
        if services.contains_key(name) {
            continue;
        }
        let message = format!(
            "it depends on service {}, which does not exist",
            escape(name.as_bytes())
        );
        let help = match nearest(name, services.keys().map(String::as_str)) {
            Some(near) => format!("did you mean {}?", escape(near.as_bytes())),
            None => "add the service, or remove it from `depends_on`".to_owned(),
        };
        let place = context.in_compose(&dependency.place);
        report
            .findings
            .push(subject.finding(Code::DependencyMissing, place, message, help));
    }
}

fn not_evaluated(selected: &BTreeSet<&str>, running: &Running<'_>, context: Context<'_>, report: &mut StackReport) {
    for part in &context.stack.not_evaluated {
        let is_selected = part.service.as_deref().is_none_or(|service| selected.contains(service));
        if !is_selected {
            continue;
        }
        let finding = ServiceFinding {
            severity: Code::NotEvaluated.severity(),
            code: Code::NotEvaluated,
            service: part.service.clone(),
            member: None,
            platforms: Vec::new(),
            message: format!("not evaluated: {}", part.what),
            help: "check the output of `docker compose config` instead, in which it is resolved".to_owned(),
            place: context.in_compose(&part.place),
        };
        report.findings.push(finding.of_member(running));
    }
}
