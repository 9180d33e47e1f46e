//! Lists the members of a zip archive (APPNOTE 6.3.10). The crate `zip` reads the central directory. Members are read
//! by their offsets, so that several threads can read them.

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::Arc;

use ::zip::read::ZipFile;
use ::zip::result::ZipError;
use ::zip::{CompressionMethod, System, ZipArchive};

use super::bounds::{MAX_MEMBERS, MAX_SPOOL_BYTES};
use super::error::{ArchiveError, Reason};
use super::member::{Member, MemberKind, Packing, Span, Totals};
use super::reader;
use crate::model::{MAX_EXPANSION, MAX_PATH_BYTES, is_overexpanded};

/// `S_IFMT` and its values, as in the upper half of a member's external attributes.
const TYPE_BITS: u32 = 0o170_000;
const TYPE_DIRECTORY: u32 = 0o040_000;
const TYPE_FILE: u32 = 0o100_000;
const TYPE_SYMLINK: u32 = 0o120_000;
/// The bits of a mode.
const MODE_BITS: u32 = 0o7777;

/// Returns the members of the archive in `file`, in the order of its central directory.
///
/// # Errors
/// Returns [`ArchiveError::Zip`] if it is damaged or ends early, [`ArchiveError::Member`] for unsupported members.
pub(super) fn scan(file: &File) -> Result<Vec<Member>, ArchiveError> {
    let io = |source| ArchiveError::Io { action: "open", source };
    let mut archive = ZipArchive::new(file.try_clone().map_err(io)?).map_err(zip_error)?;
    if archive.len() > MAX_MEMBERS {
        return Err(ArchiveError::TooManyMembers { limit: MAX_MEMBERS });
    }
    let shared = Arc::new(file.try_clone().map_err(io)?);
    let archive_bytes = file.metadata().map_err(io)?.len();
    let mut members = Vec::with_capacity(archive.len());
    let mut headers = Vec::with_capacity(archive.len());
    let mut totals = Totals::default();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(zip_error)?;
        let member = member(&entry, &shared, archive_bytes)?;
        totals.add(&member)?;
        headers.push(entry.header_start());
        members.push(member);
    }
    refuse_overlaps(&members, headers)?;
    if totals.content_bytes() > MAX_SPOOL_BYTES {
        return Err(ArchiveError::TooLarge {
            limit_bytes: MAX_SPOOL_BYTES,
        });
    }
    if is_overexpanded(totals.content_bytes(), archive_bytes) {
        Err(ArchiveError::Expansion { limit: MAX_EXPANSION })
    } else {
        Ok(members)
    }
}

/// Refuses members that overlap, each with its header. Overlapping members are a decompression bomb: they use the same
/// bytes many times.
fn refuse_overlaps(members: &[Member], headers: Vec<u64>) -> Result<(), ArchiveError> {
    let mut extents: Vec<(u64, u64, usize)> = Vec::with_capacity(members.len());
    for (index, (member, header)) in members.iter().zip(headers).enumerate() {
        // A member without content still has its own header.
        let end = member
            .span
            .offset
            .saturating_add(member.span.stored_bytes)
            .max(header.saturating_add(1));
        extents.push((header, end, index));
    }
    extents.sort_unstable();
    match extents
        .iter()
        .zip(extents.iter().skip(1))
        .find(|((_, end, _), (next, _, _))| next < end)
    {
        Some(((_, _, first), (_, _, second))) => {
            let other = members[*first].name.clone();
            Err(ArchiveError::member(&members[*second].name, Reason::Overlaps { other }))
        }
        None => Ok(()),
    }
}

fn member(entry: &ZipFile<'_, File>, file: &Arc<File>, size_bytes: u64) -> Result<Member, ArchiveError> {
    let name = name(entry)?;
    if entry.encrypted() {
        return Err(ArchiveError::member(&name, Reason::Encrypted));
    }
    // The upper half of the attributes is a Unix mode only if a Unix system wrote the member.
    let unix = is_unix(entry.system()).then(|| entry.external_attributes() >> 16);
    let unix = unix.filter(|mode| *mode != 0);
    let file_type = unix.unwrap_or_default() & TYPE_BITS;
    let mut span = Span::default();
    let kind = match file_type {
        0 | TYPE_FILE | TYPE_DIRECTORY if name.ends_with(b"/") => MemberKind::Directory,
        TYPE_DIRECTORY => MemberKind::Directory,
        0 | TYPE_FILE => {
            span = content(entry, &name, size_bytes)?;
            MemberKind::File
        }
        TYPE_SYMLINK => {
            span = content(entry, &name, size_bytes)?;
            MemberKind::Symlink(link_target(span, &name, file)?)
        }
        _ => MemberKind::Refused("a device, a fifo or a socket"),
    };
    Ok(Member {
        name,
        kind,
        mode: unix.map(|mode| mode & MODE_BITS),
        span,
    })
}

