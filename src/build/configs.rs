//! The configs of images whose files are not listed: what is known of an image before its artifacts are built.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::build::BuildError;
use crate::build::images::Images;
use crate::build::locking;
use crate::build::member::Member;
use crate::build::options::BuildOptions;
use crate::build::transports::Transports;
use crate::check::{Execution, Policy};
use crate::events::{Event, Observer, Task, Work};
use crate::model::{Family, Platform};
use crate::plan::{base_execution, execution};

/// How a container of one platform's image is started.
#[derive(Debug, Clone)]
pub struct PlannedConfig {
    /// The platform.
    pub platform: Platform,
    /// The config.
    pub execution: Execution,
    /// The family of the manifest.
    pub family: Family,
    /// The severity of findings, from the spec.
    pub policy: Policy,
}

/// The configs of members by ID, each with its platforms.
type Known<'a> = BTreeMap<Option<&'a str>, Vec<(Platform, Map<String, Value>)>>;

/// Returns the configs of each member's platforms. Of base images, manifest and config are read, and no layer. The files
/// of the specs need not exist. Nothing is written except to the cache.
///
/// A member comes after those that it is based on.
///
/// # Errors
/// Returns [`BuildError`] if a base image cannot be resolved, or a spec's config is invalid.
pub async fn plan_configs(
    members: &[Member<'_>],
    options: &BuildOptions,
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<Vec<PlannedConfig>>, BuildError> {
    let lock = locking::load_for_build(members, options, transports, observer)?;
    let pins = lock.unwrap_or_default();
    let mut images = Images::new(transports, options, observer).pinned_by(pins.clone(), &pins);
    let mut known = Known::new();
    let mut configs = Vec::new();
    for member in members {
        for warning in member.spec.warnings() {
            observer.event(Event::Warning(warning.clone()));
        }
        let mut of_member = Vec::new();
        for platform in &member.outputs.platforms {
            let _task = Task::start(observer, Work::new("planning", member.item(platform)), None);
            let (config, fields) = plan_config(member, platform, &known, &mut images)
                .await
                .map_err(|error| member.error(error))?;
            of_member.push(config);
            known.entry(member.id).or_default().push((platform.clone(), fields));
        }
        configs.push(of_member);
    }
    Ok(configs)
}

async fn plan_config(
    member: &Member<'_>,
    platform: &Platform,
    known: &Known<'_>,
    images: &mut Images<'_>,
) -> Result<(PlannedConfig, Map<String, Value>), BuildError> {
    let spec = member.spec.platform(platform)?;
    let failed = |cause| BuildError::Plan {
        platform: platform.clone(),
        cause: Box::new(cause),
    };
    let base = match (spec.member_base(), spec.base_image()) {
        (Some(id), _) => member_base(id, platform, known)?,
        (None, Some(named)) => {
            let image = images.documents_for_platform(&named, platform).await?;
            base_execution(Some(&image)).map_err(failed)?
        }
        (None, None) => Map::new(),
    };
    let config = member.spec.config(platform, &Execution::new(&base).env)?;
    // The warnings of a build are not about what a container gets.
    let fields = execution(config, base, &mut Vec::new()).map_err(failed)?;
    let planned = PlannedConfig {
        platform: platform.clone(),
        execution: Execution::new(&fields),
        family: member.spec.image().media_types,
        policy: Policy::new(&spec.check.allow, &spec.check.deny)?,
    };
    Ok((planned, fields))
}

/// Returns the config of a base that is a member.
fn member_base(id: &str, platform: &Platform, known: &Known<'_>) -> Result<Map<String, Value>, BuildError> {
    let platforms = known.get(&Some(id)).map(Vec::as_slice).unwrap_or_default();
    let found = platforms.iter().find(|(known, _)| known.is_same_as(platform));
    found
        .map(|(_, fields)| fields.clone())
        .ok_or_else(|| BuildError::MemberLacks {
            id: id.to_owned(),
            platform: platform.clone(),
            known: platforms.iter().map(|(known, _)| known.clone()).collect(),
        })
}
