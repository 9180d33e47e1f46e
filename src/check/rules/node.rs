//! Scripts that are passed to Node and its package managers: the main module by the rules of CommonJS (Node.js,
//! "Modules: CommonJS modules", "All together"), a script of `package.json` by name.

use serde_json::Value;

use super::failure::{Failure, Kind, found_instead};
use super::program::{Setting, Standing};
use super::script_failure::missing_script;
use crate::model::{EntryPath, escape};

/// Options whose value is the next word, unless it follows an equals sign.
const VALUED_OPTIONS: &[&str] = &[
    "-C",
    "--conditions",
    "--diagnostic-dir",
    "--disable-warning",
    "--env-file",
    "--env-file-if-exists",
    "--experimental-loader",
    "--icu-data-dir",
    "--import",
    "--loader",
    "--openssl-config",
    "-r",
    "--require",
    "--title",
];

/// Options that load code which may change how the main module is looked for.
const HOOKS: &[&str] = &["--experimental-loader", "--import", "--loader", "-r", "--require"];

/// Options without a value.
const FLAGS: &[&str] = &[
    "--abort-on-uncaught-exception",
    "--enable-source-maps",
    "--experimental-require-module",
    "--expose-gc",
    "--expose_gc",
    "--frozen-intrinsics",
    "--inspect",
    "--inspect-brk",
    "--insecure-http-parser",
    "--pending-deprecation",
    "--preserve-symlinks",
    "--preserve-symlinks-main",
    "--throw-deprecation",
    "--use-bundled-ca",
    "--use-openssl-ca",
    "--use-system-ca",
    "--watch",
    "--permission",
];

/// Beginnings of options without a value.
const FLAG_STARTS: &[&str] = &[
    "--no-",
    "--trace-",
    "--harmony",
    "--experimental-strip-types",
    "--experimental-vm-modules",
];

/// Extensions that CommonJS tries after a name, in its order.
const EXTENSIONS: &[&str] = &[".js", ".json", ".node"];

/// The entry that node starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// A script, as named.
    File(String),
    /// Code of the command line, after `-e` or `-p`.
    Text(String),
}

/// Returns the entry that node starts with, by its arguments. Returns `None` if it is not known.
pub(super) fn entry(arguments: &[String]) -> Option<Entry> {
    let mut rest = arguments.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        let (name, value) = word
            .split_once('=')
            .map_or((word, None), |(name, value)| (name, Some(value)));
        let letters = name
            .strip_prefix('-')
            .filter(|letters| !letters.starts_with('-'))
            .unwrap_or_default();
        // `-pe`.
        let is_short = !letters.is_empty() && letters.chars().all(|letter| matches!(letter, 'e' | 'p'));
        if is_short || matches!(name, "--eval" | "--print") {
            return value.or_else(|| rest.next()).map(|text| Entry::Text(text.to_owned()));
        }
        if !word.starts_with('-') || word == "--" {
            break;
        }
        if value.is_none() && VALUED_OPTIONS.contains(&word) {
            rest.next()?;
        }
    }
    script_of(arguments).map(|(script, _)| Entry::File(script.to_owned()))
}

/// The script among the arguments of node, and whether something may change how it is found.
fn script_of(arguments: &[String]) -> Option<(&str, bool)> {
    let mut rest = arguments.iter().map(String::as_str);
    let mut has_hooks = false;
    while let Some(word) = rest.next() {
        let name = word.split('=').next().unwrap_or(word);
        has_hooks |= HOOKS.contains(&name);
        if word == "--" {
            return Some((rest.next()?, has_hooks));
        } else if !word.starts_with('-') {
            return (word != "inspect").then_some((word, has_hooks));
        } else if name.len() < word.len() {
            // It holds its value. `--eval=…` and its kind leave no script.
            if matches!(name, "--eval" | "--print" | "--run") {
                return None;
            }
        } else if VALUED_OPTIONS.contains(&word) {
            rest.next()?;
        } else if !FLAGS.contains(&word) && !FLAG_STARTS.iter().any(|start| word.starts_with(start)) {
            return None;
        }
    }
    None
}

