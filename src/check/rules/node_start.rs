//! The modules that Node loads when the image starts. The rules on modules, versions and native parts share them.

use std::collections::BTreeMap;

use super::commands::trail;
use super::engines::{self, engines};
use super::java;
use super::missing_modules::missing_modules;
use super::native_parts::{self, native_parts};
use super::node_graph::graph;
use super::node_too_old::node_too_old;
use crate::check::code::Code;
use crate::check::evidence::Interest;
use crate::check::finding::Finding;
use crate::check::rules::rule::Rule;
use crate::check::subject::Subject;
use crate::model::EntryPath;

/// The rule of [`node_start`].
pub(super) const RULE: Rule = Rule::new(
    &[
        Code::MissingImport,
        Code::MissingPlatformPackage,
        Code::NodeTooOld,
        Code::UnsupportedEngine,
    ],
    node_start,
);

/// Applies the rules that depend on the modules which Node loads at its start.
fn node_start(subject: &Subject, findings: &mut Vec<Finding>) {
    let graph = graph(subject);
    missing_modules(subject, &graph, findings);
    native_parts(subject, &graph.files, findings);
    engines(subject, &graph, findings);
    node_too_old(subject, &graph, findings);
}

/// Returns files of your layers that were not read, and that the start leads to: scripts, modules, archives.
pub(in super::super) fn unread_of_start(subject: &Subject) -> BTreeMap<EntryPath, Interest> {
    let graph = graph(subject);
    let whole = trail(subject)
        .unread
        .into_iter()
        .chain(engines::unread(subject, &graph));
    let whole = whole.map(|path| (path, Interest::Whole));
    let scripts = graph
        .unread
        .into_iter()
        .chain(native_parts::unread(subject))
        .map(|path| (path, Interest::Script));
    whole.chain(scripts).chain(java::unread(subject)).collect()
}
