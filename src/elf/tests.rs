use object::read::ReadCache;

use super::*;

/// Returns a 64-bit little-endian file with these dynamic entries and one segment for the whole file. Names are given
/// by their position in `strings`; the position of the string table is filled in.
fn elf64(machine: u16, interpreter: Option<&[u8]>, dynamic: &[(u64, u64)], strings: &[u8], versions: &[u8]) -> Vec<u8> {
    let header_end = 64 + 3 * 56;
    let interpreter_bytes = interpreter.map(|path| [path, b"\0"].concat()).unwrap_or_default();
    let interp_at = header_end as u64;
    let dynamic_at = interp_at + interpreter_bytes.len() as u64;
    let dynamic_bytes = 16 * (dynamic.len() as u64 + 3);
    let strings_at = dynamic_at + dynamic_bytes;
    let versions_at = strings_at + strings.len() as u64;
    let end = versions_at + versions.len() as u64;

    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend(3u16.to_le_bytes());
    file.extend(machine.to_le_bytes());
    file.extend(1u32.to_le_bytes());
    file.extend(0u64.to_le_bytes());
    file.extend(64u64.to_le_bytes());
    file.extend(0u64.to_le_bytes());
    file.extend(0x1234u32.to_le_bytes());
    for field in [64u16, 56, 3, 64, 0, 0] {
        file.extend(field.to_le_bytes());
    }
    let mut segment = |kind: u32, offset: u64, address: u64, size: u64| {
        file.extend(kind.to_le_bytes());
        file.extend(4u32.to_le_bytes());
        for field in [offset, address, address, size, size, 1] {
            file.extend(field.to_le_bytes());
        }
    };
    // The address differs from the offset, as in real files.
    segment(1, 0, 0x1_0000, end);
    segment(
        if interpreter.is_some() { 3 } else { 4 },
        interp_at,
        0,
        interpreter_bytes.len() as u64,
    );
    segment(2, dynamic_at, 0x1_0000 + dynamic_at, dynamic_bytes);
    file.extend(interpreter_bytes);
    let tables = [(5, 0x1_0000 + strings_at), (10, strings.len() as u64), (0, 0)];
    for (tag, value) in dynamic.iter().copied().chain(tables) {
        // Tags of version tables contain an address.
        let value = if matches!(tag, 0x6fff_fffe | 0x6fff_fffc) {
            0x1_0000 + versions_at + value
        } else {
            value
        };
        file.extend(tag.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend(strings);
    file.extend(versions);
    file
}

const STRINGS: &[u8] = b"\0libc.so.6\0libm.so.6\0libx.so.1\0/a:/b\0$ORIGIN\0GLIBC_2.34\0GLIBC_2.17\0X_1\0X_2\0";

fn at(name: &str) -> u32 {
    let wanted = [b"\0", name.as_bytes(), b"\0"].concat();
    STRINGS.windows(wanted.len()).position(|found| found == wanted).unwrap() as u32 + 1
}

fn sample() -> Vec<u8> {
    let mut versions = Vec::new();
    // One library with three versions, the last of them weak.
    for field in [1u16, 3] {
        versions.extend(field.to_le_bytes());
    }
    for field in [at("libc.so.6"), 16, 0] {
        versions.extend(field.to_le_bytes());
    }
    for (name, weak, next) in [("GLIBC_2.34", 0u8, 16u32), ("GLIBC_2.17", 0, 16), ("X_1", 2, 0)] {
        versions.extend([0, 0, 0, 0, weak, 0, 0, 0]);
        versions.extend(at(name).to_le_bytes());
        versions.extend(next.to_le_bytes());
    }
    // Three definitions with one name each; the first is the base.
    let definitions_at = versions.len() as u64;
    for (name, flags, next) in [("libx.so.1", 1u16, 28u32), ("X_2", 0, 28), ("X_1", 0, 0)] {
        for field in [1u16, flags, 1, 1] {
            versions.extend(field.to_le_bytes());
        }
        for field in [0u32, 20, next, at(name), 0] {
            versions.extend(field.to_le_bytes());
        }
    }
    let name = |text| u64::from(at(text));
    let dynamic = [
        (1, name("libm.so.6")),
        (1, name("libc.so.6")),
        (14, name("libx.so.1")),
        (15, name("/a:/b")),
        (29, name("$ORIGIN")),
        (0x6fff_fffe, 0),
        (0x6fff_ffff, 1),
        (0x6fff_fffc, definitions_at),
        (0x6fff_fffd, 3),
    ];
    elf64(183, Some(b"/lib/ld-linux-aarch64.so.1"), &dynamic, STRINGS, &versions)
}

#[test]
fn everything_that_the_loader_looks_at_is_read() {
    let facts = ElfFacts::read(&sample()[..]).unwrap().unwrap();
    assert_eq!(
        (facts.class, facts.endianness, facts.elf_type),
        (ElfClass::Elf64, Endianness::Little, ElfType::Dynamic)
    );
    assert_eq!((facts.machine, facts.flags, facts.os_abi), (183, 0x1234, 0));
    assert_eq!(facts.interpreter.as_deref(), Some(&b"/lib/ld-linux-aarch64.so.1"[..]));
    assert_eq!(facts.needed, [b"libm.so.6", b"libc.so.6"]);
    assert_eq!(facts.soname.as_deref(), Some(&b"libx.so.1"[..]));
    assert_eq!(facts.rpath.as_deref(), Some(&b"/a:/b"[..]));
    assert_eq!(facts.runpath.as_deref(), Some(&b"$ORIGIN"[..]));
    let versions = vec![b"GLIBC_2.17".to_vec(), b"GLIBC_2.34".to_vec()];
    assert_eq!(
        facts.version_needs,
        [VersionNeed {
            library: b"libc.so.6".to_vec(),
            versions
        }]
    );
    assert_eq!(facts.version_definitions, [b"X_1", b"X_2"]);
}

#[test]
fn this_test_needs_the_c_library() {
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    let cache = ReadCache::new(file);
    let facts = ElfFacts::read(&cache).unwrap().unwrap();
    assert!(facts.interpreter.is_some());
    assert!(facts.needed.contains(&b"libc.so.6".to_vec()));
    let libc = facts
        .version_needs
        .iter()
        .find(|need| need.library == b"libc.so.6")
        .unwrap();
    assert!(libc.versions.iter().all(|version| version.starts_with(b"GLIBC_")));
}

#[test]
fn what_is_no_program_and_no_library_has_no_facts() {
    assert_eq!(ElfFacts::read(&b""[..]), Ok(None));
    assert_eq!(ElfFacts::read(&b"#!/bin/sh\n exec something\n"[..]), Ok(None));
    let mut object = sample();
    object[16] = 1;
    assert_eq!(ElfFacts::read(&object[..]), Ok(None));
}

#[test]
fn a_program_without_dynamic_section_is_static() {
    let mut file = sample();
    file[64 + 2 * 56] = 4;
    let facts = ElfFacts::read(&file[..]).unwrap().unwrap();
    assert!(!facts.is_dynamic && facts.needed.is_empty());
}

#[test]
fn every_cut_and_every_altered_byte_is_survived() {
    let whole = sample();
    for length in 0..whole.len() {
        let _ = ElfFacts::read(&whole[..length]);
    }
    for index in 0..whole.len() {
        for value in [0, 0x7f, 0xff] {
            let mut altered = whole.clone();
            altered[index] = value;
            let in_memory = ElfFacts::read(&altered[..]);
            let cache = ReadCache::new(std::io::Cursor::new(altered));
            assert_eq!(
                ElfFacts::read(&cache).is_ok(),
                in_memory.is_ok(),
                "byte {index} as {value}"
            );
        }
    }
}

#[test]
fn counts_are_bounded() {
    let endless: Vec<(u64, u64)> = vec![(1, 1); MAX_STRINGS + 1];
    let file = elf64(62, None, &endless, STRINGS, b"");
    assert!(matches!(
        ElfFacts::read(&file[..]),
        Err(ElfError::OverLimit { what: "names", .. })
    ));
    let large: Vec<(u64, u64)> = vec![(0x100, 0); MAX_DYNAMIC_BYTES as usize / 16];
    let file = elf64(62, None, &large, STRINGS, b"");
    assert!(matches!(
        ElfFacts::read(&file[..]),
        Err(ElfError::OverLimit {
            what: "a dynamic section",
            ..
        })
    ));
    let mut many = sample();
    many[56..58].copy_from_slice(&2000u16.to_le_bytes());
    assert!(matches!(
        ElfFacts::read(&many[..]),
        Err(ElfError::OverLimit {
            what: "program headers",
            ..
        })
    ));
    // A table without an end.
    let mut endless = [0; 16];
    endless[8..12].copy_from_slice(&16u32.to_le_bytes());
    let file = elf64(
        62,
        None,
        &[(0x6fff_fffe, 0), (0x6fff_ffff, u64::MAX)],
        STRINGS,
        &endless.repeat(2),
    );
    assert!(ElfFacts::read(&file[..]).is_ok());
}
