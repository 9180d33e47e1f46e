//! An image with only some of its platforms.

use super::entries::{ListedImage, REFERENCE_DIGEST_ANNOTATION, list_entries};
use super::error::StoreError;
use super::resolve::{nearest, select_platform};
use super::source::Source;
use crate::model::{Descriptor, Document, ImageIndex, Platform, Root};

/// Returns the root of an image that has only the `wanted` platforms, each selected as by [`select_platform`].
///
/// If all of them select one image, this is its manifest. Otherwise it is an index of the same type and with the same
/// annotations, which lists the selected images and their attestations (BuildKit's entries that refer to them), each
/// with its entry unchanged, in the order of the source. If that is everything, it is the original index.
///
/// # Errors
/// [`StoreError::NoPlatform`] for the first platform that the image does not have, and the other errors of
/// [`select_platform`].
pub async fn select_platforms(source: &dyn Source, root: &Root, wanted: &[Platform]) -> Result<Root, StoreError> {
    let Root::Index(index) = root else {
        for platform in wanted {
            select_platform(source, root, platform).await?;
        }
        return Ok(root.clone());
    };
    let entries = list_entries(source, root).await?;
    let mut selected = Vec::new();
    let mut manifest = None;
    for platform in wanted {
        let (listed, image) = nearest(source, &entries, platform).await?;
        selected.push(listed);
        manifest = Some(image.manifest().clone());
    }
    let is_one = |first: &&ListedImage| {
        let digest = first.descriptor.digest;
        selected.iter().all(|listed| listed.descriptor.digest == digest)
    };
    if let (Some(manifest), true) = (manifest, selected.first().is_some_and(is_one)) {
        return Ok(Root::Manifest(manifest));
    }
    let in_order = entries.images.iter().filter(|listed| selected.contains(listed));
    let selected: Vec<&Descriptor> = in_order.map(|listed| &listed.descriptor).collect();
    let restricted = restricted(index.value(), &selected);
    if restricted == *index.value() {
        return Ok(root.clone());
    }
    let media_type = index.descriptor().media_type.clone();
    let written = Document::write(media_type, restricted).map_err(|cause| StoreError::Document {
        place: source.describe(),
        side: source.side(),
        cause,
    })?;
    Ok(Root::Index(written))
}

/// Returns the index with the selected entries and the entries that refer to them. Entries of nested indexes, which the
/// index does not list itself, come last.
fn restricted(index: &ImageIndex, selected: &[&Descriptor]) -> ImageIndex {
    let refers_to_selected = |entry: &Descriptor| {
        let referred = entry.annotations.get(REFERENCE_DIGEST_ANNOTATION);
        referred.is_some_and(|digest| selected.iter().any(|image| image.digest.to_string() == *digest))
    };
    let own = index
        .manifests
        .iter()
        .filter(|entry| selected.contains(entry) || refers_to_selected(entry));
    let nested = selected
        .iter()
        .copied()
        .filter(|image| !index.manifests.contains(image));
    ImageIndex {
        manifests: own.chain(nested).cloned().collect(),
        unsupported: Vec::new(),
        ..index.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, MediaType};

    fn entry(name: &str, platform: &str) -> Descriptor {
        Descriptor {
            platform: Some(platform.parse().unwrap()),
            ..Descriptor::new(MediaType::OciManifest, Digest::of(name.as_bytes()), 2)
        }
    }

    fn attestation(of: &Descriptor) -> Descriptor {
        let mut entry = entry(&format!("attestation of {}", of.digest), "unknown/unknown");
        entry
            .annotations
            .insert(REFERENCE_DIGEST_ANNOTATION.to_owned(), of.digest.to_string());
        entry
    }

    fn index(manifests: Vec<Descriptor>) -> ImageIndex {
        ImageIndex {
            schema_version: 2,
            media_type: Some(MediaType::OciIndex),
            manifests,
            unsupported: Vec::new(),
            annotations: [("a".to_owned(), "b".to_owned())].into(),
            other: [("artifactType".to_owned(), "c/d".into())].into(),
        }
    }

    #[test]
    fn entries_keep_their_order_and_their_attestations() {
        let amd64 = entry("amd64", "linux/amd64");
        let arm64 = entry("arm64", "linux/arm64");
        let s390x = entry("s390x", "linux/s390x");
        let all = index(vec![
            amd64.clone(),
            attestation(&amd64),
            s390x.clone(),
            attestation(&s390x),
            arm64.clone(),
            attestation(&arm64),
        ]);
        let expected = vec![amd64.clone(), attestation(&amd64), arm64.clone(), attestation(&arm64)];
        assert_eq!(restricted(&all, &[&amd64, &arm64]), index(expected));
        assert_eq!(restricted(&all, &[&amd64, &s390x, &arm64]), all);
    }

    #[test]
    fn entries_of_nested_indexes_come_last() {
        let amd64 = entry("amd64", "linux/amd64");
        let arm64 = entry("arm64", "linux/arm64");
        let nested = Descriptor::new(MediaType::OciIndex, Digest::of(b"nested"), 2);
        let all = index(vec![nested, amd64.clone()]);
        assert_eq!(
            restricted(&all, &[&arm64, &amd64]),
            index(vec![amd64.clone(), arm64.clone()])
        );
    }
}
