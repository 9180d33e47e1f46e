//! Reads `[[layers]]`, their links and removals.

use super::super::error::Problem;
use super::super::tree::Span;
use super::super::{ImageSpec, LayerSpec, LinkEntry, Ownership, Remove};
use super::context::Input;
use super::files;
use super::inherited::{check_family, compression, ownership};
use super::values::{annotations, image_path_below_root, owner, platform_name};
use crate::model::{Compression, Platform, escape, nearest};

/// The name of the first layer, with users, groups and directories. It has no entry in the spec.
const FILESYSTEM_LAYER: &str = "filesystem";

/// The settings that a layer inherits.
pub(super) struct LayerContext<'a> {
    pub(super) image: &'a ImageSpec,
    pub(super) platform: &'a Platform,
    /// The owner and modes of the image.
    pub(super) ownership: Ownership,
    /// The compression of the image.
    pub(super) compression: Compression,
}

/// Reads the layers of this platform. Layers of other platforms are checked too.
pub(super) fn layers(around: &LayerContext<'_>, document: Input<'_>) -> Result<Vec<LayerSpec>, Problem> {
    let inputs = document.items("layers");
    let mut names: Vec<String> = Vec::new();
    let mut made = Vec::new();
    for layer in &inputs {
        let name = layer.required("name", name)?;
        if let Some(first) = names.iter().position(|known| *known == name) {
            let message = format!("the layer \"{}\" is defined twice", escape(name.as_bytes()));
            return Err(
                Problem::new(layer.span_of("name"), message).context(inputs[first].span_of("name"), "first here")
            );
        }
        names.push(name.clone());
        let spec = layer_spec(around, *layer, name)?;
        if is_for(around, *layer)? {
            made.push(spec);
        }
    }
    Ok(made)
}

fn name(input: Input<'_>) -> Result<String, Problem> {
    let name = input.string()?;
    if name == FILESYSTEM_LAYER {
        return input.refuse(
            "the name \"filesystem\" is reserved for the layer of users and directories",
            "choose another name",
        );
    }
    if name.is_empty() || name.contains(char::is_control) {
        return Err(input.problem("the name of a layer must not be empty or contain control characters"));
    }
    Ok(name)
}

/// Returns whether the layer is for this platform.
fn is_for(around: &LayerContext<'_>, layer: Input<'_>) -> Result<bool, Problem> {
    let Some(only) = layer.get("platforms") else {
        return Ok(true);
    };
    let platforms = only.list(|input| {
        let platform = platform_name(input)?;
        if around.image.platforms.iter().any(|known| known.is_same_as(&platform)) {
            Ok(platform)
        } else {
            Err(unknown_platform(&platform, &around.image.platforms, &input.node.span))
        }
    })?;
    if platforms.is_empty() {
        return only.refuse(
            "`platforms` of this layer must not be empty",
            "remove the key to build the layer for all platforms",
        );
    }
    Ok(platforms.iter().any(|platform| platform.is_same_as(around.platform)))
}

/// Returns the problem of a platform that the image does not have.
pub(in super::super) fn unknown_platform(platform: &Platform, known: &[Platform], span: &Span) -> Problem {
    let known: Vec<String> = known.iter().map(Platform::to_string).collect();
    let help = match nearest(&platform.to_string(), known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("its platforms are {}", known.join(", ")),
    };
    Problem::new(span, format!("the image has no platform {platform}")).help(help)
}

fn layer_spec(around: &LayerContext<'_>, layer: Input<'_>, name: String) -> Result<LayerSpec, Problem> {
    let compression = compression(layer, around.compression)?;
    check_family(around.image.media_types, compression, layer)?;
    Ok(LayerSpec {
        name,
        files: layer.list_of("files", files::entry)?,
        links: layer.list_of("links", link)?,
        remove: layer.list_of("remove", remove)?,
        ownership: ownership(layer)?.or(&around.ownership),
        compression,
        annotations: annotations(layer)?,
        place: layer.place_of("name"),
    })
}

fn remove(input: Input<'_>) -> Result<Remove, Problem> {
    Ok(Remove {
        path: image_path_below_root(input)?,
        place: input.place(),
    })
}

fn link(input: Input<'_>) -> Result<LinkEntry, Problem> {
    Ok(LinkEntry {
        path: input.required("path", link_path)?,
        target: input.required("target", link_target)?,
        owner: input.optional("owner", owner)?,
        place: input.place_of("path"),
    })
}

fn link_path(input: Input<'_>) -> Result<String, Problem> {
    if input.text()?.ends_with('/') {
        return Err(input.problem("the path of a link must not end in /"));
    }
    image_path_below_root(input)
}

fn link_target(input: Input<'_>) -> Result<String, Problem> {
    let target = input.string()?;
    if target.is_empty() || target.contains('\0') {
        return Err(input.problem("the target of a link must not be empty or contain a NUL character"));
    }
    Ok(target)
}
