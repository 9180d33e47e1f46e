//! Files that a run must not overwrite: its spec and lockfile, its inputs, and files inside a layout or the cache.
//! Checked before any work is done.
//!
//! Files are compared by their real paths and by device and inode, so that `./x/../x`, a symbolic link or a hard link
//! is recognized as the same file.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::build::BuildError;
use crate::build::inputs::{PlannedPlatform, canonical_output};
use crate::build::naming::Outputs;
use crate::build::target::{Target, TargetPlace};
use crate::cache::Cache;
use crate::layout::{Layout, LayoutSink};
use crate::model::{Content, EntryKind, ImageName, Repository, escape};
use crate::spec::Spec;
use crate::store::LAYOUT_MARKER_NAME;
use crate::store::output::OutputKind;

/// Device and inode.
type Identity = (u64, u64);

/// A file that must not be overwritten.
struct Guarded {
    real: PathBuf,
    identity: Option<Identity>,
    /// Its role in this run: `the spec`.
    role: &'static str,
}

/// A file that is about to be written.
struct Planned {
    /// The option as the user typed it: `-o oci-archive:app.tar`.
    label: String,
    real: PathBuf,
    identity: Option<Identity>,
    is_layout: bool,
}

/// Refuses outputs of a build that would overwrite its inputs, or write into a directory that is not theirs.
/// `also_read` are files from the command line that are read.
///
/// # Errors
/// Returns [`BuildError::Usage`] and, for a path that cannot be inspected, [`BuildError::Output`].
pub fn check_outputs(
    spec: &Spec,
    naming: &Outputs,
    also_read: &[PathBuf],
    cache_from: &[ImageName],
    cache: Option<&Cache>,
) -> Result<(), BuildError> {
    let mut guarded = vec![
        Guarded::new(spec.path(), "the spec"),
        Guarded::new(&spec.lock_path(), "the spec's lockfile"),
    ];
    guarded.extend(
        spec.own_files()
            .iter()
            .map(|path| Guarded::new(path, "a file that the spec reads")),
    );
    guarded.extend(
        also_read
            .iter()
            .map(|path| Guarded::new(path, "a file that this command reads")),
    );
    for platform in &naming.platforms {
        for image in spec.platform(platform)?.images() {
            guarded.extend(archive_of(&image.name).map(|path| Guarded::new(path, "an image that the spec reads")));
        }
    }
    let earlier = cache_from.iter().filter_map(archive_of);
    guarded.extend(earlier.map(|path| Guarded::new(path, "the image of --cache-from")));
    check(&guarded, planned(naming)?, cache)?;
    naming
        .targets
        .iter()
        .try_for_each(|target| check_layout(target, naming.name.as_ref()))
}

/// Refuses a layout whose tags belong to an image of another name, or that is not a layout. Otherwise the write would
/// fail at its end.
fn check_layout(target: &Target, name: Option<&Repository>) -> Result<(), BuildError> {
    let TargetPlace::Local(ImageName::Layout { path, .. }) = &target.place else {
        return Ok(());
    };
    let sink = Layout::create_or_open(path).map(|layout| LayoutSink::new(layout, name.cloned()));
    let checked = sink.and_then(|sink| sink.check_tags(&target.tags));
    checked.map_err(|cause| BuildError::Output {
        output: target.to_string(),
        cause: Box::new(cause),
    })
}

/// Makes the same checks for a copy of `source` to `target`.
///
/// # Errors
/// Those of [`check_outputs`].
pub fn check_copy(source: &ImageName, target: &Target, cache: Option<&Cache>) -> Result<(), BuildError> {
    let guarded: Vec<Guarded> = archive_of(source)
        .map(|path| Guarded::new(path, "the image that is copied"))
        .into_iter()
        .collect();
    check(&guarded, image_output(target)?.into_iter().collect(), cache)
}

/// Makes the same checks for a merge of `parts`, some of which `files` describe.
pub(super) fn check_merge<'a>(
    naming: &Outputs,
    parts: impl Iterator<Item = &'a ImageName>,
    files: impl Iterator<Item = &'a PathBuf>,
    cache: Option<&Cache>,
) -> Result<(), BuildError> {
    let archives = parts.filter_map(archive_of).map(|path| Guarded::new(path, "a part"));
    let files = files.map(|path| Guarded::new(path, "a part file"));
    check(&archives.chain(files).collect::<Vec<_>>(), planned(naming)?, cache)
}

