//! Private keys as text: PEM (RFC 7468), OpenSSH's form of it, PGP's armour (RFC 9580, section 6), and PuTTY's files.

use super::base64::{body, decode};
use super::kind::Kind;
use super::random::entropy_bits;
use super::sighting::Hit;

/// What stands before and after the name of a PEM block.
const BEGIN: &[u8] = b"-----BEGIN ";
const DASHES: &[u8] = b"-----";

/// `-----BEGIN ` in base64, so far as what follows does not matter.
const ENCODED_BEGIN: &[u8] = b"LS0tLS1CRUdJTi";

/// The end of the name of each block that holds a private key.
const PRIVATE: &[u8] = b"PRIVATE KEY";

/// Longest name of a block with a private key, such as `OPENSSH PRIVATE KEY`: a bound on what is searched for its start.
const MAX_NAME_BYTES: usize = 32;

/// Longest header lines of a block (`Proc-Type: 4,ENCRYPTED`, `Version: GnuPG v2`), all together.
const MAX_HEADERS_BYTES: usize = 512;

/// The least that a private key has, in bytes: one of Ed25519 has 48, and what is cut off for an example has fewer than 32.
const MIN_KEY_BYTES: usize = 32;

/// The least that a body has which does not begin as a key does, in characters, so that it counts as one all the same.
const MIN_OPAQUE_CHARS: usize = 256;

/// The least entropy of such a body, in bits a character: random base64 of this length has more than 5.5.
const MIN_OPAQUE_BITS: f64 = 5.0;

/// What an OpenSSH key begins with (openssh-portable, PROTOCOL.key).
const OPENSSH_MAGIC: &[u8] = b"openssh-key-v1\0";

/// The name of no cipher, in an OpenSSH key: a length of four bytes, and the name.
const OPENSSH_NO_CIPHER: &[u8] = b"\0\0\0\x04none";

/// A key whose block's name ends with `PRIVATE KEY`; `at` is where `TE KEY` of it stands.
pub(super) fn pem(text: &[u8], at: usize) -> Option<Hit> {
    let name_end = at + b"TE KEY".len();
    let window = &text[name_end.saturating_sub(MAX_NAME_BYTES + BEGIN.len())..name_end];
    let begin = memchr::memmem::rfind(window, BEGIN)?;
    let name = &window[begin + BEGIN.len()..];
    if !name.ends_with(PRIVATE)
        || !name.iter().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b' ' | b'0'..=b'9'))
    {
        return None;
    }
    let rest = text[name_end..].strip_prefix(b" BLOCK").unwrap_or(&text[name_end..]);
    let rest = rest.strip_prefix(DASHES)?;
    let start = name_end - window.len() + begin;
    let kind = key_kind(name, rest)?;
    Some(Hit::certain(kind, start))
}

/// The kind of the key that `rest`, what follows a block's first line, holds.
fn key_kind(name: &[u8], rest: &[u8]) -> Option<Kind> {
    let headers = headers_length(rest);
    let is_encrypted = memchr::memmem::find(&rest[..headers], b"ENCRYPTED").is_some();
    let (characters, length) = body(&rest[headers..]);
    let after = &rest[headers + length..];
    // PGP's armour ends with a checksum.
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
        return Some(if is_open { Kind::PrivateKey } else { Kind::EncryptedPrivateKey });
    }
    match (name, der_start(&bytes)) {
        (_, Some(DerStart::Encrypted)) => Some(Kind::EncryptedPrivateKey),
        (_, Some(DerStart::Key)) => Some(Kind::PrivateKey),
        (b"PGP PRIVATE KEY", None) if is_pgp_secret(bytes[0]) => Some(Kind::PrivateKey),
        _ => is_opaque.then_some(Kind::PrivateKey),
    }
}

/// The length of the header lines at the start of a block, as they stand in files or with their line feeds escaped.
fn headers_length(rest: &[u8]) -> usize {
    let window = &rest[..rest.len().min(MAX_HEADERS_BYTES)];
    let mut length = 0;
    loop {
        let line = &window[length..];
        let end = line.iter().position(|byte| matches!(byte, b'\n' | b'\\')).map_or(line.len(), |end| end + 1);
        let text = line[..end].trim_ascii_start();
        let text = text.strip_prefix(b"n").unwrap_or(text);
        let is_blank = text.iter().all(|byte| byte.is_ascii_whitespace() || *byte == b'\\');
        let is_header = memchr::memmem::find(text, b": ").is_some();
        let is_first = length == 0 && is_blank;
        if line.is_empty() || !(is_first || is_header) {
            // The line feeds before the body are the body's.
            return if length > 2 { length } else { 0 };
        }
        length += end;
    }
}

/// What a structure of DER begins as.
enum DerStart {
    /// A version, and then what a private key has: PKCS #1, PKCS #8, SEC 1.
    Key,
    /// An algorithm, as encrypted keys of PKCS #8 do.
    Encrypted,
}

/// A private key is a sequence that begins with its version, 0 to 3; an encrypted one begins with a sequence (RFC 5958).
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

/// The lengths of the header and of the content of the sequence that `bytes` begin with.
fn der_length(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes {
        [0x30, length @ 0..=0x7f, ..] => Some((2, usize::from(length))),
        [0x30, 0x81, length, ..] => Some((3, usize::from(length))),
        [0x30, 0x82, high, low, ..] => Some((4, usize::from(u16::from_be_bytes([high, low])))),
        _ => None,
    }
}

/// The tag of a packet with a secret key (RFC 9580, sections 4.2 and 5), in both forms.
fn is_pgp_secret(tag: u8) -> bool {
    tag == 0xC5 || (tag & 0xFC) == 0x94
}

/// A key in base64 itself, as Kubernetes has it: `client-key-data: LS0tLS1CRUdJTi…`.
pub(super) fn encoded_pem(text: &[u8], at: usize) -> Option<Hit> {
    // The next one is looked at by itself; so no text is looked at twice.
    let end = memchr::memmem::find(&text[at + 1..], ENCODED_BEGIN).map_or(text.len(), |next| at + 1 + next);
    let decoded = decode(&body(&text[at..end]).0);
    // A certificate may come before the key.
    let mut names = memchr::memmem::find_iter(&decoded, b"TE KEY-----");
    names.find_map(|name_at| pem(&decoded, name_at)).map(|hit| Hit { at, ..hit })
}

/// Most bytes between the head of a PuTTY file and its private part.
const MAX_PUTTY_HEAD_BYTES: usize = 4096;

/// A private key of PuTTY (its documentation, appendix C): `at` is behind the `P` of `PuTTY-User-Key-File-`.
pub(super) fn putty(text: &[u8], at: usize) -> Option<Hit> {
    let start = at.checked_sub(2).filter(|start| text[*start..].starts_with(b"PuTTY-User-Key-File-"))?;
    let window = &text[start..text.len().min(start + MAX_PUTTY_HEAD_BYTES)];
    let after = |name: &[u8]| memchr::memmem::find(window, name).map(|found| &window[found + name.len()..]);
    let encryption = after(b"Encryption: ")?;
    let lines = after(b"Private-Lines: ")?;
    let first = lines.iter().position(|byte| *byte == b'\n')?;
    let is_open = encryption.starts_with(b"none");
    let kind = if is_open { Kind::PrivateKey } else { Kind::EncryptedPrivateKey };
    (body(&lines[first..]).0.len() >= MIN_KEY_BYTES).then_some(Hit::certain(kind, start))
}
