//! `index.json` and `oci-layout` of an image layout, in a directory or in an archive (image-spec, image-layout.md): the
//! images with their names, and the changes of the list when an image is written.
//!
//! A list is a value: it is read whole and changed into another one. This module opens no files.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::Value;

use super::choose::{Candidate, hits, labels_at, not_found, tag_of};
use super::entries::why_no_image;
use super::error::{Side, StoreError};
use crate::model::{
    Descriptor, Document, FULL_NAME_ANNOTATION, ImageIndex, MediaType, REF_NAME_ANNOTATION, Repository, Selector, Tag,
    UnsupportedEntry, strict_json,
};

/// Name of the file that marks a directory or an archive as a layout.
pub const LAYOUT_MARKER_NAME: &str = "oci-layout";

/// Content of that file.
pub const LAYOUT_MARKER: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Size limit of that file, in bytes: it has one version, and other tools may add fields.
pub const MAX_MARKER_BYTES: u64 = 64 * 1024;

/// Name of the list of images.
pub const INDEX_NAME: &str = "index.json";

/// Checks the content of `oci-layout`: version 1 of the layout.
pub fn check_layout_marker(bytes: &[u8], place: &str) -> Result<(), StoreError> {
    let version = strict_json::parse(bytes).ok();
    let version = version
        .as_ref()
        .and_then(|value| value.get("imageLayoutVersion"))
        .and_then(Value::as_str);
    match version {
        Some(version) if version.starts_with("1.") => Ok(()),
        Some(version) => {
            let version = crate::model::escape(version.as_bytes());
            let reason = format!("unsupported layout version {version}: only 1.0.0 is supported");
            Err(StoreError::malformed(place, reason))
        }
        None => Err(StoreError::malformed(
            place,
            format!("{LAYOUT_MARKER_NAME} has no version"),
        )),
    }
}

/// The images that a layout lists, in their order. All content of the list is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutIndex {
    index: ImageIndex,
}

