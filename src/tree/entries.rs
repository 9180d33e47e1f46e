//! Reads the entries of one layer's tar stream, as a runtime would unpack them.

use std::io::Read;

use super::error::LayerError;
use crate::model::MAX_PATH_BYTES;
use crate::tar::{self, EndRule, Entry, EntryKind, MAX_EXTENDED_HEADER_BYTES, Rules};

/// The rules of containerd, which reads layers with Go's archive/tar.
const RULES: Rules = Rules {
    max_extended_header_bytes: MAX_EXTENDED_HEADER_BYTES,
    max_long_name_bytes: MAX_EXTENDED_HEADER_BYTES,
    end: EndRule::None,
    refuses_global_values: false,
    reads_sparse: true,
    reads_xattrs: true,
};

/// Reads entries. Must not be used after an error.
pub(super) struct Entries<R> {
    entries: tar::Entries<tar::Stream<R>>,
}

impl<R: Read> Entries<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            entries: tar::Entries::new(tar::Stream(reader), RULES),
        }
    }

    /// Returns the next entry, and skips unread content of the previous one. Returns `None` at the end marker. Data
    /// after the end marker is ignored.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, LayerError> {
        let Some(entry) = self.entries.next_entry()? else {
            return Ok(None);
        };
        if entry.name.len() > MAX_PATH_BYTES || entry.link.len() > MAX_PATH_BYTES {
            let limit = MAX_PATH_BYTES as u64;
            return Err(LayerError::OverLimit {
                what: "the name or the link target of an entry, in bytes",
                limit,
            });
        }
        if matches!(entry.kind, EntryKind::Other(_)) {
            return Err(unknown_type(entry.name));
        }
        Ok(Some(entry))
    }

    /// Returns the content of the last entry that [`Entries::next`] returned.
    pub(super) fn content(&mut self) -> impl Read + '_ {
        self.entries.content()
    }
}

pub(super) fn unknown_type(name: Vec<u8>) -> LayerError {
    LayerError::Entry {
        name,
        reason: "its type is not known",
    }
}
