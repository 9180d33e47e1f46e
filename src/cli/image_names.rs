//! Names of images on the command line: their forms, and where they lead.

use std::sync::Arc;

use super::arguments::RegistryArguments;
use super::failure::Failure;
use super::local_names;
use super::progress::TrafficAtEnd;
use crate::build::Transports;
use crate::environment::Environment;
use crate::events::{Item, Observer, Task, Work};
use crate::model::{Diagnostic as _, ImageName, Reference, ReferenceError, Root, target_help};
use crate::store::{Source, StoreError};

/// Returns the registry that a password from the command line is for, if an image is only read.
pub fn login_registry(name: &ImageName) -> Option<&str> {
    match name {
        ImageName::Registry(reference) => Some(reference.repository.registry()),
        _ => None,
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

/// An image that a command reads.
pub struct NamedImage {
    pub name: ImageName,
    pub source: Arc<dyn Source>,
    pub root: Root,
    pub transports: Transports,
    _traffic: TrafficAtEnd,
}

impl NamedImage {
    /// Connects to the source of an image, and resolves the name there. The traffic is reported when the image is
    /// dropped.
    pub async fn open(
        name: ImageName,
        registry: &RegistryArguments,
        is_offline: bool,
        environment: &Environment,
        observer: &Arc<dyn Observer>,
    ) -> Result<Self, Failure> {
        let mut transports = environment.transports(registry, login_registry(&name).as_slice(), observer)?;
        let _traffic = TrafficAtEnd::of(&transports, observer);
        if is_offline {
            transports = transports.offline();
        }
        let (source, root) = open(&transports, &name, observer).await?;
        Ok(Self {
            name,
            source,
            root,
            transports,
            _traffic,
        })
    }
}

/// Opens the source of an image and resolves the name there. Reports progress meanwhile.
pub async fn open(
    transports: &Transports,
    name: &ImageName,
    observer: &Arc<dyn Observer>,
) -> Result<(Arc<dyn Source>, Root), StoreError> {
    let (source, selector) = transports.source(name).await?;
    let _task = Task::start(observer, Work::new("resolving", Item::new(name.to_string())), None);
    let root = source.resolve(&selector).await?;
    Ok((source, root))
}
