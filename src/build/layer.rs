//! A layer of a build, and the location of its bytes.

use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use tokio::io::AsyncRead;
use tokio_util::io::StreamReader;

use crate::build::BuildError;
use crate::build::cache::BuildCache;
use crate::build::contents::Contents;
use crate::build::options::BuildOptions;
use crate::build::records::Records;
use crate::build::report::LayerOrigin;
use crate::events::{Item, Task};
use crate::model::{Descriptor, Layer, LayerPlan, Repository, Root, Selector};
use crate::pack::{KeptLayer, LayerReader, PackError, PackOptions, PackedLayer, pack_layer, put_together};
use crate::secrets::SightedFile;
use crate::store::{BlobReader, Side, Source, StoreError};

/// What packing a layer needs.
pub(super) struct PackContext {
    pub contents: Contents,
    pub scratch_directory: PathBuf,
    /// Number of threads that pack.
    pub threads: usize,
    pub cache: Arc<BuildCache>,
    pub records: Records,
}

impl PackContext {
    /// Creates the context of a build with these options. `contents` opens what packing does not know.
    pub fn new(contents: Contents, cache: Arc<BuildCache>, options: &BuildOptions) -> Self {
        Self {
            contents,
            scratch_directory: options.scratch_directory.clone(),
            threads: options.threads,
            records: Records::new(cache.clone(), options.started_at),
            cache,
        }
    }

    /// Packs a layer on this many threads, and stores a record of the result.
    pub fn pack(&self, plan: &LayerPlan, threads: usize, task: &Task) -> Result<PackedLayer, PackError> {
        let options = PackOptions {
            scratch_dir: self.scratch_directory.clone(),
            threads,
            cache: self.cache.blocks(),
        };
        let packed = pack_layer(plan, &self.contents, &options, task)?;
        if let Some(kept) = &packed.kept {
            self.records.store(plan, kept);
        }
        Ok(packed)
    }
}

/// A finished layer whose bytes are available.
pub(super) struct BuiltLayer {
    /// Name in the spec of the first platform that has it, and the platform if it is the only one.
    pub item: Item,
    /// Descriptor, diff ID and sizes.
    pub layer: Layer,
    /// How the layer was made.
    pub origin: LayerOrigin,
    /// Files that contain something that looks like a secret.
    pub sighted: Arc<[SightedFile]>,
    bytes: Arc<LayerBytes>,
}

/// The location of a layer's bytes.
enum LayerBytes {
    /// In a temporary file.
    Packed(Box<PackedLayer>),
    /// In the cache, as blocks that are assembled on the first read.
    Kept(Box<KeptBytes>),
    /// In an image that was built earlier.
    Elsewhere(Arc<dyn Source>),
}

struct KeptBytes {
    kept: KeptLayer,
    plan: Arc<LayerPlan>,
    context: Arc<PackContext>,
    made: Mutex<Option<PackedLayer>>,
}

impl BuiltLayer {
    /// Creates a layer that was just packed.
    pub fn packed(item: Item, packed: PackedLayer) -> Self {
        let layer = packed.layer.clone();
        let sighted = packed.sighted.clone().into();
        let bytes = Arc::new(LayerBytes::Packed(Box::new(packed)));
        Self {
            item,
            layer,
            origin: LayerOrigin::Packed,
            sighted,
            bytes,
        }
    }

    /// Creates a layer whose inputs are unchanged since `kept` was packed. Reads nothing until its bytes are needed.
    pub fn kept(item: Item, kept: KeptLayer, plan: Arc<LayerPlan>, context: Arc<PackContext>) -> Self {
        let layer = kept.layer.clone();
        let sighted = kept.sighted.clone().into();
        let bytes = LayerBytes::Kept(Box::new(KeptBytes {
            kept,
            plan,
            context,
            made: Mutex::new(None),
        }));
        Self {
            item,
            layer,
            origin: LayerOrigin::Kept,
            sighted,
            bytes: Arc::new(bytes),
        }
    }

    /// Creates a layer that an earlier image has. `sighted` refers to the files that it would have been packed from.
    pub fn elsewhere(item: Item, layer: Layer, sighted: Vec<SightedFile>, source: Arc<dyn Source>) -> Self {
        let bytes = Arc::new(LayerBytes::Elsewhere(source));
        Self {
            item,
            layer,
            origin: LayerOrigin::Earlier,
            sighted: sighted.into(),
            bytes,
        }
    }
}

