//! Reads from an ELF file what it runs on, which program loads it, and which libraries and symbol versions it needs and
//! defines (System V gABI, chapters 4 and 5; Linux Standard Base Core, "Symbol Versioning").
//!
//! Only program headers and the dynamic section are read, like the dynamic loader does: stripped files have nothing
//! else. Damaged input is an error and never causes a panic, a long run or high memory use, since every count and size
//! is limited.

mod dynamic;
mod facts;
mod read;
#[cfg(test)]
mod tests;

pub use facts::{
    ElfClass, ElfError, ElfFacts, ElfType, Endianness, MAX_DYNAMIC_BYTES, MAX_SEGMENTS, MAX_STRINGS, MAX_TEXT_BYTES,
    VersionNeed,
};
