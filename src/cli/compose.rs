//! `ocitect check --compose`: whether services get what the images that they run require.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::arguments::CheckArguments;
use super::failure::{Done, Failure};
use super::member_outputs::MemberOutputs;
use super::members::Subject;
use super::planning::Planning;
use super::stdout::{print, print_json};
use super::{findings, render};
use crate::build::{Member, OutputRequest, PlannedConfig, plan_configs};
use crate::check::{Severity, required_variables};
use crate::deploy::compose::{
    CheckedService, EnvTexts, FileRole, MAX_COMPOSE_BYTES, MAX_ENV_FILE_BYTES, MemberName, MemberPlatform,
    ServiceFinding, Stack, StackMember, StackReport, Variables,
};
use crate::deploy::listed::listed;
use crate::environment::Environment;
use crate::events::Observer;
use crate::model::{Pipes, Platform, escape, escape_path, is_irregular, read_input};

/// Version of the JSON.
const JSON_VERSION: u32 = 1;

/// Name of the env file beside the first compose file.
const DEFAULT_ENV_FILE: &str = ".env";

/// Greatest size of all env files of services together, in bytes. They are held in memory.
const MAX_ENV_FILES_BYTES: usize = 64 * 1024 * 1024;

/// Limit on findings that are printed with their lines: about two screens. Of more, each is one line.
const MAX_SHOWN_IN_FULL: usize = 12;

/// Checks the services of compose files, prints the findings, and fails if one of them is an error.
pub async fn run(
    path: &Path,
    platforms: Vec<Platform>,
    arguments: &CheckArguments,
    environment: &Environment,
    observer: &Arc<dyn Observer>,
) -> Done {
    let files = &arguments.compose.compose;
    let variables = variables(files, &arguments.env_file, environment)?;
    let stack = Stack::read(compose_texts(files)?, &variables, &read_named)?;
    let selected = stack.select(&arguments.compose.service).map_err(|error| {
        let help = match &error.nearest {
            Some(near) => format!("did you mean {}?", escape(near.as_bytes())),
            None => "give the name of a service of the compose files".to_owned(),
        };
        Failure::usage(&format!("--service: {error}"), &help)
    })?;
    let request = OutputRequest {
        platforms,
        ..OutputRequest::default()
    };
    let inputs = environment.spec_inputs(&arguments.set)?;
    let subject = Subject::load_whole(path, &inputs)?;
    let loaded = subject.outputs(&request)?;
    let names = member_names(path, &loaded)?;
    let used = stack.members_used(&names);
    if used.is_empty() {
        return Err(nothing_to_check(path, &stack));
    }
    let configs = configs(&loaded, &used, arguments, environment, observer).await?;
    let members: Vec<StackMember> = names.into_iter().zip(&configs).map(stack_member).collect();
    let report = stack.check(&members, &selected, &env_texts(&stack)?, &variables)?;
    let (report, allowed_count) = with_policies(report, &configs);
    let ids: Vec<Option<&str>> = loaded.iter().map(|member| member.id).collect();
    print_report(&stack, &report, allowed_count, &ids, arguments.json)
}

/// Reads a text file; `None` if it does not exist.
fn read_text(path: &Path, pipes: Pipes, limit_bytes: u64) -> Result<Option<String>, Failure> {
    let shown = escape_path(path);
    let bytes = match read_input(path, pipes, limit_bytes) {
        Ok(bytes) => bytes,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        Err(cause) if cause.kind() == ErrorKind::FileTooLarge => {
            let message = format!("{shown} has more than {limit_bytes} bytes");
            return Err(Failure::usage(&message, "give a file that is written by hand"));
        }
        Err(cause) if is_irregular(&cause) => {
            let failure = Failure::usage(&format!("cannot read {shown}"), "give a regular file");
            return Err(failure.caused_by(&cause));
        }
        Err(cause) => return Err(Failure::here(&format!("cannot read {shown}")).caused_by(&cause)),
    };
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(Failure::usage(
            &format!("{shown} is not UTF-8"),
            "save the file as UTF-8",
        )),
    }
}

/// Returns the variables of the shell and of the env files: the given ones, or `.env` beside the first compose file.
fn variables(files: &[PathBuf], given: &[PathBuf], environment: &Environment) -> Result<Variables, Failure> {
    let mut variables = Variables::of_shell(environment.variables());
    if given.is_empty() {
        let directory = files.first().and_then(|file| file.parent()).unwrap_or(Path::new(""));
        let path = directory.join(DEFAULT_ENV_FILE);
        if let Some(text) = read_text(&path, Pipes::Read, MAX_ENV_FILE_BYTES)? {
            variables = variables.with_file(path, &text)?;
        }
    }
    for path in given {
        let text = read_text(path, Pipes::Read, MAX_ENV_FILE_BYTES)?.ok_or_else(|| Failure::no_env_file(path))?;
        variables = variables.with_file(path.clone(), &text)?;
    }
    Ok(variables)
}

