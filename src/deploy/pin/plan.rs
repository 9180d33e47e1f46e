//! The plan for one file: its new text, and what changes in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::listed::shown;
use super::super::problem::{FileError, Problem};
use super::super::text_file::TextFile;
use super::super::yaml::{self, Document};
use super::decide::Decider;
use super::edit::{Meaning, splice};
use super::find::places;
use super::images::PinnedImages;
use super::planned::{ImageLine, Plan};
use super::quadlet;
use super::rules::Rules;
use super::verify::is_as_intended;

/// How references get their digests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PinOptions {
    /// Whether the tag of an image replaces another tag in the file.
    pub retag: bool,
}

/// Pins our images in a file.
///
/// # Errors
///
/// A file that is not YAML, and references that cannot be pinned without a guess, all of them with their places.
pub fn plan(file: &Arc<TextFile>, images: &PinnedImages, options: PinOptions) -> Result<Plan, FileError> {
    let rules = Rules {
        images,
        retag: options.retag,
    };
    if quadlet::is_quadlet(&file.text) {
        return quadlet::plan(file, rules);
    }
    let documents = read(file)?;
    let mut plan = Plan::default();
    let mut problems = Vec::new();
    let mut splices = BTreeSet::new();
    let mut meanings = Vec::new();
    for document in &documents {
        let mut decider = Decider::new(file, document, rules);
        if let Some((kind, places)) = places(document.root()) {
            plan.kind = plan.kind.or(Some(kind));
            places.iter().for_each(|place| decider.decide(place));
        }
        decider.editor.finish();
        plan.images.append(&mut decider.images);
        plan.others.append(&mut decider.others);
        problems.append(&mut decider.editor.problems);
        // Not `append`, which takes time for all that is there already.
        splices.extend(std::mem::take(&mut decider.editor.splices));
        meanings.push(std::mem::take(&mut decider.editor.meaning));
    }
    if !problems.is_empty() {
        return Err(FileError::of(file, distinct(problems)));
    }
    plan.text = apply(file, &documents, &splices, &meanings)?;
    // Merge keys and aliases lead to one value from several places.
    plan.images = distinct_lines(plan.images);
    Ok(plan)
}

/// Parses a file, and refuses keys that occur twice: readers differ in which of the values they take.
pub(super) fn read(file: &Arc<TextFile>) -> Result<Vec<Document>, FileError> {
    let documents = yaml::parse(&file.text).map_err(|error| {
        let problem = Problem::from(error);
        let problem = if file.text.contains("{{") {
            problem.help("a template is not YAML: pin the file that its values come from, such as values.yaml")
        } else {
            problem
        };
        FileError::of(file, vec![problem])
    })?;
    let duplicates = documents.iter().flat_map(Document::duplicate_keys);
    let problems: Vec<Problem> = duplicates
        .map(|duplicate| {
            let message = format!("the key \"{}\" occurs twice", shown(duplicate.key));
            Problem::new(duplicate.second.span(), message)
                .help("remove one of them")
                .context(duplicate.first.span(), "the first one")
        })
        .collect();
    if problems.is_empty() {
        Ok(documents)
    } else {
        Err(FileError::of(file, problems))
    }
}

/// Applies the replacements, and verifies the result.
fn apply(
    file: &Arc<TextFile>,
    documents: &[Document],
    splices: &BTreeSet<super::edit::Splice>,
    meanings: &[Meaning],
) -> Result<String, FileError> {
    if splices.is_empty() {
        return Ok(file.text.clone());
    }
    let new = splice(&file.text, splices).filter(|new| is_as_intended(documents, meanings, new));
    new.ok_or_else(|| {
        let first = splices.first().map_or(0..0, |splice| splice.start..splice.end);
        let problem = Problem::new(
            first,
            "the file would mean something else afterwards: it is left as it is",
        )
        .help("pin this image by hand");
        FileError::of(file, vec![problem])
    })
}

/// Returns the problems without those that occur at one place for the same reason.
fn distinct(problems: Vec<Problem>) -> Vec<Problem> {
    let mut seen = BTreeSet::new();
    let is_new = |problem: &Problem| seen.insert((problem.span.start, problem.message.clone()));
    problems.into_iter().filter(is_new).collect()
}

/// Returns the lines in the order of the text, one for each value.
fn distinct_lines(lines: Vec<ImageLine>) -> Vec<ImageLine> {
    let mut distinct = BTreeMap::new();
    for line in lines {
        distinct.entry((line.line, line.column)).or_insert(line);
    }
    distinct.into_values().collect()
}
