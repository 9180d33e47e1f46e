//! Finds private keys as text: PEM (RFC 7468), OpenSSH's variant of it, PGP armor (RFC 9580, section 6), and PuTTY's
//! files.

use super::base64::{body, decode};
use super::kind::Kind;
use super::random::entropy_bits;
use super::sighting::Hit;

/// The text before and after the name of a PEM block.
const BEGIN: &[u8] = b"-----BEGIN ";
const DASHES: &[u8] = b"-----";

/// `-----BEGIN ` in base64, up to the part that depends on the following text.
const ENCODED_BEGIN: &[u8] = b"LS0tLS1CRUdJTi";

/// The end of the name of every block that holds a private key.
const PRIVATE: &[u8] = b"PRIVATE KEY";

/// Longest name of a block with a private key, such as `OPENSSH PRIVATE KEY`, in bytes; it limits the search for its
/// start.
const MAX_NAME_BYTES: usize = 32;

/// Longest headers of a block (`Proc-Type: 4,ENCRYPTED`, `Version: GnuPG v2`) in total, in bytes.
const MAX_HEADERS_BYTES: usize = 512;

/// Least size of a private key, in bytes: one of Ed25519 has 48, and a truncated example fewer than 32.
const MIN_KEY_BYTES: usize = 32;

/// Least length of a body that counts as a key although it does not begin like one, in characters.
const MIN_OPAQUE_CHARS: usize = 256;

/// Least entropy of such a body, in bits per character: random base64 of this length has more than 5.5.
const MIN_OPAQUE_BITS: f64 = 5.0;

/// The start of an OpenSSH key (openssh-portable, PROTOCOL.key).
const OPENSSH_MAGIC: &[u8] = b"openssh-key-v1\0";

/// The name of an OpenSSH key's cipher if it is not encrypted: a length of four bytes, and the name.
const OPENSSH_NO_CIPHER: &[u8] = b"\0\0\0\x04none";

/// Finds a key in a block whose name ends with `PRIVATE KEY`; `at` is the position of its `TE KEY`.
pub(super) fn pem(text: &[u8], at: usize) -> Option<Hit> {
    let name_end = at + b"TE KEY".len();
    let window = &text[name_end.saturating_sub(MAX_NAME_BYTES + BEGIN.len())..name_end];
    let begin = memchr::memmem::rfind(window, BEGIN)?;
    let name = &window[begin + BEGIN.len()..];
    if !name.ends_with(PRIVATE)
        || !name
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || matches!(byte, b' ' | b'0'..=b'9'))
    {
        return None;
    }
    let rest = text[name_end..].strip_prefix(b" BLOCK").unwrap_or(&text[name_end..]);
    let rest = rest.strip_prefix(DASHES)?;
    let start = name_end - window.len() + begin;
    let kind = key_kind(name, rest)?;
    Some(Hit::certain(kind, start))
}

/// Returns the kind of the key in `rest`, the text after a block's first line.
fn key_kind(name: &[u8], rest: &[u8]) -> Option<Kind> {
    let headers = headers_length(rest);
    let is_encrypted = memchr::memmem::find(&rest[..headers], b"ENCRYPTED").is_some();
    let (characters, length) = body(&rest[headers..]);
    let after = &rest[headers + length..];
    // PGP armor ends with a checksum.
    let is_ended = after.starts_with(b"-----END ") || after.starts_with(b"=") && name.starts_with(b"PGP");
    let is_cut_off = after.is_empty();
    let bytes = decode(&characters);
    if bytes.len() < MIN_KEY_BYTES || !(is_ended || is_cut_off || is_whole_der(&bytes)) {
        return None;
    }
    let is_opaque = characters.len() >= MIN_OPAQUE_CHARS && entropy_bits(&characters) >= MIN_OPAQUE_BITS;
    if is_encrypted {
        return is_opaque.then_some(Kind::EncryptedPrivateKey);
    }
    if let Some(key) = bytes.strip_prefix(OPENSSH_MAGIC) {
        let is_open = key.starts_with(OPENSSH_NO_CIPHER);
        return Some(if is_open {
            Kind::PrivateKey
        } else {
            Kind::EncryptedPrivateKey
        });
    }
    match (name, der_start(&bytes)) {
        (_, Some(DerStart::Encrypted)) => Some(Kind::EncryptedPrivateKey),
        (_, Some(DerStart::Key)) => Some(Kind::PrivateKey),
        (b"PGP PRIVATE KEY", None) if is_pgp_secret(bytes[0]) => Some(Kind::PrivateKey),
        _ => is_opaque.then_some(Kind::PrivateKey),
    }
}

