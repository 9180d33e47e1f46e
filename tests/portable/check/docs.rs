//! `docs/reference/findings.md` describes every code, and no other.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::support::Sandbox;

/// Returns the sections of the page, by heading.
fn sections() -> BTreeMap<String, String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/findings.md");
    let text = std::fs::read_to_string(page).unwrap();
    let mut sections = BTreeMap::new();
    for section in text.split("\n## ").skip(1) {
        let (heading, body) = section.split_once('\n').unwrap();
        assert!(
            sections.insert(heading.to_owned(), body.to_owned()).is_none(),
            "{heading} stands there twice"
        );
    }
    sections
}

#[test]
fn every_code_has_a_section_with_its_severity_an_example_and_a_way_out() {
    let codes: Value = serde_json::from_str(&Sandbox::new().ok(&["check", "--codes", "--json"]).stdout).unwrap();
    let codes = codes.as_array().unwrap();
    assert!(codes.len() > 30);
    let sections = sections();
    for code in codes {
        let name = code["code"].as_str().unwrap();
        let severity = code["severity"].as_str().unwrap();
        let section = sections
            .get(name)
            .unwrap_or_else(|| panic!("docs/reference/findings.md has no section \"## {name}\""));
        let kind = if severity == "error" { "Error" } else { "Warning" };
        assert!(
            section.trim_start().starts_with(kind),
            "{name} is an {severity}: its section must begin with {kind}"
        );
        let has_example = section.contains("\n```\n") || section.contains("\n\n    ");
        assert!(has_example, "{name} has no example of its message");
        assert!(
            section.to_lowercase().contains("way out:"),
            "{name} does not say what to do"
        );
    }
    let known: Vec<&str> = codes.iter().map(|code| code["code"].as_str().unwrap()).collect();
    let others: Vec<&String> = sections
        .keys()
        .filter(|heading| !known.contains(&heading.as_str()))
        .collect();
    assert!(
        others.is_empty(),
        "docs/reference/findings.md has sections for what is no code: {others:?}"
    );
}
