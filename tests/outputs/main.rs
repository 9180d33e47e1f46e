//! The local outputs of a build and its standard output, and their readers: skopeo, umoci, podman, tar.

mod archives;
mod crowds;
mod formats;
mod guarded;
mod images;
mod interrupted;
mod itself;
mod killed;
mod layouts;
#[path = "../support/mount.rs"]
mod mount;
mod reports;
mod signals;
#[path = "../support/supervisor.rs"]
mod supervisor;
#[path = "../support/sandbox.rs"]
mod support;
