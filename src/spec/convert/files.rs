//! Reads an entry of `files`.

use super::super::error::Problem;
use super::super::{FilesEntry, From};
use super::context::Input;
use super::inherited::ownership;
use super::members::{MEMBER_PREFIX, check_in_workspace};
use super::values::{image_path, parse_image_path};
use crate::model::{capability, escape, nearest, xattr_pattern_owner};

/// Prefixes of a `from` that names an image.
const IMAGE_PREFIXES: [&str; 4] = ["docker://", "oci:", "oci-archive:", "docker-archive:"];

/// Reads and checks an entry by itself. Whether its source exists is checked when it is listed.
pub(super) fn entry(input: Input<'_>) -> Result<FilesEntry, Problem> {
    let entry = FilesEntry {
        from: input.required("from", from)?,
        from_text: input.required("from", from_text)?,
        to: input.required("to", image_path)?,
        include: input.list_of("include", Input::string)?,
        exclude: input.list_of("exclude", Input::string)?,
        unpack: input.optional("unpack", Input::boolean)?.unwrap_or_default(),
        strip: input.optional("strip", strip)?.unwrap_or_default(),
        executable: input.list_of("executable", Input::string)?,
        keep_modes: input.optional("keep-modes", Input::boolean)?.unwrap_or_default(),
        ownership: ownership(input)?,
        xattrs: input.list_of("xattrs", Input::string)?,
        capabilities: input.list_of("capabilities", capability)?,
        place: input.place_of("from"),
    };
    check_combinations(&entry, input)?;
    Ok(entry)
}

/// Refuses keys that would have no effect.
fn check_combinations(entry: &FilesEntry, input: Input<'_>) -> Result<(), Problem> {
    let refuse = |key: &str, message: &str, help: &str| Err(Problem::new(input.span_of(key), message).help(help));
    let is_image = !matches!(entry.from, From::Disk { .. });
    if entry.unpack && is_image {
        let help = "extract the archive from the image first";
        return refuse("from", "an archive inside an image cannot be unpacked", help);
    }
    if input.get("strip").is_some() && !entry.unpack {
        return refuse("strip", "`strip` requires `unpack`", "set unpack = true");
    }
    if entry.keep_modes && !entry.unpack && !is_image {
        let message = "`keep-modes` requires `unpack` or files from an image";
        let help = "use `executable`, `mode` or `dir-mode`: modes on the disk differ between machines";
        return refuse("keep-modes", message, help);
    }
    if !entry.xattrs.is_empty() && (entry.unpack || is_image) {
        return refuse(
            "xattrs",
            "`xattrs` applies to files from the disk only",
            "remove the key",
        );
    }
    let foreign = |name: &String| Some((name.clone(), xattr_pattern_owner(name)?));
    if let Some((name, owner)) = entry.xattrs.iter().find_map(foreign) {
        let message = format!("\"{}\" belongs to {owner} and is never packed", escape(name.as_bytes()));
        let help = "remove it: only security.capability and user.* are packed, without the names that storage \
                    drivers use";
        return refuse("xattrs", &message, help);
    }
    Ok(())
}

fn from(input: Input<'_>) -> Result<From, Problem> {
    let text = input.text()?;
    if text.is_empty() || text.contains('\0') {
        return Err(input.problem("a path must not be empty or contain a NUL character"));
    }
    if let Some(member) = text.strip_prefix(MEMBER_PREFIX) {
        return from_member(input, member);
    }
    if !IMAGE_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
        return Ok(From::Disk {
            directory: input.context.directory_at(&input.node.span).to_owned(),
            pattern: text.to_owned(),
        });
    }
    let Some((image, path)) = text.split_once("#/") else {
        return input.refuse(
            "a source from an image needs a path in the image",
            "add the path: docker://REF#/path; write ./NAME for a file with this name on the disk",
        );
    };
    let path = format!("/{path}");
    parse_image_path(&path, input)?;
    Ok(From::Image {
        image: input.image_name(image)?,
        path,
    })
}

/// Reads a path of a member's image.
fn from_member(input: Input<'_>, member: &str) -> Result<From, Problem> {
    check_in_workspace(input)?;
    let Some((id, path)) = member.split_once("#/") else {
        return input.refuse(
            "a source from a member of the workspace needs a path in its image",
            "add the path: workspace:ID#/path",
        );
    };
    let path = format!("/{path}");
    parse_image_path(&path, input)?;
    Ok(From::Member {
        id: id.to_owned(),
        path,
    })
}

/// Returns the source as messages show it, and as the lockfile has it where it is an image.
fn from_text(input: Input<'_>) -> Result<String, Problem> {
    if IMAGE_PREFIXES
        .iter()
        .any(|prefix| input.node.as_text().is_some_and(|text| text.starts_with(prefix)))
    {
        return input.locked_name();
    }
    input.string()
}

fn strip(input: Input<'_>) -> Result<usize, Problem> {
    usize::try_from(input.integer()?).map_err(|_| input.problem("`strip` must be 0 or more"))
}

fn capability(input: Input<'_>) -> Result<String, Problem> {
    let name = input.string()?;
    if capability::NAMES.contains(&name.as_str()) {
        return Ok(name);
    }
    input.refuse(
        "not a Linux capability",
        match nearest(&name, capability::NAMES) {
            Some(near) => format!("did you mean {near}?"),
            None => "use a name from capabilities(7), such as cap_net_bind_service".to_owned(),
        },
    )
}
