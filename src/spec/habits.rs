//! Suggests the right place for a key in the wrong table, or for a key with the name that a Dockerfile, a compose file
//! or another tool uses.

use serde_json::{Map, Value};

use super::alternatives::Alternatives;
use crate::model::nearest;

/// The tables that are searched for keys: the name in messages, and the path from the root, with `*` for the tables of a
/// list. Those whose keys are most often misplaced come first.
const TABLES: [(&str, &[&str]); 9] = [
    ("[image]", &["image"]),
    ("[config]", &["config"]),
    ("[[layers]]", &["layers", "*"]),
    ("an entry of `files` in [[layers]]", &["layers", "*", "files", "*"]),
    ("[config.healthcheck]", &["config", "healthcheck"]),
    ("[check]", &["check"]),
    ("[[users]]", &["users", "*"]),
    ("the top level, before the first table", &[]),
    ("an entry of `links` in [[layers]]", &["layers", "*", "links", "*"]),
];

/// Keys of the top level that are not tables.
const AT_THE_TOP: [&str; 2] = ["format", "env-files"];

/// Greatest number of tables that are named for one key: `owner` and `mode` exist in many.
const MAX_TABLES: usize = 3;

/// Keys of other tools, in lower case without `-` and `_`, and their equivalents in a spec.
const ELSEWHERE: [(&str, &str); 58] = [
    ("add", "use `files` of [[layers]]: { from = \"…\", to = \"…\" }"),
    ("architecture", "use `platforms` of [image], such as \"linux/amd64\""),
    ("arch", "use `platforms` of [image], such as \"linux/amd64\""),
    ("arg", "declare build variables in [vars]"),
    ("args", "declare build variables in [vars]"),
    (
        "build",
        "ocitect does not run build commands: build first, and list the results in `files` of [[layers]]",
    ),
    ("buildargs", "declare build variables in [vars]"),
    ("caps", "use `capabilities` in an entry of `files` in [[layers]]"),
    ("capadd", "use `capabilities` in an entry of `files` in [[layers]]"),
    (
        "chmod",
        "use `mode`, or `executable` for patterns of files that become 0755",
    ),
    ("chown", "use `owner`"),
    ("command", "use `cmd` in [config]"),
    ("contents", "use `files` of [[layers]]: { from = \"…\", to = \"…\" }"),
    ("copy", "use `files` of [[layers]]: { from = \"…\", to = \"…\" }"),
    (
        "created",
        "set SOURCE_DATE_EPOCH in the environment for the time of the image, or `mtime` of [image] for the time of \
         files",
    ),
    ("dest", "use `to`"),
    ("destination", "use `to`"),
    ("dst", "use `to`"),
    ("directories", "declare directories in [[dirs]]"),
    (
        "dockerfile",
        "ocitect does not read Dockerfiles: set `base` of [image] and `files` of [[layers]]",
    ),
    ("envfile", "use `env-files` at the top level"),
    ("environment", "use `env` in [config]"),
    ("envs", "use `env` in [config]"),
    ("expose", "use `ports` in [config]"),
    ("exposedports", "use `ports` in [config]"),
    ("group", "write the group after the user: owner = \"user:group\""),
    ("healthcheckcmd", "use `healthcheck` in [config]"),
    (
        "ignore",
        "use `exclude` in an entry of `files`, or `ignore-file` in [image]",
    ),
    ("imagename", "use `name` in [image]"),
    ("label", "use `labels` in [config]"),
    (
        "maintainer",
        "write a label in [config.labels]: \"org.opencontainers.image.authors\" = \"…\"",
    ),
    ("os", "use `platforms` of [image], such as \"linux/amd64\""),
    (
        "packages",
        "ocitect does not install packages: use a base that has them, or pack their files",
    ),
    (
        "paths",
        "declare directories in [[dirs]], and files in `files` of [[layers]]",
    ),
    ("permissions", "use `mode` and `dir-mode`"),
    ("port", "use `ports` in [config]"),
    (
        "registry",
        "include it in `name` of [image], such as \"ghcr.io/me/app\"",
    ),
    ("repo", "use `name` in [image], such as \"ghcr.io/me/app\""),
    ("repository", "use `name` in [image], such as \"ghcr.io/me/app\""),
    (
        "run",
        "ocitect does not run build commands: run it before, and list the results in `files` of [[layers]]",
    ),
    (
        "secrets",
        "pass secrets to the container instead: an image must not contain them",
    ),
    ("size", "use `max-size` of [image]"),
    ("source", "use `from`"),
    ("sourcedateepoch", "set SOURCE_DATE_EPOCH in the environment"),
    ("src", "use `from`"),
    (
        "stopgraceperiod",
        "set it where the container runs: an image has only `stop-signal`",
    ),
    (
        "symlinks",
        "use `links` in [[layers]]: { path = \"…\", target = \"…\" }",
    ),
    (
        "timestamp",
        "set SOURCE_DATE_EPOCH in the environment for the time of the image, or `mtime` of [image] for the time of \
         files",
    ),
    ("uid", "use `owner`, such as \"1000\" or \"1000:1000\""),
    ("gid", "use `owner`, such as \"1000:1000\""),
    (
        "variables",
        "declare build variables in [vars], and variables of the container in `env` of [config]",
    ),
    ("version", "use `tags` of [image] for the version of the image"),
    ("volume", "use `volumes` in [config]"),
    ("workingdir", "use `workdir` in [config]"),
    ("workingdirectory", "use `workdir` in [config]"),
    ("whiteouts", "use `remove` in [[layers]]"),
    ("delete", "use `remove` in [[layers]]"),
    ("xattr", "use `xattrs` in an entry of `files`"),
];

