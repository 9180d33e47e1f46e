//! Why parts cannot be joined to one image.

use crate::model::{BYTE_FORMAT, Diagnostic, Digest, ErrorKind, Family, Platform, escape};
use crate::plan::PlanError;
use crate::store::StoreError;

/// An error of a merge. Parts are named as on the command line.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A part cannot be read.
    #[error("cannot read the part {part}")]
    Read {
        /// The part.
        part: String,
        /// Why.
        #[source]
        cause: Box<StoreError>,
    },
    /// A part in a registry is named by its tag alone.
    #[error("{part} names a part by its tag, which may move")]
    Tag {
        /// The part.
        part: String,
    },
    /// The build of a part wrote no image that can be read.
    #[error("{part}: the image was not written to a registry, a layout or a file")]
    NotWritten {
        /// The part.
        part: String,
    },
    /// Parts of workspaces are mixed with others.
    #[error("{member} has parts of members of a workspace, and {other} is not one")]
    Mixed {
        /// A part of a workspace.
        member: String,
        /// The other part.
        other: String,
    },
    /// Platforms of the image are in no part.
    #[error("{image} is incomplete: no part has {}; {}", list(.missing), having(.found))]
    Missing {
        /// The image.
        image: String,
        /// The platforms that are missing.
        missing: Vec<Platform>,
        /// The platforms that there are, each with its part.
        found: Vec<(Platform, String)>,
    },
    /// Two parts have different images for one platform.
    #[error("two parts have an image for {platform}: {first_digest} in {first}, and {second_digest} in {second}")]
    Twice {
        /// The platform.
        platform: Platform,
        /// The first part.
        first: String,
        /// The digest of its manifest.
        first_digest: Digest,
        /// The second part.
        second: String,
        /// The digest of its manifest.
        second_digest: Digest,
    },
    /// The parts are of different builds.
    #[error("{first} and {second} are parts of different builds: {difference}")]
    DifferentBuilds {
        /// The first part.
        first: String,
        /// The second part.
        second: String,
        /// What differs.
        difference: String,
    },
    /// Nothing says which platforms the image has.
    #[error("{part} does not say which platforms the whole image has")]
    NoPlatforms {
        /// The part.
        part: String,
    },
    /// `--platforms`, or a part that is a whole image, contradicts a part.
    #[error("{} {}, but {part} is a part of an image for {}", wanted_by(.whole.as_deref()), list(.wanted), list(.recorded))]
    OtherPlatforms {
        /// The part.
        part: String,
        /// The part that is a whole image; `None` for `--platforms`.
        whole: Option<String>,
        /// The platforms of that image, or of `--platforms`.
        wanted: Vec<Platform>,
        /// Those that the part's build recorded.
        recorded: Vec<Platform>,
    },
    /// A part has a platform that the image does not have.
    #[error("{part} has an image for {platform}, but the whole image has {}", list(.expected))]
    Unexpected {
        /// The part.
        part: String,
        /// The platform.
        platform: Platform,
        /// The platforms of the whole image.
        expected: Vec<Platform>,
        /// `true` if `--platforms` lists them.
        is_listed: bool,
    },
    /// An index lists an image for another platform than its config.
    #[error("{part} lists {digest} for {listed}, but its config is for {stated}")]
    Contradiction {
        /// The part.
        part: String,
        /// The manifest.
        digest: Digest,
        /// The platform in the index.
        listed: Platform,
        /// The platform in the config.
        stated: Platform,
    },
    /// A part has an index inside its index.
    #[error("{part} contains an index inside an index: {digest}")]
    Nested {
        /// The part.
        part: String,
        /// The inner index.
        digest: Digest,
    },
    /// An entry that cannot be part of an image.
    #[error("{part} cannot be merged: {reason}")]
    NoImage {
        /// The part.
        part: String,
        /// Why.
        reason: String,
    },
    /// An attestation that is listed for a platform, as if it was an image.
    #[error("{part} lists the attestation {digest} for {platform}")]
    AttestationPlatform {
        /// The part.
        part: String,
        /// The attestation.
        digest: Digest,
        /// The platform.
        platform: Platform,
    },
    /// An attestation that does not say which image it is about.
    #[error("{part} has an attestation {digest} that does not name its image")]
    NoSubject {
        /// The part.
        part: String,
        /// The attestation.
        digest: Digest,
    },
    /// The image of a part is not the one that its file describes.
    #[error("{part} does not describe its image: for {platform} it lists {}, and the image has {}",
        or_nothing(.recorded.as_ref()), or_nothing(.found.as_ref()))]
    OtherManifest {
        /// The part.
        part: String,
        /// The platform.
        platform: Platform,
        /// The manifest that the file lists; `None` if it does not list the platform.
        recorded: Option<Digest>,
        /// The manifest that the image has; `None` if it does not have the platform.
        found: Option<Digest>,
    },
    /// A part was built with a byte format that this version does not know.
    #[error("{part} was built with byte format {format}, and this ocitect knows byte format {BYTE_FORMAT}")]
    Format {
        /// The part.
        part: String,
        /// The format.
        format: u32,
    },
    /// An attestation whose image is in no part.
    #[error("{part} has an attestation {digest} of {subject}, which is in no part")]
    Orphan {
        /// The part.
        part: String,
        /// The attestation.
        digest: Digest,
        /// The image that it is about.
        subject: String,
    },
    /// The parts have media types of different families.
    #[error("{first} has media types of {}, and {second} of {}", family(*.first_family), family(*.second_family))]
    Families {
        /// The first part.
        first: String,
        /// Its family.
        first_family: Family,
        /// The second part.
        second: String,
        /// Its family.
        second_family: Family,
    },
    /// Some shards of a workspace are missing.
    #[error("{} of {of} shards: no part has shard {missing}", .of - 1)]
    ShardMissing {
        /// The first shard that is missing.
        missing: u32,
        /// The number of shards.
        of: u32,
    },
    /// Members of the workspace are in no part.
    #[error("no part has {}", .missing.iter().map(|id| escape(id.as_bytes())).collect::<Vec<_>>().join(", "))]
    MembersMissing {
        /// Their IDs.
        missing: Vec<String>,
    },
    /// Two files are shards of different builds.
    #[error("{first} and {second} are shards of different selections")]
    ShardsDiffer {
        /// The first file.
        first: String,
        /// The second file.
        second: String,
    },
    /// A tag does not name the expected image.
    #[error("{}", moved(.tag, .expected.as_ref(), .found.as_ref(), *.is_written))]
    Moved {
        /// The full name.
        tag: String,
        /// The expected digest; `None` for no tag.
        expected: Option<Digest>,
        /// The current digest; `None` if the tag does not exist.
        found: Option<Digest>,
        /// `true` if the tag was written by this merge before.
        is_written: bool,
    },
    /// `--if-tag` names a tag that is not written.
    #[error("--if-tag: {}", not_written(.tag.as_deref()))]
    NoSuchTag {
        /// The tag; `None` for all tags.
        tag: Option<String>,
        /// The tags that are written to registries.
        known: Vec<String>,
    },
    /// The index cannot be created.
    #[error("cannot create the index")]
    Index(#[source] PlanError),
}