/// Returns the length of the headers at the start of a block, with real or escaped line feeds.
fn headers_length(rest: &[u8]) -> usize {
    let window = &rest[..rest.len().min(MAX_HEADERS_BYTES)];
    let mut length = 0;
    loop {
        let line = &window[length..];
        let end = line
            .iter()
            .position(|byte| matches!(byte, b'\n' | b'\\'))
            .map_or(line.len(), |end| end + 1);
        let text = line[..end].trim_ascii_start();
        let text = text.strip_prefix(b"n").unwrap_or(text);
        let is_blank = text.iter().all(|byte| byte.is_ascii_whitespace() || *byte == b'\\');
        let is_header = memchr::memmem::find(text, b": ").is_some();
        let is_first = length == 0 && is_blank;
        if line.is_empty() || !(is_first || is_header) {
            // The line feeds before the body belong to the body.
            return if length > 2 { length } else { 0 };
        }
        length += end;
    }
}

/// The start of a DER structure.
enum DerStart {
    /// A version followed by the fields of a private key: PKCS #1, PKCS #8, SEC 1.
    Key,
    /// An algorithm, as in encrypted keys of PKCS #8.
    Encrypted,
}

/// Classifies the start of a DER structure. A private key is a sequence that begins with its version, 0 to 3; an
/// encrypted one begins with a sequence (RFC 5958).
fn der_start(bytes: &[u8]) -> Option<DerStart> {
    let (header, _) = der_length(bytes)?;
    match bytes.get(header..header + 4)? {
        [0x02, 0x01, 0..=3, 0x02 | 0x04 | 0x30] => Some(DerStart::Key),
        [0x30, _, 0x06 | 0x30, _] => Some(DerStart::Encrypted),
        [0x30, 0x81 | 0x82, ..] => Some(DerStart::Encrypted),
        _ => None,
    }
}

fn is_whole_der(bytes: &[u8]) -> bool {
    der_start(bytes).is_some() && der_length(bytes).is_some_and(|(header, content)| bytes.len() >= header + content)
}

/// Returns the lengths of the header and the content of the sequence at the start of `bytes`.
fn der_length(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes {
        [0x30, length @ 0..=0x7f, ..] => Some((2, usize::from(length))),
        [0x30, 0x81, length, ..] => Some((3, usize::from(length))),
        [0x30, 0x82, high, low, ..] => Some((4, usize::from(u16::from_be_bytes([high, low])))),
        _ => None,
    }
}

/// Returns whether the tag is that of a packet with a secret key (RFC 9580, sections 4.2 and 5), in either form.
fn is_pgp_secret(tag: u8) -> bool {
    tag == 0xC5 || (tag & 0xFC) == 0x94
}

/// Finds a key that is itself encoded in base64, as in Kubernetes files: `client-key-data: LS0tLS1CRUdJTi…`.
pub(super) fn encoded_pem(text: &[u8], at: usize) -> Option<Hit> {
    // The next one is scanned separately, so that no text is scanned twice.
    let end = memchr::memmem::find(&text[at + 1..], ENCODED_BEGIN).map_or(text.len(), |next| at + 1 + next);
    let decoded = decode(&body(&text[at..end]).0);
    // A certificate may come before the key.
    let mut names = memchr::memmem::find_iter(&decoded, b"TE KEY-----");
    names
        .find_map(|name_at| pem(&decoded, name_at))
        .map(|hit| Hit { at, ..hit })
}

/// Greatest distance between the head of a PuTTY file and its private part, in bytes.
const MAX_PUTTY_HEAD_BYTES: usize = 4096;

/// Finds a private key of PuTTY (its documentation, appendix C): `at` is after the `P` of `PuTTY-User-Key-File-`.
pub(super) fn putty(text: &[u8], at: usize) -> Option<Hit> {
    let start = at
        .checked_sub(2)
        .filter(|start| text[*start..].starts_with(b"PuTTY-User-Key-File-"))?;
    let window = &text[start..text.len().min(start + MAX_PUTTY_HEAD_BYTES)];
    let after = |name: &[u8]| memchr::memmem::find(window, name).map(|found| &window[found + name.len()..]);
    let encryption = after(b"Encryption: ")?;
    let lines = after(b"Private-Lines: ")?;
    let first = lines.iter().position(|byte| *byte == b'\n')?;
    let is_open = encryption.starts_with(b"none");
    let kind = if is_open {
        Kind::PrivateKey
    } else {
        Kind::EncryptedPrivateKey
    };
    (body(&lines[first..]).0.len() >= MIN_KEY_BYTES).then_some(Hit::certain(kind, start))
}
