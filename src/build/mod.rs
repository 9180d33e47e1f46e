//! Runs a build, and opens the images that it reads and writes.
//!
//! The stages: every platform is resolved, listed and planned; then packed, assembled and checked against its budget;
//! and only then written. The caller passes everything that a build needs from its environment (time, directories,
//! credentials).

mod assembling;
mod background;
mod built;
mod cache;
mod cache_from;
mod changes;
mod checked;
mod checking;
mod compose;
mod configs;
mod contents;
mod digests;
mod documents;
mod duplicates;
mod error;
mod failures;
mod gate;
mod homes;
mod image_check;
mod image_reading;
mod images;
mod inputs;
mod layer;
mod lock_files;
mod lock_scope;
mod locking;
mod member;
mod member_images;
mod merge;
mod naming;
mod offline;
mod options;
mod origins;
mod outputs;
mod packing;
mod parallel;
mod parts;
mod planned_images;
mod planning;
mod records;
mod report;
mod run;
mod secrets;
mod target;
mod transports;
mod update;
mod writing;

pub(crate) use built::BuildOutput;
pub use cache::CACHE_KINDS;
pub(crate) use compose::{Composed, compose};
pub(crate) use images::open_image;

pub use changes::{ImageChange, PackageChanges, PinChange};
pub use configs::{PlannedConfig, plan_configs};
pub use digests::{ImageDigests, image_digests};
pub use error::BuildError;
pub use failures::{Unbuilt, as_one, as_one_refusal};
pub use image_check::{CheckedImage, CheckedImages, check_image};
pub use images::{Opened, image_facts};
pub use lock_scope::LockScope;
pub use member::Member;
pub use merge::{ExpectedTag, MergeError, MergePart, MergeRequest, MergedImage, PartContent, merge};
pub use naming::{DEFAULT_LAYOUT, OutputRequest, Outputs};
pub use options::BuildOptions;
pub use outputs::{check_copy, check_outputs};
pub use planning::{PlannedBuild, plan_build};
pub use report::{BuildReport, LayerOrigin, LayerReport, PlatformReport, TargetReport};
pub use run::{build, build_each, check_build, check_each};
pub use target::{Target, TargetPlace, pushed_tag};
pub use transports::Transports;
pub use update::{LockChange, PinnedName, complete_lock, outdated, update_lock};
