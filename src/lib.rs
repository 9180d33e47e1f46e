//! ocitect assembles multi-platform OCI images from artifacts that are already built: one spec in, an image index out,
//! in a registry, a layout or an archive; the same bytes every time, without a daemon and without root.
//!
//! The command line is `ocitect`; this crate is the library below it.
//!
//! # Append a layer and push
//!
//! ```no_run
//! # async fn example() -> Result<(), ocitect::Error> {
//! use ocitect::{Config, Layer, Registry};
//!
//! let registry = Registry::from_env()?;
//! let base = registry.pull("docker.io/library/debian:12-slim", &"linux/amd64".parse()?).await?;
//! let image = base
//!     .append(Layer::from_dir("dist", "/app"))
//!     .with_config(Config::new().entrypoint(["/app/run"]));
//! let digest = registry.push(&image, "registry.example.com/me/app:1.0").await?;
//! # let _ = digest;
//! # Ok(())
//! # }
//! ```
//!
//! [`Registry::from_env`] uses the credentials, certificates, proxies and mirrors that Docker and podman use, and
//! ocitect's cache. [`Registry::new`] takes all of it as values and reads no environment.
//!
//! # Read, copy, check, build
//!
//! ```no_run
//! # async fn example() -> Result<(), ocitect::Error> {
//! use ocitect::{Inputs, OutputRequest, Registry, Spec};
//!
//! let registry = Registry::from_env()?;
//! let image = registry.pull("oci:build/oci:1.0", &"linux/arm64".parse()?).await?;
//! let passwd = image.read_file("/etc/passwd").await?;
//!
//! registry.copy("ghcr.io/me/app:1.0", "oci-archive:app.tar").await?;
//!
//! let findings = registry.check("ghcr.io/me/app:1.0").await?;
//!
//! let spec = Spec::load("ocitect.toml".as_ref(), &Inputs::default())?;
//! let mut request = OutputRequest::default();
//! request.push = true;
//! let report = registry.build(&spec, &request).await?;
//! # let _ = (passwd, findings, report);
//! # Ok(())
//! # }
//! ```
//!
//! Whole programs are in `docs/examples`: `cargo run --example append`, `read`, `copy`.
//!
//! # Stability
//!
//! What this page documents is the interface. Modules that are public without documentation are for this crate's own
//! tools, and change without notice.
//!
//! # Features
//!
//! - `graviola` (default): TLS without a C compiler, for x86-64 with ADX and AVX2, and aarch64.
//! - `ring`: TLS for all processors; compiles C.
//! - `cli` (default): the command line and what only it needs. A library user turns it off.
//!
//! # Data flow, for contributors
//!
//! ```text
//! ocitect.toml ─► spec ─► files ─► plan ─► check ─► pack ─► transfer ─► registry | layout | archive
//!                                   ▲                            ▲
//!                 ocitect.lock ─► facts ◄──── base image ────────┘
//! ```
//!
//! The facts of a base are in `tree`. The documents of an image (config, manifest, index) are assembled by `plan`, from
//! the plan and the packed layers.
//!
//! # Modules
//!
//! | module | purpose |
//! |---|---|
//! | `model` | values: digests, descriptors, documents, images, names, the plan of a layer |
//! | `spec` | `ocitect.toml`: from text to the settings of each platform |
//! | `files` | lists what `files` entries name: files on disk, globs, ignore files, members of archives |
//! | `tar` | reads the members of a tar stream, as the container runtimes do |
//! | `tree` | the file tree of an image, from its layers as a stream; the facts of a base |
//! | `events` | the events with which every module reports what it does |
//! | `elf` | reads the headers of ELF files |
//! | `secrets` | finds possible secrets in the bytes of a file |
//! | `workspace` | finds, names, orders and selects the images of a repository |
//! | `lock` | `ocitect.lock`: the pinned images of specs, and the files of their facts beside it |
//! | `plan` | from spec, listings and base to the contents of layers and config; pure |
//! | `pack` | writes a planned layer, in one pass |
//! | `compress` | compresses and decompresses gzip and zstd, in blocks |
//! | `check` | checks an image for problems that would keep it from starting |
//! | `store` | the traits of a source and a sink, and the verifying reader between them |
//! | `cache` | content that can be recreated: blocks, records of layers, facts, documents |
//! | `layout`, `archive`, `registry` | the places that images are stored in |
//! | `transfer` | copies an image from any source to any sink, children first and tags last |
//! | `deploy` | compose files, Kubernetes manifests and their kin: the images that they name; pure |
//! | `import` | writes a first spec for a project, from its build results and manifests |
//! | `build` | runs a build |
//! | `facade` | the interface of the library: `Registry`, `Image`, `Layer`, `Config` |
//! | `environment` | reads the environment, the home directory and the clock, for `cli` and `Registry::from_env` |
//! | `cli` | the command line, the only module that accesses the terminal |
//!
//! The test `tests/architecture.rs` checks which module may import which.
#![deny(missing_docs, unsafe_op_in_unsafe_fn)]
#![warn(clippy::unwrap_used, clippy::dbg_macro, clippy::todo)]
#![cfg_attr(test, allow(clippy::unwrap_used))]
// Without the command line, what only it uses is not used.
#![cfg_attr(not(feature = "cli"), allow(dead_code))]

mod archive;
#[doc(hidden)]
pub mod build;
mod cache;
#[doc(hidden)]
pub mod check;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod compress;
#[doc(hidden)]
pub mod deploy;
#[doc(hidden)]
pub mod elf;
mod environment;
#[doc(hidden)]
pub mod events;
mod facade;
#[doc(hidden)]
pub mod files;
mod import;
#[doc(hidden)]
pub mod layout;
mod lock;
#[doc(hidden)]
pub mod model;
#[doc(hidden)]
pub mod pack;
mod plan;
#[doc(hidden)]
pub mod registry;
mod secrets;
#[doc(hidden)]
pub mod spec;
#[doc(hidden)]
pub mod store;
mod tar;
mod transfer;
#[doc(hidden)]
pub mod tree;
mod workspace;

#[doc(inline)]
pub use build::{BuildOptions, BuildReport, CheckedImage, CheckedImages, OutputRequest};
#[doc(inline)]
pub use check::{Finding, Severity};
#[doc(inline)]
pub use events::{Event, Observer, Silent};
pub use facade::{Config, Error, Image, Layer, MAX_READ_BYTES, Registry};
#[doc(inline)]
pub use model::{Compression, Descriptor, Digest, ErrorKind, ImageName, MediaType, Platform};
#[doc(inline)]
pub use registry::{Credentials, Login, ProxyOptions, ProxySetting, RegistryOptions, RetryOptions, Roots, Secret};
#[doc(inline)]
pub use spec::{Inputs, Spec, SpecError};
#[doc(inline)]
pub use store::{Sink, Source, StoreError};
#[doc(inline)]
pub use tree::{Node, NodeKind, Tree};
