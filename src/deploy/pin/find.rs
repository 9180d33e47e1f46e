//! Finds the places that name images, by the kind of each document.

use super::super::compose_keys::is_compose_key;
use super::super::yaml::{Mapping, Node, ScalarKind, Value};
use super::name::Syntax;
use super::place::{FileKind, Form, Place, Reference};

/// API group of kustomizations.
const KUSTOMIZE_GROUP: &str = "kustomize.config.k8s.io/";

/// API group of Flux's kustomizations, which have the same entries in `spec`.
const FLUX_GROUP: &str = "kustomize.toolkit.fluxcd.io/";

/// Keys of an entry of `images` in a kustomization, besides `name`.
const KUSTOMIZE_ENTRY_KEYS: [&str; 3] = ["newName", "newTag", "digest"];

/// Keys of Kubernetes objects whose values are the user's own, and run no image.
const FREE_DATA_KEYS: [&str; 4] = ["metadata", "data", "stringData", "binaryData"];

/// Kinds of Kubernetes objects with such data.
const FREE_DATA_KINDS: [&str; 2] = ["ConfigMap", "Secret"];

/// Lists of containers in a pod.
const CONTAINER_LISTS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// Keys that charts put before an `image` beside them.
const PREFIX_KEYS: [&str; 2] = ["registry", "repository"];

/// Keys that charts append to an `image` beside them.
const TAG_KEYS: [&str; 4] = ["tag", "imageTag", "version", "digest"];

/// Returns the kind of a document, and its places; `None` if it is no mapping.
pub(super) fn places(root: Node<'_>) -> Option<(FileKind, Vec<Place<'_>>)> {
    let mapping = root.as_mapping()?;
    let kind = kind(mapping);
    let mut finder = Finder {
        kind,
        keys: Vec::new(),
        places: Vec::new(),
    };
    match kind {
        FileKind::Compose => finder.compose(mapping),
        FileKind::Kustomization => finder.kustomization(mapping),
        _ => finder.walk(root, None),
    }
    Some((kind, finder.places))
}

fn kind(root: Mapping<'_>) -> FileKind {
    let text = |key: &str| root.get(key).and_then(Node::as_text);
    if let (Some(version), Some(_)) = (text("apiVersion"), text("kind")) {
        let is_kustomization = version.starts_with(KUSTOMIZE_GROUP) || version.starts_with(FLUX_GROUP);
        return if is_kustomization {
            FileKind::Kustomization
        } else {
            FileKind::Kubernetes
        };
    }
    if is_compose(root) {
        FileKind::Compose
    } else if is_kustomization(root) {
        FileKind::Kustomization
    } else {
        FileKind::HelmValues
    }
}

fn is_compose(root: Mapping<'_>) -> bool {
    let Some(services) = root.get("services").and_then(Node::as_mapping) else {
        return false;
    };
    let runs_image = |service: Node<'_>| {
        let has_image = service.get("image").is_some_and(|image| image.as_scalar().is_some());
        has_image || service.get("build").is_some()
    };
    services.entries().any(|(_, service)| runs_image(service))
        || root.entries().all(|(key, _)| key.as_text().is_some_and(is_compose_key))
}

fn is_kustomization(root: Mapping<'_>) -> bool {
    let Some(images) = root.get("images").filter(|images| images.as_sequence().is_some()) else {
        return false;
    };
    let is_entry =
        |item: Node<'_>| item.get("name").is_some() && KUSTOMIZE_ENTRY_KEYS.iter().any(|key| item.get(key).is_some());
    images.items().any(is_entry) || root.get("resources").is_some()
}

struct Finder<'a> {
    kind: FileKind,
    keys: Vec<String>,
    places: Vec<Place<'a>>,
}

impl<'a> Finder<'a> {
    fn push(&mut self, form: Form<'a>) {
        let mut path = String::new();
        for key in &self.keys {
            if !path.is_empty() && !key.starts_with('[') {
                path.push('.');
            }
            path.push_str(key);
        }
        self.places.push(Place { path, form });
    }

    fn at(&mut self, key: impl Into<String>, find: impl FnOnce(&mut Self)) {
        self.keys.push(key.into());
        find(self);
        self.keys.pop();
    }

    fn reference(&mut self, node: Node<'a>, is_certain: bool) {
        self.reference_beside(node, is_certain, None, Vec::new());
    }

