//! No false positives: real bases, and images that are built on them, have no error.

use serde_json::Value;

use crate::support::{Sandbox, part};

const BASES: [&str; 4] = ["REAL_SLIM", "REAL_PYTHON", "REAL_NODE", "REAL_MUSL"];

/// Returns the codes and severities of the findings.
fn findings(text: &str) -> Vec<(String, String)> {
    let report: Value = serde_json::from_str(text).unwrap();
    let word = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|finding| (word(finding, "severity"), word(finding, "code")))
        .collect()
}

#[test]
fn the_bases_have_no_error() {
    let sandbox = Sandbox::new();
    for name in BASES {
        let outcome = sandbox.ok(&["check", "--json", &format!("oci:{}", part(name))]);
        let errors = findings(&outcome.stdout)
            .into_iter()
            .filter(|(severity, _)| severity == "error");
        assert_eq!(errors.count(), 0, "{name}: {}", outcome.stdout);
    }
}

#[test]
fn images_made_of_the_bases_have_no_error_and_are_not_blamed_for_their_bases() {
    let sandbox = Sandbox::new();
    sandbox.write("note", "nothing that runs\n");
    for name in BASES {
        sandbox.spec(&format!(
            "[image]\nbase = \"oci:{}\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n[[layers]]\nname = \"app\"\n\
             files = [{{ from = \"note\", to = \"/srv/note\" }}]\n[config]\nuser = \"1000\"\n",
            part(name)
        ));
        let _ = std::fs::remove_file(sandbox.path("ocitect.lock"));
        let outcome = sandbox.ok(&["check", "--json"]);
        assert_eq!(findings(&outcome.stdout), [], "{name}: {}", outcome.stdout);
        // For a whole image, the layers above the base are found by its history.
        let output = format!("oci:image:{}", name.to_lowercase());
        sandbox.ok(&["build", "-o", &output]);
        let outcome = sandbox.ok(&["check", "--json", &output]);
        assert_eq!(findings(&outcome.stdout), [], "{name}: {}", outcome.stdout);
    }
}
