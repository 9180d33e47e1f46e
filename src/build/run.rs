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
use crate::build::parts::part;
use crate::build::planning::{PlannedBuild, PlannedImage};
use crate::build::records::Records;
use crate::build::report::{BuildReport, TargetReport};
use crate::build::secrets::{packed_findings, planned_findings};
use crate::build::transports::Transports;
use crate::build::writing::{EagerUpload, WrittenImage, blob_names, check_access, eager_uploads, write_all};
use crate::check::{Finding, Verdict, gap};
use crate::events::{Event, Observer};
use crate::model::BuildInputs;
use crate::transfer::Ahead;

/// Builds what was planned and writes it to every target, in order. Returns a report for each member.
///
/// # Errors
/// Those of [`build_each`], and the errors of the members that failed.
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
            // Another member has the error.
            Err(Unbuilt::Needs(_) | Unbuilt::Unfinished) => {}
        }
    }
    if reports.is_empty() {
        failures::as_one_refusal(errors)?;
    } else {
        failures::as_one(errors)?;
    }
    Ok(reports)
}

/// Builds what was planned and writes it to every target, in order. Returns for each member its report, or why it is not
/// built. After the first failure the others are left, unless [`BuildOptions::keep_going`] is set; but what can be known
/// before the first write is found out for all members.
///
/// Before packing, every registry is asked whether it accepts the push. Before the first write, all images are checked.
/// With a `max-size`, or if every secret is an error, all layers are packed and scanned before the first write too.
/// Otherwise finished layers of a single image without a secret that stops the build may be uploaded while others are
/// packed. The lockfile is completed before anything refers to an image. Of several images all content is written before
/// the first tag, so that a failure before that moves none.
///
/// # Errors
/// Returns [`BuildError`] for a failure that concerns no member.
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
    let active = Active::new(members, &mut failures);
    planned.images.retain(|image| active.has(image.id.as_deref()));
    let reports = if active.0.is_empty() {
        Vec::new()
    } else {
        let mut run = Run {
            failures: &mut failures,
            options,
            transports,
            observer,
        };
        run.build(members, active, planned, &inputs).await?
    };
    let mut reports = reports.into_iter().peekable();
    let results = members.iter().map(|member| match failures.take(member) {
        Some(why) => Err(why),
        None => match reports.next_if(|(id, _)| *id == member.id) {
            Some((_, report)) => Ok(report),
            None => Err(Unbuilt::Unfinished),
        },
    });
    Ok(results.collect())
}

/// What the stages of a build share.
struct Run<'r> {
    failures: &'r mut Failures,
    options: &'r BuildOptions,
    transports: &'r Transports,
    observer: &'r Arc<dyn Observer>,
}