/// A layer as a source of one blob. It does not contain an image.
#[async_trait]
impl Source for BuiltLayer {
    fn describe(&self) -> String {
        "the build".to_owned()
    }

    fn side(&self) -> Side {
        Side::Local
    }

    async fn resolve(&self, _: &Selector) -> Result<Root, StoreError> {
        Err(StoreError::NotFound {
            what: "an image".to_owned(),
            place: "a layer".to_owned(),
            help: None,
        })
    }

    /// Assembles a layer that is only stored in blocks, or packs it again if blocks are missing. This may take as long
    /// as packing.
    async fn open_unverified(&self, descriptor: &Descriptor) -> Result<BlobReader, StoreError> {
        if let LayerBytes::Elsewhere(source) = &*self.bytes {
            // The verifying reader names the source of damaged bytes, so that the build is not blamed for them.
            return Ok(Box::pin(crate::store::open(source.as_ref(), descriptor).await?));
        }
        let bytes = self.bytes.clone();
        let reader = tokio::task::spawn_blocking(move || bytes.reader())
            .await
            .map_err(io::Error::other);
        let reader = reader.and_then(|reader| reader).map_err(|cause| StoreError::Read {
            digest: descriptor.digest,
            place: self.describe(),
            side: self.side(),
            cause,
        })?;
        Ok(Box::pin(in_background(reader)))
    }

    fn origin(&self, descriptor: &Descriptor) -> Option<Repository> {
        match &*self.bytes {
            LayerBytes::Elsewhere(source) => source.origin(descriptor),
            LayerBytes::Packed(_) | LayerBytes::Kept(_) => None,
        }
    }
}

impl LayerBytes {
    /// Returns a reader over the local bytes.
    fn reader(&self) -> io::Result<LayerReader> {
        match self {
            Self::Packed(packed) => Ok(packed.reader()),
            Self::Kept(kept) => kept.reader(),
            Self::Elsewhere(source) => Err(io::Error::other(format!("the layer is in {}", source.describe()))),
        }
    }
}

impl KeptBytes {
    fn reader(&self) -> io::Result<LayerReader> {
        // One reader makes the layer while the others wait. A poisoned lock holds a complete layer or none.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(packed) = &*made {
            return Ok(packed.reader());
        }
        let packed = self.make().map_err(io::Error::other)?;
        Ok(made.insert(packed).reader())
    }

    fn make(&self) -> Result<PackedLayer, BuildError> {
        let PackContext {
            scratch_directory,
            cache,
            threads,
            ..
        } = &*self.context;
        if let Some(blocks) = cache.blocks()
            && let Some(packed) = put_together(&self.kept, &self.plan, blocks, scratch_directory)?
        {
            return Ok(packed);
        }
        let packed = self.context.pack(&self.plan, *threads, &Task::silent())?;
        let expected = self.kept.layer.descriptor.digest;
        let actual = packed.layer.descriptor.digest;
        if expected != actual {
            self.context.records.forget(&self.plan);
            return Err(BuildError::StaleRecord {
                layer: self.plan.name.clone(),
                expected,
                actual,
            });
        }
        Ok(packed)
    }
}

/// Bytes that are read at once from a packed layer: large enough to hide the cost of switching threads.
const CHUNK_BYTES: usize = 256 * 1024;

/// Returns an async reader over a packed layer, which is read on threads that may block.
fn in_background(reader: LayerReader) -> impl AsyncRead {
    let chunks = stream::try_unfold(reader, |mut reader| async move {
        let read = tokio::task::spawn_blocking(move || {
            let mut chunk = vec![0; CHUNK_BYTES];
            let size = reader.read(&mut chunk)?;
            chunk.truncate(size);
            Ok::<_, io::Error>((Bytes::from(chunk), reader))
        });
        let (chunk, reader) = read.await.map_err(io::Error::other)??;
        Ok::<_, io::Error>((!chunk.is_empty()).then_some((chunk, reader)))
    });
    StreamReader::new(Box::pin(chunks))
}
