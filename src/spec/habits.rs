//! Where a key belongs that stands in the wrong table, or has the name that a Dockerfile, a compose file or another tool
//! gives it.

use serde_json::{Map, Value};

use super::alternatives::Alternatives;
use crate::model::nearest;

/// A table of the spec that keys are looked for in.
struct Table {
    /// As messages write it.
    shown: &'static str,
    /// From the root: keys, and `*` for the tables of a list.
    path: &'static [&'static str],
}

/// The tables, those first whose keys are most often written elsewhere.
const TABLES: [Table; 9] = [
    Table { shown: "[image]", path: &["image"] },
    Table { shown: "[config]", path: &["config"] },
    Table { shown: "[[layers]]", path: &["layers", "*"] },
    Table { shown: "an entry of `files` in [[layers]]", path: &["layers", "*", "files", "*"] },
    Table { shown: "[config.healthcheck]", path: &["config", "healthcheck"] },
    Table { shown: "[check]", path: &["check"] },
    Table { shown: "[[users]]", path: &["users", "*"] },
    Table { shown: "the top level, before the first table", path: &[] },
    Table { shown: "an entry of `links` in [[layers]]", path: &["layers", "*", "links", "*"] },
];

/// Keys of the top level that are no tables.
const AT_THE_TOP: [&str; 2] = ["format", "env-files"];

/// Most tables that are named for one key: `owner` and `mode` are at home in many.
const MAX_TABLES: usize = 3;

/// Keys of other tools, in lower case without `-` and `_`, and what serves here.
const ELSEWHERE: [(&str, &str); 58] = [
    ("add", "what goes into the image is `files` of [[layers]]: { from = \"…\", to = \"…\" }"),
    ("architecture", "write it in `platforms` of [image], such as \"linux/amd64\""),
    ("arch", "write it in `platforms` of [image], such as \"linux/amd64\""),
    ("arg", "variables of the build are [vars]"),
    ("args", "variables of the build are [vars]"),
    ("build", "ocitect runs no build: build first, and name the results in `files` of [[layers]]"),
    ("buildargs", "variables of the build are [vars]"),
    ("caps", "write `capabilities` in an entry of `files` in [[layers]]"),
    ("capadd", "write `capabilities` in an entry of `files` in [[layers]]"),
    ("chmod", "write `mode`, or `executable` for patterns of files that become 0755"),
    ("chown", "write `owner`"),
    ("command", "write `cmd` in [config]"),
    ("contents", "what goes into the image is `files` of [[layers]]: { from = \"…\", to = \"…\" }"),
    ("copy", "what goes into the image is `files` of [[layers]]: { from = \"…\", to = \"…\" }"),
    (
        "created",
        "the time of the image is the environment's SOURCE_DATE_EPOCH; the time of files is `mtime` of [image]",
    ),
    ("dest", "write `to`"),
    ("destination", "write `to`"),
    ("dst", "write `to`"),
    ("directories", "directories are [[dirs]]"),
    (
        "dockerfile",
        "ocitect reads no Dockerfile: name the base in `base` of [image] and files in `files` of [[layers]]",
    ),
    ("envfile", "write `env-files` at the top level"),
    ("environment", "write `env` in [config]"),
    ("envs", "write `env` in [config]"),
    ("expose", "write `ports` in [config]"),
    ("exposedports", "write `ports` in [config]"),
    ("group", "write it after the user: owner = \"user:group\""),
    ("healthcheckcmd", "write `healthcheck` in [config]"),
    ("ignore", "write `exclude` in an entry of `files`, or `ignore-file` in [image]"),
    ("imagename", "write `name` in [image]"),
    ("label", "write `labels` in [config]"),
    ("maintainer", "write a label in [config.labels]: \"org.opencontainers.image.authors\" = \"…\""),
    ("os", "write it in `platforms` of [image], such as \"linux/amd64\""),
    ("packages", "ocitect installs no packages: take a base that has them, or pack their files"),
    ("paths", "directories are [[dirs]], files are `files` of [[layers]]"),
    ("permissions", "write `mode` and `dir-mode`"),
    ("port", "write `ports` in [config]"),
    ("registry", "it is a part of `name` in [image], such as \"ghcr.io/me/app\""),
    ("repo", "write `name` in [image], such as \"ghcr.io/me/app\""),
    ("repository", "write `name` in [image], such as \"ghcr.io/me/app\""),
    ("run", "ocitect runs nothing: do it in the build, and name the results in `files` of [[layers]]"),
    ("secrets", "an image holds no secrets: give them to the container"),
    ("size", "a limit on the size is `max-size` of [image]"),
    ("source", "write `from`"),
    ("sourcedateepoch", "set SOURCE_DATE_EPOCH in the environment"),
    ("src", "write `from`"),
    ("stopgraceperiod", "it belongs to where the container runs; an image has `stop-signal` alone"),
    ("symlinks", "write `links` in [[layers]]: { path = \"…\", target = \"…\" }"),
    (
        "timestamp",
        "the time of the image is the environment's SOURCE_DATE_EPOCH; the time of files is `mtime` of [image]",
    ),
    ("uid", "write `owner`, such as \"1000\" or \"1000:1000\""),
    ("gid", "write `owner`, such as \"1000:1000\""),
    ("variables", "variables of the build are [vars]; those of the container are `env` of [config]"),
    ("version", "the version of the image is a tag: `tags` of [image]"),
    ("volume", "write `volumes` in [config]"),
    ("workingdir", "write `workdir` in [config]"),
    ("workingdirectory", "write `workdir` in [config]"),
    ("whiteouts", "write `remove` in [[layers]]"),
    ("delete", "write `remove` in [[layers]]"),
    ("xattr", "write `xattrs` in an entry of `files`"),
];

