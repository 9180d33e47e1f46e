//! `ocitect build`.

use std::collections::BTreeSet;
use std::path::Path;

use super::arguments::{BuildArguments, OutputArguments};
use super::changed::Unchanged;
use super::destination::{self, Destination};
use super::failure::{Done, Failure};
use super::image_names::parse_image;
use super::member_outputs::MemberOutputs;
use super::members::Subject;
use super::platforms::parse_platforms;
use super::run_report::{Built, RunReport};
use super::stdout::{print_json, print_result};
use super::{interrupt, progress};
use crate::build::{BuildOptions, Member, OutputRequest, Outputs, Target, build_each, check_outputs, plan_build};
use crate::environment::Environment;
use crate::events::Event;
use crate::model::Reference;

/// Number of tags or members that a warning shows.
const SHOWN_NAMES: usize = 8;

/// Builds the image of a spec, or the images of a workspace, and prints the `NAME@DIGEST` of each at the end.
pub async fn run(arguments: &BuildArguments, output: &OutputArguments, environment: &Environment) -> Done {
    let observer = progress::observer(output);
    check_is_no_image(arguments)?;
    let inputs = environment.spec_inputs(&arguments.set)?;
    let metadata = arguments.metadata.as_deref().map(Destination::of);
    let request = output_request(arguments, metadata.as_ref())?;
    let stdout_is_taken = destination::taken_stdout(&request.outputs, metadata.as_ref())?;
    let subject = Subject::load(&arguments.spec, &arguments.selection, &inputs)?;
    if let Some(warning) = left_dependents(&subject.left_dependents()) {
        observer.event(Event::Warning(warning));
    }
    let subject = subject.in_shard(&arguments.spec, arguments.shard)?;
    let unchanged = Unchanged::read(&arguments.changed_from, &subject, &arguments.spec)?;
    let mut images = subject.outputs(&request)?;
    let mut run = RunReport::new(&subject, arguments.shard.shard);
    if images.is_empty() {
        return run.nothing_built(metadata.as_ref(), &observer);
    }
    let cache_from = arguments.cache_from.iter().map(|text| parse_image(text, environment));
    let options = BuildOptions {
        locked: arguments.pins.locked,
        // A spec on its own has no others to go on with.
        keep_going: arguments.keep_going && matches!(subject, Subject::Members(_)),
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
    let pushed: BTreeSet<&str> = images.iter().flat_map(|image| image.outputs.registries()).collect();
    let pushed: Vec<&str> = pushed.into_iter().collect();
    let transports = environment.transports(&arguments.registry, &pushed, &observer)?;
    let transports = if arguments.pins.offline {
        transports.offline()
    } else {
        transports
    };
    let _traffic = progress::TrafficAtEnd::of(&transports, &observer);
    if let Some(unchanged) = unchanged {
        let unchanged = unchanged.find(&images, &options, &transports, &observer).await?;
        if let Some(warning) = unset_tags(&unchanged.missing_tags(&images)) {
            observer.event(Event::Warning(warning));
        }
        images = subject.outputs_without(&unchanged.ids, &request)?;
        run = run.without(&unchanged);
        if images.is_empty() {
            return run.nothing_built(metadata.as_ref(), &observer);
        }
    }
    let targets: Vec<Target> = images.iter().flat_map(|image| image.outputs.targets.clone()).collect();
    transports.expect(&targets);
    if !arguments.print_plan {
        interrupt::expect(&targets, environment.journal_directory());
    }
    let members: Vec<Member<'_>> = images.iter().map(|image| image.member()).collect();
    let planned = plan_build(&members, &options, &transports, &observer).await?;
    if arguments.print_plan {
        if planned.goes_on() {
            print_json(&planned.to_json())?;
        }
        return Ok(planned.result()?);
    }
    let results = build_each(&members, planned, &options, &transports, &observer).await?;
    let mut built: Vec<Built<'_>> = Vec::new();
    for (image, result) in images.iter().zip(results) {
        match result {
            Ok(report) => built.push((image, report)),
            Err(why) => run.add_unbuilt(image, why),
        }
    }
    let is_complete = run.is_complete();
    // A spec on its own that failed has no image to describe.
    let metadata = metadata.filter(|_| is_complete || matches!(subject, Subject::Members(_)));
    let recorded = match &metadata {
        Some(destination) => destination.write(format!("{:#}\n", run.metadata_json(&built)).as_bytes()),
        None => Ok(()),
    };
    if !is_complete && !options.keep_going {
        let failures = [run.result(&built).err(), recorded.err()];
        return Failure::first_of(failures.into_iter().flatten().collect()).map_or(Ok(()), Err);
    }
    recorded?;
    run.print_summary(output.progress, &built);
    for (image, report) in built.iter().filter(|(image, _)| image.is_selected) {
        if let Some(warning) = unmoved_tags(&image.outputs, image.spec.platforms().len()) {
            observer.event(Event::Warning(warning));
        }
        print_result(&report.pinned_name(), stdout_is_taken, output.progress)?;
    }
    run.result(&built)
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

/// Returns the warning for members that keep an earlier state of what is built.
fn left_dependents(ids: &BTreeSet<String>) -> Option<String> {
    let shown: Vec<&str> = ids.iter().take(SHOWN_NAMES).map(String::as_str).collect();
    let more = if ids.len() > shown.len() { ", …" } else { "" };
    (!ids.is_empty()).then(|| {
        format!(
            "not selected, but based on a selected member or taking its files: {}{more} (use --with-dependents to build \
             them too)",
            shown.join(", ")
        )
    })
}

/// Returns the warning for tags of unchanged members that the earlier build did not write.
fn unset_tags(tags: &[String]) -> Option<String> {
    let count = tags.len();
    let (first, _) = tags.split_at(count.min(SHOWN_NAMES));
    let more = if count > first.len() { ", …" } else { "" };
    (count > 0).then(|| {
        format!(
            "{count} tags of unchanged members are not in the file of --changed-from, and are not written: {}{more} \
             (leave out --changed-from to write them)",
            first.join(", ")
        )
    })
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
