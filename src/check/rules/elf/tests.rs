//! What the rules of this folder say of whole images.

mod architecture;
mod loading;
mod packages;
mod parts;

use crate::check::code::Code;
use crate::check::finding::Finding;
use crate::check::testing::Image;

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
