//! Suggestions for an image on the disk that was given by its path only.

use std::path::Path;

use crate::archive::{ArchiveKind, kind_of};
use crate::model::{escape, escape_path};
use crate::store::LAYOUT_MARKER_NAME;

/// File name extensions of archives.
const ARCHIVE_SUFFIXES: [&str; 6] = [".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst", ".oci"];

/// Returns the kind and the name of the image at a path, if there is one.
pub fn image_at(path: &Path) -> Option<(&'static str, String)> {
    let shown = escape_path(path);
    if path.is_dir() {
        if path.join(LAYOUT_MARKER_NAME).is_file() {
            return Some(("an OCI layout", format!("name it oci:{shown}")));
        }
        // The layout of skopeo's `dir:`.
        let is_dir = path.join("version").is_file() && path.join("manifest.json").is_file();
        return is_dir.then(|| {
            (
                "a directory in skopeo's dir: format",
                format!("convert it to a layout: skopeo copy dir:{shown} oci:DIR:TAG"),
            )
        });
    }
    if !path.is_file() {
        return None;
    }
    match kind_of(path)? {
        ArchiveKind::Oci => Some(("an OCI archive", format!("name it oci-archive:{shown}"))),
        ArchiveKind::Docker => Some(("a docker save archive", format!("name it docker-archive:{shown}"))),
        ArchiveKind::Compressed if is_named_as_archive(&shown) => Some((
            "a compressed archive",
            format!("name it oci-archive:{shown} or docker-archive:{shown}"),
        )),
        ArchiveKind::Compressed => None,
    }
}

/// Returns a suggestion for `text`, which is no valid name of an image and may end in a tag.
pub fn suggestion(text: &str) -> Option<String> {
    let candidates = [(text, None)]
        .into_iter()
        .chain(text.split_once(':').map(|(path, tag)| (path, Some(tag))));
    for (path, tag) in candidates {
        if let Some((what, help)) = image_at(Path::new(path)) {
            let tag = tag
                .map(|tag| format!(" (append the tag: :{})", escape(tag.as_bytes())))
                .unwrap_or_default();
            return Some(format!("{} is {what}: {help}{tag}", escape(path.as_bytes())));
        }
    }
    // The text before an `@` may be a password.
    if text.contains('@') {
        return None;
    }
    let shown = escape(text.as_bytes());
    let is_path = text.starts_with(['.', '/']) && !text.contains("://");
    if is_named_as_archive(text.split(':').next().unwrap_or_default()) {
        Some(format!("write a file as oci-archive:{shown} or docker-archive:{shown}"))
    } else if is_path {
        Some(format!(
            "write a directory as oci:{shown}, a file as oci-archive:{shown} or docker-archive:{shown}"
        ))
    } else {
        None
    }
}

fn is_named_as_archive(name: &str) -> bool {
    ARCHIVE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_are_not_there_are_told_by_their_names() {
        assert_eq!(
            suggestion("nowhere/x.tar").unwrap(),
            "write a file as oci-archive:nowhere/x.tar or docker-archive:nowhere/x.tar"
        );
        assert!(
            suggestion("./nowhere")
                .unwrap()
                .starts_with("write a directory as oci:./nowhere")
        );
        assert_eq!(suggestion("node:18-slim"), None);
        assert_eq!(suggestion("https://ghcr.io/x"), None);
    }

    #[test]
    fn what_is_there_is_told_by_its_content() {
        let directory = tempfile::tempdir().unwrap();
        let layout = directory.path().join("layout");
        std::fs::create_dir(&layout).unwrap();
        assert_eq!(image_at(&layout), None);
        std::fs::write(layout.join(LAYOUT_MARKER_NAME), "{}").unwrap();
        let named = format!("{} is an OCI layout: name it oci:{0}", layout.display());
        assert_eq!(suggestion(layout.to_str().unwrap()), Some(named));
        let file = directory.path().join("file");
        std::fs::write(&file, "not a tar").unwrap();
        assert_eq!(image_at(&file), None);
    }
}
