//! The lockfile for people and for programs: pins, facts, and changes.

use serde_json::{Value, json};

use crate::build::{ImageChange, PinChange, PinnedName};
use crate::lock::{Lock, LockedImage, Pin};
use crate::model::{Descriptor, Digest, Platform, escape, size_text};
use crate::tree::Facts;

/// Returns the whole lockfile as text.
pub fn to_text(lock: &Lock) -> String {
    let mut lines = Vec::new();
    for (name, image) in lock.images() {
        lines.push(escape(name.as_bytes()));
        if image.platforms().is_empty() {
            lines.push(field("digest", &image.digest.to_string()));
            lines.push(field("facts", "not at hand; `ocitect lock` reads them from the image"));
        }
        lines.extend(image.index().map(|index| field("index", &index.to_string())));
        for (platform, pin) in image.platforms() {
            lines.push(format!("  {platform}"));
            pin_lines(pin, &mut lines);
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

fn field(name: &str, value: &str) -> String {
    format!("    {name:<10} {value}")
}

fn pin_lines(pin: &Pin, lines: &mut Vec<String>) {
    let sized = |descriptor: &Descriptor| format!("{}  {:>9}", descriptor.digest, size_text(descriptor.size_bytes));
    lines.push(field("manifest", &sized(&pin.manifest)));
    lines.push(field("config", &sized(&pin.config)));
    lines.extend(pin.layers.iter().map(|layer| field("layer", &sized(&layer.descriptor))));
    let Ok(facts) = pin.facts.read() else {
        let version = pin.facts.version;
        return lines.push(field(
            "facts",
            &format!("version {version}, which this version of ocitect cannot read"),
        ));
    };
    lines.push(field("paths", &facts.tree.len().to_string()));
    lines.extend(facts.loaders().iter().map(|path| field("loader", &path.to_string())));
    for user in facts.accounts().users() {
        lines.push(field(
            "user",
            &format!("{} {}:{}", escape(user.name.as_bytes()), user.uid, user.gid),
        ));
    }
    for package in &facts.packages {
        let name = escape(package.name.as_bytes());
        let version = escape(package.version.as_bytes());
        lines.push(field("package", &format!("{name} {version}")));
    }
    lines.extend(libraries(&facts).iter().map(|name| field("library", name)));
}

/// Returns the names under which libraries are needed, sorted, each once.
fn libraries(facts: &Facts) -> Vec<String> {
    let mut names: Vec<String> = facts
        .elf
        .values()
        .filter_map(|elf| elf.soname.as_ref())
        .map(|name| escape(name))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Returns the whole lockfile as JSON.
pub fn to_json(lock: &Lock) -> Value {
    let image = |(name, image): (&String, &LockedImage)| {
        let platforms = image.platforms().iter().map(|(platform, pin)| pin_json(platform, pin));
        json!({
            "name": name,
            "digest": image.digest,
            "index": image.index(),
            "facts_digest": image.facts_digest(),
            "platforms": platforms.collect::<Vec<_>>(),
        })
    };
    json!({ "images": lock.images().iter().map(image).collect::<Vec<_>>() })
}

fn pin_json(platform: &Platform, pin: &Pin) -> Value {
    let layers = pin.layers.iter().map(|layer| {
        let mut fields = descriptor_json(&layer.descriptor);
        fields["diff_id"] = json!(layer.diff_id);
        fields
    });
    json!({
        "platform": platform.to_string(),
        "manifest": descriptor_json(&pin.manifest),
        "config": descriptor_json(&pin.config),
        "layers": layers.collect::<Vec<_>>(),
        "facts_version": pin.facts.version,
        "facts": pin.facts.read().ok().map(|facts| facts_json(&facts)),
    })
}

fn descriptor_json(descriptor: &Descriptor) -> Value {
    let Descriptor {
        media_type,
        digest,
        size_bytes,
        ..
    } = descriptor;
    json!({ "media_type": media_type, "digest": digest, "size_bytes": size_bytes })
}

fn facts_json(facts: &Facts) -> Value {
    let users = facts.accounts();
    let users = users
        .users()
        .iter()
        .map(|user| json!({ "name": user.name, "uid": user.uid, "gid": user.gid }));
    let package = |package: &crate::tree::Package| json!({ "name": package.name, "version": package.version });
    json!({
        "paths": facts.tree.len(),
        "loaders": facts.loaders().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "users": users.collect::<Vec<_>>(),
        "packages": facts.packages.iter().map(package).collect::<Vec<_>>(),
        "libraries": libraries(facts),
    })
}

/// Returns the changes of an update as text.
pub fn changes(changes: &[ImageChange]) -> String {
    if !changes.iter().any(ImageChange::is_change) {
        return "no pin changed\n".to_owned();
    }
    let mut lines = Vec::new();
    for image in changes.iter().filter(|image| image.is_change()) {
        lines.push(format!(
            "{}  {}",
            escape(image.name.as_bytes()),
            from_to(image.old, image.new)
        ));
        image
            .platforms
            .iter()
            .for_each(|change| pin_change_lines(change, &mut lines));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn from_to(old: Option<Digest>, new: Option<Digest>) -> String {
    match (old, new) {
        (Some(old), Some(new)) if old == new => format!("{new}"),
        (Some(old), Some(new)) => format!("{old} -> {new}"),
        (None, Some(new)) => format!("new: {new}"),
        (old, None) => format!("removed: {}", old.map(|old| old.to_string()).unwrap_or_default()),
    }
}

fn pin_change_lines(change: &PinChange, lines: &mut Vec<String>) {
    if change.old == Some(change.new) {
        return lines.push(format!("  {}  unchanged", change.platform));
    }
    lines.push(format!(
        "  {}  {}",
        change.platform,
        from_to(change.old, Some(change.new))
    ));
    let date = |date: &Option<String>| {
        date.as_ref()
            .map_or_else(|| "unknown".to_owned(), |date| escape(date.as_bytes()))
    };
    match change.old {
        Some(_) => {
            let dates = format!("{} -> {}", date(&change.old_created), date(&change.new_created));
            lines.push(field("created", &dates));
            lines.push(field(
                "layers",
                &format!("{} of {} shared", change.shared_layer_count, change.layer_count),
            ));
        }
        None => {
            lines.push(field("created", &date(&change.new_created)));
            lines.push(field("layers", &change.layer_count.to_string()));
        }
    }
    let shown = |text: &str| escape(text.as_bytes());
    for (name, old, new) in &change.packages.changed {
        lines.push(field(
            "changed",
            &format!("{} {} -> {}", shown(name), shown(old), shown(new)),
        ));
    }
    for (name, version) in &change.packages.added {
        lines.push(field("added", &format!("{} {}", shown(name), shown(version))));
    }
    for (name, version) in &change.packages.removed {
        lines.push(field("removed", &format!("{} {}", shown(name), shown(version))));
    }
}

/// Returns the pinned and the current digest of each name, one line each.
pub fn names(names: &[PinnedName]) -> String {
    names.iter().map(name_line).collect()
}

fn name_line(name: &PinnedName) -> String {
    let image = escape(name.name.as_bytes());
    match name.locked {
        None => format!("{image}  not pinned; the current digest is {}\n", name.current),
        Some(locked) if locked != name.current => format!("{image}  {locked} -> {}\n", name.current),
        Some(locked) => format!("{image}  {locked} is current\n"),
    }
}

/// Returns the pinned and the current digest of each name, as JSON.
pub fn names_json(names: &[PinnedName]) -> Value {
    let name = |name: &PinnedName| {
        json!({
            "name": name.name,
            "outdated": name.is_outdated(),
            "locked_digest": name.locked,
            "current_digest": name.current,
            "missing_platforms": name.missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    };
    names.iter().map(name).collect()
}
