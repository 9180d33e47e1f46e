//! Referrers of a manifest: signatures, attestations, SBOMs (distribution-spec, "Pushing Manifests with Subject" and
//! "Referrers Tag Schema"). For a registry without the referrers API, the client that pushes a referrer has to add it to
//! an index under a tag.

use std::collections::BTreeSet;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName};
use serde_json::Value;

use super::RegistryRepository;
use super::manifests::declared_type;
use super::pull::Fetched;
use super::request_error::RequestError;
use crate::model::{Descriptor, Digest, Document, ImageIndex, MAX_MANIFEST_BYTES, MediaType, Root};
use crate::store::StoreError;

/// The actions, for messages.
const LISTING: &str = "listing referrers";
const LINKING: &str = "listing a manifest among the referrers of its subject";

/// The subject that a registry has recorded.
const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// The name of the field.
const ARTIFACT_TYPE: &str = "artifactType";

impl RegistryRepository {
    /// Reads the index at the fallback tag, if it exists. Content that is not an OCI index is an error.
    async fn fallback(&self, subject: &Digest) -> Result<Option<ImageIndex>, StoreError> {
        let tag = fallback_tag(subject);
        let accepted = "application/vnd.oci.image.index.v1+json";
        match self.fetch(LISTING, &tag, accepted).await? {
            Fetched::Whole { headers, bytes } => parse(&headers, &bytes).map(Some).map_err(|reason| {
                let detail = format!("the tag {tag} is not a list of the referrers of {subject}: {reason}");
                self.protocol_error(LISTING, detail)
                    .with_help("delete or rename the tag, which is reserved for this list; it was not changed")
            }),
            Fetched::Refused(reply) if reply.status() == StatusCode::NOT_FOUND => Ok(None),
            Fetched::Refused(reply) => Err(self.failure(reply, None).await),
        }
    }

    /// Adds a pushed manifest to the referrers of its subject, if it has one and the registry did not do so itself
    /// (`OCI-Subject`). `reply_headers` are those of the reply to the PUT.
    ///
    /// The index at the fallback tag is read, extended, written, and read again, since another client may have replaced
    /// it in between. If the entry is missing, this is repeated a limited number of times.
    pub(super) async fn link_subject(&self, root: &Root, reply_headers: &HeaderMap) -> Result<(), StoreError> {
        let Some(subject) = subject(root).map_err(|reason| self.protocol_error(LINKING, reason))? else {
            return Ok(());
        };
        if reply_headers.contains_key(SUBJECT) {
            return Ok(());
        }
        let referrer = referrer(root);
        let tag = fallback_tag(&subject);
        let mut backoff = self.backoff();
        let mut was_put = false;
        loop {
            let index = self.fallback(&subject).await?;
            if index.as_ref().is_some_and(|index| lists(index, &referrer.digest)) {
                return Ok(());
            }
            if was_put {
                let detail = format!("another writer keeps removing {} from the tag {tag}", referrer.digest);
                let lost = || self.protocol_error(LINKING, &detail);
                let waited = self.wait(&mut backoff, LINKING, RequestError::new(lost(), true));
                waited.await.map_err(|_| lost())?;
            }
            let index = extended(index, &referrer).map_err(|reason| self.protocol_error(LINKING, reason))?;
            self.put_document(&tag, &index).await?;
            was_put = true;
        }
    }
}

/// Returns the tag of the fallback index (distribution-spec, "Referrers Tag Schema").
fn fallback_tag(subject: &Digest) -> String {
    format!("sha256-{}", subject.hex())
}

fn parse(headers: &HeaderMap, bytes: &[u8]) -> Result<ImageIndex, String> {
    let declared = declared_type(headers);
    match Root::parse(declared.as_ref(), bytes.to_vec()) {
        Ok(Root::Index(index)) if index.descriptor().media_type == MediaType::OciIndex => Ok(index.value().clone()),
        Ok(root) => Err(format!(
            "expected an image index, found media type {}",
            root.descriptor().media_type
        )),
        Err(error) => Err(error.to_string()),
    }
}

/// Returns the digest of the `subject` of a manifest or an index.
fn subject(root: &Root) -> Result<Option<Digest>, String> {
    match root {
        Root::Manifest(manifest) => Ok(manifest.value().subject.as_ref().map(|subject| subject.digest)),
        Root::Index(index) => match index.value().other.get("subject") {
            None | Some(Value::Null) => Ok(None),
            Some(subject) => {
                let subject = serde_json::from_value::<Descriptor>(subject.clone());
                let subject = subject.map_err(|error| format!("cannot read its subject: {error}"))?;
                Ok(Some(subject.digest))
            }
        },
    }
}

/// Returns the descriptor for the list, with the annotations and the artifact type. A manifest without an artifact type
/// has its config's media type.
fn referrer(root: &Root) -> Descriptor {
    let text = |value: Option<&Value>| {
        value
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    let (artifact_type, annotations) = match root {
        Root::Manifest(manifest) => {
            let manifest = manifest.value();
            let own = text(manifest.other.get(ARTIFACT_TYPE));
            (
                own.or_else(|| Some(manifest.config.media_type.to_string())),
                manifest.annotations.clone(),
            )
        }
        Root::Index(index) => (
            text(index.value().other.get(ARTIFACT_TYPE)),
            index.value().annotations.clone(),
        ),
    };
    let other = artifact_type.map(|name| (ARTIFACT_TYPE.to_owned(), Value::String(name)));
    Descriptor {
        annotations,
        other: other.into_iter().collect(),
        ..root.descriptor().clone()
    }
}

fn lists(index: &ImageIndex, digest: &Digest) -> bool {
    index.manifests.iter().any(|listed| listed.digest == *digest)
}

/// Returns the index with one more referrer, and with each of the others once.
fn extended(index: Option<ImageIndex>, referrer: &Descriptor) -> Result<Root, String> {
    let empty = || ImageIndex {
        schema_version: 2,
        media_type: None,
        manifests: Vec::new(),
        unsupported: Vec::new(),
        annotations: Default::default(),
        other: Default::default(),
    };
    let mut index = index.unwrap_or_else(empty);
    let mut seen = BTreeSet::new();
    index.manifests.push(referrer.clone());
    index.manifests.retain(|listed| seen.insert(listed.digest));
    index.media_type = Some(MediaType::OciIndex);
    let index = Document::write(MediaType::OciIndex, index).map_err(|error| error.to_string())?;
    match index.descriptor().size_bytes {
        size_bytes if size_bytes <= MAX_MANIFEST_BYTES => Ok(Root::Index(index)),
        _ => Err(format!(
            "the list of referrers would have more than {MAX_MANIFEST_BYTES} bytes"
        )),
    }
}
