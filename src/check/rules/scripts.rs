//! Checks whether the script of an interpreter exists. The manual page of each interpreter specifies which of its
//! options take a value. An option that is not known here ends the search.

use super::failure::{Failure, Kind, elsewhere, found_instead, listed};
use super::program::{Program, Setting, Standing};
use super::{node, python};
use crate::model::{EntryPath, escape};

/// How a simple interpreter receives its script.
struct Interpreter {
    names: &'static [&'static str],
    /// Options without a value.
    flags: &'static [&'static str],
    /// Beginnings of options that hold their value, or have none.
    joined: &'static [&'static str],
    /// Options whose value is the next word.
    valued: &'static [&'static str],
    /// The word that must come before the script: `run`, `-jar`.
    before: Option<&'static str>,
}

const INTERPRETERS: &[Interpreter] = &[
    Interpreter {
        names: &["ruby"],
        flags: &["-w", "-W", "-v", "-U", "--jit", "--yjit", "--disable-gems"],
        joined: &["-W", "-r", "-I"],
        valued: &[],
        before: None,
    },
    Interpreter {
        names: &["perl"],
        flags: &["-w", "-T", "-t", "-W"],
        joined: &["-I", "-M"],
        valued: &[],
        before: None,
    },
    Interpreter {
        names: &["php"],
        flags: &["-n", "-q", "-f"],
        joined: &[],
        valued: &["-d", "-c"],
        before: None,
    },
    Interpreter {
        names: &["java"],
        flags: &["-server", "-ea", "-esa", "-showversion"],
        joined: &[
            "-D",
            "-X",
            "-javaagent:",
            "-agentlib:",
            "-agentpath:",
            "-verbose",
            "-ea:",
            "--add-opens=",
            "--add-exports=",
        ],
        valued: &[
            "-cp",
            "-classpath",
            "--class-path",
            "-p",
            "--module-path",
            "--add-modules",
            "--add-opens",
            "--add-exports",
        ],
        before: Some("-jar"),
    },
    Interpreter {
        names: &["deno"],
        flags: &["-A", "-q", "--quiet", "--cached-only"],
        joined: &[
            "--allow-",
            "--deny-",
            "--no-",
            "--unstable",
            "-R",
            "-W",
            "-N",
            "-E",
            "--v8-flags=",
            "--lock=",
            "--config=",
        ],
        valued: &[],
        before: Some("run"),
    },
    Interpreter {
        names: &["dotnet"],
        flags: &[],
        joined: &[],
        valued: &[],
        before: None,
    },
];

/// Interpreters that cannot start a directory. Python, Node, Ruby and Deno are not among them: some directories are
/// right.
const READS_FILES_ONLY: &[&str] = &["dotnet", "java", "perl", "php"];

/// Checks whether the script that a command passes to its interpreter exists.
///
/// # Errors
/// Returns the reason if the script certainly does not exist.
pub(super) fn check_script(setting: &Setting<'_>, program: &Program, arguments: &[String]) -> Result<(), Box<Failure>> {
    let tool = String::from_utf8_lossy(program.named.file_name()).into_owned();
    let is_script = setting.subject.shebang(&program.at).is_some();
    match &*tool {
        "npm" | "pnpm" | "yarn" => node::check_package_script(setting, &tool, arguments),
        // A script of that name may do anything with its arguments.
        _ if is_script => python::check_server(setting, program, &tool, arguments),
        "node" | "nodejs" => node::check_script(setting, arguments),
        "bun" => node::check_bun(setting, arguments),
        name if python::is_python(name) => python::check(setting, program, arguments),
        name => {
            let Some(interpreter) = INTERPRETERS.iter().find(|known| known.names.contains(&name)) else {
                return Ok(());
            };
            let Some(script) = script_of(interpreter, arguments) else {
                return Ok(());
            };
            let is_file_name = match name {
                "deno" => !script.contains(':') && script.contains('.'),
                "dotnet" => script.ends_with(".dll"),
                _ => script != "-",
            };
            if is_file_name {
                check_file(setting, name, script)
            } else {
                Ok(())
            }
        }
    }
}

fn script_of<'a>(interpreter: &Interpreter, arguments: &'a [String]) -> Option<&'a str> {
    let mut rest = arguments.iter().map(String::as_str);
    let mut is_after = interpreter.before.is_none();
    while let Some(word) = rest.next() {
        // Each of these alone takes the next word as its value.
        let is_half = matches!(word, "-r" | "-I" | "-M");
        let is_known =
            interpreter.flags.contains(&word) || interpreter.joined.iter().any(|start| word.starts_with(start));
        if interpreter.before == Some(word) && !is_after {
            is_after = true;
            // The word after `-jar` is the file itself.
            if word.starts_with('-') {
                return rest.next();
            }
        } else if interpreter.valued.contains(&word) {
            rest.next()?;
        } else if !word.starts_with('-') {
            return is_after.then_some(word);
        } else if is_half || !is_known {
            return None;
        }
    }
    None
}

/// Checks a script that must exist at exactly the given path.
fn check_file(setting: &Setting<'_>, tool: &str, script: &str) -> Result<(), Box<Failure>> {
    let Some(at) = setting.place(script.as_bytes()) else {
        return Ok(());
    };
    match setting.standing(&at) {
        Standing::Nothing => Err(missing_script(setting, tool, at, None)),
        Standing::Directory if READS_FILES_ONLY.contains(&tool) => Err(started_directory(setting, tool, at)),
        _ => Ok(()),
    }
}

