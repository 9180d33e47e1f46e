//! ocitect assembles multi-platform OCI images from artifacts that are already built: one spec in, an image index out,
//! in a registry, a layout or an archive; the same bytes every time, without a daemon and without root.
//!
//! # Data flow
//!
//! ```text
//! ocitect.toml ─► spec ─► files ─► plan ─► pack ─► image ─► transfer ─► registry | layout | archive
//!                                   ▲                          ▲
//!                 ocitect.lock ─► facts ◄──── base image ──────┘
//! ```
//!
//! # Modules
//!
//! | module | purpose |
//! |---|---|
//! | [`model`] | values: digests, descriptors, documents, images, names, the plan of a layer |
//! | [`spec`] | `ocitect.toml`: from text to the settings of each platform |
//! | [`files`] | lists what `files` entries name: files on disk, globs, ignore files, members of archives |
//! | [`mod@tar`] | reads the members of a tar stream, as the container runtimes do |
//! | [`tree`] | the file tree of an image, from its layers as a stream; the facts of a base |
//! | [`events`] | the events with which every module reports what it does |
//! | [`elf`] | reads the headers of ELF files |
//! | [`secrets`] | finds possible secrets in the bytes of a file |
//! | [`lock`] | `ocitect.lock`: the pinned images of a spec, and their facts |
//! | [`plan`] | from spec, listings and base to the contents of layers and config; pure |
//! | [`pack`] | writes a planned layer, in one pass |
//! | [`compress`] | compresses and decompresses gzip and zstd, in blocks |
//! | [`mod@check`] | checks an image for problems that would keep it from starting |
//! | [`store`] | the traits of a source and a sink, and the verifying reader between them |
//! | [`cache`] | content that can be recreated: blocks, records of layers, facts, documents |
//! | [`layout`], [`archive`], [`registry`] | the places that images are stored in |
//! | [`transfer`] | copies an image from any source to any sink, children first and tags last |
//! | [`mod@import`] | writes a first spec for a project, from its build results and manifests |
//! | [`build`] | runs a build |
//! | [`cli`] | the command line, the only module that accesses terminal, environment and home |
//!
//! The test `tests/architecture.rs` checks which module may import which.
#![deny(missing_docs, unsafe_op_in_unsafe_fn)]
#![warn(clippy::unwrap_used, clippy::dbg_macro, clippy::todo)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod archive;
pub mod build;
pub mod cache;
pub mod check;
pub mod cli;
pub mod compress;
pub mod elf;
pub mod events;
pub mod files;
pub mod import;
pub mod layout;
pub mod lock;
pub mod model;
pub mod pack;
pub mod plan;
pub mod registry;
pub mod secrets;
pub mod spec;
pub mod store;
pub mod tar;
pub mod transfer;
pub mod tree;
