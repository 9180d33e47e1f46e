//! Converts `[[layers]]`, their links and removals.

use std::collections::BTreeMap;

use super::super::at::{At, Text};
use super::super::error::Problem;
use super::super::raw;
use super::super::{ImageSpec, LayerSpec, LinkEntry, Ownership, Remove};
use super::context::Context;
use super::files;
use super::inherited::{check_family, compression, ownership};
use super::values::{annotations, image_path_below_root, owner, parse_platform};
use crate::model::{Platform, escape, nearest};

/// The name of the first layer, with users, groups and directories. It has no entry in the spec.
const FILESYSTEM_LAYER: &str = "filesystem";

/// The settings that a layer inherits.
pub(super) struct LayerContext<'a> {
    pub(super) context: Context<'a>,
    pub(super) image: &'a ImageSpec,
    pub(super) platform: &'a Platform,
    /// The owner and modes of the image.
    pub(super) ownership: Ownership,
    /// The image's compression and level, which a layer uses unless it sets its own.
    pub(super) compression: &'a raw::Image,
}

/// Converts the layers of this platform. Layers of other platforms are checked too.
pub(super) fn layers(around: &LayerContext<'_>, layers: &[At<raw::Layer>]) -> Result<Vec<LayerSpec>, Problem> {
    let mut names: BTreeMap<&str, &Text> = BTreeMap::new();
    let mut made = Vec::new();
    for layer in layers.iter().map(|layer| &layer.value) {
        check_name(&layer.name)?;
        if let Some(first) = names.insert(&layer.name.value, &layer.name) {
            let message = format!("the layer \"{}\" is defined twice", escape(layer.name.value.as_bytes()));
            return Err(Problem::new(&layer.name.span, message).context(&first.span, "first here"));
        }
        let spec = layer_spec(around, layer)?;
        if is_for(around, layer)? {
            made.push(spec);
        }
    }
    Ok(made)
}

fn check_name(name: &Text) -> Result<(), Problem> {
    if name.value == FILESYSTEM_LAYER {
        return Err(Problem::new(
            &name.span,
            "the name \"filesystem\" is reserved for the layer of users and directories",
        )
        .help("choose another name"));
    }
    if name.value.is_empty() || name.value.contains(char::is_control) {
        return Err(Problem::new(
            &name.span,
            "the name of a layer must not be empty or contain control characters",
        ));
    }
    Ok(())
}

/// Returns whether the layer is for this platform.
fn is_for(around: &LayerContext<'_>, layer: &raw::Layer) -> Result<bool, Problem> {
    let Some(only) = &layer.platforms else { return Ok(true) };
    if only.value.is_empty() {
        return Err(Problem::new(&only.span, "`platforms` of this layer must not be empty")
            .help("remove the key to build the layer for all platforms"));
    }
    let mut is_for = false;
    for text in &only.value {
        let platform = parse_platform(text)?;
        if !around.image.platforms.iter().any(|known| known.is_same_as(&platform)) {
            return Err(unknown_platform(&platform, &around.image.platforms, &text.span));
        }
        is_for |= platform.is_same_as(around.platform);
    }
    Ok(is_for)
}

/// Returns the problem of a platform that the image does not have.
pub(in super::super) fn unknown_platform(
    platform: &Platform,
    known: &[Platform],
    span: &std::ops::Range<usize>,
) -> Problem {
    let known: Vec<String> = known.iter().map(Platform::to_string).collect();
    let help = match nearest(&platform.to_string(), known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("its platforms are {}", known.join(", ")),
    };
    Problem::new(span, format!("the image has no platform {platform}")).help(help)
}

fn layer_spec(around: &LayerContext<'_>, layer: &raw::Layer) -> Result<LayerSpec, Problem> {
    let image = around.compression;
    let outer = compression(image.compression.as_ref(), image.level.as_ref(), None)?;
    let compression = compression(layer.compression.as_ref(), layer.level.as_ref(), Some(outer))?;
    check_family(
        around.image.media_types,
        compression,
        layer.compression.as_ref(),
        &layer.annotations,
    )?;
    let own = ownership(layer.owner.as_ref(), layer.mode.as_ref(), layer.dir_mode.as_ref())?;
    let context = around.context;
    let remove = layer.remove.iter().map(|text| {
        Ok(Remove {
            path: image_path_below_root(text)?,
            place: context.place(&text.span),
        })
    });
    Ok(LayerSpec {
        name: layer.name.value.clone(),
        files: layer
            .files
            .iter()
            .map(|entry| files::entry(context, entry))
            .collect::<Result<_, _>>()?,
        links: layer
            .links
            .iter()
            .map(|entry| link(context, entry))
            .collect::<Result<_, _>>()?,
        remove: remove.collect::<Result<_, _>>()?,
        ownership: own.or(&around.ownership),
        compression,
        annotations: annotations(&layer.annotations)?,
        place: context.place(&layer.name.span),
    })
}

fn link(context: Context<'_>, link: &At<raw::Link>) -> Result<LinkEntry, Problem> {
    let link = &link.value;
    if link.path.value.ends_with('/') {
        return Err(Problem::new(&link.path.span, "the path of a link must not end in /"));
    }
    if link.target.value.is_empty() || link.target.value.contains('\0') {
        return Err(Problem::new(
            &link.target.span,
            "the target of a link must not be empty or contain a NUL character",
        ));
    }
    Ok(LinkEntry {
        path: image_path_below_root(&link.path)?,
        target: link.target.value.clone(),
        owner: link.owner.as_ref().map(owner).transpose()?,
        place: context.place(&link.path.span),
    })
}
