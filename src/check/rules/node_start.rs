//! The modules that Node loads when the image starts. The rules on modules, versions and native parts share them.

use super::engines::{self, engines};
use super::missing_modules::missing_modules;
use super::native_parts::{self, native_parts};
use super::node_graph::graph;
use super::node_too_old::node_too_old;
use crate::check::rules::rule::{ReadPart, Rule, read_all};
use crate::check::{Code, Finding, Interest, Subject};

/// The rule of [`node_start`].
pub(super) const RULE: Rule = Rule::new(
    &[
        Code::MissingImport,
        Code::MissingPlatformPackage,
        Code::NodeTooOld,
        Code::UnsupportedEngine,
    ],
    node_start,
)
.following(sources);

/// Applies the rules that depend on the modules which Node loads at its start.
fn node_start(subject: &Subject, findings: &mut Vec<Finding>) {
    let graph = graph(subject);
    missing_modules(subject, &graph, findings);
    native_parts(subject, &graph.files, findings);
    engines(subject, &graph, findings);
    node_too_old(subject, &graph, findings);
}

/// Reads the sources that Node loads, those that show what packages can do without, and the headers of your Node.
fn sources(subject: &Subject, read: &mut ReadPart<'_>) {
    let graph = graph(subject);
    let headers = engines::unread(subject, &graph);
    read_all(headers.into_iter().map(|at| (at, Interest::Whole)), read);
    let scripts = graph.unread.into_iter().chain(native_parts::unread(subject));
    read_all(scripts.map(|at| (at, Interest::Script)), read);
}