/// Checks whether the main module exists.
pub(super) fn check_script(setting: &Setting<'_>, arguments: &[String]) -> Result<(), Box<Failure>> {
    let Some((script, has_hooks)) = script_of(arguments) else {
        return Ok(());
    };
    let has_hooks = has_hooks
        || setting
            .subject
            .execution
            .variable("NODE_OPTIONS")
            .is_some_and(|text| !text.is_empty());
    let Some(at) = setting.place(script.as_bytes()) else {
        return Ok(());
    };
    let names_directory = script.ends_with('/') || script == "." || script == ".." || script.ends_with("/.");
    let is_there = (!names_directory && stands_as_file(setting, &at)) || stands_as_directory(setting, &at);
    if is_there || (has_hooks && has_any_extension(setting, &at)) {
        return Ok(());
    }
    match setting.standing(&at) {
        Standing::Directory => Err(no_main_module(at)),
        _ => Err(missing_script(
            setting,
            "node",
            at,
            Some("the same path with .js, .json or .node, or a directory with index.js"),
        )),
    }
}

/// LOAD_AS_FILE: the name itself, or with an extension. An unknown path counts as existing.
fn stands_as_file(setting: &Setting<'_>, at: &EntryPath) -> bool {
    may_be_file(setting, at) || has_extension(setting, at)
}

/// LOAD_AS_DIRECTORY: the file in `main` of its `package.json`, or an index. A `package.json` that was not read may
/// name any file.
fn stands_as_directory(setting: &Setting<'_>, at: &EntryPath) -> bool {
    if setting.standing(at) != Standing::Directory {
        return false;
    }
    let has_index = |at: &EntryPath| at.join(b"index").is_ok_and(|index| has_extension(setting, &index));
    let Ok(manifest) = at.join(b"package.json") else {
        return false;
    };
    let main = match (setting.standing(&manifest), manifest_at(setting, &manifest)) {
        (Standing::Nothing, _) => None,
        (_, None) => return true,
        (_, Some(manifest)) => manifest.get("main").and_then(Value::as_str).map(str::to_owned),
    };
    let Some(main) = main else { return has_index(at) };
    // A main module outside of the directory is left alone.
    let Ok(main) = at.join(main.as_bytes()) else {
        return true;
    };
    has_index(at) || stands_as_file(setting, &main) || has_index(&main)
}

fn has_extension(setting: &Setting<'_>, at: &EntryPath) -> bool {
    let mut tried = EXTENSIONS.iter().filter_map(|extension| at.with_suffix(extension).ok());
    tried.any(|at| may_be_file(setting, &at))
}

fn may_be_file(setting: &Setting<'_>, at: &EntryPath) -> bool {
    matches!(setting.standing(at), Standing::File | Standing::Unknown)
}

/// Returns `true` if a file exists there under any extension: `index.ts` for a loader of TypeScript.
fn has_any_extension(setting: &Setting<'_>, at: &EntryPath) -> bool {
    let Some(parent) = at.parent().and_then(|parent| setting.subject.resolve(&parent).ok()) else {
        return true;
    };
    let name = at.file_name();
    let stem_bytes = name
        .iter()
        .rposition(|byte| *byte == b'.')
        .filter(|at| *at > 0)
        .unwrap_or(name.len());
    let start = [&name[..stem_bytes], b"."].concat();
    let mut below = setting.subject.below(&parent);
    below.any(|(found, _)| found.parent().as_ref() == Some(&parent) && found.file_name().starts_with(&start))
}

fn no_main_module(at: EntryPath) -> Box<Failure> {
    Box::new(Failure {
        kind: Kind::Missing,
        message: "runs this directory with node, but it has no main module".to_owned(),
        expected: "a package.json whose `main` exists, or index.js".to_owned(),
        found: "neither".to_owned(),
        help: format!(
            "pack {}/index.js, or pass the script to node",
            at.to_string().trim_end_matches('/')
        ),
        path: at,
    })
}

/// The manifest at a path, if it was read and is JSON.
fn manifest_at(setting: &Setting<'_>, path: &EntryPath) -> Option<Value> {
    let at = setting.subject.resolve(path).ok()?;
    serde_json::from_slice(setting.subject.content(&at)?).ok()
}

/// Returns the script that a package manager runs: `npm start`, `pnpm run serve`. Returns `None` if it may be another
/// one.
fn package_script<'a>(tool: &str, arguments: &'a [String]) -> Option<&'a str> {
    let mut words = arguments
        .iter()
        .map(String::as_str)
        .filter(|word| !matches!(*word, "-s" | "--silent"));
    match words.next()? {
        name @ ("start" | "test") => Some(name),
        // yarn runs programs of packages so, too.
        "run" if tool != "yarn" => words.next().filter(|name| !name.starts_with('-')),
        "run-script" if tool == "npm" => words.next().filter(|name| !name.starts_with('-')),
        _ => None,
    }
}