/// Returns what to write instead of a key that its table does not have. `known` are the keys of the table. Returns
/// `None` if nothing is similar.
pub(super) fn help(root: &Value, name: &str, known: &[&str]) -> Option<String> {
    let tables = TABLES.map(|(table, path)| (table, keys(root, path)));
    let homes: Vec<&str> = tables
        .iter()
        .filter(|(_, keys)| keys.contains(&name))
        .map(|(table, _)| *table)
        .collect();
    if let Some((last, others)) = homes.get(..homes.len().min(MAX_TABLES)).and_then(<[&str]>::split_last) {
        let places = if others.is_empty() {
            (*last).to_owned()
        } else {
            format!("{} or {last}", others.join(", "))
        };
        return Some(format!("`{name}` is a key of {places}"));
    }
    let plain: String = name
        .to_ascii_lowercase()
        .chars()
        .filter(|letter| !matches!(letter, '-' | '_'))
        .collect();
    // `env` of [config] is similar to `envs`, but `src` is not similar to its equivalent.
    if let Some((_, help)) = ELSEWHERE.iter().find(|(other, _)| *other == plain) {
        return Some((*help).to_owned());
    }
    if let Some(near) = nearest(name, known.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    tables.iter().find_map(|(table, keys)| {
        let near = nearest(name, keys.iter().copied())?;
        Some(format!("did you mean `{near}` of {table}?"))
    })
}

/// Returns the keys of a table, by the schema.
fn keys<'a>(root: &'a Value, path: &[&str]) -> Vec<&'a str> {
    let mut leaves = Alternatives::of(root, root).leaves;
    for step in path {
        let inner = |leaf: &&'a Map<String, Value>| match *step {
            "*" => leaf.get("items"),
            key => leaf.get("properties")?.get(key),
        };
        leaves = leaves
            .iter()
            .filter_map(inner)
            .flat_map(|schema| Alternatives::of(root, schema).leaves)
            .collect();
    }
    let properties = leaves
        .iter()
        .filter_map(|leaf| leaf.get("properties").and_then(Value::as_object));
    let keys = properties.flat_map(Map::keys).map(String::as_str);
    // For the top level, only keys that are not tables: the name of a table in another table is a typo.
    keys.filter(|key| !path.is_empty() || AT_THE_TOP.contains(key))
        .collect()
}
