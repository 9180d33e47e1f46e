//! Services that extend each other (compose-spec, 05-services.md, "extends").

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use super::error::Problem;
use super::file::{Extends, FileService};
use super::place::Place;
use super::reader::Found;
use super::service::Layer;
use crate::model::{escape, nearest, ring};

/// Greatest number of services that extend each other. The limit bounds the time to merge them; people use two or three.
const MAX_EXTENDS: usize = 32;

/// A file with services that others extend.
#[derive(Debug)]
pub(super) struct ExtendedFile {
    /// Its index.
    pub file: usize,
    /// The services of its documents.
    pub documents: Vec<BTreeMap<String, FileService>>,
    /// What was found in its services, by name. It matters if one of them is extended.
    pub found: RefCell<BTreeMap<String, Found>>,
}

/// Where services are looked for.
#[derive(Debug, Clone)]
pub(super) enum Scope<'a> {
    /// One document of a file, with the services that it includes.
    Document {
        file: usize,
        services: &'a BTreeMap<String, FileService>,
    },
    /// All documents of a file that another one names.
    File(Rc<ExtendedFile>),
}

/// A part of a service.
#[derive(Debug)]
pub(super) struct Part {
    pub layer: Layer,
    /// Whether it comes from a service that is extended.
    pub is_extended: bool,
    /// The file and the service that it comes from, if another file names them.
    pub origin: Option<(Rc<ExtendedFile>, String)>,
}

impl Scope<'_> {
    fn file(&self) -> usize {
        match self {
            Self::Document { file, .. } => *file,
            Self::File(file) => file.file,
        }
    }

    /// Returns what the documents say of a service, the last one first; `None` if none has it.
    fn find(&self, name: &str) -> Option<Vec<&FileService>> {
        let found: Vec<&FileService> = match self {
            Self::Document { services, .. } => services.get(name).into_iter().collect(),
            Self::File(file) => file
                .documents
                .iter()
                .rev()
                .filter_map(|services| services.get(name))
                .collect(),
        };
        (!found.is_empty()).then_some(found)
    }

    fn nearest(&self, name: &str) -> Option<&str> {
        let documents = match self {
            Self::Document { services, .. } => std::slice::from_ref(*services),
            Self::File(file) => &file.documents[..],
        };
        nearest(name, documents.iter().flat_map(BTreeMap::keys).map(String::as_str))
    }
}

/// Returns the parts of a service and of those that it extends, its own first. `load` reads the file that a service is in.
///
/// # Errors
/// Returns what is wrong; `None` for a file that could not be read, which `load` reports.
pub(super) fn extended_parts(
    name: &str,
    scope: Scope<'_>,
    mut load: impl FnMut(&Path, &Place) -> Option<Rc<ExtendedFile>>,
) -> Result<Vec<Part>, Option<Problem>> {
    let mut parts = Vec::new();
    let mut way: Vec<Step> = Vec::new();
    let mut scope = scope;
    let mut name = name.to_owned();
    loop {
        let Some(found) = scope.find(&name) else {
            return Err(way.last().map(|step| not_found(&name, &scope, &step.place)));
        };
        let extends = add_parts(&found, &scope, &name, !way.is_empty(), &mut parts);
        let Some(extends) = extends else { return Ok(parts) };
        way.push(Step {
            file: scope.file(),
            name,
            place: extends.place,
        });
        if let Some((path, place)) = extends.file {
            scope = Scope::File(load(&path, &place).ok_or(None)?);
        }
        name = extends.service;
        let start = way
            .iter()
            .position(|step| step.file == scope.file() && step.name == name);
        if let Some(start) = start {
            return Err(Some(circle(&mut way[start..])));
        }
        if way.len() >= MAX_EXTENDS {
            let place = way.last().map(|step| step.place.clone());
            let message = format!("more than {MAX_EXTENDS} services extend each other");
            return Err(place.map(|place| Problem::new(place.file, place.span, message)));
        }
    }
}

/// A service that extends another one, and where it says so.
struct Step {
    file: usize,
    name: String,
    place: Place,
}

/// Adds the parts of one service. Returns which one it extends.
fn add_parts(
    found: &[&FileService],
    scope: &Scope<'_>,
    name: &str,
    is_extended: bool,
    parts: &mut Vec<Part>,
) -> Option<Extends> {
    let mut extended = None;
    for service in found {
        let (inner, is_last) = match service {
            FileService::Override(inner) => (&**inner, true),
            FileService::Reset => return extended,
            FileService::Merge { .. } => (*service, false),
        };
        if let FileService::Merge { layer, extends, .. } = inner {
            let origin = match scope {
                Scope::Document { .. } => None,
                Scope::File(file) => Some((Rc::clone(file), name.to_owned())),
            };
            parts.push(Part {
                layer: Layer::clone(layer),
                is_extended,
                origin,
            });
            extended = extended.or_else(|| extends.clone());
        }
        if is_last {
            break;
        }
    }
    extended
}

fn not_found(name: &str, scope: &Scope<'_>, place: &Place) -> Problem {
    let shown = escape(name.as_bytes());
    let (message, other) = match scope {
        Scope::Document { .. } => (
            format!("`extends` names no service of this file: \"{shown}\""),
            "name a service of the same file, or add `file`",
        ),
        Scope::File(_) => (
            format!("`extends` names no service of the other file: \"{shown}\""),
            "name a service of that file",
        ),
    };
    let problem = Problem::new(place.file, place.span.clone(), message);
    match scope.nearest(name) {
        Some(near) => problem.help(format!("did you mean {}?", escape(near.as_bytes()))),
        None => problem.help(other),
    }
}

/// Returns the problem of services that extend each other in a circle: the same one for each of them.
fn circle(way: &mut [Step]) -> Problem {
    let first = (0..way.len())
        .min_by_key(|at| (way[*at].file, &way[*at].name))
        .unwrap_or(0);
    way.rotate_left(first);
    let names: Vec<String> = way.iter().map(|step| escape(step.name.as_bytes())).collect();
    let place = way
        .first()
        .map_or(Place { file: 0, span: 0..0 }, |step| step.place.clone());
    let problem = Problem::new(
        place.file,
        place.span,
        format!("services extend each other in a circle: {}", ring(&names)),
    );
    problem.help("remove one of the `extends`")
}
