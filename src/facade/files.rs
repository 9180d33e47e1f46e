//! The files of an image.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Error, Image};
use crate::events::{Item, Task, Work};
use crate::model::{Content, Diagnostic, Entry, EntryKind, EntryPath, ErrorKind};
use crate::tree::{Node, Tree, extract};

/// Greatest size of a file that [`Image::read_file`] returns, in bytes. The content is held in memory.
pub const MAX_READ_BYTES: u64 = 256 * 1024 * 1024;

/// Why a file of an image cannot be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("the image has no file {0}")]
    NotFound(EntryPath),
    #[error("{0} is not a regular file")]
    NotAFile(EntryPath),
    #[error("{path} has {size_bytes} bytes, over the limit of {MAX_READ_BYTES}")]
    TooLarge { path: EntryPath, size_bytes: u64 },
    #[error("cannot read {path}")]
    Content {
        path: EntryPath,
        #[source]
        cause: std::io::Error,
    },
    #[error("cannot read {path} from its layer")]
    Layer {
        path: EntryPath,
        #[source]
        cause: crate::tree::TreeError,
    },
    #[error(transparent)]
    Path(#[from] crate::model::EntryPathError),
    #[error(transparent)]
    Resolve(#[from] crate::tree::ResolveError),
}

impl Diagnostic for ReadError {
    fn error_kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::NotAFile(_) | Self::TooLarge { .. } | Self::Path(_) | Self::Resolve(_) => ErrorKind::Input,
            Self::Content { .. } => ErrorKind::Local,
            Self::Layer { cause, .. } => cause.error_kind(),
        }
    }
}

impl Image {
    /// Returns every path of the image, with kind, size, mode, owner and link target. Reads the base's layers once,
    /// unless the cache knows their paths; nothing is unpacked.
    pub async fn files(&self) -> Result<Arc<Tree>, Error> {
        let base = match self.base() {
            Some(base) => self.facts(base).await?.tree.clone(),
            None => Arc::default(),
        };
        let entries = self.appended().await?;
        if entries.is_empty() {
            return Ok(base);
        }
        let mut tree = (*base).clone();
        for entry in entries {
            tree.insert(entry.path.clone(), Node::of_entry(entry));
        }
        Ok(Arc::new(tree))
    }

    /// Returns the content of a regular file of at most [`MAX_READ_BYTES`]. Symbolic links are followed inside the
    /// image. The layer that holds the file is read and verified to its end.
    ///
    /// # Errors
    /// Returns an error of kind [`ErrorKind::NotFound`] if the image has no such file, and of kind
    /// [`ErrorKind::Input`] if it is not a regular file or too large.
    pub async fn read_file(&self, path: &str) -> Result<Vec<u8>, Error> {
        let tree = self.files().await?;
        let path = EntryPath::new(path.as_bytes()).map_err(ReadError::from)?;
        let path = tree.resolve(&path).map_err(ReadError::from)?;
        let node = tree.node(&path).ok_or_else(|| ReadError::NotFound(path.clone()))?;
        let crate::tree::NodeKind::File { size_bytes, .. } = &node.kind else {
            return Err(ReadError::NotAFile(path).into());
        };
        if *size_bytes > MAX_READ_BYTES {
            let size_bytes = *size_bytes;
            return Err(ReadError::TooLarge { path, size_bytes }.into());
        }
        if let Some(entry) = self.appended().await?.into_iter().find(|entry| entry.path == path) {
            return read_appended(entry).map_err(|cause| ReadError::Content { path, cause }.into());
        }
        Ok(self.read_base_file(path, node).await?)
    }

    /// Returns the entries of the layers that were appended, the lowest layer first.
    async fn appended(&self) -> Result<Vec<&Entry>, Error> {
        let plan = self.built().await?.plan.as_ref();
        Ok(plan
            .into_iter()
            .flat_map(|plan| &plan.layers)
            .flat_map(|layer| &layer.entries)
            .collect())
    }

    async fn read_base_file(&self, path: EntryPath, node: &Node) -> Result<Vec<u8>, ReadError> {
        let (Some(base), Some((layer, stored))) = (self.base(), node.content_at(&path)) else {
            return Err(ReadError::NotFound(path));
        };
        let wanted = BTreeMap::from([(layer, BTreeSet::from([stored.clone()]))]);
        let content = Arc::new(Mutex::new(Vec::new()));
        let written = content.clone();
        let item = Item::new(path.to_string()).for_platform(Some(self.platform().clone()));
        let task = Arc::new(Task::start(self.observer(), Work::new("reading", item), None));
        let read = extract(
            base.source.as_ref(),
            &base.image,
            &wanted,
            &task,
            move |_, _, reader| {
                let mut content = written.lock().unwrap_or_else(PoisonError::into_inner);
                // A layer may hold a path twice: the last one counts.
                content.clear();
                reader.take(MAX_READ_BYTES).read_to_end(&mut content).map(drop)
            },
        );
        match read.await {
            Ok(_) => Ok(std::mem::take(
                &mut *content.lock().unwrap_or_else(PoisonError::into_inner),
            )),
            Err(cause) => Err(ReadError::Layer { path, cause }),
        }
    }
}

fn read_appended(entry: &Entry) -> std::io::Result<Vec<u8>> {
    let EntryKind::File { content, .. } = &entry.kind else {
        return Ok(Vec::new());
    };
    match content {
        Content::Bytes(bytes) => Ok(bytes.to_vec()),
        Content::Disk(file) => {
            let mut content = Vec::new();
            file.open()?.take(MAX_READ_BYTES).read_to_end(&mut content)?;
            Ok(content)
        }
        // No layer of the front door is made of archives or images.
        Content::Member { .. } | Content::Image { .. } => Err(std::io::Error::other("not a file on the disk")),
    }
}