/// Returns the name byte for byte, with two exceptions: a name in a DOS code page is converted to UTF-8, and
/// backslashes from systems that use them as separators become slashes (required by APPNOTE 4.4.17.1; PowerShell 5 and
/// old .NET write backslashes).
fn name(entry: &ZipFile<'_, File>) -> Result<Vec<u8>, ArchiveError> {
    let raw = entry.name_raw();
    let mut name = if std::str::from_utf8(raw).is_ok() || is_unix(entry.system()) {
        raw.to_vec()
    } else {
        entry.name().map_err(zip_error)?.into_owned().into_bytes()
    };
    if parts_by_backslashes(entry.system()) {
        name.iter_mut()
            .filter(|byte| **byte == b'\\')
            .for_each(|byte| *byte = b'/');
    }
    if has_drive(&name, entry.system()) {
        return Err(ArchiveError::member(&name, Reason::Drive));
    }
    Ok(name)
}

fn is_unix(system: System) -> bool {
    matches!(system, System::Unix | System::OsDarwin)
}

/// Returns `true` for systems whose file names cannot contain a backslash.
fn parts_by_backslashes(system: System) -> bool {
    matches!(system, System::Dos | System::Os2 | System::WindowsNTFS | System::VFAT)
}

/// Returns `true` for `C:/x`, and for systems that have drives also for `C:x`, which is relative to an unknown
/// directory.
fn has_drive(name: &[u8], system: System) -> bool {
    match name {
        [letter, b':', b'/' | b'\\', ..] => letter.is_ascii_alphabetic(),
        [letter, b':', ..] => letter.is_ascii_alphabetic() && parts_by_backslashes(system),
        _ => false,
    }
}

fn content(entry: &ZipFile<'_, File>, name: &[u8], archive_bytes: u64) -> Result<Span, ArchiveError> {
    let packing = match entry.compression() {
        CompressionMethod::Stored => Packing::Stored(entry.crc32()),
        CompressionMethod::Deflated => Packing::Deflated(entry.crc32()),
        other => return Err(ArchiveError::member(name, Reason::Method(other.to_string()))),
    };
    let offset = entry.data_start().ok_or(ArchiveError::Zip {
        reason: "a member has no content".to_owned(),
    })?;
    let end = offset.checked_add(entry.compressed_size());
    match end.filter(|end| *end <= archive_bytes) {
        Some(_) => Ok(Span {
            offset,
            stored_bytes: entry.compressed_size(),
            size_bytes: entry.size(),
            packing,
        }),
        None => Err(ArchiveError::CutShort {
            inside: "a member",
            expected_bytes: end.unwrap_or(u64::MAX),
            actual_bytes: archive_bytes,
        }),
    }
}

fn link_target(span: Span, name: &[u8], file: &Arc<File>) -> Result<Vec<u8>, ArchiveError> {
    let mut target = Vec::new();
    if span.size_bytes <= MAX_PATH_BYTES as u64 {
        reader::open(Arc::clone(file), span, None)
            .read_to_end(&mut target)
            .map_err(|_| ArchiveError::member(name, Reason::Target))?;
    }
    if target.is_empty() || target.contains(&0) {
        Err(ArchiveError::member(name, Reason::Target))
    } else {
        Ok(target)
    }
}

fn zip_error(error: ZipError) -> ArchiveError {
    match error {
        ZipError::Io(source) if source.kind() != io::ErrorKind::UnexpectedEof => {
            ArchiveError::Io { action: "read", source }
        }
        ZipError::Io(_) => ArchiveError::Zip {
            reason: "it is truncated".to_owned(),
        },
        other => ArchiveError::Zip {
            reason: other.to_string(),
        },
    }
}