impl LayoutIndex {
    /// Returns a list of the given images.
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        let media_type = Some(MediaType::OciIndex);
        let (unsupported, annotations, other) = Default::default();
        Self {
            index: ImageIndex {
                schema_version: 2,
                media_type,
                manifests,
                unsupported,
                annotations,
                other,
            },
        }
    }

    /// Parses the list. `bytes` are at most [`crate::model::MAX_MANIFEST_BYTES`].
    pub fn parse(bytes: impl Into<Bytes>, place: &str) -> Result<Self, StoreError> {
        let index: Document<ImageIndex> =
            Document::parse(MediaType::OciIndex, bytes).map_err(|cause| StoreError::Document {
                place: format!("{place} ({INDEX_NAME})"),
                side: Side::Local,
                cause,
            })?;
        let index = index.value().clone();
        let is_index = index.media_type.as_ref().is_none_or(MediaType::is_index);
        let has = |name: &&str| index.other.get(*name).is_some_and(|field| !field.is_null());
        if !is_index || ["layers", "config", "fsLayers"].iter().any(has) {
            return Err(StoreError::malformed(
                place,
                format!("its {INDEX_NAME} is not an index"),
            ));
        }
        Ok(Self { index })
    }

    /// Returns the list as canonical JSON.
    pub fn to_bytes(&self) -> Result<Bytes, StoreError> {
        Document::write(MediaType::OciIndex, self.index.clone())
            .map(|document| document.bytes().clone())
            .map_err(|cause| StoreError::Document {
                place: INDEX_NAME.to_owned(),
                side: Side::Local,
                cause,
            })
    }

    /// Returns the images, in the list's order.
    pub fn descriptors(&self) -> &[Descriptor] {
        &self.index.manifests
    }

    /// Returns the matching images, one for each digest. Several images of one tag may be the platforms of one image.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub(super) fn hits(&self, selector: &Selector, place: &str) -> Result<Vec<&Descriptor>, StoreError> {
        let images: Vec<&Descriptor> = self.images().collect();
        Ok(hits(&self.candidates(), selector, place)?
            .into_iter()
            .map(|at| images[at])
            .collect())
    }

    /// Returns the error for several images of which none was selected.
    pub(super) fn several(&self, chosen: &[&Descriptor], place: &str) -> StoreError {
        let candidates: Vec<Candidate> = chosen.iter().map(|entry| candidate(entry)).collect();
        let positions: Vec<usize> = (0..candidates.len()).collect();
        StoreError::Several {
            place: place.to_owned(),
            names: labels_at(&candidates, &positions),
        }
    }

    /// Returns the error for an image that is neither listed nor in the layout at all.
    pub fn not_found(&self, selector: &Selector, place: &str) -> StoreError {
        not_found(&self.candidates(), selector, place)
    }

    /// Returns the list with `root` under `tags`, or listed by its digest only if there are no tags.
    ///
    /// The new descriptor replaces the first one with the tag of the same image. Others with the tag are removed, and so
    /// is an unnamed one of the same image. All other entries are kept. As soon as the list has images of several names,
    /// each is listed under its full name instead of its tag.
    ///
    /// # Errors
    /// An image without a name cannot have the tag of one with a name: [`StoreError::ForeignTag`].
    pub fn with_root(
        &self,
        root: &Descriptor,
        name: Option<&Repository>,
        tags: &[Tag],
        place: &str,
    ) -> Result<Self, StoreError> {
        let name = name.map(ToString::to_string);
        let mut manifests = self.index.manifests.clone();
        if tags.is_empty() && !manifests.iter().any(|entry| entry.digest == root.digest) {
            manifests.push(root.clone());
        }
        for tag in tags {
            if name.is_none() {
                self.check_unnamed(tag, place)?;
            }
            let full_name = name.as_ref().map(|name| format!("{name}:{tag}"));
            let fresh = named(root, tag.as_str(), full_name.as_deref());
            let is_old = |entry: &Descriptor| {
                let has_tag = ref_name(entry) == Some(tag.as_str());
                let is_same = owner(entry).is_none_or(|owner| Some(owner) == name.as_deref());
                entry == root
                    || (has_tag && is_same)
                    || (full_name.is_some() && full_name_of(entry) == full_name.as_deref())
            };
            let at = manifests.iter().position(is_old).unwrap_or(manifests.len());
            manifests.retain(|entry| !is_old(entry));
            manifests.insert(at, fresh);
        }
        Ok(Self {
            index: ImageIndex {
                manifests: told_apart(manifests),
                ..self.index.clone()
            },
        })
    }

    /// Checks that a tag is not that of an image with a name.
    fn check_unnamed(&self, tag: &Tag, place: &str) -> Result<(), StoreError> {
        let has_tag = |entry: &&Descriptor| full_name_of(entry).and_then(tag_of) == Some(tag.as_str());
        match self.index.manifests.iter().filter(has_tag).find_map(owner) {
            None => Ok(()),
            Some(owner) => Err(StoreError::ForeignTag {
                tag: tag.to_string(),
                place: place.to_owned(),
                owner: crate::model::escape(owner.as_bytes()),
                name: "an image without a name".to_owned(),
            }),
        }
    }

    /// Returns the entries that may be images, in the list's order.
    pub(super) fn images(&self) -> impl Iterator<Item = &Descriptor> {
        self.index.manifests.iter().filter(|entry| is_image(entry))
    }

    fn candidates(&self) -> Vec<Candidate> {
        self.images().map(candidate).collect()
    }

    /// Returns the unsupported entries, as written.
    pub fn unsupported(&self) -> &[UnsupportedEntry] {
        &self.index.unsupported
    }
}

/// Returns a descriptor of `root` for a layout's list: with `ref_name`, and with its full name if it has one.
pub fn named(root: &Descriptor, ref_name: &str, full_name: Option<&str>) -> Descriptor {
    let mut descriptor = root.clone();
    descriptor
        .annotations
        .insert(REF_NAME_ANNOTATION.to_owned(), ref_name.to_owned());
    if let Some(full_name) = full_name {
        descriptor
            .annotations
            .insert(FULL_NAME_ANNOTATION.to_owned(), full_name.to_owned());
    }
    descriptor
}

fn candidate(entry: &Descriptor) -> Candidate {
    Candidate {
        names: names(entry),
        digest: entry.digest,
    }
}

/// Returns the entries with their full names in place of their tags, if they are images of several names.
fn told_apart(mut entries: Vec<Descriptor>) -> Vec<Descriptor> {
    let owners: BTreeSet<String> = entries.iter().filter_map(owner).map(str::to_owned).collect();
    if owners.len() < 2 {
        return entries;
    }
    for entry in &mut entries {
        if let Some(full_name) = full_name_of(entry).map(str::to_owned) {
            entry.annotations.insert(REF_NAME_ANNOTATION.to_owned(), full_name);
        }
    }
    entries
}

/// Returns the full name of an entry: its annotation, or its tag if that is a full name.
fn full_name_of(entry: &Descriptor) -> Option<&str> {
    let annotation = entry.annotations.get(FULL_NAME_ANNOTATION).map(String::as_str);
    annotation.or_else(|| ref_name(entry).filter(|name| name.contains('/') && tag_of(name).is_some()))
}

