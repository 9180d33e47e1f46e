//! `ocitect check`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::arguments::{
    CheckArguments, ComposeArguments, OutputArguments, PinArguments, RegistryArguments, SelectionArguments,
    ShardArguments,
};
use super::changed::Unchanged;
use super::failure::{Done, Failure};
use super::image_names::{NamedImage, parse_image};
use super::members::{Subject, empty_shard};
use super::planning::Planning;
use super::platforms::{parse_platforms, skipped_json};
use super::stdout::{print, print_json};
use super::{compose, findings, local_names, progress, render};
use crate::build::{
    BuildError, CheckedImages, Member, OutputRequest, Unbuilt, as_one, check_each, check_image, plan_build,
};
use crate::check::{Code, Coverage, Finding, Verdict, check_variables, sarif};
use crate::environment::Environment;
use crate::events::{Event, Observer};
use crate::model::{Platform, escape};
use crate::spec::read_env_file;
use crate::store::SkippedEntry;

/// Checks a spec or an image, prints the findings, and fails if one of them is an error.
pub async fn run(arguments: &CheckArguments, output: &OutputArguments, environment: &Environment) -> Done {
    if arguments.codes {
        return print_codes(arguments.json);
    }
    let observer = progress::observer(output);
    let platforms = parse_platforms(&arguments.platform)?;
    let path = spec_path(&arguments.subject)?;
    if !arguments.compose.compose.is_empty() {
        let path = path.ok_or_else(|| {
            Failure::usage(
                "--compose checks the services that run the images of a spec, but an image is given",
                "give the path of a spec or of a workspace",
            )
        })?;
        return compose::run(path, platforms, arguments, environment, &observer).await;
    }
    if let Some(path) = path {
        let checked = check_spec(path, platforms, arguments, environment, &observer).await?;
        return print_members(checked, arguments);
    }
    let shard = arguments.shard.shard.map(|_| "--shard");
    let changed_from = arguments.changed_from.first().map(|_| "--changed-from");
    if let Some(option) = arguments.selection.first_option().or(shard).or(changed_from) {
        return Err(Failure::usage(
            &format!("{option} selects members of a workspace, but an image is checked"),
            &format!("remove {option}"),
        ));
    }
    let (verdict, skipped) = check_named_image(&platforms, arguments, environment, &observer).await?;
    print_verdict(&verdict, &skipped, arguments)
}

/// The members of a workspace, or a spec on its own.
struct Checked {
    /// The verdicts, each with the ID of the member.
    verdicts: Vec<(Option<String>, Verdict)>,
    /// Why others cannot be checked.
    errors: Vec<BuildError>,
}

/// Prints what is known of a spec or of the members of a workspace, and returns why others cannot be checked.
fn print_members(checked: Checked, arguments: &CheckArguments) -> Done {
    let Checked { verdicts, errors } = checked;
    let unreadable = as_one(errors).err().map(Failure::from);
    if verdicts.is_empty()
        && let Some(failure) = unreadable
    {
        return Err(failure);
    }
    let refused = print_verdicts(&verdicts, arguments).err();
    Failure::first_of(unreadable.into_iter().chain(refused).collect()).map_or(Ok(()), Err)
}

