//! Packing a layer: from its plan to its descriptor and a temporary file that holds its bytes.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::cache::{BlockCache, KeptBlock};
use super::content::Reading;
use super::error::PackError;
use super::pipeline::{self, EncodeBlock, Failure};
use crate::compress::{Algorithm, Compression};
use crate::model::{self, ContentOpener, Descriptor, Layer, LayerPlan};

/// The most threads that pack one layer: each has up to three blocks and an encoder's tables in memory.
pub const MAX_THREADS: usize = 8;

/// How to pack; none of it shows in the bytes.
#[derive(Clone)]
pub struct PackOptions<'a> {
    /// Directory of the temporary file, which has no name in it.
    pub scratch_dir: PathBuf,
    /// Threads that read, hash and compress, 1 to [`MAX_THREADS`], the calling one among them; what is beyond is taken as
    /// the nearest of these.
    pub threads: usize,
    /// Where blocks are looked for that were compressed before, and kept.
    pub cache: Option<&'a dyn BlockCache>,
}

/// Is told how packing gets on. Called from all threads that pack.
pub trait PackObserver: Sync {
    /// `size_bytes` more bytes of content were read.
    fn content_read(&self, size_bytes: u64);
}

/// Nobody watches.
impl PackObserver for () {
    fn content_read(&self, _size_bytes: u64) {}
}

/// A packed layer and its bytes, which go when the last clone and the last reader do.
#[derive(Debug, Clone)]
pub struct PackedLayer {
    /// Descriptor, diff id and sizes.
    pub layer: Layer,
    /// The blocks that its bytes consist of, between a header and a trailer; empty where it was packed without a cache.
    pub blocks: Vec<KeptBlock>,
    file: Arc<File>,
}

impl PackedLayer {
    /// A reader over the bytes that the descriptor names, from their start. Readers do not disturb each other, and may
    /// outlive the layer.
    pub fn reader(&self) -> LayerReader {
        LayerReader { file: Arc::clone(&self.file), offset_bytes: 0, end_bytes: self.layer.descriptor.size_bytes }
    }
}

/// Reads a packed layer; see [`PackedLayer::reader`].
#[derive(Debug, Clone)]
pub struct LayerReader {
    file: Arc<File>,
    offset_bytes: u64,
    end_bytes: u64,
}

impl Read for LayerReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left_bytes = self.end_bytes.saturating_sub(self.offset_bytes);
        let wanted = buffer.len().min(usize::try_from(left_bytes).unwrap_or(usize::MAX));
        let size = self.file.read_at(&mut buffer[..wanted], self.offset_bytes)?;
        self.offset_bytes += size as u64;
        Ok(size)
    }
}

/// Packs `plan` in one pass: tar, diff id, compression, digest, temporary file. Equal plans give equal bytes, for any
/// options. Each file of the disk is compared with what was listed after it was read.
///
/// # Errors
/// [`PackError`]: a plan that is not sorted or has an entry that no tar can hold; a source that changed, vanished or
/// cannot be read; a temporary file that cannot be written. Of several, that of the earliest block. No file is left
/// behind.
pub fn pack_layer(
    plan: &LayerPlan,
    opener: &dyn ContentOpener,
    options: &PackOptions<'_>,
    observer: &dyn PackObserver,
) -> Result<PackedLayer, PackError> {
    let compression = compression_of(plan)?;
    let scratch = |source| PackError::Scratch { directory: options.scratch_dir.clone(), source };
    let file = tempfile::tempfile_in(&options.scratch_dir).map_err(scratch)?;
    let job = pipeline::Job {
        plan,
        compression,
        make_encoder: &|| Box::new(compression.block_encoder()) as Box<dyn EncodeBlock + '_>,
        reading: Reading { opener, observer },
        // What is not compressed is read from where it is as fast as from a cache.
        cache: options.cache.filter(|_| compression.algorithm() != Algorithm::None),
        threads: options.threads.clamp(1, MAX_THREADS),
    };
    let outcome = pipeline::run(&job, file).map_err(|failure| match failure {
        Failure::File(source) => scratch(source),
        Failure::Other(error) => error,
    })?;
    let written = outcome.written;
    let mut descriptor = Descriptor::new(plan.compression.media_type(), written.digest, written.size_bytes);
    descriptor.annotations.clone_from(&plan.annotations);
    let layer = Layer { descriptor, diff_id: outcome.diff_id, tar_size_bytes: outcome.tar_size_bytes };
    Ok(PackedLayer { layer, blocks: written.blocks, file: Arc::new(written.file) })
}

/// The encoder that the plan asks for.
fn compression_of(plan: &LayerPlan) -> Result<Compression, PackError> {
    let (algorithm, level) = match plan.compression {
        model::Compression::Gzip(level) => (Algorithm::Gzip, Some(level)),
        model::Compression::Zstd(level) => (Algorithm::Zstd, Some(level)),
        model::Compression::None => (Algorithm::None, None),
    };
    Compression::new(algorithm, level).map_err(|source| PackError::Compression { layer: plan.name.clone(), source })
}
