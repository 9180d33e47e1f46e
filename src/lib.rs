//! ocitect assembles multi-platform OCI images from artifacts that are already built: one spec in, an image index out, in
//! a registry, a layout or an archive; the same bytes every time, without a daemon and without root.
//!
//! # The way through
//!
//! ```text
//! ocitect.toml ─► spec ─► files ─► plan ─► pack ─► image ─► transfer ─► registry | layout | archive
//!                                   ▲                          ▲
//!                 ocitect.lock ─► facts ◄──── base image ──────┘
//! ```
//!
//! # The map
//!
//! | module | what it is for |
//! |---|---|
//! | [`model`] | the values: digests, descriptors, documents, images, names, the plan of a layer |
//! | [`spec`] | `ocitect.toml`: from text to what each platform shall be |
//! | [`files`] | what `files` entries name, listed: the disk, globs, ignore files, members of archives |
//! | [`mod@tar`] | the members of a tar stream, read as the runtimes read them |
//! | [`tree`] | the file tree of an image, from its layers as a stream; the facts of a base |
//! | [`elf`] | what an ELF file says of itself |
//! | [`secrets`] | what looks like a secret in the bytes of a file |
//! | [`lock`] | `ocitect.lock`: what the spec's images are, pinned, and their facts |
//! | [`plan`] | spec, listings and base to everything that a layer and a config will hold; pure |
//! | [`pack`] | the plan of a layer to its bytes, in one pass |
//! | [`compress`] | gzip and zstd, both ways, in blocks |
//! | [`mod@check`] | will it start? what an image holds, compared with what it needs to run |
//! | [`store`] | the traits of a source and a sink, and the verifying reader between them |
//! | [`cache`] | what can be made again, kept by content: blocks, records of layers, facts, documents |
//! | [`layout`], [`archive`], [`registry`] | the places that images are in |
//! | [`transfer`] | copies an image from any source to any sink, children first and tags last |
//! | [`mod@import`] | a first spec for a project, from its build results and manifests |
//! | [`build`] | runs it all |
//! | [`cli`] | the command line, the only module that touches terminal, environment and home |
//!
//! Who may import whom is held by a test, `tests/architecture.rs`.
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
