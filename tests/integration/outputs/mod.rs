//! The local outputs of a build and its standard output, and their readers: skopeo, umoci, podman, tar.

mod archives;
mod crowds;
mod formats;
mod guarded;
mod interrupted;
mod itself;
mod killed;
mod layouts;
mod reports;
