//! Which ELF files a platform's processor runs, and which dynamic loaders it has (the processor supplements of the
//! System V ABI; elf(5)).

use crate::elf::{ElfClass, ElfFacts, Endianness};
use crate::model::Platform;

/// The C library that a program is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Libc {
    /// The GNU C library.
    Glibc,
    /// musl.
    Musl,
}

impl Libc {
    /// Returns `glibc` or `musl`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Glibc => "glibc",
            Self::Musl => "musl",
        }
    }

    /// Returns the C library that a dynamic loader belongs to, by its file name.
    pub fn of_loader(name: &[u8]) -> Option<Self> {
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix.as_bytes()));
        if starts(&["ld-musl-", "libc.musl-"]) || name == b"libc.so" {
            Some(Self::Musl)
        } else if starts(&["ld-linux", "ld64.so.", "ld.so.", "ld-2."]) {
            Some(Self::Glibc)
        } else {
            None
        }
    }
}

/// A processor architecture, as described by ELF headers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Architecture {
    /// GOARCH.
    pub(super) name: &'static str,
    /// The name that the processor's documentation uses.
    label: &'static str,
    class: ElfClass,
    endianness: Endianness,
    machine: u16,
    /// Debian's multiarch tuples of it.
    pub(super) tuples: &'static [&'static str],
    glibc_loaders: &'static [&'static str],
    musl_loaders: &'static [&'static str],
}

/// `e_machine` of those whose flags matter.
const EM_ARM: u16 = 40;
const EM_RISCV: u16 = 243;
const EM_LOONGARCH: u16 = 258;
const EM_PPC64: u16 = 21;

/// Flags of arm's EABI 5: how floating point numbers are passed. Neither is set in files that pass none.
const EF_ARM_ABI_FLOAT_SOFT: u32 = 0x200;
const EF_ARM_ABI_FLOAT_HARD: u32 = 0x400;
const EF_RISCV_FLOAT_ABI: u32 = 0x6;
const EF_RISCV_FLOAT_ABI_DOUBLE: u32 = 0x4;
const EF_LOONGARCH_ABI_MODIFIER: u32 = 0x7;
const EF_LOONGARCH_ABI_DOUBLE: u32 = 0x3;
const EF_PPC64_ABI: u32 = 0x3;

macro_rules! architectures {
    ($($name:literal $label:literal $class:ident $order:ident $machine:literal
       [$($tuple:literal)*] [$($glibc:literal)*] [$($musl:literal)*])*) => {
        const ARCHITECTURES: &[Architecture] = &[$(Architecture {
            name: $name,
            label: $label,
            class: ElfClass::$class,
            endianness: Endianness::$order,
            machine: $machine,
            tuples: &[$($tuple),*],
            glibc_loaders: &[$($glibc),*],
            musl_loaders: &[$($musl),*],
        }),*];
    };
}

