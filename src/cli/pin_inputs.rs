//! What `ocitect pin` reads: the images to pin, and the files.

use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::arguments::{OutputArguments, PinFilesArguments};
use super::failure::Failure;
use super::image_names;
use super::progress::{self, TrafficAtEnd};
use crate::deploy::listed::listed;
use crate::deploy::pin::{PinnedImage, PinnedImages};
use crate::deploy::problem::decode;
use crate::deploy::text_file::TextFile;
use crate::deploy::yaml::MAX_YAML_BYTES;
use crate::environment::Environment;
use crate::model::{ImageName, MAX_METADATA_BYTES, Pipes, Reference, escape, escape_path, is_irregular, read_input};

/// Name of standard input in place of a file.
const STDIN: &str = "-";

/// Reads the images to pin, from metadata and from registries.
pub async fn images(
    arguments: &PinFilesArguments,
    output: &OutputArguments,
    environment: &Environment,
) -> Result<PinnedImages, Failure> {
    if arguments.from.is_empty() {
        return Err(Failure::usage(
            "no images to pin were given",
            "add --from FILE with the file that `ocitect build --metadata FILE` wrote, or --from REF to ask the registry",
        ));
    }
    let mut images = Vec::new();
    let mut references = Vec::new();
    for from in &arguments.from {
        if is_file(from) {
            images.extend(metadata(Path::new(from), output)?);
        } else {
            references.push(image_names::parse_pushed(from)?);
        }
    }
    images.extend(resolved(&references, arguments, output, environment).await?);
    Ok(PinnedImages::new(images)?)
}

/// Returns `true` if a source is a file: it exists, or has the form of a path.
fn is_file(from: &str) -> bool {
    let is_path = from.ends_with(".json") || from.starts_with(['.', '/']);
    is_path || Path::new(from).exists()
}

/// Reads the images of a metadata file. Warns of those that the build did not make: files keep their references.
fn metadata(path: &Path, output: &OutputArguments) -> Result<Vec<PinnedImage>, Failure> {
    // A pipe is fine: `--from <(ocitect build --metadata -)`.
    let help = "give the file that `ocitect build --metadata FILE` wrote, or a reference such as ghcr.io/me/app:1.0";
    let bytes = read_input(path, Pipes::Read, MAX_METADATA_BYTES).map_err(|error| unreadable(path, &error, help))?;
    let read = PinnedImage::from_metadata(&bytes, &path.to_string_lossy())?;
    if !read.missing.is_empty() {
        let missing = listed(read.missing.iter().map(String::as_str));
        let text = format!(
            "{} is the metadata of a build that failed: it has no image of {missing}, so references to it are not pinned",
            escape_path(path)
        );
        progress::warn(output.progress, &text);
    }
    Ok(read.images)
}

/// Resolves references in their registries.
async fn resolved(
    references: &[Reference],
    arguments: &PinFilesArguments,
    output: &OutputArguments,
    environment: &Environment,
) -> Result<Vec<PinnedImage>, Failure> {
    if references.is_empty() {
        return Ok(Vec::new());
    }
    let observer = progress::observer(output);
    let registries: BTreeSet<&str> = references
        .iter()
        .map(|reference| reference.repository.registry())
        .collect();
    let registries: Vec<&str> = registries.into_iter().collect();
    let transports = environment.transports(&arguments.registry, &registries, &observer)?;
    let _traffic = TrafficAtEnd::of(&transports, &observer);
    let mut images = Vec::new();
    for reference in references {
        let name = ImageName::Registry(reference.clone());
        let (_, root) = image_names::open(&transports, &name, &observer).await?;
        let tag = match (&reference.tag, &reference.digest) {
            (None, None) => Some("latest".parse().map_err(|error| Failure::here(&format!("{error}")))?),
            (tag, _) => tag.clone(),
        };
        images.push(PinnedImage {
            repository: reference.repository.clone(),
            tags: tag.into_iter().collect(),
            digest: root.descriptor().digest,
            is_untagged: false,
        });
    }
    Ok(images)
}

/// Returns `true` if a file is standard input.
pub fn is_stdin(path: &Path) -> bool {
    path == Path::new(STDIN)
}

/// Reads all files, each once.
pub fn files(paths: &[PathBuf]) -> Result<Vec<Arc<TextFile>>, Failure> {
    let mut seen = BTreeSet::new();
    let mut files = Vec::new();
    for path in paths {
        if is_stdin(path) {
            if paths.len() > 1 {
                return Err(Failure::usage(
                    "standard input is one of several files",
                    "give it alone: it is printed, and the others are not",
                ));
            }
            files.push(Arc::new(decode("standard input".into(), read_stdin()?)?));
            continue;
        }
        let help = "give a file that deploys images, such as compose.yaml; - is standard input";
        let bytes =
            read_input(path, Pipes::Refused, MAX_YAML_BYTES as u64).map_err(|error| unreadable(path, &error, help))?;
        // It was just read, so it exists; if it has no real path any more, writing it fails.
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        if seen.insert(real) {
            files.push(Arc::new(decode(path.clone(), bytes)?));
        }
    }
    Ok(files)
}

/// Returns the failure of a file that cannot be read: bad input if it is the wrong file, and else a local error.
fn unreadable(path: &Path, error: &io::Error, help: &str) -> Failure {
    let message = format!("cannot read {}", escape_path(path));
    let is_wrong_file = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::FileTooLarge);
    if is_wrong_file || is_irregular(error) {
        Failure::usage(&message, help).caused_by(error)
    } else {
        Failure::here(&message).caused_by(error)
    }
}

fn read_stdin() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let limit = MAX_YAML_BYTES as u64;
    let read = std::io::stdin().lock().take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::here("cannot read standard input").caused_by(&error))?;
    if bytes.len() as u64 > limit {
        let message = format!("standard input has more than {limit} bytes");
        return Err(Failure::usage(&message, "pin its parts one by one"));
    }
    Ok(bytes)
}

/// Returns the names of the images to pin, for messages.
pub fn names(images: &PinnedImages) -> String {
    let names: Vec<String> = images.names().map(|name| escape(name.as_bytes())).collect();
    names.join(", ")
}