/// Returns the folder and the text of the script of `package.json` that a package manager certainly starts. Returns
/// `None` if another script runs before it, or if programs are not searched in `node_modules/.bin`.
pub(super) fn package_command(setting: &Setting<'_>, tool: &str, arguments: &[String]) -> Option<(EntryPath, String)> {
    if !matches!(tool, "npm" | "pnpm" | "yarn") || arguments.iter().any(|word| names_another_folder(word)) {
        return None;
    }
    let name = package_script(tool, arguments)?;
    let mut folder = setting.workdir.clone();
    let manifest = loop {
        let at = folder.join(b"package.json").ok()?;
        match setting.standing(&at) {
            Standing::Nothing => folder = folder.parent()?,
            _ => break manifest_at(setting, &at)?,
        }
    };
    let scripts = manifest.get("scripts")?;
    let text = scripts.get(name)?.as_str()?;
    let is_plain = scripts.get(format!("pre{name}")).is_none();
    let has_pnp = [&b".pnp.cjs"[..], b".pnp.js"].iter().any(|name| {
        folder
            .join(name)
            .is_ok_and(|at| setting.standing(&at) != Standing::Nothing)
    });
    (is_plain && !has_pnp).then(|| (folder, text.to_owned()))
}

/// Returns `true` for an option by which a package manager goes to another folder.
fn names_another_folder(word: &str) -> bool {
    const OPTIONS: &[&str] = &[
        "-C",
        "--dir",
        "--prefix",
        "--cwd",
        "-w",
        "--workspace",
        "-F",
        "--filter",
    ];
    OPTIONS.iter().any(|option| word.starts_with(option))
}

/// Checks whether a package manager finds a `package.json`, in the working directory or above it, and the script in it.
pub(super) fn check_package_script(
    setting: &Setting<'_>,
    tool: &str,
    arguments: &[String],
) -> Result<(), Box<Failure>> {
    let Some(script) = package_script(tool, arguments) else {
        return Ok(());
    };
    if arguments.iter().any(|word| names_another_folder(word)) {
        return Ok(());
    }
    let mut folder = Some(setting.workdir.clone());
    while let Some(at) = folder {
        let Ok(manifest) = at.join(b"package.json") else {
            return Ok(());
        };
        match setting.standing(&manifest) {
            Standing::Nothing => folder = at.parent(),
            _ => return check_script_name(setting, tool, script, manifest),
        }
    }
    let Ok(at) = setting.workdir.join(b"package.json") else {
        return Ok(());
    };
    Err(Box::new(Failure {
        kind: Kind::Missing,
        message: format!(
            "runs {tool} {}, but there is no package.json",
            escape(script.as_bytes())
        ),
        expected: format!("package.json in {} or a directory above it", setting.workdir),
        found: found_instead(setting.subject, &at),
        help: "pack package.json into the working directory, or set `workdir` to its directory".to_owned(),
        path: at,
    }))
}

fn check_script_name(setting: &Setting<'_>, tool: &str, script: &str, at: EntryPath) -> Result<(), Box<Failure>> {
    // Invalid JSON has a separate code; a manifest that was not read may have any script.
    let Some(manifest) = manifest_at(setting, &at) else {
        return Ok(());
    };
    let scripts = manifest.get("scripts").and_then(Value::as_object);
    let has_server = setting
        .workdir
        .join(b"server.js")
        .is_ok_and(|at| setting.standing(&at) != Standing::Nothing);
    if scripts.is_some_and(|scripts| scripts.contains_key(script)) || (script == "start" && has_server) {
        return Ok(());
    }
    let names: Vec<String> = scripts
        .into_iter()
        .flatten()
        .map(|(name, _)| escape(name.as_bytes()))
        .collect();
    let script = escape(script.as_bytes());
    Err(Box::new(Failure {
        kind: Kind::Missing,
        message: format!("runs {tool} {script}, but this file has no such script"),
        expected: format!("\"{script}\" in \"scripts\""),
        found: if names.is_empty() {
            "no scripts".to_owned()
        } else {
            names.join(", ")
        },
        help: format!("add a script \"{script}\", or use a script that exists"),
        path: at,
    }))
}

