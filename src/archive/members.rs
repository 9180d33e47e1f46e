//! The members of a tar: where each one's bytes are (POSIX pax, "ustar Interchange Format" and "pax Extended Header").
//!
//! Nothing is unpacked. Names are keys and never paths of the disk, so that `..` in them leads nowhere.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use tar::{EntryType, Header, PaxExtensions};

use super::section::Section;
use crate::compress::{self, Algorithm, CompressError};
use crate::model::escape;
use crate::store::StoreError;

/// Size of a tar's block, in bytes.
pub(super) const BLOCK_BYTES: u64 = 512;

/// Members that an archive may have: thousands of layers at the four members that old versions of Docker write for each.
/// With [`MAX_NAME_BYTES`] it bounds what the list takes in memory.
const MAX_MEMBERS: usize = 32 * 1024;

/// Longest name that is kept, in bytes. The names that are looked for have fewer than 150.
const MAX_NAME_BYTES: usize = 1024;

/// Greatest size of an extended header, in bytes: it holds a few names and numbers.
const MAX_EXTENSION_BYTES: u64 = 64 * 1024;

/// Links that are followed from one member to the next; Docker writes one.
const MAX_LINKS: usize = 8;

/// The members of an archive.
#[derive(Debug)]
pub(super) struct Members {
    file: Arc<File>,
    members: BTreeMap<String, Member>,
    place: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Member {
    File {
        offset: u64,
        size_bytes: u64,
    },
    /// The target, by its name in the archive; `None` where it is outside.
    Link(Option<String>),
}

/// What extended headers say of the member after them.
#[derive(Default)]
struct Extension {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size_bytes: Option<u64>,
    is_sparse: bool,
}

impl Members {
    /// Lists the members of an archive. A compressed one is decompressed into a file in `spool` that has no name.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such file, [`StoreError::Malformed`] for what is not a tar, is cut
    /// short, has sparse members, or more than the bounds of this module allow.
    pub(super) fn open(path: &Path, spool: &Path, place: &str) -> Result<Self, StoreError> {
        let failed = |cause| StoreError::io("reading", path, cause);
        let file = File::open(path).map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => {
                StoreError::NotFound { what: "an archive".to_owned(), place: place.to_owned(), help: None }
            }
            _ => StoreError::io("opening", path, cause),
        })?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(malformed(place, "it is not a file".to_owned()));
        }
        let mut prefix = Vec::new();
        (&file).take(BLOCK_BYTES).read_to_end(&mut prefix).map_err(failed)?;
        let algorithm = compress::sniff(&prefix).map_err(|error| compressed(place, &error))?;
        let file = match algorithm {
            Algorithm::None => file,
            Algorithm::Gzip | Algorithm::Zstd => decompress(file, path, spool, place)?,
        };
        let mut scan = Scan { len: file.metadata().map_err(failed)?.len(), file, at: 0, path, place };
        let members = scan.members()?;
        Ok(Self { file: Arc::new(scan.file), members, place: place.to_owned() })
    }

    /// A regular member; `None` where there is none of this name. A link is [`StoreError::Malformed`].
    pub(super) fn file(&self, name: &str) -> Result<Option<Section>, StoreError> {
        match self.members.get(name) {
            None => Ok(None),
            Some(Member::File { offset, size_bytes }) => {
                Ok(Some(Section { file: self.file.clone(), offset: *offset, size_bytes: *size_bytes }))
            }
            Some(Member::Link(_)) => Err(malformed(&self.place, format!("its {} is a link", escape(name.as_bytes())))),
        }
    }

    /// A regular member, or the one that links inside of the archive lead to.
    pub(super) fn linked_file(&self, name: &str) -> Result<Option<Section>, StoreError> {
        let mut name = name.to_owned();
        for _ in 0..=MAX_LINKS {
            match self.members.get(&name) {
                Some(Member::Link(Some(target))) => name.clone_from(target),
                Some(Member::Link(None)) => {
                    let reason = format!("its {} is a link that leaves the archive", escape(name.as_bytes()));
                    return Err(malformed(&self.place, reason));
                }
                Some(Member::File { .. }) | None => return self.file(&name),
            }
        }
        Err(malformed(&self.place, format!("its links lead in a circle at {}", escape(name.as_bytes()))))
    }

    /// Reads a regular member whole; `None` where there is none of this name.
    pub(super) fn read(&self, name: &str, limit_bytes: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(section) = self.file(name)? else { return Ok(None) };
        self.read_section(name, section, limit_bytes).map(Some)
    }

    /// Reads a section whole; `name` is what messages call it.
    pub(super) fn read_section(
        &self,
        name: &str,
        mut section: Section,
        limit_bytes: u64,
    ) -> Result<Vec<u8>, StoreError> {
        let label = escape(name.as_bytes());
        if section.size_bytes > limit_bytes {
            let reason = format!("its {label} has {} bytes, more than the limit of {limit_bytes}", section.size_bytes);
            return Err(malformed(&self.place, reason));
        }
        let mut bytes = Vec::new();
        section.read_to_end(&mut bytes).map_err(|cause| self.failed(&label, cause))?;
        Ok(bytes)
    }

    /// The error for a member that could not be read.
    pub(super) fn failed(&self, name: &str, cause: io::Error) -> StoreError {
        StoreError::Io { action: "reading", path: format!("{}, member {name}", self.place), cause }
    }

    /// The blobs that stand under their digests' names.
    pub(super) fn blobs(&self) -> BTreeMap<crate::model::Digest, Section> {
        let digest_of = |name: &str| format!("sha256:{}", name.strip_prefix("blobs/sha256/")?).parse().ok();
        let section = |name: &str| self.file(name).ok().flatten();
        self.members.keys().filter_map(|name| Some((digest_of(name)?, section(name)?))).collect()
    }
}

