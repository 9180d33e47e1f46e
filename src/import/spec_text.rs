//! The text of a spec: a draft as TOML, with its comments.
//!
//! Names come from files that others wrote. Every value is a TOML string, and no comment can end its line early.

use std::fmt::Write as _;

use super::draft::{Draft, Files, Layer, Start, UID, USER_NAME, User};
use crate::model::Platform;

/// Width of the comments, in characters, where their words allow it.
const COMMENT_WIDTH: usize = 96;

/// The registry in the image's name, for the user to replace.
const EXAMPLE_REGISTRY: &str = "registry.example.com";

/// Returns the text of a spec.
pub fn render(draft: &Draft) -> String {
    let mut text = String::new();
    let origin = &draft.origin;
    comment(
        &mut text,
        &format!("Written by `ocitect init` from {origin}. docs/reference/spec.md of ocitect lists all keys."),
    );
    text.push_str("format = 1\n\n[image]\n");
    comment(
        &mut text,
        "Where `ocitect build --push` pushes to. Replace the registry with yours.",
    );
    line(
        &mut text,
        "name",
        &string(&format!("{EXAMPLE_REGISTRY}/{}", draft.name)),
    );
    line(&mut text, "tags", "[\"${VERSION}\", \"latest\"]");
    draft.base_comment.iter().for_each(|words| comment(&mut text, words));
    line(&mut text, "base", &string(&draft.base));
    let platforms: Vec<String> = draft.platforms.iter().map(Platform::to_string).collect();
    if platforms.len() == 1 {
        comment(
            &mut text,
            "Add a platform here when its files are built, such as \"linux/amd64\" or \"linux/arm64\".",
        );
    }
    line(&mut text, "platforms", &strings(&platforms));
    vars(&mut text, draft);
    users(&mut text, draft);
    draft.layers.iter().for_each(|item| layer(&mut text, item));
    config(&mut text, draft);
    overrides(&mut text, draft);
    text
}

fn vars(text: &mut String, draft: &Draft) {
    text.push_str("\n[vars]\n");
    comment(text, "`VERSION=1.0.0 ocitect build` sets the tag 1.0.0.");
    line(text, "VERSION", "{ env = \"VERSION\", default = \"dev\" }");
    let first = draft.platforms.first();
    if let (Some((name, values)), Some(first)) = (&draft.platform_variable, first) {
        comment(text, "Differs by platform, see the end of this file.");
        line(text, name, &string(values.get(first).map_or("", String::as_str)));
    }
}

fn users(text: &mut String, draft: &Draft) {
    if draft.user == User::New {
        text.push('\n');
        comment(
            text,
            "The user that the program runs as. It owns no files of the image, so it cannot change them.",
        );
        let _ = writeln!(text, "[[users]]\nname = {}\nuid = {UID}", string(USER_NAME));
    }
}

fn layer(text: &mut String, layer: &Layer) {
    let mut table = format!("[[layers]]\nname = {}\n", string(&layer.name));
    match &layer.files[..] {
        [one] => line(&mut table, "files", &format!("[{}]", entry(one))),
        several => {
            table.push_str("files = [\n");
            several
                .iter()
                .for_each(|files| table.push_str(&format!("  {},\n", entry(files))));
            table.push_str("]\n");
        }
    }
    text.push('\n');
    layer.comment.iter().for_each(|words| comment(text, words));
    if !layer.commands.is_empty() {
        comment(text, "");
        layer
            .commands
            .iter()
            .for_each(|command| verbatim(text, &format!("    {command}")));
        comment(text, "");
    }
    if layer.is_optional {
        table.lines().for_each(|words| verbatim(text, words));
    } else {
        text.push_str(&table);
    }
}

fn entry(files: &Files) -> String {
    let mut keys = vec![
        format!("from = {}", string(&files.from)),
        format!("to = {}", string(&files.to)),
    ];
    if !files.exclude.is_empty() {
        keys.push(format!("exclude = {}", strings(&files.exclude)));
    }
    if files.is_archive {
        keys.push("unpack = true".to_owned());
    }
    if files.is_executable {
        keys.push("executable = [\"*\"]".to_owned());
    }
    format!("{{ {} }}", keys.join(", "))
}

fn config(text: &mut String, draft: &Draft) {
    text.push_str("\n[config]\n");
    let user = match draft.user {
        User::OfBase(name) => name,
        User::New => USER_NAME,
    };
    line(text, "user", &string(user));
    if let Some(workdir) = &draft.workdir {
        line(text, "workdir", &string(workdir));
    }
    if !draft.env.is_empty() {
        let pairs = draft
            .env
            .iter()
            .map(|(name, value)| format!("{name} = {}", string(value)));
        line(text, "env", &format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", ")));
    }
    draft.start_comment.iter().for_each(|words| comment(text, words));
    match &draft.start {
        Start::Entrypoint(words) => line(text, "entrypoint", &strings(words)),
        Start::Command(words) => line(text, "cmd", &strings(words)),
        Start::OfBase => {}
    }
    if draft.ports.is_empty() {
        comment(text, "Ports that the program listens on.");
        verbatim(text, "ports = [\"8080\"]");
    } else {
        line(text, "ports", &strings(&draft.ports));
    }
}

