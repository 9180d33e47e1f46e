//! A layer as it is described before it is packed.

use std::path::PathBuf;

use bytes::Bytes;

use crate::files::{self, Archives, Context, FilesError, IgnoreRules};
use crate::model::{Compression, Content, EntryKind, EntryPath, ListedItem, ListedRoot, Listing};
use crate::spec::{FilesEntry, From, LayerSpec, NameOrId, Owner, Ownership, Place};

/// Files to append to an image as one layer. They are listed and read when the image is pushed or its digest is asked
/// for.
///
/// The rules are those of a spec's `files`: files belong to root and have mode 0644, or 0755 if their owner may execute
/// them; times are fixed; links are kept; and a path goes where the image's links lead, so that `/bin/x` is written to
/// `/usr/bin/x` if the image's `/bin` is a link to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    name: Option<String>,
    sources: Vec<LayerSource>,
    owner: Option<(u64, u64)>,
    compression: Compression,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum LayerSource {
    /// A file or a directory on the disk, and its path in the image.
    Disk { path: PathBuf, to: String },
    /// A file with this content.
    Bytes { to: String, bytes: Bytes, mode: u32 },
}

impl Layer {
    /// Returns a layer without files.
    pub fn new() -> Self {
        Self {
            name: None,
            sources: Vec::new(),
            owner: None,
            compression: Compression::Gzip(Compression::GZIP_DEFAULT_LEVEL),
        }
    }

    /// Returns a layer with the contents of a directory, which appear below the absolute path `to` of the image.
    pub fn from_dir(directory: impl Into<PathBuf>, to: impl Into<String>) -> Self {
        Self::new().with_path(directory, to)
    }

    /// Adds a file, or the contents of a directory. If `to` ends in a slash, a file keeps its name below it.
    pub fn with_path(mut self, path: impl Into<PathBuf>, to: impl Into<String>) -> Self {
        self.sources.push(LayerSource::Disk {
            path: path.into(),
            to: to.into(),
        });
        self
    }

    /// Adds a file with this content and these permission bits at the absolute path `to`.
    pub fn with_file(mut self, to: impl Into<String>, bytes: impl Into<Bytes>, mode: u32) -> Self {
        self.sources.push(LayerSource::Bytes {
            to: to.into(),
            bytes: bytes.into(),
            mode,
        });
        self
    }

    /// Sets the name, which the image's history shows. By default layers are numbered: `layer 1`.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            ..self
        }
    }

    /// Sets the owner of all files and new directories, by numbers.
    pub fn owned_by(self, uid: u64, gid: u64) -> Self {
        Self {
            owner: Some((uid, gid)),
            ..self
        }
    }

    /// Sets the compression. The default is gzip with level 6.
    pub fn compressed(self, compression: Compression) -> Self {
        Self { compression, ..self }
    }

    /// Returns the layer as a spec would describe it. `number` counts from 1.
    pub(super) fn spec(&self, number: usize) -> LayerSpec {
        let name = self.name(number);
        let place = place_of(&name);
        LayerSpec {
            files: self.sources.iter().map(|source| source.entry(&place)).collect(),
            name,
            links: Vec::new(),
            remove: Vec::new(),
            ownership: Ownership {
                owner: self.owner.map(|(uid, gid)| Owner {
                    user: NameOrId::Id(uid),
                    group: Some(NameOrId::Id(gid)),
                }),
                ..Ownership::default()
            },
            compression: self.compression,
            annotations: Default::default(),
            place,
        }
    }

    fn name(&self, number: usize) -> String {
        self.name.clone().unwrap_or_else(|| format!("layer {number}"))
    }

    /// Lists the files of the disk. `number` counts from 1.
    pub(super) fn list(&self, number: usize, archives: &Archives, threads: usize) -> Result<Vec<Listing>, FilesError> {
        let place = place_of(&self.name(number));
        let context = Context {
            ignore: &IgnoreRules::default(),
            never_packed: &Default::default(),
            outputs: &Default::default(),
            archives,
            threads,
        };
        let list = |source: &LayerSource| match source {
            LayerSource::Disk { .. } => files::list(&source.entry(&place), &context),
            LayerSource::Bytes { to, bytes, mode } => Ok(listing_of_bytes(to, bytes, *mode)),
        };
        self.sources.iter().map(list).collect()
    }
}

impl Default for Layer {
    fn default() -> Self {
        Self::new()
    }
}

impl LayerSource {
    fn entry(&self, place: &Place) -> FilesEntry {
        let (path, to) = match self {
            Self::Disk { path, to } => (path.clone(), to),
            Self::Bytes { to, .. } => (PathBuf::new(), to),
        };
        let text = path.to_string_lossy().into_owned();
        // An empty pattern is the path itself, whatever characters it has.
        let from = From::Disk {
            directory: path,
            pattern: String::new(),
        };
        FilesEntry::new(from, text, to.clone(), place.clone())
    }
}

/// Returns the place of a layer in messages: its name, since it is in no file.
fn place_of(name: &str) -> Place {
    Place {
        file: name.into(),
        ..Place::default()
    }
}

fn listing_of_bytes(to: &str, bytes: &Bytes, mode: u32) -> Listing {
    let name = to.rsplit('/').next().unwrap_or_default().as_bytes().to_vec();
    Listing {
        root: ListedRoot::File { name },
        items: vec![ListedItem {
            path: EntryPath::root(),
            kind: EntryKind::File {
                size_bytes: bytes.len() as u64,
                content: Content::Bytes(bytes.to_vec().into()),
            },
            kept_mode: Some(mode),
            executable: false,
            xattrs: Default::default(),
            origin: Some(format!("the content for {}", crate::model::escape(to.as_bytes()))),
        }],
    }
}
