//! Options and commands of Docker, podman and similar tools that ocitect does not have, and their replacements.

use clap::CommandFactory as _;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::arguments::Arguments;
use crate::model::escape;

/// What replaces the options of other tools that allow registries without TLS, or with any certificate.
const TLS_HELP: &str = "use --plain-http HOST for a registry without TLS, --ca-file FILE for its certificate, or --insecure-tls HOST \
                        to skip the verification";

/// What replaces an earlier form of `update`.
const SPEC_HELP: &str =
    "give the spec as an argument, and the images of `update` with --image: ocitect update DIR --image NAME";

/// Long and short options, with their replacements.
const OPTIONS: [(&str, &str); 59] = [
    (
        "--add-host",
        "ocitect does not run build commands, so it needs no hosts",
    ),
    ("--all", "all platforms are copied unless --platform is given"),
    ("--annotation", "set `annotations` in [image] of the spec"),
    ("--arch", "use --platform linux/ARCH"),
    ("--authfile-path", "use --authfile FILE"),
    (
        "--build-arg",
        "declare the variable in [vars] of the spec, and set it with --set NAME=VALUE",
    ),
    (
        "--build-context",
        "copy files from another image with `from = \"docker://REF#/path\"` in the spec",
    ),
    ("--builder", "ocitect does not use builders"),
    (
        "--cache-to",
        "the cache is the directory $OCITECT_CACHE_DIR; --cache-from reuses layers of a pushed image",
    ),
    (
        "--context",
        "give the directory of the spec as an argument: ocitect build DIR",
    ),
    (
        "--creds",
        "use --username USER --password-stdin, or run `ocitect login`",
    ),
    ("--debug", "use -v, or -vv for more"),
    (
        "--dest-creds",
        "use --username USER --password-stdin, or run `ocitect login`",
    ),
    ("--dest-tls-verify", TLS_HELP),
    ("--destination", "use --push -t REF"),
    (
        "--dockerfile",
        "ocitect does not read Dockerfiles: `ocitect build DIR` builds DIR/ocitect.toml",
    ),
    (
        "--dry-run",
        "run `ocitect check` to check the spec, or `ocitect build --print-plan` to print the plan",
    ),
    ("--entrypoint", "set `entrypoint` in [config] of the spec"),
    ("--env", "set `env` in [config] of the spec"),
    ("--expose", "set `ports` in [config] of the spec"),
    ("--file", "give the spec as an argument: ocitect build FILE"),
    ("-f", "give the spec as an argument: ocitect build FILE"),
    ("--force", "not needed: an output replaces the image that has its tag"),
    ("--force-rm", "ocitect does not run containers"),
    ("--frozen", "use --locked"),
    (
        "--iidfile",
        "the last line of standard output is NAME@DIGEST; --metadata FILE writes it as JSON",
    ),
    ("--image", "use -t REF"),
    ("--insecure", TLS_HELP),
    ("--insecure-registry", TLS_HELP),
    ("--label", "set `labels` in [config] of the spec"),
    (
        "--load",
        "use --platform OS/ARCH -o docker-archive:- | docker load (or podman load)",
    ),
    (
        "--manifest",
        "list the platforms in `platforms` of the spec: several platforms become one index",
    ),
    ("--metadata-file", "use --metadata FILE"),
    ("--multi-arch", "all platforms are copied unless --platform is given"),
    ("--name", "set `name` in [image] of the spec, or use -t REF"),
    (
        "--network",
        "ocitect does not run build commands; --offline opens no connections",
    ),
    (
        "--no-cache",
        "the cache never changes an image; run `ocitect cache prune --all` to empty it",
    ),
    ("--no-push", "not needed: an image is pushed only with --push"),
    ("--os", "use --platform OS/ARCH"),
    ("--out", "use -o oci:DIR, -o oci-archive:FILE or -o docker-archive:FILE"),
    ("--output-dir", "use -o oci:DIR"),
    (
        "--password",
        "use --password-stdin, and give the password on standard input",
    ),
    ("-p", "use --platform OS/ARCH"),
    ("--platforms", "use --platform"),
    ("--provenance", "ocitect does not write attestations yet"),
    ("--pull", "run `ocitect update` to update the pins in the lockfile"),
    ("--rm", "ocitect does not run containers"),
    ("--sbom", "ocitect does not write attestations yet"),
    (
        "--secret",
        "ocitect does not run build commands, so it needs no secrets",
    ),
    ("--spec", SPEC_HELP),
    (
        "--squash",
        "each [[layers]] table of the spec is one layer: use fewer tables",
    ),
    ("--ssh", "ocitect does not run build commands, so it needs no keys"),
    ("--tag-only", "use -t TAG"),
    (
        "--target",
        "a spec describes one image: write a spec for each, and give it as an argument",
    ),
    ("--tarball", "use -o oci-archive:FILE or -o docker-archive:FILE"),
    ("--tls-verify", TLS_HELP),
    ("--timestamp", "set SOURCE_DATE_EPOCH in the environment"),
    ("-u", "use --username USER --password-stdin"),
    ("--user", "set `user` in [config] of the spec"),
];

