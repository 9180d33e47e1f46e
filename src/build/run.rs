//! Runs a build: packs, assembles and checks what was planned, and only then writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::build::BuildError;
use crate::build::assembling::{PackedImage, pack};
use crate::build::background::in_background;
use crate::build::cache_from::CacheFrom;
use crate::build::checked::{Checked, check_files};
use crate::build::checking::{check_budgets, check_given};
use crate::build::failures::{self, Failures, Unbuilt};
use crate::build::gate::denies_secrets;
use crate::build::inputs::PlannedPlatform;
use crate::build::member::Member;
use crate::build::options::BuildOptions;
use crate::build::planning::{PlannedBuild, PlannedImage};
use crate::build::records::Records;
use crate::build::report::{BuildReport, TargetReport};
use crate::build::secrets::{packed_findings, planned_findings};
use crate::build::transports::Transports;
use crate::build::writing::{EagerUpload, WrittenImage, blob_names, check_access, eager_uploads, write_all};
use crate::check::{Finding, Verdict, gap};
use crate::events::{Event, Observer};
use crate::model::{BuildInputs, Part};
use crate::transfer::Ahead;

/// Builds what was planned and writes it to every target, in order. Returns a report for each member.
///
/// # Errors
/// Those of [`build_each`], and the first reason why a member is not built.
pub async fn build(
    members: &[Member<'_>],
    planned: PlannedBuild,
    options: &BuildOptions,
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<BuildReport>, BuildError> {
    let results = build_each(members, planned, options, transports, observer).await?;
    let mut reports = Vec::new();
    let mut errors = Vec::new();
    for result in results {
        match result {
            Ok(report) => reports.push(report),
            Err(Unbuilt::Failed(error)) => errors.push(error),
            // The member that it needs has the error.
            Err(Unbuilt::Needs(_)) => {}
        }
    }
    failures::as_one(errors).map(|()| reports)
}

/// Builds what was planned and writes it to every target, in order. Returns for each member its report, or why it is not
/// built: without [`BuildOptions::keep_going`], the first failure is an error, and every member has a report.
///
/// Before packing, every registry is asked whether it accepts the push. Before the first write, all images are checked.
/// With a `max-size`, or if every secret is an error, all layers are packed and scanned before the first write too.
/// Otherwise finished layers of a single image without a secret that stops the build may be uploaded while others are
/// packed. The lockfile is completed before anything refers to an image. Of several images all content is written before
/// the first tag, so that a failure before that moves none.
///
/// # Errors
/// Returns [`BuildError`] if nothing can be built: with [`BuildOptions::keep_going`], only for a layer that cannot be
/// packed, or a file that cannot be read.
pub async fn build_each(
    members: &[Member<'_>],
    planned: PlannedBuild,
    options: &BuildOptions,
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<Result<BuildReport, Unbuilt>>, BuildError> {
    let mut planned = planned;
    let inputs = std::mem::take(&mut planned.inputs);
    let mut failures = std::mem::replace(&mut planned.failures, Failures::new("build", false, observer));
    let mut active = Active::new(members, &mut failures);
    let (mut checked, mut verdicts) = check_files(planned, false, options, observer).await?;
    for gap in checked.platforms().filter_map(|planned| gap(&planned.plan.platform)) {
        observer.event(Event::Note(gap));
    }
    let sound = refuse_errors(&active.0, &verdicts, &mut failures, observer)?;
    active.keep(&sound, &mut checked.images, &mut verdicts);
    let accepted = accepted(&active.0, &mut failures, transports).await?;
    active.keep(&accepted, &mut checked.images, &mut verdicts);
    let lock_update = checked.lock_update.take();
    let (mut packed, mut ahead) = pack_all(checked, &active.0, options, transports, observer).await?;
    let with_packed = verdicts.into_iter().zip(&packed);
    let mut verdicts: Vec<Verdict> = with_packed
        .map(|(verdict, image)| with_packed_findings(verdict, image))
        .collect();
    let sound = refuse_errors(&active.0, &verdicts, &mut failures, observer)?;
    keep(&mut ahead, &sound);
    active.keep(&sound, &mut packed, &mut verdicts);
    report_findings(&active.0, &verdicts, observer);
    if let Some(update) = lock_update.filter(|_| !active.0.is_empty()) {
        update.write_or_warn(observer);
    }
    let written = write_packed(&active.0, &packed, &ahead, &mut failures, transports, observer).await?;
    let mut reports: Vec<(Option<&str>, BuildReport)> = Vec::new();
    for ((member, image), targets) in active.0.iter().zip(packed).zip(written) {
        let Some(targets) = targets else { continue };
        let inputs = members
            .iter()
            .position(|other| other.id == member.id)
            .and_then(|at| inputs.get(at));
        reports.push((
            member.id,
            BuildReport {
                name: member.outputs.name.clone(),
                tags: member.outputs.tags.clone(),
                root: image.output.root().descriptor().clone(),
                part: inputs.and_then(|inputs| part(member, &image, inputs)),
                platforms: image.reports,
                targets,
            },
        ));
    }
    let mut reports = reports.into_iter().peekable();
    let results = members.iter().filter_map(|member| match failures.take(member) {
        Some(why) => Some(Err(why)),
        None => reports
            .next_if(|(id, _)| *id == member.id)
            .map(|(_, report)| Ok(report)),
    });
    Ok(results.collect())
}

/// The members that are still built.
struct Active<'a>(Vec<Member<'a>>);

impl<'a> Active<'a> {
    fn new(members: &[Member<'a>], failures: &mut Failures) -> Self {
        let is_planned = |member: &&Member<'_>| !failures.concern(member.id, &member.spec.needed_members());
        Self(members.iter().filter(is_planned).copied().collect())
    }

    /// Keeps some members, and what belongs to them in two lists of the same order.
    fn keep<T, U>(&mut self, kept: &[bool], first: &mut Vec<T>, second: &mut Vec<U>) {
        keep(&mut self.0, kept);
        keep(first, kept);
        keep(second, kept);
    }
}

/// Keeps the items of a list for which `kept` is `true`.
fn keep<T>(list: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    list.retain(|_| kept.next().copied().unwrap_or(true));
}

/// Asks every registry whether it accepts the push. Returns for each member whether it does.
async fn accepted(
    members: &[Member<'_>],
    failures: &mut Failures,
    transports: &Transports,
) -> Result<Vec<bool>, BuildError> {
    let mut accepted = Vec::new();
    for member in members {
        let concerned = failures.concern(member.id, &member.spec.needed_members());
        let checked = match concerned {
            true => Ok(()),
            false => check_access(member.outputs, transports).await,
        };
        accepted.push(!concerned && checked.is_ok());
        if let Err(error) = checked {
            failures.add_or_stop(member.id, error)?;
        }
    }
    Ok(accepted)
}

/// Packs and assembles all images. Layers of a single one may be uploaded meanwhile: also returns the blobs that each
/// target of each member has by then.
async fn pack_all(
    checked: Checked,
    members: &[Member<'_>],
    options: &BuildOptions,
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Result<(Vec<PackedImage>, Vec<Vec<Ahead>>), BuildError> {
    let platforms: Vec<_> = checked
        .platforms()
        .map(|planned| planned.plan.platform.clone())
        .collect();
    let earlier = CacheFrom::read(&options.cache_from, &platforms, transports, observer).await;
    let (eager, uploads) = eager_uploads(members, may_upload_early(&checked));
    let (packed, ahead) = tokio::join!(
        pack(checked, earlier, eager, options, observer),
        uploads.copy(members, transports, observer)
    );
    // A failed upload is the reason that packing was canceled.
    let ahead = ahead?;
    Ok((packed?, ahead))
}

/// Returns what an image that does not have all platforms of its spec is a part of.
fn part(member: &Member<'_>, image: &PackedImage, build: &BuildInputs) -> Option<Part> {
    (!image.is_whole).then(|| Part {
        of: member.spec.platforms().to_vec(),
        tags: member.outputs.tags.iter().map(ToString::to_string).collect(),
        build: build.clone(),
    })
}

async fn write_packed(
    members: &[Member<'_>],
    packed: &[PackedImage],
    ahead: &[Vec<Ahead>],
    failures: &mut Failures,
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<Option<Vec<TargetReport>>>, BuildError> {
    let images = members.iter().zip(packed).map(|(member, image)| WrittenImage {
        id: member.id,
        needs: member.spec.needed_members(),
        outputs: member.outputs,
        output: &image.output,
        names: blob_names(member.id, &image.reports),
    });
    write_all(&images.collect::<Vec<_>>(), ahead, failures, transports, observer).await
}

/// Returns `true` if layers may be uploaded before everything is packed: those of a single image that cannot be refused
/// any more for what packing finds. With a budget, all layers must be known before it is certain that it is written.
fn may_upload_early(checked: &Checked) -> bool {
    let [image] = &checked.images[..] else {
        return false;
    };
    let is_budgeted = image
        .platforms
        .iter()
        .any(|planned| planned.plan.max_size_bytes.is_some());
    !is_budgeted && !denies_secrets(&image.platforms)
}

/// Checks what was planned and writes nothing. Layers are packed if the check needs their size. If variables are
/// `given`, also checks whether they are all that the images require. Returns a verdict for each member.
pub async fn check_build(
    planned: PlannedBuild,
    given: Option<&BTreeMap<String, String>>,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<Verdict>, BuildError> {
    let (checked, verdicts) = check_files(planned, true, options, observer).await?;
    let with_given = |(verdict, image): (Verdict, &PlannedImage)| {
        verdict.with(given.into_iter().flat_map(|given| check_given(&image.platforms, given)))
    };
    let verdicts: Vec<Verdict> = verdicts.into_iter().zip(&checked.images).map(with_given).collect();
    if checked.platforms().all(|planned| planned.plan.max_size_bytes.is_none()) {
        let wholes: Vec<bool> = checked.images.iter().map(|image| image.is_whole).collect();
        let found = scan(checked, options, observer).await?;
        let with_found = |((verdict, found), is_whole): ((Verdict, Vec<Finding>), bool)| {
            let verdict = verdict.with(found);
            if is_whole {
                verdict.with_unused_allows()
            } else {
                verdict
            }
        };
        return Ok(verdicts.into_iter().zip(found).zip(wholes).map(with_found).collect());
    }
    let packed = pack(checked, CacheFrom::default(), EagerUpload::none(), options, observer).await?;
    let packed = verdicts.into_iter().zip(&packed);
    Ok(packed
        .map(|(verdict, image)| with_packed_findings(verdict, image))
        .collect())
}

/// Returns the findings on files that are not packed, for each image. Runs on a thread that may block.
async fn scan(
    checked: Checked,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<Vec<Finding>>, BuildError> {
    let Checked {
        images,
        contents,
        cache,
        ..
    } = checked;
    let records = Records::new(cache, options.started_at);
    let threads = options.threads;
    let observer = observer.clone();
    in_background(move || {
        let all: Vec<&[PlannedPlatform]> = images.iter().map(|image| &image.platforms[..]).collect();
        planned_findings(&all, &contents, &records, threads, &observer)
    })
    .await
}

/// Adds the last findings: secrets, exceeded budgets, and `allow` entries without an effect. An entry for a platform
/// that is not built is not reported.
fn with_packed_findings(verdict: Verdict, packed: &PackedImage) -> Verdict {
    let verdict = verdict.with(packed_findings(&packed.platforms, &packed.layers));
    let verdict = verdict.with(check_budgets(&packed.platforms, &packed.reports));
    if packed.is_whole {
        verdict.with_unused_allows()
    } else {
        verdict
    }
}

/// Reports the findings and fails if one of them is an error. If the build keeps going, reports only those of members with
/// an error, and returns for each member whether it is built.
fn refuse_errors(
    members: &[Member<'_>],
    verdicts: &[Verdict],
    failures: &mut Failures,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<bool>, BuildError> {
    let error_count = verdicts.iter().map(Verdict::error_count).sum();
    if error_count > 0 && !failures.keeps_going() {
        report_findings(members, verdicts, observer);
        return Err(BuildError::Refused { error_count });
    }
    let sound = members.iter().zip(verdicts).map(|(member, verdict)| {
        let error_count = verdict.error_count();
        if error_count > 0 {
            report_findings(&[*member], std::slice::from_ref(verdict), observer);
            failures.add(member.id, BuildError::Refused { error_count });
        }
        error_count == 0 && !failures.concern(member.id, &member.spec.needed_members())
    });
    Ok(sound.collect())
}

fn report_findings(members: &[Member<'_>], verdicts: &[Verdict], observer: &Arc<dyn Observer>) {
    for (member, verdict) in members.iter().zip(verdicts) {
        observer.event(Event::Findings {
            member: member.id.map(str::to_owned),
            findings: verdict.findings.clone(),
        });
    }
}

#[cfg(test)]
mod tests;
