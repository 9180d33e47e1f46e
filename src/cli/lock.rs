//! `ocitect lock`, `update` and `outdated`: the pinned images of a spec.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::arguments::{
    LockArguments, LockedSpecArguments, OutdatedArguments, OutputArguments, RegistryArguments, UpdateArguments,
};
use super::failure::{Done, Failure};
use super::members::LockedSpecs;
use super::progress::TrafficAtEnd;
use super::stdout::{print, print_json};
use super::{lock_text, progress};
use crate::build::{self, LockChange, LockScope, Transports};
use crate::environment::Environment;
use crate::events::{Event, Observer};
use crate::lock::Lock;
use crate::model::{ImageName, escape, escape_path};

/// Updates the lockfile of a spec, or prints it.
pub async fn lock(arguments: &LockArguments, output: &OutputArguments, environment: &Environment) -> Done {
    let loaded = load(&arguments.specs, environment)?;
    let scope = loaded.scope();
    let observer = progress::observer(output);
    if arguments.show {
        return show(&scope.lock_path(), arguments.json, &observer);
    }
    let (transports, _traffic) = transports(&scope, environment, &arguments.specs.registry, &observer)?;
    let options = environment.build_options(None)?;
    let change = build::complete_lock(&scope, &options, &transports, &observer).await?;
    print_change(&change, &observer);
    Ok(())
}

fn print_change(change: &LockChange, observer: &Arc<dyn Observer>) {
    let path = escape_path(&change.path);
    let note = |text: String| observer.event(Event::Note(text));
    for (name, platform) in &change.added {
        note(format!("pinned {} for {platform}", escape(name.as_bytes())));
    }
    for (name, platform) in &change.removed {
        let platform = platform.as_ref().map(|platform| format!(" for {platform}"));
        note(format!(
            "removed {}{}",
            escape(name.as_bytes()),
            platform.unwrap_or_default()
        ));
    }
    note(match (change.image_count, change.is_written) {
        (0, false) => "the spec uses no images: nothing to lock".to_owned(),
        (0, true) => format!("removed {path}: the spec uses no images"),
        (_, false) => format!("{path} is up to date"),
        (_, true) => format!("wrote {path}"),
    });
}

fn show(path: &Path, as_json: bool, observer: &Arc<dyn Observer>) -> Done {
    let Some(loaded) = Lock::load(path)? else {
        let path = escape_path(path);
        return Err(Failure::not_found(
            &format!("lockfile {path} does not exist"),
            "run `ocitect lock` to create it",
        ));
    };
    for warning in loaded.warnings {
        observer.event(Event::Warning(warning));
    }
    if as_json {
        print_json(&lock_text::to_json(&loaded.lock))
    } else {
        print(lock_text::to_text(&loaded.lock).as_bytes())
    }
}

/// Updates pins, and prints what changed.
pub async fn update(arguments: &UpdateArguments, output: &OutputArguments, environment: &Environment) -> Done {
    check_is_spec(&arguments.specs.spec)?;
    let loaded = load(&arguments.specs, environment)?;
    let scope = loaded.scope();
    let observer = progress::observer(output);
    let (transports, _traffic) = transports(&scope, environment, &arguments.specs.registry, &observer)?;
    let options = environment.build_options(None)?;
    let changes = build::update_lock(&scope, &arguments.image, &options, &transports, &observer).await?;
    if arguments.json {
        let images: Vec<_> = changes.iter().map(build::ImageChange::to_json).collect();
        return print_json(&json!({ "lock": escape_path(&scope.lock_path()), "images": images }));
    }
    print(lock_text::changes(&changes).as_bytes())
}

/// Rejects the name of an image in the place of the spec, with the command line to use instead.
fn check_is_spec(path: &Path) -> Done {
    let text = path.to_string_lossy();
    let looks_like_path = path.exists() || text.ends_with(".toml") || text.starts_with(['.', '/']);
    if looks_like_path {
        return Ok(());
    }
    let name = escape_path(path);
    Err(Failure::usage(
        &format!("there is no spec {name}: no such file or directory"),
        &format!("to update the image {name} only, write `ocitect update --image {name}`"),
    ))
}

/// Prints which pins would move, and fails if one would.
pub async fn outdated(arguments: &OutdatedArguments, output: &OutputArguments, environment: &Environment) -> Done {
    let observer = progress::observer(output);
    let loaded = load(&arguments.specs, environment)?;
    let scope = loaded.scope();
    let (transports, _traffic) = transports(&scope, environment, &arguments.specs.registry, &observer)?;
    let names = build::outdated(&scope, &transports).await?;
    if arguments.json {
        print_json(&json!({ "lock": escape_path(&scope.lock_path()), "images": lock_text::names_json(&names) }))?
    } else {
        print(lock_text::names(&names).as_bytes())?
    }
    if names.is_empty() {
        observer.event(Event::Note("the spec uses no images: nothing to check".to_owned()));
    }
    let moved = names.iter().filter(|name| name.is_outdated()).count();
    match moved {
        0 => Ok(()),
        _ => Err(Failure::gate(
            &format!(
                "{} is outdated: {moved} of {} images changed or are not pinned",
                escape_path(&scope.lock_path()),
                names.len()
            ),
            "run `ocitect update` to update the pins, or `ocitect lock` to add missing ones",
        )),
    }
}

fn load(arguments: &LockedSpecArguments, environment: &Environment) -> Result<LockedSpecs, Failure> {
    let inputs = environment.spec_inputs(&arguments.set)?;
    LockedSpecs::load(&arguments.spec, &arguments.selection, &inputs)
}

/// Returns the access to images, and the report of its traffic. A password from the command line is used for the registries of the spec's images.
fn transports(
    scope: &LockScope<'_>,
    environment: &Environment,
    arguments: &RegistryArguments,
    observer: &Arc<dyn Observer>,
) -> Result<(Transports, TrafficAtEnd), Failure> {
    let mut registries = BTreeSet::new();
    for (spec, platform) in scope
        .selected()
        .iter()
        .flat_map(|spec| spec.platforms().iter().map(move |platform| (spec, platform)))
    {
        for image in spec.platform(platform)?.images() {
            if let ImageName::Registry(reference) = image.name {
                registries.insert(reference.repository.registry().to_owned());
            }
        }
    }
    let registries: Vec<&str> = registries.iter().map(String::as_str).collect();
    let transports = environment.transports(arguments, &registries, observer)?;
    let traffic = TrafficAtEnd::of(&transports, observer);
    Ok((transports, traffic))
}
