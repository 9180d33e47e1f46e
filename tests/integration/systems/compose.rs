//! The compose files of both systems, checked before the stack starts: what a service gets, and what its image requires.

use crate::support::Outcome;
use crate::systems::system::System;

/// Checks the compose file of a system, with the `.env` beside it.
fn checked(system: &System, arguments: &[&str]) -> Outcome {
    let compose = system.path("compose.yaml").display().to_string();
    system.run("check", &[&["--compose", &compose], arguments].concat())
}

/// Returns the lines of stdout that begin an error.
fn errors(outcome: &Outcome) -> Vec<&str> {
    outcome
        .stdout
        .lines()
        .filter(|line| line.starts_with("error["))
        .collect()
}

#[test]
fn every_service_gets_what_its_image_requires() {
    for (system, services) in [(System::ai_system(), 9), (System::workstation(), 22)] {
        let outcome = checked(&system, &[]).expect(0);
        let lines = outcome
            .stdout
            .lines()
            .filter(|line| line.starts_with("checked service "));
        assert_eq!(lines.count(), services, "{}", outcome.stdout);
        assert!(outcome.stdout.contains("0 errors, 0 warnings"), "{}", outcome.stdout);
    }
}

#[test]
fn an_unset_variable_became_an_empty_string() {
    let system = System::workstation();
    system.edit(".env", "API_TOKEN=of-the-tests\n", "");
    // The compose file itself asks for a value.
    let outcome = checked(&system, &[]).expect(3);
    assert!(
        errors(&outcome).iter().any(|line| line.contains("API_TOKEN")),
        "{}",
        outcome.stdout
    );
    // Without that, Compose would start the service with an empty string.
    system.edit("compose.yaml", "${API_TOKEN:?set it in .env}", "${API_TOKEN}");
    let outcome = checked(&system, &[]).expect(3);
    let found = errors(&outcome);
    assert_eq!(found.len(), 1, "{}", outcome.stdout);
    assert!(
        found[0].starts_with("error[missing-variable]: service api: "),
        "{}",
        outcome.stdout
    );
    assert!(found[0].contains("API_TOKEN"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("compose.yaml:7:"), "{}", outcome.stdout);
    // Another service does not need it.
    checked(&system, &["--service", "sum"]).expect(0);
}

#[test]
fn a_service_names_an_image_that_no_member_builds() {
    let system = System::ai_system();
    system.edit("compose.yaml", "/planner:${VERSION:-dev}", "/planer:${VERSION:-dev}");
    let outcome = checked(&system, &[]);
    assert!(outcome.stdout.contains("planer"), "{}", outcome.stdout);
    assert!(
        !outcome.stdout.contains("checked service planner"),
        "{}",
        outcome.stdout
    );
}