fn list(platforms: &[Platform]) -> String {
    let texts: Vec<String> = platforms.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

fn wanted_by(whole: Option<&str>) -> String {
    match whole {
        Some(part) => format!("{part} is an image for"),
        None => "--platforms lists".to_owned(),
    }
}

fn or_nothing(digest: Option<&Digest>) -> String {
    digest.map_or("nothing".to_owned(), ToString::to_string)
}

fn not_written(tag: Option<&str>) -> String {
    match tag {
        Some(tag) => format!("the tag {tag} is not written to a registry"),
        None => "no tag is written to a registry".to_owned(),
    }
}

fn family(family: Family) -> &'static str {
    match family {
        Family::Oci => "OCI",
        Family::Docker => "Docker",
    }
}

fn having(found: &[(Platform, String)]) -> String {
    let texts: Vec<String> = found
        .iter()
        .map(|(platform, part)| format!("{platform} (from {part})"))
        .collect();
    format!("there is {}", texts.join(", "))
}

fn moved(tag: &str, expected: Option<&Digest>, found: Option<&Digest>, is_written: bool) -> String {
    let text = |digest: Option<&Digest>| digest.map_or("no image".to_owned(), ToString::to_string);
    let expected = text(expected);
    let found = text(found);
    let tag = escape(tag.as_bytes());
    if is_written {
        format!("{tag} was changed by another writer after it was written: expected {expected}, found {found}")
    } else {
        format!("{tag} does not name the expected image: expected {expected}, found {found}; it was not written")
    }
}

