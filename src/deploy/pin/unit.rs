//! Settings of systemd units (systemd.syntax(7)), with their places.

use std::ops::Range;

/// A setting of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting<'a> {
    pub(super) section: &'a str,
    pub(super) key: &'a str,
    /// The value on the first line.
    pub(super) value: &'a str,
    /// The place of the value.
    pub(super) span: Range<usize>,
    /// The rest of the value, if other lines continue it.
    pub(super) continuation: Option<String>,
}

/// Returns the settings of a unit, in order.
pub(super) fn settings(text: &str) -> Vec<Setting<'_>> {
    let mut settings: Vec<Setting<'_>> = Vec::new();
    let mut section = "";
    let mut start = 0;
    // Whether the next line continues a setting: `Some(false)` if it continues what is no setting.
    let mut continued = None;
    for raw in text.split_inclusive('\n') {
        let line_start = start;
        start += raw.len();
        let line = raw.trim_end_matches(['\n', '\r']);
        let trimmed = line.trim_start_matches('\u{feff}').trim();
        if trimmed.starts_with(['#', ';']) {
            // A comment does not end a continued line, and is not continued itself.
            continue;
        }
        let is_continued = line.ends_with('\\');
        if let Some(is_setting) = continued {
            if let (true, Some(last)) = (is_setting, settings.last_mut()) {
                let rest = last.continuation.get_or_insert_default();
                rest.push(' ');
                rest.push_str(trimmed.trim_end_matches('\\'));
            }
            continued = is_continued.then_some(is_setting);
            continue;
        }
        let name = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let setting = match name {
            Some(name) => {
                section = name;
                None
            }
            None => setting(section, line, line_start, is_continued),
        };
        continued = is_continued.then_some(setting.is_some());
        settings.extend(setting);
    }
    settings
}

fn setting<'a>(section: &'a str, line: &'a str, line_start: usize, is_continued: bool) -> Option<Setting<'a>> {
    let (key, rest) = line.split_once('=')?;
    let value = rest.trim_end_matches('\\').trim();
    let value_start = line_start + key.len() + 1 + (rest.len() - rest.trim_start().len());
    Some(Setting {
        section,
        key: key.trim_start_matches('\u{feff}').trim(),
        value,
        span: value_start..value_start + value.len(),
        continuation: is_continued.then(String::new),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_with_their_sections_and_places() {
        let text = "# c\r\n[Unit]\r\nDescription=a \\\r\n  Image=no\r\n[Container]\r\n Image = x/y:1 \r\n;Image=z\r\nExec=a \\\n# Image=q\nImage=w \\\n\nImage=v";
        let found = settings(text);
        let parts: Vec<(&str, &str, &str)> = found
            .iter()
            .map(|setting| (setting.section, setting.key, setting.value))
            .collect();
        assert_eq!(
            parts,
            [
                ("Unit", "Description", "a"),
                ("Container", "Image", "x/y:1"),
                ("Container", "Exec", "a"),
                ("Container", "Image", "v")
            ]
        );
        let rests: Vec<Option<&str>> = found.iter().map(|setting| setting.continuation.as_deref()).collect();
        assert_eq!(rests, [Some(" Image=no"), None, Some(" Image=w  "), None]);
        assert!(found.iter().all(|setting| text[setting.span.clone()] == *setting.value));
    }
}
