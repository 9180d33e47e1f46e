//! The members of a tar: where each one's bytes are.
//!
//! Nothing is unpacked. Names are keys and never paths of the disk, so that `..` in them has no effect.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::path::Path;
use std::sync::Arc;

use super::section::Section;
use crate::compress::{self, Algorithm, CompressError};
use crate::model::{MAX_EXPANSION, escape, is_irregular, max_expanded_bytes, open_regular};
use crate::store::StoreError;
use crate::tar::{BLOCK_BYTES, EndRule, Entries, EntryKind, FileInput, Rules, TarError};

/// Limit on the members of an archive: thousands of layers with the four members that old versions of Docker write for
/// each. Together with [`MAX_NAME_BYTES`] it limits the memory of the list.
const MAX_MEMBERS: usize = 32 * 1024;

/// Longest name that is kept, in bytes. The names that are looked up have fewer than 150.
const MAX_NAME_BYTES: usize = 1024;

/// Size limit of an extended header, in bytes: it has a few names and numbers.
const MAX_EXTENSION_BYTES: u64 = 64 * 1024;

/// Names that are too long to be looked up are read and ignored.
const RULES: Rules = Rules {
    max_extended_header_bytes: MAX_EXTENSION_BYTES,
    max_long_name_bytes: MAX_EXTENSION_BYTES,
    end: EndRule::Half,
    refuses_global_values: true,
    reads_sparse: false,
    reads_xattrs: false,
};

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
    /// The target, by its name in the archive; `None` if it is outside.
    Link(Option<String>),
}

impl Members {
    /// Lists the members of an archive. A compressed one is decompressed into an unnamed file in `spool`.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the file does not exist, and [`StoreError::Malformed`] if it is not a tar, is
    /// truncated, has sparse members, or exceeds the limits of this module.
    pub(super) fn open(path: &Path, spool: &Path, place: &str) -> Result<Self, StoreError> {
        let failed = |cause| StoreError::io("read", path, cause);
        let file = open_regular(path).map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => StoreError::Missing {
                place: place.to_owned(),
            },
            _ if is_irregular(&cause) => StoreError::malformed(place, cause.to_string()),
            _ => StoreError::io("open", path, cause),
        })?;
        let mut prefix = Vec::new();
        (&file)
            .take(BLOCK_BYTES as u64)
            .read_to_end(&mut prefix)
            .map_err(failed)?;
        let algorithm = compress::sniff(&prefix).map_err(|error| compressed(place, &error))?;
        let file = match algorithm {
            Algorithm::None => file,
            Algorithm::Gzip | Algorithm::Zstd => decompress(file, path, spool, place)?,
        };
        let members = scan(&file, path, place)?;
        Ok(Self {
            file: Arc::new(file),
            members,
            place: place.to_owned(),
        })
    }

    /// Returns a regular member, or `None` if there is none of this name. A link is [`StoreError::Malformed`].
    pub(super) fn file(&self, name: &str) -> Result<Option<Section>, StoreError> {
        match self.members.get(name) {
            None => Ok(None),
            Some(Member::File { offset, size_bytes }) => Ok(Some(Section {
                file: self.file.clone(),
                offset: *offset,
                size_bytes: *size_bytes,
            })),
            Some(Member::Link(_)) => Err(StoreError::malformed(
                &self.place,
                format!("its {} is a link", escape(name.as_bytes())),
            )),
        }
    }

    /// Returns a regular member, or the one that links inside of the archive lead to.
    pub(super) fn linked_file(&self, name: &str) -> Result<Option<Section>, StoreError> {
        let mut name = name.to_owned();
        for _ in 0..=MAX_LINKS {
            match self.members.get(&name) {
                Some(Member::Link(Some(target))) => name.clone_from(target),
                Some(Member::Link(None)) => {
                    let reason = format!(
                        "its {} is a link that points outside of the archive",
                        escape(name.as_bytes())
                    );
                    return Err(StoreError::malformed(&self.place, reason));
                }
                Some(Member::File { .. }) | None => return self.file(&name),
            }
        }
        Err(StoreError::malformed(
            &self.place,
            format!("its links form a cycle at {}", escape(name.as_bytes())),
        ))
    }

    /// Reads a regular member whole. Returns `None` if there is none of this name.
    pub(super) fn read(&self, name: &str, limit_bytes: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(section) = self.file(name)? else {
            return Ok(None);
        };
        self.read_section(name, section, limit_bytes).map(Some)
    }

    /// Reads a section whole. `name` is its name in messages.
    pub(super) fn read_section(
        &self,
        name: &str,
        mut section: Section,
        limit_bytes: u64,
    ) -> Result<Vec<u8>, StoreError> {
        let label = escape(name.as_bytes());
        if section.size_bytes > limit_bytes {
            let reason = format!(
                "its {label} has {} bytes, more than the limit of {limit_bytes}",
                section.size_bytes
            );
            return Err(StoreError::malformed(&self.place, reason));
        }
        let mut bytes = Vec::new();
        section
            .read_to_end(&mut bytes)
            .map_err(|cause| self.failed(&label, cause))?;
        Ok(bytes)
    }

    /// Returns the error for a member that could not be read.
    pub(super) fn failed(&self, name: &str, cause: io::Error) -> StoreError {
        StoreError::Io {
            action: "read",
            path: format!("{}, member {name}", self.place),
            cause,
        }
    }

    /// Returns the blobs, which are named by their digests.
    pub(super) fn blobs(&self) -> BTreeMap<crate::model::Digest, Section> {
        let digest_of = |name: &str| format!("sha256:{}", name.strip_prefix("blobs/sha256/")?).parse().ok();
        let section = |name: &str| self.file(name).ok().flatten();
        self.members
            .keys()
            .filter_map(|name| Some((digest_of(name)?, section(name)?)))
            .collect()
    }
}

