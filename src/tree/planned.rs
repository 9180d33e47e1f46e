//! The entries of a planned layer, as its tar stream will have them.

use std::io::{self, Read};

use crate::model::{Content, Entry, EntryKind};
use crate::tar;

/// Opens the content of a file of a planned layer.
pub type OpenContent<'a> = dyn Fn(&Entry, &Content) -> io::Result<Box<dyn Read + Send + 'a>> + 'a;

/// Returns the entry as it will be in the stream.
pub(super) fn stream_entry(planned: &Entry) -> tar::Entry {
    let (kind, link) = match &planned.kind {
        EntryKind::Directory => (tar::EntryKind::Directory, Vec::new()),
        EntryKind::File { .. } => (tar::EntryKind::File, Vec::new()),
        EntryKind::Symlink { target } => (tar::EntryKind::Symlink, target.clone()),
    };
    tar::Entry {
        name: planned.path.as_bytes().to_vec(),
        kind,
        link,
        mode: planned.mode,
        uid: planned.uid,
        gid: planned.gid,
        size_bytes: planned.kind.size_bytes(),
        // There is no stream to have a position in.
        content_offset: 0,
        xattrs: planned.xattrs.clone(),
    }
}

/// The content of a planned entry, which is opened when it is read.
pub(super) struct PlannedContent<'e, 'o> {
    entry: &'e Entry,
    open: &'e OpenContent<'o>,
    opened: Option<Box<dyn Read + Send + 'o>>,
}

impl<'e, 'o> PlannedContent<'e, 'o> {
    pub(super) fn new(entry: &'e Entry, open: &'e OpenContent<'o>) -> Self {
        Self {
            entry,
            open,
            opened: None,
        }
    }
}

impl Read for PlannedContent<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let EntryKind::File { content, .. } = &self.entry.kind else {
            return Ok(0);
        };
        match &mut self.opened {
            Some(reader) => reader.read(buffer),
            None => self.opened.insert((self.open)(self.entry, content)?).read(buffer),
        }
    }
}
