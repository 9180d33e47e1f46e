//! Which packages need a package of `node_modules`, by the manifests of the image (npm, "package.json").

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;

use crate::check::folders::test_folder;
use crate::check::marks::Marks;
use crate::check::node_modules::Place;
use crate::check::subject::Subject;
use crate::model::EntryPath;

/// How a package came into the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// An application needs it, or a package that an application needs.
    Required,
    /// The manifest that names it allows it to be missing.
    Optional,
    /// An application needs it only for development.
    Development,
    /// No manifest names it.
    Unnamed,
}

/// Which packages need which.
pub(super) struct Dependencies {
    required: BTreeSet<EntryPath>,
    optional: BTreeSet<EntryPath>,
    development: BTreeSet<EntryPath>,
    /// Who names a package as optional.
    optional_parents: BTreeMap<EntryPath, BTreeSet<EntryPath>>,
    roots: BTreeSet<EntryPath>,
    /// `true` if the image has the manifest of an application.
    has_root: bool,
}

/// The packages that one manifest names, by the place where Node finds them.
#[derive(Default)]
struct Named {
    required: Vec<EntryPath>,
    optional: Vec<EntryPath>,
    development: Vec<EntryPath>,
}

impl Dependencies {
    pub(super) fn of(subject: &Subject) -> Self {
        let mut named: BTreeMap<EntryPath, Named> = BTreeMap::new();
        let mut roots = VecDeque::new();
        let manifests = subject.own_marked(Marks::NODE_PACKAGE).map(|(path, _)| path);
        for path in manifests.filter(|path| path.file_name() == b"package.json" && test_folder(path).is_none()) {
            let Some(folder) = path.parent() else { continue };
            let Some(manifest) = subject
                .content(path)
                .and_then(|bytes| serde_json::from_slice(bytes).ok())
            else {
                continue;
            };
            if Place::of(path).is_none() {
                roots.push_back(folder.clone());
            }
            let packages = named_by(subject, &folder, &manifest);
            named.insert(folder, packages);
        }
        let mut found = Self {
            required: BTreeSet::new(),
            optional: BTreeSet::new(),
            development: BTreeSet::new(),
            optional_parents: BTreeMap::new(),
            roots: roots.iter().cloned().collect(),
            has_root: !roots.is_empty(),
        };
        for root in &roots {
            found.development.extend(
                named
                    .get(root)
                    .into_iter()
                    .flat_map(|named| named.development.iter().cloned()),
            );
        }
        while let Some(folder) = roots.pop_front() {
            let Some(packages) = named.get(&folder) else { continue };
            for package in &packages.required {
                if found.required.insert(package.clone()) {
                    roots.push_back(package.clone());
                }
            }
        }
        for (folder, packages) in &named {
            for package in &packages.optional {
                found.optional.insert(package.clone());
                found
                    .optional_parents
                    .entry(package.clone())
                    .or_default()
                    .insert(folder.clone());
            }
        }
        found
    }

    /// Returns the folders of the packages that name the package in a folder as optional.
    pub(super) fn optional_parents(&self, folder: &EntryPath) -> impl Iterator<Item = &EntryPath> {
        self.optional_parents.get(folder).into_iter().flatten()
    }

    /// Returns why the packages are in the image that name the package in a folder as optional.
    pub(super) fn need_of_parents(&self, folder: &EntryPath) -> Need {
        let Some(parents) = self.optional_parents.get(folder) else {
            return self.need_of(folder);
        };
        let is_required = |parent: &EntryPath| self.roots.contains(parent) || self.need_of(parent) == Need::Required;
        if parents.iter().any(is_required) {
            Need::Required
        } else {
            Need::Optional
        }
    }

    /// Returns why the package in a folder is in the image. If no application has a manifest, each package counts as
    /// required.
    pub(super) fn need_of(&self, folder: &EntryPath) -> Need {
        match () {
            () if self.required.contains(folder) || !self.has_root && !self.optional.contains(folder) => Need::Required,
            () if self.optional.contains(folder) => Need::Optional,
            () if self.development.contains(folder) => Need::Development,
            () => Need::Unnamed,
        }
    }
}

fn named_by(subject: &Subject, folder: &EntryPath, manifest: &Value) -> Named {
    let names = |list: &str| -> Vec<&str> {
        manifest
            .get(list)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect()
    };
    let optional = names("optionalDependencies");
    let peers_meta = manifest.get("peerDependenciesMeta");
    let is_optional_peer = |name: &str| {
        let meta = peers_meta.and_then(|meta| meta.get(name)?.get("optional"));
        meta.and_then(Value::as_bool) == Some(true)
    };
    let (optional_peers, peers): (Vec<&str>, Vec<&str>) = names("peerDependencies")
        .into_iter()
        .partition(|name| is_optional_peer(name));
    let at = |names: Vec<&str>| {
        names
            .into_iter()
            .filter_map(|name| package_at(subject, folder, name))
            .collect()
    };
    let required = names("dependencies")
        .into_iter()
        .filter(|name| !optional.contains(name));
    Named {
        required: at(required.chain(peers).collect()),
        optional: at(optional.iter().copied().chain(optional_peers).collect()),
        development: at(names("devDependencies")),
    }
}

/// Returns the place where Node finds a package that the package in `folder` requires, following links.
pub(super) fn package_at(subject: &Subject, folder: &EntryPath, name: &str) -> Option<EntryPath> {
    let above = folder.ancestors();
    let mut places = above
        .filter(|folder| folder.file_name() != b"node_modules")
        .filter_map(|folder| {
            let at = folder.join(&[b"node_modules/", name.as_bytes()].concat()).ok()?;
            subject.exists(&at).then(|| subject.resolve(&at).ok())?
        });
    places.next()
}