/// Checks whether the script that bun is given exists: `bun run FILE` with a slash or an extension in its name.
pub(super) fn check_bun(setting: &Setting<'_>, arguments: &[String]) -> Result<(), Box<Failure>> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let script = match words[..] {
        ["run", script, ..] | [script, ..] => script,
        [] => return Ok(()),
    };
    let ends = [".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".tsx", ".jsx"];
    if script.starts_with('-') || !ends.iter().any(|end| script.ends_with(end)) {
        return Ok(());
    }
    let Some(at) = setting.place(script.as_bytes()) else {
        return Ok(());
    };
    match setting.standing(&at) {
        Standing::Nothing if !has_any_extension(setting, &at) => Err(missing_script(setting, "bun", at, None)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::testing::{Image, Thing};

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    fn image() -> Image {
        let text = |text: &str| Thing::Text(text.to_owned());
        Image::new("linux/amd64")
            .config(json!({ "WorkingDir": "/app" }))
            .own("app/dist/index.js", 0o644, Thing::Unread(1))
            .own("app/src/main.ts", 0o644, Thing::Unread(1))
            .own(
                "app/package.json",
                0o644,
                text(r#"{"main": "dist", "scripts": {"serve": "node dist"}}"#),
            )
            .own("app/empty/x", 0o644, Thing::Unread(1))
            .own("unread/package.json", 0o644, Thing::Unread(1))
            .own("bad/package.json", 0o644, text(r#"{"main": "gone.js"}"#))
    }

    #[test]
    fn the_main_module_is_found_as_node_finds_it() {
        let subject = image().subject();
        for (line, expected) in [
            ("dist/index.js", None),
            ("dist/index", None),
            ("dist", None),
            (".", None),
            ("./", None),
            ("/unread", None),
            ("--enable-source-maps --max-old-space-size=512 -r ./x dist", None),
            ("-r ts-node/register src/main", None),
            ("src/main", Some("/app/src/main")),
            ("dist/idnex.js", Some("/app/dist/idnex.js")),
            ("-r dotenv/config gone.js", Some("/app/gone.js")),
            ("--import ./x.mjs -- gone.js", Some("/app/gone.js")),
            ("empty", Some("/app/empty")),
            ("/bad", Some("/bad")),
            ("dist/index.js/", Some("/app/dist/index.js")),
            ("-e gone.js", None),
            ("--eval=gone gone.js", None),
            ("--unknown gone.js", None),
            ("inspect gone.js", None),
            ("--test gone.js", None),
            ("/dev/stdin", None),
            ("--watch", None),
        ] {
            let found = check_script(&Setting::of(&subject), &words(line)).err();
            assert_eq!(
                found.map(|failure| failure.path.to_string()).as_deref(),
                expected,
                "{line}"
            );
        }
        let failure = check_script(&Setting::of(&subject), &words("dist/idnex.js")).unwrap_err();
        assert_eq!(failure.found, "nothing, but /app/dist/index.js exists");
    }

    #[test]
    fn scripts_of_package_managers_are_looked_for() {
        let check = |subject: &crate::check::Subject, line: &str| {
            let words = words(line);
            check_package_script(&Setting::of(subject), &words[0], &words[1..])
                .err()
                .map(|failure| failure.message)
        };
        let subject = image().subject();
        for (line, expected) in [
            ("pnpm run serve", None),
            ("npm run --silent serve", None),
            ("pnpm start", Some("runs pnpm start, but this file has no such script")),
            ("npm run gone", Some("runs npm gone, but this file has no such script")),
            ("yarn run gone", None),
            ("npm start --prefix x", None),
            ("npm exec x", None),
            ("pnpm -r start", None),
        ] {
            assert_eq!(check(&subject, line).as_deref(), expected, "{line}");
        }
        let with_server = image().own("app/server.js", 0o644, Thing::Unread(1)).subject();
        assert_eq!(check(&with_server, "npm start"), None);
        let elsewhere = image().config(json!({ "WorkingDir": "/srv" })).subject();
        assert_eq!(
            check(&elsewhere, "npm start").unwrap(),
            "runs npm start, but there is no package.json"
        );
        let below = image().config(json!({ "WorkingDir": "/app/dist" })).subject();
        assert_eq!(check(&below, "npm run serve"), None);
        let unread = image().config(json!({ "WorkingDir": "/unread" })).subject();
        assert_eq!(check(&unread, "npm start"), None);
    }

    #[test]
    fn scripts_of_bun_are_looked_for() {
        let subject = image().subject();
        let missing = |line: &str| check_bun(&Setting::of(&subject), &words(line)).is_err();
        assert!(missing("run gone.ts") && missing("./gone.js"));
        assert!(
            !missing("src/main.js") && !missing("run dev") && !missing("--hot gone.ts") && !missing("dist/index.js")
        );
    }
}