fn compressed(place: &str, error: &CompressError) -> StoreError {
    let malformed = StoreError::malformed(place, error.to_string());
    match error.help() {
        Some(help) => malformed.with_help(help),
        None => malformed,
    }
}

fn decompress(mut file: File, path: &Path, spool: &Path, place: &str) -> Result<File, StoreError> {
    let reading = |cause: io::Error| match CompressError::of(&cause) {
        Some(error) => compressed(place, error),
        None => StoreError::io("decompress", path, cause),
    };
    file.rewind().map_err(reading)?;
    let mut target = tempfile::tempfile_in(spool).map_err(|cause| StoreError::io("write to", spool, cause))?;
    let limit_bytes = max_expanded_bytes(file.metadata().map_err(reading)?.len());
    let decoder = compress::decoder(file).map_err(reading)?;
    let size_bytes = io::copy(&mut decoder.take(limit_bytes.saturating_add(1)), &mut target).map_err(reading)?;
    if size_bytes > limit_bytes {
        let reason = format!("it expands to more than {MAX_EXPANSION} times its size, after the first GiB");
        return Err(StoreError::malformed(place, reason));
    }
    Ok(target)
}

/// Reads all headers in one pass.
fn scan(file: &File, path: &Path, place: &str) -> Result<BTreeMap<String, Member>, StoreError> {
    let input = FileInput::new(file).map_err(|cause| StoreError::io("read", path, cause))?;
    let mut entries = Entries::new(input, RULES);
    let mut members = BTreeMap::new();
    while let Some(entry) = entries.next_entry().map_err(|error| unreadable(error, path, place))? {
        let Some(name) = clean_name(&entry.name) else { continue };
        let member = match entry.kind {
            EntryKind::File => Member::File {
                offset: entry.content_offset,
                size_bytes: entry.size_bytes,
            },
            // A symbolic link is relative to its own directory, a hard link to the root of the archive.
            EntryKind::Symlink => Member::Link(link_target(&name, &entry.link)),
            EntryKind::HardLink => Member::Link(link_target("", &entry.link)),
            _ => continue,
        };
        if members.len() == MAX_MEMBERS {
            return Err(StoreError::malformed(
                place,
                format!("it has more than {MAX_MEMBERS} members"),
            ));
        }
        // Readers disagree on which of the two members applies.
        if members.insert(name.clone(), member).is_some() {
            return Err(StoreError::malformed(
                place,
                format!("it contains {} twice", escape(name.as_bytes())),
            ));
        }
    }
    Ok(members)
}

fn unreadable(error: TarError, path: &Path, place: &str) -> StoreError {
    let reason = match error {
        TarError::Truncated { actual_bytes: 0, .. } => "it is empty".to_owned(),
        TarError::Truncated { actual_bytes, .. } => format!("it is truncated after {actual_bytes} bytes"),
        TarError::Checksum { position_bytes: 0 } => "it is not a tar archive".to_owned(),
        TarError::Sparse { .. } => "it has sparse members, which are not supported".to_owned(),
        TarError::Io(cause) => return StoreError::io("read", path, cause),
        error => error.to_string(),
    };
    StoreError::malformed(place, reason)
}

/// Returns a name without a leading `./`, or `None` for a name that is never looked up.
fn clean_name(raw: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(raw)
        .ok()
        .filter(|name| name.len() <= MAX_NAME_BYTES)?;
    let mut name = name;
    while let Some(rest) = name.strip_prefix("./") {
        name = rest.trim_start_matches('/');
    }
    (!name.is_empty()).then(|| name.to_owned())
}

/// Returns the target of a link at `base`, by its name in the archive, or `None` if it is outside.
fn link_target(base: &str, target: &[u8]) -> Option<String> {
    let target = std::str::from_utf8(target)
        .ok()
        .filter(|target| target.len() <= MAX_NAME_BYTES)?;
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