architectures! {
    "amd64" "x86-64" Elf64 Little 62
        ["x86_64-linux-gnu"] ["lib64/ld-linux-x86-64.so.2"] ["lib/ld-musl-x86_64.so.1"]
    "386" "x86" Elf32 Little 3
        ["i386-linux-gnu"] ["lib/ld-linux.so.2"] ["lib/ld-musl-i386.so.1"]
    "arm64" "AArch64" Elf64 Little 183
        ["aarch64-linux-gnu"] ["lib/ld-linux-aarch64.so.1"] ["lib/ld-musl-aarch64.so.1"]
    "arm" "ARM" Elf32 Little 40
        ["arm-linux-gnueabihf" "arm-linux-gnueabi"] ["lib/ld-linux-armhf.so.3" "lib/ld-linux.so.3"]
        ["lib/ld-musl-armhf.so.1" "lib/ld-musl-arm.so.1"]
    "ppc64le" "PowerPC64" Elf64 Little 21
        ["powerpc64le-linux-gnu"] ["lib64/ld64.so.2"] ["lib/ld-musl-powerpc64le.so.1"]
    "s390x" "IBM Z" Elf64 Big 22
        ["s390x-linux-gnu"] ["lib/ld64.so.1"] ["lib/ld-musl-s390x.so.1"]
    "riscv64" "RISC-V" Elf64 Little 243
        ["riscv64-linux-gnu"] ["lib/ld-linux-riscv64-lp64d.so.1"] ["lib/ld-musl-riscv64.so.1"]
    "loong64" "LoongArch" Elf64 Little 258
        ["loongarch64-linux-gnu"] ["lib64/ld-linux-loongarch-lp64d.so.1"] ["lib/ld-musl-loongarch64.so.1"]
    "mips64le" "MIPS" Elf64 Little 8 ["mips64el-linux-gnuabi64"] ["lib64/ld.so.1"] ["lib/ld-musl-mips64el.so.1"]
    "mipsle" "MIPS" Elf32 Little 8 ["mipsel-linux-gnu"] ["lib/ld.so.1"] ["lib/ld-musl-mipsel.so.1"]
    "mips64" "MIPS" Elf64 Big 8 ["mips64-linux-gnuabi64"] ["lib64/ld.so.1"] ["lib/ld-musl-mips64.so.1"]
    "mips" "MIPS" Elf32 Big 8 ["mips-linux-gnu"] ["lib/ld.so.1"] ["lib/ld-musl-mips.so.1"]
    "ppc64" "PowerPC64" Elf64 Big 21 ["powerpc64-linux-gnu"] ["lib64/ld64.so.1"] ["lib/ld-musl-powerpc64.so.1"]
    "ppc" "PowerPC" Elf32 Big 20 ["powerpc-linux-gnu"] ["lib/ld.so.1"] ["lib/ld-musl-powerpc.so.1"]
    "sparc64" "SPARC" Elf64 Big 43 ["sparc64-linux-gnu"] ["lib64/ld-linux.so.2"] []
}

impl Architecture {
    /// Returns the architecture that an ELF file is built for; `None` if Linux does not run on it.
    pub(super) fn of(facts: &ElfFacts) -> Option<&'static Self> {
        ARCHITECTURES.iter().find(|known| known.is_of(facts))
    }

    /// Returns the architecture of a Linux platform.
    pub(super) fn of_platform(platform: &Platform) -> Option<&'static Self> {
        let known = |known: &&Self| platform.os == "linux" && known.name == platform.architecture;
        ARCHITECTURES.iter().find(known)
    }

    fn is_of(&self, facts: &ElfFacts) -> bool {
        (self.class, self.endianness, self.machine) == (facts.class, facts.endianness, facts.machine)
    }

    /// Returns the paths where programs of this architecture expect their loader.
    pub(super) fn loaders(&self, libc: Libc) -> &'static [&'static str] {
        match libc {
            Libc::Glibc => self.glibc_loaders,
            Libc::Musl => self.musl_loaders,
        }
    }

    /// Returns `true` if its processors commonly run `other`'s programs too.
    fn also_runs(&self, other: &Self) -> bool {
        matches!((self.name, other.name), ("amd64", "386") | ("arm64", "arm"))
    }
}

/// How an ELF file goes with a platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is built for it.
    Exact,
    /// The processor runs it; whether the image does depends on the loader and libraries that it brings.
    Companion,
    /// It is built for another processor.
    Foreign,
    /// It is for no processor of a computer (a GPU's code), or the platform is not known.
    Unknown,
}

/// Compares an ELF file with a platform, by the header alone.
pub(super) fn fit(platform: &Platform, facts: &ElfFacts) -> Fit {
    let (Some(wanted), Some(found)) = (Architecture::of_platform(platform), Architecture::of(facts)) else {
        return Fit::Unknown;
    };
    if wanted != found {
        return if wanted.also_runs(found) {
            Fit::Companion
        } else {
            Fit::Foreign
        };
    }
    if fits_flags(platform, facts) {
        Fit::Exact
    } else if facts.machine == EM_ARM {
        Fit::Companion
    } else {
        Fit::Foreign
    }
}

