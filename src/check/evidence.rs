//! The parts of files that the check reads, and how they are read.

use std::io::{self, BufRead as _, BufReader, Read, Seek as _, Write as _};
use std::path::Path;

use object::read::ReadCache;

use super::jar::{JarFacts, MAX_JAR_BYTES};
use super::javascript::{MAX_SCRIPT_BYTES, Script, read_script};
use super::python_source::{MAX_SOURCE_BYTES, Source, read_source};
use crate::elf::{ElfError, ElfFacts};
use crate::model::{DiskFile, part_before};
use crate::tree::SHEBANG_BYTES;

/// Greatest size of a file that is read whole, in bytes: manifests, accounts, configuration. The largest `package.json`
/// known have some hundred kilobytes.
pub const MAX_WHOLE_BYTES: u64 = 1024 * 1024;

/// How much of a RECORD is read, in bytes. The longest known, with 30,000 files, have 4 MB.
const MAX_RECORD_BYTES: u64 = 16 * 1024 * 1024;

/// Magic of an ELF file.
const ELF_MAGIC: &[u8] = b"\x7fELF";

/// The part of a file that the check reads. If rules need different parts of a file, the last one of them is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interest {
    /// Nothing.
    Nothing,
    /// The kind of program: an ELF file, a script, or another file.
    Program,
    /// Its first bytes.
    Head(u64),
    /// The facts about a Java archive.
    Jar,
    /// The modules that a JavaScript source loads.
    Script,
    /// The imports of a Python source.
    Source,
    /// The native files that it lists: the RECORD of an installed Python package.
    Record,
    /// All of it.
    Whole,
}

impl Interest {
    /// Returns the part of a file that may be a program, by its mode.
    pub(super) fn of_program(mode: u32) -> Self {
        Self::Program.when(mode & 0o111 != 0)
    }

    /// Returns this part if a rule needs it of the file, else nothing.
    pub(super) fn when(self, is_needed: bool) -> Self {
        if is_needed { self } else { Self::Nothing }
    }
}

/// The part of a file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// It was not opened.
    NotRead,
    /// It is an ELF program or shared library.
    Elf(Box<ElfFacts>),
    /// It begins as ELF and cannot be read as such.
    DamagedElf(ElfError),
    /// It is a Java archive.
    Jar(Box<JarFacts>),
    /// It was to be one, and Java cannot read it as such.
    DamagedJar,
    /// The modules that a JavaScript source loads.
    Script(Box<Script>),
    /// Its first bytes: 256 of a file that may be a script.
    Head(Box<[u8]>),
    /// The imports of a Python source.
    Source(Box<Source>),
    /// All its bytes.
    Whole(Box<[u8]>),
}

/// Returns `true` for `libx.so`, `libx.so.1`, `x.node`: files that are loaded without being executable.
pub(super) fn is_library_name(name: &[u8]) -> bool {
    name.ends_with(b".node") || name.ends_with(b".so") || name.windows(4).any(|part| part == b".so.")
}

/// Reads the requested part of a seekable file. `source` must be at its start.
///
/// # Errors
/// Returns the errors of `source`.
pub fn read_evidence(interest: Interest, source: &mut (impl Read + io::Seek)) -> io::Result<Evidence> {
    let mut bytes = Vec::new();
    let limit_bytes = match interest {
        Interest::Nothing => return Ok(Evidence::NotRead),
        Interest::Jar => {
            let facts = JarFacts::read(source);
            return Ok(facts.map_or(Evidence::DamagedJar, |facts| Evidence::Jar(Box::new(facts))));
        }
        Interest::Program => SHEBANG_BYTES,
        Interest::Head(limit_bytes) => limit_bytes,
        Interest::Script => MAX_SCRIPT_BYTES,
        Interest::Source => MAX_SOURCE_BYTES,
        Interest::Record => 0,
        Interest::Whole => MAX_WHOLE_BYTES,
    };
    source.take(limit_bytes).read_to_end(&mut bytes)?;
    if interest == Interest::Whole {
        return Ok(Evidence::Whole(bytes.into()));
    }
    if interest == Interest::Script {
        return Ok(Evidence::Script(Box::new(read_script(&bytes))));
    }
    if interest == Interest::Record {
        return Ok(Evidence::Whole(native_lines(source)?.into()));
    }
    if interest == Interest::Source {
        return Ok(Evidence::Source(Box::new(read_source(&bytes))));
    }
    if interest == Interest::Program && bytes.starts_with(ELF_MAGIC) {
        match ElfFacts::read(&ReadCache::new(source)) {
            Ok(Some(facts)) => return Ok(Evidence::Elf(Box::new(facts))),
            Ok(None) => {}
            Err(error) => return Ok(Evidence::DamagedElf(error)),
        }
    }
    Ok(Evidence::Head(bytes.into()))
}

/// The lines of a RECORD that name a shared library or an extension module. It is a table of all files of a package:
/// most of it is not kept.
fn native_lines(source: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let mut line = Vec::new();
    let mut reader = BufReader::new(source.take(MAX_RECORD_BYTES));
    while reader.read_until(b'\n', &mut line)? > 0 {
        if is_library_name(part_before(&line, b',')) {
            kept.extend_from_slice(&line);
        }
        line.clear();
    }
    Ok(kept)
}

/// Reads as [`read_evidence`] does, from a source that can be read only once. An ELF file is copied to a temporary file
/// without a name in `scratch_folder`.
///
/// # Errors
/// Returns the errors of `source` and of the temporary file.
pub fn read_stream_evidence(
    interest: Interest,
    mut source: &mut dyn Read,
    scratch_folder: &Path,
) -> io::Result<Evidence> {
    if interest == Interest::Jar {
        let mut spool = tempfile::tempfile_in(scratch_folder)?;
        io::copy(&mut source.take(MAX_JAR_BYTES), &mut spool)?;
        spool.rewind()?;
        return read_evidence(interest, &mut spool);
    }
    let mut head = Vec::new();
    if interest != Interest::Nothing {
        let limit_bytes = if interest == Interest::Script {
            MAX_SCRIPT_BYTES
        } else {
            MAX_WHOLE_BYTES
        };
        (&mut source).take(limit_bytes).read_to_end(&mut head)?;
    }
    if interest != Interest::Program || !head.starts_with(ELF_MAGIC) {
        return read_evidence(interest, &mut io::Cursor::new(head));
    }
    let mut spool = tempfile::tempfile_in(scratch_folder)?;
    spool.write_all(&head)?;
    io::copy(source, &mut spool)?;
    spool.rewind()?;
    read_evidence(interest, &mut spool)
}

/// Reads the requested part of a file on the disk, if it is unchanged since it was listed.
///
/// # Errors
/// Those of opening and reading, and one if the file changed.
pub fn read_disk_evidence(interest: Interest, listed: &DiskFile) -> io::Result<Evidence> {
    read_evidence(interest, &mut listed.open()?)
}
