//! Reads the text files of a spec.

use std::io::Read as _;
use std::path::Path;

use super::error::SpecError;
use crate::model::{InputFile, Pipes};

/// Reads a whole text file of at most `limit_bytes`.
pub(super) fn read_bounded(path: &Path, limit_bytes: u64, pipes: Pipes) -> Result<String, SpecError> {
    let failed = |cause| SpecError::Read {
        path: path.to_owned(),
        cause,
    };
    let file = InputFile::open(path, pipes).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(limit_bytes + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit_bytes {
        return Err(SpecError::TooLarge {
            path: path.to_owned(),
            limit_bytes,
        });
    }
    String::from_utf8(bytes).map_err(|_| SpecError::NotUtf8 { path: path.to_owned() })
}
