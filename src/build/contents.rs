//! Opens what packing does not know: members of archives, and files inside images.
//!
//! A layer's compressed stream cannot be read out of order. Before packing, all files that are needed of an image are
//! therefore copied into one temporary file without a name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::build::BuildError;
use crate::build::images::PlatformImage;
use crate::build::inputs::PlannedPlatform;
use crate::events::{Item, Observer, Task, Work};
use crate::files::Archives;
use crate::model::{Content, ContentOpener, Digest, EntryKind, EntryPath, Platform};
use crate::tree::extract;

/// Opens the content of every entry of the plans.
pub(super) struct Contents {
    archives: Arc<Archives>,
    spool: Arc<File>,
    /// Position of each wanted file of an image in the spool: offset and size in bytes.
    spooled: BTreeMap<(Digest, EntryPath), (u64, u64)>,
}

impl Contents {
    /// Opens members of archives, and no files of images yet.
    pub fn new(archives: Arc<Archives>, scratch_directory: &Path) -> Result<Self, BuildError> {
        let io_error = |cause| BuildError::Io {
            action: "create a temporary file in",
            path: scratch_directory.to_owned(),
            cause,
        };
        Ok(Self {
            archives,
            spool: Arc::new(tempfile::tempfile_in(scratch_directory).map_err(io_error)?),
            spooled: BTreeMap::new(),
        })
    }

    /// Copies the files that the plans need out of images. Files that were copied before are not copied again.
    pub async fn collect(
        &mut self,
        planned: &[PlannedPlatform],
        observer: &Arc<dyn Observer>,
    ) -> Result<(), BuildError> {
        for platform in planned {
            for (manifest, paths) in wanted_files(platform) {
                if let Some(image) = platform.file_images.get(&manifest) {
                    self.spool_image(image, &platform.plan.platform, paths, observer)
                        .await?;
                }
            }
        }
        Ok(())
    }

    /// Opens any content of a planned layer.
    pub fn open_any<'a>(&'a self, content: &Content) -> io::Result<Box<dyn Read + Send + 'a>> {
        match content {
            Content::Bytes(bytes) => Ok(Box::new(io::Cursor::new(bytes.clone()))),
            Content::Disk(file) => Ok(Box::new(file.open()?)),
            Content::Member { .. } | Content::Image { .. } => self.open(content),
        }
    }

    async fn spool_image(
        &mut self,
        image: &PlatformImage,
        platform: &Platform,
        paths: BTreeSet<EntryPath>,
        observer: &Arc<dyn Observer>,
    ) -> Result<(), BuildError> {
        let manifest = image.image.manifest().descriptor().digest;
        // By layer and path in the layer: the paths of the tree that have this content.
        let mut wanted: BTreeMap<u32, BTreeSet<EntryPath>> = BTreeMap::new();
        let mut paths_by_place: BTreeMap<(u32, EntryPath), Vec<EntryPath>> = BTreeMap::new();
        for path in paths {
            if self.spooled.contains_key(&(manifest, path.clone())) {
                continue;
            }
            if let Some((layer, place)) = image.facts.tree.node(&path).and_then(|node| node.content_at(&path)) {
                wanted.entry(layer).or_default().insert(place.clone());
                paths_by_place
                    .entry((layer, place.clone()))
                    .or_default()
                    .push(path.clone());
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let item = Item::new(image.name.to_string()).for_platform(Some(platform.clone()));
        let task = Arc::new(Task::start(observer, Work::new("copying files from", item), None));
        let mut spool = self.spool.try_clone().map_err(|cause| self.spool_error(cause))?;
        let placed = Arc::new(Mutex::new(Vec::new()));
        let found = placed.clone();
        let taken = extract(
            image.source.as_ref(),
            &image.image,
            &wanted,
            &task,
            move |layer, place, reader| {
                let offset = spool.seek(SeekFrom::End(0))?;
                let size_bytes = io::copy(reader, &mut spool)?;
                found
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(((layer, place.clone()), (offset, size_bytes)));
                Ok(())
            },
        );
        let _sink = taken.await.map_err(|cause| BuildError::Tree {
            image: image.name.to_string(),
            platform: image.image.config().value().platform().clone(),
            cause: Box::new(cause),
        })?;
        let placed = std::mem::take(&mut *placed.lock().unwrap_or_else(PoisonError::into_inner));
        for (place, at) in placed {
            for path in paths_by_place.get(&place).into_iter().flatten() {
                self.spooled.insert((manifest, path.clone()), at);
            }
        }
        task.finish(format!("copied files from {}", image.name));
        Ok(())
    }

    fn spool_error(&self, cause: io::Error) -> BuildError {
        BuildError::Io {
            action: "open",
            path: "the temporary file for files of images".into(),
            cause,
        }
    }
}

fn wanted_files(platform: &PlannedPlatform) -> BTreeMap<Digest, BTreeSet<EntryPath>> {
    let mut wanted: BTreeMap<Digest, BTreeSet<EntryPath>> = BTreeMap::new();
    for entry in platform.plan.layers.iter().flat_map(|layer| &layer.entries) {
        if let EntryKind::File {
            content: Content::Image { manifest, path },
            ..
        } = &entry.kind
        {
            wanted.entry(*manifest).or_default().insert(path.clone());
        }
    }
    wanted
}

impl ContentOpener for Contents {
    fn open(&self, content: &Content) -> io::Result<Box<dyn Read + Send + '_>> {
        match content {
            Content::Member { .. } => self.archives.open(content),
            Content::Image { manifest, path } => {
                let place = self.spooled.get(&(*manifest, path.clone()));
                let (offset, left) = *place.ok_or_else(|| {
                    io::Error::new(
                        io::ErrorKind::NotFound,
                        format!("the layers of {manifest} do not contain {path}"),
                    )
                })?;
                Ok(Box::new(SpoolReader {
                    file: self.spool.clone(),
                    offset,
                    left,
                }))
            }
            Content::Bytes(_) | Content::Disk(_) => {
                Err(io::Error::other("bytes and files are opened by packing itself"))
            }
        }
    }
}

/// A range of the spool, read without a shared file position.
struct SpoolReader {
    file: Arc<File>,
    offset: u64,
    left: u64,
}

impl Read for SpoolReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.file.read_at(&mut buffer[..wanted], self.offset)?;
        self.offset += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}
