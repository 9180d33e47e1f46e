//! Scans files for secrets: whole, or in slices in any order. The result does not depend on where the slices end.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::Range;

use super::address::addresses;
use super::anchors::find_each;
use super::assigned::{
    access_key, account_key, auth_token, has_aws_secret_near, hugging_face, openai, registry_login, sendgrid, slack,
    twilio,
};
use super::kind::Kind;
use super::pem::{encoded_pem, pem, putty};
use super::settings::Format;
use super::sighting::{Hit, Place, Sighting};
use super::tokens::token;
use crate::model::EntryPath;

/// Number of bytes after its anchor that are read of a secret. A PEM key of RSA with 16,384 bits has 12,500.
const LOOK_AHEAD_BYTES: usize = 16 * 1024;

/// Number of bytes before its anchor: the prefix of a token, the neighboring line.
const LOOK_BEHIND_BYTES: usize = 512;

/// Number of bytes that are kept of each end of a slice, until its neighbor arrives.
const END_BYTES: usize = LOOK_BEHIND_BYTES + LOOK_AHEAD_BYTES;

/// Least size of a slice that is not the last one, in bytes.
pub const MIN_SLICE_BYTES: usize = 2 * END_BYTES;

/// Least size of a large file, in bytes. It may be scanned in slices, and positions are given in bytes instead of
/// lines.
pub const LARGE_FILE_BYTES: u64 = 1024 * 1024;

/// Greatest size of a file that is read by the rules of its name, in bytes: settings have a few kilobytes.
const MAX_SETTINGS_BYTES: usize = 64 * 1024;

/// Greatest number of sightings that are kept for one file. A user who inspects the file will find the others.
const MAX_SIGHTINGS: usize = 64;

/// Number of first bytes in which a NUL means that a file is not text: the rule of Git.
const TEXT_HEAD_BYTES: usize = 8000;

/// The magics of programs and libraries: ELF, Windows and macOS.
const PROGRAM_MAGICS: &[&[u8]] = &[
    b"\x7fELF",
    b"MZ",
    b"\xCF\xFA\xED\xFE",
    b"\xCE\xFA\xED\xFE",
    b"\xCA\xFE\xBA\xBE",
];

/// A file that contains something that looks like a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SightedFile {
    /// Its path in the image.
    pub path: EntryPath,
    /// The sightings, in the file's order; at least one.
    pub sightings: Vec<Sighting>,
}

/// Returns everything in `content`, the whole file at `path`, that looks like a secret; one sighting per line.
pub fn scan_file(path: &EntryPath, content: &[u8]) -> Vec<Sighting> {
    let mut sightings = scan_text(content);
    if content.len() <= MAX_SETTINGS_BYTES
        && let Some(format) = Format::of(path)
    {
        sightings.extend(scan_settings(format, content));
    }
    finish(sightings)
}

/// Returns everything in a text that looks like a secret by itself, including passwords in URLs.
pub fn scan_value(text: &[u8]) -> Vec<Sighting> {
    let mut sightings = scan_text(text);
    sightings.extend(addresses(text).map(|hit| sighting(hit, Place::Line(line_at(text, hit.at)))));
    finish(sightings)
}

/// Scans like [`scan_file`], for a file of any size that is read from start to end. `head` was read from it already.
///
/// # Errors
/// Those of `rest`.
pub fn scan_stream(path: &EntryPath, head: Vec<u8>, rest: &mut dyn Read) -> io::Result<Vec<Sighting>> {
    let mut file = LargeFile::default();
    let mut buffer = head;
    let mut from = 0;
    loop {
        let wanted = (2 * LARGE_FILE_BYTES).saturating_sub(buffer.len() as u64);
        rest.take(wanted).read_to_end(&mut buffer)?;
        if (buffer.len() as u64) < 2 * LARGE_FILE_BYTES {
            break;
        }
        file.add(Slice::scan(&buffer[..LARGE_FILE_BYTES as usize], from, false));
        buffer.drain(..LARGE_FILE_BYTES as usize);
        from += LARGE_FILE_BYTES;
    }
    if from == 0 {
        return Ok(scan_file(path, &buffer));
    }
    file.add(Slice::scan(&buffer, from, true));
    Ok(file.finish())
}

