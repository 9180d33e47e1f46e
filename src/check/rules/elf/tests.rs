//! What the rules of this folder say of whole images.

mod architecture;
mod libc;
mod libraries;
mod packages;
mod parts;

use crate::check::Code;
use crate::check::Finding;
use crate::check::testing::{Image, Thing, elf};
use crate::elf::ElfFacts;

const GLIBC: &str = "/lib64/ld-linux-x86-64.so.2";
const MUSL: &str = "/lib/ld-musl-x86_64.so.1";
const NOTHING: [&str; 0] = [];

fn put(image: Image, at: &str, facts: ElfFacts) -> Image {
    image.own(at, 0o755, Thing::Elf(facts))
}

fn program(needed: &[&str]) -> ElfFacts {
    elf(Some(GLIBC), needed)
}

/// All findings of this folder's codes, as `code path: message`.
fn told(image: Image) -> Vec<String> {
    let codes = [
        Code::WrongArchitecture,
        Code::ForeignArchitecture,
        Code::MissingLoader,
        Code::WrongLibc,
        Code::MissingLibrary,
        Code::LibcTooOld,
        Code::SymbolVersionMissing,
        Code::MissingPlatformPackage,
        Code::ForeignPath,
    ];
    let findings = image
        .findings()
        .into_iter()
        .filter(|finding| codes.contains(&finding.code));
    findings
        .map(|finding| format!("{} {}: {}", finding.code, finding.path, finding.message))
        .collect()
}

/// The only finding of a code.
fn only(image: Image, code: Code) -> Finding {
    let found = image.found(code);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.into_iter().next().unwrap()
}

fn evidence(finding: &Finding) -> (&str, &str) {
    (finding.expected.as_deref().unwrap(), finding.found.as_deref().unwrap())
}
