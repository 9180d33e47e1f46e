//! The build plan: what the spec says, the listings of its files and the facts of a resolved base become, for one
//! platform, layers whose entries are known and sorted, and a config; later, with the packed layers, the documents of
//! the image (image-spec: layer.md, config.md, manifest.md, image-index.md).
//!
//! Pure: no file, no network, no clock and no environment is looked at; equal input gives equal plans.

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
