//! Tests of archives through the two traits, and of archives of other tools.

mod docker;
mod oci;
mod tar_members;

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::store::local::TEMPORARY_PREFIX;

/// A stream that keeps its bytes for the test; it fails after `limit_bytes`.
#[derive(Clone)]
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    limit_bytes: usize,
}

impl Stream {
    fn new(limit_bytes: usize) -> Self {
        Self {
            bytes: Arc::default(),
            limit_bytes,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut written = self.bytes.lock().unwrap();
        if written.len() + bytes.len() > self.limit_bytes {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Returns a tar of files, in the given order, as other tools write it.
fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn has_temporary_file(directory: &Path) -> bool {
    let mut entries = std::fs::read_dir(directory).unwrap();
    entries.any(|entry| {
        entry
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with(TEMPORARY_PREFIX)
    })
}
