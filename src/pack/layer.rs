//! Packing a layer: from its plan to its descriptor and a temporary file that holds its bytes.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::blocks::Blocks;
use super::error::PackError;
use super::pipeline::{self, WriteFailure};
use super::tar::write_plan;
use crate::compress::{Algorithm, Compression};
use crate::model::{self, ContentOpener, Descriptor, Layer, LayerPlan};

/// The most threads that compress one layer: each has up to three blocks and an encoder's tables in memory.
pub const MAX_THREADS: usize = 8;

/// How to pack; none of it shows in the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackOptions {
    /// Directory of the temporary file, which has no name in it.
    pub scratch_dir: PathBuf,
    /// Threads that compress, 1 to [`MAX_THREADS`]; what is beyond is taken as the nearest of these.
    pub threads: usize,
}

/// Is told how packing gets on. Called from the thread that packs.
pub trait PackObserver {
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
/// options. Contents are read in the order of the entries, by this thread; each file of the disk is compared with what
/// was listed before and after it is read.
///
/// # Errors
/// [`PackError`]: a plan that is not sorted or has an entry that no tar can hold; a source that changed, vanished or
/// cannot be read; a temporary file that cannot be written. No file is left behind.
pub fn pack_layer(
    plan: &LayerPlan,
    opener: &dyn ContentOpener,
    options: &PackOptions,
    observer: &dyn PackObserver,
) -> Result<PackedLayer, PackError> {
    let compression = compression_of(plan)?;
    let scratch = |source| PackError::Scratch { directory: options.scratch_dir.clone(), source };
    let file = tempfile::tempfile_in(&options.scratch_dir).map_err(scratch)?;
    let threads = options.threads.clamp(1, MAX_THREADS);
    let encode = |block: &[u8]| compression.encode_block(block);
    let produce = |blocks: Blocks<'_>| write_plan(plan, opener, observer, blocks);
    let outcome = pipeline::run(compression, &encode, threads, file, produce).map_err(|failure| match failure {
        WriteFailure::File(source) => scratch(source),
        WriteFailure::Other(error) => error,
    })?;
    let written = outcome.written;
    let mut descriptor = Descriptor::new(plan.compression.media_type(), written.digest, written.size_bytes);
    descriptor.annotations.clone_from(&plan.annotations);
    let layer = Layer { descriptor, diff_id: outcome.diff_id, tar_size_bytes: outcome.tar_size_bytes };
    Ok(PackedLayer { layer, file: Arc::new(written.file) })
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