fn malformed(place: &str, reason: String) -> StoreError {
    StoreError::Malformed { place: place.to_owned(), reason, help: None }
}

fn compressed(place: &str, error: &CompressError) -> StoreError {
    let help = error.help().map(ToOwned::to_owned);
    StoreError::Malformed { place: place.to_owned(), reason: error.to_string(), help }
}

fn decompress(mut file: File, path: &Path, spool: &Path, place: &str) -> Result<File, StoreError> {
    let reading = |cause: io::Error| match CompressError::of(&cause) {
        Some(error) => compressed(place, error),
        None => StoreError::io("decompressing", path, cause),
    };
    file.rewind().map_err(reading)?;
    let mut target = tempfile::tempfile_in(spool).map_err(|cause| StoreError::io("writing into", spool, cause))?;
    let mut decoder = compress::decoder(file).map_err(reading)?;
    io::copy(&mut decoder, &mut target).map_err(reading)?;
    Ok(target)
}

/// One pass over the headers.
struct Scan<'a> {
    file: File,
    len: u64,
    at: u64,
    path: &'a Path,
    place: &'a str,
}

impl Scan<'_> {
    fn members(&mut self) -> Result<BTreeMap<String, Member>, StoreError> {
        let mut members = BTreeMap::new();
        let mut extension = Extension::default();
        while let Some(header) = self.header()? {
            let kind = header.entry_type();
            let size_bytes = header.entry_size().map_err(|_| self.not_a_tar())?;
            match kind {
                EntryType::XHeader | EntryType::XGlobalHeader => {
                    let records = self.extension(size_bytes)?;
                    let mut said = self.pax(&records)?;
                    if kind == EntryType::XHeader {
                        said.path = said.path.or(extension.path);
                        said.link = said.link.or(extension.link);
                        extension = said;
                    } else if said.path.is_some() || said.link.is_some() || said.size_bytes.is_some() {
                        return Err(self.error("a global header gives all of its members one name or size".to_owned()));
                    }
                }
                EntryType::GNULongName => extension.path = Some(until_nul(self.extension(size_bytes)?)),
                EntryType::GNULongLink => extension.link = Some(until_nul(self.extension(size_bytes)?)),
                _ => self.member(&header, size_bytes, std::mem::take(&mut extension), &mut members)?,
            }
            if members.len() > MAX_MEMBERS {
                return Err(self.error(format!("it has more than {MAX_MEMBERS} members")));
            }
        }
        Ok(members)
    }

    fn member(
        &mut self,
        header: &Header,
        size_bytes: u64,
        extension: Extension,
        members: &mut BTreeMap<String, Member>,
    ) -> Result<(), StoreError> {
        let kind = header.entry_type();
        if kind == EntryType::GNUSparse || extension.is_sparse {
            return Err(self.error("it has sparse members, which are not supported".to_owned()));
        }
        let raw_name = extension.path.unwrap_or_else(|| header.path_bytes().into_owned());
        let name = clean_name(&raw_name);
        let member = match kind {
            EntryType::Regular | EntryType::Continuous if !raw_name.ends_with(b"/") => {
                let (offset, size_bytes) = (self.at, extension.size_bytes.unwrap_or(size_bytes));
                self.skip(size_bytes)?;
                Some(Member::File { offset, size_bytes })
            }
            EntryType::Symlink | EntryType::Link => {
                let target = extension.link.or_else(|| header.link_name_bytes().map(|link| link.into_owned()));
                let target = target.unwrap_or_default();
                // A symbolic link starts from its own directory, a hard link from the root of the archive.
                let base = if kind == EntryType::Symlink { name.as_deref().unwrap_or_default() } else { "" };
                Some(Member::Link(link_target(base, &target)))
            }
            EntryType::Directory | EntryType::Char | EntryType::Block | EntryType::Fifo => None,
            _ => {
                self.skip(extension.size_bytes.unwrap_or(size_bytes))?;
                None
            }
        };
        if let (Some(name), Some(member)) = (name, member) {
            // Readers disagree on which of the two is meant.
            if members.insert(name.clone(), member).is_some() {
                return Err(self.error(format!("it has {} twice", escape(name.as_bytes()))));
            }
        }
        Ok(())
    }

    /// The next header; `None` at the end marker. An archive without one was cut short.
    fn header(&mut self) -> Result<Option<Header>, StoreError> {
        let mut header = Header::new_old();
        if self.len == 0 {
            return Err(self.error("it is empty".to_owned()));
        }
        self.require(BLOCK_BYTES)?;
        let read = self.file.read_exact_at(header.as_mut_bytes(), self.at);
        read.map_err(|cause| StoreError::io("reading", self.path, cause))?;
        let bytes = header.as_bytes();
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let (before, after) = (&bytes[..CHECKSUM_FIELD.start], &bytes[CHECKSUM_FIELD.end..]);
        let sum: u32 = before.iter().chain(after).map(|byte| u32::from(*byte)).sum();
        let spaces = CHECKSUM_FIELD.len() as u32 * u32::from(b' ');
        if header.cksum().ok() != Some(sum + spaces) {
            return Err(self.not_a_tar());
        }
        self.at += BLOCK_BYTES;
        Ok(Some(header))
    }

    fn extension(&mut self, size_bytes: u64) -> Result<Vec<u8>, StoreError> {
        if size_bytes > MAX_EXTENSION_BYTES {
            let reason = format!("an extended header has {size_bytes} bytes, more than {MAX_EXTENSION_BYTES}");
            return Err(self.error(reason));
        }
        let start = self.at;
        self.skip(size_bytes)?;
        let mut bytes = vec![0; size_bytes as usize];
        let read = self.file.read_exact_at(&mut bytes, start);
        read.map_err(|cause| StoreError::io("reading", self.path, cause))?;
        Ok(bytes)
    }

    fn pax(&self, records: &[u8]) -> Result<Extension, StoreError> {
        let bad = || self.error("an extended header is damaged".to_owned());
        let mut extension = Extension::default();
        for record in PaxExtensions::new(records) {
            let record = record.map_err(|_| bad())?;
            let value = record.value_bytes();
            match record.key_bytes() {
                b"path" => extension.path = Some(value.to_owned()),
                b"linkpath" => extension.link = Some(value.to_owned()),
                b"size" => {
                    let digits = std::str::from_utf8(value).ok().filter(|text| !text.starts_with('+'));
                    extension.size_bytes = Some(digits.and_then(|text| text.parse().ok()).ok_or_else(bad)?);
                }
                key => extension.is_sparse |= key.starts_with(b"GNU.sparse."),
            }
        }
        Ok(extension)
    }

    /// Goes over the content of a member and its padding.
    fn skip(&mut self, size_bytes: u64) -> Result<(), StoreError> {
        self.require(size_bytes)?;
        let padded = size_bytes.checked_next_multiple_of(BLOCK_BYTES).unwrap_or(u64::MAX);
        self.at = self.at.saturating_add(padded);
        Ok(())
    }

    fn require(&self, size_bytes: u64) -> Result<(), StoreError> {
        if self.at.checked_add(size_bytes).is_some_and(|end| end <= self.len) {
            return Ok(());
        }
        Err(self.error(format!("it is cut short, after {} bytes", self.len)))
    }

    fn not_a_tar(&self) -> StoreError {
        let reason = if self.at == 0 { "it is not a tar archive" } else { "a header of the tar archive is damaged" };
        self.error(reason.to_owned())
    }

    fn error(&self, reason: String) -> StoreError {
        malformed(self.place, reason)
    }
}

/// Where the checksum is in a header; it counts as spaces in its own sum.
const CHECKSUM_FIELD: std::ops::Range<usize> = 148..156;

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
        bytes.truncate(end);
    }
    bytes
}

/// A name without `./` before it. Names that nothing is looked for under are `None`.
fn clean_name(raw: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(raw).ok().filter(|name| name.len() <= MAX_NAME_BYTES)?;
    let mut name = name;
    while let Some(rest) = name.strip_prefix("./") {
        name = rest.trim_start_matches('/');
    }
    (!name.is_empty()).then(|| name.to_owned())
}

/// What a link at `base` leads to, by its name in the archive; `None` where it leaves it.
fn link_target(base: &str, target: &[u8]) -> Option<String> {
    let target = std::str::from_utf8(target).ok().filter(|target| target.len() <= MAX_NAME_BYTES)?;
    if target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = base.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
