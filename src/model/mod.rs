//! The shared values of all modules: digests, descriptors, documents, images, names, and the plan of a layer.
//!
//! Values are immutable and use neither files nor the network. The only exception opens input files, since all modules
//! share it.

mod bounds;
pub mod capability;
pub mod code;
mod descriptor;
mod digest;
mod docker_hub;
mod document;
mod facts_directory;
mod failure;
pub mod finding;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod glob_text;
mod graph;
mod image;
mod index;
mod input_file;
mod layer_plan;
mod lenient;
mod listing;
mod locked;
mod media_type;
mod metadata;
mod nearest;
mod part;
mod platform;
mod platform_names;
mod reference;
mod reference_help;
mod short_names;
mod size;
pub mod strict_json;
mod whiteout;
mod xattr;

pub use bounds::{
    FREE_EXPANSION_BYTES, MAX_EXPANSION, MAX_LINK_TARGETS_BYTES, MAX_NAMES_BYTES, is_overexpanded, max_expanded_bytes,
};
pub use descriptor::Descriptor;
pub use digest::{DiffId, Digest, DigestError, Hasher, other_algorithm};
pub use docker_hub::{DOCKER_HUB, DOCKER_HUB_ALIASES, canonical_registry, repository_path};
pub use document::{Document, DocumentError, FromJson, MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES};
pub use facts_directory::facts_directory;
pub use failure::{Diagnostic, ErrorKind, escape, escape_path, mask_unprintable};
pub use glob_text::{is_glob, literal_braces, split_fixed};
pub use graph::{order_by_needs, ring};
pub use image::{Image, ImageConfig, ImageManifest};
pub use index::{ImageIndex, MAX_INDEX_DEPTH, Root, UnsupportedEntry};
pub use input_file::{
    InputFile, LONELY_PIPE_PATIENCE, Pipes, SILENT_PIPE_PATIENCE, file_type_name, is_irregular, open_regular,
    read_input,
};
pub use layer_plan::{
    BYTE_FORMAT, Compression, Content, ContentOpener, DiskFile, Entry, EntryKind, EntryPath, EntryPathError, FileStamp,
    Layer, LayerPlan, MAX_PATH_BYTES, PACKED_ANNOTATION, base_name, part_before,
};
pub use listing::{ListedItem, ListedRoot, Listing};
pub use locked::locked;
pub use media_type::{Family, MediaType};
pub use metadata::{
    ImageMetadata, ImageState, MAX_METADATA_BYTES, METADATA_VERSION, Metadata, MetadataError, PlatformMetadata,
    ShardMetadata, TargetMetadata,
};
pub use nearest::nearest;
pub use part::{BuildInputs, Part, UnchangedPart};
pub use platform::{Platform, PlatformError};
pub use platform_names::UnknownPart;
pub use reference::{ImageName, Reference, ReferenceError, Repository, Selector, Tag, is_registry};
pub use short_names::{ShortNames, name_help, target_help};
pub use size::{part_text, size_text};
pub use whiteout::{OPAQUE_WHITEOUT, WHITEOUT_PREFIX};
pub use xattr::{XattrOwner, xattr_owner, xattr_pattern_owner};

/// Annotation of a layout's descriptor: the tag, as skopeo expects it (image-spec, annotations.md).
pub const REF_NAME_ANNOTATION: &str = "org.opencontainers.image.ref.name";

/// Annotation of a layout's descriptor: the image's full name, as containerd and podman expect it.
pub const FULL_NAME_ANNOTATION: &str = "io.containerd.image.name";
