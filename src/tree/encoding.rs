//! Facts as bytes, for a cache or a lock file: the same facts always give the same bytes.
//!
//! A first line, the version, the parts of the facts one after the other, and the SHA-256 of all that as 64 hexadecimal
//! digits. Numbers are LEB128 of the shortest form; lists are preceded by their length; of a path that follows another
//! one, only what differs at its end is written. Whatever is not exactly what [`Facts::encode`] writes is refused: the
//! facts are read from the base anew then.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::TreeError;
use super::facts::{FACTS_VERSION, Facts};
use super::node::{Node, NodeKind, Tree, Xattrs};
use super::packages::{Package, PackageSystem};
use crate::elf::{ElfClass, ElfFacts, ElfType, Endianness, VersionNeed};
use crate::model::{Digest, EntryPath};

const MAGIC: &[u8] = b"ocitect facts\n";

/// Hexadecimal digits of a SHA-256.
const SUM_BYTES: usize = 64;

impl Facts {
    /// The facts as bytes; not compressed.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer { bytes: MAGIC.to_vec() };
        writer.number(FACTS_VERSION.into());
        writer.paths(self.tree.len(), self.tree.nodes(), Writer::node);
        writer.option(self.passwd.as_deref());
        writer.option(self.group.as_deref());
        writer.paths(self.loader_configs.len(), self.loader_configs.iter(), |writer, bytes| writer.bytes(bytes));
        writer.paths(self.shebangs.len(), self.shebangs.iter(), |writer, line| writer.bytes(line));
        writer.paths(self.elf.len(), self.elf.iter(), Writer::elf);
        writer.list(&self.packages, Writer::package);
        let sum = Digest::of(&writer.bytes).hex();
        writer.bytes.extend_from_slice(sum.as_bytes());
        writer.bytes
    }

    /// Takes back what [`Facts::encode`] wrote.
    ///
    /// # Errors
    /// [`TreeError::Encoding`], where the bytes are damaged or of another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, TreeError> {
        decode(bytes).map_err(|Damaged(reason)| TreeError::Encoding { reason })
    }
}

struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    fn option(&mut self, bytes: Option<&[u8]>) {
        self.number(bytes.is_some().into());
        if let Some(bytes) = bytes {
            self.bytes(bytes);
        }
    }

    fn list<T>(&mut self, list: &[T], each: impl Fn(&mut Self, &T)) {
        self.number(list.len() as u64);
        list.iter().for_each(|item| each(self, item));
    }

    /// Sorted paths with what belongs to each.
    fn paths<'a, T: 'a>(
        &mut self,
        count: usize,
        items: impl Iterator<Item = (&'a EntryPath, &'a T)>,
        each: impl Fn(&mut Self, &T),
    ) {
        self.number(count as u64);
        let mut before: &[u8] = b"";
        for (path, item) in items {
            let path = path.as_bytes();
            let shared = before.iter().zip(path).take_while(|(left, right)| left == right).count();
            self.number(shared as u64);
            self.bytes(&path[shared..]);
            before = path;
            each(self, item);
        }
    }

    fn node(&mut self, node: &Node) {
        match &node.kind {
            NodeKind::Directory => self.number(0),
            NodeKind::File { size_bytes, layer, stored_at } => {
                self.number(1);
                self.number(*size_bytes);
                self.number((*layer).into());
                self.option(stored_at.as_ref().map(|path| path.as_bytes()));
            }
            NodeKind::Symlink { target } => {
                self.number(2);
                self.bytes(target);
            }
            NodeKind::Special => self.number(3),
        }
        self.number(node.mode.into());
        self.number(node.uid);
        self.number(node.gid);
        let xattrs: Vec<_> = node.xattrs.iter().flat_map(|xattrs| xattrs.iter()).collect();
        self.list(&xattrs, |writer, (name, value)| {
            writer.bytes(name);
            writer.bytes(value);
        });
    }

    fn elf(&mut self, facts: &ElfFacts) {
        self.number((facts.class == ElfClass::Elf64).into());
        self.number((facts.endianness == Endianness::Big).into());
        self.number((facts.elf_type == ElfType::Dynamic).into());
        self.number(facts.is_dynamic.into());
        self.number(facts.machine.into());
        self.number(facts.flags.into());
        self.number(facts.os_abi.into());
        for name in [&facts.interpreter, &facts.soname, &facts.rpath, &facts.runpath] {
            self.option(name.as_deref());
        }
        self.list(&facts.needed, |writer, name| writer.bytes(name));
        self.list(&facts.version_needs, |writer, need| {
            writer.bytes(&need.library);
            writer.list(&need.versions, |writer, version| writer.bytes(version));
        });
        self.list(&facts.version_definitions, |writer, version| writer.bytes(version));
    }

    fn package(&mut self, package: &Package) {
        self.number((package.system == PackageSystem::Apk).into());
        self.bytes(package.name.as_bytes());
        self.bytes(package.version.as_bytes());
    }
}

