//! Packs a layer: converts its plan to a descriptor and a temporary file with its bytes.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cache::{BlockCache, KeptLayer};
use super::content::Reading;
use super::error::PackError;
use super::pipeline::{self, HashedFile, Outcome};
use super::scanning::LayerScan;
use super::workers::{Failure, Job};
use crate::compress::{Algorithm, Checksum, Compression};
use crate::events::Task;
use crate::model::{self, ContentOpener, Descriptor, DiffId, Layer, LayerPlan};
use crate::secrets::SightedFile;

/// Greatest number of threads that pack one layer. Each uses the memory of up to three blocks and of an encoder's
/// tables.
pub const MAX_THREADS: usize = 8;

/// The options of packing. The bytes do not depend on them.
#[derive(Clone)]
pub struct PackOptions<'a> {
    /// Directory of the temporary file, which has no name.
    pub scratch_dir: PathBuf,
    /// Number of threads that read, hash and compress, including the calling one, from 1 to [`MAX_THREADS`]. Other
    /// values are clamped.
    pub threads: usize,
    /// Cache of compressed blocks, for reading and writing.
    pub cache: Option<&'a dyn BlockCache>,
}

/// A packed layer and its bytes, which are deleted with its last clone and its last reader.
#[derive(Debug, Clone)]
pub struct PackedLayer {
    /// Descriptor, diff ID and sizes.
    pub layer: Layer,
    /// What is needed to assemble it again, if it was packed with a cache.
    pub kept: Option<KeptLayer>,
    /// The files that contain something that looks like a secret, in the plan's order.
    pub sighted: Vec<SightedFile>,
    file: Arc<File>,
}

impl PackedLayer {
    /// Returns a reader over the bytes of the descriptor, from their start. Readers are independent, and may outlive
    /// the layer.
    pub fn reader(&self) -> LayerReader {
        LayerReader {
            file: Arc::clone(&self.file),
            offset_bytes: 0,
            end_bytes: self.layer.descriptor.size_bytes,
        }
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

/// Packs `plan` in one pass: tar, diff ID, compression, digest, temporary file. Equal plans give equal bytes, for any
/// options. Each file of the disk is compared with its listing after it was read. `task` advances by the bytes of content
/// that are read.
///
/// # Errors
/// Returns [`PackError`] for a plan that is not sorted or has an entry that a tar cannot hold; for a source that
/// changed, no longer exists or cannot be read; and for a temporary file that cannot be written. Of several errors,
/// returns that of the earliest block. No file is left behind.
pub fn pack_layer(
    plan: &LayerPlan,
    opener: &dyn ContentOpener,
    options: &PackOptions<'_>,
    task: &Task,
) -> Result<PackedLayer, PackError> {
    let compression = compression_of(plan)?;
    let scratch = |source| PackError::Scratch {
        directory: options.scratch_dir.clone(),
        source,
    };
    let file = tempfile::tempfile_in(&options.scratch_dir).map_err(scratch)?;
    // Uncompressed content is read from its source as fast as from a cache.
    let cache = options.cache.filter(|_| compression.algorithm() != Algorithm::None);
    let scan = LayerScan::default();
    let job = job(plan, compression, opener, options.threads, task, &scan);
    let packed = pipeline::pack(&job, compression, || compression.block_encoder(), cache, file);
    let Outcome {
        diff_id,
        checksum,
        file,
        digest,
        size_bytes,
        blocks,
    } = packed.map_err(|failure| match failure {
        Failure::File(source) => scratch(source),
        Failure::Other(error) => error,
    })?;
    let mut descriptor = Descriptor::new(plan.compression.media_type(), digest, size_bytes);
    descriptor.annotations.clone_from(&plan.annotations);
    let layer = Layer {
        descriptor,
        diff_id,
        tar_size_bytes: checksum.size_bytes(),
    };
    let sighted = scan.finish(plan);
    let keep = || KeptLayer {
        layer: layer.clone(),
        crc32: checksum.crc32(),
        blocks,
        sighted: sighted.clone(),
    };
    let kept = cache.map(|_| keep());
    Ok(PackedLayer {
        layer,
        kept,
        sighted,
        file: Arc::new(file),
    })
}

fn job<'a>(
    plan: &'a LayerPlan,
    compression: Compression,
    opener: &'a dyn ContentOpener,
    threads: usize,
    task: &'a Task,
    scan: &'a LayerScan,
) -> Job<'a> {
    let unit_bytes = compression.block_unit_bytes();
    let reading = Reading {
        opener,
        task,
        scan: Some(scan),
    };
    Job {
        plan,
        unit_bytes,
        reading,
        threads: threads.clamp(1, MAX_THREADS),
    }
}

