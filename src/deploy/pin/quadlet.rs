//! Quadlets: units of systemd (systemd.syntax(7)) from which podman makes services (podman-systemd.unit(5)).

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::super::listed::shown;
use super::super::problem::{FileError, Problem};
use super::super::text_file::TextFile;
use super::edit::{Splice, splice};
use super::mount::mounted_images;
use super::name::Syntax;
use super::place::FileKind;
use super::planned::{ImageLine, Manifest, OtherImage, Plan};
use super::rules::{Refusal, Rules, Verdict};
use super::unit::{Setting, settings};

/// Sections of quadlets that name images.
const IMAGE_SECTIONS: [&str; 4] = ["Container", "Image", "Volume", "Build"];

/// The key with the image.
const IMAGE_KEY: &str = "Image";

/// The section and the key of the images that a container mounts.
const MOUNT: (&str, &str) = ("Container", "Mount");

/// The section and the key of Kubernetes manifests, which name the images of a `.kube` unit.
const MANIFEST: (&str, &str) = ("Kube", "Yaml");

/// Endings of the names of other quadlets, which may be in the place of an image.
const UNIT_ENDINGS: [&str; 2] = [".image", ".build"];

/// Returns `true` if the text is a unit with a section of a quadlet. YAML has no such first line.
pub(super) fn is_quadlet(text: &str) -> bool {
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let mut significant = lines.filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    let header = |line: &str| line.strip_prefix('[')?.strip_suffix(']').map(str::to_owned);
    let Some(first) = significant.next().and_then(header) else {
        return false;
    };
    std::iter::once(first)
        .chain(significant.filter_map(header))
        .any(|section| IMAGE_SECTIONS.contains(&section.as_str()) || section == MANIFEST.0)
}

/// Pins the images of a quadlet.
pub(super) fn plan(file: &Arc<TextFile>, rules: Rules<'_>) -> Result<Plan, FileError> {
    let mut planner = Planner {
        file,
        rules,
        plan: Plan {
            kind: Some(FileKind::Quadlet),
            ..Plan::default()
        },
        splices: BTreeSet::new(),
        problems: Vec::new(),
        seen: Vec::new(),
    };
    for setting in settings(&file.text) {
        match (setting.section, setting.key) {
            _ if setting.value.is_empty() && setting.continuation.is_none() => {}
            (section, IMAGE_KEY) if IMAGE_SECTIONS.contains(&section) => planner.image(setting),
            key if key == MOUNT => planner.mount(&setting),
            key if key == MANIFEST => planner.plan.manifests.push(Manifest {
                line: file.line(setting.span.start),
                path: setting.value.to_owned(),
            }),
            _ => {}
        }
    }
    if !planner.problems.is_empty() {
        return Err(FileError::of(file, planner.problems));
    }
    let mut plan = planner.plan;
    // The values do not overlap.
    plan.text = splice(&file.text, &planner.splices).unwrap_or_else(|| file.text.clone());
    Ok(plan)
}

struct Planner<'a> {
    file: &'a Arc<TextFile>,
    rules: Rules<'a>,
    plan: Plan,
    splices: BTreeSet<Splice>,
    problems: Vec<Problem>,
    /// `Image=` of each section.
    seen: Vec<Setting<'a>>,
}

impl<'a> Planner<'a> {
    fn refuse(&mut self, span: Range<usize>, refusal: Refusal) {
        self.problems
            .push(Problem::new(span, refusal.message).help(refusal.help));
    }

    fn image(&mut self, setting: Setting<'a>) {
        if let Some(first) = self.seen.iter().find(|first| first.section == setting.section) {
            let problem = Problem::new(
                setting.span.clone(),
                format!("`{IMAGE_KEY}=` occurs twice in [{}]", setting.section),
            );
            self.problems.push(
                problem
                    .help("remove one of them")
                    .context(first.span.clone(), "the first one"),
            );
            return;
        }
        let path = format!("{}.{IMAGE_KEY}", setting.section);
        let verdict = match self.rules.reference(setting.value, Syntax::Systemd) {
            Ok(_) if setting.continuation.is_some() => Err(Refusal::new(
                "cannot pin the image: the line is continued",
                "write it on one line",
            )),
            verdict => verdict,
        };
        self.name(path, setting.value, setting.span.clone(), verdict);
        self.seen.push(setting);
    }

    fn mount(&mut self, setting: &Setting<'a>) {
        let mounted = mounted_images(setting);
        for (name, span) in mounted.names {
            let verdict = match self.rules.reference(&name, Syntax::Systemd) {
                Ok(Verdict::Ours { .. }) if !mounted.is_plain => Err(Refusal::new(
                    format!("cannot pin {}: the value is continued, or has quotes", shown(&name)),
                    "write it on one line, without quotes and backslashes",
                )),
                verdict => verdict,
            };
            self.name(format!("{}.{}", MOUNT.0, MOUNT.1), &name, span, verdict);
        }
    }

    /// Decides about a reference.
    fn name(&mut self, path: String, name: &str, span: Range<usize>, verdict: Result<Verdict<'_>, Refusal>) {
        let is_unit = UNIT_ENDINGS.iter().any(|ending| name.ends_with(ending));
        let line = self.file.line(span.start);
        match verdict {
            Err(refusal) => self.refuse(span, refusal),
            Ok(Verdict::Ours { choice, reference }) if !is_unit => {
                if reference != name {
                    self.splices.insert(Splice::new(span.clone(), reference.as_str()));
                }
                self.plan.images.push(ImageLine {
                    line,
                    column: self.file.column(span.start),
                    path,
                    old: name.to_owned(),
                    new: reference,
                    is_untagged: choice.image.is_untagged,
                });
            }
            Ok(_) => self.plan.others.push(OtherImage {
                line,
                path,
                image: name.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quadlets_are_known_by_their_sections() {
        for (text, expected) in [
            ("[Container]\nImage=a\n", true),
            ("\u{feff}# c\n\n[Unit]\nAfter=x\n[Volume]\n", true),
            ("[Kube]\nYaml=a.yaml\n", true),
            ("[Unit]\n[Service]\nExecStart=x\n", false),
            ("[a, b]\n", false),
            ("services: {}\n", false),
            ("", false),
        ] {
            assert_eq!(is_quadlet(text), expected, "{text:?}");
        }
    }
}
