//! `ocitect build`.

use std::path::Path;

use super::arguments::{BuildArguments, OutputArguments, Progress};
use super::environment::Environment;
use super::failure::Failure;
use super::{Done, habits, parse_image, parse_platform, print_json, print_result, progress, render};
use crate::build::{BuildOptions, BuildReport, Naming, OutputRequest, build, plan_build};
use crate::model::{ImageName, ReferenceError, escape};
use crate::spec::Spec;
use crate::store::local;

/// Builds the image of a spec and ends with its `NAME@DIGEST`.
pub async fn run(arguments: &BuildArguments, output: &OutputArguments, environment: &Environment) -> Done {
    let observer = progress::observer(output.progress, output.verbose > 0);
    let spec = Spec::load(&arguments.spec, &environment.spec_inputs(&arguments.set)?)?;
    let request = output_request(arguments)?;
    let naming = Naming::decide(spec.image(), &request)?;
    let cache_from = arguments.cache_from.iter().map(|text| parse_image(text, environment));
    let options = BuildOptions {
        locked: arguments.pins.locked,
        cache_from: cache_from.collect::<Result<_, _>>()?,
        ..environment.build_options(arguments.jobs)?
    };
    let pushed: Vec<&str> = naming.registries().collect();
    let places = environment.places(&arguments.registry, &pushed, &observer)?;
    let places = if arguments.pins.offline { places.offline() } else { places };
    let _traffic = progress::TrafficAtEnd::of(&places, &observer);
    places.expect(&naming.targets);

    let planned = plan_build(&spec, &naming, &options, &places, &observer).await?;
    if arguments.print_plan {
        return print_json(&planned.to_json());
    }
    let report = build(&spec, &naming, planned, &options, &places, &observer).await?;
    if let Some(path) = &arguments.metadata {
        write_metadata(path, &report)?;
    }
    tell_summary(output.progress, &report);
    print_result(&report.pinned_name(), writes_to_stdout(&request), output.progress)
}

/// What was built, for people; for programs, the event `built` with what `--metadata` writes.
fn tell_summary(progress: Progress, report: &BuildReport) {
    match progress {
        Progress::None => {}
        Progress::Json => progress::tell_event("built", report.to_json()),
        Progress::Auto | Progress::Plain => progress::tell(&render::summary(report)),
    }
}

fn output_request(arguments: &BuildArguments) -> Result<OutputRequest, Failure> {
    let outputs = arguments.output.iter().map(|text| {
        text.parse().map_err(|_: ReferenceError| {
            let message = format!("-o {}: not the name of an output", escape(text.as_bytes()));
            Failure::usage(&message, &habits::output_help(text))
        })
    });
    let platforms = arguments.platform.iter().map(|text| parse_platform(text));
    Ok(OutputRequest {
        outputs: outputs.collect::<Result<_, _>>()?,
        push: arguments.push,
        tags: arguments.tag.clone(),
        platforms: platforms.collect::<Result<_, _>>()?,
        also_written: arguments.metadata.iter().cloned().collect(),
    })
}

fn writes_to_stdout(request: &OutputRequest) -> bool {
    request.outputs.iter().any(|output| match output {
        ImageName::OciArchive { path, .. } | ImageName::DockerArchive { path, .. } => path == Path::new("-"),
        _ => false,
    })
}

fn write_metadata(path: &Path, report: &BuildReport) -> Done {
    Ok(local::replace_file(path, &[format!("{:#}\n", report.to_json()).as_bytes()])?)
}
