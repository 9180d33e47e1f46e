//! Collects the inputs of each platform's plan: its part of the spec, its base, and the listings of its `files`
//! entries.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::build::BuildError;
use crate::build::duplicates;
use crate::build::images::{Images, PlatformImage};
use crate::build::member_images::MemberImages;
use crate::build::naming::Outputs;
use crate::build::options::BuildOptions;
use crate::check::Policy;
use crate::files::{self, Archives, FilesError, IgnoreRules, NotLeftOut, UnreadDockerignore};
use crate::model::{Content, Digest, EntryKind, EntryPath, ListedItem, ListedRoot, Listing, Platform, escape};
use crate::plan::{BaseImage, BuildPlan, PlanError, PlanInput, PlanInputs, plan_recording};
use crate::spec::{FilesEntry, From, PlatformSpec, Spec};
use crate::tree::{Node, NodeKind, View};

/// The plan of one platform, and the images that it reads from.
pub(super) struct PlannedPlatform {
    pub plan: BuildPlan,
    /// The base image; `None` for scratch.
    pub base: Option<PlatformImage>,
    /// Images that files are copied from, by the digests of their manifests.
    pub file_images: BTreeMap<Digest, PlatformImage>,
    /// The severity of findings, from the spec.
    pub policy: Policy,
    /// The inputs that its layers were planned from.
    inputs: Arc<PlanInputs>,
}

impl PlannedPlatform {
    /// Replaces the base, which was planned and is packed now. Nothing that was planned depends on the difference.
    pub fn rebase(&mut self, base: PlatformImage) {
        self.plan.base = Some(Arc::new(planning_base(&base)));
        self.base = Some(base);
    }
}

/// Resolves, lists and plans one platform. Results that equal those of an earlier platform are reused.
pub(super) async fn plan_platform(
    spec: &Spec,
    platform: &Platform,
    created_s: i64,
    disk: &Disk,
    images: &mut Images<'_>,
    members: &MemberImages,
    earlier: &[&PlannedPlatform],
) -> Result<PlannedPlatform, BuildError> {
    let platform_spec = spec.platform(platform)?;
    let base = match (platform_spec.member_base(), platform_spec.base_image()) {
        (Some(id), _) => Some(members.for_platform(id, platform)?),
        (None, Some(named)) => Some(images.for_platform(&named, platform).await?),
        (None, None) => None,
    };
    let base_env = base
        .as_ref()
        .map(|base| base.image.config().value().env())
        .unwrap_or_default();
    let config = spec.config(platform, &base_env)?;
    let check = &platform_spec.check;
    let policy = Policy::new(&check.allow, &check.deny)?.shared_if(check.is_shared_allow);
    let mut input = PlanInput {
        base: base.as_ref().map(|base| Arc::new(planning_base(base))),
        config,
        listings: Vec::new(),
        family: spec.image().media_types,
        created_s,
        platform_spec,
    };
    let failed = |cause| BuildError::Plan {
        platform: platform.clone(),
        cause: Box::new(cause),
    };
    let (plan, inputs, file_images) = match plan_as_earlier(&input, earlier).map_err(failed)? {
        Some((plan, inputs)) => (plan, inputs, BTreeMap::new()),
        None => {
            let (listings, file_images) = list_layers(&input.platform_spec, disk, images, members).await?;
            input.listings = listings;
            let (plan, inputs) = plan_recording(input).map_err(failed)?;
            (plan, Arc::new(inputs), file_images)
        }
    };
    for warning in &plan.warnings {
        images.warn(format!("{platform}: {warning}"));
    }
    Ok(PlannedPlatform {
        plan,
        base,
        file_images,
        policy,
        inputs,
    })
}

/// Returns a plan that reuses the layers of an earlier platform if they are the same.
fn plan_as_earlier(
    input: &PlanInput,
    earlier: &[&PlannedPlatform],
) -> Result<Option<(BuildPlan, Arc<PlanInputs>)>, PlanError> {
    for other in earlier {
        if let Some(plan) = other.inputs.plan_again(&other.plan, input)? {
            return Ok(Some((plan, other.inputs.clone())));
        }
    }
    Ok(None)
}

fn planning_base(base: &PlatformImage) -> BaseImage {
    BaseImage {
        image: base.image.clone(),
        name: base.name.reference(),
        index: base.index,
        tree: base.facts.tree.clone(),
        passwd: base.facts.passwd.clone().unwrap_or_default().into(),
        group: base.facts.group.clone().unwrap_or_default().into(),
    }
}

