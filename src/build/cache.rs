//! The cache of facts: one file for the manifest of each base, named by its digest.
//!
//! Facts are a pure function of the manifest, so an entry is never out of date; one that cannot be read is made anew. An
//! entry begins with its manifest's digest, so that under another name it passes for nobody's facts. Files are written as
//! everything here is: temporary file, fsync, rename. A cache that cannot be written is told of once and then passed over.

use std::fs::{self, File};
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::build::events::{Event, Observer};
use crate::compress::{Algorithm, Compression, Encoder, decoder_for};
use crate::model::Digest;
use crate::store::StoreError;
use crate::store::local::{self, TemporaryFile};
use crate::tree::{FACTS_VERSION, Facts};

/// Greatest size of encoded facts that are read back: some ten times those of the largest bases seen.
const MAX_FACTS_BYTES: u64 = 1024 * 1024 * 1024;

/// Where facts are kept between builds.
pub struct FactsCache {
    /// `None` keeps nothing.
    directory: Option<PathBuf>,
    complained: AtomicBool,
    observer: Arc<dyn Observer>,
}

impl FactsCache {
    /// A cache below `root`, which need not exist; `None` keeps nothing.
    pub fn new(root: Option<PathBuf>, observer: Arc<dyn Observer>) -> Self {
        let directory = root.map(|root| root.join("facts").join(format!("v{FACTS_VERSION}")));
        Self { directory, complained: AtomicBool::new(false), observer }
    }

    /// The facts of a manifest, where they are kept and whole.
    pub fn load(&self, manifest: &Digest) -> Option<Facts> {
        let file = File::open(self.path(manifest)?).ok()?;
        let mut bytes = Vec::new();
        decoder_for(Algorithm::Zstd, file).take(MAX_FACTS_BYTES).read_to_end(&mut bytes).ok()?;
        Facts::decode(bytes.strip_prefix(head(manifest).as_bytes())?).ok()
    }

    /// Keeps the facts of a manifest. A failure is told of once.
    pub fn store(&self, manifest: &Digest, facts: &Facts) {
        let Some(path) = self.path(manifest) else { return };
        if let Err(cause) = write(&path, manifest, facts)
            && !self.complained.swap(true, Ordering::Relaxed)
        {
            let reason = std::error::Error::source(&cause).map(|source| format!(": {source}")).unwrap_or_default();
            let text = format!("the cache cannot be written, the build goes on without: {cause}{reason}");
            self.observer.event(Event::Warning(text));
        }
    }

    fn path(&self, manifest: &Digest) -> Option<PathBuf> {
        Some(self.directory.as_ref()?.join(manifest.hex()))
    }
}

/// The first line of an entry.
fn head(manifest: &Digest) -> String {
    format!("{manifest}\n")
}

fn write(path: &Path, manifest: &Digest, facts: &Facts) -> Result<(), StoreError> {
    let directory = local::parent(path);
    let failed = |cause| StoreError::io("writing", path, cause);
    fs::create_dir_all(directory).map_err(failed)?;
    local::remove_abandoned(directory);
    let mut file = TemporaryFile::create_in(directory)?;
    encode(&mut file, manifest, facts).map_err(failed)?;
    file.persist(path)
}

fn encode(target: impl Write, manifest: &Digest, facts: &Facts) -> io::Result<()> {
    let mut encoder = Encoder::new(Compression::new(Algorithm::Zstd, None)?, target)?;
    encoder.write_all(head(manifest).as_bytes())?;
    encoder.write_all(&facts.encode())?;
    encoder.finish()?.flush()
}