fn compose_texts(files: &[PathBuf]) -> Result<Vec<(PathBuf, String)>, Failure> {
    let text = |path: &PathBuf| {
        // Paths are relative to its directory. A pipe has none.
        let text = read_text(path, Pipes::Refused, MAX_COMPOSE_BYTES)?.ok_or_else(|| {
            let message = format!("compose file {} does not exist", escape_path(path));
            Failure::usage(&message, "give the path of a compose file")
        })?;
        Ok((path.clone(), text))
    };
    files.iter().map(text).collect()
}

/// Reads a file that a compose file names.
fn read_named(path: &Path, role: FileRole) -> Result<Option<String>, String> {
    let read = match role {
        FileRole::Compose => read_input(path, Pipes::Refused, MAX_COMPOSE_BYTES),
        FileRole::EnvFile => read_input(path, Pipes::Read, MAX_ENV_FILE_BYTES),
    };
    match read {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err("it is not UTF-8".to_owned()),
        },
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(cause.to_string()),
    }
}

/// Reads the env files of services.
fn env_texts(stack: &Stack) -> Result<EnvTexts, Failure> {
    let mut texts = EnvTexts::new();
    let mut size_bytes = 0;
    for file in stack.env_files() {
        let text = read_text(&file, Pipes::Read, MAX_ENV_FILE_BYTES)?;
        size_bytes += text.as_ref().map_or(0, String::len);
        if size_bytes > MAX_ENV_FILES_BYTES {
            return Err(Failure::usage(
                &format!("the env files of all services have more than {MAX_ENV_FILES_BYTES} bytes together"),
                "check fewer services at once: split the compose file",
            ));
        }
        texts.insert(file, text);
    }
    Ok(texts)
}

fn member_names(path: &Path, loaded: &[MemberOutputs<'_>]) -> Result<Vec<MemberName>, Failure> {
    let name = |member: &MemberOutputs<'_>| {
        let image = member.spec.image();
        let repository = image.name.clone().ok_or_else(|| {
            let message = format!(
                "the image of {} has no name, by which a service could run it",
                escape_path(path)
            );
            Failure::usage(&message, "set `name` in [image]")
        })?;
        Ok(MemberName {
            id: member.id.map(str::to_owned),
            repository,
            tags: image.tags.clone(),
        })
    };
    loaded.iter().map(name).collect()
}

/// Returns the failure of a check without anything to check.
fn nothing_to_check(path: &Path, stack: &Stack) -> Failure {
    let images: BTreeSet<&str> = stack.images().filter_map(|(_, image)| image).collect();
    let found = match images.len() {
        0 => "no service has an image".to_owned(),
        _ => format!("the services run {}", listed(images)),
    };
    Failure::usage(
        &format!("no service runs an image of {}: {found}", escape_path(path)),
        "use the `name` in [image] as the image of a service, or give another spec or workspace",
    )
}

