//! Reads an image's own files while its layers are streamed once, and keeps the content that is needed later: the
//! image's programs refer to files in another order than the layers hold them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::check::{Evidence, Interest, MAX_WHOLE_BYTES, read_evidence};
use crate::model::EntryPath;
use crate::secrets::{SightedFile, scan_stream};

/// Greatest size of all files that are kept, in bytes. The largest known applications have about two gigabytes of
/// scripts and archives. Files beyond the limit are not followed, and a note says so.
const MAX_KEPT_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// Magic of an ELF file.
const ELF_MAGIC: &[u8] = b"\x7fELF";

/// Position of a file in the layers: the index of the layer, and the path in its stream.
type Place = (u32, EntryPath);

/// What to collect from a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Evidence to collect while it is streamed.
    pub(super) interest: Interest,
    /// `true` if its content is kept because another file may refer to it.
    pub(super) is_kept: bool,
    /// Its size in bytes.
    pub(super) size_bytes: u64,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            interest: Interest::Nothing,
            is_kept: false,
            size_bytes: 0,
        }
    }
}

/// What was collected from an image's own files.
#[derive(Default)]
pub(super) struct ReadFiles {
    /// Evidence for the rules.
    pub(super) evidence: BTreeMap<Place, Evidence>,
    /// What looks like a secret in them.
    pub(super) sighted: Vec<SightedFile>,
    /// Content of the files that were kept.
    pub(super) spool: Spool,
    /// `true` if not everything that was to be kept fit.
    pub(super) is_incomplete: bool,
}

/// Receives the files of the layers as they are streamed.
pub(super) struct Reading {
    wanted: BTreeMap<Place, Wanted>,
    files: ReadFiles,
}

impl Reading {
    /// Creates the spool: a temporary file without a name in `scratch_folder`, which takes the content of files.
    pub(super) fn new(wanted: BTreeMap<Place, Wanted>, scratch_folder: &Path) -> io::Result<Self> {
        let spool = Spool {
            file: Some(tempfile::tempfile_in(scratch_folder)?),
            ..Spool::default()
        };
        Ok(Self {
            wanted,
            files: ReadFiles {
                spool,
                ..ReadFiles::default()
            },
        })
    }

    /// Reads one file to its end. If a layer holds a path twice, the last one counts.
    pub(super) fn file(&mut self, layer: u32, stored: &EntryPath, content: &mut dyn Read) -> io::Result<()> {
        let place = (layer, stored.clone());
        let mut head = Vec::new();
        (&mut *content).take(MAX_WHOLE_BYTES).read_to_end(&mut head)?;
        let mut wanted = self.wanted.get(&place).copied().unwrap_or_default();
        wanted.is_kept &= !head.starts_with(ELF_MAGIC);
        if wanted.is_kept && !self.files.spool.has_room_for(wanted.size_bytes) {
            wanted.is_kept = false;
            self.files.is_incomplete = true;
        }
        let sightings = if wanted.is_kept || wanted.interest != Interest::Nothing {
            self.spooled(place, wanted, head, content)?
        } else {
            scan_stream(stored, head, content)?
        };
        if !sightings.is_empty() {
            self.files.sighted.push(SightedFile {
                path: stored.clone(),
                sightings,
            });
        }
        Ok(())
    }

    /// Scans a file and copies it to the spool.
    fn spooled(
        &mut self,
        place: Place,
        wanted: Wanted,
        head: Vec<u8>,
        content: &mut dyn Read,
    ) -> io::Result<Vec<crate::secrets::Sighting>> {
        let spool = &mut self.files.spool;
        let start_bytes = spool.end_bytes;
        spool.append(&head)?;
        let sightings = scan_stream(&place.1, head, &mut Tee { content, spool })?;
        let span = Span {
            start_bytes,
            end_bytes: spool.end_bytes,
        };
        if wanted.interest != Interest::Nothing {
            let evidence = read_evidence(wanted.interest, &mut spool.content(span))?;
            self.files.evidence.insert(place.clone(), evidence);
        }
        let spool = &mut self.files.spool;
        if wanted.is_kept {
            spool.spans.insert(place, span);
        } else {
            spool.end_bytes = start_bytes;
        }
        Ok(sightings)
    }

    /// Returns what was collected so far.
    pub(super) fn take(&mut self) -> ReadFiles {
        std::mem::take(&mut self.files)
    }
}

/// Files stored one after another in a temporary file.
#[derive(Default)]
pub(super) struct Spool {
    /// `None` if the spool is empty.
    file: Option<File>,
    end_bytes: u64,
    spans: BTreeMap<Place, Span>,
}

/// Position of a file in the spool.
#[derive(Debug, Clone, Copy)]
struct Span {
    start_bytes: u64,
    end_bytes: u64,
}

impl Spool {
    /// Opens the content of a file that was kept.
    pub(super) fn open(&self, place: &Place) -> Option<Content<'_>> {
        self.spans.get(place).map(|span| self.content(*span))
    }

    fn content(&self, span: Span) -> Content<'_> {
        Content {
            file: self.file.as_ref(),
            span,
            at_bytes: 0,
        }
    }

    fn has_room_for(&self, size_bytes: u64) -> bool {
        self.end_bytes
            .checked_add(size_bytes)
            .is_some_and(|end_bytes| end_bytes <= MAX_KEPT_BYTES)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(file) = &self.file {
            file.write_all_at(bytes, self.end_bytes)?;
            self.end_bytes += bytes.len() as u64;
        }
        Ok(())
    }
}

