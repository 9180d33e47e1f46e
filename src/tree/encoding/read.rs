//! Decodes columns to facts. Data that is not in the only valid form is damaged.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::columns::{Column, Damaged, DictionaryReader, PATHS, Reader, TARGETS, TEXTS, take_number, take_text};
use super::write::{APK, DIRECTORY, DPKG, FILE, FILE_ELSEWHERE, MAGIC, RPM, SPECIAL, SYMLINK};
use crate::elf::{ElfClass, ElfFacts, ElfType, Endianness, VersionNeed};
use crate::model::{Digest, EntryPath};
use crate::tree::facts::{FACTS_VERSION, Facts};
use crate::tree::file_tree::Tree;
use crate::tree::layers::MAX_NODES;
use crate::tree::node::{Node, NodeKind, Xattrs};
use crate::tree::packages::{Package, PackageSystem};

/// Hexadecimal digits of a SHA-256.
pub(super) const SUM_BYTES: usize = 64;

/// Greatest memory for decoded facts, in bytes: as much as for the largest image that is read from its layers.
const MAX_DECODED_BYTES: u64 = 2 * 1024 * 1024 * 1024;

pub(super) fn decode(bytes: &[u8]) -> Result<Facts, Damaged> {
    decode_within(bytes, MAX_DECODED_BYTES)
}

pub(super) fn decode_within(bytes: &[u8], limit_bytes: u64) -> Result<Facts, Damaged> {
    let end = bytes
        .len()
        .checked_sub(SUM_BYTES)
        .ok_or(Damaged("they are truncated"))?;
    let (body, sum) = bytes.split_at(end);
    let mut rest = body.strip_prefix(MAGIC).ok_or(Damaged("they are not facts"))?;
    if take_number(&mut rest)? != u64::from(FACTS_VERSION) {
        return Err(Damaged("they have another version"));
    }
    if Digest::of(body).hex().as_bytes() != sum {
        return Err(Damaged("their checksum is wrong"));
    }
    let mut decoder = Decoder {
        reader: Reader::new(rest, limit_bytes)?,
        names: DictionaryReader::default(),
    };
    let tree = decoder.tree()?;
    let passwd = decoder.option()?;
    let group = decoder.option()?;
    let loader_configs = decoder.map(&tree, |decoder| Ok(decoder.reader.text(TEXTS)?.to_vec()))?;
    let shebangs = decoder.map(&tree, Decoder::name)?;
    let elf = decoder.map(&tree, Decoder::elf)?;
    let packages = decoder.list(Decoder::package)?;
    if !packages.is_sorted_by(|left, right| left < right) {
        return Err(Damaged("packages are not sorted"));
    }
    decoder.reader.finish()?;
    Ok(Facts {
        tree: Arc::new(tree),
        passwd,
        group,
        loader_configs,
        shebangs,
        elf,
        packages,
    })
}

struct Decoder<'a> {
    reader: Reader<'a>,
    names: DictionaryReader<'a>,
}

impl<'a> Decoder<'a> {
    fn option(&mut self) -> Result<Option<Vec<u8>>, Damaged> {
        if self.reader.flag()? {
            Ok(Some(self.reader.text(TEXTS)?.to_vec()))
        } else {
            Ok(None)
        }
    }

    fn list<T>(&mut self, each: impl Fn(&mut Self) -> Result<T, Damaged>) -> Result<Vec<T>, Damaged> {
        let count = self.reader.number(Column::Counts)?;
        let mut list = Vec::new();
        for _ in 0..count {
            self.reader.spend(0)?;
            list.push(each(self)?);
        }
        Ok(list)
    }

    fn name(&mut self) -> Result<Vec<u8>, Damaged> {
        Ok(self.names.read(&mut self.reader, Column::Names)?.to_vec())
    }

    fn tree(&mut self) -> Result<Tree, Damaged> {
        let count = self.reader.number(Column::Counts)?;
        if count > MAX_NODES {
            return Err(Damaged("they have too many nodes"));
        }
        let mut tree = Tree::default();
        let mut attributes = DictionaryReader::default();
        let mut before: Option<EntryPath> = None;
        for _ in 0..count {
            let path = self.next_path(before.as_ref())?;
            let node = self.node(&mut attributes)?;
            before = Some(path.clone());
            tree.append(path, node);
        }
        Ok(tree)
    }

    fn next_path(&mut self, before: Option<&EntryPath>) -> Result<EntryPath, Damaged> {
        let last = before.map(EntryPath::as_bytes).unwrap_or_default();
        let shared = usize::try_from(self.reader.number(Column::Shared)?).ok();
        let start = shared.and_then(|shared| last.get(..shared));
        let start = start.ok_or(Damaged("a path shares too much with the one before"))?;
        let end = self.reader.text(PATHS)?;
        self.reader.spend(start.len())?;
        if last.get(start.len()).is_some_and(|byte| end.first() == Some(byte)) {
            return Err(Damaged("a path shares too little with the one before"));
        }
        let path = entry_path(&[start, end].concat())?;
        if before.is_some_and(|before| *before >= path) {
            return Err(Damaged("paths are not sorted"));
        }
        Ok(path)
    }

