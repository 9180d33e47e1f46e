//! Whether a layout is whole: every blob is what its name says, and everything that is named exists.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::support::faults::content::digest;
use crate::support::{Layout, files_below};

/// Checks every file of a layout, and every descriptor that its index leads to. Returns the digests that it leads to.
#[track_caller]
pub fn assert_whole(layout: &Layout) -> BTreeSet<String> {
    for path in files_below(&layout.directory.join("blobs")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(digest(&fs::read(&path).unwrap()), format!("sha256:{name}"));
    }
    let mut seen = BTreeSet::new();
    let mut pending = vec![layout.index()];
    while let Some(document) = pending.pop() {
        let lists = ["manifests", "layers"]
            .into_iter()
            .filter_map(|list| document[list].as_array());
        for descriptor in lists
            .flatten()
            .chain(document.get("config").filter(|config| config["digest"].is_string()))
        {
            let digest = descriptor["digest"].as_str().unwrap();
            let bytes = layout.blob(digest);
            assert_eq!(descriptor["size"], bytes.len(), "{digest}");
            let is_new = seen.insert(digest.to_owned());
            let media_type = descriptor["mediaType"].as_str().unwrap();
            if is_new && ["manifest", "index"].iter().any(|kind| media_type.contains(kind)) {
                pending.push(serde_json::from_slice::<Value>(&bytes).unwrap());
            }
        }
    }
    seen
}