/// Compares the flags, which define how arguments are passed between a program and its libraries. A program without
/// libraries runs in any case.
fn fits_flags(platform: &Platform, facts: &ElfFacts) -> bool {
    let is_alone = facts.interpreter.is_none() && facts.needed.is_empty();
    let flags = facts.flags;
    is_alone
        || match facts.machine {
            // v6 is soft in Debian's world and hard in Alpine's.
            EM_ARM => match platform.effective_variant() {
                Some("v5") => flags & EF_ARM_ABI_FLOAT_HARD == 0,
                Some("v7") => flags & EF_ARM_ABI_FLOAT_SOFT == 0,
                _ => true,
            },
            EM_RISCV => flags & EF_RISCV_FLOAT_ABI == EF_RISCV_FLOAT_ABI_DOUBLE,
            EM_LOONGARCH => matches!(flags & EF_LOONGARCH_ABI_MODIFIER, 0 | EF_LOONGARCH_ABI_DOUBLE),
            EM_PPC64 if facts.endianness == Endianness::Little => flags & EF_PPC64_ABI != 1,
            _ => true,
        }
}

/// Returns the GOARCH of the processor that an ELF file is built for; `None` if Linux does not run on it.
pub fn architecture_of(facts: &ElfFacts) -> Option<&'static str> {
    Architecture::of(facts).map(|architecture| architecture.name)
}

/// Returns the target of an ELF file, by GOARCH: `arm64`, `arm with soft float`.
pub(super) fn made_for(facts: &ElfFacts) -> String {
    let Some(architecture) = Architecture::of(facts) else {
        return format!("ELF machine {}", facts.machine);
    };
    let float = match facts.machine {
        EM_ARM if facts.flags & EF_ARM_ABI_FLOAT_SOFT != 0 => " with soft float",
        EM_ARM if facts.flags & EF_ARM_ABI_FLOAT_HARD != 0 => " with hard float",
        EM_RISCV if facts.flags & EF_RISCV_FLOAT_ABI != EF_RISCV_FLOAT_ABI_DOUBLE => " without double float",
        EM_LOONGARCH if !matches!(facts.flags & EF_LOONGARCH_ABI_MODIFIER, 0 | EF_LOONGARCH_ABI_DOUBLE) => {
            " without double float"
        }
        EM_PPC64 if facts.endianness == Endianness::Little && facts.flags & EF_PPC64_ABI == 1 => " of ABI version 1",
        _ => "",
    };
    format!("{}{float}", architecture.name)
}

/// Returns a description of an ELF header: `AArch64, 64 bits, little-endian`.
pub(super) fn header_text(facts: &ElfFacts) -> String {
    let label = Architecture::of(facts).map_or_else(|| format!("machine {}", facts.machine), |it| it.label.to_owned());
    format!("{label}, {}", width_and_order(facts.class, facts.endianness))
}

/// Returns the description of the header that a file for a platform would have.
pub(super) fn expected_header_text(platform: &Platform) -> String {
    let Some(known) = Architecture::of_platform(platform) else {
        return platform.to_string();
    };
    format!("{}, {}", known.label, width_and_order(known.class, known.endianness))
}

fn width_and_order(class: ElfClass, endianness: Endianness) -> String {
    let bits = if class == ElfClass::Elf64 { 64 } else { 32 };
    let order = if endianness == Endianness::Little {
        "little"
    } else {
        "big"
    };
    format!("{bits} bits, {order}-endian")
}

#[cfg(test)]
mod tests {
    use super::super::testing::elf;
    use super::*;

    fn made(class: ElfClass, endianness: Endianness, machine: u16, flags: u32) -> ElfFacts {
        ElfFacts {
            class,
            endianness,
            machine,
            flags,
            ..elf(None, &["libc.so.6"])
        }
    }

    fn fit_of(platform: &str, facts: &ElfFacts) -> Fit {
        fit(&platform.parse().unwrap(), facts)
    }