/// Returns the failure for a directory where a script or an archive is started.
pub(super) fn started_directory(setting: &Setting<'_>, tool: &str, at: EntryPath) -> Box<Failure> {
    let inside = setting.subject.below(&at).filter(|(_, node)| !node.is_directory());
    let extension = at
        .file_name()
        .rsplit(|byte| *byte == b'.')
        .next()
        .unwrap_or_default()
        .to_vec();
    let is_alike = |path: &EntryPath| path.file_name().rsplit(|byte| *byte == b'.').next() == Some(&extension);
    let alike: Vec<EntryPath> = inside
        .map(|(path, _)| path)
        .filter(|path| is_alike(path))
        .take(2)
        .cloned()
        .collect();
    let help = match &alike[..] {
        [one] => format!("use {one}, or pack that file as {at}: if `from` is a directory, it is packed as a directory"),
        _ => {
            format!("use a file in it, or pack the file as {at}: if `from` is a directory, it is packed as a directory")
        }
    };
    Box::new(Failure {
        kind: Kind::Missing,
        message: format!("runs this path with {}, but it is a directory", escape(tool.as_bytes())),
        expected: "a file".to_owned(),
        found: "a directory".to_owned(),
        help,
        path: at,
    })
}

/// Returns the failure for a script that does not exist. `tried` lists the alternatives.
pub(super) fn missing_script(setting: &Setting<'_>, tool: &str, at: EntryPath, tried: Option<&str>) -> Box<Failure> {
    let places = elsewhere(setting.subject, at.as_bytes(), false);
    let folder = at.parent().unwrap_or_default();
    let help = match &places[..] {
        [] => format!("pack it with a `files` entry (`to = \"{folder}/\"`), or change the arguments of {tool}"),
        places => format!(
            "a file of this name is at {}: use that path, or pack it at {at}",
            listed(places)
        ),
    };
    let workdir = format!("{at}{}", tried.map(|tried| format!(", or {tried}")).unwrap_or_default());
    Box::new(Failure {
        kind: Kind::Missing,
        message: format!(
            "runs this script with {}, but it is not in the image",
            escape(tool.as_bytes())
        ),
        expected: workdir,
        found: found_instead(setting.subject, &at),
        help,
        path: at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::subject::Subject;
    use crate::check::testing::{Image, Thing};
    use serde_json::json;

    fn subject() -> Subject {
        let image = Image::new("linux/amd64").config(json!({ "WorkingDir": "/app" }));
        let image = image
            .own("app/there.x", 0o644, Thing::Unread(1))
            .own("app/app.dll", 0o644, Thing::Unread(1));
        image.own("srv/lib/gone.jar", 0o644, Thing::Unread(1)).subject()
    }

    fn missing(line: &str) -> Option<String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let named = EntryPath::new(format!("/usr/bin/{}", words[0]).as_bytes()).unwrap();
        let program = Program {
            at: named.clone(),
            named,
        };
        let failure = check_script(&Setting::of(&subject()), &program, &words[1..]).err()?;
        Some(failure.path.to_string())
    }

    #[test]
    fn scripts_of_simple_interpreters_are_looked_for() {
        for (line, expected) in [
            ("ruby there.x", None),
            ("ruby -w gone.rb", Some("/app/gone.rb")),
            ("ruby -e gone.rb", None),
            ("ruby -I lib gone.rb", None),
            ("ruby -Ilib gone.rb", Some("/app/gone.rb")),
            ("perl -T /x/gone.pl", Some("/x/gone.pl")),
            ("perl -e gone", None),
            ("php -d a=b -f gone.php", Some("/app/gone.php")),
            ("php -S 0.0.0.0:80 gone.php", None),
            ("java -Xmx1g -cp x -jar gone.jar", Some("/app/gone.jar")),
            ("java -jar there.x gone", None),
            ("java -cp /app/* Main", None),
            ("java -unknown -jar gone.jar", None),
            ("deno run --allow-net gone.ts", Some("/app/gone.ts")),
            ("deno run -A there.x", None),
            ("deno run npm:cowsay", None),
            ("deno run dev", None),
            ("deno task gone.ts", None),
            ("dotnet gone.dll", Some("/app/gone.dll")),
            ("dotnet app.dll", None),
            ("dotnet run", None),
            ("other gone.x", None),
            ("ruby /dev/stdin", None),
            ("ruby -", None),
            ("ruby", None),
        ] {
            assert_eq!(missing(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn the_message_says_where_such_a_file_is() {
        let subject = subject();
        let at = EntryPath::new(b"/app/gone.jar").unwrap();
        let failure = missing_script(&Setting::of(&subject), "java", at, None);
        assert_eq!(
            failure.message,
            "runs this script with java, but it is not in the image"
        );
        assert_eq!((&*failure.expected, &*failure.found), ("/app/gone.jar", "nothing"));
        assert_eq!(
            failure.help,
            "a file of this name is at /srv/lib/gone.jar: use that path, or pack it at /app/gone.jar"
        );
    }
}