fn scan_text(content: &[u8]) -> Vec<Sighting> {
    let utf8 = utf16_as_bytes(content);
    let content = utf8.as_deref().unwrap_or(content);
    let hits = hits(content, 0..content.len());
    let is_lined = (content.len() as u64) < LARGE_FILE_BYTES
        && (hits.is_empty() || memchr::memchr(0, &content[..content.len().min(TEXT_HEAD_BYTES)]).is_none());
    let place = |at| {
        if is_lined {
            Place::Line(line_at(content, at))
        } else {
            Place::Byte(at as u64)
        }
    };
    let is_program = is_program(content);
    hits.into_iter()
        .map(|hit| seen_in(is_program, sighting(hit, place(hit.at))))
        .collect()
}

fn is_program(content: &[u8]) -> bool {
    PROGRAM_MAGICS.iter().any(|magic| content.starts_with(magic))
}

/// Adjusts a sighting in a program: a key with which a library tests itself is not a real key, so keys in programs have
/// a separate kind.
fn seen_in(is_program: bool, sighting: Sighting) -> Sighting {
    let is_key = sighting.kind == Kind::PrivateKey;
    if is_program && is_key {
        Sighting {
            kind: Kind::ProgramKey,
            ..sighting
        }
    } else {
        sighting
    }
}

fn scan_settings(format: Format, content: &[u8]) -> Vec<Sighting> {
    if format == Format::KeyStore {
        let is_store = !content.is_empty();
        return is_store
            .then_some(Sighting {
                kind: Kind::KeyStore,
                place: Place::Whole,
                is_certain: true,
            })
            .into_iter()
            .collect();
    }
    let by_line = format.find(content).into_iter();
    let mut found: Vec<Sighting> = by_line
        .map(|(kind, line)| Sighting {
            kind,
            place: Place::Line(line),
            is_certain: true,
        })
        .collect();
    found.extend(addresses(content).map(|hit| sighting(hit, Place::Line(line_at(content, hit.at)))));
    found
}

fn sighting(hit: Hit, place: Place) -> Sighting {
    Sighting {
        kind: hit.kind,
        place,
        is_certain: hit.is_certain,
    }
}

/// Returns the sightings in order, with only the first of those at the same place.
fn finish(mut sightings: Vec<Sighting>) -> Vec<Sighting> {
    sightings.sort_by_key(|sighting| sighting.place);
    sightings.dedup_by_key(|sighting| sighting.place);
    sightings.truncate(MAX_SIGHTINGS);
    sightings
}

fn line_at(text: &[u8], at: usize) -> u64 {
    memchr::memchr_iter(b'\n', &text[..at]).count() as u64 + 1
}

/// Returns the characters of a text that is marked as UTF-16, as written by Windows tools; those that are not ASCII
/// become a dot. Returns `None` for any other text, and for large files.
fn utf16_as_bytes(content: &[u8]) -> Option<Vec<u8>> {
    let (low, high) = match content {
        [0xFF, 0xFE, ..] => (0, 1),
        [0xFE, 0xFF, ..] => (1, 0),
        _ => return None,
    };
    let character = |pair: &[u8]| if pair[high] == 0 { pair[low] } else { b'.' };
    ((content.len() as u64) < LARGE_FILE_BYTES).then(|| content[2..].chunks_exact(2).map(character).collect())
}

/// Returns the secrets whose anchors are in `range` of `text`, without duplicates.
fn hits(text: &[u8], range: Range<usize>) -> Vec<Hit> {
    let mut hits: Vec<Hit> = Vec::new();
    let mut add = |anchor, at: usize| {
        let start = at.saturating_sub(LOOK_BEHIND_BYTES);
        let window = &text[start..text.len().min(at + LOOK_AHEAD_BYTES)];
        if let Some(hit) = range
            .contains(&at)
            .then(|| verify(window, anchor, at - start))
            .flatten()
        {
            hits.push(Hit {
                at: hit.at + start,
                ..hit
            });
        }
    };
    // These two are recognized by the character before them, which does not exist at the start of a file.
    if range.start == 0 && (text.starts_with(b"SG.") || text.starts_with(b"hf_")) {
        add(AT_START, 0);
    }
    find_each(text, add);
    hits.sort_by_key(|hit| hit.at);
    hits.dedup_by_key(|hit| hit.at);
    hits
}

/// The anchor of a token at the start of a file.
const AT_START: &str = "";

