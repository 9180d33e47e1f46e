//! Variables that are empty or not set, and a health check that not every runtime runs.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::{Code, Execution, Finding, Rule, Subject};
use crate::model::{EntryPath, Family, Platform, escape};
use crate::plan::REQUIRED_ENV_LABEL;

/// The rule of [`empty_variable`].
pub(super) const EMPTY_VARIABLE: Rule = Rule::new(&[Code::EmptyVariable], empty_variable);

/// Finds variables for the code `empty-variable`: variables that are empty, and are not empty in the base.
fn empty_variable(subject: &Subject, findings: &mut Vec<Finding>) {
    let is_empty = |variable: &&(String, String)| variable.1.is_empty();
    let of_base: BTreeSet<&str> = subject
        .base_env
        .iter()
        .filter(is_empty)
        .map(|(name, _)| &**name)
        .collect();
    let empty = subject.execution.env.iter().filter(is_empty).map(|(name, _)| name);
    for name in empty.filter(|name| !of_base.contains(name.as_str())) {
        let shown = escape(name.as_bytes());
        let message = format!("environment variable {shown} is set to an empty string");
        let help = format!("set {shown} to a value in `env`, or remove it with `{shown} = false`");
        let finding = subject.finding(Code::EmptyVariable, EntryPath::root(), message, help);
        findings.push(finding.evidence("a value", "an empty string"));
    }
}

/// The rule of [`healthcheck_ignored`].
pub(super) const HEALTHCHECK_IGNORED: Rule = Rule::new(&[Code::HealthcheckIgnored], healthcheck_ignored);

/// Finds an ignored health check for the code `healthcheck-ignored`.
fn healthcheck_ignored(subject: &Subject, findings: &mut Vec<Finding>) {
    let has_check = subject.execution.healthcheck.first().is_some_and(|kind| kind != "NONE");
    if has_check && subject.family == Family::Oci {
        let message = "podman ignores the health check of an image with an OCI manifest; docker runs it";
        let help = "set `media-types = \"docker\"` if podman must run the health check";
        let path = EntryPath::root();
        let finding = subject.finding(Code::HealthcheckIgnored, path, message.to_owned(), help);
        findings.push(finding.evidence("a Docker manifest", "an OCI manifest"));
    }
}

/// Returns the variables that must be set where an image runs, by its label `REQUIRED_ENV_LABEL`.
pub fn required_variables(execution: &Execution) -> BTreeSet<&str> {
    let label = execution
        .labels
        .get(REQUIRED_ENV_LABEL)
        .map(String::as_str)
        .unwrap_or_default();
    label
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect()
}

/// Returns findings of the code `missing-variable`: names that must be set where the image runs, by its label
/// `REQUIRED_ENV_LABEL`, and that neither `given` nor the image's own environment sets to a value. Sorted by name. No
/// value is shown.
pub fn check_variables(platform: &Platform, execution: &Execution, given: &BTreeMap<String, String>) -> Vec<Finding> {
    let of_image: BTreeMap<&str, &str> = execution.env.iter().map(|(name, value)| (&**name, &**value)).collect();
    let missing = required_variables(execution).into_iter().filter(|name| {
        let is_empty = |value: Option<&str>| value.is_none_or(str::is_empty);
        is_empty(given.get(*name).map(String::as_str)) && is_empty(of_image.get(name).copied())
    });
    let finding = |name: &str| {
        let is_empty = given.contains_key(name) || of_image.contains_key(name);
        let name = escape(name.as_bytes());
        let message = if is_empty {
            format!("the image requires environment variable {name}, which is set to an empty string")
        } else {
            format!("the image requires environment variable {name}, which is not set")
        };
        let help = format!("add a line {name}=… to an env file, or set it in `env`");
        let path = EntryPath::root();
        let finding = Finding::new(Code::MissingVariable, platform, path, message, help);
        finding.evidence(
            format!("a value for {name}"),
            if is_empty { "an empty string" } else { "no value" },
        )
    };
    missing.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::rules;
    use crate::check::testing::Image;

    #[test]
    fn empty_variables_are_warned_of_unless_the_base_has_them() {
        let config = json!({ "Env": ["A=1", "URL=", "OLD=", "BARE"] });
        let mut subject = Image::new("linux/amd64").config(config).subject();
        subject.base_env = vec![("OLD".to_owned(), String::new())];
        let found = rules::check(&subject)
            .into_iter()
            .filter(|finding| finding.code == Code::EmptyVariable);
        let messages: Vec<String> = found.map(|finding| finding.message).collect();
        assert_eq!(
            messages,
            [
                "environment variable BARE is set to an empty string",
                "environment variable URL is set to an empty string"
            ]
        );
    }

    #[test]
    fn a_health_check_in_an_oci_manifest_is_warned_of() {
        let image = |kind: &str| Image::new("linux/amd64").config(json!({ "Healthcheck": { "Test": [kind, "x"] } }));
        let found = image("CMD").found(Code::HealthcheckIgnored);
        let expected = "podman ignores the health check of an image with an OCI manifest; docker runs it";
        assert_eq!(found[0].message, expected);
        assert!(
            image("CMD")
                .family(Family::Docker)
                .found(Code::HealthcheckIgnored)
                .is_empty()
        );
        assert!(image("NONE").found(Code::HealthcheckIgnored).is_empty());
        assert!(Image::new("linux/amd64").found(Code::HealthcheckIgnored).is_empty());
    }

    #[test]
    fn required_variables_must_have_a_value_somewhere() {
        let config = json!({ "Env": ["OWN=x", "VOID="], "Labels": { REQUIRED_ENV_LABEL: "TOKEN, OWN,URL,VOID,KEY" } });
        let subject = Image::new("linux/amd64").config(config).subject();
        let given = [("URL", "http://x"), ("KEY", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let messages: Vec<String> = check_variables(&subject.platform, &subject.execution, &given.into())
            .into_iter()
            .map(|finding| finding.message)
            .collect();
        assert_eq!(
            messages,
            [
                "the image requires environment variable KEY, which is set to an empty string",
                "the image requires environment variable TOKEN, which is not set",
                "the image requires environment variable VOID, which is set to an empty string",
            ]
        );
        let plain = Image::new("linux/amd64").subject();
        assert!(check_variables(&plain.platform, &plain.execution, &BTreeMap::new()).is_empty());
    }
}