    #[test]
    fn class_order_and_machine_must_all_be_right() {
        use {ElfClass::*, Endianness::*};
        for (platform, class, order, machine) in [
            ("linux/amd64", Elf64, Little, 62),
            ("linux/386", Elf32, Little, 3),
            ("linux/arm64", Elf64, Little, 183),
            ("linux/arm64/v8", Elf64, Little, 183),
            ("linux/arm/v7", Elf32, Little, 40),
            ("linux/s390x", Elf64, Big, 22),
            ("linux/ppc64le", Elf64, Little, 21),
            ("linux/mips64le", Elf64, Little, 8),
        ] {
            assert_eq!(
                fit_of(platform, &made(class, order, machine, 0)),
                Fit::Exact,
                "{platform}"
            );
            let (other_class, other_order) = match (class, order) {
                (Elf64, Little) => (Elf32, Big),
                (Elf64, Big) => (Elf32, Little),
                (Elf32, Little) => (Elf64, Big),
                (Elf32, Big) => (Elf64, Little),
            };
            assert_ne!(
                fit_of(platform, &made(other_class, order, machine, 0)),
                Fit::Exact,
                "{platform}"
            );
            assert_ne!(
                fit_of(platform, &made(class, other_order, machine, 0)),
                Fit::Exact,
                "{platform}"
            );
        }
        assert_eq!(fit_of("linux/amd64", &made(Elf64, Little, 183, 0)), Fit::Foreign);
        assert_eq!(fit_of("linux/arm64", &made(Elf64, Little, 62, 0)), Fit::Foreign);
    }

    #[test]
    fn processors_that_run_an_older_one_too_are_companions() {
        use {ElfClass::Elf32, Endianness::Little};
        assert_eq!(fit_of("linux/amd64", &made(Elf32, Little, 3, 0)), Fit::Companion);
        assert_eq!(
            fit_of("linux/arm64", &made(Elf32, Little, 40, 0x0500_0400)),
            Fit::Companion
        );
        assert_eq!(fit_of("linux/386", &made(ElfClass::Elf64, Little, 62, 0)), Fit::Foreign);
    }

    #[test]
    fn float_abis_are_told_apart_where_libraries_are_called() {
        use {ElfClass::*, Endianness::Little};
        let arm = |flags| made(Elf32, Little, 40, flags);
        let soft = arm(0x0500_0200);
        let hard = arm(0x0500_0400);
        let none = arm(0x0500_0002);
        for (platform, facts, wanted) in [
            ("linux/arm/v7", &hard, Fit::Exact),
            ("linux/arm", &soft, Fit::Companion),
            ("linux/arm/v7", &none, Fit::Exact),
            ("linux/arm/v6", &soft, Fit::Exact),
            ("linux/arm/v6", &hard, Fit::Exact),
            ("linux/arm/v5", &soft, Fit::Exact),
            ("linux/arm/v5", &hard, Fit::Companion),
        ] {
            assert_eq!(fit_of(platform, facts), wanted, "{platform} {:x}", facts.flags);
        }
        let alone = ElfFacts {
            needed: Vec::new(),
            ..soft.clone()
        };
        assert_eq!(fit_of("linux/arm/v7", &alone), Fit::Exact);
        assert_eq!(made_for(&soft), "arm with soft float");
        assert_eq!(fit_of("linux/riscv64", &made(Elf64, Little, 243, 0x5)), Fit::Exact);
        assert_eq!(fit_of("linux/riscv64", &made(Elf64, Little, 243, 0x1)), Fit::Foreign);
        assert_eq!(fit_of("linux/ppc64le", &made(Elf64, Little, 21, 2)), Fit::Exact);
        assert_eq!(fit_of("linux/ppc64le", &made(Elf64, Little, 21, 1)), Fit::Foreign);
    }

    #[test]
    fn what_cannot_be_known_is_unknown() {
        use {ElfClass::Elf64, Endianness::Little};
        assert_eq!(
            fit_of("linux/amd64", &made(Elf64, Little, 224, 0)),
            Fit::Unknown,
            "a GPU"
        );
        assert_eq!(fit_of("linux/unheard", &made(Elf64, Little, 62, 0)), Fit::Unknown);
        assert_eq!(fit_of("windows/amd64", &made(Elf64, Little, 62, 0)), Fit::Unknown);
    }

    #[test]
    fn loaders_tell_their_c_library() {
        for known in ARCHITECTURES {
            for libc in [Libc::Glibc, Libc::Musl] {
                for path in known.loaders(libc) {
                    let name = path.rsplit('/').next().unwrap();
                    assert_eq!(Libc::of_loader(name.as_bytes()), Some(libc), "{path}");
                }
            }
        }
        assert_eq!(Libc::of_loader(b"linker64"), None);
    }
}