fn overrides(text: &mut String, draft: &Draft) {
    let Some((name, values)) = &draft.platform_variable else {
        return;
    };
    for platform in draft.platforms.iter().skip(1) {
        let value = string(values.get(platform).map_or("", String::as_str));
        let _ = write!(
            text,
            "\n[platform.{}]\nvars = {{ {name} = {value} }}\n",
            string(&platform.to_string())
        );
    }
}

fn line(text: &mut String, key: &str, value: &str) {
    let _ = writeln!(text, "{key} = {value}");
}

/// Returns a TOML string.
fn string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            other if other.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(other));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

fn strings(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| string(item)).collect();
    format!("[{}]", items.join(", "))
}

/// Adds a comment, broken between words.
fn comment(text: &mut String, words: &str) {
    let mut current = String::new();
    for word in words.split_whitespace() {
        if !current.is_empty() && current.chars().count() + word.chars().count() >= COMMENT_WIDTH {
            verbatim(text, &current);
            current.clear();
        }
        if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(word);
    }
    verbatim(text, &current);
}

/// Adds a line as a comment. TOML allows no control characters in one, so each is written as `?`.
fn verbatim(text: &mut String, words: &str) {
    let plain: String = words
        .chars()
        .map(|character| if character.is_control() { '?' } else { character })
        .collect();
    if plain.is_empty() {
        text.push_str("#\n");
    } else {
        let _ = writeln!(text, "# {plain}");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::import::draft::literal;
    use crate::import::layout::default_platforms;
    use crate::spec::{Inputs, Spec};

    fn draft(name: &str) -> Draft {
        let mut draft = Draft::new("server".to_owned(), name, "scratch", default_platforms());
        draft.base_comment = vec![name.to_owned()];
        draft.layers = vec![Layer {
            name: "app".to_owned(),
            comment: vec![name.to_owned()],
            commands: vec![name.to_owned()],
            files: vec![Files::new(&literal(&format!("dist/{name}")), "/app/")],
            ..Layer::default()
        }];
        draft.start = Start::Entrypoint(vec![literal(name)]);
        draft
    }

    fn parse(text: &str) -> Spec {
        Spec::parse(text, Path::new("ocitect.toml"), &Inputs::default())
            .unwrap_or_else(|error| panic!("{}\n{text}", error.render(false).unwrap_or_default()))
    }

    #[test]
    fn a_spec_has_comments_and_values() {
        let mut draft = draft("x");
        draft.layers[0].files.push(
            Files {
                is_executable: true,
                ..Files::new("b", "/b")
            }
            .exclude(&["**/*.pyc"]),
        );
        draft.layers.push(Layer {
            is_optional: true,
            ..draft.layers[0].clone()
        });
        draft.env = vec![("A".to_owned(), "1".to_owned())];
        let values: BTreeMap<Platform, String> = draft
            .platforms
            .iter()
            .map(|platform| (platform.clone(), format!("dist/{platform}")))
            .collect();
        draft.platform_variable = Some(("PROGRAM", values));
        let text = render(&draft);
        for expected in [
            "name = \"registry.example.com/server\"\n",
            "platforms = [\"linux/amd64\", \"linux/arm64\"]\n",
            "PROGRAM = \"dist/linux/amd64\"\n",
            "[[users]]\nname = \"app\"\nuid = 10001\n",
            "# x\n#\n#     x\n#\n[[layers]]\nname = \"app\"\nfiles = [\n  { from = \"dist/x\", to = \"/app/\" },\n",
            "  { from = \"b\", to = \"/b\", exclude = [\"**/*.pyc\"], executable = [\"*\"] },\n]\n",
            "# [[layers]]\n# name = \"app\"\n# files = [\n#   { from",
            "user = \"app\"\nenv = { A = \"1\" }\nentrypoint = [\"x\"]\n",
            "[platform.\"linux/arm64\"]\nvars = { PROGRAM = \"dist/linux/arm64\" }\n",
        ] {
            assert!(text.contains(expected), "{expected} in\n{text}");
        }
        assert_eq!(parse(&text).platforms().len(), 2);
    }

    #[test]
    fn comments_are_broken_between_words() {
        let mut text = String::new();
        comment(&mut text, &"word ".repeat(40));
        assert_eq!(text.lines().count(), 3);
        assert!(
            text.lines()
                .all(|line| line.starts_with("# word") && line.len() <= COMMENT_WIDTH + 2),
            "{text}"
        );
    }

    proptest! {
        #[test]
        fn whatever_names_are_the_spec_is_valid(name in any::<String>()) {
            let spec = parse(&render(&draft(&name)));
            let platform = spec.platform(&default_platforms()[0]);
            prop_assert!(platform.is_ok(), "{:?}", platform.err());
        }
    }
}
