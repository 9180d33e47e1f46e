//! The result of a build: its metadata, and its summary.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::changed::Unchanged;
use super::choices::Progress;
use super::destination::Destination;
use super::failure::{self, Done};
use super::member_outputs::MemberOutputs;
use super::members::{Subject, empty_shard};
use super::render;
use super::stderr::{emit_event, eprintln_line};
use crate::build::{BuildReport, Unbuilt, as_one, as_one_refusal};
use crate::events::{Event, Observer};
use crate::model::{Diagnostic as _, METADATA_VERSION};
use crate::workspace::Shard;

/// An image that was built, and its report.
pub type Built<'a> = (&'a MemberOutputs<'a>, BuildReport);

/// What is the same for all images of a build.
#[derive(Default)]
pub struct RunReport {
    shard: Option<Shard>,
    /// The members that were selected, those of all shards included.
    selected: BTreeSet<String>,
    /// The position of each member in the workspace.
    positions: BTreeMap<String, usize>,
    /// What the metadata says of each member that was left as it is.
    unchanged: BTreeMap<String, Value>,
    /// The members that were not built, and why.
    unbuilt: Vec<(String, Unbuilt)>,
}

impl RunReport {
    /// Creates the report of a build of a part of `subject`.
    pub fn new(subject: &Subject, shard: Option<Shard>) -> Self {
        let members = match subject {
            Subject::Alone(_) => &[],
            Subject::Members(selected) => selected.workspace.members(),
        };
        let ids = members.iter().map(|member| member.id.clone());
        let selected = match subject {
            Subject::Members(selected) => selected.divided.as_ref().unwrap_or(&selected.ids).clone(),
            Subject::Alone(_) => BTreeSet::new(),
        };
        Self {
            shard,
            selected,
            positions: ids.zip(0..).collect(),
            unchanged: BTreeMap::new(),
            unbuilt: Vec::new(),
        }
    }

    /// Adds a member that was not built.
    pub fn add_unbuilt(&mut self, image: &MemberOutputs<'_>, why: Unbuilt) {
        self.unbuilt.push((image.id.unwrap_or_default().to_owned(), why));
    }

    /// Returns `true` if all members were built.
    pub fn is_complete(&self) -> bool {
        self.unbuilt.is_empty()
    }

    /// Returns the errors of the members that failed, in the order of the members, if there are any.
    pub fn result(self, built: &[Built<'_>]) -> Done {
        let errors = self.unbuilt.into_iter().filter_map(|(_, why)| match why {
            Unbuilt::Failed(error) => Some(error),
            Unbuilt::Needs(_) | Unbuilt::Unfinished => None,
        });
        let errors = errors.collect();
        if built.is_empty() {
            as_one_refusal(errors)?;
        } else {
            as_one(errors)?;
        }
        Ok(())
    }

    /// Adds the members that are left as they are.
    pub fn without(self, unchanged: &Unchanged) -> Self {
        Self {
            unchanged: unchanged.to_json(),
            ..self
        }
    }

    /// Writes the metadata of a build without any image, and reports if that is because the part has none.
    pub fn nothing_built(&self, metadata: Option<&Destination>, observer: &Arc<dyn Observer>) -> Done {
        if let Some(destination) = metadata {
            destination.write(format!("{:#}\n", self.metadata_json(&[])).as_bytes())?;
        }
        if self.unchanged.is_empty() {
            observer.event(Event::Note(empty_shard(self.shard)));
        }
        Ok(())
    }

    /// Returns the content of `--metadata`: an object for the only image, or one that lists the images of a workspace,
    /// bases first.
    pub fn metadata_json(&self, built: &[Built<'_>]) -> Value {
        if let [(image, report)] = built
            && image.id.is_none()
        {
            return report.to_json();
        }
        let of_built = |(image, report): &Built<'_>| {
            let id = image.id?;
            Some((id.to_owned(), report.to_member_json(id, image.spec.member_bases())))
        };
        let mut images: BTreeMap<String, Value> = built.iter().filter_map(of_built).collect();
        // Of a base that is pushed by digest, the earlier build knows the tags.
        images.extend(self.unchanged.clone());
        let mut images: Vec<(Option<&usize>, Value)> = images
            .into_iter()
            .map(|(id, json)| (self.positions.get(&id), json))
            .collect();
        images.sort_by_key(|(position, _)| *position);
        let images: Vec<Value> = images.into_iter().map(|(_, json)| json).collect();
        let mut metadata = json!({ "version": METADATA_VERSION, "images": images });
        match self.shard {
            Some(shard) => {
                metadata["shard"] = shard.to_string().into();
                metadata["shard_members"] = json!(self.selected);
            }
            None => metadata["selected_members"] = json!(self.selected),
        }
        let failed: Vec<Value> = self.unbuilt.iter().filter_map(failed_json).collect();
        if !failed.is_empty() {
            metadata["failed"] = failed.into();
        }
        let unfinished = self
            .unbuilt
            .iter()
            .filter(|(_, why)| matches!(why, Unbuilt::Unfinished));
        let unfinished: Vec<&str> = unfinished.map(|(id, _)| id.as_str()).collect();
        if !unfinished.is_empty() {
            metadata["unfinished"] = json!(unfinished);
        }
        metadata
    }

    /// Prints what was built: for people a summary, for programs the event `built` with the content of `--metadata`.
    pub fn print_summary(&self, progress: Progress, built: &[Built<'_>]) {
        match (progress, built) {
            (Progress::None, _) => {}
            (Progress::Json, _) => emit_event("built", self.metadata_json(built)),
            (Progress::Auto | Progress::Plain, [(image, report)]) if image.id.is_none() => {
                eprintln_line(&render::summary(report));
            }
            (Progress::Auto | Progress::Plain, _) => {
                let rows = built.iter().filter_map(|(image, report)| Some((image.id?, report)));
                let unbuilt = self.unbuilt.iter().map(|(id, why)| (id.as_str(), reason(why)));
                eprintln_line(&render::workspace_summary(
                    &rows.collect::<Vec<_>>(),
                    &unbuilt.collect::<Vec<_>>(),
                ));
            }
        }
    }
}

/// Returns why a member was not built, in few words.
fn reason(why: &Unbuilt) -> String {
    match why {
        Unbuilt::Failed(_) => "failed".to_owned(),
        Unbuilt::Needs(id) => format!("not built: {id} failed"),
        Unbuilt::Unfinished => "not finished".to_owned(),
    }
}

/// Returns what the metadata says of a member that failed, or needs one that did.
fn failed_json((id, why): &(String, Unbuilt)) -> Option<Value> {
    match why {
        Unbuilt::Failed(error) => Some(json!({
            "member": id,
            "class": error.error_kind().name(),
            "exit_code": error.error_kind().exit_code(),
            "error": failure::summary_of(error),
        })),
        Unbuilt::Needs(needed) => Some(json!({ "member": id, "needs": needed })),
        Unbuilt::Unfinished => None,
    }
}