/// Returns the secret of the anchor at `at`, if the strict form of its kind matches.
fn verify(text: &[u8], anchor: &str, at: usize) -> Option<Hit> {
    match anchor {
        "TE KEY" => pem(text, at),
        "LS0tLS1CRUdJTi" => encoded_pem(text, at),
        "TTY-User-Key" => putty(text, at),
        "AKIA" | "ASIA" => token(text, anchor, at).map(|hit| {
            let kind = if has_aws_secret_near(text, at) {
                Kind::AwsKeyPair
            } else {
                hit.kind
            };
            Hit { kind, ..hit }
        }),
        "ss_key" | "SS_KEY" | "essKey" => access_key(text, at, anchor),
        "untKey=" => account_key(text, at, anchor),
        "thToken" => auth_token(text, at, anchor),
        "uths\"" => registry_login(text, at),
        "wilio" | "WILIO" => twilio(text, at, anchor),
        "3BlbkFJ" => openai(text, at),
        AT_START => sendgrid(text, at).or_else(|| hugging_face(text, at)),
        _ if anchor.ends_with("SG.") => sendgrid(text, at + 1),
        _ if anchor.ends_with("hf_") => hugging_face(text, at + 1),
        _ if anchor.starts_with("xox") || anchor == "xapp-" => slack(text, at),
        _ => token(text, anchor, at),
    }
}

/// A large file whose slices are scanned independently.
#[derive(Debug, Default)]
pub struct LargeFile {
    is_program: bool,
    hits: BTreeMap<u64, Sighting>,
    /// Ends of slices that wait for their neighbor, by the position of the border.
    ends: BTreeMap<u64, End>,
}

/// One side of the border between two slices.
#[derive(Debug)]
enum End {
    /// The last bytes of the slice before it.
    Tail(Box<[u8]>),
    /// The first bytes of the slice after it.
    Head(Box<[u8]>),
}

/// The sightings in one slice of a large file.
#[derive(Debug)]
pub struct Slice {
    hits: Vec<(u64, Sighting)>,
    /// Its range in the file.
    range: Range<u64>,
    /// It is the first slice, and begins like a program.
    is_program: bool,
    head: Option<Box<[u8]>>,
    tail: Option<Box<[u8]>>,
}

impl Slice {
    /// Scans the slice of a file that begins at `from`. It must have at least [`MIN_SLICE_BYTES`], or end the file.
    pub fn scan(bytes: &[u8], from: u64, is_last: bool) -> Self {
        let range = from..from + bytes.len() as u64;
        let is_first = from == 0;
        debug_assert!(
            is_last || bytes.len() >= MIN_SLICE_BYTES,
            "a slice of {} bytes",
            bytes.len()
        );
        // Bytes near a border are scanned once both sides are available.
        let start = if is_first { 0 } else { LOOK_BEHIND_BYTES };
        let end = if is_last {
            bytes.len()
        } else {
            bytes.len().saturating_sub(LOOK_AHEAD_BYTES)
        };
        let head = (!is_first).then(|| bytes[..bytes.len().min(END_BYTES)].into());
        let tail = (!is_last).then(|| bytes[bytes.len().saturating_sub(END_BYTES)..].into());
        let is_program = is_first && is_program(bytes);
        Self {
            hits: large_hits(bytes, start..end, from),
            range,
            is_program,
            head,
            tail,
        }
    }
}

fn large_hits(text: &[u8], range: Range<usize>, from: u64) -> Vec<(u64, Sighting)> {
    let place = |hit: &Hit| from + hit.at as u64;
    hits(text, range)
        .into_iter()
        .map(|hit| (place(&hit), sighting(hit, Place::Byte(place(&hit)))))
        .take(MAX_SIGHTINGS)
        .collect()
}

impl LargeFile {
    /// Adds a slice. Slices may arrive in any order.
    pub fn add(&mut self, slice: Slice) {
        self.hits.extend(slice.hits);
        self.is_program |= slice.is_program;
        if let Some(head) = slice.head {
            self.meet(slice.range.start, End::Head(head));
        }
        if let Some(tail) = slice.tail {
            self.meet(slice.range.end, End::Tail(tail));
        }
    }

    /// Scans around a border once both sides are available.
    fn meet(&mut self, border: u64, end: End) {
        let (tail, head) = match (self.ends.remove(&border), end) {
            (Some(End::Tail(tail)), End::Head(head)) | (Some(End::Head(head)), End::Tail(tail)) => (tail, head),
            (_, end) => {
                self.ends.insert(border, end);
                return;
            }
        };
        let range = LOOK_BEHIND_BYTES..tail.len() + LOOK_BEHIND_BYTES;
        let from = border - tail.len() as u64;
        self.hits.extend(large_hits(&[tail, head].concat(), range, from));
    }

    /// Returns the sightings after all slices were added.
    pub fn finish(self) -> Vec<Sighting> {
        finish(
            self.hits
                .into_values()
                .map(|sighting| seen_in(self.is_program, sighting))
                .collect(),
        )
    }
}
