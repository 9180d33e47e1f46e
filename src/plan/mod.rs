//! Plans a build. For one platform, the settings of the spec, the listings of its files and the facts of a resolved
//! base image become layers with known, sorted entries, and a config. Later, with the packed layers, they become the
//! documents of the image (image-spec: layer.md, config.md, manifest.md, image-index.md).
//!
//! Pure: uses no file, network, clock or environment. Equal inputs give equal plans.

mod assemble;
mod build_plan;
mod config;
mod entries;
mod error;
mod filesystem;
mod image_plan;
mod layer;
mod owners;
mod pending;
mod print;
mod reuse;
mod sources;
#[cfg(test)]
mod tests;
mod types;

pub use assemble::{assemble, index, index_annotations};
pub use build_plan::{plan, plan_recording};
pub use config::{REQUIRED_ENV_LABEL, base_execution, execution};
pub use error::PlanError;
pub use image_plan::check_platform;
pub use reuse::PlanInputs;
pub use types::{BaseImage, BuildPlan, PlanInput};
