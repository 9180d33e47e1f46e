//! `ocitect init`.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::arguments::{InitArguments, OutputArguments};
use super::failure::{Done, Failure};
use super::{check, progress};
use crate::environment::Environment;
use crate::events::{Event, Observer};
use crate::import::{Proposal, propose};
use crate::model::{Platform, escape_path};
use crate::spec::{DEFAULT_NAME, Inputs, Spec};
use crate::store::output::write_new;

/// Writes a spec for a project, prints what it needs, and checks it if nothing is missing. Findings of the check are
/// printed and are not a failure: the spec is written.
pub async fn run(arguments: &InitArguments, output: &OutputArguments, environment: &Environment) -> Done {
    let observer = progress::observer(output);
    let path = arguments.directory.join(DEFAULT_NAME);
    refuse_existing(&path)?;
    let proposal = propose(&arguments.directory)?;
    let spec = parse(&proposal, &path)?;
    write_new(&path, proposal.text.as_bytes())?;
    report(&proposal, &spec, &observer);
    let command = command("check", &arguments.directory);
    if !proposal.missing.is_empty() {
        note(&observer, format!("next: build what is missing, then run `{command}`"));
        return Ok(());
    }
    match check::check_new_spec(&path, &arguments.registry, arguments.offline, environment, &observer).await {
        Ok(true) => {
            note(
                &observer,
                format!("next: run `{}`", self::command("build", &arguments.directory)),
            );
        }
        Ok(false) => note(
            &observer,
            format!("next: correct what the check found, then run `{command}`"),
        ),
        Err(failure) if failure.is_remote() => {
            note(&observer, format!("not checked: {}", failure.summary()));
            note(
                &observer,
                format!("next: run `{command}` once the base image can be reached"),
            );
        }
        Err(failure) => {
            observer.event(Event::Warning(format!("the check failed: {}", failure.summary())));
            note(
                &observer,
                format!("next: edit {}, then run `{command}`", escape_path(&path)),
            );
        }
    }
    Ok(())
}

/// Rejects a path at which something exists, including a dangling link.
fn refuse_existing(path: &Path) -> Done {
    if fs::symlink_metadata(path).is_err() {
        return Ok(());
    }
    let message = format!("{} already exists", escape_path(path));
    Err(Failure::usage(
        &message,
        "edit it, or remove it first; `ocitect check` checks it",
    ))
}

/// Parses the new spec before it is written. It is valid for every project: an error here is a bug in this program.
fn parse(proposal: &Proposal, path: &Path) -> Result<Spec, Failure> {
    let spec = Spec::parse(&proposal.text, path, &Inputs::default());
    let spec = spec.and_then(|spec| {
        spec.platforms()
            .iter()
            .try_for_each(|platform| spec.platform(platform).map(drop))
            .map(|()| spec)
    });
    spec.map_err(|error| {
        Failure::here("the spec for this project is not valid, so it was not written")
            .caused_by(&error)
            .help("report this with the names of the project's files")
    })
}

/// Prints what was found, what was written and what is missing.
fn report(proposal: &Proposal, spec: &Spec, observer: &Arc<dyn Observer>) {
    for line in &proposal.found {
        note(observer, format!("found {line}"));
    }
    let platforms: Vec<String> = spec.platforms().iter().map(Platform::to_string).collect();
    note(
        observer,
        format!("wrote {} for {}", escape_path(spec.path()), platforms.join(", ")),
    );
    for line in &proposal.notes {
        note(observer, line.clone());
    }
    for line in &proposal.missing {
        note(observer, line.clone());
    }
}

fn note(observer: &Arc<dyn Observer>, text: String) {
    observer.event(Event::Note(text));
}

/// Returns the command for the spec of this directory, as typed.
fn command(name: &str, directory: &Path) -> String {
    if directory == Path::new(".") {
        return format!("ocitect {name}");
    }
    format!("ocitect {name} {}", escape_path(directory))
}
