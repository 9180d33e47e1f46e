//! `ocitect pin`.

use std::path::PathBuf;

use clap::Args;

use super::RegistryArguments;

/// `ocitect pin`.
#[derive(Debug, Args)]
#[command(after_help = PIN_EXAMPLES)]
pub struct PinFilesArguments {
    /// A compose file, Kubernetes manifests, a kustomization, values of a Helm chart, or a quadlet, recognised by its
    /// content. With -, it is read from standard input and printed. Can be repeated.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The images to pin: the file that `build --metadata` wrote, or a reference that is resolved in its registry. Can be
    /// repeated.
    #[arg(long, value_name = "METADATA|REF")]
    pub from: Vec<String>,
    /// Change nothing; exit with status 3 if an image is not pinned to its digest.
    #[arg(long)]
    pub check: bool,
    /// Replace other tags in the files with the tag of the image.
    #[arg(long)]
    pub retag: bool,
    /// Write the pinned images of compose files to this file, which compose reads after them, and leave the files as they
    /// are.
    #[arg(long = "override", value_name = "FILE")]
    pub override_file: Option<PathBuf>,
    /// Print the new content of the only file, and leave the file as it is.
    #[arg(long, conflicts_with_all = ["check", "override_file", "json"])]
    pub stdout: bool,
    /// Print the images of each file as JSON.
    #[arg(long)]
    pub json: bool,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArguments,
}

const PIN_EXAMPLES: &str = "\
Changes only the bytes of the references, to NAME:TAG@DIGEST. The digest is that
of the index, which is right for every platform. Images that no --from names are
left as they are. Nothing is written unless every file can be pinned.

Examples:
  # Pin what was just built
  ocitect build --push --metadata metadata.json
  ocitect pin compose.yaml k8s/app.yaml --from metadata.json

  # Pin what a registry has
  ocitect pin values.yaml --from ghcr.io/me/app:1.0

  # In CI: fail if a file is not pinned to what was built
  ocitect pin compose.yaml --from metadata.json --check

  # Leave compose.yaml as it is
  ocitect pin compose.yaml --from metadata.json --override compose.pins.yaml
  docker compose -f compose.yaml -f compose.pins.yaml up

  # Pin what another tool prints
  kustomize build | ocitect pin - --from metadata.json | kubectl apply -f -";
