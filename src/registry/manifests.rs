//! Manifests in requests and replies: the media types that are accepted, and what a registry says of the content.

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName};

use crate::model::{Descriptor, Digest, MediaType};

/// Accepted media types. Schema 1 is last; it is accepted only to name it in the error.
pub(super) const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.v1+prettyjws;q=0.1";

/// Digest of a manifest, as the registry computes it.
const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// Media types that servers use for unknown content.
const GENERIC_TYPES: [&str; 4] = [
    "text/plain",
    "application/octet-stream",
    "binary/octet-stream",
    "application/json",
];

/// The action, for messages.
pub(super) const READING_MANIFEST: &str = "pulling a manifest";
pub(super) const READING_BLOB: &str = "pulling a blob";

/// Returns `true` if the descriptor's content is stored as a manifest.
pub(super) fn is_manifest(descriptor: &Descriptor) -> bool {
    descriptor.media_type.is_manifest() || descriptor.media_type.is_index()
}

/// Returns the registry's digest, or `None` if it sends none or one of an unknown algorithm.
pub(super) fn declared_digest(headers: &HeaderMap) -> Option<Digest> {
    headers.get(DOCKER_CONTENT_DIGEST)?.to_str().ok()?.trim().parse().ok()
}

/// Returns the media type, or `None` if the registry sends none or a generic one.
pub(super) fn declared_type(headers: &HeaderMap) -> Option<MediaType> {
    let media_type = MediaType::from(headers.get(CONTENT_TYPE)?.to_str().ok()?);
    let is_known = !media_type.as_str().is_empty() && !GENERIC_TYPES.contains(&media_type.as_str());
    is_known.then_some(media_type)
}