/// Returns the configs of the members that services run, in the order of all members. Others have none.
async fn configs(
    loaded: &[MemberOutputs<'_>],
    used: &BTreeSet<usize>,
    arguments: &CheckArguments,
    environment: &Environment,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<Vec<PlannedConfig>>, Failure> {
    let planning = Planning::of(arguments, environment, observer)?;
    let needed = with_bases(loaded, used);
    let members: Vec<Member<'_>> = needed.iter().map(|index| loaded[*index].member()).collect();
    let planned = plan_configs(&members, &planning.options, &planning.transports, observer).await?;
    let mut configs = vec![Vec::new(); loaded.len()];
    for (index, planned) in needed.into_iter().zip(planned) {
        configs[index] = planned;
    }
    Ok(configs)
}

/// Returns the members and those that they are based on, which come first.
fn with_bases(loaded: &[MemberOutputs<'_>], used: &BTreeSet<usize>) -> BTreeSet<usize> {
    let mut needed = used.clone();
    for index in (0..loaded.len()).rev() {
        if needed.contains(&index) {
            let bases = loaded[index].spec.member_bases();
            let is_base = |id: Option<&str>| id.is_some_and(|id| bases.contains(id));
            needed.extend((0..index).filter(|below| is_base(loaded[*below].id)));
        }
    }
    needed
}

fn stack_member((name, configs): (MemberName, &Vec<PlannedConfig>)) -> StackMember {
    let platform = |config: &PlannedConfig| {
        let kind = config.execution.healthcheck.first();
        MemberPlatform {
            platform: config.platform.clone(),
            env: config.execution.env.clone(),
            required: required_variables(&config.execution)
                .into_iter()
                .map(str::to_owned)
                .collect(),
            has_health_check: kind.is_some_and(|kind| kind != "NONE"),
            family: config.family,
        }
    };
    StackMember {
        name,
        platforms: configs.iter().map(platform).collect(),
    }
}

/// Applies `allow` and `deny` of the members' specs. Returns the number of findings that are allowed.
fn with_policies(report: StackReport, configs: &[Vec<PlannedConfig>]) -> (StackReport, usize) {
    let count = report.findings.len();
    let apply = |mut finding: ServiceFinding| {
        let Some(member) = finding.member else {
            return Some(finding);
        };
        let policies: BTreeMap<&Platform, &PlannedConfig> = configs[member]
            .iter()
            .map(|config| (&config.platform, config))
            .collect();
        let mut severities = Vec::new();
        let given = finding.severity;
        let code = finding.code;
        finding.platforms.retain(|platform| {
            let severity = policies
                .get(platform)
                .map_or(Some(given), |config| config.policy.apply(code, given));
            severities.extend(severity);
            severity.is_some()
        });
        // The worst one: errors come first.
        finding.severity = severities.into_iter().min()?;
        Some(finding)
    };
    let findings: Vec<ServiceFinding> = report.findings.into_iter().filter_map(apply).collect();
    let allowed_count = count - findings.len();
    (StackReport { findings, ..report }, allowed_count)
}

/// How many findings there are.
struct Counts {
    errors: usize,
    warnings: usize,
    allowed: usize,
}

/// Prints what was found and what was checked. `ids` are the IDs of the members.
fn print_report(
    stack: &Stack,
    report: &StackReport,
    allowed_count: usize,
    ids: &[Option<&str>],
    as_json: bool,
) -> Done {
    let is_error = |finding: &&ServiceFinding| finding.severity == Severity::Error;
    let error_count = report.findings.iter().filter(is_error).count();
    let counts = Counts {
        errors: error_count,
        warnings: report.findings.len() - error_count,
        allowed: allowed_count,
    };
    if as_json {
        print_json(&report_json(report, &counts, ids))?;
    } else {
        print(report_text(stack, report, &counts).as_bytes())?;
    }
    findings::refuse_errors(error_count)
}

fn report_json(report: &StackReport, counts: &Counts, ids: &[Option<&str>]) -> Value {
    let finding = |finding: &ServiceFinding| finding.to_json(finding.member.and_then(|index| ids[index]));
    let service = |checked: &CheckedService| {
        json!({
            "service": checked.service,
            "image": checked.image,
            "member": ids[checked.member],
            "required": checked.required_count,
        })
    };
    json!({
        "version": JSON_VERSION,
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "errors": counts.errors,
        "warnings": counts.warnings,
        "allowed": counts.allowed,
        "services": report.checked.iter().map(service).collect::<Vec<_>>(),
        "notes": report.notes,
    })
}

fn report_text(stack: &Stack, report: &StackReport, counts: &Counts) -> String {
    let color = render::color_on_stdout();
    let is_shown_in_full = report.findings.len() <= MAX_SHOWN_IN_FULL;
    let mut text = String::new();
    for finding in &report.findings {
        if is_shown_in_full {
            text.push_str(&format!("{}\n\n", stack.render(finding, color)));
        } else {
            text.push_str(&format!("{}\n", one_line(finding, color)));
        }
    }
    for checked in &report.checked {
        let service = escape(checked.service.as_bytes());
        let image = escape(checked.image.as_bytes());
        let count = match checked.required_count {
            0 => "no required variable".to_owned(),
            1 => "1 required variable".to_owned(),
            count => format!("{count} required variables"),
        };
        text.push_str(&format!("checked service {service}: {image}, {count}\n"));
    }
    for note in &report.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    let summary = findings::summary(counts.errors, counts.warnings, counts.allowed);
    text.push_str(&format!("{summary}\n"));
    text
}

fn one_line(finding: &ServiceFinding, color: bool) -> String {
    let head = findings::head_of(finding.severity, finding.code, color);
    let column = finding
        .place
        .column
        .map_or(String::new(), |column| format!(":{column}"));
    let service = match &finding.service {
        Some(service) => format!("service {}: ", escape(service.as_bytes())),
        None => String::new(),
    };
    format!(
        "{head} {}:{}{column}: {service}{}",
        escape_path(&finding.place.path),
        finding.place.line,
        finding.message
    )
}
