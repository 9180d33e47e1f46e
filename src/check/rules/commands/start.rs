//! The steps from the command line to the last program that the image certainly starts.

use std::collections::BTreeSet;

use super::super::last_command::last_command;
use super::super::program::{Program, Setting};
use crate::model::EntryPath;

/// A program that the image certainly starts, and its arguments.
#[derive(Debug, Clone)]
pub(in super::super) struct Visit<'a> {
    pub(in super::super) setting: Setting<'a>,
    pub(in super::super) program: Program,
    pub(in super::super) arguments: Vec<String>,
    /// `true` if a script of your layers came before it, which may have made files for it.
    pub(in super::super) is_prepared: bool,
}

/// The way from the command line to the last program that the image certainly starts.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Trail<'a> {
    pub(in super::super) visits: Vec<Visit<'a>>,
    /// Scripts in the chain that were not read, and whose text would give more information.
    pub(in super::super) unread: BTreeSet<EntryPath>,
}

/// A command line and its environment.
pub(super) struct Start<'a> {
    pub(super) setting: Setting<'a>,
    pub(super) arguments: Vec<String>,
    /// `true` if the kernel starts it directly. A shell and `execvp` run files that the kernel refuses as scripts.
    pub(super) is_direct: bool,
    /// `true` in a busybox shell, which may have programs inside.
    pub(super) in_busybox: bool,
    /// `true` behind a script of your layers.
    pub(super) is_prepared: bool,
}

/// Returns the command in the last line of a script of your layers, with the arguments of the script; also for
/// busybox's shell.
pub(super) fn behind_script<'a>(
    mut setting: Setting<'a>,
    script: &EntryPath,
    arguments: &[String],
    trail: &mut Trail<'a>,
) -> Option<Start<'a>> {
    if !setting.subject.own().contains_key(script) {
        return None;
    }
    let Some(content) = setting.subject.content(script) else {
        trail.unread.insert(script.clone());
        return None;
    };
    let last = last_command(std::str::from_utf8(content).ok()?, arguments)?;
    if let Some(folder) = &last.folder {
        setting.workdir = setting
            .place(folder.as_bytes())
            .filter(|at| setting.subject.exists(at))?;
    }
    if !last.is_path_known {
        setting.folders = None;
    }
    // The shell does not matter: the applets of busybox are not a failure in any.
    Some(Start {
        setting,
        arguments: last.words,
        is_direct: false,
        in_busybox: true,
        is_prepared: true,
    })
}