/// The settings for listing the disk, shared by all platforms and entries.
pub(super) struct Disk {
    directory: PathBuf,
    never_packed: BTreeSet<PathBuf>,
    outputs: BTreeSet<PathBuf>,
    /// Opens archives, for listing and for packing.
    pub archives: Arc<Archives>,
    threads: usize,
    /// Whether the warning about an unread `.dockerignore` was emitted.
    has_warned: AtomicBool,
}

impl Disk {
    /// Creates the settings for a spec and the outputs that are about to be written.
    pub fn new(spec: &Spec, naming: &Outputs, archives: Arc<Archives>, options: &BuildOptions) -> Self {
        let canonical = |path: &PathBuf| std::fs::canonicalize(path).ok();
        Self {
            directory: spec.directory().to_owned(),
            never_packed: spec.own_files().iter().filter_map(canonical).collect(),
            outputs: naming.local_paths().filter_map(canonical_output).collect(),
            archives,
            threads: options.threads,
            has_warned: AtomicBool::new(false),
        }
    }

    /// Warns once per build, and only if the file would make a difference.
    fn warn_of_dockerignore(&self, dockerignore: &UnreadDockerignore, layers: &LayerListings, images: &Images<'_>) {
        let found: Vec<NotLeftOut> = layers
            .iter()
            .flatten()
            .map(|listing| dockerignore.not_left_out(listing))
            .collect();
        let count: usize = found.iter().map(|found| found.count).sum();
        let Some(first) = found.into_iter().find_map(|found| found.first) else {
            return;
        };
        if self.has_warned.swap(true, Ordering::Relaxed) {
            return;
        }
        let files = if count == 1 {
            "1 packed file"
        } else {
            &format!("{count} packed files")
        };
        images.warn(format!(
            "{} is ignored, but would exclude {files}, such as {} (set ignore-file = \".dockerignore\" in [image], \
             or create an empty .ocitectignore)",
            plain(&self.directory.join(".dockerignore")),
            plain(&first),
        ));
    }

    fn list(&self, entry: &FilesEntry, ignore: &IgnoreRules) -> Result<Listing, FilesError> {
        let never_packed = &self.never_packed;
        let outputs = &self.outputs;
        let archives = &*self.archives;
        let threads = self.threads;
        files::list(
            entry,
            &files::Context {
                ignore,
                never_packed,
                outputs,
                archives,
                threads,
            },
        )
    }
}

/// Returns the canonical path of a file that may not exist yet: that of the closest existing directory, joined with the
/// rest.
pub(super) fn canonical_output(path: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).ok()?;
    let mut existing = absolute.ancestors();
    existing.find_map(|ancestor| {
        let canonical = std::fs::canonicalize(ancestor).ok()?;
        let rest = absolute.strip_prefix(ancestor).ok()?;
        // Joining an empty path would add a slash, which makes the path of a file invalid.
        Some(if rest.as_os_str().is_empty() {
            canonical
        } else {
            canonical.join(rest)
        })
    })
}

/// Returns a path as messages show it, without `.` components.
fn plain(path: &Path) -> String {
    let path: PathBuf = path
        .components()
        .filter(|part| !matches!(part, Component::CurDir))
        .collect();
    escape(path.as_os_str().as_bytes())
}

type LayerListings = Vec<Vec<Listing>>;

async fn list_layers(
    platform_spec: &PlatformSpec,
    disk: &Disk,
    images: &mut Images<'_>,
    members: &MemberImages,
) -> Result<(LayerListings, BTreeMap<Digest, PlatformImage>), BuildError> {
    let ignore = IgnoreRules::load(&platform_spec.ignore_file, &disk.directory)?;
    let dockerignore = UnreadDockerignore::find(&ignore, &disk.directory);
    let platform = &platform_spec.platform;
    let mut file_images = BTreeMap::new();
    let mut layers = Vec::new();
    for layer in &platform_spec.layers {
        let mut of_layer = Vec::new();
        for entry in &layer.files {
            of_layer.push(match (&entry.from, entry.image()) {
                (From::Member { id, path }, _) => {
                    let listing = list_member(entry, (members, id), path, platform, &mut file_images)?;
                    files::filter(listing, entry)?
                }
                (From::Disk { .. }, _) | (_, None) => disk.list(entry, &ignore)?,
                (From::Image { path, .. }, Some(named)) => {
                    let found = images.for_platform(&named, platform).await?;
                    let manifest = found.image.manifest().descriptor().digest;
                    let listing = list_image(entry, &found, path, platform, &mut |path, _| {
                        Ok(Some(Content::Image {
                            manifest,
                            path: path.clone(),
                        }))
                    })?;
                    file_images.insert(found.image.manifest().descriptor().digest, found);
                    files::filter(listing, entry)?
                }
            });
        }
        duplicates::unite(&layer.files, &mut of_layer, &disk.archives);
        layers.push(of_layer);
    }
    if let Some(dockerignore) = dockerignore {
        disk.warn_of_dockerignore(&dockerignore, &layers, images);
    }
    Ok((layers, file_images))
}

