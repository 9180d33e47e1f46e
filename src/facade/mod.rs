//! The front door of the library: pull an image, append layers, change its config, push, copy, check and read it, each
//! in a line or two. Everything here is a thin layer over the stages of a build, so an image that is made here has the
//! same bytes as one that the command line makes of an equal spec.
//!
//! Names are those of the command line: `REF`, `oci:DIR[:TAG]`, `oci-archive:FILE`, `docker-archive:FILE`.

mod access;
mod config;
mod error;
mod files;
mod image;
mod layer;
mod registry;
#[cfg(test)]
mod tests;

pub use config::Config;
pub use error::Error;
pub use files::MAX_READ_BYTES;
pub use image::Image;
pub use layer::Layer;
pub use registry::Registry;
