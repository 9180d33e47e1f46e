//! Files that are named as compose files and are none. A compose file of someone else may name any file that the user can
//! read, and the output of a CI job may be public, so nothing of their text is shown.

use super::error::Problem;
use super::place::Place;
use super::reader::all_entries;
use crate::deploy::compose_keys::is_compose_key;
use crate::deploy::text_file::TextFile;
use crate::deploy::yaml::{Document, Node, ScalarKind, Span, YamlError};
use crate::model::escape_path;

/// Keys that only compose files are likely to have.
const OWN_KEYS: [&str; 2] = ["services", "include"];

/// Returns where the text is not that of a compose file: it has neither services nor includes, and a key that Compose
/// refuses.
pub(super) fn foreign_part(documents: &Result<Vec<Document>, YamlError>, text: &str) -> Option<Span> {
    let documents = match documents {
        Ok(documents) => documents,
        Err(error) => return (!has_own_line(text)).then(|| error.span.clone()),
    };
    let has_own = |document: &Document| {
        let root = document.root().as_mapping();
        root.is_some_and(|root| all_entries(root).keys().any(|key| OWN_KEYS.contains(key)))
    };
    if documents.iter().any(has_own) {
        return None;
    }
    documents.iter().find_map(|document| foreign_node(document.root()))
}

/// Returns `true` if a line begins with a key that only compose files are likely to have. The text is no YAML.
fn has_own_line(text: &str) -> bool {
    let is_own = |line: &str| {
        let key = line.split_once(':').map(|(key, _)| key);
        key.is_some_and(|key| OWN_KEYS.contains(&key))
    };
    text.trim_start_matches('\u{feff}').lines().any(is_own)
}

fn foreign_node(root: Node<'_>) -> Option<Span> {
    if root.scalar_kind() == Some(ScalarKind::Null) {
        return None;
    }
    let Some(mapping) = root.as_mapping() else {
        return Some(root.span());
    };
    let is_foreign =
        |(key, _): &(Node<'_>, Node<'_>)| !key.as_text().is_some_and(|key| key == "<<" || is_compose_key(key));
    mapping.entries().find(is_foreign).map(|(key, _)| key.span())
}

/// Returns the problem of a file that is no compose file, where another file names it.
pub(super) fn not_a_compose_file(source: &TextFile, part: &Span, named_at: &Place) -> Problem {
    let message = format!(
        "{}:{}:{}: this is not a compose file",
        escape_path(&source.path),
        source.line(part.start),
        source.column(part.start)
    );
    let problem = Problem::new(named_at.file, named_at.span.clone(), message);
    problem
        .help("correct the path, or begin the file with `services:`. Its text is not shown, since it may be any file")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::yaml::parse;

    #[test]
    fn files_of_other_programs_are_told_from_compose_files() {
        let is_foreign = |text: &str| foreign_part(&parse(text), text).is_some();
        for text in [
            "root:x:0:0:root:/root:/bin/bash\nuser:x:1:1::/:/bin/sh\n",
            "TOKEN=secret\n",
            "{\"auths\": {\"ghcr.io\": {\"auth\": \"x$y\"}}}",
            "- services\n",
            "name: x\npassword: y\n",
            "a: [\n",
            "a: services:\n",
            " services: [\n",
        ] {
            assert!(is_foreign(text), "{text:?}");
        }
        for text in [
            "",
            "# nothing\n",
            "services: {}\nother: 1\n",
            "\u{feff}services:\n  a: [\n",
            "x-a: 1\ninclude: [\n",
            "volumes: { data: }\nx-more: &x {}\n",
            "volumes: {}\n---\nservices: {}\nother: {}\n",
        ] {
            assert!(!is_foreign(text), "{text:?}");
        }
    }
}