/// Lists a path of a member's image, which need not be packed. Adds the images that have the content of its files to
/// `file_images`.
fn list_member(
    entry: &FilesEntry,
    (members, id): (&MemberImages, &str),
    path: &str,
    platform: &Platform,
    file_images: &mut BTreeMap<Digest, PlatformImage>,
) -> Result<Listing, BuildError> {
    let found = members.for_platform(id, platform)?;
    list_image(entry, &found, path, platform, &mut |path, node| {
        let Some(place) = node.content_at(path) else {
            return Ok(None);
        };
        let content = members.content(id, platform, place)?;
        Ok(content.map(|(content, image)| {
            file_images.extend(image.map(|image| (image.image.manifest().descriptor().digest, image)));
            content
        }))
    })
}

/// Returns the source of the content of a file of an image; `None` if it is not there.
type FindContent<'a> = dyn FnMut(&EntryPath, &Node) -> Result<Option<Content>, BuildError> + 'a;

/// Lists a path of an image. If the path itself is a link, it is followed; links below it are copied verbatim.
fn list_image(
    entry: &FilesEntry,
    found: &PlatformImage,
    path: &str,
    platform: &Platform,
    content: &mut FindContent<'_>,
) -> Result<Listing, BuildError> {
    let not_there = || BuildError::NotInImage {
        place: entry.place.to_string(),
        image: found.name.to_string(),
        path: escape(path.as_bytes()),
        platform: platform.clone(),
    };
    let view = View::new(found.facts.tree.clone());
    let asked = EntryPath::new(path.as_bytes()).map_err(|_| not_there())?;
    let at = view.resolve(&asked).map_err(|_| not_there())?;
    let mut item = |relative: EntryPath, at: &EntryPath| -> Result<ListedItem, BuildError> {
        let node = view.node(at).ok_or_else(not_there)?;
        let origin = format!("{}#{at}", found.name);
        let kind = match &node.kind {
            NodeKind::Directory => EntryKind::Directory,
            NodeKind::Symlink { target } => EntryKind::Symlink {
                target: target.to_vec(),
            },
            NodeKind::File { size_bytes, .. } => EntryKind::File {
                size_bytes: *size_bytes,
                content: content(at, node)?.ok_or_else(not_there)?,
            },
            NodeKind::Special => {
                let place = entry.place.clone();
                let what = "a device or a fifo";
                return Err(FilesError::Refused { place, origin, what }.into());
            }
        };
        let executable = matches!(kind, EntryKind::File { .. }) && node.mode & 0o100 != 0;
        let kept_mode = (entry.keep_modes && !matches!(kind, EntryKind::Symlink { .. })).then_some(node.mode & 0o7777);
        Ok(ListedItem {
            path: relative,
            kind,
            kept_mode,
            executable,
            xattrs: BTreeMap::new(),
            origin: Some(origin),
        })
    };

    let is_directory = at.is_root() || view.node(&at).ok_or_else(not_there)?.is_directory();
    if !is_directory {
        // Uses the name in the spec: a link is followed for its content, not for its name.
        let name = asked.file_name().to_vec();
        return Ok(Listing {
            root: ListedRoot::File { name },
            items: vec![item(EntryPath::root(), &at)?],
        });
    }
    let mut items = Vec::new();
    for (path, _) in found.facts.tree.below(&at) {
        let relative = EntryPath::new(&path.as_bytes()[at.as_bytes().len()..]).map_err(|_| not_there())?;
        items.push(item(relative, path)?);
    }
    Ok(Listing {
        root: ListedRoot::Directory,
        items,
    })
}
