//! Settings that a layer inherits from the image: owner, modes, compression, and what a family of media types supports.

use super::super::Ownership;
use super::super::error::Problem;
use super::context::Input;
use super::values::{mode, owner};
use crate::model::{Compression, Family};

/// Reads the owner and modes of one level: the image, a layer or an entry of files.
pub(super) fn ownership(table: Input<'_>) -> Result<Ownership, Problem> {
    Ok(Ownership {
        owner: table.optional("owner", owner)?,
        mode: table.optional("mode", mode)?,
        dir_mode: table.optional("dir-mode", mode)?,
    })
}

/// Reads the compression of a layer or the image: its own, else that of `outer`.
pub(super) fn compression(table: Input<'_>, outer: Compression) -> Result<Compression, Problem> {
    let inherited = match outer {
        Compression::Gzip(_) => "gzip",
        Compression::Zstd(_) => "zstd",
        Compression::None => "none",
    };
    let name = table.optional("compression", Input::text)?.unwrap_or(inherited);
    let level = table.get("level");
    let (range, default, make) = match name {
        "none" => {
            let said = level.map(|level| level.problem("`level` has no effect without compression"));
            return said.map_or(Ok(Compression::None), Err);
        }
        "zstd" => {
            let make = Compression::Zstd as fn(i32) -> Compression;
            (Compression::ZSTD_LEVELS, Compression::ZSTD_DEFAULT_LEVEL, make)
        }
        _ => {
            let make = Compression::Gzip as fn(i32) -> Compression;
            (Compression::GZIP_LEVELS, Compression::GZIP_DEFAULT_LEVEL, make)
        }
    };
    let Some(level) = level else {
        return Ok(if name == inherited { outer } else { make(default) });
    };
    i32::try_from(level.integer()?)
        .ok()
        .filter(|level| range.contains(level))
        .map(make)
        .ok_or_else(|| level.problem(format!("{name} supports levels {} to {}", range.start(), range.end())))
}

/// Refuses annotations and zstd in Docker's manifests, which support neither.
pub(super) fn check_family(family: Family, compression: Compression, table: Input<'_>) -> Result<(), Problem> {
    if let Some(said) = table
        .get("compression")
        .filter(|_| compression.media_type().in_family(family).is_none())
    {
        return said.refuse(
            "Docker's media types do not support this compression",
            "use compression = \"gzip\", or media-types = \"oci\"",
        );
    }
    if let Some(annotations) = table.get("annotations")
        && family == Family::Docker
        && annotations.node.entries().next().is_some()
    {
        return annotations.refuse(
            "Docker's manifests do not support annotations",
            "use labels, or media-types = \"oci\"",
        );
    }
    Ok(())
}
