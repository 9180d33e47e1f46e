//! Properties that hold for every name and document from outside. Compiled for tests and fuzzers only: the targets in
//! `tests/fuzz` check them on bytes from libFuzzer, and the tests here on the seeds.

use std::error::Error;

use super::{
    Diagnostic, Digest, Document, DocumentError, FromJson, ImageConfig, ImageIndex, ImageManifest, ImageName,
    MediaType, Reference, Root, escape,
};

/// Checks a reference, or the name of an image in any place: an accepted text is printed and parsed to the same value.
pub fn reference(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.parse::<Reference>() {
        Ok(reference) => {
            assert_eq!(reference.to_string().parse(), Ok(reference.clone()));
            assert_eq!(text, reference.to_string(), "there is one spelling of each");
            check_repository(&reference);
        }
        Err(error) => check_error(&error),
    }
    match text.parse::<ImageName>() {
        // Messages escape paths; an escaped text no longer names the path.
        Ok(name) if escape(data) == text => assert_eq!(name.to_string().parse(), Ok(name)),
        Ok(_) => {}
        Err(error) => check_error(&error),
    }
}

/// Checks that registry and path have no special meaning in the URLs, headers and file keys that they become part of.
fn check_repository(reference: &Reference) {
    let registry = reference.repository.registry();
    let path = reference.repository.path();
    assert!(
        registry
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte)),
        "{registry}"
    );
    assert!(
        path.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-/".contains(&byte))
    );
    assert!(path.split('/').all(|part| !matches!(part, "" | "." | "..")), "{path}");
    if let Some(tag) = &reference.tag {
        assert!(
            tag.as_str()
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        );
    }
}

/// Media types that a registry may declare for a document, selected by the first byte of the input.
const DECLARED: [Option<MediaType>; 5] = [
    None,
    Some(MediaType::OciManifest),
    Some(MediaType::OciIndex),
    Some(MediaType::DockerManifest),
    Some(MediaType::DockerIndex),
];

/// Checks a manifest, an index or a config: an accepted document keeps its bytes, has their digest, and means the same
/// after a rewrite. The first byte, a digit, selects the declared media type.
pub fn document(data: &[u8]) {
    let Some((declared, bytes)) = data.split_first() else {
        return;
    };
    let declared = &DECLARED[usize::from(declared.wrapping_sub(b'0')) % DECLARED.len()];
    match Root::parse(declared.as_ref(), bytes.to_vec()) {
        Ok(root) => {
            check_root(&root, bytes);
            assert!(
                declared
                    .as_ref()
                    .is_none_or(|declared| *declared == root.descriptor().media_type)
            );
        }
        Err(error) => check_error(&error),
    }
    match Document::<ImageConfig>::parse(MediaType::OciConfig, bytes.to_vec()) {
        Ok(config) => {
            check_rewrite(&config);
            assert!(config.value().env().iter().all(|(name, _)| !name.contains('=')));
        }
        Err(error) => check_error(&error),
    }
}

fn check_root(root: &Root, bytes: &[u8]) {
    let descriptor = root.descriptor();
    assert_eq!(root.bytes(), bytes);
    assert_eq!(
        (descriptor.digest, descriptor.size_bytes),
        (Digest::of(bytes), bytes.len() as u64)
    );
    assert_eq!(
        Root::parse(Some(&descriptor.media_type), bytes.to_vec()).as_ref().ok(),
        Some(root)
    );
    match root {
        Root::Index(index) => {
            assert!(descriptor.media_type.is_index());
            assert_eq!(root.children().len(), index.value().manifests.len());
            check_rewrite::<ImageIndex>(index);
        }
        Root::Manifest(manifest) => {
            assert!(descriptor.media_type.is_manifest());
            assert_eq!(root.children().len(), manifest.value().layers.len() + 1);
            check_rewrite::<ImageManifest>(manifest);
        }
    }
}

/// Checks that a document means the same after a rewrite, and that a second rewrite gives the same bytes.
fn check_rewrite<T: FromJson + serde::Serialize + Clone + PartialEq + std::fmt::Debug>(document: &Document<T>) {
    let media_type = document.descriptor().media_type.clone();
    let write = |value: &T| Document::write(media_type.clone(), value.clone());
    let parse = |written: &Document<T>| Document::<T>::parse(media_type.clone(), written.bytes().clone());
    let rewrite = || -> Result<(), DocumentError> {
        let written = write(document.value())?;
        let again = parse(&written)?;
        assert_eq!(again.value(), document.value());
        assert_eq!(again.descriptor(), written.descriptor());
        assert_eq!(write(again.value())?.bytes(), written.bytes());
        Ok(())
    };
    assert!(rewrite().is_ok(), "what was taken cannot be written");
}

/// Checks that a message, its causes and its help contain nothing that a terminal would interpret.
pub(crate) fn check_error(error: &(impl Diagnostic + 'static)) {
    check_text(&error.help().unwrap_or_default());
    let mut shown: Option<&dyn Error> = Some(error);
    while let Some(error) = shown {
        check_text(&error.to_string());
        shown = error.source();
    }
}

pub(crate) fn check_text(text: &str) {
    let lines = text.replace('\n', " ").replace('\\', "/");
    assert_eq!(
        escape(lines.as_bytes()),
        lines,
        "a message holds what no terminal should see"
    );
}

/// Greatest number of positions at which a seed is cut; each run of the tests takes this time.
#[cfg(test)]
const MAX_CUTS: usize = 128;

/// Runs `check` on every seed of a target: complete, truncated, and without one of its bytes, at positions throughout
/// the seed.
#[cfg(test)]
pub(crate) fn replay(target: &str, check: impl Fn(&[u8])) {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/seeds")
        .join(target);
    let mut seeds = 0;
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let seed = std::fs::read(&path).unwrap();
        println!("{}", path.display());
        check(&seed);
        for at in (0..seed.len()).step_by(seed.len().div_ceil(MAX_CUTS).max(1)) {
            check(&seed[..at]);
            check(&[&seed[..at], &seed[at + 1..]].concat());
        }
        seeds += 1;
    }
    assert!(seeds > 0, "{} is empty", directory.display());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_of_references_hold() {
        replay("reference", reference);
    }

    #[test]
    fn the_seeds_of_documents_hold() {
        replay("document", document);
    }
}
