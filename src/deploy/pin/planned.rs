//! What pinning makes of a file.

use super::place::FileKind;

/// What pinning makes of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What the file is, by its content. `None` for a file without a document that could name images.
    pub kind: Option<FileKind>,
    /// Our images, in the order of the text.
    pub images: Vec<ImageLine>,
    /// Images of others, in the order of the text.
    pub others: Vec<OtherImage>,
    /// Files of Kubernetes manifests that the file names, and that have its images.
    pub manifests: Vec<Manifest>,
    /// The new text. It is the old text if nothing changes.
    pub text: String,
}

/// A reference to one of our images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageLine {
    /// Line of the value, from 1.
    pub line: usize,
    /// Column of the value in characters, from 1.
    pub column: usize,
    /// The keys that lead to the value: `services.web.image`.
    pub path: String,
    /// The reference as it is.
    pub old: String,
    /// The reference with its digest.
    pub new: String,
    /// Whether the build pushed the image without a tag.
    pub is_untagged: bool,
}

impl ImageLine {
    /// Returns `true` if the reference does not have the digest yet.
    pub fn is_changed(&self) -> bool {
        self.old != self.new
    }
}

/// A reference to an image of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherImage {
    /// Line of the value, from 1.
    pub line: usize,
    /// The keys that lead to the value.
    pub path: String,
    /// The reference.
    pub image: String,
}

/// A file of Kubernetes manifests that another file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Line of the path, from 1.
    pub line: usize,
    /// The path, as written.
    pub path: String,
}
