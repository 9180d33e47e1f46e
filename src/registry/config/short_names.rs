//! Names without a registry. They are refused, since several registries could be meant; what is said beside is a full
//! name to write instead.

use super::registries_conf::RegistriesConf;
use crate::model::Reference;

/// Names that are offered: the rest of a longer list helps nobody.
const MAX_SUGGESTIONS: usize = 3;

/// Where a name without a registry comes from when nothing else is said.
const DEFAULT_REGISTRY: &str = "docker.io";

/// The alias of a name, else the name in each registry that is searched for such names. Each is a whole reference.
pub(super) fn suggestions(conf: &RegistriesConf, short_name: &str) -> Vec<String> {
    let end = short_name.find([':', '@']).unwrap_or(short_name.len());
    let (name, pin) = short_name.split_at(end);
    if let Some(full) = conf.aliases.get(name) {
        return vec![format!("{full}{pin}")];
    }
    let fallback = [DEFAULT_REGISTRY.to_owned()];
    let registries = if conf.search.is_empty() { &fallback[..] } else { &conf.search };
    let full = |registry: &String| match registry == DEFAULT_REGISTRY && !name.contains('/') {
        true => format!("{registry}/library/{name}{pin}"),
        false => format!("{registry}/{name}{pin}"),
    };
    let is_reference = |text: &String| text.parse::<Reference>().is_ok();
    registries.iter().map(full).filter(is_reference).take(MAX_SUGGESTIONS).collect()
}
