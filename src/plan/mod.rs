//! Plans a build. For one platform, the settings of the spec, the listings of its files and the facts of a resolved
//! base image become layers with known, sorted entries, and a config. Later, with the packed layers, they become the
//! documents of the image (image-spec: layer.md, config.md, manifest.md, image-index.md).
//!
//! Pure: uses no file, network, clock or environment. Equal inputs give equal plans.

mod again;
mod assemble;
mod build_plan;
mod config;
mod error;
mod filesystem;
mod layer;
mod owners;
mod print;
mod slots;
mod sources;
#[cfg(test)]
mod tests;

pub use again::Grounds;
pub use assemble::{assemble, index, index_annotations};
pub use build_plan::{BaseImage, BuildPlan, ConfigPlan, PlanInput, check_platform, plan, plan_on_grounds};
pub use config::REQUIRED_ENV_LABEL;
pub use error::PlanError;
