//! Images in one file: OCI layouts as a tar (`oci-archive`), and the format of `docker save` (`docker-archive`).
//!
//! An archive is read in place: one pass over the headers finds each member, and blobs are read from there. It is
//! written sequentially, to a temporary file that is renamed when it is complete, or to a stream. Its bytes depend only
//! on the blobs, their order, and the names.
//!
//! This module must never unpack an archive, follow a link out of one, or trust a size before the bytes were read. The
//! tar format is POSIX's ustar and pax, and on reading GNU's long names; the layout is that of image-spec,
//! image-layout.md; the docker-archive that of Docker's image specification v1.2.

mod docker;
mod docker_sink;
mod kind;
mod members;
mod oci;
mod oci_sink;
mod section;
mod sink;
#[cfg(test)]
mod tests;
mod writer;

pub use docker::DockerArchive;
pub use docker_sink::DockerArchiveSink;
pub use kind::{ArchiveKind, kind_of};
pub use oci::OciArchive;
pub use oci_sink::OciArchiveSink;
pub use writer::Output;
