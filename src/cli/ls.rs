//! `ocitect ls`: lists the files of an image, as a running container sees them.

use std::os::unix::ffi::OsStrExt as _;

use serde_json::json;

use super::arguments::{LsArguments, OutputArguments};
use super::failure::{Done, Failure};
use super::image_names::{NamedImage, parse_image};
use super::platforms::parse_platform;
use super::progress;
use super::stdout::print;
use crate::build::image_facts;
use crate::environment::Environment;
use crate::model::{EntryPath, Platform, Root, escape};
use crate::store::{Source, list_entries};
use crate::tree::{Node, NodeKind, View};

/// Lists the files at and below a path.
pub async fn run(arguments: &LsArguments, output: &OutputArguments, environment: &Environment) -> Done {
    let name = parse_image(&arguments.image, environment)?;
    let asked = EntryPath::new(arguments.path.as_bytes())
        .map_err(|error| Failure::usage(&error.to_string(), "give an absolute path in the image"))?;
    let observer = progress::observer(output);
    let image = NamedImage::open(name, &arguments.registry, false, environment, &observer).await?;
    let platform = match &arguments.platform {
        Some(platform) => Some(parse_platform(platform)?),
        None => default_platform(image.source.as_ref(), &image.root).await?,
    };
    let options = environment.build_options(None)?;
    let facts = image_facts(
        &image.name,
        image.source,
        &image.root,
        platform.as_ref(),
        &image.transports,
        &options,
        &observer,
    )
    .await?
    .facts;
    let view = View::new(facts.tree.clone());
    let at = view
        .resolve(&asked)
        .map_err(|error| Failure::usage(&error.to_string(), "give another path"))?;

    let mut lines = String::new();
    let below = facts.tree.below(&at).map(|(path, node)| (path.clone(), node));
    let itself = facts
        .tree
        .node(&at)
        .filter(|_| !at.is_root())
        .map(|node| (at.clone(), node));
    for (path, node) in itself.into_iter().chain(below) {
        lines.push_str(&if arguments.json {
            json_line(&path, node)
        } else {
            text_line(&path, node)
        });
        lines.push('\n');
    }
    if lines.is_empty() && !at.is_root() {
        return Err(Failure::not_found(
            &format!("{} does not contain {asked}", image.name),
            "run `ocitect ls IMAGE` to list all paths",
        ));
    }
    print(lines.as_bytes())
}

/// Returns this machine's platform if the image has it, or else the first one; `None` for an image of a single
/// platform.
async fn default_platform(source: &dyn Source, root: &Root) -> Result<Option<Platform>, Failure> {
    let own = Platform::new(
        "linux",
        if cfg!(target_arch = "aarch64") {
            "arm64"
        } else {
            "amd64"
        },
    );
    let mut offered = list_entries(source, root)
        .await?
        .images
        .into_iter()
        .map(|listed| listed.platform);
    let first = offered.next();
    if first
        .iter()
        .cloned()
        .chain(offered)
        .any(|platform| own.distance(&platform).is_some())
    {
        Ok(Some(own))
    } else {
        Ok(first)
    }
}

fn kind(node: &Node) -> (char, u64, Option<&[u8]>) {
    match &node.kind {
        NodeKind::Directory => ('d', 0, None),
        NodeKind::File { size_bytes, .. } => ('-', *size_bytes, None),
        NodeKind::Symlink { target } => ('l', 0, Some(target)),
        NodeKind::Special => ('s', 0, None),
    }
}

/// Returns `drwxr-xr-x  0:0  SIZE  /path -> target`, with columns wide enough for most files.
fn text_line(path: &EntryPath, node: &Node) -> String {
    let (letter, size_bytes, target) = kind(node);
    let target = target
        .map(|target| format!(" -> {}", escape(target)))
        .unwrap_or_default();
    let owner = format!("{}:{}", node.uid, node.gid);
    format!(
        "{letter}{} {owner:>11} {size_bytes:>10} {path}{target}",
        permissions(node.mode)
    )
}

fn permissions(mode: u32) -> String {
    let mut text: Vec<char> = "rwxrwxrwx".chars().collect();
    for (at, letter) in text.iter_mut().enumerate() {
        if mode & (0o400 >> at) == 0 {
            *letter = '-';
        }
    }
    for (bit, at, set, alone) in [(0o4000, 2, 's', 'S'), (0o2000, 5, 's', 'S'), (0o1000, 8, 't', 'T')] {
        if mode & bit != 0 {
            text[at] = if text[at] == 'x' { set } else { alone };
        }
    }
    text.into_iter().collect()
}

fn json_line(path: &EntryPath, node: &Node) -> String {
    let (letter, size_bytes, target) = kind(node);
    let kind = match letter {
        'd' => "directory",
        '-' => "file",
        'l' => "symlink",
        _ => "special",
    };
    json!({
        "path": path.to_string(),
        "kind": kind,
        "mode": format!("{:04o}", node.mode),
        "uid": node.uid,
        "gid": node.gid,
        "size_bytes": size_bytes,
        "target": target.map(escape),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::permissions;

    #[test]
    fn modes_read_as_ls_writes_them() {
        for (mode, text) in [
            (0o755, "rwxr-xr-x"),
            (0o4755, "rwsr-xr-x"),
            (0o1777, "rwxrwxrwt"),
            (0o2644, "rw-r-Sr--"),
        ] {
            assert_eq!(permissions(mode), text);
        }
    }
}
