//! The arguments of `merge`.

use std::path::PathBuf;

use clap::Args;

use super::RegistryArguments;

/// `ocitect merge`.
#[derive(Debug, Args)]
#[command(after_help = MERGE_EXAMPLES)]
pub struct MergeArguments {
    /// The parts: files of --metadata, oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:REF] or
    /// REPOSITORY@sha256:... Before them, optionally, the name of the whole image: REPOSITORY:TAG.
    #[arg(required = true, value_name = "[TARGET] PART")]
    pub images: Vec<String>,
    /// Where to write the image: oci:DIR[:TAG] or oci-archive:FILE[:TAG]. Can be repeated. [default: the registry that
    /// the parts were pushed to]
    #[arg(short, long, value_name = "OUTPUT")]
    pub output: Vec<String>,
    /// The platforms that the whole image must have. Needed unless the parts are files of --metadata, which list them.
    #[arg(long, value_name = "OS/ARCH", value_delimiter = ',')]
    pub platforms: Vec<String>,
    /// Write tags only if they name this image now, or with `none` only if they do not exist. Can be repeated, for
    /// different tags. Fails with status 3 otherwise.
    #[arg(long, value_name = "[TAG=]DIGEST|none")]
    pub if_tag: Vec<String>,
    /// Write name, tags, digests, platforms and sizes to this file as JSON. With -, they go to standard output and the
    /// digest lines to standard error.
    #[arg(long, value_name = "FILE")]
    pub metadata: Option<PathBuf>,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArguments,
}

const MERGE_EXAMPLES: &str = "\
Prints NAME@DIGEST of each image. Fails with status 6 if a platform is missing,
and with status 2 if parts do not belong together; then nothing is written.

Examples:
  # On two runners
  ocitect build --push --platform linux/amd64 --metadata amd64.json
  ocitect build --push --platform linux/arm64 --metadata arm64.json

  # Then on one: push the index of both, and its tags
  ocitect merge amd64.json arm64.json

  # Only if the tag still names the image that it named before
  ocitect merge --if-tag latest=sha256:... amd64.json arm64.json

  # Images that other tools built
  ocitect merge --platforms linux/amd64,linux/arm64 ghcr.io/me/app:1.0 \\
      ghcr.io/me/app@sha256:... oci-archive:arm64.tar";
