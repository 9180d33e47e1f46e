//! Converts an entry of `files`.

use std::ops::Range;

use super::super::at::{At, Text};
use super::super::error::Problem;
use super::super::raw;
use super::super::{FilesEntry, From};
use super::context::Context;
use super::inherited::ownership;
use super::values::image_path;
use crate::model::{capability, escape, nearest, xattr_pattern_owner};

/// Prefixes of a `from` that names an image.
const IMAGE_PREFIXES: [&str; 4] = ["docker://", "oci:", "oci-archive:", "docker-archive:"];

/// Converts and checks an entry by itself. Whether its source exists is checked when it is listed.
pub(super) fn entry(context: Context<'_>, entry: &At<raw::Files>) -> Result<FilesEntry, Problem> {
    let files = &entry.value;
    let from = from(context, &files.from)?;
    check_combinations(files, matches!(from, From::Image { .. }))?;
    Ok(FilesEntry {
        from,
        from_text: files.from.value.clone(),
        to: image_path(&files.to)?,
        include: files.include.clone(),
        exclude: files.exclude.clone(),
        unpack: files.unpack,
        strip: files.strip.as_ref().map_or(Ok(0), strip)?,
        executable: files.executable.clone(),
        keep_modes: files.keep_modes.as_ref().is_some_and(|keep| keep.value),
        ownership: ownership(files.owner.as_ref(), files.mode.as_ref(), files.dir_mode.as_ref())?,
        xattrs: files
            .xattrs
            .as_ref()
            .map(|xattrs| xattrs.value.clone())
            .unwrap_or_default(),
        capabilities: files.capabilities.iter().map(capability).collect::<Result<_, _>>()?,
        place: context.place(&files.from.span),
    })
}

/// Refuses keys that would have no effect.
fn check_combinations(files: &raw::Files, is_image: bool) -> Result<(), Problem> {
    let refuse = |span: &Range<usize>, message: &str, help: &str| Err(Problem::new(span, message).help(help));
    if files.unpack && is_image {
        let help = "extract the archive from the image first";
        return refuse(&files.from.span, "an archive inside an image cannot be unpacked", help);
    }
    if let Some(strip) = files.strip.as_ref().filter(|_| !files.unpack) {
        return refuse(&strip.span, "`strip` requires `unpack`", "set unpack = true");
    }
    if let Some(keep) = files
        .keep_modes
        .as_ref()
        .filter(|keep| keep.value && !files.unpack && !is_image)
    {
        let message = "`keep-modes` requires `unpack` or files from an image";
        let help = "use `executable`, `mode` or `dir-mode`: modes on the disk differ between machines";
        return refuse(&keep.span, message, help);
    }
    if let Some(xattrs) = files
        .xattrs
        .as_ref()
        .filter(|xattrs| !xattrs.value.is_empty() && (files.unpack || is_image))
    {
        return refuse(
            &xattrs.span,
            "`xattrs` applies to files from the disk only",
            "remove the key",
        );
    }
    let foreign = |name: &String| Some((name.clone(), xattr_pattern_owner(name)?));
    if let Some(xattrs) = &files.xattrs
        && let Some((name, owner)) = xattrs.value.iter().find_map(foreign)
    {
        let message = format!("\"{}\" belongs to {owner} and is never packed", escape(name.as_bytes()));
        let help = "remove it: only security.capability and user.* are packed, without the names that storage \
                    drivers use";
        return refuse(&xattrs.span, &message, help);
    }
    Ok(())
}

fn from(context: Context<'_>, text: &Text) -> Result<From, Problem> {
    if text.value.is_empty() || text.value.contains('\0') {
        return Err(Problem::new(
            &text.span,
            "a path must not be empty or contain a NUL character",
        ));
    }
    if !IMAGE_PREFIXES.iter().any(|prefix| text.value.starts_with(prefix)) {
        return Ok(From::Disk {
            directory: context.directory.to_owned(),
            pattern: text.value.clone(),
        });
    }
    let Some((image, path)) = text.value.split_once("#/") else {
        return Err(
            Problem::new(&text.span, "a source from an image needs a path in the image")
                .help("add the path: docker://REF#/path; write ./NAME for a file with this name on the disk"),
        );
    };
    let path = image_path(&At {
        value: format!("/{path}"),
        span: text.span.clone(),
    })?;
    Ok(From::Image {
        image: context.image_name(image, &text.span)?,
        path,
    })
}

fn strip(strip: &At<i64>) -> Result<usize, Problem> {
    usize::try_from(strip.value).map_err(|_| Problem::new(&strip.span, "`strip` must be 0 or more"))
}

fn capability(text: &Text) -> Result<String, Problem> {
    if capability::NAMES.contains(&text.value.as_str()) {
        return Ok(text.value.clone());
    }
    let problem = Problem::new(&text.span, "not a Linux capability");
    Err(problem.help(match nearest(&text.value, capability::NAMES) {
        Some(near) => format!("did you mean {near}?"),
        None => "use a name from capabilities(7), such as cap_net_bind_service".to_owned(),
    }))
}
