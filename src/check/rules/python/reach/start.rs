//! The starts of Python in an image: what each certainly runs first.

use super::super::super::commands::{Visit, trail};
use super::super::super::program::Setting;
use super::super::super::shebang;
use super::super::command_line::{Handed, after, handed, is_python};
use super::super::search::{First, Search};
use super::super::servers;
use crate::check::python_source::{Source, read_source};
use crate::check::subject::Subject;
use crate::model::EntryPath;

/// The input that Python certainly receives from the image: its search, and code or a first module.
pub(super) struct Start<'a> {
    pub(super) setting: Setting<'a>,
    pub(super) search: Search,
    pub(super) first: FirstSource,
    /// The module that a server is given.
    pub(super) served: Option<String>,
    /// `true` if a script of your layers ran before, which may install missing modules.
    pub(super) is_prepared: bool,
}

/// The first source that Python runs.
pub(super) enum FirstSource {
    Code(Source),
    Module(String),
    Script(EntryPath),
}

/// Returns each start of Python, in the order of the command lines.
pub(super) fn starts(subject: &Subject) -> Vec<Start<'_>> {
    trail(subject).visits.into_iter().filter_map(start).collect()
}

fn start(visit: Visit<'_>) -> Option<Start<'_>> {
    let Visit {
        setting,
        program,
        arguments,
        is_prepared,
    } = visit;
    if setting.subject.shebang(&program.at).is_some() {
        let interpreter = shebang::interpreter(&setting, &program.at)?;
        let tool = String::from_utf8_lossy(program.named.file_name()).into_owned();
        let served = servers::target(&setting, &tool, &arguments);
        let order = if served.is_some() {
            First::Workdir
        } else {
            First::Folder(program.at.parent()?)
        };
        let search = Search::of(&setting, &interpreter, order)?;
        return Some(Start {
            setting,
            search,
            first: FirstSource::Script(program.at),
            served,
            is_prepared,
        });
    }
    if !is_python(&String::from_utf8_lossy(program.named.file_name())) {
        return None;
    }
    let first = |sees_workdir| if sees_workdir { First::Workdir } else { First::Nothing };
    let mut served = None;
    let (order, first) = match handed(&arguments)? {
        Handed::Module { name, sees_workdir } => {
            served = servers::target(&setting, name, after(&arguments, name));
            (first(sees_workdir), FirstSource::Module(name.to_owned()))
        }
        Handed::Code { text, sees_workdir } => (first(sees_workdir), FirstSource::Code(read_source(text.as_bytes()))),
        Handed::Script(script) => {
            let at = setting.subject.resolve(&setting.place(script.as_bytes())?).ok()?;
            let main = at
                .join(b"__main__.py")
                .ok()
                .filter(|main| setting.subject.find(main).is_some());
            let folder = if main.is_some() { at.clone() } else { at.parent()? };
            (First::Folder(folder), FirstSource::Script(main.unwrap_or(at)))
        }
    };
    let search = Search::of(&setting, &program, order)?;
    Some(Start {
        setting,
        search,
        first,
        served,
        is_prepared,
    })
}