/// Refuses outputs that are also files of the image under another name, such as a hard link. Under its own name an
/// output is never packed.
pub(super) fn refuse_inputs(naming: &Outputs, platforms: &[PlannedPlatform]) -> Result<(), BuildError> {
    let existing: Vec<Planned> = planned(naming)?
        .into_iter()
        .filter(|output| output.identity.is_some())
        .collect();
    if existing.is_empty() {
        return Ok(());
    }
    for entry in platforms
        .iter()
        .flat_map(|planned| &planned.plan.layers)
        .flat_map(|layer| &layer.entries)
    {
        let (path, identity) = match &entry.kind {
            EntryKind::File {
                content: Content::Disk(file),
                ..
            } => (&file.path, file.stamp.identity),
            EntryKind::File {
                content: Content::Member { archive, stamp, .. },
                ..
            } => (&**archive, stamp.identity),
            _ => continue,
        };
        if let Some(output) = existing.iter().find(|output| output.identity == Some(identity)) {
            return Err(output.refused(&format!("it is {}, which is packed into the image", shown(path))));
        }
    }
    Ok(())
}

impl Guarded {
    fn new(path: &Path, role: &'static str) -> Self {
        Self {
            real: canonical_output(path).unwrap_or_else(|| path.to_owned()),
            identity: identity(path),
            role,
        }
    }
}

impl Planned {
    fn refused(&self, reason: &str) -> BuildError {
        BuildError::Usage {
            reason: format!("cannot write {}: {reason}", self.label),
            help: "write the output to another path".to_owned(),
        }
    }
}

/// Returns the file of an image that is an archive.
fn archive_of(name: &ImageName) -> Option<&Path> {
    match name {
        ImageName::OciArchive { path, .. } | ImageName::DockerArchive { path, .. } => Some(path),
        ImageName::Layout { .. } | ImageName::Registry(_) => None,
    }
}

/// Returns everything that is written to paths; streams are left out.
fn planned(naming: &Outputs) -> Result<Vec<Planned>, BuildError> {
    let mut outputs = Vec::new();
    for target in &naming.targets {
        outputs.extend(image_output(target)?);
    }
    for path in &naming.also_written {
        outputs.extend(file_output(format!("--metadata {}", shown(path)), path)?);
    }
    Ok(outputs)
}

fn image_output(target: &Target) -> Result<Option<Planned>, BuildError> {
    let TargetPlace::Local(name) = &target.place else {
        return Ok(None);
    };
    let label = format!("the output {target}");
    match name {
        ImageName::Layout { path, .. } => {
            let real = canonical_output(path).unwrap_or_else(|| path.clone());
            Ok(Some(Planned {
                label,
                real,
                identity: None,
                is_layout: true,
            }))
        }
        _ if target.is_stdout() => Ok(None),
        other => archive_of(other).map_or(Ok(None), |path| file_output(label, path)),
    }
}

fn file_output(label: String, path: &Path) -> Result<Option<Planned>, BuildError> {
    let kind = OutputKind::of(path);
    let kind = kind.map_err(|cause| BuildError::Output {
        output: label.clone(),
        cause: Box::new(cause),
    })?;
    let OutputKind::Replaced(end) = kind else {
        return Ok(None);
    };
    let real = canonical_output(&end).unwrap_or_else(|| end.clone());
    Ok(Some(Planned {
        label,
        real,
        identity: identity(&end),
        is_layout: false,
    }))
}

fn identity(path: &Path) -> Option<Identity> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn check(guarded: &[Guarded], outputs: Vec<Planned>, cache: Option<&Cache>) -> Result<(), BuildError> {
    let cache = cache.and_then(|cache| canonical_output(cache.root()));
    for (number, output) in outputs.iter().enumerate() {
        let is_same = |real: &Path, identity: Option<Identity>| {
            output.real == real || (identity.is_some() && output.identity == identity)
        };
        if let Some(guarded) = guarded.iter().find(|guarded| is_same(&guarded.real, guarded.identity)) {
            return Err(output.refused(&format!("it is {}", guarded.role)));
        }
        let other = outputs[..number].iter().find(|other| {
            let are_layouts = output.is_layout && other.is_layout;
            !are_layouts && is_same(&other.real, other.identity)
        });
        if let Some(other) = other {
            return Err(output.refused(&format!("{} is written to the same file", other.label)));
        }
        if let Some(cache) = cache.as_ref().filter(|cache| output.real.starts_with(cache)) {
            return Err(output.refused(&format!("it is inside the cache {}", shown(cache))));
        }
        let is_written_layout =
            |directory: &&Path| outputs.iter().any(|other| other.is_layout && other.real == **directory);
        let mut directories = output.real.ancestors().skip(1);
        let inside = directories.find(|directory| is_layout(directory) || is_written_layout(directory));
        if let Some(layout) = inside {
            return Err(output.refused(&format!("it is inside the OCI layout {}", shown(layout))));
        }
    }
    Ok(())
}

fn is_layout(directory: &Path) -> bool {
    directory.join(LAYOUT_MARKER_NAME).is_file()
}

fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}
