//! Servers and workers of Python that import a module by its name: `uvicorn MODULE:ATTR`, `gunicorn`, `hypercorn`,
//! `celery -A`, `flask --app` (their documentation, "Command line").

use super::super::failure::{Failure, Kind, elsewhere, found_instead, listed};
use super::super::program::{Program, Setting};
use super::super::shebang;
use super::search::{First, Found, Search, find_module, has_extension_module};
use crate::model::{EntryPath, escape};

/// Options whose value may look like `MODULE:ATTR`.
const VALUED: &[&str] = &[
    "-b",
    "--bind",
    "-c",
    "--config",
    "-k",
    "--worker-class",
    "--logger-class",
    "--log-config",
    "--host",
    "--env",
    "-e",
    "--statsd-host",
    "--uds",
    "--loop",
    "--http",
    "--ws",
    "--reload-dir",
    "--header",
    "--name",
    "-n",
    "--paste",
];

/// Options and variables that may put more directories on the path, or name another module.
const OPEN_OPTIONS: &[&str] = &["--app-dir", "--chdir", "--pythonpath", "-c", "--config", "--workdir"];
const OPEN_VARIABLES: &[&str] = &["GUNICORN_CMD_ARGS", "PYTHONHOME"];

/// Returns the module that a server imports. `None` if it imports none, or if that is not known.
pub(super) fn target(setting: &Setting<'_>, tool: &str, arguments: &[String]) -> Option<String> {
    let variable = |name: &str| {
        setting
            .subject
            .execution
            .variable(name)
            .filter(|value| !value.is_empty())
    };
    let is_open_option = |word: &String| {
        OPEN_OPTIONS
            .iter()
            .any(|option| word == option || word.strip_prefix(option).is_some_and(|rest| rest.starts_with('=')))
    };
    if arguments.iter().any(is_open_option) || OPEN_VARIABLES.iter().any(|name| variable(name).is_some()) {
        return None;
    }
    let option = |names: &[&str]| {
        arguments.iter().enumerate().find_map(|(at, word)| {
            let joined = names.iter().find_map(|name| word.strip_prefix(name)?.strip_prefix('='));
            joined
                .map(str::to_owned)
                .or_else(|| names.contains(&&**word).then(|| arguments.get(at + 1).cloned())?)
        })
    };
    let module = match tool {
        // A file beside it is read first, and may change the directory.
        "gunicorn" if setting.subject.exists(&setting.workdir.join(b"gunicorn.conf.py").ok()?) => None,
        "uvicorn" | "hypercorn" | "gunicorn" => first_target(arguments),
        "celery" => option(&["-A", "--app"]).map(|text| text.split(':').next().unwrap_or_default().to_owned()),
        "flask" => option(&["--app", "-A"])
            .or_else(|| variable("FLASK_APP").map(str::to_owned))
            .map(|text| text.split(':').next().unwrap_or_default().to_owned()),
        _ => None,
    };
    module.filter(|name| is_module_name(name))
}

/// The first argument of the form `MODULE:ATTR`.
fn first_target(arguments: &[String]) -> Option<String> {
    arguments.iter().enumerate().find_map(|(at, word)| {
        let (module, attribute) = word.split_once(':')?;
        let is_value = at > 0 && VALUED.contains(&&*arguments[at - 1]);
        let attribute = attribute.split('(').next().unwrap_or_default();
        let is_target = is_module_name(module) && is_module_name(attribute);
        (is_target && !is_value && !word.starts_with('-')).then(|| module.to_owned())
    })
}

/// Not the name of a file, such as `app.py`.
fn is_module_name(text: &str) -> bool {
    let is_part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && part
                .chars()
                .all(|character| character.is_ascii_alphanumeric() || character == '_')
    };
    !text.ends_with(".py") && text.split('.').all(is_part)
}

/// Checks whether the module that a server's console script imports exists.
pub(in super::super) fn check_server(
    setting: &Setting<'_>,
    program: &Program,
    tool: &str,
    arguments: &[String],
) -> Result<(), Box<Failure>> {
    let Some(module) = target(setting, tool, arguments) else {
        return Ok(());
    };
    let Some(interpreter) = shebang::interpreter(setting, &program.at) else {
        return Ok(());
    };
    check_target(setting, &interpreter, tool, &module)
}

/// Checks whether a module exists that a server imports from the working directory.
pub(super) fn check_target(
    setting: &Setting<'_>,
    interpreter: &Program,
    tool: &str,
    module: &str,
) -> Result<(), Box<Failure>> {
    let Some(search) = Search::of(setting, interpreter, First::Workdir) else {
        return Ok(());
    };
    // The argument of celery and flask may be an attribute of the last module.
    let parts: Vec<&str> = module.split('.').collect();
    let count = if matches!(tool, "celery" | "flask") {
        1
    } else {
        parts.len()
    };
    let mut folders = search.folders.clone();
    for part in &parts[..count] {
        match find_module(setting, &search, &folders, part) {
            Found::Package { folder, .. } => folders = vec![folder],
            Found::Namespace(portions) => folders = portions,
            Found::Nothing => {
                let has_other = folders
                    .iter()
                    .any(|folder| has_extension_module(setting, folder, part.as_bytes()));
                if has_other || search.is_open(setting) {
                    return Ok(());
                }
                return Err(no_module(setting, tool, module, &search));
            }
            Found::Source(_) | Found::Extension(_) | Found::Other => return Ok(()),
        }
    }
    Ok(())
}

