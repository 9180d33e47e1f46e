//! `ocitect check`: will it start?

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::arguments::{CheckArguments, OutputArguments};
use super::environment::Environment;
use super::failure::Failure;
use super::{Done, findings, login_registry, parse, parse_image, print, print_json, progress, render};
use crate::build::{BuildOptions, Naming, Observer, OutputRequest, check_build, check_image, plan_build};
use crate::check::{Code, Finding, Verdict, check_variables, sarif};
use crate::model::{Platform, escape};
use crate::spec::{Spec, read_env_file};

/// Checks a spec or an image, tells what was found, and fails where that has an error.
pub async fn run(arguments: &CheckArguments, output: &OutputArguments, environment: &Environment) -> Done {
    if arguments.codes {
        return print_codes(arguments.json);
    }
    let observer = progress::observer(output.progress, output.verbose > 0);
    let platforms = arguments.platform.iter().map(|text| parse(text, "such as linux/amd64"));
    let platforms: Vec<Platform> = platforms.collect::<Result<_, Failure>>()?;
    let verdict = match spec_path(&arguments.subject)? {
        Some(path) => check_spec(path, platforms, arguments, environment, &observer).await?,
        None => check_named_image(&platforms, arguments, environment, &observer).await?,
    };
    tell(&verdict, arguments)
}

/// A spec is a file or a directory that is there; anything else is the name of an image.
fn spec_path(subject: &str) -> Result<Option<&Path>, Failure> {
    const KINDS: [&str; 4] = ["oci:", "oci-archive:", "docker-archive:", "docker://"];
    let path = Path::new(subject);
    if path.join("oci-layout").exists() {
        let message = format!("{} is an OCI layout, not a directory with a spec", escape(subject.as_bytes()));
        return Err(Failure::usage(&message, &format!("name it oci:{}", escape(subject.as_bytes()))));
    }
    let is_image = KINDS.iter().any(|kind| subject.starts_with(kind));
    let looks_like_path = path.exists() || subject.ends_with(".toml") || subject.starts_with(['.', '/']);
    Ok((!is_image && looks_like_path).then_some(path))
}

/// The variables of all env-files together, later ones before earlier ones. `None` where no file was given.
fn given_variables(paths: &[PathBuf]) -> Result<Option<BTreeMap<String, String>>, Failure> {
    let mut variables = (!paths.is_empty()).then(BTreeMap::new);
    for path in paths {
        let shown = escape(path.as_os_str().as_encoded_bytes());
        let found = read_env_file(path)?.ok_or_else(|| {
            Failure::usage(&format!("there is no env-file {shown}"), "name a file of NAME=value lines")
        })?;
        variables.get_or_insert_default().extend(found);
    }
    Ok(variables)
}

async fn check_spec(
    path: &Path,
    platforms: Vec<Platform>,
    arguments: &CheckArguments,
    environment: &Environment,
    observer: &Arc<dyn Observer>,
) -> Result<Verdict, Failure> {
    let spec = Spec::load(path, &environment.spec_inputs(&arguments.set)?)?;
    let naming = Naming::decide(spec.image(), &OutputRequest { platforms, ..OutputRequest::default() })?;
    let options = BuildOptions { locked: arguments.pins.locked, ..environment.build_options(arguments.jobs)? };
    let places = environment.places(&arguments.registry, &[], observer)?;
    let _traffic = progress::TrafficAtEnd::of(&places, observer);
    let places = if arguments.pins.offline { places.offline() } else { places };
    let planned = plan_build(&spec, &naming, &options, &places, observer).await?;
    let given = given_variables(&arguments.env_file)?;
    Ok(check_build(planned, given.as_ref(), &options, observer).await?)
}

async fn check_named_image(
    platforms: &[Platform],
    arguments: &CheckArguments,
    environment: &Environment,
    observer: &Arc<dyn Observer>,
) -> Result<Verdict, Failure> {
    if !arguments.set.is_empty() {
        return Err(Failure::usage("--set is for specs, and an image is checked", "leave --set out"));
    }
    let name = parse_image(&arguments.subject, environment)?;
    let places = environment.places(&arguments.registry, &login_registry(&name), observer)?;
    let _traffic = progress::TrafficAtEnd::of(&places, observer);
    let places = if arguments.pins.offline { places.offline() } else { places };
    let (source, selector) = places.source(&name).await?;
    let root = source.resolve(&selector).await?;
    let options = environment.build_options(arguments.jobs)?;
    let images = check_image(&name, source, &root, platforms, &places, &options, observer).await?;
    let given = given_variables(&arguments.env_file)?;
    let findings = images.into_iter().flat_map(|image| {
        let (platform, execution) = (&image.subject.platform, &image.subject.execution);
        let variables = given.iter().flat_map(|given| check_variables(platform, execution, given));
        variables.chain(image.findings).collect::<Vec<_>>()
    });
    Ok(Verdict::new(BTreeMap::new()).with(findings))
}

/// What to do about errors.
const GATE_HELP: &str = "each error says what to change; `allow` in the spec's [check] passes a finding over";

/// Tells the findings on stdout. An error among them fails the command, which is then all that stderr says.
fn tell(verdict: &Verdict, arguments: &CheckArguments) -> Done {
    if arguments.sarif {
        print_json(&sarif(&verdict.findings, &arguments.subject, env!("CARGO_PKG_VERSION")))?;
    } else if arguments.json {
        print_json(&json!({
            "findings": verdict.findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
            "errors": verdict.error_count(),
            "warnings": verdict.warning_count(),
            "allowed": verdict.allowed_count,
        }))?;
    } else {
        print(findings::text(&verdict.findings, render::color_on_stdout()).as_bytes())?;
        let counts = (verdict.error_count(), verdict.warning_count(), verdict.allowed_count);
        let summary = findings::summary(counts.0, counts.1, counts.2);
        let breakdown = findings::breakdown(&verdict.findings).map(|text| format!(": {text}")).unwrap_or_default();
        print(format!("{summary}{breakdown}\n").as_bytes())?;
    }
    match verdict.error_count() {
        0 => Ok(()),
        1 => Err(Failure::gate("the check found 1 error", GATE_HELP)),
        count => Err(Failure::gate(&format!("the check found {count} errors"), GATE_HELP)),
    }
}

fn print_codes(as_json: bool) -> Done {
    if !as_json {
        return print(findings::codes().as_bytes());
    }
    let code =
        |code: &Code| json!({"code": code.as_str(), "severity": code.severity().as_str(), "meaning": code.meaning()});
    print_json(&Code::ALL.iter().map(code).collect())
}
