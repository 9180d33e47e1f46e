//! ELF programs and libraries: whether they are built for this platform, and whether the image's loader can load them.

mod alternatives;
mod architecture;
mod debian;
mod excuses;
mod foreign;
mod foreign_path;
mod groups;
mod libc;
mod libraries;
mod loading;
mod opened;
mod optional;
mod packages;
mod platform_packages;
mod python_tags;
mod severity;
mod survey;
#[cfg(test)]
mod tests;
mod versions;
mod words;

use crate::check::evidence::{Interest, is_library_name};
use crate::check::{Code, Finding, Rule, Subject};
use crate::model::EntryPath;
use survey::Survey;

pub(super) use foreign_path::RULE as FOREIGN_PATH;

/// Reads programs, libraries, and the search configuration of the dynamic loader.
fn interest(path: &EntryPath, mode: u32) -> Interest {
    let name = path.file_name();
    let folder = path.parent_bytes();
    let is_loader_config = path.as_bytes() == b"etc/ld.so.conf"
        || folder == b"etc/ld.so.conf.d"
        || (folder == b"etc" && name.starts_with(b"ld-musl-"));
    if is_loader_config {
        Interest::Whole
    } else if is_library_name(name) {
        Interest::Program
    } else {
        Interest::of_program(mode)
    }
}

/// The rule of [`programs`].
pub(super) const PROGRAMS: Rule = Rule::new(
    &[
        Code::ForeignArchitecture,
        Code::LibcTooOld,
        Code::MissingLibrary,
        Code::MissingLoader,
        Code::MissingPlatformPackage,
        Code::SymbolVersionMissing,
        Code::WrongArchitecture,
        Code::WrongLibc,
    ],
    programs,
)
.reading(interest);

/// Finds everything that the loader or the processor would reject. This is one rule, since all parts share one survey
/// of the files.
fn programs(subject: &Subject, findings: &mut Vec<Finding>) {
    let Some(survey) = Survey::of(subject) else { return };
    let mut foreign = architecture::wrong_architecture(&survey, findings);
    let problems = alternatives::without_alternatives(&survey, loading::problems(&survey));
    foreign.extend(libc::wrong_libc(&survey, &problems, findings));
    libc::missing_loader(&survey, &problems, findings);
    libraries::missing_library(&survey, &problems, findings);
    versions::missing_versions(&survey, &problems, findings);
    foreign::foreign_architecture(&survey, foreign, findings);
    platform_packages::missing_platform_package(&survey, findings);
    python_tags::foreign_python(&survey, findings);
}
