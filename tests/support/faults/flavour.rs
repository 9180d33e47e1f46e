//! The differences between registries, as values. `registries` has a constructor for each known one.

use super::tokens::Tokens;

/// The behavior of a registry.
#[derive(Debug, Clone)]
pub struct Flavour {
    pub name: &'static str,
    pub uploads: Uploads,
    pub mounts: Mounts,
    /// `None`: no authentication.
    pub tokens: Option<Tokens>,
    /// A manifest with a subject is listed as its referrer, without a fallback tag.
    pub lists_referrers: bool,
    /// Blobs are at another address, which expires.
    pub presigned: Option<Presigned>,
    /// The status of GET and HEAD for a manifest that does not exist.
    pub missing_manifest: u16,
    /// The reply to a manifest's PUT has a `Location`.
    pub names_manifest: bool,
    /// Replies have `Docker-Content-Digest`.
    pub names_digests: bool,
    /// Writing to a repository that was not created drops the connection.
    pub must_be_made: bool,
    /// A larger body is refused with 413, in any request.
    pub largest_body_bytes: Option<u64>,
    /// Blobs' bytes are kept for reading.
    pub keeps_blobs: bool,
    /// The quota is exhausted after so many GETs of manifests.
    pub pull_quota: Option<usize>,
    /// The project's quota is exhausted after so many bytes in uploads.
    pub push_quota_bytes: Option<u64>,
}

/// Uploads of blobs.
#[derive(Debug, Clone)]
pub struct Uploads {
    /// The effect of an interrupted request.
    pub after_cut: AfterCut,
    /// The reply at an address that another reply has replaced.
    pub stale: Stale,
    pub location: Location,
    /// The status of an accepted PATCH.
    pub patch_status: u16,
    /// PATCH is always refused with this status.
    pub patch_refused: Option<u16>,
    /// Only the first PATCH may have no `Content-Range`.
    pub streams_once: bool,
    /// A PATCH with `Content-Range` and more bytes gets 416.
    pub largest_ranged_bytes: Option<u64>,
    /// Parts before the last must have so many bytes.
    pub smallest_part_bytes: Option<u64>,
    /// `OCI-Chunk-Min-Length` in the reply to POST.
    pub min_chunk_header: Option<u64>,
    pub range: RangeWord,
    /// `Range` of an upload without bytes.
    pub empty_range: &'static str,
    /// PUT with a body is refused with this status.
    pub put_body_refused: Option<u16>,
    /// PUT without a body, after parts, is refused with this status.
    pub closing_put_refused: Option<u16>,
    /// GET of an upload is refused with this status.
    pub status_refused: Option<u16>,
}

/// What is kept of an interrupted body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterCut {
    /// The received bytes.
    Keep,
    /// Nothing of this request.
    Forget,
    /// Nothing: the session is lost.
    Drop,
}

/// The behavior of an address that is not the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// PATCH and PUT are refused with this status; GET returns the newest address.
    Refused(u16),
    /// Every method, including GET, gets 404 and ends the session, as with distribution 2.8.
    Ends,
    /// The address is not checked, only the session.
    Ignored,
}

/// The form of an upload's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// With scheme, host and port.
    Absolute,
    /// From the root.
    Relative,
    /// `//HOST:PORT/…`
    SchemeRelative,
    /// Absolute, with `%2B` and `+` in its query, which must come back unchanged.
    Escaped,
    /// Absolute with `http:`, whatever the registry's scheme is, like behind a proxy that terminates TLS.
    Http,
    /// No address.
    Missing,
}

/// `Range` in replies of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeWord {
    Honest,
    /// No `Range`.
    None,
    /// It always ends at the first part.
    StuckAtFirst,
    /// It counts from the beginning of the last part.
    OfPart,
    /// It claims so many bytes more than were received.
    Beyond(u64),
    /// A fixed value.
    Always(&'static str),
}

/// Mounts of blobs from other repositories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mounts {
    /// If the repository in `from` has the blob; otherwise an upload starts.
    FromRepository,
    /// Any blob of the registry, whatever `from` is; `from` without `mount` gets 405.
    Anything,
    /// Never: an upload starts.
    Never,
    /// Like [`Mounts::FromRepository`], but this status if `from` does not exist.
    MissingIs(u16),
    /// Like [`Mounts::FromRepository`], but this status without `from`.
    FromOrElse(u16),
    /// Always this status.
    Refused(u16),
}

/// Addresses of blobs on another port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presigned {
    /// An address gets 403 after so many bytes, and the reply that exceeds them is interrupted.
    pub ends_after_bytes: Option<u64>,
    pub status: u16,
}
