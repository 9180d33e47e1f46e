//! What one document of a compose file says.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::place::Place;
use super::service::{Layer, Text};

/// A document of a compose file.
#[derive(Debug, Default)]
pub(super) struct FileDocument {
    /// Its services; `None` without `services`.
    pub services: Option<BTreeMap<String, FileService>>,
    /// The files that it includes, in order.
    pub includes: Vec<Include>,
}

/// A service of one file.
#[derive(Debug)]
pub(super) enum FileService {
    /// It is merged with that of earlier files.
    Merge {
        place: Place,
        layer: Box<Layer>,
        extends: Option<Extends>,
    },
    /// It replaces that of earlier files, which is taken away first.
    Override(Box<FileService>),
    /// `!reset`: that of earlier files is removed.
    Reset,
}

/// The service that another one extends.
#[derive(Debug, Clone)]
pub(super) struct Extends {
    /// Its name.
    pub service: String,
    /// The place of the name.
    pub place: Place,
    /// The file that it is in, and the place of the path; `None` for the same file.
    pub file: Option<(PathBuf, Place)>,
}

/// An item of `include`.
#[derive(Debug)]
pub(super) struct Include {
    /// Its place.
    pub place: Place,
    /// The paths of the files, which are merged.
    pub paths: Vec<Text>,
    /// `project_directory`.
    pub directory: Option<Text>,
    /// `env_file`; `None` for `.env` in the directory.
    pub env_files: Option<Vec<Text>>,
}

impl FileService {
    /// Returns the place of its name, if it adds anything.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Merge { place, .. } => Some(place),
            Self::Override(inner) => inner.place(),
            Self::Reset => None,
        }
    }
}