    fn reference_beside(
        &mut self,
        node: Node<'a>,
        is_certain: bool,
        tag_beside: Option<Node<'a>>,
        prefixes: Vec<Node<'a>>,
    ) {
        let syntax = if self.kind == FileKind::Compose {
            Syntax::Compose
        } else {
            Syntax::Manifest
        };
        self.push(Form::Reference(Reference {
            node,
            syntax,
            is_certain,
            tag_beside,
            prefixes,
        }));
    }

    /// Services, and the images that they mount.
    fn compose(&mut self, root: Mapping<'a>) {
        let services = root.lookup("services").into_iter().flat_map(Node::entries);
        for (name, service) in services {
            let Some(service) = service.as_mapping() else { continue };
            let path = format!("services.{}", name.as_text().unwrap_or_default());
            if let Some(image) = service.lookup("image") {
                self.at(format!("{path}.image"), |finder| finder.reference(image, true));
            }
            let volumes = service.lookup("volumes").into_iter().flat_map(Node::items);
            for (index, volume) in volumes.enumerate() {
                let Some(volume) = volume.as_mapping() else { continue };
                let is_image = volume.lookup("type").and_then(Node::as_text) == Some("image");
                if let Some(source) = volume.lookup("source").filter(|_| is_image) {
                    let path = format!("{path}.volumes[{index}].source");
                    self.at(path, |finder| finder.reference(source, true));
                }
            }
        }
    }

    fn kustomization(&mut self, root: Mapping<'a>) {
        let spec = root.get("spec").and_then(Node::as_mapping);
        for (prefix, mapping) in [("", Some(root)), ("spec.", spec)] {
            let images = mapping.and_then(|mapping| mapping.get("images"));
            for (index, entry) in images.into_iter().flat_map(Node::items).enumerate() {
                if let Some(entry) = entry.as_mapping() {
                    self.at(format!("{prefix}images[{index}]"), |finder| {
                        finder.push(Form::Kustomize(entry))
                    });
                }
            }
        }
    }

    /// Walks manifests and values. An alias is not followed, since what it stands for is walked where it is written.
    fn walk(&mut self, node: Node<'a>, list: Option<&str>) {
        if node.is_alias() {
            return;
        }
        match node.value() {
            Value::Scalar(_) => {}
            Value::Sequence(sequence) => {
                for (index, item) in sequence.items().enumerate() {
                    self.at(format!("[{index}]"), |finder| finder.walk(item, list));
                }
            }
            Value::Mapping(mapping) => self.walk_mapping(mapping, list),
        }
    }

    fn walk_mapping(&mut self, mapping: Mapping<'a>, list: Option<&str>) {
        let is_kubernetes = self.kind == FileKind::Kubernetes;
        let has_free_data = is_kubernetes
            && mapping
                .get("kind")
                .and_then(Node::as_text)
                .is_some_and(|kind| FREE_DATA_KINDS.contains(&kind));
        if !is_kubernetes {
            self.helm(mapping, list);
        }
        for (key, value) in mapping.entries() {
            let Some(key) = key.as_text() else { continue };
            let is_free = key == FREE_DATA_KEYS[0] || has_free_data && FREE_DATA_KEYS.contains(&key);
            if is_kubernetes && is_free {
                continue;
            }
            self.at(key, |finder| match key {
                "image" => finder.image(mapping, value, list),
                _ => finder.walk(value, Some(key)),
            });
        }
    }

    /// A value with the key `image`.
    fn image(&mut self, mapping: Mapping<'a>, value: Node<'a>, list: Option<&str>) {
        let is_container = list.is_some_and(|list| CONTAINER_LISTS.contains(&list));
        let is_certain = self.kind == FileKind::Kubernetes && is_container;
        if is_certain || value.as_scalar().is_some() {
            if self.kind != FileKind::HelmValues {
                return self.reference(value, is_certain);
            }
            let tag = TAG_KEYS.iter().find_map(|key| mapping.lookup(key));
            let prefixes = PREFIX_KEYS.iter().filter_map(|key| mapping.lookup(key)).collect();
            return self.reference_beside(value, is_certain, tag, prefixes);
        }
        let reference = value.get("reference").filter(|_| list == Some("volumes"));
        match reference {
            Some(reference) if self.kind == FileKind::Kubernetes => {
                self.at("reference", |finder| finder.reference(reference, true));
            }
            _ => self.walk(value, Some("image")),
        }
    }

