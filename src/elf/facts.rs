//! The facts of one ELF file.

use object::elf::{ET_DYN, ET_EXEC, FileHeader32, FileHeader64, PT_DYNAMIC, PT_INTERP, PT_LOAD};
use object::read::ReadRef;
use object::read::elf::{FileHeader, ProgramHeader as _};

use super::dynamic::read_dynamic;

/// Greatest number of program headers: real files have about a dozen.
pub const MAX_SEGMENTS: usize = 1024;

/// Greatest size of the dynamic section, in bytes: 16384 entries of 16. Real ones have under a hundred.
pub const MAX_DYNAMIC_BYTES: u64 = 256 * 1024;

/// Greatest number of names that are read from one file: needed libraries and symbol versions. The largest known files
/// have some hundred.
pub const MAX_STRINGS: usize = 4096;

/// Greatest total size of the names that are read from one file, in bytes.
pub const MAX_TEXT_BYTES: usize = 256 * 1024;

/// Greatest length of the interpreter's path, in bytes: Linux's PATH_MAX.
const MAX_INTERPRETER_BYTES: u64 = 4096;

/// `\x7fELF`.
const MAGIC: &[u8; 4] = b"\x7fELF";

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

impl ElfFacts {
    /// Reads the facts of a program or a shared library. Returns `None` for anything else: a file that is not ELF, an
    /// object file, a core dump, a kernel module.
    ///
    /// # Errors
    /// Returns [`ElfError`] if the file begins like ELF and is damaged or exceeds a limit.
    pub fn read<'data>(data: impl ReadRef<'data>) -> Result<Option<Self>, ElfError> {
        let Ok(ident) = data.read_bytes_at(0, 16) else {
            return Ok(None);
        };
        if !ident.starts_with(MAGIC) {
            return Ok(None);
        }
        match ident[4] {
            1 => read::<FileHeader32<object::Endianness>, _>(data, ElfClass::Elf32),
            2 => read::<FileHeader64<object::Endianness>, _>(data, ElfClass::Elf64),
            _ => Err(ElfError::Damaged("its class is neither 32 nor 64 bits")),
        }
    }
}

/// A part of the file that the loader maps to an address.
pub(super) struct Segment {
    address: u64,
    offset: u64,
    size_bytes: u64,
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

fn read<'data, E, R>(data: R, class: ElfClass) -> Result<Option<ElfFacts>, ElfError>
where
    E: FileHeader<Endian = object::Endianness>,
    R: ReadRef<'data>,
{
    let header = E::parse(data).map_err(|_| ElfError::Damaged("its header"))?;
    let endian = header.endian().map_err(|_| ElfError::Damaged("its byte order"))?;
    let elf_type = match header.e_type(endian) {
        ET_EXEC => ElfType::Executable,
        ET_DYN => ElfType::Dynamic,
        _ => return Ok(None),
    };
    if usize::from(header.e_phnum(endian)) > MAX_SEGMENTS {
        return Err(ElfError::OverLimit {
            what: "program headers",
            limit: MAX_SEGMENTS as u64,
        });
    }
    let mut facts = ElfFacts {
        class,
        endianness: if header.is_little_endian() {
            Endianness::Little
        } else {
            Endianness::Big
        },
        machine: header.e_machine(endian).0,
        flags: header.e_flags(endian).0,
        os_abi: header.e_ident().os_abi.0,
        elf_type,
        interpreter: None,
        is_dynamic: false,
        needed: Vec::new(),
        soname: None,
        rpath: None,
        runpath: None,
        version_needs: Vec::new(),
        version_definitions: Vec::new(),
    };
    let headers = header
        .program_headers(endian, data)
        .map_err(|_| ElfError::Damaged("its program headers"))?;
    let of_type = |wanted| headers.iter().filter(move |header| header.p_type(endian) == wanted);
    if let Some(segment) = of_type(PT_INTERP).next() {
        facts.interpreter = Some(interpreter::<E, R>(endian, data, segment)?);
    }
    if let Some(segment) = of_type(PT_DYNAMIC).next() {
        if segment.p_filesz(endian).into() > MAX_DYNAMIC_BYTES {
            return Err(ElfError::OverLimit {
                what: "a dynamic section",
                limit: MAX_DYNAMIC_BYTES,
            });
        }
        facts.is_dynamic = true;
        let segments: Vec<Segment> = of_type(PT_LOAD)
            .map(|header| Segment {
                address: header.p_vaddr(endian).into(),
                offset: header.p_offset(endian).into(),
                size_bytes: header.p_filesz(endian).into(),
            })
            .collect();
        let damaged = |_| ElfError::Damaged("its dynamic section");
        let table = segment.dynamic(endian, data).map_err(damaged)?.unwrap_or_default();
        read_dynamic::<E, R>(&mut facts, endian, data, &segments, table)?;
    }
    Ok(Some(facts))
}

fn interpreter<'data, E, R>(endian: E::Endian, data: R, segment: &E::ProgramHeader) -> Result<Vec<u8>, ElfError>
where
    E: FileHeader<Endian = object::Endianness>,
    R: ReadRef<'data>,
{
    if segment.p_filesz(endian).into() > MAX_INTERPRETER_BYTES {
        return Err(ElfError::OverLimit {
            what: "an interpreter's path",
            limit: MAX_INTERPRETER_BYTES,
        });
    }
    let path = segment
        .data(endian, data)
        .map_err(|()| ElfError::Damaged("its interpreter's path"))?;
    Ok(path.split(|byte| *byte == 0).next().unwrap_or_default().to_vec())
}
