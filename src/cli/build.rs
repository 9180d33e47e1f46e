//! `ocitect build`.

use std::path::Path;

use super::arguments::{BuildArguments, OutputArguments, Progress};
use super::environment::Environment;
use super::failure::Failure;
use super::{Done, parse, print_json, print_result, progress, render};
use crate::build::{BuildReport, Naming, OutputRequest, build, plan_build};
use crate::model::{ImageName, escape};
use crate::spec::Spec;

/// Builds the image of a spec and ends with its `NAME@DIGEST`.
pub async fn run(arguments: &BuildArguments, output: &OutputArguments, environment: &Environment) -> Done {
    let observer = progress::observer(output.progress, output.verbose > 0);
    let spec = Spec::load(&arguments.spec, &environment.spec_inputs(&arguments.set)?)?;
    let request = output_request(arguments)?;
    let naming = Naming::decide(spec.image(), &request)?;
    let options = environment.build_options()?;
    let pushed: Vec<&str> = naming.registries().collect();
    let places = environment.places(&arguments.registry, &pushed)?;

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
    let outputs = arguments
        .output
        .iter()
        .map(|text| parse(text, "write it as oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE[:REF]"));
    let platforms =
        arguments.platform.iter().map(|text| parse(text, "name one of the spec's platforms, such as linux/amd64"));
    Ok(OutputRequest {
        outputs: outputs.collect::<Result<_, _>>()?,
        push: arguments.push,
        tags: arguments.tag.clone(),
        platforms: platforms.collect::<Result<_, _>>()?,
    })
}

fn writes_to_stdout(request: &OutputRequest) -> bool {
    request.outputs.iter().any(|output| match output {
        ImageName::OciArchive { path, .. } | ImageName::DockerArchive { path, .. } => path == Path::new("-"),
        _ => false,
    })
}

/// Written like everything else that must not be half there: temporary file, fsync, rename.
fn write_metadata(path: &Path, report: &BuildReport) -> Done {
    let write = || -> std::io::Result<()> {
        use std::io::Write as _;
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut file = tempfile::Builder::new();
        let mut file = file.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644)).tempfile_in(directory)?;
        writeln!(file, "{:#}", report.to_json())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        std::fs::File::open(directory)?.sync_all()
    };
    write().map_err(|cause| Failure::here(&format!("writing {}: {cause}", escape(path.as_os_str().as_encoded_bytes()))))
}
