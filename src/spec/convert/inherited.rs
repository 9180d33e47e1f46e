//! Settings that a layer inherits from the image: owner, modes, compression, and what a family of media types supports.

use std::collections::BTreeMap;

use super::super::Ownership;
use super::super::at::{At, Text};
use super::super::choice::{ModeText, OwnerText};
use super::super::error::Problem;
use super::super::raw::CompressionName;
use super::values::{mode, owner};
use crate::model::{Compression, Family};

/// Converts the owner and modes of one level.
pub(super) fn ownership(
    said_owner: Option<&At<OwnerText>>,
    said_mode: Option<&At<ModeText>>,
    said_dir_mode: Option<&At<ModeText>>,
) -> Result<Ownership, Problem> {
    Ok(Ownership {
        owner: said_owner.map(owner).transpose()?,
        mode: said_mode.map(mode).transpose()?,
        dir_mode: said_dir_mode.map(mode).transpose()?,
    })
}

/// Returns the compression of a layer or the image: its own, else that of `outer`, else gzip.
pub(super) fn compression(
    name: Option<&At<CompressionName>>,
    level: Option<&At<i64>>,
    outer: Option<Compression>,
) -> Result<Compression, Problem> {
    let name = match (name, outer) {
        (Some(name), _) => name.value,
        (None, Some(Compression::Zstd(_))) => CompressionName::Zstd,
        (None, Some(Compression::None)) => CompressionName::None,
        (None, Some(Compression::Gzip(_)) | None) => CompressionName::Gzip,
    };
    let (range, default, make, text) = match name {
        CompressionName::Gzip => {
            let make = Compression::Gzip as fn(i32) -> Compression;
            (Compression::GZIP_LEVELS, Compression::GZIP_DEFAULT_LEVEL, make, "gzip")
        }
        CompressionName::Zstd => {
            let make = Compression::Zstd as fn(i32) -> Compression;
            (Compression::ZSTD_LEVELS, Compression::ZSTD_DEFAULT_LEVEL, make, "zstd")
        }
        CompressionName::None => {
            let said = level.map(|level| Problem::new(&level.span, "`level` has no effect without compression"));
            return said.map_or(Ok(Compression::None), Err);
        }
    };
    let Some(level) = level else {
        let inherited = outer.filter(|outer| std::mem::discriminant(outer) == std::mem::discriminant(&make(default)));
        return Ok(inherited.unwrap_or_else(|| make(default)));
    };
    i32::try_from(level.value)
        .ok()
        .filter(|level| range.contains(level))
        .map(make)
        .ok_or_else(|| {
            let message = format!("{text} supports levels {} to {}", range.start(), range.end());
            Problem::new(&level.span, message)
        })
}

/// Refuses annotations and zstd in Docker's manifests, which support neither.
pub(super) fn check_family(
    family: Family,
    compression: Compression,
    said: Option<&At<CompressionName>>,
    annotations: &At<BTreeMap<String, Text>>,
) -> Result<(), Problem> {
    if let Some(said) = said.filter(|_| compression.media_type().in_family(family).is_none()) {
        return Err(
            Problem::new(&said.span, "Docker's media types do not support this compression")
                .help("use compression = \"gzip\", or media-types = \"oci\""),
        );
    }
    if family == Family::Docker && !annotations.value.is_empty() {
        return Err(
            Problem::new(&annotations.span, "Docker's manifests do not support annotations")
                .help("use labels, or media-types = \"oci\""),
        );
    }
    Ok(())
}
