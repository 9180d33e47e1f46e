//! The facts of one ELF file.

/// Greatest number of program headers: real files have about a dozen.
pub const MAX_SEGMENTS: usize = 1024;

/// Greatest size of the dynamic section, in bytes: 16384 entries of 16. Real ones have under a hundred.
pub const MAX_DYNAMIC_BYTES: u64 = 256 * 1024;

/// Greatest number of names that are read from one file: needed libraries and symbol versions. The largest known files
/// have some hundred.
pub const MAX_STRINGS: usize = 4096;

/// Greatest total size of the names that are read from one file, in bytes.
pub const MAX_TEXT_BYTES: usize = 256 * 1024;

/// The width of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ElfClass {
    /// ELFCLASS32.
    Elf32,
    /// ELFCLASS64.
    Elf64,
}

/// The byte order of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endianness {
    /// ELFDATA2LSB.
    Little,
    /// ELFDATA2MSB.
    Big,
}

/// The type of an ELF file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ElfType {
    /// ET_EXEC: a program that is not relocated.
    Executable,
    /// ET_DYN: a shared library, or a program that can be relocated.
    Dynamic,
}

/// The symbol versions that a file needs of one library (`.gnu.version_r`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionNeed {
    /// The library's name, as in the list of needed libraries.
    pub library: Vec<u8>,
    /// The versions, such as `GLIBC_2.34`, sorted, without duplicates.
    pub versions: Vec<Vec<u8>>,
}

/// The facts of an ELF program or shared library. Names are bytes, as the loader uses them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElfFacts {
    /// The width of addresses.
    pub class: ElfClass,
    /// The byte order.
    pub endianness: Endianness,
    /// `e_machine`: 62 is x86-64, 183 is AArch64.
    pub machine: u16,
    /// `e_flags`: the ABI of arm, mips, riscv.
    pub flags: u32,
    /// `e_ident[EI_OSABI]`: 0 is System V, 3 is Linux (GNU).
    pub os_abi: u8,
    /// The type of the file.
    pub elf_type: ElfType,
    /// The dynamic loader of a program; `None` for a static program, and for most libraries.
    pub interpreter: Option<Vec<u8>>,
    /// `true` if the file has a dynamic section.
    pub is_dynamic: bool,
    /// DT_NEEDED, in the file's order, which is the search order.
    pub needed: Vec<Vec<u8>>,
    /// DT_SONAME.
    pub soname: Option<Vec<u8>>,
    /// DT_RPATH, unchanged.
    pub rpath: Option<Vec<u8>>,
    /// DT_RUNPATH, unchanged. If it is set, the loader ignores DT_RPATH.
    pub runpath: Option<Vec<u8>>,
    /// The symbol versions that it needs, sorted by library. Weak needs, which the loader does not require, are left
    /// out.
    pub version_needs: Vec<VersionNeed>,
    /// The symbol versions that it defines, sorted. The base version, which is the file's own name, is left out.
    pub version_definitions: Vec<Vec<u8>>,
}

/// An error of a file that begins like ELF and cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// A part of the file violates the standard, or points outside the file.
    #[error("the ELF file is damaged: {0}")]
    Damaged(&'static str),
    /// The file exceeds a limit that real files do not reach.
    #[error("the ELF file has {what} over the limit of {limit}")]
    OverLimit {
        /// The limited quantity.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
}

/// A part of the file that the loader maps to an address.
pub(super) struct Segment {
    pub(super) address: u64,
    pub(super) offset: u64,
    pub(super) size_bytes: u64,
}

/// Returns the offset of an address in the file, and how many bytes of the segment follow it.
pub(super) fn offset_of(segments: &[Segment], address: u64) -> Result<(u64, u64), ElfError> {
    let inside = |segment: &&Segment| {
        address
            .checked_sub(segment.address)
            .is_some_and(|at| at < segment.size_bytes)
    };
    let found = segments.iter().find(inside).and_then(|segment| {
        let at = address - segment.address;
        Some((segment.offset.checked_add(at)?, segment.size_bytes - at))
    });
    found.ok_or(ElfError::Damaged("an address is in no segment of the file"))
}