/// Options that mean something else in one command, with the command. They take precedence over [`OPTIONS`].
const OPTIONS_OF: [(&str, &str, &str); 5] = [
    (
        "login",
        "-p",
        "use --password-stdin, and give the password on standard input",
    ),
    (
        "init",
        "--name",
        "set `name` in [image] of the spec that `ocitect init` writes",
    ),
    (
        "copy",
        "--json",
        "run `ocitect inspect --json TARGET` after the copy, or use --progress json for events",
    ),
    ("inspect", "--format", "use --json, and select fields with jq"),
    ("ls", "-l", "not needed: modes, owners and sizes are always listed"),
];

/// Commands, with their replacements.
const COMMANDS: [(&str, &str); 28] = [
    ("append", "add a [[layers]] table to the spec, and run `ocitect build`"),
    ("buildx", "run `ocitect build`: it builds all platforms of the spec"),
    ("bake", "run `ocitect build` for each spec"),
    ("cp", "run `ocitect copy SOURCE TARGET`"),
    ("create", "run `ocitect init`: it writes a spec"),
    ("digest", "run `ocitect inspect --json IMAGE | jq -r .digest`"),
    ("export", "run `ocitect copy IMAGE oci-archive:FILE`"),
    ("files", "run `ocitect ls IMAGE`"),
    (
        "images",
        "ocitect has no image store: images are in registries, layouts and archives",
    ),
    ("import", "run `ocitect copy docker-archive:FILE TARGET`"),
    ("lint", "run `ocitect check`"),
    (
        "load",
        "write the image with `ocitect build -o docker-archive:FILE`, then run `podman load` or `docker load`",
    ),
    ("manifest", "run `ocitect inspect IMAGE`"),
    ("mirror", "run `ocitect copy SOURCE TARGET`"),
    ("new", "run `ocitect init`: it writes a spec"),
    ("publish", "run `ocitect build --push`"),
    ("pull", "run `ocitect copy REF oci:DIR`"),
    (
        "rm",
        "ocitect deletes no images from registries: use the registry's own tools",
    ),
    (
        "rmi",
        "ocitect has no image store: images are in registries, layouts and archives",
    ),
    (
        "run",
        "ocitect does not run containers: use `ocitect build --platform OS/ARCH -o docker-archive:- | podman load`, then `podman run`",
    ),
    ("save", "run `ocitect copy IMAGE docker-archive:FILE`"),
    ("scan", "run `ocitect check`"),
    ("sync", "run `ocitect copy SOURCE TARGET`"),
    (
        "tag",
        "run `ocitect copy SOURCE REF`: it skips layers that already exist",
    ),
    ("upgrade", "run `ocitect update`"),
    ("validate", "run `ocitect check`"),
    ("version", "run `ocitect --version`"),
    (
        "verify",
        "run `ocitect check IMAGE`, or `ocitect cache verify` for the cache",
    ),
];

