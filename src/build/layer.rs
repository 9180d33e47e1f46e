//! A layer of a build, and where its bytes are.

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
use crate::build::records::Records;
use crate::build::report::LayerOrigin;
use crate::model::{Descriptor, Layer, LayerPlan, Repository, Root, Selector};
use crate::pack::{
    KeptLayer, LayerReader, PackError, PackObserver, PackOptions, PackedLayer, pack_layer, put_together,
};
use crate::secrets::SightedFile;
use crate::store::{BlobReader, Side, Source, StoreError};

/// What layers are made with.
pub(super) struct Workshop {
    pub contents: Contents,
    pub scratch_directory: PathBuf,
    /// Threads that pack.
    pub threads: usize,
    pub cache: Arc<BuildCache>,
    pub records: Records,
}

impl Workshop {
    /// Packs a layer with so many threads, and records what came of it.
    pub fn pack(
        &self,
        plan: &LayerPlan,
        threads: usize,
        observer: &dyn PackObserver,
    ) -> Result<PackedLayer, PackError> {
        let options = PackOptions { scratch_dir: self.scratch_directory.clone(), threads, cache: self.cache.blocks() };
        let packed = pack_layer(plan, &self.contents, &options, observer)?;
        if let Some(kept) = &packed.kept {
            self.records.store(plan, kept);
        }
        Ok(packed)
    }
}

/// A layer that is known, and whose bytes can be had.
pub(super) struct BuiltLayer {
    /// Its name in the spec of the first platform that has it.
    pub name: String,
    /// Descriptor, diff id and sizes.
    pub layer: Layer,
    /// How it came to be.
    pub origin: LayerOrigin,
    /// The files in which something looks like a secret.
    pub sighted: Arc<[SightedFile]>,
    bytes: Arc<LayerBytes>,
}

/// Where the bytes of a layer are.
enum LayerBytes {
    /// In a temporary file.
    Packed(Box<PackedLayer>),
    /// In the cache, as blocks; they are put together when somebody asks.
    Kept(Box<KeptBytes>),
    /// In an image that was built earlier.
    Elsewhere(Arc<dyn Source>),
}

struct KeptBytes {
    kept: KeptLayer,
    plan: Arc<LayerPlan>,
    workshop: Arc<Workshop>,
    made: Mutex<Option<PackedLayer>>,
}

impl BuiltLayer {
    /// One that was packed now.
    pub fn packed(name: String, packed: PackedLayer) -> Self {
        let layer = packed.layer.clone();
        let sighted = packed.sighted.clone().into();
        let bytes = Arc::new(LayerBytes::Packed(Box::new(packed)));
        Self { name, layer, origin: LayerOrigin::Packed, sighted, bytes }
    }

    /// One whose inputs are what they were when `kept` was packed. Nothing is read before its bytes are wanted.
    pub fn kept(kept: KeptLayer, plan: Arc<LayerPlan>, workshop: Arc<Workshop>) -> Self {
        let (name, layer) = (plan.name.clone(), kept.layer.clone());
        let sighted = kept.sighted.clone().into();
        let bytes = LayerBytes::Kept(Box::new(KeptBytes { kept, plan, workshop, made: Mutex::new(None) }));
        Self { name, layer, origin: LayerOrigin::Kept, sighted, bytes: Arc::new(bytes) }
    }

    /// One that an earlier image holds. `sighted` is of the files that it would have been packed from.
    pub fn elsewhere(name: String, layer: Layer, sighted: Vec<SightedFile>, source: Arc<dyn Source>) -> Self {
        let bytes = Arc::new(LayerBytes::Elsewhere(source));
        Self { name, layer, origin: LayerOrigin::Earlier, sighted: sighted.into(), bytes }
    }
}

/// A layer as a source of one blob. It names no image.
#[async_trait]
impl Source for BuiltLayer {
    fn describe(&self) -> String {
        "the build".to_owned()
    }

    fn side(&self) -> Side {
        Side::Local
    }

    async fn resolve(&self, _: &Selector) -> Result<Root, StoreError> {
        Err(StoreError::NotFound { what: "an image".to_owned(), place: "a layer".to_owned(), help: None })
    }

    /// What is only kept in blocks is put together now, or packed again where blocks are gone: this may take as long as
    /// packing does.
    async fn open_unverified(&self, descriptor: &Descriptor) -> Result<BlobReader, StoreError> {
        if let LayerBytes::Elsewhere(source) = &*self.bytes {
            // Opened through the verifying reader: whoever sends damaged bytes is named, and not the build.
            return Ok(Box::pin(crate::store::open(source.as_ref(), descriptor).await?));
        }
        let bytes = self.bytes.clone();
        let reader = tokio::task::spawn_blocking(move || bytes.reader()).await.map_err(io::Error::other);
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
    /// A reader over what is here.
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
        // One reader makes it, the others wait. A poisoned lock holds a layer or none, and nothing half-made.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(packed) = &*made {
            return Ok(packed.reader());
        }
        let packed = self.make().map_err(io::Error::other)?;
        Ok(made.insert(packed).reader())
    }

    fn make(&self) -> Result<PackedLayer, BuildError> {
        let Workshop { scratch_directory, cache, threads, .. } = &*self.workshop;
        if let Some(blocks) = cache.blocks()
            && let Some(packed) = put_together(&self.kept, &self.plan, blocks, scratch_directory)?
        {
            return Ok(packed);
        }
        let packed = self.workshop.pack(&self.plan, *threads, &())?;
        let (expected, actual) = (self.kept.layer.descriptor.digest, packed.layer.descriptor.digest);
        if expected != actual {
            self.workshop.records.forget(&self.plan);
            return Err(BuildError::StaleRecord { layer: self.plan.name.clone(), expected, actual });
        }
        Ok(packed)
    }
}

/// How much of a packed layer is read at once: large enough that the way between threads does not show.
const CHUNK_BYTES: usize = 256 * 1024;

/// A packed layer read on threads that may block.
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
