//! Findings as SARIF 2.1.0 (OASIS, Static Analysis Results Interchange Format), for code scanning pages.

use serde_json::{Value, json};

use super::{Code, Finding, Severity};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// Returns a log of one run: the rules with findings, a result for each finding, and `notes` on what was checked and
/// what was not. `artifact` is the checked object, such as the path of the spec. Results point to it, and name the path
/// inside the image as a logical location.
pub fn sarif(findings: &[Finding], notes: &[String], artifact: &str, version: &str) -> Value {
    let mut codes: Vec<Code> = findings.iter().map(|finding| finding.code).collect();
    codes.sort();
    codes.dedup();
    let results: Vec<Value> = findings
        .iter()
        .map(|finding| result(finding, &codes, artifact))
        .collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "ocitect",
                "version": version,
                "rules": codes.iter().map(|code| rule(*code)).collect::<Vec<_>>(),
            }},
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": notes.iter().map(|text| note(text)).collect::<Vec<_>>(),
            }],
            "results": results,
        }],
    })
}

fn note(text: &str) -> Value {
    json!({ "level": "note", "message": { "text": text } })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn rule(code: Code) -> Value {
    json!({
        "id": code.as_str(),
        "shortDescription": { "text": code.meaning() },
        "help": { "text": format!("{}. See docs/reference/findings.md of ocitect.", code.meaning()) },
        "defaultConfiguration": { "level": level(code.severity()) },
    })
}

fn result(finding: &Finding, codes: &[Code], artifact: &str) -> Value {
    let mut text = format!("{}: {}", finding.path, finding.message);
    if let Some(expected) = &finding.expected {
        text.push_str(&format!("\nexpected: {expected}"));
    }
    if let Some(found) = &finding.found {
        text.push_str(&format!("\nfound: {found}"));
    }
    text.push_str(&format!("\nhelp: {}", finding.help));
    // The parts that do not change between runs: code scanning pages use them to track a finding.
    let fingerprint = format!("{}:{}:{}", finding.code, finding.platform, finding.path);
    json!({
        "ruleId": finding.code.as_str(),
        "ruleIndex": codes.iter().position(|code| *code == finding.code),
        "level": level(finding.severity),
        "message": { "text": text },
        "locations": [{
            "physicalLocation": { "artifactLocation": { "uri": uri(artifact) }, "region": { "startLine": 1 } },
            "logicalLocations": [{
                "fullyQualifiedName": format!("{}:{}", finding.platform, finding.path),
                "kind": "resource",
            }],
        }],
        "partialFingerprints": { "finding/v1": fingerprint },
        "properties": { "platform": finding.platform.to_string(), "path": finding.path.to_string() },
    })
}

/// Returns a relative reference (RFC 3986, section 4.2): characters that are not allowed in a path are percent-encoded.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => uri.push(char::from(byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EntryPath, Platform};

    #[test]
    fn a_log_has_the_rules_that_found_something_and_a_result_for_each_finding() {
        let path = EntryPath::new(b"app/id_rsa").unwrap();
        let finding = Finding::new(
            Code::Secret,
            &Platform::new("linux", "amd64"),
            path,
            "a key".to_owned(),
            "leave it out",
        );
        let notes = ["checked linux/amd64: 1 layer, 2 files".to_owned()];
        let log = sarif(
            &[finding.clone().evidence("no key", "a private key"), finding],
            &notes,
            "my app/ocitect.toml",
            "1.2.3",
        );
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        assert_eq!(
            run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"],
            notes[0]
        );
        assert_eq!(run["tool"]["driver"]["rules"].as_array().unwrap().len(), 1);
        assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "secret");
        let result = &run["results"][0];
        assert_eq!(
            (result["ruleIndex"].as_u64(), result["level"].as_str()),
            (Some(0), Some("warning"))
        );
        assert_eq!(
            result["message"]["text"],
            "/app/id_rsa: a key\nexpected: no key\nfound: a private key\nhelp: leave it out"
        );
        let location = &result["locations"][0];
        assert_eq!(
            location["physicalLocation"]["artifactLocation"]["uri"],
            "my%20app/ocitect.toml"
        );
        assert_eq!(
            location["logicalLocations"][0]["fullyQualifiedName"],
            "linux/amd64:/app/id_rsa"
        );
    }
}