/// Adds the replacement to the error for an unknown option or command.
pub(super) fn explain(mut error: clap::Error) -> clap::Error {
    let (context, table) = match error.kind() {
        ErrorKind::UnknownArgument => (ContextKind::InvalidArg, &OPTIONS[..]),
        ErrorKind::InvalidSubcommand => (ContextKind::InvalidSubcommand, &COMMANDS[..]),
        _ => return error,
    };
    let Some(ContextValue::String(written)) = error.get(context) else {
        return error;
    };
    let written = written.clone();
    let option = written.split('=').next().unwrap_or_default();
    let command = command_of(&error);
    let name = command.as_ref().map_or("", |(name, _)| name);
    let of_command = OPTIONS_OF
        .iter()
        .find(|(command, known, _)| *command == name && *known == option)
        .map(|(.., help)| *help);
    let known = table.iter().find(|(known, _)| *known == option).map(|(_, help)| *help);
    let known = of_command
        .or(known)
        .or_else(|| (is_second_image(name, option)).then_some(SPEC_HELP));
    let Some(help) = known.map(str::to_owned).or_else(|| layout_help(name, &written)) else {
        return error;
    };
    for guess in [
        ContextKind::SuggestedArg,
        ContextKind::SuggestedSubcommand,
        ContextKind::Suggested,
    ] {
        error.remove(guess);
    }
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![help.into()]));
    // The usage of the error shows the guess in place of the options.
    if let Some((_, usage)) = command.filter(|_| error.kind() == ErrorKind::UnknownArgument) {
        error.insert(ContextKind::Usage, ContextValue::StyledStr(usage));
    }
    error
}

/// Returns the command whose arguments are wrong, such as `cache prune`, and its usage.
fn command_of(error: &clap::Error) -> Option<(String, StyledStr)> {
    let usage = error.get(ContextKind::Usage)?.to_string();
    let mut root = Arguments::command();
    root.build();
    let mut command = &mut root;
    let mut names = Vec::new();
    for word in usage.split_whitespace().skip_while(|word| *word != "ocitect").skip(1) {
        if command.find_subcommand(word).is_none() {
            break;
        }
        command = command.find_subcommand_mut(word)?;
        names.push(word);
    }
    Some((names.join(" "), command.render_usage()))
}

/// Returns the help for a layout that is given to `cache prune` as other commands name it.
fn layout_help(command: &str, written: &str) -> Option<String> {
    let directory = written.strip_prefix("oci:").filter(|_| command == "cache prune")?;
    Some(format!("use --layout {}", escape(directory.as_bytes())))
}

/// Returns `true` for a second argument of `update`, which took the names of images in an earlier form.
fn is_second_image(command: &str, written: &str) -> bool {
    command == "update" && !written.starts_with('-')
}

/// The kinds of buildx's `--output type=KIND,dest=FILE`, with the transport to use instead.
const OUTPUT_TYPES: [(&str, &str); 4] = [
    ("oci", "oci-archive:"),
    ("docker", "docker-archive:"),
    ("tar", "oci-archive:"),
    ("local", "oci:"),
];

/// Returns the help for an output that is neither a layout nor an archive.
pub(super) fn output_help(text: &str) -> String {
    let field = |name: &str| {
        text.split(',')
            .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
    };
    if let Some(kind) = field("type") {
        let prefix = OUTPUT_TYPES
            .iter()
            .find(|(known, _)| *known == kind)
            .map(|(_, prefix)| *prefix);
        return match (kind, prefix, field("dest")) {
            ("registry" | "image", ..) => "use --push".to_owned(),
            (_, Some(prefix), Some(dest)) => format!("use -o {prefix}{}", escape(dest.as_bytes())),
            (_, Some(prefix), None) => format!("use -o {prefix}PATH"),
            _ => OUTPUT_FORM.to_owned(),
        };
    }
    let shown = escape(text.as_bytes());
    match text.rsplit_once('.').map(|(_, ending)| ending) {
        Some("tar") => format!("use -o oci-archive:{shown} or -o docker-archive:{shown}"),
        _ if text.contains(':') || text.is_empty() => OUTPUT_FORM.to_owned(),
        _ => format!("use -o oci:{shown} for a layout in that directory; {OUTPUT_FORM}"),
    }
}

