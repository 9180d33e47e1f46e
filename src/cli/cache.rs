//! `cache`: what is kept, pruning it, verifying it, and pruning a layout.

use std::path::Path;
use std::time::SystemTime;

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::arguments::{CacheArguments, CacheCommand, PruneArguments};
use super::failure::{Done, Failure};
use super::sizes::parse_given_size;
use super::stdout::{print, print_json};
use crate::build::CACHE_KINDS;
use crate::cache::{Cache, Count, KindUsage, Trimmed, Unsound, Verified};
use crate::environment::Environment;
use crate::layout::{Layout, PrunedLayout};
use crate::model::{escape_path, size_text};

/// Runs it.
pub fn run(arguments: &CacheArguments, environment: &Environment) -> Done {
    if let Some(CacheCommand::Prune(PruneArguments {
        layout: Some(path),
        dry_run,
        ..
    })) = &arguments.command
    {
        return prune_layout(path, *dry_run, arguments.json);
    }
    let cache = environment.cache()?.ok_or_else(|| {
        Failure::usage(
            "no cache directory: HOME is not set",
            "set OCITECT_CACHE_DIR to a directory",
        )
    })?;
    let told = match &arguments.command {
        None => show(&cache, arguments.json),
        Some(CacheCommand::Prune(prune)) => prune_cache(&cache, prune, arguments.json),
        Some(CacheCommand::Verify) => verify(&cache, arguments.json),
    };
    told.map_err(|failed| match failed {
        Failed::Io(cause) => Failure::here(&format!(
            "cannot access the cache {}: {cause}",
            escape_path(cache.root())
        )),
        Failed::Told(failure) => failure,
    })
}

/// Why a command on the cache ended.
enum Failed {
    Io(std::io::Error),
    Told(Failure),
}

impl From<std::io::Error> for Failed {
    fn from(cause: std::io::Error) -> Self {
        Self::Io(cause)
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self::Told(failure)
    }
}

fn show(cache: &Cache, is_json: bool) -> Result<(), Failed> {
    let usage = cache.usage()?;
    // Notes of uploads are not held against the limit.
    let total_bytes: u64 = usage
        .iter()
        .filter(|kind| kind.name != "uploads")
        .map(|kind| kind.count.size_bytes)
        .sum();
    if is_json {
        let kinds = usage.iter().map(|kind| {
            let Count { files, size_bytes } = kind.count;
            json!({ "name": kind.name, "files": files, "size_bytes": size_bytes, "oldest_use": oldest_use(kind) })
        });
        let kinds: Vec<_> = kinds.collect();
        let directory = escape_path(cache.root());
        let limit_bytes = cache.limit_bytes();
        let shown =
            json!({ "directory": directory, "size_bytes": total_bytes, "limit_bytes": limit_bytes, "kinds": kinds });
        return Ok(print_json(&shown)?);
    }
    let mut text = format!("{}\n", escape_path(cache.root()));
    for kind in &usage {
        let oldest = oldest_use(kind)
            .map(|time| format!("  oldest use {time}"))
            .unwrap_or_default();
        text += &format!("  {}{oldest}\n", count_line(kind.name, kind.count));
    }
    text += &format!(
        "  total      {:>22} of {}\n",
        size_text(total_bytes),
        size_text(cache.limit_bytes())
    );
    Ok(print(text.as_bytes())?)
}

fn prune_cache(cache: &Cache, arguments: &PruneArguments, is_json: bool) -> Result<(), Failed> {
    let keep_bytes = match &arguments.keep {
        Some(text) => Some(parse_given_size(text, "--keep")?),
        None if arguments.all => None,
        None => Some(cache.limit_bytes()),
    };
    let Trimmed { removed, kept_bytes } = cache.prune(keep_bytes)?;
    if is_json {
        let counts = removed.iter().map(|(kind, Count { files, size_bytes })| {
            ((*kind).to_owned(), json!({ "files": files, "size_bytes": size_bytes }))
        });
        let removed: serde_json::Map<_, _> = counts.collect();
        return Ok(print_json(&json!({ "removed": removed, "kept_bytes": kept_bytes }))?);
    }
    let mut text = String::new();
    for (kind, count) in &removed {
        text += &format!("removed {}\n", count_line(kind, *count));
    }
    if removed.is_empty() {
        text += "nothing to remove\n";
    }
    text += &format!("kept {}\n", size_text(kept_bytes));
    Ok(print(text.as_bytes())?)
}

fn verify(cache: &Cache, is_json: bool) -> Result<(), Failed> {
    let Verified { sound, unsound } = cache.verify(&CACHE_KINDS)?;
    let what = |unsound: &Unsound| match unsound {
        Unsound::Deleted => "damaged, deleted",
        Unsound::Kept => "damaged, cannot be deleted",
        Unsound::Unreadable => "cannot be read",
    };
    if is_json {
        let entries = unsound
            .iter()
            .map(|(path, found)| json!({ "path": escape_path(path), "finding": what(found) }));
        let entries: Vec<_> = entries.collect();
        print_json(&json!({ "intact": { "files": sound.files, "size_bytes": sound.size_bytes }, "damaged": entries }))?;
    } else {
        let lines = unsound
            .iter()
            .map(|(path, found)| format!("{}: {}\n", escape_path(path), what(found)));
        let total = format!("{} files, {} intact\n", sound.files, size_text(sound.size_bytes));
        print(lines.chain([total]).collect::<String>().as_bytes())?;
    }
    let left = unsound.values().filter(|found| **found != Unsound::Deleted).count();
    if left > 0 {
        let message = format!(
            "{left} unusable files remain in the cache {}",
            escape_path(cache.root())
        );
        return Err(Failure::here(&message).into());
    }
    Ok(())
}

fn prune_layout(path: &Path, is_dry_run: bool, is_json: bool) -> Done {
    let PrunedLayout { removed, kept } = Layout::open(path)?.prune(is_dry_run)?;
    let [removed_bytes, kept_bytes] = [&removed, &kept].map(|blobs| blobs.values().sum::<u64>());
    if is_json {
        let blobs = removed
            .iter()
            .map(|(digest, size_bytes)| json!({ "digest": digest, "size_bytes": size_bytes }));
        return print_json(&json!({
            "layout": escape_path(path),
            "dry_run": is_dry_run,
            "removed": blobs.collect::<Vec<_>>(),
            "removed_bytes": removed_bytes,
            "kept": kept.len(),
            "kept_bytes": kept_bytes,
        }));
    }
    let verb = if is_dry_run { "would remove" } else { "removed" };
    let mut text = String::new();
    for (digest, size_bytes) in &removed {
        text += &format!("{verb} {digest} {:>10}\n", size_text(*size_bytes));
    }
    let gone = size_text(removed_bytes);
    let left = size_text(kept_bytes);
    text += &format!("{verb} {} blobs, {gone}; kept {}, {left}\n", removed.len(), kept.len());
    print(text.as_bytes())
}

fn count_line(kind: &str, count: Count) -> String {
    format!(
        "{kind:<10} {:>8} files {:>10}",
        count.files,
        size_text(count.size_bytes)
    )
}

/// In UTC, to the second.
fn oldest_use(kind: &KindUsage) -> Option<String> {
    let since = kind.oldest_use?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let time = OffsetDateTime::from_unix_timestamp(i64::try_from(since.as_secs()).ok()?).ok()?;
    time.format(&Rfc3339).ok()
}
