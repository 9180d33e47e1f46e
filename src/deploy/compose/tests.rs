//! The rules on whole compose files.

mod arbitrary;
mod files;
mod included;
mod recorded;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{ComposeError, EnvTexts, FileRole, MemberName, MemberPlatform, Stack, StackMember, StackReport, Variables};
use crate::model::{Family, Platform};

/// The text of a file that cannot be read.
const UNREADABLE: &str = "unreadable";

/// The input of a check.
#[derive(Default)]
struct Input {
    files: Vec<(PathBuf, String)>,
    shell: BTreeMap<String, String>,
    env_file: Option<String>,
    texts: EnvTexts,
    /// Files that compose files name.
    others: BTreeMap<PathBuf, String>,
    services: Vec<String>,
    members: Vec<StackMember>,
}

/// Returns a member of one platform that requires `TOKEN` and `URL`, sets `URL` and `MODE`, and has a health check.
fn member(name: &str) -> StackMember {
    StackMember {
        name: MemberName {
            id: Some(name.to_owned()),
            repository: format!("ghcr.io/ws/{name}").parse().unwrap(),
            tags: vec!["1.0".parse().unwrap()],
        },
        platforms: vec![platform("linux/amd64")],
    }
}

fn platform(name: &str) -> MemberPlatform {
    let variable = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    MemberPlatform {
        platform: name.parse::<Platform>().unwrap(),
        env: [("URL", "http://x"), ("MODE", "fast")].map(variable).to_vec(),
        required: ["TOKEN", "URL"].map(str::to_owned).to_vec(),
        has_health_check: true,
        family: Family::Docker,
    }
}

impl Input {
    /// Creates a check of one file, `ws/compose.yaml`, with the member `api`.
    fn new(text: &str) -> Self {
        Self {
            files: vec![("ws/compose.yaml".into(), text.to_owned())],
            members: vec![member("api")],
            ..Self::default()
        }
    }

    /// Creates a check of a service `api` that runs the member `api`, with further lines.
    fn api(lines: &str) -> Self {
        let indented: String = lines.lines().map(|line| format!("    {line}\n")).collect();
        Self::new(&format!("services:\n  api:\n    image: ghcr.io/ws/api:1.0\n{indented}"))
    }

    fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.into(), text.to_owned()));
        self
    }

    fn shell(mut self, name: &str, value: &str) -> Self {
        self.shell.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets the text of `ws/.env`.
    fn env(mut self, text: &str) -> Self {
        self.env_file = Some(text.to_owned());
        self
    }

    /// Sets the text of an env file of services in `ws`.
    fn text(mut self, path: &str, text: Option<&str>) -> Self {
        self.texts.insert(Path::new("ws").join(path), text.map(str::to_owned));
        self
    }

    /// Adds a file that a compose file names.
    fn other(mut self, path: &str, text: &str) -> Self {
        self.others.insert(path.into(), text.to_owned());
        self
    }

    fn service(mut self, name: &str) -> Self {
        self.services.push(name.to_owned());
        self
    }

    fn read(&self) -> (Variables, Result<Stack, ComposeError>) {
        let mut variables = Variables::of_shell(self.shell.clone());
        if let Some(text) = &self.env_file {
            variables = variables.with_file("ws/.env".into(), text).unwrap();
        }
        let read = |path: &Path, _: FileRole| match self.others.get(path) {
            Some(text) if text == UNREADABLE => Err("it is a directory".to_owned()),
            found => Ok(found.cloned()),
        };
        let stack = Stack::read(self.files.clone(), &variables, &read);
        (variables, stack)
    }

    fn report(&self) -> (Stack, StackReport) {
        let (variables, stack) = self.read();
        let stack = stack.unwrap();
        let selected: BTreeSet<&str> = stack.select(&self.services).unwrap();
        let report = stack.check(&self.members, &selected, &self.texts, &variables).unwrap();
        (stack, report)
    }

    /// Returns the findings, one line each.
    fn findings(&self) -> Vec<String> {
        let line = |finding: super::ServiceFinding| {
            let place = &finding.place;
            let column = place.column.map_or(String::new(), |column| format!(":{column}"));
            format!(
                "{}[{}] {}:{}{column} {}: {}",
                finding.severity.as_str(),
                finding.code,
                place.path.display(),
                place.line,
                finding.service.as_deref().unwrap_or("-"),
                finding.message
            )
        };
        self.report().1.findings.into_iter().map(line).collect()
    }

    fn notes(&self) -> Vec<String> {
        self.report().1.notes
    }

    /// Returns the error of reading the files, as one line.
    fn error(&self) -> String {
        self.read().1.unwrap_err().to_string()
    }
}
