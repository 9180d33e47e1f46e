//! The layout of a task's line on a terminal, for its width.

use std::time::Duration;

use crate::events::{Item, Work};
use crate::model::{part_text, size_text};

/// Least width of a terminal with room for a bar.
const BAR_FROM_COLUMNS: usize = 70;

/// Greatest width of a bar.
const MAX_BAR_COLUMNS: usize = 24;

/// Columns of an amount: `999.9/999.9 MB`.
const AMOUNT_COLUMNS: usize = 14;

/// Columns of the time that is left: `59m`.
const TIME_COLUMNS: usize = 4;

/// Columns that a line does not use: the spinner, the space after it, and the last column, in which some terminals wrap.
const RESERVED_COLUMNS: usize = 3;

/// Least columns for the place that something is written to; a shorter part of it says nothing.
const MIN_TARGET_COLUMNS: usize = 12;

/// What a task has done so far.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    /// Bytes processed so far.
    pub done_bytes: u64,
    /// Total bytes, if known.
    pub size_bytes: Option<u64>,
    /// Time since the start.
    pub elapsed: Duration,
}

/// Returns the line of a task on a terminal of this many columns, without the spinner before it.
pub fn line(work: &Work, done: Done, columns: usize) -> String {
    let room = columns.saturating_sub(RESERVED_COLUMNS);
    let bar_columns = if columns < BAR_FROM_COLUMNS {
        0
    } else {
        (columns / 5).min(MAX_BAR_COLUMNS)
    };
    let mut right = String::new();
    if bar_columns > 0 {
        right += &format!(" {}", bar(done, bar_columns));
    }
    right += &format!(" {:>AMOUNT_COLUMNS$} {:>TIME_COLUMNS$}", amount(done), time_left(done));
    let label_columns = room.saturating_sub(right.chars().count());
    format!("{:label_columns$}{right}", label(work, label_columns))
}

fn amount(done: Done) -> String {
    match done.size_bytes {
        Some(size_bytes) => part_text(done.done_bytes.min(size_bytes), size_bytes),
        None if done.done_bytes == 0 => String::new(),
        None => size_text(done.done_bytes),
    }
}

fn bar(done: Done, columns: usize) -> String {
    let Some(size_bytes) = done.size_bytes.filter(|size_bytes| *size_bytes > 0) else {
        return " ".repeat(columns);
    };
    let part = u128::from(done.done_bytes.min(size_bytes)) * columns as u128 / u128::from(size_bytes);
    let full = usize::try_from(part).unwrap_or(columns);
    format!("{}{}", "█".repeat(full), "░".repeat(columns - full))
}

/// Returns the time that is left at the mean speed so far, in one unit: `12s`, `3m`, `2h`.
fn time_left(done: Done) -> String {
    let Some(size_bytes) = done.size_bytes else {
        return String::new();
    };
    if done.done_bytes == 0 || done.elapsed < Duration::from_secs(1) {
        return String::new();
    }
    let left_bytes = u128::from(size_bytes.saturating_sub(done.done_bytes));
    let seconds = done.elapsed.as_millis() * left_bytes / u128::from(done.done_bytes) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..360_000 => format!("{}h", seconds / 3600),
        _ => String::new(),
    }
}

/// Returns what a task does in at most this many columns. Left out, in this order: the digest, a part of the target, the
/// target, the middle of the name. The platform stays.
fn label(work: &Work, columns: usize) -> String {
    let whole = work.to_string();
    if whole.chars().count() <= columns {
        return whole;
    }
    let item = Item {
        digest: None,
        ..work.item.clone()
    };
    let short = Work {
        item,
        target: None,
        ..work.clone()
    };
    let text = short.to_string();
    let text_columns = text.chars().count();
    if let Some(target) = &work.target {
        let room = columns.saturating_sub(text_columns + " to ".len());
        if room >= MIN_TARGET_COLUMNS.min(target.chars().count()) {
            return format!("{text} to {}", shortened(target, room));
        }
    }
    if text_columns <= columns {
        return text;
    }
    let name_columns = work.item.name.chars().count();
    let name = shortened(&work.item.name, (name_columns + columns).saturating_sub(text_columns));
    let text = Work {
        item: Item { name, ..short.item },
        ..short
    };
    shortened(&text.to_string(), columns)
}