    /// A mapping of values with a repository, or with a name below the key of an image.
    fn helm(&mut self, mapping: Mapping<'a>, key: Option<&str>) {
        let is_text = |key: &str| {
            let node = mapping.lookup(key);
            node.is_some_and(|node| node.scalar_kind() == Some(ScalarKind::Text))
        };
        let is_image = key.is_some_and(|key| key == "image" || key == "images" || key.ends_with("Image"));
        if is_text("repository") || is_image && is_text("name") {
            self.push(Form::Helm(mapping));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::yaml::parse;

    fn found(text: &str) -> (FileKind, Vec<String>) {
        let documents = parse(text).unwrap();
        let (kind, places) = places(documents[0].root()).unwrap();
        (kind, places.into_iter().map(|place| place.path).collect())
    }

    fn expect(text: &str, kind: FileKind, paths: &[&str]) {
        let (found_kind, found_paths) = found(text);
        assert_eq!(
            (found_kind, found_paths.as_slice()),
            (kind, paths.map_owned().as_slice()),
            "{text}"
        );
    }

    trait MapOwned {
        fn map_owned(&self) -> Vec<String>;
    }

    impl MapOwned for [&str] {
        fn map_owned(&self) -> Vec<String> {
            self.iter().map(|text| (*text).to_owned()).collect()
        }
    }

    #[test]
    fn compose_files_name_images_in_services_and_image_mounts() {
        expect(
            "x-a: &a {image: a}\nservices:\n  web: {<<: *a}\n  db:\n    image: b\n    volumes:\n      - x:/y\n      \
             - {type: image, source: c, target: /c}\n      - {type: bind, source: d}\n",
            FileKind::Compose,
            &[
                "services.web.image",
                "services.db.image",
                "services.db.volumes[1].source",
            ],
        );
        expect("services: {web: {extends: {service: x}}}\n", FileKind::Compose, &[]);
    }

    #[test]
    fn manifests_name_images_at_any_depth() {
        expect(
            "apiVersion: v1\nkind: List\nitems:\n- kind: Deployment\n  metadata: {image: x}\n  spec:\n    template:\n      \
             metadata: {annotations: {image: x}}\n      spec:\n        containers: [{image: a}, {name: b, image: b}]\n        \
             initContainers: [{image: c}]\n        ephemeralContainers: [{image: d}]\n        volumes:\n        \
             - image: {reference: e}\n- kind: ConfigMap\n  data: {image: x}\n- kind: Workflow\n  spec: {container: {image: f}}\n",
            FileKind::Kubernetes,
            &[
                "items[0].spec.template.spec.containers[0].image",
                "items[0].spec.template.spec.containers[1].image",
                "items[0].spec.template.spec.initContainers[0].image",
                "items[0].spec.template.spec.ephemeralContainers[0].image",
                "items[0].spec.template.spec.volumes[0].image.reference",
                "items[2].spec.container.image",
            ],
        );
    }

    #[test]
    fn kustomizations_are_known_with_and_without_a_kind() {
        let paths = &["images[0]", "images[1]"];
        expect(
            "images: [{name: a, newTag: b}, {name: c}]\n",
            FileKind::Kustomization,
            paths,
        );
        expect(
            "resources: []\nimages: [{name: a}, {name: c}]\n",
            FileKind::Kustomization,
            paths,
        );
        let head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Component\n";
        expect(
            &format!("{head}images:\n- name: a\n- name: b\n"),
            FileKind::Kustomization,
            paths,
        );
        let head = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n";
        expect(
            &format!("{head}spec:\n  images:\n  - name: a\n"),
            FileKind::Kustomization,
            &["spec.images[0]"],
        );
    }

    #[test]
    fn everything_else_is_values_of_a_chart() {
        expect(
            "image: {repository: a, tag: b}\nsidecar:\n  image: c\nservices: {web: {image: {repository: d}, port: 1}}\n\
             list: [{repository: e}]\nrepository: {x: y}\napi: {name: f, image: {name: g}}\nwebImage: {name: h}\n",
            FileKind::HelmValues,
            &[
                "image",
                "sidecar.image",
                "services.web.image",
                "list[0]",
                "api.image",
                "webImage",
            ],
        );
    }
}
