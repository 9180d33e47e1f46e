//! `ocitect check`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::arguments::{CheckArguments, OutputArguments, PinArguments, RegistryArguments};
use super::failure::{Done, Failure};
use super::image_names::{login_registry, parse_image, resolve};
use super::platforms::{parse_platform, skipped_json};
use super::stdout::{print, print_json};
use super::{findings, local_names, progress, render};
use crate::build::{BuildOptions, CheckedImages, OutputRequest, Outputs, check_build, check_image, plan_build};
use crate::check::{Code, Coverage, Finding, Verdict, check_variables, sarif};
use crate::environment::Environment;
use crate::events::Observer;
use crate::model::{Platform, escape};
use crate::spec::{Spec, read_env_file};
use crate::store::SkippedEntry;

/// Checks a spec or an image, prints the findings, and fails if one of them is an error.
pub async fn run(arguments: &CheckArguments, output: &OutputArguments, environment: &Environment) -> Done {
    if arguments.codes {
        return print_codes(arguments.json);
    }
    let observer = progress::observer(output.progress, output.verbose > 0);
    let platforms = arguments.platform.iter().map(|text| parse_platform(text));
    let platforms: Vec<Platform> = platforms.collect::<Result<_, Failure>>()?;
    let (verdict, skipped) = match spec_path(&arguments.subject)? {
        Some(path) => (
            check_spec(path, platforms, arguments, environment, &observer).await?,
            Vec::new(),
        ),
        None => check_named_image(&platforms, arguments, environment, &observer).await?,
    };
    print_verdict(&verdict, &skipped, arguments)
}

/// Returns the path of a spec: an existing file or directory. Any other subject is the name of an image.
fn spec_path(subject: &str) -> Result<Option<&Path>, Failure> {
    const KINDS: [&str; 4] = ["oci:", "oci-archive:", "docker-archive:", "docker://"];
    let path = Path::new(subject);
    if KINDS.iter().any(|kind| subject.starts_with(kind)) {
        return Ok(None);
    }
    if let Some((what, help)) = local_names::image_at(path) {
        let message = format!("{} is {what}, not a spec", escape(subject.as_bytes()));
        return Err(Failure::usage(&message, &help));
    }
    let looks_like_path = path.exists() || subject.ends_with(".toml") || subject.starts_with(['.', '/']);
    Ok(looks_like_path.then_some(path))
}

