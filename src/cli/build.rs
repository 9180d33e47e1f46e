//! `ocitect build`.

use std::collections::BTreeSet;
use std::path::Path;

use super::arguments::{BuildArguments, OutputArguments};
use super::choices::Progress;
use super::destination::{self, Destination};
use super::failure::{Done, Failure};
use super::image_names::parse_image;
use super::members::{self, MemberOutputs};
use super::metadata::{self, ReportedImage};
use super::platforms::parse_platforms;
use super::stderr::{emit_event, eprintln_line};
use super::stdout::{print_json, print_result};
use super::{interrupt, progress, render};
use crate::build::{
    BuildOptions, BuildReport, Member, OutputRequest, Outputs, Target, build, check_outputs, plan_build,
};
use crate::environment::Environment;
use crate::events::Event;
use crate::model::Reference;

/// Builds the image of a spec, or the images of a workspace, and prints the `NAME@DIGEST` of each at the end.
pub async fn run(arguments: &BuildArguments, output: &OutputArguments, environment: &Environment) -> Done {
    let observer = progress::observer(output);
    check_is_no_image(arguments)?;
    let inputs = environment.spec_inputs(&arguments.set)?;
    let metadata = arguments.metadata.as_deref().map(Destination::of);
    let request = output_request(arguments, metadata.as_ref())?;
    let stdout_is_taken = destination::taken_stdout(&request.outputs, metadata.as_ref())?;
    let images = members::load(&arguments.spec, &arguments.selection, &request, &inputs)?;
    let cache_from = arguments.cache_from.iter().map(|text| parse_image(text, environment));
    let options = BuildOptions {
        locked: arguments.pins.locked,
        cache_from: cache_from.collect::<Result<_, _>>()?,
        ..environment.build_options(arguments.jobs)?
    };
    if !arguments.print_plan {
        let also_read = environment.files_read(&arguments.registry);
        for image in &images {
            let MemberOutputs { spec, outputs, .. } = image;
            check_outputs(spec, outputs, &also_read, &options.cache_from, options.cache.as_ref())?;
        }
    }
    let targets: Vec<Target> = images.iter().flat_map(|image| image.outputs.targets.clone()).collect();
    let pushed: BTreeSet<&str> = images.iter().flat_map(|image| image.outputs.registries()).collect();
    let pushed: Vec<&str> = pushed.into_iter().collect();
    let transports = environment.transports(&arguments.registry, &pushed, &observer)?;
    let transports = if arguments.pins.offline {
        transports.offline()
    } else {
        transports
    };
    let _traffic = progress::TrafficAtEnd::of(&transports, &observer);
    transports.expect(&targets);

    if !arguments.print_plan {
        interrupt::expect(&targets, environment.journal_directory());
    }
    let members: Vec<Member<'_>> = images.iter().map(MemberOutputs::member).collect();
    let planned = plan_build(&members, &options, &transports, &observer).await?;
    if arguments.print_plan {
        return print_json(&planned.to_json());
    }
    let reports = build(&members, planned, &options, &transports, &observer).await?;
    let built: Vec<(&MemberOutputs, BuildReport)> = images.iter().zip(reports).collect();
    let reported: Vec<ReportedImage<'_>> = built.iter().map(reported).collect();
    if let Some(destination) = &metadata {
        metadata::write(destination, &reported)?;
    }
    print_summary(output.progress, &built, &reported);
    for (image, report) in built.iter().filter(|(image, _)| image.is_selected) {
        if let Some(warning) = unmoved_tags(&image.outputs, image.spec.platforms().len()) {
            observer.event(Event::Warning(warning));
        }
        print_result(&report.pinned_name(), stdout_is_taken, output.progress)?;
    }
    Ok(())
}

fn reported<'a>((image, report): &'a (&MemberOutputs, BuildReport)) -> ReportedImage<'a> {
    ReportedImage {
        member: image.id.as_deref(),
        base_members: image.spec.member_bases(),
        report,
    }
}

/// Rejects the name of an image in the place of the spec, with the option to use instead.
fn check_is_no_image(arguments: &BuildArguments) -> Done {
    let text = arguments.spec.to_string_lossy();
    if text.starts_with('.') || text.ends_with(".toml") || arguments.spec.exists() {
        return Ok(());
    }
    let Ok(reference) = text.parse::<Reference>() else {
        return Ok(());
    };
    let use_instead = if arguments.push {
        format!("to push to another name, write -t {reference}")
    } else {
        format!("to give the image another name, write -t {reference}")
    };
    Err(Failure::usage(
        &format!("there is no spec {reference}: no such file or directory"),
        &use_instead,
    ))
}

/// Returns the tags that a push of some platforms does not move.
fn unmoved_tags(naming: &Outputs, platform_count: usize) -> Option<String> {
    if naming.unmoved.is_empty() {
        return None;
    }
    Some(format!(
        "pushed {} of {platform_count} platforms by digest only; these tags were not changed: {} (use `-t TAG` to \
         tag the image)",
        naming.platforms.len(),
        naming.unmoved.join(", ")
    ))
}

/// Prints what was built: for people a summary, for programs the event `built` with the content of `--metadata`.
fn print_summary(progress: Progress, built: &[(&MemberOutputs, BuildReport)], reported: &[ReportedImage<'_>]) {
    match (progress, built) {
        (Progress::None, _) => {}
        (Progress::Json, _) => emit_event("built", metadata::document(reported)),
        (Progress::Auto | Progress::Plain, [(image, report)]) if image.id.is_none() => {
            eprintln_line(&render::summary(report));
        }
        (Progress::Auto | Progress::Plain, _) => {
            let rows = built
                .iter()
                .filter_map(|(image, report)| Some((image.id.as_deref()?, report)));
            eprintln_line(&render::workspace_summary(&rows.collect::<Vec<_>>()));
        }
    }
}

fn output_request(arguments: &BuildArguments, metadata: Option<&Destination>) -> Result<OutputRequest, Failure> {
    Ok(OutputRequest {
        outputs: destination::parse_outputs(&arguments.output)?,
        push: arguments.push,
        tags: arguments.tag.clone(),
        platforms: parse_platforms(&arguments.platform)?,
        also_written: metadata
            .and_then(Destination::path)
            .map(Path::to_owned)
            .into_iter()
            .collect(),
    })
}