/// Prints the verdict of a spec, or those of the members of a workspace.
fn print_verdicts(checked: &[(Option<String>, Verdict)], arguments: &CheckArguments) -> Done {
    if let [(id, only)] = checked
        && (id.is_none() || !arguments.json)
    {
        return print_verdict(only, &[], arguments);
    }
    if arguments.sarif {
        if checked.is_empty() {
            return print_verdict(&Verdict::new(BTreeMap::new()), &[], arguments);
        }
        return Err(Failure::usage(
            "--sarif describes one image, and several are checked",
            "check each member on its own: `ocitect check -p ID --sarif`",
        ));
    }
    if arguments.json {
        let member = |(id, verdict): &(Option<String>, Verdict)| {
            let mut value = verdict_json(verdict, &[]);
            value["member"] = json!(id);
            value
        };
        let images: Vec<Value> = checked.iter().map(member).collect();
        print_json(&json!({ "version": JSON_VERSION, "images": images }))?;
    } else {
        for (id, verdict) in checked {
            print(format!("{}:\n", id.as_deref().unwrap_or_default()).as_bytes())?;
            print_for_people(verdict, &notes(verdict, &[]))?;
        }
    }
    findings::refuse_errors(checked.iter().map(|(_, verdict)| verdict.error_count()).sum())
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
        let found = read_env_file(path)?.ok_or_else(|| Failure::no_env_file(path))?;
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
) -> Result<Checked, Failure> {
    let request = OutputRequest {
        platforms,
        ..OutputRequest::default()
    };
    let inputs = environment.spec_inputs(&arguments.set)?;
    let subject = Subject::load(path, &arguments.selection, &inputs)?;
    let subject = subject.in_shard(path, arguments.shard)?;
    let unchanged = Unchanged::read(&arguments.changed_from, &subject, path)?;
    let mut images = subject.outputs(&request)?;
    if images.is_empty() {
        observer.event(Event::Note(empty_shard(arguments.shard.shard)));
        return Ok(Checked {
            verdicts: Vec::new(),
            errors: Vec::new(),
        });
    }
    let planning = Planning::of(arguments, environment, observer)?;
    let Planning {
        options, transports, ..
    } = &planning;
    if let Some(unchanged) = unchanged {
        let unchanged = unchanged.find(&images, options, transports, observer).await?;
        images = subject.outputs_without(&unchanged.ids, &request)?;
    }
    let members: Vec<Member<'_>> = images.iter().map(|image| image.member()).collect();
    let planned = plan_build(&members, options, transports, observer).await?;
    let given = given_variables(&arguments.env_file)?;
    let results = check_each(&members, planned, given.as_ref(), options, observer).await?;
    let mut verdicts = Vec::new();
    let mut errors = Vec::new();
    for (image, result) in images.iter().zip(results) {
        match result {
            Ok(verdict) if image.is_selected => verdicts.push((image.id.map(str::to_owned), verdict)),
            Err(Unbuilt::Failed(error)) => errors.push(error),
            Ok(_) | Err(Unbuilt::Needs(_) | Unbuilt::Unfinished) => {}
        }
    }
    Ok(Checked { verdicts, errors })
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
    let image = NamedImage::open(name, &arguments.registry, arguments.pins.offline, environment, observer).await?;
    let options = environment.build_options(arguments.jobs)?;
    let CheckedImages { images, skipped } = check_image(
        &image.name,
        image.source,
        &image.root,
        platforms,
        &image.transports,
        &options,
        observer,
    )
    .await?;
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

/// Version of the JSON for a workspace.
const JSON_VERSION: u32 = 1;

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
        print_json(&verdict_json(verdict, skipped))?;
    } else {
        print_for_people(verdict, &notes)?;
    }
    findings::refuse_errors(verdict.error_count())
}

fn verdict_json(verdict: &Verdict, skipped: &[SkippedEntry]) -> Value {
    json!({
        "findings": verdict.findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
        "errors": verdict.error_count(),
        "warnings": verdict.warning_count(),
        "allowed": verdict.allowed_count,
        "checked": verdict.checked.iter().map(Coverage::to_json).collect::<Vec<_>>(),
        "skipped": skipped.iter().map(skipped_json).collect::<Vec<_>>(),
    })
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
        compose: ComposeArguments::default(),
        selection: SelectionArguments::default(),
        shard: ShardArguments::default(),
        changed_from: Vec::new(),
        registry: registry.clone(),
    };
    let mut is_sound = true;
    let checked = check_spec(path, Vec::new(), &arguments, environment, observer).await?;
    as_one(checked.errors)?;
    for (_, verdict) in checked.verdicts {
        print_for_people(&verdict, &notes(&verdict, &[]))?;
        is_sound &= verdict.error_count() == 0;
    }
    Ok(is_sound)
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
