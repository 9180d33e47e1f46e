//! `ocitect inspect`: what an image is, without fetching a layer.

use serde_json::{Value, json};

use super::arguments::{InspectArguments, OutputArguments};
use super::environment::Environment;
use super::failure::Failure;
use super::render::size;
use super::{Done, login_registry, parse, parse_image, print, print_json, progress};
use crate::model::{Descriptor, Image, ImageName, MediaType, Platform, Root, escape};
use crate::store::{Source, platforms_of, read_image, read_root, select_platform};

/// Shows an image: its root, and each platform's config and layers.
pub async fn run(arguments: &InspectArguments, output: &OutputArguments, environment: &Environment) -> Done {
    let observer = progress::observer(output.progress, output.verbose > 0);
    let name = parse_image(&arguments.image, environment)?;
    let places = environment.places(&arguments.registry, &login_registry(&name), &observer)?;
    let _traffic = progress::TrafficAtEnd::of(&places, &observer);
    let (source, selector) = places.source(&name).await?;
    let root = source.resolve(&selector).await?;
    let images = match &arguments.platform {
        Some(platform) => {
            let platform: Platform = parse(platform, "such as linux/amd64")?;
            vec![select_platform(source.as_ref(), &root, &platform).await?.image]
        }
        None => all_images(source.as_ref(), &root).await?,
    };
    if arguments.json {
        return print_json(&to_json(&name, &root, &images));
    }
    print(to_text(&name, &root, &images).as_bytes())
}

/// Every image of a root. What an index lists beside images (attestations) is left out.
async fn all_images(source: &dyn Source, root: &Root) -> Result<Vec<Image>, Failure> {
    let manifest = match root {
        Root::Manifest(manifest) => return Ok(vec![read_image(source, manifest.clone()).await?]),
        Root::Index(_) => platforms_of(root),
    };
    let mut images = Vec::new();
    for (_, descriptor) in manifest {
        if let Root::Manifest(manifest) = read_root(source, descriptor).await?
            && is_image(&manifest.value().config)
        {
            images.push(read_image(source, manifest).await?);
        }
    }
    Ok(images)
}

fn is_image(config: &Descriptor) -> bool {
    matches!(config.media_type, MediaType::OciConfig | MediaType::DockerConfig)
}

fn to_json(name: &ImageName, root: &Root, images: &[Image]) -> Value {
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
        "platforms": images.iter().map(image_json).collect::<Vec<_>>(),
    })
}

fn image_json(image: &Image) -> Value {
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
        "platform": image.config().value().platform().to_string(),
        "digest": image.manifest().descriptor().digest,
        "media_type": image.manifest().descriptor().media_type,
        "size_bytes": image.size_bytes(),
        "annotations": image.manifest().value().annotations,
        "layers": layers.collect::<Vec<_>>(),
        "config_digest": image.config().descriptor().digest,
        "config": Value::Object(image.config().value().fields().clone()),
    })
}

fn to_text(name: &ImageName, root: &Root, images: &[Image]) -> String {
    let mut lines = vec![name.to_string(), field("digest", &root.descriptor().digest.to_string())];
    lines.push(field("media type", &escape(root.descriptor().media_type.as_str().as_bytes())));
    for image in images {
        lines.push(String::new());
        image_lines(image, &mut lines);
    }
    lines.push(String::new());
    lines.join("\n")
}

fn field(name: &str, value: &str) -> String {
    format!("  {name:<12} {value}")
}

fn image_lines(image: &Image, lines: &mut Vec<String>) {
    let config = image.config().value();
    lines.push(config.platform().to_string());
    lines.push(field("digest", &image.manifest().descriptor().digest.to_string()));
    lines.push(field("size", &size(image.size_bytes())));
    if let Some(created) = config.fields().get("created").and_then(Value::as_str) {
        lines.push(field("created", &escape(created.as_bytes())));
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
            lines.push(field(label, &one_line(value)));
        }
    }
    for (label, key) in [("ports", "ExposedPorts"), ("volumes", "Volumes")] {
        if let Some(Value::Object(table)) = execution.get(key).filter(|value| !is_empty(value)) {
            let names: Vec<String> = table.keys().map(|name| escape(name.as_bytes())).collect();
            lines.push(field(label, &names.join(", ")));
        }
    }
    for (name, value) in config.env() {
        lines.push(field("env", &format!("{}={}", escape(name.as_bytes()), escape(value.as_bytes()))));
    }
    if let Some(Value::Object(labels)) = execution.get("Labels") {
        for (name, value) in labels {
            lines.push(field("label", &format!("{}={}", escape(name.as_bytes()), one_line(value))));
        }
    }
    for (layer, _) in image.layers() {
        lines.push(field("layer", &format!("{}  {:>9}", layer.digest, size(layer.size_bytes))));
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