impl Run<'_> {
    /// Checks, packs and writes the active members. Returns the reports of those that are written, with their IDs.
    async fn build<'a>(
        &mut self,
        members: &[Member<'a>],
        mut active: Active<'a>,
        planned: PlannedBuild,
        inputs: &[BuildInputs],
    ) -> Result<Vec<(Option<&'a str>, BuildReport)>, BuildError> {
        let observer = self.observer;
        let (mut checked, mut verdicts) = check_files(planned, false, self.failures, self.options, observer).await;
        active
            .0
            .retain(|member| checked.images.iter().any(|image| image.id.as_deref() == member.id));
        for gap in checked.platforms().filter_map(|planned| gap(&planned.plan.platform)) {
            observer.event(Event::Note(gap));
        }
        let sound = self.refuse_errors(&active.0, &verdicts);
        active.keep(&sound, &mut checked.images, &mut verdicts);
        let accepted = self.accepted(&active.0).await;
        active.keep(&accepted, &mut checked.images, &mut verdicts);
        if active.0.is_empty() {
            return Ok(Vec::new());
        }
        let lock_update = checked.lock_update.take();
        let (packed, mut ahead) = self.pack_all(checked, &active.0).await?;
        let is_packed: Vec<bool> = packed.iter().map(Option::is_some).collect();
        let mut packed: Vec<PackedImage> = packed.into_iter().flatten().collect();
        keep(&mut active.0, &is_packed);
        keep(&mut verdicts, &is_packed);
        keep(&mut ahead, &is_packed);
        let with_packed = verdicts.into_iter().zip(&packed);
        let mut verdicts: Vec<Verdict> = with_packed
            .map(|(verdict, image)| with_packed_findings(verdict, image))
            .collect();
        let sound = self.refuse_errors(&active.0, &verdicts);
        keep(&mut ahead, &sound);
        active.keep(&sound, &mut packed, &mut verdicts);
        report_findings(&active.0, &verdicts, observer);
        if let Some(update) = lock_update.filter(|_| !active.0.is_empty()) {
            update.write_or_warn(observer);
        }
        let written = self.write_packed(&active.0, &packed, &ahead).await;
        let mut reports = Vec::new();
        for ((member, image), targets) in active.0.iter().zip(packed).zip(written) {
            let Some(targets) = targets else { continue };
            let at = members.iter().position(|other| other.id == member.id);
            let inputs = at.and_then(|at| inputs.get(at));
            let report = BuildReport {
                name: member.outputs.name.clone(),
                tags: member.outputs.tags.clone(),
                root: image.output.root().descriptor().clone(),
                part: inputs.filter(|_| !image.is_whole).map(|inputs| part(member, inputs)),
                platforms: image.reports,
                targets,
            };
            reports.push((member.id, report));
        }
        Ok(reports)
    }

    /// Asks every registry whether it accepts the push. Returns for each member whether it does.
    async fn accepted(&mut self, members: &[Member<'_>]) -> Vec<bool> {
        let mut accepted = Vec::new();
        for member in members {
            let mut is_accepted = !self.failures.concern(member.id, &member.spec.needed_members());
            if is_accepted && let Err(error) = check_access(member.outputs, self.transports).await {
                self.failures.add_and_stop(member.id, error);
                is_accepted = false;
            }
            accepted.push(is_accepted);
        }
        // One that was asked before the failure is not built either.
        let is_left = |(member, accepted): (&Member<'_>, bool)| {
            accepted && !self.failures.concern(member.id, &member.spec.needed_members())
        };
        members.iter().zip(accepted).map(is_left).collect()
    }

    /// Packs and assembles all images. Layers of a single one may be uploaded meanwhile: also returns the blobs that each
    /// target of each member has by then.
    async fn pack_all(
        &mut self,
        checked: Checked,
        members: &[Member<'_>],
    ) -> Result<(Vec<Option<PackedImage>>, Vec<Vec<Ahead>>), BuildError> {
        let Self {
            failures,
            options,
            transports,
            observer,
        } = self;
        let platforms: Vec<_> = checked
            .platforms()
            .map(|planned| planned.plan.platform.clone())
            .collect();
        let earlier = CacheFrom::read(&options.cache_from, &platforms, transports, observer).await;
        let (eager, uploads) = eager_uploads(members, may_upload_early(&checked));
        let (packed, ahead) = tokio::join!(
            pack(checked, earlier, eager, failures, options, observer),
            uploads.copy(members, transports, observer)
        );
        // A failed upload is the reason that packing was canceled.
        match (ahead.and_then(|ahead| Ok((packed?, ahead))), members) {
            (Err(error), [only]) => {
                failures.add_and_stop(only.id, error);
                Ok((vec![None], vec![Vec::new()]))
            }
            (result, _) => result,
        }
    }

    async fn write_packed(
        &mut self,
        members: &[Member<'_>],
        packed: &[PackedImage],
        ahead: &[Vec<Ahead>],
    ) -> Vec<Option<Vec<TargetReport>>> {
        let images = members.iter().zip(packed).map(|(member, image)| WrittenImage {
            id: member.id,
            needs: member.spec.needed_members(),
            outputs: member.outputs,
            output: &image.output,
            names: blob_names(member.id, &image.reports),
        });
        let images: Vec<WrittenImage<'_>> = images.collect();
        write_all(&images, ahead, self.failures, self.transports, self.observer).await
    }

    /// Adds the members with an error of the check to the failures, and reports findings: if the build keeps going, those
    /// of these members, else all if there is a failure. Returns for each member whether it is built.
    fn refuse_errors(&mut self, members: &[Member<'_>], verdicts: &[Verdict]) -> Vec<bool> {
        for (member, verdict) in members.iter().zip(verdicts) {
            let error_count = verdict.error_count();
            if error_count > 0 {
                self.failures.add(member.id, BuildError::Refused { error_count });
            }
            if error_count > 0 && self.failures.keeps_going() {
                report_findings(&[*member], std::slice::from_ref(verdict), self.observer);
            }
        }
        self.failures.stop();
        if self.failures.is_stopped() {
            report_findings(members, verdicts, self.observer);
        }
        let is_built = |member: &Member<'_>| !self.failures.concern(member.id, &member.spec.needed_members());
        members.iter().map(is_built).collect()
    }
}

/// The members that are still built.
struct Active<'a>(Vec<Member<'a>>);

impl<'a> Active<'a> {
    fn new(members: &[Member<'a>], failures: &mut Failures) -> Self {
        let is_planned = |member: &&Member<'_>| !failures.concern(member.id, &member.spec.needed_members());
        Self(members.iter().filter(is_planned).copied().collect())
    }

    fn has(&self, id: Option<&str>) -> bool {
        self.0.iter().any(|member| member.id == id)
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
///
/// # Errors
/// Those of [`check_each`], and the errors of the members that cannot be checked.
pub async fn check_build(
    planned: PlannedBuild,
    given: Option<&BTreeMap<String, String>>,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<Verdict>, BuildError> {
    let (verdicts, mut failures) = check_all(planned, given, options, observer).await?;
    failures.take_errors()?;
    Ok(verdicts.into_iter().map(|(_, verdict)| verdict).collect())
}

/// Like [`check_build`], but returns for each member its verdict, or why it cannot be checked. A file that cannot be read
/// concerns the members that it belongs to.
///
/// # Errors
/// Returns [`BuildError`] if members cannot be planned.
pub async fn check_each(
    members: &[Member<'_>],
    planned: PlannedBuild,
    given: Option<&BTreeMap<String, String>>,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<Result<Verdict, Unbuilt>>, BuildError> {
    let (verdicts, mut failures) = check_all(planned, given, options, observer).await?;
    let mut verdicts = verdicts.into_iter().peekable();
    let results = members.iter().map(|member| match failures.take(member) {
        Some(why) => Err(why),
        None => match verdicts.next_if(|(id, _)| id.as_deref() == member.id) {
            Some((_, verdict)) => Ok(verdict),
            None => Err(Unbuilt::Unfinished),
        },
    });
    Ok(results.collect())
}

/// Returns the verdicts of the members that can be checked, with their IDs, and the failures of the others.
async fn check_all(
    mut planned: PlannedBuild,
    given: Option<&BTreeMap<String, String>>,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<(Vec<(Option<String>, Verdict)>, Failures), BuildError> {
    planned.failures.take_errors()?;
    let mut failures = Failures::new("check", true, observer);
    let (checked, verdicts) = check_files(planned, true, &mut failures, options, observer).await;
    let with_given = |(verdict, image): (Verdict, &PlannedImage)| {
        verdict.with(given.into_iter().flat_map(|given| check_given(&image.platforms, given)))
    };
    let verdicts: Vec<Verdict> = verdicts.into_iter().zip(&checked.images).map(with_given).collect();
    let ids: Vec<Option<String>> = checked.images.iter().map(|image| image.id.clone()).collect();
    let mut finished = Vec::new();
    if checked.platforms().all(|planned| planned.plan.max_size_bytes.is_none()) {
        let wholes: Vec<bool> = checked.images.iter().map(|image| image.is_whole).collect();
        let found = scan(checked, options, observer).await?;
        for (((id, verdict), found), is_whole) in ids.into_iter().zip(verdicts).zip(found).zip(wholes) {
            match found.map(|found| verdict.with(found)) {
                Ok(verdict) if is_whole => finished.push((id, verdict.with_unused_allows())),
                Ok(verdict) => finished.push((id, verdict)),
                Err(error) => failures.add(id.as_deref(), error),
            }
        }
        return Ok((finished, failures));
    }
    let none = CacheFrom::default();
    let packed = pack(checked, none, EagerUpload::none(), &mut failures, options, observer).await?;
    for ((id, verdict), packed) in ids.into_iter().zip(verdicts).zip(&packed) {
        finished.extend(packed.as_ref().map(|image| (id, with_packed_findings(verdict, image))));
    }
    Ok((finished, failures))
}

/// Returns the findings on files that are not packed, for each image. Runs on a thread that may block.
async fn scan(
    checked: Checked,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<Result<Vec<Finding>, BuildError>>, BuildError> {
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
        Ok(planned_findings(&all, &contents, &records, threads, &observer))
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
