//! `ocitect inspect`: describes an image without fetching a layer.

use serde_json::{Value, json};

use super::arguments::{InspectArguments, OutputArguments};
use super::failure::{Done, Failure};
use super::image_names::{NamedImage, parse_image};
use super::platforms::{parse_platform, skipped_json};
use super::progress;
use super::stdout::{print, print_json};
use crate::environment::Environment;
use crate::model::{Image, ImageName, Platform, Root, escape, size_text};
use crate::store::{Entries, ReadEntry, SkippedEntry, Source, list_entries, read_image, read_listed, select_platform};

/// Prints an image: its root, and each platform's config and layers.
pub async fn run(arguments: &InspectArguments, output: &OutputArguments, environment: &Environment) -> Done {
    let observer = progress::observer(output);
    let name = parse_image(&arguments.image, environment)?;
    let image = NamedImage::open(name, &arguments.registry, false, environment, &observer).await?;
    let source = image.source.as_ref();
    let root = &image.root;
    let shown = match &arguments.platform {
        Some(platform) => {
            let platform = parse_platform(platform)?;
            let image = select_platform(source, root, &platform).await?.image;
            Shown {
                images: vec![ShownImage { image, listed: None }],
                skipped: Vec::new(),
            }
        }
        None => all_images(source, root).await?,
    };
    if arguments.json {
        return print_json(&to_json(&image.name, root, &shown));
    }
    print(to_text(&image.name, root, &shown).as_bytes())
}

/// The contents to print.
struct Shown {
    images: Vec<ShownImage>,
    /// Entries of an index that are not images.
    skipped: Vec<SkippedEntry>,
}

/// The image of one platform.
struct ShownImage {
    image: Image,
    /// The platform in the index, if there is an index.
    listed: Option<Platform>,
}

impl ShownImage {
    /// Returns the platform in the index, or else in the config.
    fn platform(&self) -> &Platform {
        self.listed
            .as_ref()
            .unwrap_or_else(|| self.image.config().value().platform())
    }

    /// Returns the platform in the config, if it differs from the index.
    fn contradiction(&self) -> Option<&Platform> {
        let config = self.image.config().value();
        self.listed
            .as_ref()
            .filter(|listed| config.contradicts(listed))
            .map(|_| config.platform())
    }
}

/// Returns every image of a root, and the other entries of an index (attestations).
async fn all_images(source: &dyn Source, root: &Root) -> Result<Shown, Failure> {
    if let Root::Manifest(manifest) = root {
        let image = read_image(source, manifest.clone()).await?;
        return Ok(Shown {
            images: vec![ShownImage { image, listed: None }],
            skipped: Vec::new(),
        });
    }
    let Entries {
        images: entries,
        mut skipped,
    } = list_entries(source, root).await?;
    let mut images = Vec::new();
    for entry in entries {
        match read_listed(source, &entry.descriptor).await? {
            ReadEntry::Image(image) => images.push(ShownImage {
                image,
                listed: Some(entry.platform),
            }),
            ReadEntry::Skipped(entry) => skipped.push(entry),
        }
    }
    Ok(Shown { images, skipped })
}

fn to_json(name: &ImageName, root: &Root, shown: &Shown) -> Value {
    let annotations = match root {
        Root::Index(index) => &index.value().annotations,
        Root::Manifest(manifest) => &manifest.value().annotations,
    };
    json!({
        "name": name.to_string(),
        "digest": root.descriptor().digest,
        "media_type": root.descriptor().media_type,
        "size_bytes": root.descriptor().size_bytes,
        "annotations": annotations,
        "platforms": shown.images.iter().map(image_json).collect::<Vec<_>>(),
        "skipped": shown.skipped.iter().map(skipped_json).collect::<Vec<_>>(),
    })
}

fn image_json(shown: &ShownImage) -> Value {
    let image = &shown.image;
    let layers = image.layers().map(|(layer, diff_id)| {
        json!({
            "digest": layer.digest,
            "diff_id": diff_id,
            "media_type": layer.media_type,
            "size_bytes": layer.size_bytes,
            "annotations": layer.annotations,
        })
    });
    json!({
        "platform": shown.platform().to_string(),
        "config_platform": shown.contradiction().map(Platform::to_string),
        "digest": image.manifest().descriptor().digest,
        "media_type": image.manifest().descriptor().media_type,
        "size_bytes": image.size_bytes(),
        "annotations": image.manifest().value().annotations,
        "layers": layers.collect::<Vec<_>>(),
        "config_digest": image.config().descriptor().digest,
        "config": Value::Object(image.config().value().fields().clone()),
    })
}

fn to_text(name: &ImageName, root: &Root, shown: &Shown) -> String {
    let mut lines = vec![name.to_string(), field("digest", &root.descriptor().digest.to_string())];
    lines.push(field(
        "media type",
        &escape(root.descriptor().media_type.as_str().as_bytes()),
    ));
    for image in &shown.images {
        lines.push(String::new());
        image_lines(image, &mut lines);
    }
    if !shown.skipped.is_empty() {
        lines.push(String::new());
    }
    lines.extend(
        shown
            .skipped
            .iter()
            .map(|entry| field("not an image", &entry.to_string())),
    );
    lines.push(String::new());
    lines.join("\n")
}

fn field(name: &str, value: &str) -> String {
    format!("  {name:<12} {value}")
}

fn image_lines(shown: &ShownImage, lines: &mut Vec<String>) {
    let image = &shown.image;
    let config = image.config().value();
    lines.push(shown.platform().to_string());
    let mut add = |name: &str, value: &str| lines.push(field(name, value));
    if let Some(stated) = shown.contradiction() {
        add("warning", &format!("its config says {stated}"));
    }
    add("digest", &image.manifest().descriptor().digest.to_string());
    add("size", &size_text(image.size_bytes()));
    if let Some(created) = config.fields().get("created").and_then(Value::as_str) {
        add("created", &escape(created.as_bytes()));
    }
    let execution = config.execution();
    for (label, key) in [
        ("user", "User"),
        ("workdir", "WorkingDir"),
        ("entrypoint", "Entrypoint"),
        ("cmd", "Cmd"),
        ("health", "Healthcheck"),
    ] {
        if let Some(value) = execution.get(key).filter(|value| !is_empty(value)) {
            add(label, &one_line(value));
        }
    }
    for (label, key) in [("ports", "ExposedPorts"), ("volumes", "Volumes")] {
        if let Some(Value::Object(table)) = execution.get(key).filter(|value| !is_empty(value)) {
            let names: Vec<String> = table.keys().map(|name| escape(name.as_bytes())).collect();
            add(label, &names.join(", "));
        }
    }
    for (name, value) in config.env() {
        add(
            "env",
            &format!("{}={}", escape(name.as_bytes()), escape(value.as_bytes())),
        );
    }
    if let Some(Value::Object(labels)) = execution.get("Labels") {
        for (name, value) in labels {
            add("label", &format!("{}={}", escape(name.as_bytes()), one_line(value)));
        }
    }
    for (layer, _) in image.layers() {
        add(
            "layer",
            &format!("{}  {:>9}", layer.digest, size_text(layer.size_bytes)),
        );
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn one_line(value: &Value) -> String {
    match value {
        Value::String(text) => escape(text.as_bytes()),
        other => escape(other.to_string().as_bytes()),
    }
}