/// A reader that copies what it reads to the spool.
struct Tee<'a> {
    content: &'a mut dyn Read,
    spool: &'a mut Spool,
}

impl Read for Tee<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(buffer)?;
        self.spool.append(&buffer[..count])?;
        Ok(count)
    }
}

/// Content of a file in the spool.
pub(super) struct Content<'a> {
    file: Option<&'a File>,
    span: Span,
    at_bytes: u64,
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size_bytes = self.span.end_bytes - self.span.start_bytes;
        let left_bytes = usize::try_from(size_bytes.saturating_sub(self.at_bytes)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left_bytes);
        let Some(file) = self.file.filter(|_| wanted > 0) else {
            return Ok(0);
        };
        let count = file.read_at(&mut buffer[..wanted], self.span.start_bytes + self.at_bytes)?;
        self.at_bytes += count as u64;
        Ok(count)
    }
}

impl Seek for Content<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let size_bytes = self.span.end_bytes - self.span.start_bytes;
        let at_bytes = match to {
            SeekFrom::Start(at_bytes) => Some(at_bytes),
            SeekFrom::End(offset) => size_bytes.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.at_bytes.checked_add_signed(offset),
        };
        self.at_bytes = at_bytes.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn path(path: &str) -> EntryPath {
        EntryPath::new(path.as_bytes()).unwrap()
    }

    fn read(files: &ReadFiles, at: &str) -> Option<String> {
        let mut text = String::new();
        files.spool.open(&(0, path(at)))?.read_to_string(&mut text).unwrap();
        Some(text)
    }

    /// Returns what is collected from files that are wanted in this way.
    fn files(files: &[(&str, Interest, bool, &[u8])]) -> ReadFiles {
        let folder = tempfile::tempdir().unwrap();
        let wanted = files.iter().map(|(at, interest, is_kept, bytes)| {
            let size_bytes = bytes.len() as u64;
            (
                (0, path(at)),
                Wanted {
                    interest: *interest,
                    is_kept: *is_kept,
                    size_bytes,
                },
            )
        });
        let mut reading = Reading::new(wanted.collect(), folder.path()).unwrap();
        for (at, _, _, bytes) in files {
            reading.file(0, &path(at), &mut &bytes[..]).unwrap();
        }
        reading.take()
    }

    #[test]
    fn what_is_kept_is_read_in_any_order() {
        let long = "x".repeat(3 * MAX_WHOLE_BYTES as usize);
        let files = files(&[
            ("a.js", Interest::Nothing, true, b"first"),
            ("b.json", Interest::Whole, false, b"{}"),
            ("c.js", Interest::Nothing, true, long.as_bytes()),
            ("d", Interest::Program, true, b"\x7fELF, and no more"),
            ("e.js", Interest::Head(2), true, b"last"),
        ]);
        assert_eq!(read(&files, "e.js").as_deref(), Some("last"));
        assert_eq!(read(&files, "c.js").as_deref(), Some(&*long));
        assert_eq!(read(&files, "a.js").as_deref(), Some("first"));
        assert_eq!(
            (read(&files, "b.json"), read(&files, "d"), read(&files, "f")),
            (None, None, None)
        );
        assert_eq!(files.evidence[&(0, path("b.json"))], Evidence::Whole((*b"{}").into()));
        assert_eq!(files.evidence[&(0, path("e.js"))], Evidence::Head((*b"la").into()));
        assert!(matches!(files.evidence[&(0, path("d"))], Evidence::DamagedElf(_)));
        assert!(!files.is_incomplete);
    }

    #[test]
    fn what_does_not_fit_is_not_kept_and_that_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = Wanted {
            is_kept: true,
            size_bytes: MAX_KEPT_BYTES,
            ..Wanted::default()
        };
        let wanted = BTreeMap::from([
            (
                (0, path("a")),
                Wanted {
                    size_bytes: 1,
                    ..wanted
                },
            ),
            ((0, path("b")), wanted),
        ]);
        let mut reading = Reading::new(wanted, folder.path()).unwrap();
        reading.file(0, &path("a"), &mut &b"a"[..]).unwrap();
        reading.file(0, &path("b"), &mut &b"b"[..]).unwrap();
        let files = reading.take();
        assert_eq!((read(&files, "a").as_deref(), read(&files, "b")), (Some("a"), None));
        assert!(files.is_incomplete);
    }

    #[test]
    fn archives_are_read_out_of_the_spool() {
        let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        writer
            .start_file("META-INF/MANIFEST.MF", zip::write::SimpleFileOptions::default())
            .unwrap();
        writer.write_all(b"Main-Class: a.Main\n").unwrap();
        let jar = writer.finish().unwrap().into_inner();
        let files = files(&[
            ("x", Interest::Nothing, true, b"before"),
            ("a.jar", Interest::Nothing, true, &jar),
        ]);
        let evidence = read_evidence(Interest::Jar, &mut files.spool.open(&(0, path("a.jar"))).unwrap()).unwrap();
        let Evidence::Jar(facts) = evidence else {
            panic!("{evidence:?}")
        };
        assert_eq!(facts.attributes["Main-Class"], "a.Main");
    }
}