/// Assembles the layer of `plan` from the blocks of `cache`, and reads nothing else. Returns `None` if a block no
/// longer exists, or if the result differs from `kept`: then the layer has to be packed.
///
/// # Errors
/// Returns [`PackError::Compression`] and [`PackError::Scratch`] like [`pack_layer`].
pub fn put_together(
    kept: &KeptLayer,
    plan: &LayerPlan,
    cache: &dyn BlockCache,
    scratch_dir: &Path,
) -> Result<Option<PackedLayer>, PackError> {
    let compression = compression_of(plan)?;
    let scratch = |source| PackError::Scratch {
        directory: scratch_dir.to_owned(),
        source,
    };
    let mut file = HashedFile::new(tempfile::tempfile_in(scratch_dir).map_err(scratch)?);
    file.write(compression.header()).map_err(scratch)?;
    for key in &kept.blocks {
        let Some(bytes) = cache.load(key) else { return Ok(None) };
        file.write(&bytes).map_err(scratch)?;
    }
    let checksum = Checksum::known(kept.crc32, kept.layer.tar_size_bytes);
    file.write(&compression.trailer(&checksum)).map_err(scratch)?;
    let (file, digest, size_bytes) = file.finish();
    let is_whole = digest == kept.layer.descriptor.digest && size_bytes == kept.layer.descriptor.size_bytes;
    let whole = || PackedLayer {
        layer: kept.layer.clone(),
        kept: None,
        sighted: kept.sighted.clone(),
        file: Arc::new(file),
    };
    Ok(is_whole.then(whole))
}

/// The facts about a layer that was read and not packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedLayer {
    /// Digest of the tar.
    pub diff_id: DiffId,
    /// Size of the tar, in bytes.
    pub tar_size_bytes: u64,
    /// The files that contain something that looks like a secret, in the plan's order.
    pub sighted: Vec<SightedFile>,
}

/// Returns the diff ID of the layer that `plan` packs to, and the files that contain something that looks like a
/// secret. Everything is read and hashed; nothing is compressed or written.
///
/// # Errors
/// Those of [`pack_layer`] that concern the plan and its contents.
pub fn hash_layer(
    plan: &LayerPlan,
    opener: &dyn ContentOpener,
    threads: usize,
    task: &Task,
) -> Result<HashedLayer, PackError> {
    let compression = compression_of(plan)?;
    let scan = LayerScan::default();
    let hashed = pipeline::hash(&job(plan, compression, opener, threads, task, &scan));
    let (diff_id, tar_size_bytes) = hashed.map_err(written_nowhere)?;
    Ok(HashedLayer {
        diff_id,
        tar_size_bytes,
        sighted: scan.finish(plan),
    })
}

/// Returns the files of `plan` that contain something that looks like a secret. Everything is read; nothing is hashed,
/// compressed or written. [`pack_layer`] finds the same files.
///
/// # Errors
/// Those of [`pack_layer`] that concern the plan and its contents.
pub fn scan_layer(
    plan: &LayerPlan,
    opener: &dyn ContentOpener,
    threads: usize,
    task: &Task,
) -> Result<Vec<SightedFile>, PackError> {
    let compression = compression_of(plan)?;
    let scan = LayerScan::default();
    pipeline::read(&job(plan, compression, opener, threads, task, &scan)).map_err(written_nowhere)?;
    Ok(scan.finish(plan))
}

fn written_nowhere(failure: Failure) -> PackError {
    match failure {
        Failure::File(source) => PackError::Write { source },
        Failure::Other(error) => error,
    }
}

/// Returns the compression of the plan.
fn compression_of(plan: &LayerPlan) -> Result<Compression, PackError> {
    let (algorithm, level) = match plan.compression {
        model::Compression::Gzip(level) => (Algorithm::Gzip, Some(level)),
        model::Compression::Zstd(level) => (Algorithm::Zstd, Some(level)),
        model::Compression::None => (Algorithm::None, None),
    };
    Compression::new(algorithm, level).map_err(|source| PackError::Compression {
        layer: plan.name.clone(),
        source,
    })
}
