//! Names of images on the command line: their forms, and where they lead.

use std::sync::Arc;

use super::failure::Failure;
use super::local_names;
use crate::environment::Environment;
use crate::events::{Item, Observer, Task, Work};
use crate::model::{Diagnostic as _, ImageName, Reference, ReferenceError, Root, Selector, target_help};
use crate::store::{Source, StoreError};

/// Returns the registry that a password from the command line is for, if an image is only read.
pub fn login_registry(name: &ImageName) -> Vec<&str> {
    match name {
        ImageName::Registry(reference) => vec![reference.repository.registry()],
        _ => Vec::new(),
    }
}

/// Help for the name of an image.
const NAME_HELP: &str = "write it as oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE or REGISTRY/REPOSITORY:TAG";

/// Help for a target that is not in a registry.
const LOCAL_FORM: &str = "oci:DIR[:TAG], oci-archive:FILE or docker-archive:FILE";

/// Parses the name of an image of any kind. If the text has no registry, the help suggests one.
pub fn parse_image(text: &str, environment: &Environment) -> Result<ImageName, Failure> {
    text.parse().map_err(|error: ReferenceError| {
        if let Some(help) = local_names::suggestion(text) {
            return Failure::usage(&error.to_string(), &help);
        }
        let guess = match &error {
            ReferenceError::NoRegistry(name) => environment.short_names().question(name),
            ReferenceError::Tag(_) | ReferenceError::Malformed { .. } => None,
        };
        let guess = guess.map_or(String::new(), |guess| format!("{guess} Otherwise, "));
        Failure::usage(&error.to_string(), &format!("{guess}{NAME_HELP}"))
    })
}

/// Like [`parse_image`], for an image that is written.
pub fn parse_target(text: &str, environment: &Environment) -> Result<ImageName, Failure> {
    match text.parse::<ImageName>() {
        Err(error @ ReferenceError::NoRegistry(_)) if local_names::suggestion(text).is_none() => {
            let help = format!("{}, or {LOCAL_FORM}", target_help(text));
            Err(Failure::usage(&error.to_string(), &help))
        }
        Ok(_) | Err(_) => parse_image(text, environment),
    }
}

/// Parses the reference of an image that is pushed.
pub fn parse_pushed(text: &str) -> Result<Reference, Failure> {
    let text = text.strip_prefix("docker://").unwrap_or(text);
    text.parse().map_err(|error: ReferenceError| {
        let help = match &error {
            ReferenceError::NoRegistry(_) => Some(target_help(text)),
            ReferenceError::Tag(_) | ReferenceError::Malformed { .. } => error.help(),
        };
        Failure::usage(&error.to_string(), help.as_deref().unwrap_or(NAME_HELP))
    })
}

/// Resolves a name at its source, and reports progress meanwhile.
pub async fn resolve(
    source: &dyn Source,
    selector: &Selector,
    name: &ImageName,
    observer: &Arc<dyn Observer>,
) -> Result<Root, StoreError> {
    let _task = Task::start(observer, Work::new("resolving", Item::new(name.to_string())), None);
    source.resolve(selector).await
}