    fn node(&mut self, attributes: &mut DictionaryReader<'a>) -> Result<Node, Damaged> {
        let mut rest = attributes.read(&mut self.reader, Column::Nodes)?;
        let kind = match take_number(&mut rest)? {
            DIRECTORY => NodeKind::Directory,
            kind @ (FILE | FILE_ELSEWHERE) => {
                let layer = small(take_number(&mut rest)?)?;
                let size_bytes = self.reader.number(Column::Sizes)?;
                let stored_at = match kind {
                    FILE => None,
                    _ => Some(Box::new(entry_path(self.reader.text(TARGETS)?)?)),
                };
                NodeKind::File {
                    size_bytes,
                    layer,
                    stored_at,
                }
            }
            SYMLINK => NodeKind::Symlink {
                target: self.reader.text(TARGETS)?.into(),
            },
            SPECIAL => NodeKind::Special,
            _ => return Err(Damaged("a node has an unknown kind")),
        };
        let mode = small(take_number(&mut rest)?)?;
        let uid = take_number(&mut rest)?;
        let gid = take_number(&mut rest)?;
        let mut xattrs = Xattrs::new();
        while !rest.is_empty() {
            let name = take_text(&mut rest)?;
            let value = take_text(&mut rest)?;
            if xattrs.last_key_value().is_some_and(|(last, _)| &last[..] >= name) {
                return Err(Damaged("extended attributes are not sorted"));
            }
            xattrs.insert(name.to_vec(), value.to_vec());
        }
        Ok(Node {
            kind,
            mode,
            uid,
            gid,
            xattrs: (!xattrs.is_empty()).then(|| Box::new(xattrs)),
        })
    }

    fn map<T>(
        &mut self,
        tree: &Tree,
        each: impl Fn(&mut Self) -> Result<T, Damaged>,
    ) -> Result<BTreeMap<EntryPath, T>, Damaged> {
        let count = self.reader.number(Column::Counts)?;
        let mut map = BTreeMap::new();
        let mut nodes = tree.nodes().map(|(path, _)| path);
        for _ in 0..count {
            self.reader.spend(0)?;
            let path = match self.reader.number(Column::References)? {
                0 => {
                    let path = entry_path(self.reader.text(TEXTS)?)?;
                    match tree.node(&path) {
                        Some(_) => return Err(Damaged("a path of the tree is repeated")),
                        None => path,
                    }
                }
                steps => {
                    let node = usize::try_from(steps - 1).ok().and_then(|passed| nodes.nth(passed));
                    node.ok_or(Damaged("a path is not in the tree"))?.clone()
                }
            };
            if map.last_key_value().is_some_and(|(last, _)| *last >= path) {
                return Err(Damaged("paths are not sorted"));
            }
            let item = each(self)?;
            map.insert(path, item);
        }
        Ok(map)
    }

    fn elf(&mut self) -> Result<ElfFacts, Damaged> {
        let mut header = self.names.read(&mut self.reader, Column::Names)?;
        let optional = |decoder: &mut Self| {
            Ok(if decoder.reader.flag()? {
                Some(decoder.name()?)
            } else {
                None
            })
        };
        let facts = ElfFacts {
            class: if flag(&mut header)? {
                ElfClass::Elf64
            } else {
                ElfClass::Elf32
            },
            endianness: if flag(&mut header)? {
                Endianness::Big
            } else {
                Endianness::Little
            },
            elf_type: if flag(&mut header)? {
                ElfType::Dynamic
            } else {
                ElfType::Executable
            },
            is_dynamic: flag(&mut header)?,
            machine: small(take_number(&mut header)?)?,
            flags: small(take_number(&mut header)?)?,
            os_abi: small(take_number(&mut header)?)?,
            interpreter: optional(self)?,
            soname: optional(self)?,
            rpath: optional(self)?,
            runpath: optional(self)?,
            needed: self.list(Self::name)?,
            version_needs: self.list(|decoder| {
                Ok(VersionNeed {
                    library: decoder.name()?,
                    versions: decoder.list(Self::name)?,
                })
            })?,
            version_definitions: self.list(Self::name)?,
        };
        if header.is_empty() {
            Ok(facts)
        } else {
            Err(Damaged("an ELF file has too many numbers"))
        }
    }

    fn package(&mut self) -> Result<Package, Damaged> {
        let system = match self.reader.number(Column::Counts)? {
            DPKG => PackageSystem::Dpkg,
            APK => PackageSystem::Apk,
            RPM => PackageSystem::Rpm,
            _ => return Err(Damaged("a package has an unknown system")),
        };
        Ok(Package {
            system,
            name: self.utf8()?,
            version: self.utf8()?,
        })
    }

    fn utf8(&mut self) -> Result<String, Damaged> {
        String::from_utf8(self.reader.text(TEXTS)?.to_vec()).map_err(|_| Damaged("a name is not UTF-8"))
    }
}

fn small<T: TryFrom<u64>>(number: u64) -> Result<T, Damaged> {
    T::try_from(number).map_err(|_| Damaged("a number is too large"))
}

fn flag(rest: &mut &[u8]) -> Result<bool, Damaged> {
    match take_number(rest)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Damaged("unknown choice")),
    }
}

/// Returns a path if it is written in its clean form.
fn entry_path(bytes: &[u8]) -> Result<EntryPath, Damaged> {
    let path = EntryPath::new(bytes).map_err(|_| Damaged("a path is invalid"))?;
    if path.as_bytes() == bytes {
        Ok(path)
    } else {
        Err(Damaged("a path is not normalized"))
    }
}