impl Diagnostic for MergeError {
    fn error_kind(&self) -> ErrorKind {
        match self {
            Self::Read { cause, .. } => cause.error_kind(),
            Self::Missing { .. } | Self::ShardMissing { .. } | Self::MembersMissing { .. } => ErrorKind::NotFound,
            Self::Moved { .. } => ErrorKind::CheckFailed,
            Self::Index(cause) => cause.error_kind(),
            _ => ErrorKind::Input,
        }
    }

    fn help(&self) -> Option<String> {
        let text = match self {
            Self::Read { cause, .. } => return cause.help(),
            Self::Index(cause) => return cause.help(),
            Self::NoSuchTag { known, .. } if known.is_empty() => "omit --if-tag",
            Self::NoSuchTag { known, .. } => return Some(format!("use one of: {}", known.join(", "))),
            Self::Tag { .. } => {
                "write REPOSITORY@sha256:..., as `ocitect build` prints it, or use the file of --metadata"
            }
            Self::NotWritten { .. } => "build the part with --push, or with -o",
            Self::Mixed { .. } => "merge the images of a workspace from the files of --metadata alone",
            Self::Missing { .. } => "build the missing platforms, and add their parts",
            Self::Twice { .. } => "leave out the part that is not meant",
            Self::DifferentBuilds { .. } => {
                "build all parts from the same commit, with the same lockfile, variables and SOURCE_DATE_EPOCH"
            }
            Self::NoPlatforms { .. } => {
                "list them with --platforms, for example --platforms linux/amd64,linux/arm64, or use the files of \
                 --metadata"
            }
            Self::OtherPlatforms { whole: None, .. } => "omit --platforms: the parts say which platforms there are",
            Self::OtherPlatforms { .. } => "build all parts from the same commit",
            Self::Unexpected { is_listed: true, .. } => "add the platform to --platforms, or leave out the part",
            Self::Unexpected { .. } => "leave out the part, or build all parts from the same commit",
            Self::AttestationPlatform { .. } => "list attestations for the platform unknown/unknown, or leave them out",
            Self::NoSubject { .. } => {
                "list it with the annotation vnd.docker.reference.digest, the digest of its image, or leave it out"
            }
            Self::OtherManifest { .. } => "use the file that --metadata wrote, unchanged",
            Self::Format { .. } => "merge with the version of ocitect that built the parts",
            Self::Contradiction { .. } => "build the part again: runtimes trust the platform in the index",
            Self::Nested { .. } => "merge the images of the inner index, each by its digest",
            Self::NoImage { .. } => "use parts that are images",
            Self::Orphan { .. } => "add the part that has the image",
            Self::Families { .. } => "set the same `media-types` for all parts",
            Self::ShardMissing { .. } => "add the metadata file of the missing shard",
            Self::MembersMissing { .. } => "build these members, and add their parts",
            Self::ShardsDiffer { .. } => "run all shards with the same -p and --exclude, from the same commit",
            Self::Moved { is_written: true, .. } => {
                "look at which image the tag should name, and merge again if needed"
            }
            Self::Moved { .. } => "look at which image the tag should name; the new image can be pulled by its digest",
        };
        Some(text.to_owned())
    }
}
