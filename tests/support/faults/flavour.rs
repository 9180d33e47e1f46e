//! In what registries differ, as values. `registries` has a constructor for each that is known.

use super::tokens::Tokens;

/// A registry's ways.
#[derive(Debug, Clone)]
pub struct Flavour {
    pub name: &'static str,
    pub uploads: Uploads,
    pub mounts: Mounts,
    /// `None`: everybody may do everything.
    pub tokens: Option<Tokens>,
    pub referrers: Referrers,
    /// The largest `n` of a list of tags, and what is said to a larger one.
    pub largest_page: Option<(usize, u16)>,
    /// Tags of a page where none is asked for.
    pub page: usize,
    /// Blobs lie elsewhere, behind addresses that end.
    pub presigned: Option<Presigned>,
    /// What is said to the GET and HEAD of a manifest that is not there.
    pub missing_manifest: u16,
    /// The reply to a manifest's PUT has a `Location`.
    pub names_manifest: bool,
    /// `Docker-Content-Digest` stands in replies.
    pub names_digests: bool,
    /// To write to a repository that nobody made drops the connection.
    pub must_be_made: bool,
    /// A body with more bytes is refused with 413, whatever it is for.
    pub largest_body_bytes: Option<u64>,
    /// Blobs' bytes are kept, to be read again.
    pub keeps_blobs: bool,
    /// After so many GETs of manifests the quota is used up.
    pub pull_quota: Option<usize>,
    /// With more bytes than these in uploads, the project's quota is used up.
    pub push_quota_bytes: Option<u64>,
}

/// Uploads of blobs.
#[derive(Debug, Clone)]
pub struct Uploads {
    /// What a request leaves that broke off.
    pub after_cut: AfterCut,
    /// What is said at an address that another reply has replaced.
    pub stale: Stale,
    pub location: Location,
    /// What PATCH is answered with, where it is taken.
    pub patch_status: u16,
    /// PATCH is refused with this, always.
    pub patch_refused: Option<u16>,
    /// Only the first PATCH may come without `Content-Range`.
    pub streams_once: bool,
    /// A PATCH with `Content-Range` and more bytes is 416.
    pub largest_ranged_bytes: Option<u64>,
    /// Parts before the last must have so many bytes.
    pub smallest_part_bytes: Option<u64>,
    /// `OCI-Chunk-Min-Length` on the reply to POST.
    pub min_chunk_header: Option<u64>,
    pub range: RangeWord,
    /// What `Range` says of an upload without bytes.
    pub empty_range: &'static str,
    /// PUT with a body is refused with this.
    pub put_body_refused: Option<u16>,
    /// PUT without a body, after parts, is answered with this.
    pub closing_put_refused: Option<u16>,
    /// GET of an upload is refused with this.
    pub status_refused: Option<u16>,
}

/// What is there of a body that broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterCut {
    /// What came is kept.
    Keep,
    /// The request was never made.
    Forget,
    /// The whole session is gone.
    Drop,
}

/// What an address does that is not the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// PATCH and PUT are refused with this; GET is answered, and gives the newest.
    Refused(u16),
    /// Every method, GET included, is answered with 404 and ends the session, as distribution 2.8 does.
    Ends,
    /// Nothing: the session is all that counts.
    Ignored,
}

/// How the address of an upload is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// With scheme, host and port.
    Absolute,
    /// From the root on.
    Relative,
    /// `//HOST:PORT/…`
    SchemeRelative,
    /// Absolute, with `%2B` and `+` in its query, which must come back as they stand.
    Escaped,
    /// Absolute with `http:`, whatever the registry speaks, as behind a proxy that ends TLS.
    Http,
    /// There is none.
    Missing,
}

/// What `Range` says on replies of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeWord {
    Honest,
    /// Nothing.
    None,
    /// It goes to the end of the first part for ever.
    StuckAtFirst,
    /// It counts from the beginning of the last part.
    OfPart,
    /// It claims so many bytes more than came.
    Beyond(u64),
    /// This, whatever came.
    Always(&'static str),
}

/// Mounts of blobs from other repositories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mounts {
    /// Where `from` has it; an upload begins otherwise.
    FromRepository,
    /// Whatever the registry has, from wherever; `from` without `mount` is 405.
    Anything,
    /// Never: an upload begins.
    Never,
    /// As [`Mounts::FromRepository`], but this where `from` does not exist.
    MissingIs(u16),
    /// As [`Mounts::FromRepository`], but this where `from` is not said.
    FromOrElse(u16),
    /// This, always.
    Refused(u16),
}

/// The referrers API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Referrers {
    Api,
    /// This, always.
    Missing(u16),
    /// A 303 to there.
    Elsewhere(String),
}

/// Addresses of blobs on another port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presigned {
    /// An address is 403 after so many bytes, and the reply that crosses them breaks off.
    pub ends_after_bytes: Option<u64>,
    pub status: u16,
}
