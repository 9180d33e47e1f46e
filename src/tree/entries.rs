//! The entries of one layer's tar stream, as a runtime would unpack them.

use std::io::Read;

use super::error::LayerError;
use crate::model::MAX_PATH_BYTES;
use crate::tar::{self, EndRule, Entry, EntryKind, MAX_EXTENDED_HEADER_BYTES, Rules};

/// As containerd reads layers, with Go's archive/tar.
const RULES: Rules = Rules {
    max_extended_header_bytes: MAX_EXTENDED_HEADER_BYTES,
    max_long_name_bytes: MAX_EXTENDED_HEADER_BYTES,
    end: EndRule::None,
    refuses_global_values: false,
    reads_sparse: true,
    reads_xattrs: true,
};

/// Reads entries. After an error nothing more may be read.
pub(super) struct Entries<R> {
    entries: tar::Entries<tar::Stream<R>>,
}

impl<R: Read> Entries<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { entries: tar::Entries::new(tar::Stream(reader), RULES) }
    }

    /// The next entry; what is left of the content of the one before is passed over. `None` at the end marker. What
    /// follows the end marker is not looked at.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, LayerError> {
        let Some(entry) = self.entries.next_entry()? else { return Ok(None) };
        if entry.name.len() > MAX_PATH_BYTES || entry.link.len() > MAX_PATH_BYTES {
            let limit = MAX_PATH_BYTES as u64;
            return Err(LayerError::OverLimit { what: "the name or the link target of an entry, in bytes", limit });
        }
        if matches!(entry.kind, EntryKind::Other(_)) {
            return Err(unknown_type(entry.name));
        }
        Ok(Some(entry))
    }

    /// The content of the entry that [`Entries::next`] gave last.
    pub(super) fn content(&mut self) -> impl Read + '_ {
        self.entries.content()
    }
}

pub(super) fn unknown_type(name: Vec<u8>) -> LayerError {
    LayerError::Entry { name, reason: "its type is not known" }
}