/// Returns the name of the image that an entry belongs to, without its tag.
fn owner(entry: &Descriptor) -> Option<&str> {
    let full_name = full_name_of(entry)?;
    Some(tag_of(full_name).map_or(full_name, |tag| &full_name[..full_name.len() - tag.len() - 1]))
}

fn ref_name(entry: &Descriptor) -> Option<&str> {
    entry.annotations.get(REF_NAME_ANNOTATION).map(String::as_str)
}

/// Returns the names of an image in its descriptor, the tag first.
pub(super) fn names(entry: &Descriptor) -> Vec<String> {
    let names = [REF_NAME_ANNOTATION, FULL_NAME_ANNOTATION].map(|annotation| entry.annotations.get(annotation));
    names.into_iter().flatten().cloned().collect()
}

/// Returns `true` for an entry that may be an image, and for one with a name, so that a name of something else gets a
/// clear error.
fn is_image(entry: &Descriptor) -> bool {
    why_no_image(entry).is_none() || ref_name(entry).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Digest;

    fn root(content: &[u8]) -> Descriptor {
        Descriptor::of(MediaType::OciIndex, content)
    }

    fn tags(texts: &[&str]) -> Vec<Tag> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn refs(index: &LayoutIndex) -> Vec<(Option<&str>, Digest)> {
        index
            .descriptors()
            .iter()
            .map(|entry| (ref_name(entry), entry.digest))
            .collect()
    }

    #[test]
    fn a_tag_is_replaced_in_its_place_and_the_rest_stays() {
        let name: Repository = "ghcr.io/a/b".parse().unwrap();
        let first = LayoutIndex::new(vec![])
            .with_root(&root(b"1"), Some(&name), &tags(&["1", "latest"]), "x")
            .unwrap();
        let foreign = named(&root(b"other"), "other", None);
        let mut list = first.index.manifests.clone();
        list.insert(1, foreign.clone());
        let second = LayoutIndex::new(list)
            .with_root(&root(b"2"), Some(&name), &tags(&["1"]), "x")
            .unwrap();
        let [one, other, two] = [b"1".as_slice(), b"other", b"2"].map(Digest::of);
        assert_eq!(
            refs(&second),
            [(Some("1"), two), (Some("other"), other), (Some("latest"), one)]
        );
        assert_eq!(
            second.descriptors()[0].annotations[FULL_NAME_ANNOTATION],
            "ghcr.io/a/b:1"
        );
        assert_eq!(second.descriptors()[1], foreign);
        assert_eq!(
            second.with_root(&root(b"2"), Some(&name), &tags(&["1"]), "x").unwrap(),
            second
        );
    }

    #[test]
    fn an_image_without_tags_is_listed_once_and_then_named() {
        let bare = LayoutIndex::new(vec![]).with_root(&root(b"1"), None, &[], "x").unwrap();
        assert_eq!(bare.with_root(&root(b"1"), None, &[], "x").unwrap(), bare);
        let tagged = bare.with_root(&root(b"1"), None, &tags(&["1"]), "x").unwrap();
        assert_eq!(refs(&tagged), [(Some("1"), Digest::of(b"1"))]);
        assert_eq!(tagged.with_root(&root(b"1"), None, &[], "x").unwrap(), tagged);
    }

    #[test]
    fn images_of_several_names_are_listed_under_their_full_names() {
        let [ours, theirs]: [Repository; 2] =
            ["ghcr.io/a/ours", "ghcr.io:443/a/theirs"].map(|text| text.parse().unwrap());
        let first = LayoutIndex::new(vec![])
            .with_root(&root(b"1"), Some(&theirs), &tags(&["1"]), "x")
            .unwrap();
        let both = first
            .with_root(&root(b"2"), Some(&ours), &tags(&["1", "2"]), "x")
            .unwrap();
        let [one, two, three] = [b"1".as_slice(), b"2", b"3"].map(Digest::of);
        assert_eq!(
            refs(&both),
            [
                (Some("ghcr.io:443/a/theirs:1"), one),
                (Some("ghcr.io/a/ours:1"), two),
                (Some("ghcr.io/a/ours:2"), two)
            ]
        );
        let again = both.with_root(&root(b"3"), Some(&theirs), &tags(&["1"]), "x").unwrap();
        assert_eq!(refs(&again)[0], (Some("ghcr.io:443/a/theirs:1"), three));
        assert_eq!(again.descriptors().len(), 3);
        let bare = Selector::Tag("1".to_owned());
        assert_eq!(again.hits(&bare, "x").unwrap().len(), 2);
        assert_eq!(again.hits(&Selector::Tag("2".to_owned()), "x").unwrap().len(), 1);
    }

    #[test]
    fn an_image_without_a_name_takes_no_tag_of_one_with_a_name() {
        let theirs: Repository = "ghcr.io/a/theirs".parse().unwrap();
        let index = LayoutIndex::new(vec![])
            .with_root(&root(b"1"), Some(&theirs), &tags(&["1"]), "x")
            .unwrap();
        let error = index.with_root(&root(b"2"), None, &tags(&["0", "1"]), "x").unwrap_err();
        let StoreError::ForeignTag { tag, owner, .. } = error else {
            panic!("{error}")
        };
        assert_eq!((tag.as_str(), owner.as_str()), ("1", "ghcr.io/a/theirs"));
        let nameless = LayoutIndex::new(vec![named(&root(b"1"), "1", None)]);
        let replaced = nameless.with_root(&root(b"2"), Some(&theirs), &tags(&["1"]), "x");
        assert_eq!(replaced.unwrap().descriptors().len(), 1);
    }

    #[test]
    fn a_full_name_in_place_of_a_tag_is_replaced_by_its_own_image() {
        let name: Repository = "ghcr.io/a".parse().unwrap();
        let podman = LayoutIndex::new(vec![named(&root(b"1"), "ghcr.io/a:1", None)]);
        let ours = podman.with_root(&root(b"2"), Some(&name), &tags(&["1"]), "x").unwrap();
        assert_eq!(refs(&ours), [(Some("1"), Digest::of(b"2"))]);
    }

    #[test]
    fn unknown_fields_and_annotations_survive() {
        let text = format!(
            r#"{{"schemaVersion":2,"x":[1],"annotations":{{"a":"b"}},"manifests":[{{"mediaType":"{}","digest":"{}","size":1,"urls":["u"],"annotations":{{"c":"d"}}}}]}}"#,
            MediaType::OciManifest,
            Digest::of(b"1")
        );
        let index = LayoutIndex::parse(text, "x")
            .unwrap()
            .with_root(&root(b"2"), None, &tags(&["1"]), "x")
            .unwrap();
        let text = String::from_utf8(index.to_bytes().unwrap().to_vec()).unwrap();
        for kept in [r#""x":[1]"#, r#"{"a":"b"}"#, r#"{"c":"d"}"#, r#""urls":["u"]"#] {
            assert!(text.contains(kept), "{kept} in {text}");
        }
    }

    #[test]
    fn a_list_without_entries_may_be_null_and_is_written_to() {
        // The index after `umoci init`.
        let index = LayoutIndex::parse(r#"{"schemaVersion":2,"manifests":null}"#, "x").unwrap();
        assert_eq!(
            refs(&index.with_root(&root(b"1"), None, &tags(&["1"]), "x").unwrap()),
            [(Some("1"), Digest::of(b"1"))]
        );
    }

    #[test]
    fn what_is_by_another_algorithm_stays_where_it_is() {
        let other = format!(
            r#"{{"mediaType":"{}","digest":"sha512:{}","size":1}}"#,
            MediaType::OciManifest,
            "a".repeat(128)
        );
        let text = format!(r#"{{"schemaVersion":2,"manifests":[{other}]}}"#);
        let index = LayoutIndex::parse(text, "x")
            .unwrap()
            .with_root(&root(b"2"), None, &tags(&["1"]), "x")
            .unwrap();
        assert_eq!((index.descriptors().len(), index.unsupported().len()), (1, 1));
        let written = String::from_utf8(index.to_bytes().unwrap().to_vec()).unwrap();
        assert!(
            written.find("sha512:").unwrap() < written.find("sha256:").unwrap(),
            "{written}"
        );
    }

    #[test]
    fn damaged_lists_and_versions_are_refused() {
        let both = r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#;
        for bad in [
            "",
            "[]",
            "{}",
            both,
            r#"{"schemaVersion":2}"#,
            r#"{"schemaVersion":2,"manifests":[{"digest":"x"}]}"#,
        ] {
            assert!(LayoutIndex::parse(bad, "x").is_err(), "{bad}");
        }
        for bad in [
            "",
            "{}",
            "1",
            r#"{"imageLayoutVersion":"2.0.0"}"#,
            r#"{"imageLayoutVersion":1}"#,
        ] {
            assert!(check_layout_marker(bad.as_bytes(), "x").is_err(), "{bad}");
        }
        check_layout_marker(LAYOUT_MARKER, "x").unwrap();
    }
}
