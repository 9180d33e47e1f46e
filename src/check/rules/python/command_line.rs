//! The command line of Python (Python, "Command line and environment").

/// Options without a value, as letters.
const FLAGS: &str = "bBdEhiIOPqsSuvVx";

/// The input of Python.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Handed<'a> {
    Module { name: &'a str, sees_workdir: bool },
    Script(&'a str),
    Code { text: &'a str, sees_workdir: bool },
}

/// Returns `true` for `python`, `python3`, `python3.11`.
pub(in super::super) fn is_python(name: &str) -> bool {
    let version = name.strip_prefix("python");
    version.is_some_and(|version| version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
}

/// Returns the arguments of a module.
pub(super) fn after<'a>(arguments: &'a [String], module: &str) -> &'a [String] {
    let at = arguments
        .iter()
        .position(|word| word.ends_with(module))
        .map_or(arguments.len(), |at| at + 1);
    &arguments[at..]
}

/// Returns the input after the options; `None` for standard input, and if an option is not known.
pub(super) fn handed(arguments: &[String]) -> Option<Handed<'_>> {
    let mut rest = arguments.iter().map(String::as_str);
    let mut sees_workdir = true;
    while let Some(word) = rest.next() {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            return (word != "-").then_some(Handed::Script(word));
        };
        for (index, letter) in letters.char_indices() {
            let joined = &letters[index + letter.len_utf8()..];
            let mut value = || if joined.is_empty() { rest.next() } else { Some(joined) };
            match letter {
                'm' => {
                    return Some(Handed::Module {
                        name: value()?,
                        sees_workdir,
                    });
                }
                'c' => {
                    return Some(Handed::Code {
                        text: value()?,
                        sees_workdir,
                    });
                }
                'W' | 'X' => {
                    value()?;
                    break;
                }
                'h' | 'V' => return None,
                _ if FLAGS.contains(letter) => sees_workdir &= !matches!(letter, 'I' | 'P'),
                _ => return None,
            }
        }
    }
    None
}
