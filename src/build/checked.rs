//! Checks the files of every planned image before anything is packed.

use std::sync::Arc;

use crate::build::cache::BuildCache;
use crate::build::checking::{Surveyed, check_planned, empty_verdict};
use crate::build::contents::Contents;
use crate::build::failures::Failures;
use crate::build::inputs::PlannedPlatform;
use crate::build::locking::LockUpdate;
use crate::build::member_images::MemberImages;
use crate::build::options::BuildOptions;
use crate::build::planning::{PlannedBuild, PlannedImage};
use crate::check::Verdict;
use crate::events::Observer;

/// Images whose files can be opened.
pub(super) struct Checked {
    pub images: Vec<PlannedImage>,
    pub members: MemberImages,
    pub contents: Contents,
    pub lock_update: Option<LockUpdate>,
    pub cache: Arc<BuildCache>,
}

impl Checked {
    pub fn platforms(&self) -> impl Iterator<Item = &PlannedPlatform> {
        self.images.iter().flat_map(|image| &image.platforms)
    }
}

/// Checks the files of every platform on the current thread, like planning. Nothing else runs at this time, and memory
/// that planning freed is used again. An image whose files cannot be read is left out and added to the `failures`; the
/// others are checked nevertheless. Returns a verdict for each image that is left.
pub(super) async fn check_files(
    planned: PlannedBuild,
    counts_files: bool,
    failures: &mut Failures,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> (Checked, Vec<Verdict>) {
    let PlannedBuild {
        images,
        members,
        mut contents,
        lock_update,
        cache,
        ..
    } = planned;
    let mut surveyed = Surveyed::default();
    let mut verdicts = Vec::new();
    let mut read = Vec::new();
    for image in images {
        let collected = contents.collect(&image.platforms, observer).await;
        let checked = collected.and_then(|()| {
            check_planned(
                &image.platforms,
                &mut surveyed,
                &contents,
                counts_files,
                options,
                observer,
            )
        });
        match checked {
            Ok((findings, coverage)) => {
                verdicts.push(empty_verdict(&image.platforms).with(findings).with_checked(coverage));
                read.push(image);
            }
            Err(error) => failures.add(image.id.as_deref(), error),
        }
    }
    let checked = Checked {
        images: read,
        members,
        contents,
        lock_update,
        cache,
    };
    (checked, verdicts)
}
