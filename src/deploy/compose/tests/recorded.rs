//! What Docker Compose made of arbitrary stacks; `testdata/compose/record.py` recorded it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::deploy::compose::effective::environment;
use crate::deploy::compose::input::joined;
use crate::deploy::compose::{EnvTexts, FileRole, Stack, Variables};

const RECORDED: &str = include_str!("../../../../testdata/compose/recorded.json");

/// A stack, and the services that Compose resolves; `None` if it refuses the stack.
#[derive(Debug, serde::Deserialize)]
struct Recorded {
    files: BTreeMap<String, String>,
    given: Vec<String>,
    shell: BTreeMap<String, String>,
    services: Option<BTreeMap<String, Resolved>>,
}

#[derive(Debug, PartialEq, Eq, serde::Deserialize)]
struct Resolved {
    image: Option<String>,
    environment: BTreeMap<String, String>,
    depends_on: BTreeSet<String>,
}

impl Recorded {
    fn text(&self, path: &Path) -> Option<String> {
        let path = joined(Path::new(""), path.to_str().unwrap());
        self.files.get(path.to_str().unwrap()).cloned()
    }

    /// Returns the services as they are read here; `None` if anything is refused.
    fn resolve(&self) -> Option<BTreeMap<String, Resolved>> {
        let mut variables = Variables::of_shell(self.shell.clone());
        if let Some(text) = self.files.get(".env") {
            variables = variables.with_file(".env".into(), text).ok()?;
        }
        let given = self.given.iter().map(|path| (path.into(), self.files[path].clone()));
        let read = |path: &Path, _: FileRole| Ok(self.text(path));
        let stack = Stack::read(given.collect(), &variables, &read).ok()?;
        if stack.uses.iter().any(|used| used.refusal.is_some()) {
            return None;
        }
        let texts = stack
            .env_files()
            .into_iter()
            .map(|path| (path.clone(), self.text(&path)));
        let texts: EnvTexts = texts.collect();
        let mut resolved = BTreeMap::new();
        for (name, service) in &stack.services {
            let environment = environment(service, &texts, &variables, &stack.budget).ok()?;
            let depends_on: BTreeSet<String> = service.dependencies.keys().cloned().collect();
            let is_complete = depends_on.iter().all(|name| stack.services.contains_key(name));
            if !environment.missing_files.is_empty() || !is_complete {
                return None;
            }
            let set = environment.variables.into_iter();
            let set = set.filter_map(|(name, given)| Some((name, given.value?)));
            let service = Resolved {
                image: service.image.as_ref().map(|image| image.text.clone()),
                environment: set.collect(),
                depends_on,
            };
            resolved.insert(name.clone(), service);
        }
        Some(resolved)
    }
}

#[test]
fn stacks_are_read_as_compose_reads_them() {
    let recorded: Vec<Value> = serde_json::from_str(RECORDED).unwrap();
    assert!(recorded.len() > 50);
    for recorded in recorded {
        let recorded: Recorded = serde_json::from_value(recorded).unwrap();
        assert_eq!(recorded.resolve(), recorded.services, "{recorded:#?}");
    }
}
