//! `--changed-from`: the members whose images differ from those of an earlier build.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::earlier::{Earlier, UnchangedPlatforms};
use super::failure::Failure;
use super::member_outputs::MemberOutputs;
use super::members::{Subject, refuse_alone};
use crate::build::{BuildOptions, Member, Transports, image_digests, plan_build};
use crate::events::{Event, Observer};

/// The members that an earlier build had with the same digests.
#[derive(Debug, Default)]
pub struct Unchanged {
    /// Their IDs.
    pub ids: BTreeSet<String>,
    /// The earlier build.
    pub earlier: Earlier,
    /// Of those that are built for some of their platforms, the wholes that they are parts of.
    parts: BTreeMap<String, UnchangedPlatforms>,
}

/// Passes on all events but warnings and notes: planning again emits those that matter.
struct WithoutMessages(Arc<dyn Observer>);

impl Observer for WithoutMessages {
    fn event(&self, event: Event) {
        if !matches!(event, Event::Warning(_) | Event::Note(_)) {
            self.0.event(event);
        }
    }
}

impl Unchanged {
    /// Reads the metadata of the earlier build. Every member counts as changed until [`Unchanged::find`] has compared it.
    pub fn read(files: &[PathBuf], subject: &Subject, path: &Path) -> Result<Option<Self>, Failure> {
        if files.is_empty() {
            return Ok(None);
        }
        if matches!(subject, Subject::Alone(_)) {
            refuse_alone(path, Some("--changed-from"), None)?;
        }
        Ok(Some(Self {
            ids: BTreeSet::new(),
            earlier: Earlier::read(files)?,
            parts: BTreeMap::new(),
        }))
    }

    /// Plans the images, packs what is not in the cache, and compares their digests. Reports how many of the selected
    /// members are unchanged, unless one cannot be built: then the build reports why.
    pub async fn find(
        self,
        images: &[MemberOutputs<'_>],
        options: &BuildOptions,
        transports: &Transports,
        observer: &Arc<dyn Observer>,
    ) -> Result<Self, Failure> {
        let quiet: Arc<dyn Observer> = Arc::new(WithoutMessages(observer.clone()));
        let members: Vec<Member<'_>> = images.iter().map(|image| image.member()).collect();
        let planned = plan_build(&members, options, transports, &quiet).await?;
        let digests = image_digests(&members, planned, options, &quiet).await?;
        let selected = |id: &String| images.iter().any(|image| image.is_selected && image.id == Some(id));
        let same = digests.iter().filter_map(|digests| {
            let id = digests.member.clone().filter(selected)?;
            self.earlier.has(&id, digests).then_some(id)
        });
        let ids: BTreeSet<String> = same.collect();
        let selected = images.iter().filter(|image| image.is_selected).count();
        if options.keep_going || digests.len() == images.len() {
            let count = ids.len();
            observer.event(Event::Note(format!("{count} of {selected} members are unchanged")));
        }
        let parts = digests.into_iter().filter_map(|digests| {
            let id = digests.member.filter(|id| ids.contains(id))?;
            let platforms = digests.platforms.into_iter().map(|(platform, _)| platform).collect();
            let part = digests.part?;
            Some((id, UnchangedPlatforms { platforms, part }))
        });
        Ok(Self {
            parts: parts.collect(),
            ids,
            ..self
        })
    }

    /// Returns what the metadata says of each unchanged member, by its ID.
    pub fn to_json(&self) -> BTreeMap<String, Value> {
        let json = |id: &String| Some((id.clone(), self.earlier.unchanged_json(id, self.parts.get(id))?));
        self.ids.iter().filter_map(json).collect()
    }

    /// Returns the tags of unchanged members that the earlier build did not write, as `ID:TAG`.
    pub fn missing_tags(&self, images: &[MemberOutputs<'_>]) -> Vec<String> {
        let unchanged = images
            .iter()
            .filter_map(|image| Some((image.id.filter(|id| self.ids.contains(*id))?, image)));
        let tags = unchanged.flat_map(|(id, image)| image.outputs.tags.iter().map(move |tag| (id, tag.as_str())));
        let missing = tags.filter(|(id, tag)| !self.earlier.has_tag(id, tag));
        missing.map(|(id, tag)| format!("{id}:{tag}")).collect()
    }
}
