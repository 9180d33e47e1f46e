//! Options and commands of Docker, podman and their kin that ocitect does not have, and what serves in their place.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::model::escape;

/// Long and short options, and what to write here.
const OPTIONS: [(&str, &str); 60] = [
    ("--add-host", "ocitect runs nothing, so it needs no hosts"),
    ("--all", "all platforms are copied unless --platform names one"),
    ("--annotation", "write `annotations` in [image] of the spec"),
    ("--arch", "write --platform linux/ARCH"),
    ("--authfile-path", "write --authfile FILE"),
    ("--build-arg", "variables of the build are [vars] of the spec: --set NAME=VALUE"),
    ("--build-context", "files of another image are `from = \"docker://REF#/path\"` in the spec"),
    ("--builder", "ocitect needs no builder"),
    ("--cache-to", "the cache is a directory, $OCITECT_CACHE_DIR; --cache-from reuses layers of a pushed image"),
    ("--context", "name the directory of the spec as an argument: ocitect build DIR"),
    ("--creds", "write --username USER --password-stdin, or run `ocitect login`"),
    ("--debug", "write -v, or -vv for more"),
    ("--dest-creds", "write --username USER --password-stdin, or run `ocitect login`"),
    ("--dest-tls-verify", "write --plain-http HOST for a registry without TLS, or --ca-file FILE for its certificate"),
    ("--destination", "write --push -t REF"),
    ("--dockerfile", "ocitect reads no Dockerfile: `ocitect build DIR` builds what DIR/ocitect.toml describes"),
    (
        "--dry-run",
        "`ocitect check` checks the spec and writes nothing; `ocitect build --print-plan` prints what would be built",
    ),
    ("--entrypoint", "write `entrypoint` in [config] of the spec"),
    ("--env", "write `env` in [config] of the spec"),
    ("--expose", "write `ports` in [config] of the spec"),
    ("--file", "name the spec as an argument: ocitect build FILE"),
    ("-f", "name the spec as an argument: ocitect build FILE"),
    ("--force", "nothing has to be forced: an output replaces the image of its tag"),
    ("--force-rm", "ocitect runs no containers"),
    ("--frozen", "write --locked"),
    ("--iidfile", "the last line of standard output is NAME@DIGEST; --metadata FILE writes it as JSON"),
    ("--image", "write -t REF"),
    ("--insecure", "write --plain-http HOST for a registry without TLS, or --ca-file FILE for its certificate"),
    (
        "--insecure-registry",
        "write --plain-http HOST for a registry without TLS, or --ca-file FILE for its certificate",
    ),
    ("--label", "write `labels` in [config] of the spec"),
    ("--load", "write --platform OS/ARCH -o docker-archive:- | docker load (or podman load)"),
    ("--manifest", "several platforms become one index by themselves: list them in `platforms` of the spec"),
    ("--metadata-file", "write --metadata FILE"),
    ("--multi-arch", "all platforms are copied unless --platform names one"),
    ("--name", "write `name` in [image] of the spec, or -t REF"),
    ("--network", "ocitect runs nothing; --offline opens no connection"),
    ("--no-cache", "no byte of an image depends on the cache; `ocitect cache prune --all` empties it"),
    ("--no-push", "nothing is pushed without --push"),
    ("--os", "write --platform OS/ARCH"),
    ("--out", "write -o oci:DIR, -o oci-archive:FILE or -o docker-archive:FILE"),
    ("--output-dir", "write -o oci:DIR"),
    ("--password", "write --password-stdin, and give the password on standard input"),
    ("-p", "write --password-stdin, and give the password on standard input"),
    ("--platforms", "write --platform"),
    ("--provenance", "ocitect writes no attestations yet"),
    ("--pull", "`ocitect update` moves the pins of the lockfile to what the tags name now"),
    ("--quiet", "write --progress none"),
    ("-q", "write --progress none"),
    ("--rm", "ocitect runs no containers"),
    ("--sbom", "ocitect writes no attestations yet"),
    ("--secret", "ocitect runs nothing that could need a secret"),
    ("--squash", "each [[layers]] table of the spec is one layer: write fewer of them"),
    ("--ssh", "ocitect runs nothing that could need a key"),
    ("--tag-only", "write -t TAG"),
    ("--target", "one spec describes one image: write a spec for each, and name it as an argument"),
    ("--tarball", "write -o oci-archive:FILE or -o docker-archive:FILE"),
    ("--tls-verify", "write --plain-http HOST for a registry without TLS, or --ca-file FILE for its certificate"),
    ("--timestamp", "set SOURCE_DATE_EPOCH in the environment"),
    ("-u", "write --username USER --password-stdin"),
    ("--user", "write `user` in [config] of the spec"),
];