/// What to write in place of a key that its table does not have; `known` are those that it has. `None` where nothing is
/// near.
pub(super) fn help(root: &Value, name: &str, known: &[&str]) -> Option<String> {
    let tables: Vec<(&Table, Vec<&str>)> = TABLES.iter().map(|table| (table, keys(root, table.path))).collect();
    let homes: Vec<&str> =
        tables.iter().filter(|(_, keys)| keys.contains(&name)).map(|(table, _)| table.shown).collect();
    if let Some((last, others)) = homes.get(..homes.len().min(MAX_TABLES)).and_then(<[&str]>::split_last) {
        let places = if others.is_empty() { (*last).to_owned() } else { format!("{} or {last}", others.join(", ")) };
        return Some(format!("`{name}` is a key of {places}"));
    }
    let plain: String = name.to_ascii_lowercase().chars().filter(|letter| !matches!(letter, '-' | '_')).collect();
    // `env` of [config] is near `envs`, but `src` is near nothing that is meant.
    if let Some((_, help)) = ELSEWHERE.iter().find(|(other, _)| *other == plain) {
        return Some((*help).to_owned());
    }
    if let Some(near) = nearest(name, known.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let near =
        |(table, keys): &(&Table, Vec<&str>)| Some((table.shown, nearest(name, keys.iter().copied())?.to_owned()));
    tables.iter().find_map(near).map(|(table, near)| format!("did you mean `{near}` of {table}?"))
}

/// The keys of a table, by the schema.
fn keys<'a>(root: &'a Value, path: &[&str]) -> Vec<&'a str> {
    let mut leaves = Alternatives::of(root, root).leaves;
    for step in path {
        let inner = |leaf: &&'a Map<String, Value>| match *step {
            "*" => leaf.get("items"),
            key => leaf.get("properties")?.get(key),
        };
        leaves = leaves.iter().filter_map(inner).flat_map(|schema| Alternatives::of(root, schema).leaves).collect();
    }
    let properties = leaves.iter().filter_map(|leaf| leaf.get("properties").and_then(Value::as_object));
    let keys = properties.flat_map(Map::keys).map(String::as_str);
    // Of the top level, what is no table: a table's name in another table is a slip of the pen.
    keys.filter(|key| !path.is_empty() || AT_THE_TOP.contains(key)).collect()
}
