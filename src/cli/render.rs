//! Text for people: sizes, colors, the summary of a build.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use super::choices::Color;
use crate::build::{BuildReport, LayerReport, PlatformReport};
use crate::events::Outcome;
use crate::model::{ImageState, Tag, size_text};

/// The choice of `--color`, made once at the start.
static COLOR: OnceLock<Color> = OnceLock::new();

/// Sets when colors are used. Only the first call counts.
pub fn choose_color(color: Color) {
    let _ = COLOR.set(color);
}

/// Returns `true` if stderr takes colors.
pub fn color_on_stderr() -> bool {
    takes_color(std::io::stderr().is_terminal())
}

/// Returns `true` if stdout takes colors.
pub fn color_on_stdout() -> bool {
    takes_color(std::io::stdout().is_terminal())
}

/// Returns whether a stream takes colors: as `--color` says, else by `NO_COLOR`, `CLICOLOR_FORCE` and whether it is a
/// terminal, in this order. Variables that are empty count as unset, and so does a `CLICOLOR_FORCE` of 0.
fn takes_color(is_terminal: bool) -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_forced = || is_set("CLICOLOR_FORCE") && std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    match COLOR.get() {
        Some(Color::Always) => true,
        Some(Color::Never) => false,
        Some(Color::Auto) | None => !is_set("NO_COLOR") && (is_terminal || is_forced()),
    }
}

/// Returns `text` in bold and in a color of the terminal's palette (31 red, 33 yellow, 36 cyan), if stderr takes
/// colors.
pub fn emphasis(text: &str, color: u8) -> String {
    emphasis_where(color_on_stderr(), text, color)
}

/// Like [`emphasis`], if `takes_colors` is `true`.
pub fn emphasis_where(takes_colors: bool, text: &str, color: u8) -> String {
    if takes_colors {
        format!("\x1b[1;{color}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// The line with the size of a platform. It is in one column with the names of layers.
const TOTAL: &str = "total";

/// Returns the summary of a build: each platform with its layers, the total compared with `max-size`, and the outputs.
pub fn summary(report: &BuildReport) -> String {
    let mut lines = Vec::new();
    for platform in &report.platforms {
        lines.push(format!("{}  {}", platform.platform, platform.manifest.digest));
        let width = platform
            .layers
            .iter()
            .map(|layer| layer.name.chars().count())
            .fold(TOTAL.len(), usize::max);
        for layer in &platform.layers {
            lines.push(layer_line(report, layer, width));
        }
        lines.push(total_line(platform, width));
    }
    for target in &report.targets {
        lines.push(tags_line(&target.target, &target.tags));
    }
    lines.join("\n")
}

/// Returns the summary of a workspace: a line for each image with its platforms, layers and what was written, one for each
/// that is `unbuilt`, with the reason, and how many there are.
pub fn workspace_summary(images: &[(&str, &BuildReport)], unbuilt: &[(&str, String)]) -> String {
    let ids = images.iter().map(|(id, _)| id).chain(unbuilt.iter().map(|(id, _)| id));
    let width = ids.map(|id| id.chars().count()).max().unwrap_or_default();
    let line = |(id, report): &(&str, &BuildReport)| {
        let layers = layer_counts(report);
        let platforms: Vec<String> = report.platforms.iter().map(|one| one.platform.to_string()).collect();
        let copied: u64 = report.targets.iter().map(|target| target.transfer.copied_bytes()).sum();
        let state = match report.state() {
            // Everything was there, but under no tag, or another one.
            ImageState::Written if copied == 0 => "wrote the tags".to_owned(),
            ImageState::Written => format!("wrote {}", size_text(copied)),
            state => state.as_str().to_owned(),
        };
        let pad = " ".repeat(width - id.chars().count());
        format!(
            "{id}{pad}  {}  {layers}  {state}  {}",
            platforms.join(","),
            report.root.digest
        )
    };
    let count = |state: ImageState| images.iter().filter(|(_, report)| report.state() == state).count();
    let mut lines: Vec<String> = images.iter().map(line).collect();
    lines.extend(unbuilt.iter().map(|(id, reason)| format!("{id:width$}  {reason}")));
    let failed = if unbuilt.is_empty() {
        String::new()
    } else {
        format!(", {} failed or not built", unbuilt.len())
    };
    let total = match images.len() + unbuilt.len() {
        1 => "1 image".to_owned(),
        count => format!("{count} images"),
    };
    lines.push(format!(
        "{total}: {} written, {} unchanged{failed}",
        count(ImageState::Written),
        count(ImageState::Unchanged)
    ));
    lines.join("\n")
}

/// Returns the number of layers of an image, and how many of them were sent: the targets had the others, or mounted them
/// from another image. The platform with the most layers counts.
fn layer_counts(report: &BuildReport) -> String {
    let counts = report.platforms.iter().map(|platform| {
        let is_new = |layer: &&LayerReport| report.outcomes(&layer.descriptor).contains(&Outcome::Copied);
        (platform.layers.len(), platform.layers.iter().filter(is_new).count())
    });
    let (all, new) = counts.max().unwrap_or_default();
    let layers = if all == 1 { "layer" } else { "layers" };
    format!("{all} {layers}, {new} new")
}

/// Returns the line with an output and the tags that were written there.
pub fn tags_line(target: &str, tags: &[Tag]) -> String {
    if tags.is_empty() {
        return format!("{target}: by digest only");
    }
    let tags: Vec<&str> = tags.iter().map(Tag::as_str).collect();
    format!("{target}: tags {}", tags.join(", "))
}

fn layer_line(report: &BuildReport, layer: &LayerReport, width: usize) -> String {
    let outcomes: Vec<&str> = report
        .outcomes(&layer.descriptor)
        .into_iter()
        .map(Outcome::as_str)
        .collect();
    let pad = width - layer.name.chars().count();
    let how = [vec![layer.origin.as_str()], outcomes].concat().join(", ");
    format!(
        "  {}{}  {:>9}  {how}",
        layer.name,
        " ".repeat(pad),
        size_text(layer.descriptor.size_bytes)
    )
}

fn total_line(platform: &PlatformReport, width: usize) -> String {
    let limit = platform
        .max_size_bytes
        .map(|limit| format!("  of {} (max-size)", size_text(limit)))
        .unwrap_or_default();
    format!("  {TOTAL:width$}  {:>9}{limit}", size_text(platform.size_bytes))
}