/// Returns the variables of all env-files together, later ones before earlier ones, or `None` if no file was given.
fn given_variables(paths: &[PathBuf]) -> Result<Option<BTreeMap<String, String>>, Failure> {
    let mut variables = (!paths.is_empty()).then(BTreeMap::new);
    for path in paths {
        let shown = escape(path.as_os_str().as_encoded_bytes());
        let found = read_env_file(path)?.ok_or_else(|| {
            Failure::usage(
                &format!("env file {shown} does not exist"),
                "give a file with NAME=value lines",
            )
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
    let naming = Outputs::decide(
        spec.image(),
        &OutputRequest {
            platforms,
            ..OutputRequest::default()
        },
    )?;
    let options = BuildOptions {
        locked: arguments.pins.locked,
        ..environment.build_options(arguments.jobs)?
    };
    let transports = environment.transports(&arguments.registry, &[], observer)?;
    let _traffic = progress::TrafficAtEnd::of(&transports, observer);
    let transports = if arguments.pins.offline {
        transports.offline()
    } else {
        transports
    };
    let planned = plan_build(&spec, &naming, &options, &transports, observer).await?;
    let given = given_variables(&arguments.env_file)?;
    Ok(check_build(planned, given.as_ref(), &options, observer).await?)
}

async fn check_named_image(
    platforms: &[Platform],
    arguments: &CheckArguments,
    environment: &Environment,
    observer: &Arc<dyn Observer>,
) -> Result<(Verdict, Vec<SkippedEntry>), Failure> {
    if !arguments.set.is_empty() {
        return Err(Failure::usage(
            "--set applies to specs only, but an image is checked",
            "remove --set",
        ));
    }
    let name = parse_image(&arguments.subject, environment)?;
    let transports = environment.transports(&arguments.registry, &login_registry(&name), observer)?;
    let _traffic = progress::TrafficAtEnd::of(&transports, observer);
    let transports = if arguments.pins.offline {
        transports.offline()
    } else {
        transports
    };
    let (source, selector) = transports.source(&name).await?;
    let root = resolve(source.as_ref(), &selector, &name, observer).await?;
    let options = environment.build_options(arguments.jobs)?;
    let CheckedImages { images, skipped } =
        check_image(&name, source, &root, platforms, &transports, &options, observer).await?;
    let given = given_variables(&arguments.env_file)?;
    let checked: Vec<Coverage> = images.iter().map(|image| image.coverage.clone()).collect();
    let findings = images.into_iter().flat_map(|image| {
        let platform = &image.subject.platform;
        let execution = &image.subject.execution;
        let variables = given
            .iter()
            .flat_map(|given| check_variables(platform, execution, given));
        variables.chain(image.findings).collect::<Vec<_>>()
    });
    Ok((
        Verdict::new(BTreeMap::new()).with(findings).with_checked(checked),
        skipped,
    ))
}

/// Help for errors among the findings.
const GATE_HELP: &str = "fix each error, or ignore a finding with `allow` in the spec's [check]";

/// Prints on stdout what was found, what was checked and what was not. If one of the findings is an error, the command
/// fails, and stderr has nothing else.
fn print_verdict(verdict: &Verdict, skipped: &[SkippedEntry], arguments: &CheckArguments) -> Done {
    let notes = notes(verdict, skipped);
    if arguments.sarif {
        print_json(&sarif(
            &verdict.findings,
            &notes,
            &arguments.subject,
            env!("CARGO_PKG_VERSION"),
        ))?;
    } else if arguments.json {
        print_json(&json!({
            "findings": verdict.findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
            "errors": verdict.error_count(),
            "warnings": verdict.warning_count(),
            "allowed": verdict.allowed_count,
            "checked": verdict.checked.iter().map(Coverage::to_json).collect::<Vec<_>>(),
            "skipped": skipped.iter().map(skipped_json).collect::<Vec<_>>(),
        }))?;
    } else {
        print_for_people(verdict, &notes)?;
    }
    match verdict.error_count() {
        0 => Ok(()),
        1 => Err(Failure::gate("the check found 1 error", GATE_HELP)),
        count => Err(Failure::gate(&format!("the check found {count} errors"), GATE_HELP)),
    }
}

/// Prints the findings, what was checked, and the number of findings.
fn print_for_people(verdict: &Verdict, notes: &[String]) -> Done {
    print(findings::text(&verdict.findings, render::color_on_stdout()).as_bytes())?;
    print(format!("{}\n", notes.join("\n")).as_bytes())?;
    let summary = findings::summary(verdict.error_count(), verdict.warning_count(), verdict.allowed_count);
    let breakdown = findings::breakdown(&verdict.findings)
        .map(|text| format!(": {text}"))
        .unwrap_or_default();
    print(format!("{summary}{breakdown}\n").as_bytes())
}

/// Checks a spec like `ocitect check`, prints the findings, and returns `true` if none of them is an error.
pub(super) async fn check_new_spec(
    path: &Path,
    registry: &RegistryArguments,
    is_offline: bool,
    environment: &Environment,
    observer: &Arc<dyn Observer>,
) -> Result<bool, Failure> {
    let arguments = CheckArguments {
        subject: String::new(),
        platform: Vec::new(),
        set: Vec::new(),
        env_file: Vec::new(),
        json: false,
        sarif: false,
        codes: false,
        jobs: None,
        pins: PinArguments {
            locked: false,
            offline: is_offline,
        },
        registry: registry.clone(),
    };
    let verdict = check_spec(path, Vec::new(), &arguments, environment, observer).await?;
    print_for_people(&verdict, &notes(&verdict, &[]))?;
    Ok(verdict.error_count() == 0)
}

/// Returns a line for each platform that was checked, for what no rule covers, and for what was skipped.
fn notes(verdict: &Verdict, skipped: &[SkippedEntry]) -> Vec<String> {
    let checked = verdict.checked.iter().map(|checked| format!("checked {checked}"));
    let gaps = verdict
        .checked
        .iter()
        .filter_map(Coverage::gap)
        .map(|gap| format!("note: {gap}"));
    let skipped = skipped.iter().map(|entry| format!("skipped {entry}"));
    checked.chain(gaps).chain(skipped).collect()
}

fn print_codes(as_json: bool) -> Done {
    if !as_json {
        return print(findings::codes().as_bytes());
    }
    let code =
        |code: &Code| json!({"code": code.as_str(), "severity": code.severity().as_str(), "meaning": code.meaning()});
    print_json(&Code::ALL.iter().map(code).collect())
}
