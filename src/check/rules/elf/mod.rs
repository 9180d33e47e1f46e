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

use crate::check::finding::Finding;
use crate::check::subject::Subject;
use survey::Survey;

pub(super) use foreign_path::foreign_path;

/// Finds everything that the loader or the processor would reject. This is one rule, since all parts share one survey
/// of the files.
pub(super) fn programs(subject: &Subject, findings: &mut Vec<Finding>) {
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