/// Returns text in at most this many columns, without its middle if it is longer.
fn shortened(text: &str, columns: usize) -> String {
    let length = text.chars().count();
    if length <= columns {
        return text.to_owned();
    }
    let kept = columns.saturating_sub(1);
    let head: String = text.chars().take(kept.div_ceil(2)).collect();
    let tail: String = text.chars().skip(length - kept / 2).collect();
    if columns == 0 {
        return String::new();
    }
    format!("{head}…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, Platform};

    fn writing(name: &str, platform: &str, target: &str) -> Work {
        let item = Item {
            digest: Some(Digest::of(b"app")),
            ..Item::new(name).for_platform(Some(platform.parse().unwrap()))
        };
        Work::writing(item, target)
    }

    fn half(size_bytes: u64) -> Done {
        Done {
            done_bytes: size_bytes / 2,
            size_bytes: Some(size_bytes),
            elapsed: Duration::from_secs(12),
        }
    }

    #[test]
    fn lines_fit_and_show_platform_and_amount() {
        let works = [
            writing("app", "linux/arm64/v8", "oci:out"),
            writing(
                &"long-name-".repeat(12),
                "linux/amd64",
                "registry.example.com/team/project/app",
            ),
            writing("site-packages", "linux/amd64", "localhost:5000/me/app"),
            Work::new("packing", Item::new("").for_platform(None::<Platform>)),
        ];
        for columns in [1, 20, 40, 60, 70, 80, 120, 250] {
            for work in &works {
                let line = line(work, half(312_400_000), columns);
                let width = line.chars().count();
                assert!(columns < 40 || width == columns - RESERVED_COLUMNS, "{columns}: {line}");
                assert!(
                    columns < 40 || line.contains("156.2/312.4 MB  12s"),
                    "{columns}: {line}"
                );
                if let Some(platform) = work.item.platform.as_ref().filter(|_| columns >= 60) {
                    assert!(line.contains(&platform.to_string()), "{columns}: {line}");
                }
            }
        }
    }

    #[test]
    fn less_important_parts_are_left_out_first() {
        let work = writing("app", "linux/amd64", "ghcr.io/me/app");
        let short_digest = &Digest::of(b"app").hex()[..12];
        for (columns, expected) in [
            (
                80,
                format!("writing app for linux/amd64 ({short_digest}) to ghcr.io/me/app"),
            ),
            (50, "writing app for linux/amd64 to ghcr.io/me/app".to_owned()),
            (44, "writing app for linux/amd64 to ghcr.i…me/app".to_owned()),
            (30, "writing app for linux/amd64".to_owned()),
            (25, "writing … for linux/amd64".to_owned()),
        ] {
            assert_eq!(label(&work, columns), expected);
        }
    }

    #[test]
    fn what_has_no_size_has_no_bar() {
        let done = Done {
            done_bytes: 5_000_000,
            size_bytes: None,
            elapsed: Duration::from_secs(3),
        };
        let work = Work::new("checking", Item::new("oci:out"));
        let line = line(&work, done, 80);
        assert!(
            line.starts_with("checking oci:out ") && line.ends_with(" 5.0 MB     "),
            "{line}|"
        );
    }

    #[test]
    fn time_is_left_in_one_unit() {
        let after = |done_bytes, elapsed_s| {
            time_left(Done {
                done_bytes,
                size_bytes: Some(1000),
                elapsed: Duration::from_secs(elapsed_s),
            })
        };
        assert_eq!(after(0, 10), "");
        assert_eq!(after(1, 0), "");
        assert_eq!(after(500, 59), "59s");
        assert_eq!(after(500, 119), "1m");
        assert_eq!(after(500, 7200), "2h");
        assert_eq!(after(1, 7200), "");
        assert_eq!(after(1000, 5), "0s");
    }
}