/// The syntax of outputs.
const OUTPUT_FORM: &str = "an output is oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE[:REF]";

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn nothing_is_explained_that_there_is() {
        let command = Arguments::command();
        for (name, _) in COMMANDS {
            assert!(command.find_subcommand(name).is_none(), "{name}");
        }
        let build = command.find_subcommand("build").unwrap();
        for (name, _) in OPTIONS {
            let is_there = |argument: &clap::Arg| argument.get_long().is_some_and(|long| name == format!("--{long}"));
            assert!(!build.get_arguments().any(is_there), "{name}");
        }
    }

    #[test]
    fn outputs_are_named_in_the_help() {
        for (text, expected) in [
            ("type=oci,dest=a.tar", "use -o oci-archive:a.tar"),
            ("type=docker,dest=a.tar", "use -o docker-archive:a.tar"),
            ("type=registry", "use --push"),
            ("type=local", "use -o oci:PATH"),
            ("a.tar", "use -o oci-archive:a.tar or"),
            ("out", "use -o oci:out"),
            ("./out", "use -o oci:./out"),
            ("dir:out", "an output is"),
        ] {
            assert!(output_help(text).starts_with(expected), "{text}: {}", output_help(text));
        }
    }

    #[test]
    fn options_and_commands_of_others_are_explained() {
        let told = |words: &[&str]| explain(Arguments::try_parse_from(words).unwrap_err()).to_string();
        assert!(told(&["ocitect", "build", "-f", "x"]).contains("give the spec as an argument: ocitect build FILE"));
        assert!(told(&["ocitect", "build", "--no-cache"]).contains("the cache never changes an image"));
        assert!(told(&["ocitect", "build", "--tls-verify=false"]).contains("--plain-http HOST"));
        assert!(told(&["ocitect", "build", "--tls-verify=false"]).contains("--insecure-tls HOST"));
        for words in [
            &["ocitect", "update", "node", "--spec", "app"][..],
            &["ocitect", "update", "node", "python"],
        ] {
            assert!(
                told(words).contains("ocitect update DIR --image NAME"),
                "{}",
                told(words)
            );
        }
        assert!(!told(&["ocitect", "build", "a", "b"]).contains("--image NAME"));
        for (words, expected) in [
            (&["copy", "-p", "linux/amd64", "a", "b"][..], "use --platform OS/ARCH"),
            (&["login", "-p", "x", "ghcr.io"], "use --password-stdin"),
            (&["init", "--name", "x"], "that `ocitect init` writes"),
            (&["build", "--load"], "Usage: ocitect build [OPTIONS] [DIR|FILE]"),
            (&["copy", "--json", "a", "b"], "ocitect inspect --json"),
            (&["inspect", "--format", "x", "y"], "use --json"),
            (&["ls", "-l", "x"], "not needed"),
            (&["cache", "prune", "oci:build/oci"], "use --layout build/oci"),
            (&["version"], "run `ocitect --version`"),
            (&["rm", "x"], "the registry's own tools"),
        ] {
            let text = told(&[&["ocitect"], words].concat());
            assert!(text.contains(expected), "{words:?}: {text}");
        }
        assert!(told(&["ocitect", "pull", "x"]).contains("`ocitect copy REF oci:DIR`"));
        assert!(told(&["ocitect", "buidl"]).contains("build"));
    }
}
