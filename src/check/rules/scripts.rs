//! Checks whether the script of an interpreter exists. The manual page of each interpreter specifies which of its
//! options take a value. An option that is not known here ends the search.

use super::failure::Failure;
use super::node;
use super::program::{Program, Setting, Standing};
use super::python::{check_python, check_server, is_python};
use super::script_failure::{missing_script, started_directory};

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
        _ if is_script => check_server(setting, program, &tool, arguments),
        "node" | "nodejs" => node::check_script(setting, arguments),
        "bun" => node::check_bun(setting, arguments),
        name if is_python(name) => check_python(setting, program, arguments),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::subject::Subject;
    use crate::check::testing::{Image, Thing};
    use crate::model::EntryPath;
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
}
