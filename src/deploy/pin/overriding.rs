//! Override files of compose: the pinned images of services alone, so that the file that people write stays as it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::problem::{FileError, Problem};
use super::super::text_file::TextFile;
use super::super::yaml::{Node, ScalarKind};
use super::find::places;
use super::images::PinnedImages;
use super::name::{Pattern, Syntax};
use super::place::{FileKind, Form, Place};
use super::plan::{PinOptions, read};
use super::planned::{ImageLine, OtherImage};
use super::rules::{Refusal, Rules, Verdict};

/// Beginning of the first line of an override file, by which it is known.
const MARK: &str = "# Written by `ocitect pin --override`.";

/// Greatest number of bytes that say whether a file is an override file.
pub const MAX_MARK_BYTES: u64 = MARK.len() as u64;

/// Returns `true` if a file that begins so was written as an override file, or has no content that could be lost.
pub fn is_override_file(beginning: &[u8]) -> bool {
    beginning.is_empty() || beginning.starts_with(MARK.as_bytes())
}

/// What an override file gets from one compose file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OverridePart {
    /// Our images, in the order of the text.
    pub images: Vec<ImageLine>,
    /// Images of others, in the order of the text.
    pub others: Vec<OtherImage>,
    /// The pinned image of each service that has an image; `None` for an image of others.
    pub services: BTreeMap<String, Option<String>>,
    /// Images that no override file can pin, with their lines: mounted ones, and those whose names are in variables.
    pub skipped: Vec<OtherImage>,
}

/// Returns the pinned images of the services of a compose file. Unlike in the file itself, variables in tags are no
/// problem: the override file replaces the whole reference.
///
/// # Errors
///
/// A file that is no compose file, and references that cannot be pinned without a guess.
pub fn override_part(
    file: &Arc<TextFile>,
    images: &PinnedImages,
    options: PinOptions,
) -> Result<OverridePart, FileError> {
    let documents = read(file)?;
    let mut part = OverridePart::default();
    let mut problems = Vec::new();
    let rules = Rules {
        images,
        retag: options.retag,
    };
    for document in &documents {
        let Some((FileKind::Compose, places)) = places(document.root()) else {
            let problem = Problem::new(
                document.root().span().start..document.root().span().start,
                "this is no compose file",
            );
            return Err(FileError::of(
                file,
                vec![problem.help("--override is for compose files: pin other files in place")],
            ));
        };
        for place in &places {
            if let Err((node, refusal)) = part.add(file, place, rules) {
                problems.push(Problem::new(node.span(), refusal.message).help(refusal.help));
            }
        }
    }
    if part.images.is_empty() {
        // What cannot be pinned is all that the file names.
        part.others.extend(part.skipped.iter().cloned());
    }
    if problems.is_empty() {
        Ok(part)
    } else {
        Err(FileError::of(file, problems))
    }
}

impl OverridePart {
    fn add<'a>(&mut self, file: &TextFile, place: &Place<'a>, rules: Rules<'_>) -> Result<(), (Node<'a>, Refusal)> {
        let Form::Reference(reference) = &place.form else {
            return Ok(());
        };
        let node = reference.node;
        let kind = node.scalar_kind();
        let Some(text) = node.as_text().filter(|_| kind != Some(ScalarKind::Null)) else {
            return Ok(());
        };
        // A block ends with a line break.
        let text = text.trim_end_matches('\n');
        let start = node.span().start;
        let other = || OtherImage {
            line: file.line(start),
            path: place.path.clone(),
            image: text.to_owned(),
        };
        let service = place
            .path
            .strip_prefix("services.")
            .and_then(|path| path.strip_suffix(".image"));
        let verdict = match Pattern::of(text, Syntax::Compose) {
            None => rules.reference(text, Syntax::Compose),
            Some(pattern) if pattern.known_name().is_some_and(|name| rules.is_ours(name)) => open_tag(&pattern, rules),
            Some(pattern) if rules.images.names().any(|name| pattern.may_be(name)) => {
                self.skipped.push(other());
                return Ok(());
            }
            Some(_) => Ok(Verdict::Other),
        };
        let verdict = verdict.map_err(|refusal| (node, refusal))?;
        match (verdict, service) {
            (Verdict::Other, service) => {
                self.others.push(other());
                if let Some(service) = service {
                    self.services.insert(service.to_owned(), None);
                }
            }
            (Verdict::Ours { .. }, None) => self.skipped.push(other()),
            (Verdict::Ours { choice, reference }, Some(service)) => {
                self.images.push(ImageLine {
                    line: file.line(start),
                    column: file.column(start),
                    path: place.path.clone(),
                    old: text.to_owned(),
                    new: reference.clone(),
                    is_untagged: choice.image.is_untagged,
                });
                self.services.insert(service.to_owned(), Some(reference));
            }
        }
        Ok(())
    }
}

/// Decides about one of our images whose tag is in a variable: the override file replaces it, whatever the variable says.
/// The default of the variable chooses the tag, if it is one of the image's.
fn open_tag<'a>(pattern: &Pattern, rules: Rules<'a>) -> Result<Verdict<'a>, Refusal> {
    let by_default = pattern
        .known_reference()
        .map(|reference| rules.reference(reference, Syntax::Compose));
    match by_default {
        Some(Ok(verdict)) => Ok(verdict),
        _ => rules.reference(pattern.known_name().unwrap_or_default(), Syntax::Compose),
    }
}

/// Returns the text of the override file for compose files that are used together, in this order: a later file replaces
/// the image of a service of an earlier one.
pub fn override_file<'a>(parts: impl IntoIterator<Item = &'a OverridePart>) -> String {
    let mut services: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    for part in parts {
        let images = part.services.iter();
        services.extend(images.map(|(service, image)| (service.as_str(), image.as_deref())));
    }
    let mut text = format!("{MARK} Changes are lost.\nservices:\n");
    for (service, image) in services {
        if let Some(image) = image {
            text.push_str(&format!("  {}:\n    image: {image}\n", key(service)));
        }
    }
    text
}

/// Returns the name of a service as a key, in quotes unless every reader takes it for text.
fn key(service: &str) -> String {
    /// Words that YAML 1.1 takes for booleans or nothing.
    const WORDS: [&str; 10] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan"];
    let is_plain = service.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && service
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        && !WORDS.contains(&service.to_ascii_lowercase().as_str());
    if is_plain {
        service.to_owned()
    } else {
        // Quotes, backslashes and control characters of JSON are those of YAML, which forbids more characters.
        let quoted = serde_json::Value::from(service).to_string();
        let escaped = quoted.chars().map(|character| match u32::from(character) {
            0x20..0x7f => character.to_string(),
            code @ 0..0x1_0000 => format!("\\u{code:04x}"),
            code => format!("\\U{code:08x}"),
        });
        escaped.collect()
    }
}
