//! What an ELF file says of itself: what it runs on, what loads it, and which libraries and symbol versions it needs
//! and gives (System V gABI, chapters 4 and 5; Linux Standard Base Core, "Symbol Versioning").
//!
//! Only program headers and the dynamic section are read, as the dynamic loader reads them: stripped files have no
//! others. Damaged input ends in an error, never in a panic, a long run or much memory: every count and size has a
//! bound.

mod dynamic;
mod facts;
#[cfg(test)]
mod tests;

pub use facts::{
    ElfClass, ElfError, ElfFacts, ElfType, Endianness, MAX_DYNAMIC_BYTES, MAX_SEGMENTS, MAX_STRINGS, MAX_TEXT_BYTES,
    VersionNeed,
};