/// Why bytes are no facts.
struct Damaged(&'static str);

fn decode(bytes: &[u8]) -> Result<Facts, Damaged> {
    let end = bytes.len().checked_sub(SUM_BYTES).ok_or(Damaged("they are cut short"))?;
    let (body, sum) = bytes.split_at(end);
    let body_after_magic = body.strip_prefix(MAGIC).ok_or(Damaged("they are something else"))?;
    let mut reader = Reader { rest: body_after_magic };
    if reader.number()? != u64::from(FACTS_VERSION) {
        return Err(Damaged("they are of another version"));
    }
    if Digest::of(body).hex().as_bytes() != sum {
        return Err(Damaged("their checksum is wrong"));
    }
    let mut tree = Tree::default();
    reader.paths(Reader::node, |path, node| tree.append(path, node))?;
    let passwd = reader.option()?;
    let group = reader.option()?;
    let loader_configs = reader.map(Reader::bytes)?;
    let shebangs = reader.map(Reader::bytes)?;
    let elf = reader.map(Reader::elf)?;
    let packages = reader.list(Reader::package)?;
    if !reader.rest.is_empty() {
        return Err(Damaged("something follows them"));
    }
    if !packages.is_sorted_by(|left, right| left < right) {
        return Err(Damaged("packages are not sorted"));
    }
    Ok(Facts { tree: Arc::new(tree), passwd, group, loader_configs, shebangs, elf, packages })
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn number(&mut self) -> Result<u64, Damaged> {
        let mut value = 0u64;
        for shift in (0..u64::BITS).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(Damaged("a number is cut short"))?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(Damaged("a number is too large"));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                let is_shortest = *byte != 0 || shift == 0;
                return if is_shortest { Ok(value) } else { Err(Damaged("a number is longer than need be")) };
            }
        }
        Err(Damaged("a number is too long"))
    }

    fn small<T: TryFrom<u64>>(&mut self) -> Result<T, Damaged> {
        T::try_from(self.number()?).map_err(|_| Damaged("a number is too large"))
    }

    fn flag(&mut self) -> Result<bool, Damaged> {
        match self.number()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Damaged("a choice is none of those that there are")),
        }
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Damaged> {
        let length: usize = self.small()?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Damaged("a text is cut short"))?;
        self.rest = rest;
        Ok(bytes.to_vec())
    }

    fn text(&mut self) -> Result<String, Damaged> {
        String::from_utf8(self.bytes()?).map_err(|_| Damaged("a name is not UTF-8"))
    }

    fn option(&mut self) -> Result<Option<Vec<u8>>, Damaged> {
        if self.flag()? { self.bytes().map(Some) } else { Ok(None) }
    }

    /// Nothing is allocated by what the length says.
    fn list<T>(&mut self, each: impl Fn(&mut Self) -> Result<T, Damaged>) -> Result<Vec<T>, Damaged> {
        let count = self.number()?;
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(each(self)?);
        }
        Ok(list)
    }

    fn paths<T>(
        &mut self,
        each: impl Fn(&mut Self) -> Result<T, Damaged>,
        mut take: impl FnMut(EntryPath, T),
    ) -> Result<(), Damaged> {
        let count = self.number()?;
        let mut before: Option<Vec<u8>> = None;
        for _ in 0..count {
            let last = before.as_deref().unwrap_or_default();
            let shared: usize = self.small()?;
            let mut path = last.get(..shared).ok_or(Damaged("a path shares more than there is"))?.to_vec();
            let differing = self.bytes()?;
            if last.get(shared).is_some_and(|byte| differing.first() == Some(byte)) {
                return Err(Damaged("a path shares less than there is"));
            }
            path.extend(differing);
            if before.as_ref().is_some_and(|before| *before >= path) {
                return Err(Damaged("paths are not sorted"));
            }
            let item = each(self)?;
            take(entry_path(&path)?, item);
            before = Some(path);
        }
        Ok(())
    }

    fn map<T>(&mut self, each: impl Fn(&mut Self) -> Result<T, Damaged>) -> Result<BTreeMap<EntryPath, T>, Damaged> {
        let mut map = BTreeMap::new();
        self.paths(each, |path, item| {
            map.insert(path, item);
        })?;
        Ok(map)
    }

    fn node(&mut self) -> Result<Node, Damaged> {
        let kind = match self.number()? {
            0 => NodeKind::Directory,
            1 => {
                let (size_bytes, layer) = (self.number()?, self.small()?);
                let stored_at = self.option()?.map(|path| entry_path(&path)).transpose()?;
                NodeKind::File { size_bytes, layer, stored_at: stored_at.map(Box::new) }
            }
            2 => NodeKind::Symlink { target: self.bytes()?.into() },
            3 => NodeKind::Special,
            _ => return Err(Damaged("a node is of no known kind")),
        };
        let (mode, uid, gid) = (self.small()?, self.number()?, self.number()?);
        let pairs = self.list(|reader| Ok((reader.bytes()?, reader.bytes()?)))?;
        if !pairs.is_sorted_by(|left, right| left.0 < right.0) {
            return Err(Damaged("extended attributes are not sorted"));
        }
        let xattrs: Xattrs = pairs.into_iter().collect();
        Ok(Node { kind, mode, uid, gid, xattrs: (!xattrs.is_empty()).then(|| Box::new(xattrs)) })
    }

    fn elf(&mut self) -> Result<ElfFacts, Damaged> {
        Ok(ElfFacts {
            class: if self.flag()? { ElfClass::Elf64 } else { ElfClass::Elf32 },
            endianness: if self.flag()? { Endianness::Big } else { Endianness::Little },
            elf_type: if self.flag()? { ElfType::Dynamic } else { ElfType::Executable },
            is_dynamic: self.flag()?,
            machine: self.small()?,
            flags: self.small()?,
            os_abi: self.small()?,
            interpreter: self.option()?,
            soname: self.option()?,
            rpath: self.option()?,
            runpath: self.option()?,
            needed: self.list(Self::bytes)?,
            version_needs: self
                .list(|reader| Ok(VersionNeed { library: reader.bytes()?, versions: reader.list(Self::bytes)? }))?,
            version_definitions: self.list(Self::bytes)?,
        })
    }

    fn package(&mut self) -> Result<Package, Damaged> {
        let system = if self.flag()? { PackageSystem::Apk } else { PackageSystem::Dpkg };
        Ok(Package { system, name: self.text()?, version: self.text()? })
    }
}

/// A path that is written as such paths are.
fn entry_path(bytes: &[u8]) -> Result<EntryPath, Damaged> {
    let path = EntryPath::new(bytes).map_err(|_| Damaged("a path is none"))?;
    if path.as_bytes() == bytes { Ok(path) } else { Err(Damaged("a path is not clean")) }
}

#[cfg(test)]
mod tests;
