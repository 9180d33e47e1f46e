//! Health checks that other services wait for.

use super::members::{ImageOf, MemberName, MemberPlatform, image_of};
use super::service::{Dependency, HealthTest, Service};
use super::subject::{Context, StackReport, Subject};
use crate::model::code::Code;
use crate::model::{Family, Platform, escape};

/// Reports services that wait until another one is healthy which has no health check, or one that podman ignores.
pub(super) fn check(subject: &Subject<'_>, names: &[MemberName], context: Context<'_>, report: &mut StackReport) {
    let awaited = subject
        .service
        .dependencies
        .iter()
        .filter(|(_, dependency)| dependency.must_be_healthy == Some(true));
    for (name, dependency) in awaited {
        let Some(target) = context.stack.services.get(name) else {
            continue;
        };
        match target.health_check.outcome() {
            HealthTest::Command => {}
            HealthTest::Off => {
                let shown = escape(name.as_bytes());
                let message = format!("it waits until {shown} is healthy, but the health check of {shown} is disabled");
                let help = format!("give {shown} a `healthcheck`, or wait with `condition: service_started`");
                let place = context.in_compose(&dependency.place);
                report
                    .findings
                    .push(subject.finding(Code::NoHealthCheck, place, message, help));
            }
            HealthTest::OfImage => check_image(subject, (name, target), dependency, names, context, report),
        }
    }
}

/// Checks a service whose health check is that of its image.
fn check_image(
    subject: &Subject<'_>,
    (name, target): (&str, &Service),
    dependency: &Dependency,
    names: &[MemberName],
    context: Context<'_>,
    report: &mut StackReport,
) {
    let shown = escape(name.as_bytes());
    let member = target.image.as_ref().map(|image| image_of(&image.text, names));
    let Some(ImageOf::Member { index, .. }) = member else {
        let service = escape(subject.name.as_bytes());
        report.notes.push(format!(
            "service {service} waits until {shown} is healthy: whether the image of {shown} has a health check is not known"
        ));
        return;
    };
    let platform: Option<Platform> = target.platform.as_ref().and_then(|platform| platform.text.parse().ok());
    let runs_on = |known: &&MemberPlatform| {
        platform
            .as_ref()
            .is_none_or(|platform| known.platform.is_same_as(platform))
    };
    let platforms = || context.members[index].platforms.iter().filter(runs_on);
    let place = context.in_compose(&dependency.place);
    let mut finding = if platforms().any(|platform| !platform.has_health_check) {
        let message =
            format!("it waits until {shown} is healthy, but neither {shown} nor its image has a health check");
        let help = format!(
            "give {shown} a `healthcheck`, or its image one in [config]; or wait with `condition: service_started`"
        );
        subject.finding(Code::NoHealthCheck, place, message, help)
    } else if platforms().any(|platform| platform.family == Family::Oci) {
        let message = format!(
            "it waits until {shown} is healthy, but podman ignores the health check of its image, which has an OCI \
             manifest; docker runs it"
        );
        let help = format!(
            "give {shown} a `healthcheck` with `test`, or set `media-types = \"docker\"` in the spec of its image"
        );
        subject.finding(Code::HealthcheckIgnored, place, message, help)
    } else {
        return;
    };
    // `allow` and `deny` are those of the image without the health check.
    finding.member = Some(index);
    finding.platforms = platforms().map(|platform| platform.platform.clone()).collect();
    report.findings.push(finding);
}
