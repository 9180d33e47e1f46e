//! Plans a build: resolves, lists and plans every platform of every image. Writes nothing except to the cache.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::build::BuildError;
use crate::build::cache::BuildCache;
use crate::build::contents::Contents;
use crate::build::failures::Failures;
use crate::build::images::Images;
use crate::build::inputs::{Disk, PlannedPlatform, plan_platform};
use crate::build::locking::{self, LockUpdate};
use crate::build::member::Member;
use crate::build::member_images::MemberImages;
use crate::build::options::BuildOptions;
use crate::build::outputs;
use crate::build::parts::build_inputs;
use crate::build::planned_images::planned_images;
use crate::build::records::Records;
use crate::build::transports::Transports;
use crate::events::{Event, Observer, Task, Work};
use crate::files::Archives;
use crate::model::BuildInputs;
use crate::spec::ImageSpec;

/// A build whose images are all planned. Nothing is written yet.
pub struct PlannedBuild {
    /// In the order of the members.
    pub(super) images: Vec<PlannedImage>,
    /// The members that others are based on, as they are planned.
    pub(super) members: MemberImages,
    /// Opens what the plans contain. Files of images are copied as they are needed.
    pub(super) contents: Contents,
    /// What all platforms of each image share, in the order of the members.
    pub(super) inputs: Vec<BuildInputs>,
    /// The members that are not built.
    pub(super) failures: Failures,
    /// The lockfile with the pins that were missing.
    pub(super) lock_update: Option<LockUpdate>,
    pub(super) cache: Arc<BuildCache>,
}

/// An image whose platforms are all planned.
pub(super) struct PlannedImage {
    /// The member's ID; `None` for the only image of a build.
    pub id: Option<String>,
    /// The IDs of the members that it is based on or takes files from.
    pub needs: BTreeSet<String>,
    pub platforms: Vec<PlannedPlatform>,
    /// `false` if some of the spec's platforms are left out.
    pub is_whole: bool,
    /// What the spec says once for the image.
    pub spec: ImageSpec,
}

impl PlannedImage {
    fn to_json(&self) -> Value {
        self.platforms.iter().map(|planned| planned.plan.to_json()).collect()
    }
}

impl PlannedBuild {
    /// Returns the plans as JSON, for `--print-plan`: those of the platforms of the only image, or an object for each
    /// member, with its ID and the plans of its platforms.
    pub fn to_json(&self) -> Value {
        let of_member = |image: &PlannedImage| {
            let id = image.id.as_deref()?;
            Some(json!({ "member": id, "platforms": image.to_json() }))
        };
        match &self.images[..] {
            [only] if only.id.is_none() => only.to_json(),
            images => images.iter().filter_map(of_member).collect(),
        }
    }

    /// Returns `true` unless a member cannot be planned, and the build does not keep going.
    pub fn goes_on(&self) -> bool {
        !self.failures.is_stopped()
    }

    /// Returns the errors of the members that cannot be planned.
    ///
    /// # Errors
    /// Returns those errors as one.
    pub fn result(mut self) -> Result<(), BuildError> {
        self.failures.take_errors()
    }

    fn platforms(&self) -> impl Iterator<Item = &PlannedPlatform> {
        self.images.iter().flat_map(|image| &image.platforms)
    }

    /// Shares the memory of layers that are equal to one of an earlier platform.
    fn share_layers(&self, planned: &mut PlannedPlatform, siblings: &[PlannedPlatform]) {
        for layer in &mut planned.plan.layers {
            let mut known = self.platforms().chain(siblings).flat_map(|other| &other.plan.layers);
            if let Some(known) = known.find(|known| *known == layer) {
                *layer = known.clone();
            }
        }
    }
}

/// Resolves every base image that the lockfile does not contain, lists every file and plans every platform. Sends only
/// HEAD and GET requests to registries. Writes nothing except to the cache.
///
/// A member comes after those that it is based on. The errors of members that cannot be planned are in the result, so that
/// all are known at once: see [`PlannedBuild::result`].
///
/// # Errors
/// Returns [`BuildError`] if no member can be planned, such as for an invalid lockfile.
pub async fn plan_build(
    members: &[Member<'_>],
    options: &BuildOptions,
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Result<PlannedBuild, BuildError> {
    let lock = locking::load_for_build(members, options, transports, observer)?;
    let pins = lock.clone().unwrap_or_default();
    let mut images = Images::new(transports, options, observer).pinned_by(pins.clone(), &pins);
    let archives = Arc::new(Archives::new(options.scratch_directory.clone()));
    let mut build = PlannedBuild {
        images: Vec::new(),
        members: MemberImages::default(),
        contents: Contents::new(archives.clone(), &options.scratch_directory)?,
        inputs: Vec::new(),
        failures: Failures::new("build", options.keep_going, observer),
        lock_update: None,
        cache: images.cache(),
    };
    for member in members {
        if build.failures.concern(member.id, &member.spec.needed_members()) {
            continue;
        }
        let disk = Disk::new(member.spec, member.outputs, archives.clone(), options);
        match plan_member(member, &disk, &mut images, &mut build, members, options, observer).await {
            Ok(planned) => build.images.push(planned),
            Err(error) => build.failures.add(member.id, error),
        }
    }
    build.failures.stop();
    if build.failures.is_stopped() {
        return Ok(build);
    }
    build.inputs = build_inputs(members, images.lock(), options.created_s)?;
    if !options.locked {
        let specs: Vec<_> = members.iter().map(|member| member.spec).collect();
        build.lock_update = LockUpdate::new(&specs, lock.as_ref(), images.lock());
    }
    Ok(build)
}

/// Returns `true` if another member is based on a member, or takes files from it.
fn is_needed(id: &str, members: &[Member<'_>]) -> bool {
    members.iter().any(|member| member.spec.needed_members().contains(id))
}

async fn plan_member(
    member: &Member<'_>,
    disk: &Disk,
    images: &mut Images<'_>,
    build: &mut PlannedBuild,
    members: &[Member<'_>],
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<PlannedImage, BuildError> {
    for warning in member.spec.warnings() {
        observer.event(Event::Warning(warning.clone()));
    }
    let mut platforms: Vec<PlannedPlatform> = Vec::new();
    for platform in &member.outputs.platforms {
        let _task = Task::start(observer, Work::new("planning", member.item(platform)), None);
        let earlier: Vec<&PlannedPlatform> = build.platforms().chain(&platforms).collect();
        let planned = plan_platform(
            member.spec,
            platform,
            options.created_s,
            disk,
            images,
            &build.members,
            &earlier,
        );
        let mut planned = planned.await?;
        build.share_layers(&mut planned, &platforms);
        platforms.push(planned);
    }
    outputs::refuse_inputs(member.outputs, &platforms)?;
    if let Some(id) = member.id.filter(|id| is_needed(id, members)) {
        build.contents.collect(&platforms, observer).await?;
        let records = Records::new(build.cache.clone(), options.started_at);
        let images = planned_images(
            member,
            id,
            &platforms,
            &build.members,
            &build.contents,
            &records,
            options,
        )?;
        build.members.add(id, images);
    }
    let is_built = |platform| member.outputs.platforms.contains(platform);
    Ok(PlannedImage {
        id: member.id.map(str::to_owned),
        needs: member.spec.needed_members(),
        platforms,
        is_whole: member.spec.platforms().iter().all(is_built),
        spec: member.spec.image().clone(),
    })
}
