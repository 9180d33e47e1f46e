//! Reads the facts of one ELF file: its header, its program headers, and its dynamic section.

use object::elf::{ET_DYN, ET_EXEC, FileHeader32, FileHeader64, PT_DYNAMIC, PT_INTERP, PT_LOAD};
use object::read::ReadRef;
use object::read::elf::{FileHeader, ProgramHeader as _};

use super::dynamic::read_dynamic;
use super::facts::{ElfClass, ElfError, ElfFacts, ElfType, Endianness, MAX_DYNAMIC_BYTES, MAX_SEGMENTS, Segment};

/// Greatest length of the interpreter's path, in bytes: Linux's PATH_MAX.
const MAX_INTERPRETER_BYTES: u64 = 4096;

/// `\x7fELF`.
const MAGIC: &[u8; 4] = b"\x7fELF";

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
