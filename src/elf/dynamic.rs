//! Reads the dynamic section, and the symbol version tables that it refers to.

use std::collections::{BTreeMap, BTreeSet};

use object::elf::{
    DT_NEEDED, DT_NULL, DT_RPATH, DT_RUNPATH, DT_SONAME, DT_STRSZ, DT_STRTAB, DT_VERDEF, DT_VERDEFNUM, DT_VERNEED,
    DT_VERNEEDNUM, VER_FLG_BASE, VER_FLG_WEAK, Verdaux, Verdef, Vernaux, Verneed,
};
use object::read::ReadRef;
use object::read::elf::{Dyn as _, FileHeader};

use super::facts::{ElfError, ElfFacts, MAX_STRINGS, MAX_TEXT_BYTES, Segment, VersionNeed, offset_of};

type Endian = object::Endianness;

/// The string table, and how much of it was used.
struct Names<R> {
    data: R,
    offset: u64,
    size_bytes: u64,
    count: usize,
    text_bytes: usize,
}

impl<'data, R: ReadRef<'data>> Names<R> {
    fn name(&mut self, at: u64) -> Result<Vec<u8>, ElfError> {
        const DAMAGED: ElfError = ElfError::Damaged("a name is outside of the string table");
        if at >= self.size_bytes {
            return Err(DAMAGED);
        }
        let end = self.offset.checked_add(self.size_bytes).ok_or(DAMAGED)?;
        let end = end.min(self.data.len().map_err(|()| DAMAGED)?);
        let start = self
            .offset
            .checked_add(at)
            .filter(|start| *start < end)
            .ok_or(DAMAGED)?;
        let name = self.data.read_bytes_at_until(start..end, 0).map_err(|()| DAMAGED)?;
        self.count += 1;
        self.text_bytes += name.len();
        if self.count > MAX_STRINGS {
            return Err(ElfError::OverLimit {
                what: "names",
                limit: MAX_STRINGS as u64,
            });
        }
        if self.text_bytes > MAX_TEXT_BYTES {
            return Err(ElfError::OverLimit {
                what: "bytes of names",
                limit: MAX_TEXT_BYTES as u64,
            });
        }
        Ok(name.to_vec())
    }
}

pub(super) fn read_dynamic<'data, E, R>(
    facts: &mut ElfFacts,
    endian: Endian,
    data: R,
    segments: &[Segment],
    table: &[E::Dyn],
) -> Result<(), ElfError>
where
    E: FileHeader<Endian = Endian>,
    R: ReadRef<'data>,
{
    let entries: Vec<_> = table
        .iter()
        .map(|entry| (entry.tag(endian), entry.val(endian)))
        .take_while(|(tag, _)| *tag != DT_NULL)
        .collect();
    let value = |wanted| entries.iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| *value);
    let Some(address) = value(DT_STRTAB) else {
        // A static program that relocates itself may have no names.
        return Ok(());
    };
    let (offset, room_bytes) = offset_of(segments, address)?;
    let size_bytes = value(DT_STRSZ).unwrap_or(room_bytes).min(room_bytes);
    let mut names = Names {
        data,
        offset,
        size_bytes,
        count: 0,
        text_bytes: 0,
    };
    for (tag, at) in &entries {
        match *tag {
            DT_NEEDED => facts.needed.push(names.name(*at)?),
            DT_SONAME => facts.soname = Some(names.name(*at)?),
            DT_RPATH => facts.rpath = Some(names.name(*at)?),
            DT_RUNPATH => facts.runpath = Some(names.name(*at)?),
            _ => {}
        }
    }
    if let (Some(address), Some(count)) = (value(DT_VERNEED), value(DT_VERNEEDNUM)) {
        let (offset, _) = offset_of(segments, address)?;
        facts.version_needs = version_needs(endian, &mut names, offset, count)?;
    }
    if let (Some(address), Some(count)) = (value(DT_VERDEF), value(DT_VERDEFNUM)) {
        let (offset, _) = offset_of(segments, address)?;
        facts.version_definitions = version_definitions(endian, &mut names, offset, count)?;
    }
    Ok(())
}

fn version_needs<'data, R: ReadRef<'data>>(
    endian: Endian,
    names: &mut Names<R>,
    mut offset: u64,
    count: u64,
) -> Result<Vec<VersionNeed>, ElfError> {
    const DAMAGED: ElfError = ElfError::Damaged("the versions that it needs");
    let mut needs: BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>> = BTreeMap::new();
    // Each iteration reads a name, and names are limited, so damaged input cannot make the loop long.
    for _ in 0..count {
        let need: &Verneed<Endian> = names.data.read_at(offset).map_err(|()| DAMAGED)?;
        let library = names.name(need.vn_file.get(endian).into())?;
        let mut versions = BTreeSet::new();
        let mut at = offset.checked_add(need.vn_aux.get(endian).into()).ok_or(DAMAGED)?;
        for _ in 0..need.vn_cnt.get(endian) {
            let version: &Vernaux<Endian> = names.data.read_at(at).map_err(|()| DAMAGED)?;
            let name = names.name(version.vna_name.get(endian).into())?;
            if version.vna_flags.get(endian).0 & VER_FLG_WEAK.0 == 0 {
                versions.insert(name);
            }
            at = at.checked_add(version.vna_next.get(endian).into()).ok_or(DAMAGED)?;
        }
        needs.entry(library).or_default().extend(versions);
        let next = need.vn_next.get(endian);
        if next == 0 {
            break;
        }
        offset = offset.checked_add(next.into()).ok_or(DAMAGED)?;
    }
    let need = |(library, versions): (_, BTreeSet<_>)| VersionNeed {
        library,
        versions: versions.into_iter().collect(),
    };
    Ok(needs.into_iter().map(need).collect())
}

fn version_definitions<'data, R: ReadRef<'data>>(
    endian: Endian,
    names: &mut Names<R>,
    mut offset: u64,
    count: u64,
) -> Result<Vec<Vec<u8>>, ElfError> {
    const DAMAGED: ElfError = ElfError::Damaged("the versions that it gives");
    let mut versions = BTreeSet::new();
    for _ in 0..count {
        let definition: &Verdef<Endian> = names.data.read_at(offset).map_err(|()| DAMAGED)?;
        // The first name is that of the version. The following ones are the versions that it inherits from.
        let at = offset
            .checked_add(definition.vd_aux.get(endian).into())
            .ok_or(DAMAGED)?;
        let own: &Verdaux<Endian> = names.data.read_at(at).map_err(|()| DAMAGED)?;
        let name = names.name(own.vda_name.get(endian).into())?;
        if definition.vd_flags.get(endian).0 & VER_FLG_BASE.0 == 0 {
            versions.insert(name);
        }
        let next = definition.vd_next.get(endian);
        if next == 0 {
            break;
        }
        offset = offset.checked_add(next.into()).ok_or(DAMAGED)?;
    }
    Ok(versions.into_iter().collect())
}