/// Commands, and what to run here.
const COMMANDS: [(&str, &str); 26] = [
    ("append", "add a [[layers]] table to the spec, and run `ocitect build`"),
    ("buildx", "run `ocitect build`: it builds all platforms of the spec"),
    ("bake", "run `ocitect build` for each spec"),
    ("cp", "run `ocitect copy SOURCE TARGET`"),
    ("create", "run `ocitect init`: it writes a spec"),
    ("digest", "run `ocitect inspect --json IMAGE | jq -r .digest`"),
    ("export", "run `ocitect copy IMAGE oci-archive:FILE`"),
    ("files", "run `ocitect ls IMAGE`"),
    ("images", "ocitect keeps no images: they are in registries, layouts and archives"),
    ("import", "run `ocitect copy docker-archive:FILE TARGET`"),
    ("lint", "run `ocitect check`"),
    ("load", "run `podman load` or `docker load` on what `ocitect build -o docker-archive:FILE` writes"),
    ("manifest", "run `ocitect inspect IMAGE`"),
    ("mirror", "run `ocitect copy SOURCE TARGET`"),
    ("new", "run `ocitect init`: it writes a spec"),
    ("publish", "run `ocitect build --push`"),
    ("pull", "run `ocitect copy REF oci:DIR`"),
    ("rmi", "ocitect keeps no images: they are in registries, layouts and archives"),
    ("run", "ocitect runs no containers: `ocitect build -o docker-archive:- | podman load`, then `podman run`"),
    ("save", "run `ocitect copy IMAGE docker-archive:FILE`"),
    ("scan", "run `ocitect check`"),
    ("sync", "run `ocitect copy SOURCE TARGET`"),
    ("tag", "run `ocitect copy SOURCE REF`: it moves no layer that is there already"),
    ("upgrade", "run `ocitect update`"),
    ("validate", "run `ocitect check`"),
    ("verify", "run `ocitect check IMAGE`; `ocitect cache verify` reads the cache"),
];

/// Puts what serves in its place beside an option or a command that is not known.
pub(super) fn explain(mut error: clap::Error) -> clap::Error {
    let (context, table) = match error.kind() {
        ErrorKind::UnknownArgument => (ContextKind::InvalidArg, &OPTIONS[..]),
        ErrorKind::InvalidSubcommand => (ContextKind::InvalidSubcommand, &COMMANDS[..]),
        _ => return error,
    };
    let Some(ContextValue::String(written)) = error.get(context) else { return error };
    let written = written.split('=').next().unwrap_or_default();
    if let Some((_, help)) = table.iter().find(|(known, _)| *known == written) {
        for guess in [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::Suggested] {
            error.remove(guess);
        }
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![(*help).into()]));
    }
    error
}

/// The kinds of buildx's `--output type=KIND,dest=FILE`, and how such an output begins here.
const OUTPUT_TYPES: [(&str, &str); 4] =
    [("oci", "oci-archive:"), ("docker", "docker-archive:"), ("tar", "oci-archive:"), ("local", "oci:")];

/// What to write for an output that is neither a layout nor an archive.
pub(super) fn output_help(text: &str) -> String {
    let field = |name: &str| text.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    if let Some(kind) = field("type") {
        let prefix = OUTPUT_TYPES.iter().find(|(known, _)| *known == kind).map(|(_, prefix)| *prefix);
        return match (kind, prefix, field("dest")) {
            ("registry" | "image", ..) => "write --push".to_owned(),
            (_, Some(prefix), Some(dest)) => format!("write -o {prefix}{}", escape(dest.as_bytes())),
            (_, Some(prefix), None) => format!("write -o {prefix}PATH"),
            _ => OUTPUT_FORM.to_owned(),
        };
    }
    let shown = escape(text.as_bytes());
    match text.rsplit_once('.').map(|(_, ending)| ending) {
        Some("tar") => format!("write -o oci-archive:{shown} or -o docker-archive:{shown}"),
        _ if text.contains(':') || text.is_empty() => OUTPUT_FORM.to_owned(),
        _ => format!("write -o oci:{shown} for a layout in that directory; {OUTPUT_FORM}"),
    }
}

/// How an output is written.
const OUTPUT_FORM: &str = "an output is oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE[:REF]";

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::super::arguments::Arguments;
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
            ("type=oci,dest=a.tar", "write -o oci-archive:a.tar"),
            ("type=docker,dest=a.tar", "write -o docker-archive:a.tar"),
            ("type=registry", "write --push"),
            ("type=local", "write -o oci:PATH"),
            ("a.tar", "write -o oci-archive:a.tar or"),
            ("out", "write -o oci:out"),
            ("./out", "write -o oci:./out"),
            ("dir:out", "an output is"),
        ] {
            assert!(output_help(text).starts_with(expected), "{text}: {}", output_help(text));
        }
    }

    #[test]
    fn options_and_commands_of_others_are_explained() {
        let told = |words: &[&str]| explain(Arguments::try_parse_from(words).unwrap_err()).to_string();
        assert!(told(&["ocitect", "build", "-f", "x"]).contains("name the spec as an argument: ocitect build FILE"));
        assert!(told(&["ocitect", "build", "--no-cache"]).contains("no byte of an image depends on the cache"));
        assert!(told(&["ocitect", "build", "--tls-verify=false"]).contains("--plain-http HOST"));
        assert!(told(&["ocitect", "pull", "x"]).contains("`ocitect copy REF oci:DIR`"));
        assert!(told(&["ocitect", "buidl"]).contains("build"));
    }
}
