//! Which files of your layers are opened before packing, and how much of them: by path, mode and size only.
//!
//! Most files are never opened, so the check takes little time compared with packing.

use std::io::{self, BufRead as _, BufReader, Read, Seek as _, Write as _};
use std::path::Path;

use object::read::ReadCache;

use super::jar::{JarFacts, MAX_JAR_BYTES};
use super::javascript::{MAX_SCRIPT_BYTES, Script, read_script};
use super::python_source::{MAX_SOURCE_BYTES, Source, read_source};
use super::rules::{
    METADATA_HEAD_BYTES, is_compiled, is_manifest, is_python_metadata, is_python_record, is_python_setting,
};
use crate::elf::{ElfError, ElfFacts};
use crate::model::{DiskFile, EntryPath};
use crate::tree::SHEBANG_BYTES;

/// Greatest size of a file that is read whole, in bytes: manifests, accounts, configuration. The largest `package.json`
/// known have some hundred kilobytes.
pub const MAX_WHOLE_BYTES: u64 = 1024 * 1024;

/// How much of a compiled Python file is read: magic, flags, and the source's time and size (PEP 552).
const PYC_HEAD_BYTES: u64 = 16;

/// How much of a RECORD is read, in bytes. The longest known, with 30,000 files, have 4 MB.
const MAX_RECORD_BYTES: u64 = 16 * 1024 * 1024;

/// Magic of an ELF file.
const ELF_MAGIC: &[u8] = b"\x7fELF";

/// The part of a file that the check reads.
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

/// Returns how much of a file the check needs to read.
pub fn interest(path: &EntryPath, mode: u32, size_bytes: u64) -> Interest {
    let name = path.file_name();
    if is_read_whole(path, name) && size_bytes <= MAX_WHOLE_BYTES {
        Interest::Whole
    } else if is_compiled(path) {
        Interest::Head(PYC_HEAD_BYTES)
    } else if is_python_record(path) {
        Interest::Record
    } else if is_python_metadata(path) {
        Interest::Head(METADATA_HEAD_BYTES)
    } else if mode & 0o111 != 0 || is_library_name(name) {
        Interest::Program
    } else {
        Interest::Nothing
    }
}

/// Returns `true` for `libx.so`, `libx.so.1`, `x.node`: files that are loaded without being executable.
fn is_library_name(name: &[u8]) -> bool {
    name.ends_with(b".node") || name.ends_with(b".so") || name.windows(4).any(|part| part == b".so.")
}

fn is_read_whole(path: &EntryPath, name: &[u8]) -> bool {
    let known: &[&[u8]] = &[b"etc/passwd", b"etc/group", b"etc/ld.so.conf"];
    let folder = path.parent_bytes();
    known.contains(&path.as_bytes())
        || folder == b"etc/ld.so.conf.d"
        || (folder == b"etc" && name.starts_with(b"ld-musl-"))
        || is_manifest(path)
        || is_python_setting(path)
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
        if is_library_name(line.split(|byte| *byte == b',').next().unwrap_or_default()) {
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

#[cfg(test)]
mod tests {
    use super::super::testing::path;
    use super::*;

    #[test]
    fn names_tell_what_is_read() {
        for (at, mode, size_bytes, wanted) in [
            ("app/package.json", 0o644, 1000, Interest::Whole),
            ("app/package.json", 0o644, MAX_WHOLE_BYTES + 1, Interest::Nothing),
            ("app/node_modules/a/package.json", 0o644, 1000, Interest::Whole),
            (
                "app/node_modules/a/test/fixtures/package.json",
                0o644,
                1000,
                Interest::Nothing,
            ),
            ("app/node_modules/a/index.js", 0o644, 1000, Interest::Nothing),
            ("app/node_modules/a/cli.js", 0o755, 1000, Interest::Program),
            ("app/App.runtimeconfig.json", 0o644, 1000, Interest::Whole),
            ("v/lib/python3.11/site-packages/a.pth", 0o644, 10, Interest::Whole),
            ("app/model.pth", 0o644, 10, Interest::Nothing),
            ("v/pyvenv.cfg", 0o644, 10, Interest::Whole),
            ("a/__pycache__/b.cpython-311.pyc", 0o644, 1000, Interest::Head(16)),
            ("a/b.pyc", 0o644, 1000, Interest::Nothing),
            ("app/.env", 0o600, 10, Interest::Nothing),
            ("app/x.pem", 0o644, 10, Interest::Nothing),
            ("etc/passwd", 0o644, 10, Interest::Whole),
            ("etc/ssl/x.conf", 0o644, 10, Interest::Nothing),
            ("app/libx.so.1", 0o644, 10, Interest::Program),
        ] {
            assert_eq!(interest(&path(at), mode, size_bytes), wanted, "{at}");
        }
    }

    #[test]
    fn of_an_installation_of_many_packages_few_files_are_read() {
        let mut read = 0;
        for package in 0..1_000 {
            for file in 0..50 {
                let name = match file {
                    0 => "package.json".to_owned(),
                    1 => "test/fixtures/package.json".to_owned(),
                    other => format!("lib/x{other}.js"),
                };
                let at = path(&format!("app/node_modules/p{package}/{name}"));
                read += usize::from(interest(&at, 0o644, 2_000) != Interest::Nothing);
            }
        }
        assert_eq!(read, 1_000);
    }
}
