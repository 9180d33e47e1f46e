//! Programs that only start the program which follows on their command line: inits, `env`, `su-exec`.
//!
//! An option that is not known here ends the search, since the next word may be its value.

/// The command that a wrapper starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrapped<'a> {
    /// The program and its arguments; never empty.
    pub(super) arguments: &'a [String],
    /// `true` if it runs as another user than the image's.
    pub(super) changes_user: bool,
}

/// How a wrapper's own options are skipped.
struct Wrapper {
    names: &'static [&'static str],
    /// Options without a value.
    flags: &'static [&'static str],
    /// Options whose value is the next word.
    valued: &'static [&'static str],
    /// Beginnings of options that hold their value.
    joined: &'static [&'static str],
    /// Words between the options and the program.
    operands: usize,
    changes_user: bool,
}

const fn wrapper(
    names: &'static [&'static str],
    flags: &'static [&'static str],
    valued: &'static [&'static str],
    joined: &'static [&'static str],
) -> Wrapper {
    Wrapper {
        names,
        flags,
        valued,
        joined,
        operands: 0,
        changes_user: false,
    }
}

const WRAPPERS: &[Wrapper] = &[
    wrapper(
        &["tini", "tini-static", "docker-init"],
        &["-s", "-v", "-vv", "-vvv", "-w", "-g"],
        &["-p", "-e"],
        &["-p", "-e"],
    ),
    wrapper(
        &["dumb-init"],
        &["-c", "--single-child", "-v", "--verbose"],
        &["-r", "--rewrite"],
        &["--rewrite="],
    ),
    wrapper(&["catatonit"], &["-g"], &[], &[]),
    // Not `-i`: without PATH, the search depends on the C library.
    wrapper(&["env"], &["-v"], &["-u", "--unset"], &["--unset="]),
    wrapper(&["nice"], &[], &["-n", "--adjustment"], &["-n", "--adjustment="]),
    wrapper(&["nohup"], &[], &[], &[]),
    wrapper(&["setsid"], &["-c", "-f", "-w"], &[], &[]),
    wrapper(
        &["stdbuf"],
        &[],
        &["-i", "-o", "-e"],
        &["-i", "-o", "-e", "--input=", "--output=", "--error="],
    ),
    Wrapper {
        operands: 1,
        changes_user: true,
        ..wrapper(&["su-exec", "gosu"], &[], &[], &[])
    },
];

/// Returns the command that another command starts, if its program is a wrapper by name. Returns `None` if it is not a
/// wrapper, if it starts nothing, or if its options are not known.
pub(super) fn wrapped<'a>(name: &str, arguments: &'a [String]) -> Option<Wrapped<'a>> {
    let wrapper = WRAPPERS.iter().find(|wrapper| wrapper.names.contains(&name))?;
    let mut rest = arguments;
    while let Some((word, after)) = rest.split_first() {
        if word == "--" {
            rest = after;
            break;
        } else if wrapper.flags.contains(&&**word) {
            rest = after;
        } else if wrapper.valued.contains(&&**word) {
            rest = after.get(1..)?;
        } else if wrapper.joined.iter().any(|start| word.starts_with(start)) {
            rest = after;
        } else if word.starts_with('-') {
            return None;
        } else {
            break;
        }
    }
    let mut rest = rest.get(wrapper.operands..)?;
    while name == "env" && rest.first()?.contains('=') {
        if rest.first()?.starts_with("PATH=") {
            return None;
        }
        rest = &rest[1..];
    }
    (!rest.is_empty()).then_some(Wrapped {
        arguments: rest,
        changes_user: wrapper.changes_user,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> Option<String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        wrapped(&words[0], &words[1..]).map(|wrapped| wrapped.arguments.join(" "))
    }

    #[test]
    fn the_program_behind_a_wrapper_is_found() {
        for (line, expected) in [
            ("tini -- node x.js", Some("node x.js")),
            ("tini -g -p SIGTERM -e 143 -- node", Some("node")),
            ("dumb-init -r 15:2 --rewrite=1:2 node -v", Some("node -v")),
            ("env -u X A=b B= node", Some("node")),
            ("env -i node", None),
            ("env PATH=/x node", None),
            ("env -C /app node", None),
            ("env A=b", None),
            ("nice -n 5 node", Some("node")),
            ("gosu app node", Some("node")),
            ("tini --version", None),
            ("tini", None),
            ("tini --", None),
            ("node tini", None),
        ] {
            assert_eq!(shown(line).as_deref(), expected, "{line}");
        }
        let words = ["app".to_owned(), "node".to_owned()];
        assert!(wrapped("su-exec", &words).unwrap().changes_user);
    }
}
