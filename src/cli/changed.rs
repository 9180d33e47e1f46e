//! `--changed-from`: the members whose images differ from those of an earlier build.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::earlier::Earlier;
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
        }))
    }

    /// Plans the images, packs what is not in the cache, and compares their digests. Reports how many of the selected
    /// members are unchanged.
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
        let digests = image_digests(planned, options, &quiet).await?;
        let selected = |id: &String| images.iter().any(|image| image.is_selected && image.id == Some(id));
        let same = digests.iter().filter_map(|digests| {
            let id = digests.member.clone().filter(selected)?;
            self.earlier.has(&id, digests).then_some(id)
        });
        let ids: BTreeSet<String> = same.collect();
        let selected = images.iter().filter(|image| image.is_selected).count();
        observer.event(Event::Note(format!(
            "{} of {selected} members are unchanged",
            ids.len()
        )));
        Ok(Self { ids, ..self })
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
