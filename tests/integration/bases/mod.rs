//! Images on bases: the selection of the base, its facts, and podman's view of the layers and the config above it.

mod accounts;
mod cache;
mod config;
mod container;
mod facts;
mod from_images;
mod layers_of_others;
mod others;
mod overrides;
mod packing;
mod paths;
mod removal;
mod sources;
mod variants;
