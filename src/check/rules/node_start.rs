//! What Node loads when the image starts: one look at it serves the rules on modules, versions and native parts.

use std::collections::BTreeMap;

use super::commands::trail;
use super::engines::{self, engines};
use super::java;
use super::missing_modules::missing_modules;
use super::native_parts::{self, native_parts};
use super::node_graph::graph;
use super::node_too_old::node_too_old;
use crate::check::finding::Finding;
use crate::check::interest::Interest;
use crate::check::subject::Subject;
use crate::model::EntryPath;

/// The rules.
pub(super) fn node_start(subject: &Subject, findings: &mut Vec<Finding>) {
    let graph = graph(subject);
    missing_modules(subject, &graph, findings);
    native_parts(subject, &graph.files, findings);
    engines(subject, &graph, findings);
    node_too_old(subject, &graph, findings);
}

/// Files of one's own that say more of what is started, and were not read: scripts, modules, archives.
pub(in super::super) fn unread_of_start(subject: &Subject) -> BTreeMap<EntryPath, Interest> {
    let graph = graph(subject);
    let whole = trail(subject).unread.into_iter().chain(engines::unread(subject, &graph));
    let whole = whole.map(|path| (path, Interest::Whole));
    let scripts = graph.unread.into_iter().chain(native_parts::unread(subject)).map(|path| (path, Interest::Script));
    whole.chain(scripts).chain(java::unread(subject)).collect()
}
