//! How a container of the image is started (image-spec, config.md, "config").

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The fields of an image config's table `config` that the check uses. Fields that violate the standard count as
/// absent: the runtimes ignore them, or refuse the image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Execution {
    /// `User`, if it is not empty.
    pub user: Option<String>,
    /// `WorkingDir`, if it is not empty.
    pub workdir: Option<String>,
    /// `Env`, in its order.
    pub env: Vec<(String, String)>,
    /// `Entrypoint`.
    pub entrypoint: Vec<String>,
    /// `Cmd`.
    pub cmd: Vec<String>,
    /// `Healthcheck.Test`: `["CMD", …]`, `["CMD-SHELL", …]`, `["NONE"]`; empty if it is not set.
    pub healthcheck: Vec<String>,
    /// `Shell`; `/bin/sh -c` if it is not set.
    pub shell: Vec<String>,
    /// `Volumes`, sorted.
    pub volumes: Vec<String>,
    /// `Labels`.
    pub labels: BTreeMap<String, String>,
}

impl Execution {
    /// Reads the table `config`.
    pub fn new(config: &Map<String, Value>) -> Self {
        let text = |name: &str| config.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let texts = |value: Option<&Value>| -> Vec<String> {
            let list = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let split = |text: String| match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (text, String::new()),
        };
        let table = |name: &str| config.get(name).and_then(Value::as_object).into_iter().flatten();
        let label = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
        let mut volumes: Vec<String> = table("Volumes").map(|(path, _)| path.clone()).collect();
        volumes.sort();
        let shell = texts(config.get("Shell"));
        Self {
            user: text("User").map(str::to_owned),
            workdir: text("WorkingDir").map(str::to_owned),
            env: texts(config.get("Env")).into_iter().map(split).collect(),
            entrypoint: texts(config.get("Entrypoint")),
            cmd: texts(config.get("Cmd")),
            healthcheck: texts(config.get("Healthcheck").and_then(|check| check.get("Test"))),
            shell: if shell.is_empty() {
                ["/bin/sh", "-c"].map(str::to_owned).to_vec()
            } else {
                shell
            },
            volumes,
            labels: table("Labels").filter_map(label).collect(),
        }
    }

    /// Returns the value of an environment variable. The last variable of a name counts.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.env
            .iter()
            .rev()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}
