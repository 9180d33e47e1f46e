//! `ocitect build`.

use std::path::Path;

use super::arguments::{BuildArguments, OutputArguments};
use super::choices::Progress;
use super::destination::{self, Destination};
use super::failure::{Done, Failure};
use super::image_names::parse_image;
use super::platforms::parse_platform;
use super::stderr::{emit_event, eprintln_line};
use super::stdout::{print_json, print_result};
use super::{habits, interrupt, progress, render};
use crate::build::{BuildOptions, BuildReport, OutputRequest, Outputs, build, check_outputs, plan_build};
use crate::environment::Environment;
use crate::events::Event;
use crate::model::{Reference, ReferenceError, escape};
use crate::spec::Spec;

/// Builds the image of a spec, and prints its `NAME@DIGEST` at the end.
pub async fn run(arguments: &BuildArguments, output: &OutputArguments, environment: &Environment) -> Done {
    let observer = progress::observer(output.progress, output.verbose > 0);
    check_is_no_image(arguments)?;
    let spec = Spec::load(&arguments.spec, &environment.spec_inputs(&arguments.set)?)?;
    let metadata = arguments.metadata.as_deref().map(Destination::of);
    let request = output_request(arguments, metadata.as_ref())?;
    let stdout_is_taken = taken_stdout(&request, metadata.as_ref())?;
    let naming = Outputs::decide(spec.image(), &request)?;
    let cache_from = arguments.cache_from.iter().map(|text| parse_image(text, environment));
    let options = BuildOptions {
        locked: arguments.pins.locked,
        cache_from: cache_from.collect::<Result<_, _>>()?,
        ..environment.build_options(arguments.jobs)?
    };
    if !arguments.print_plan {
        let also_read = environment.files_read(&arguments.registry);
        check_outputs(&spec, &naming, &also_read, &options.cache_from, options.cache.as_ref())?;
    }
    let pushed: Vec<&str> = naming.registries().collect();
    let transports = environment.transports(&arguments.registry, &pushed, &observer)?;
    let transports = if arguments.pins.offline {
        transports.offline()
    } else {
        transports
    };
    let _traffic = progress::TrafficAtEnd::of(&transports, &observer);
    transports.expect(&naming.targets);

    if !arguments.print_plan {
        interrupt::expect(&naming.targets, environment.journal_directory());
    }
    let planned = plan_build(&spec, &naming, &options, &transports, &observer).await?;
    if arguments.print_plan {
        return print_json(&planned.to_json());
    }
    let report = build(&spec, &naming, planned, &options, &transports, &observer).await?;
    if let Some(destination) = &metadata {
        destination.write(format!("{:#}\n", report.to_json()).as_bytes())?;
    }
    print_summary(output.progress, &report);
    if let Some(warning) = unmoved_tags(&naming, spec.platforms().len()) {
        observer.event(Event::Warning(warning));
    }
    print_result(&report.pinned_name(), stdout_is_taken, output.progress)
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
fn print_summary(progress: Progress, report: &BuildReport) {
    match progress {
        Progress::None => {}
        Progress::Json => emit_event("built", report.to_json()),
        Progress::Auto | Progress::Plain => eprintln_line(&render::summary(report)),
    }
}

fn output_request(arguments: &BuildArguments, metadata: Option<&Destination>) -> Result<OutputRequest, Failure> {
    let outputs = arguments.output.iter().map(|text| {
        let name = text.parse().map_err(|_: ReferenceError| {
            let message = format!("-o {}: invalid output", escape(text.as_bytes()));
            Failure::usage(&message, &habits::output_help(text))
        })?;
        destination::resolve_archive(name)
    });
    let platforms = arguments.platform.iter().map(|text| parse_platform(text));
    Ok(OutputRequest {
        outputs: outputs.collect::<Result<_, Failure>>()?,
        push: arguments.push,
        tags: arguments.tag.clone(),
        platforms: platforms.collect::<Result<_, _>>()?,
        also_written: metadata
            .and_then(Destination::path)
            .map(Path::to_owned)
            .into_iter()
            .collect(),
    })
}

/// Returns `true` if standard output is used for an archive or metadata, and so not for the line with the digest.
fn taken_stdout(request: &OutputRequest, metadata: Option<&Destination>) -> Result<bool, Failure> {
    let archive = request.outputs.iter().find(|output| destination::is_stdout(output));
    let metadata = metadata.is_some_and(|metadata| *metadata == Destination::Stdout);
    match archive {
        Some(archive) if metadata => Err(Failure::usage(
            &format!("{archive} and --metadata are both written to standard output"),
            "write one of them to a file",
        )),
        archive => Ok(metadata || archive.is_some()),
    }
}
