//! Recognizes files of other tools that are given as a spec, so that the error can name their format.

use std::path::Path;

/// The name of the format that `ocitect init` replaces.
pub(super) const DOCKERFILE: &str = "a Dockerfile";

/// Returns the format of a text that is not TOML; `None` if it is not known.
pub(super) fn recognise(path: &Path, text: &str) -> Option<&'static str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let first = lines.next().unwrap_or_default();
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default();
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
    if is_instruction(first) || ["dockerfile", "containerfile"].iter().any(|word| name.contains(word)) {
        return Some(DOCKERFILE);
    }
    if first.starts_with('{') || ends(&[".json"]) {
        return Some("JSON");
    }
    if first == "---" || is_mapping(first) || ends(&[".yaml", ".yml"]) {
        return Some("YAML");
    }
    None
}

/// Returns `true` for the first line of a Dockerfile that is neither empty nor a comment.
fn is_instruction(line: &str) -> bool {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    ["FROM", "ARG"].iter().any(|known| word.eq_ignore_ascii_case(known)) && !rest.trim_start().starts_with('=')
}

/// Returns `true` for `key:` or `key: value`, which is never valid TOML.
fn is_mapping(line: &str) -> bool {
    let Some((key, rest)) = line.split_once(':') else {
        return false;
    };
    let is_key = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    !key.is_empty() && key.bytes().all(is_key) && (rest.is_empty() || rest.starts_with(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_tools_are_recognised_by_content_and_by_name() {
        for (name, text, found) in [
            (
                "a",
                "# syntax=docker/dockerfile:1\nFROM debian\nRUN x",
                Some("a Dockerfile"),
            ),
            ("a", "ARG V=1\nFROM debian:$V", Some("a Dockerfile")),
            ("Dockerfile", "", Some("a Dockerfile")),
            ("app.Dockerfile", "x y", Some("a Dockerfile")),
            ("a", "{\n  \"image\": {}\n}", Some("JSON")),
            ("compose.yaml", "", Some("YAML")),
            ("a", "---\nx", Some("YAML")),
            ("a", "services:\n  app:\n    image: x", Some("YAML")),
            ("a", "format: 1", Some("YAML")),
            ("a", "[image\n", None),
            ("a", "format = 1\n[image]\nname = x", None),
            ("a", "from = 1", None),
            ("a", "", None),
        ] {
            assert_eq!(recognise(Path::new(name), text), found, "{name}: {text}");
        }
    }
}
