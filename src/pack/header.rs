//! Encodes the 512 bytes of one USTAR header (POSIX.1-2017, pax, "ustar Interchange Format").

/// Size of a header, and the unit that contents are padded to, in bytes.
pub(super) const RECORD_BYTES: usize = 512;

/// Size of the field `name`, in bytes. A final NUL is not required.
pub(super) const NAME_BYTES: usize = 100;
/// Size of the field `linkname`, in bytes. A final NUL is not required.
pub(super) const LINK_NAME_BYTES: usize = 100;
/// Size of the field `prefix`, in bytes. A final NUL is not required.
pub(super) const PREFIX_BYTES: usize = 155;
/// Greatest number in seven octal digits, for `uid` and `gid`.
pub(super) const MAX_ID: u64 = 0o7_777_777;
/// Greatest number in eleven octal digits, for `size` and `mtime`: one less than 8 GiB.
pub(super) const MAX_LONG_NUMBER: u64 = 0o77_777_777_777;

/// The type of a header: the field `typeflag`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TypeFlag {
    /// A regular file.
    File = b'0' as isize,
    /// A symbolic link.
    Symlink = b'2' as isize,
    /// A directory.
    Directory = b'5' as isize,
    /// Extended header of the following entry.
    ExtendedHeader = b'x' as isize,
}

/// The variable fields of a header. Strings and numbers must not exceed the constants above; the excess is cut off.
#[derive(Debug)]
pub(super) struct Header<'a> {
    pub(super) type_flag: TypeFlag,
    pub(super) prefix: &'a [u8],
    pub(super) name: &'a [u8],
    pub(super) link_name: &'a [u8],
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) size_bytes: u64,
    pub(super) mtime_s: u64,
}

impl Header<'_> {
    /// Returns the header's bytes, including the checksum. `uname` and `gname` are empty, device numbers zero.
    pub(super) fn to_bytes(&self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        put_text(&mut bytes[0..100], self.name);
        put_octal(&mut bytes[100..108], self.mode.into());
        put_octal(&mut bytes[108..116], self.uid);
        put_octal(&mut bytes[116..124], self.gid);
        put_octal(&mut bytes[124..136], self.size_bytes);
        put_octal(&mut bytes[136..148], self.mtime_s);
        bytes[156] = self.type_flag as u8;
        put_text(&mut bytes[157..257], self.link_name);
        bytes[257..265].copy_from_slice(b"ustar\x0000");
        put_octal(&mut bytes[329..337], 0);
        put_octal(&mut bytes[337..345], 0);
        put_text(&mut bytes[345..500], self.prefix);

        // The sum is computed with the field `chksum` full of spaces. The field is written in the form that all
        // programs use since the seventh edition of Unix: six digits, NUL, space.
        bytes[148..156].fill(b' ');
        let sum = bytes.iter().map(|byte| u64::from(*byte)).sum();
        put_octal(&mut bytes[148..155], sum);
        bytes
    }
}

/// Writes text from the left; the rest of the field is NUL.
fn put_text(field: &mut [u8], text: &[u8]) {
    let size = text.len().min(field.len());
    field[..size].copy_from_slice(&text[..size]);
}

/// Writes octal digits with leading zeros and a final NUL.
fn put_octal(field: &mut [u8], mut number: u64) {
    let Some((end, digits)) = field.split_last_mut() else {
        return;
    };
    *end = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number & 7) as u8;
        number >>= 3;
    }
}
