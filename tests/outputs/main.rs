//! What a build writes to the local disk and to standard output, and who can read it: skopeo, umoci, podman, tar.

mod archives;
mod formats;
mod images;
mod interrupted;
mod itself;
mod layouts;
mod reports;
#[path = "../support/sandbox.rs"]
mod support;