fn no_module(setting: &Setting<'_>, tool: &str, module: &str, search: &Search) -> Box<Failure> {
    let relative = module.replace('.', "/");
    let wanted = format!("{relative}.py");
    let is_meant = |place: &EntryPath| place.as_bytes().ends_with(wanted.as_bytes());
    let places = elsewhere(setting.subject, wanted.as_bytes(), false)
        .into_iter()
        .filter(is_meant)
        .collect::<Vec<_>>();
    let at = setting.workdir.join(relative.as_bytes()).unwrap_or_default();
    let module = escape(module.as_bytes());
    let help = match &places[..] {
        [] => format!("pack \"{module}\" below `workdir`, or install it"),
        places => format!(
            "it is at {}: set `workdir` or PYTHONPATH to the directory that contains its package",
            listed(places)
        ),
    };
    let found = if places.is_empty() {
        found_instead(setting.subject, &at)
    } else {
        listed(&places)
    };
    let first = search.folders.first().map(ToString::to_string).unwrap_or_default();
    Box::new(Failure {
        kind: Kind::Missing,
        message: format!(
            "runs {} with the module \"{module}\", which is not in Python's search path",
            escape(tool.as_bytes())
        ),
        expected: format!("{module} in {first} or in site-packages"),
        found,
        help,
        path: at,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::check::Code;
    use crate::check::testing::{Image, Thing};

    fn image(entrypoint: &[&str]) -> Image {
        let script = |name: &str| Thing::Text(format!("#!/usr/bin/python3\nfrom {name}.main import main\n"));
        ["uvicorn", "gunicorn", "hypercorn", "celery", "flask"].iter().fold(
            Image::new("linux/amd64")
                .config(json!({ "WorkingDir": "/srv", "Entrypoint": entrypoint }))
                .base("usr/bin/python3.11", 0o755, Thing::Unread(1))
                .base("usr/bin/python3", 0o777, Thing::Link("python3.11"))
                .base("usr/lib/python3.11/os.py", 0o644, Thing::Unread(1))
                .own("srv/app/main.py", 0o644, Thing::Unread(1))
                .own("srv/wsgi.py", 0o644, Thing::Unread(1))
                .own("opt/api/server.py", 0o644, Thing::Unread(1)),
            |image, name| {
                let site = format!("usr/lib/python3.11/site-packages/{name}");
                let image = image.base(&format!("{site}/main.py"), 0o644, Thing::Unread(1));
                let image = image.base(&format!("{site}/__main__.py"), 0o644, Thing::Unread(1));
                image.own(&format!("usr/bin/{name}"), 0o755, script(name))
            },
        )
    }

    fn told(line: &str) -> Option<String> {
        let words: Vec<&str> = line.split(' ').collect();
        image(&words)
            .found(Code::EntrypointMissing)
            .into_iter()
            .next()
            .map(|finding| finding.message)
    }

    #[test]
    fn the_module_of_a_server_must_be_there() {
        for (line, missing) in [
            ("uvicorn app.main:app --host 0.0.0.0 --port 80", None),
            ("uvicorn --factory wsgi:create", None),
            ("gunicorn -b localhost:8000 -w 4 wsgi:app", None),
            ("gunicorn -k uvicorn.workers.UvicornWorker wsgi:create_app()", None),
            ("celery -A app.main worker", None),
            ("celery --app=app.celery:instance worker", None),
            ("flask --app wsgi run", None),
            ("flask --app src/wsgi.py run", None),
            ("uvicorn main:app", Some("main")),
            ("uvicorn --host x app.gone:app", Some("app.gone")),
            ("hypercorn server:app", Some("server")),
            ("gunicorn -w 4 gone.wsgi", None),
            ("gunicorn --chdir /opt/api server:app", None),
            ("uvicorn --app-dir /opt/api server:app", None),
            ("celery -A proj worker", Some("proj")),
            ("flask --app gone:create run", Some("gone")),
            ("python3 -m uvicorn app.main:app", None),
            ("python3 -m uvicorn main:app", Some("main")),
            ("uvicorn --help", None),
        ] {
            let wanted = missing.map(|name| format!("with the module \"{name}\""));
            let found = told(line);
            assert_eq!(found.is_some(), wanted.is_some(), "{line}: {found:?}");
            assert!(
                found.unwrap_or_default().contains(&wanted.unwrap_or_default()),
                "{line}"
            );
        }
    }

    #[test]
    fn the_message_says_where_the_module_is() {
        let finding = &image(&["hypercorn", "api.server:app"]).found(Code::EntrypointMissing)[0];
        assert_eq!(
            finding.help,
            "it is at /opt/api/server.py: set `workdir` or PYTHONPATH to the directory that contains its package"
        );
    }
}
