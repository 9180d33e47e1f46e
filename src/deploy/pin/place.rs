//! Places of a YAML file that name images.

use super::super::yaml::{Mapping, Node};
use super::name::Syntax;

/// A kind of file, by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A compose file.
    Compose,
    /// Kubernetes manifests.
    Kubernetes,
    /// A kustomization.
    Kustomization,
    /// Values of a Helm chart.
    HelmValues,
    /// A quadlet: a unit of systemd that podman reads.
    Quadlet,
}

impl FileKind {
    /// Returns the name for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compose => "compose",
            Self::Kubernetes => "kubernetes",
            Self::Kustomization => "kustomization",
            Self::HelmValues => "helm-values",
            Self::Quadlet => "quadlet",
        }
    }
}

/// A place that names an image.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// The keys that lead to it: `services.web.image`.
    pub(super) path: String,
    pub(super) form: Form<'a>,
}

/// How an image is named.
#[derive(Debug)]
pub(super) enum Form<'a> {
    /// One value has the whole reference.
    Reference(Reference<'a>),
    /// An entry of a kustomization's `images`.
    Kustomize(Mapping<'a>),
    /// A mapping with `repository`, or with `name` in its place.
    Helm(Mapping<'a>),
}

/// A value with a whole reference.
#[derive(Debug)]
pub(super) struct Reference<'a> {
    pub(super) node: Node<'a>,
    pub(super) syntax: Syntax,
    /// Whether nothing but a reference can be here.
    pub(super) is_certain: bool,
    /// A value beside it that tools append as the tag.
    pub(super) tag_beside: Option<Node<'a>>,
    /// Values beside it that tools may put before it, in this order.
    pub(super) prefixes: Vec<Node<'a>>,
}
