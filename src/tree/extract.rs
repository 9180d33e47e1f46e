//! Extracts files of an image from the streams of its layers.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::sync::Arc;

use super::entries::Entries;
use super::error::{LayerError, TreeError};
use super::stream::read_layer;
use crate::compress::CompressError;
use crate::events::Task;
use crate::model::{EntryPath, Image};
use crate::store::{Source, StoreError};
use crate::tar::{EntryKind, TarError};

/// The wanted files of an image: by layer, from 0 for the lowest, the paths in its stream, as returned by
/// [`super::Node::content_at`].
pub type Wanted = BTreeMap<u32, BTreeSet<EntryPath>>;

/// Reads the wanted files, and returns `sink`. Each layer that holds one is streamed once, the lowest first. `sink` is
/// called with the layer, the path and the content, in the order of the stream. A path that a layer holds twice is
/// passed twice: the last one counts. `task` advances by the compressed bytes that are read.
///
/// The data passed to `sink` is verified only when this function returns. Until then it must not be relied on.
///
/// # Errors
/// Returns [`TreeError`] if a layer cannot be read or does not match its digest, size and diff ID; if a wanted file
/// does not exist; or if `sink` fails.
pub async fn extract<S>(
    source: &dyn Source,
    image: &Image,
    wanted: &Wanted,
    task: &Arc<Task>,
    mut sink: S,
) -> Result<S, TreeError>
where
    S: FnMut(u32, &EntryPath, &mut dyn Read) -> io::Result<()> + Send + 'static,
{
    for (layer, paths) in wanted {
        let number = *layer;
        let each = move |sink: &mut S, path: &EntryPath, content: &mut dyn Read| {
            sink(number, path, content).map_err(|cause| blame(path, cause))
        };
        sink = extract_layer(source, image, number, paths.clone(), Arc::clone(task), sink, each).await?;
    }
    Ok(sink)
}

/// Reads every regular file of the layers from index `first` on, including those that a later layer hides, and returns
/// `sink`. `sink` is called with the layer, the path in its stream, and the content, in the order of the streams. `task`
/// advances by the compressed bytes that are read.
///
/// The data passed to `sink` is verified only when this function returns, as in [`extract`].
///
/// # Errors
/// Returns [`TreeError`] if a layer cannot be read or does not match its digest, size and diff ID, or if `sink` fails.
pub async fn read_files<S>(
    source: &dyn Source,
    image: &Image,
    first: usize,
    task: &Arc<Task>,
    mut sink: S,
) -> Result<S, TreeError>
where
    S: FnMut(u32, &EntryPath, &mut dyn Read) -> io::Result<()> + Send + 'static,
{
    for (number, (descriptor, diff_id)) in (0_u32..).zip(image.layers()).skip(first) {
        let work = move |reader: &mut dyn Read| {
            let mut entries = Entries::new(reader);
            while let Some(entry) = entries.next()? {
                if entry.kind == EntryKind::File {
                    let path = EntryPath::new(&entry.name).map_err(LayerError::Name)?;
                    sink(number, &path, &mut entries.content()).map_err(|cause| blame(&path, cause))?;
                }
            }
            Ok(sink)
        };
        sink = read_layer(source, descriptor, diff_id, Arc::clone(task), work).await?;
    }
    Ok(sink)
}

/// Extracts like [`extract`], for one layer and with a state that is passed along.
pub(super) async fn extract_layer<S: Send + 'static>(
    source: &dyn Source,
    image: &Image,
    layer: u32,
    paths: BTreeSet<EntryPath>,
    task: Arc<Task>,
    mut state: S,
    mut each: impl FnMut(&mut S, &EntryPath, &mut dyn Read) -> Result<(), LayerError> + Send + 'static,
) -> Result<S, TreeError> {
    let layers = image.manifest().value().layers.len();
    let found = usize::try_from(layer).ok().and_then(|index| image.layers().nth(index));
    let (descriptor, diff_id) = found.ok_or(TreeError::NoSuchLayer { layer, layers })?;
    let work = move |reader: &mut dyn Read| {
        let mut entries = Entries::new(reader);
        let mut lacking = paths.clone();
        while let Some(entry) = entries.next()? {
            if entry.kind != EntryKind::File {
                continue;
            }
            let path = EntryPath::new(&entry.name).map_err(LayerError::Name)?;
            if paths.contains(&path) {
                each(&mut state, &path, &mut entries.content())?;
                lacking.remove(&path);
            }
        }
        match lacking.pop_first() {
            Some(path) => Err(LayerError::NotThere { path }),
            None => Ok(state),
        }
    };
    read_layer(source, descriptor, diff_id, task, work).await
}

/// Returns the error of the stream if a sink only passed it on, else the sink's own error.
fn blame(path: &EntryPath, cause: io::Error) -> LayerError {
    let of_stream = |inner: &(dyn std::error::Error + Send + Sync + 'static)| {
        inner.is::<LayerError>() || inner.is::<TarError>() || inner.is::<StoreError>()
    };
    if CompressError::of(&cause).is_some() || cause.get_ref().is_some_and(of_stream) {
        return cause.into();
    }
    LayerError::Sink {
        path: path.clone(),
        cause,
    }
}
