//! Pins images by digest in the files that deploy them: compose files, Kubernetes manifests, kustomizations, values of
//! Helm charts, and quadlets.
//!
//! Only the bytes of the references change. What cannot be pinned without a guess is refused, with its place.

mod decide;
mod edit;
mod find;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod images;
mod mount;
mod name;
mod overriding;
mod place;
mod plan;
mod planned;
mod quadlet;
mod rules;
#[cfg(test)]
mod tests;
mod unit;
mod verify;

pub use images::{ImagesError, MetadataImages, PinnedImage, PinnedImages};
pub use overriding::{MAX_MARK_BYTES, OverridePart, is_override_file, override_file, override_part};
pub use place::FileKind;
pub use plan::{PinOptions, plan};
pub use planned::{ImageLine, Manifest, OtherImage, Plan};
