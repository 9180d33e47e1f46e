//! The plan of a layer: its entries are known and sorted, its times are fixed, and no content is read yet.
//!
//! The plan stage creates a [`LayerPlan`]; the pack stage turns it into a [`Layer`]. Equal plans pack to equal bytes.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Descriptor, DiffId, MediaType};

/// Version of the byte format of packed layers: `docs/concepts/bytes.md`. Each change of the format increases it.
pub const BYTE_FORMAT: u32 = 1;

/// Annotation of a layer's descriptor that records how it was packed: [`Compression::packed_as`].
pub const PACKED_ANNOTATION: &str = "dev.ocitect.packed";

/// A layer that is not packed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerPlan {
    /// The layer's name in the spec; not part of its bytes.
    pub name: String,
    /// Its entries, sorted by path, without duplicates. Parent directories are included as they will be written.
    pub entries: Vec<Entry>,
    /// Modification time of every entry, in seconds since 1970.
    pub mtime_s: i64,
    /// Its compression.
    pub compression: Compression,
    /// Annotations of its descriptor, sorted.
    pub annotations: BTreeMap<String, String>,
}

/// The compression of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Compression {
    /// gzip with this level.
    Gzip(i32),
    /// zstd with this level.
    Zstd(i32),
    /// No compression.
    None,
}

impl Compression {
    /// Levels of gzip. The default of gzip tools is 6.
    pub const GZIP_LEVELS: std::ops::RangeInclusive<i32> = 0..=9;
    /// Default level of gzip.
    pub const GZIP_DEFAULT_LEVEL: i32 = 6;
    /// Levels that the zstd encoder supports.
    pub const ZSTD_LEVELS: std::ops::RangeInclusive<i32> = 1..=22;
    /// Default level of zstd's own tools.
    pub const ZSTD_DEFAULT_LEVEL: i32 = 3;

    /// Returns byte format, algorithm and level, which together with the diff ID decide a layer's digest: `1 gzip 6`,
    /// `1 none`.
    pub fn packed_as(self) -> String {
        match self {
            Self::Gzip(level) => format!("{BYTE_FORMAT} gzip {level}"),
            Self::Zstd(level) => format!("{BYTE_FORMAT} zstd {level}"),
            Self::None => format!("{BYTE_FORMAT} none"),
        }
    }

    /// Returns the OCI media type of a layer with this compression.
    pub fn media_type(self) -> MediaType {
        match self {
            Self::Gzip(_) => MediaType::OciLayerGzip,
            Self::Zstd(_) => MediaType::OciLayerZstd,
            Self::None => MediaType::OciLayer,
        }
    }
}

/// An entry of a layer: a path and its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path in the image.
    pub path: EntryPath,
    /// Its kind.
    pub kind: EntryKind,
    /// Permission bits, `& 07777`; 0777 for a symbolic link.
    pub mode: u32,
    /// User ID.
    pub uid: u64,
    /// Group ID.
    pub gid: u64,
    /// Extended attributes by full name (`security.capability`, `user.x`), sorted; values in the kernel's form.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// The kind of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file. Whiteouts are empty files.
    File {
        /// Size of the content, in bytes. Reading fails if the content has another size.
        size_bytes: u64,
        /// The source of the content.
        content: Content,
    },
    /// A symbolic link.
    Symlink {
        /// Its target, verbatim.
        target: Vec<u8>,
    },
}

impl EntryKind {
    /// Returns the size of the content in bytes, or zero for an entry without content.
    pub fn size_bytes(&self) -> u64 {
        match self {
            Self::File { size_bytes, .. } => *size_bytes,
            Self::Directory | Self::Symlink { .. } => 0,
        }
    }

    /// Returns the path on the disk that a file is read from, escaped; empty for anything else.
    pub fn disk_path_text(&self) -> String {
        match self {
            Self::File {
                content: Content::Disk(file),
                ..
            } => super::escape_path(&file.path),
            _ => String::new(),
        }
    }
}

/// The source of a file's content. Equal values mean equal bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// These bytes.
    Bytes(Arc<[u8]>),
    /// A file on the disk.
    Disk(DiskFile),
    /// A member of an archive on the disk, by its position in the archive.
    Member {
        /// The archive.
        archive: Arc<PathBuf>,
        /// Its state when it was listed.
        stamp: FileStamp,
        /// Position among the archive's members, from 0.
        index: u64,
    },
    /// A file of an image, by the digest of the image's manifest and its path.
    Image {
        /// Digest of the manifest.
        manifest: super::Digest,
        /// Path in the image's file tree, after following the links on the way to it.
        path: EntryPath,
    },
}

/// A file on the disk, and its state when it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskFile {
    /// Its path, valid in the working directory.
    pub path: PathBuf,
    /// Its state when it was listed.
    pub stamp: FileStamp,
}

impl DiskFile {
    /// Opens the file if it is unchanged since it was listed. Does not follow a link or wait for a pipe that replaced
    /// it.
    ///
    /// # Errors
    /// Those of opening the file, and one if it changed or was replaced.
    pub fn open(&self) -> io::Result<std::fs::File> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = std::fs::File::options()
            .read(true)
            .custom_flags(flags)
            .open(&self.path)?;
        if self.stamp.is_same_content(&FileStamp::of(&file.metadata()?)) {
            return Ok(file);
        }
        Err(io::Error::other("it changed after it was listed"))
    }
}

/// The state of a file, for detecting changes between its listing and the end of its reading, or since an earlier
/// build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp {
    /// Device and inode.
    pub identity: (u64, u64),
    /// Size, in bytes.
    pub size_bytes: u64,
    /// Modification time: seconds, nanoseconds.
    pub modified: (i64, i64),
    /// Time of the last inode change: seconds, nanoseconds. A new hard link changes it too: see
    /// [`FileStamp::is_same_content`].
    pub changed: (i64, i64),
    /// Kind and permission bits.
    pub mode: u32,
}

impl FileStamp {
    /// Returns the state of a file from its metadata.
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            identity: (metadata.dev(), metadata.ino()),
            size_bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            mode: metadata.mode(),
        }
    }

    /// Returns `true` if `other` is the same file, of the same size, modification time and mode.
    ///
    /// The time of the inode may differ: uv and pnpm install files as hard links to their caches, and each tree that is
    /// installed or removed changes the number of links. A write that resets the modification time is not detected.
    pub fn is_same_content(&self, other: &Self) -> bool {
        let essence = |stamp: &Self| (stamp.identity, stamp.size_bytes, stamp.modified, stamp.mode);
        essence(self) == essence(other)
    }
}

/// Opens content in archives or images. Packing opens bytes and files on the disk itself.
///
/// Implemented outside of the pack stage, so that packing does not depend on archives and images.
pub trait ContentOpener: Send + Sync {
    /// Returns a reader over the whole content. May be called from several threads.
    fn open(&self, content: &Content) -> io::Result<Box<dyn io::Read + Send + '_>>;
}

/// A packed layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Media type (of the OCI family), digest, size and annotations of the compressed bytes.
    pub descriptor: Descriptor,
    /// Digest of the uncompressed tar.
    pub diff_id: DiffId,
    /// Size of the uncompressed tar, in bytes.
    pub tar_size_bytes: u64,
}

/// A path inside an image: relative to its root, without `.`, `..`, empty components and trailing slash. It may contain
/// all bytes except NUL. The root is the empty path. Sorted by bytes. Clones share the bytes, since a plan uses each
/// path several times.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct EntryPath(Arc<[u8]>);

/// An error of a path that is not allowed in an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryPathError {
    /// The path contains the component `..`.
    #[error("\"{}\" points outside of the image", super::escape(.0))]
    LeavesRoot(Vec<u8>),
    /// The path contains a NUL byte.
    #[error("\"{}\" contains a NUL byte", super::escape(.0))]
    Nul(Vec<u8>),
    /// The path is longer than any system accepts.
    #[error("a path of {0} bytes is over the limit of {MAX_PATH_BYTES}")]
    TooLong(usize),
}

/// Returns the bytes, which order and compare like the path.
pub const MAX_PATH_BYTES: usize = 4095;

impl std::borrow::Borrow<[u8]> for EntryPath {
    /// Ordered and compared like its bytes.
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl EntryPath {
    /// Returns the root of the image.
    pub fn root() -> Self {
        Self::default()
    }

    /// Creates a path from one with or without leading slash. Removes `.` and empty components, and refuses `..`.
    pub fn new(path: &[u8]) -> Result<Self, EntryPathError> {
        if path.contains(&0) {
            return Err(EntryPathError::Nul(path.to_vec()));
        }
        if path.len() <= MAX_PATH_BYTES && is_clean(path) {
            return Ok(Self(path.into()));
        }
        let mut clean = Vec::with_capacity(path.len());
        for component in path
            .split(|byte| *byte == b'/')
            .filter(|part| !part.is_empty() && *part != b".")
        {
            if component == b".." {
                return Err(EntryPathError::LeavesRoot(path.to_vec()));
            }
            if !clean.is_empty() {
                clean.push(b'/');
            }
            clean.extend_from_slice(component);
        }
        if clean.len() > MAX_PATH_BYTES {
            return Err(EntryPathError::TooLong(clean.len()));
        }
        Ok(Self(clean.into()))
    }

    /// Returns the bytes, without leading and trailing slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns `true` for the root of the image.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends `relative` to the path, by the rules of [`EntryPath::new`].
    pub fn join(&self, relative: &[u8]) -> Result<Self, EntryPathError> {
        Self::new(&[&self.0, &b"/"[..], relative].concat())
    }

    /// Returns the parent directory; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        Some(Self(self.0[..end].into()))
    }

    /// Returns the bytes of the parent directory without creating a value, unlike [`EntryPath::parent`]. Empty for the
    /// root and for its direct entries.
    pub fn parent_bytes(&self) -> &[u8] {
        &self.0[..self.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0)]
    }

    /// Returns the name of the parent directory; empty for direct entries of the root.
    pub fn parent_name(&self) -> &[u8] {
        base_name(self.parent_bytes())
    }

    /// Returns the path `self` below `directory`, like [`EntryPath::join`] with its bytes.
    pub fn below(&self, directory: &Self) -> Result<Self, EntryPathError> {
        if directory.is_root() {
            return Ok(self.clone());
        }
        if self.is_root() {
            return Ok(directory.clone());
        }
        // Both are clean, so the result is clean too.
        let path = [&directory.0, &b"/"[..], &self.0].concat();
        if path.len() > MAX_PATH_BYTES {
            Err(EntryPathError::TooLong(path.len()))
        } else {
            Ok(Self(path.into()))
        }
    }

    /// Returns the path itself and the directories above it, the root last.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> + use<> {
        std::iter::successors(Some(self.clone()), Self::parent)
    }

    /// Returns the directory of the first `count` components; the path itself if it has no more.
    pub fn upper(&self, count: usize) -> Self {
        let components: Vec<&[u8]> = self.components().take(count).collect();
        Self(components.join(&b'/').into())
    }

    /// Appends `suffix` to the bytes of the path: `a.js` for `a` and `.js`. By the rules of [`EntryPath::new`].
    pub fn with_suffix(&self, suffix: &str) -> Result<Self, EntryPathError> {
        Self::new(&[&self.0, suffix.as_bytes()].concat())
    }

    /// Returns the last component; empty for the root.
    pub fn file_name(&self) -> &[u8] {
        base_name(&self.0)
    }

    /// Returns the components, from the root down.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|part| !part.is_empty())
    }

    /// Returns `true` if `self` is `ancestor` or is below it.
    pub fn starts_with(&self, ancestor: &EntryPath) -> bool {
        ancestor.is_root()
            || self
                .0
                .strip_prefix(&*ancestor.0)
                .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }

    /// Compares by components: parents come before their children, and subtrees are contiguous. A layer uses another
    /// order, that of the bytes.
    pub fn cmp_by_components(&self, other: &Self) -> Ordering {
        self.components().cmp(other.components())
    }
}

/// Returns the part of a path as it is written that follows its last slash; all of it if it has none.
pub fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// Returns the part of a text before the first `separator`; all of it if it has none.
pub fn part_before(text: &[u8], separator: u8) -> &[u8] {
    text.split(|byte| *byte == separator).next().unwrap_or_default()
}

/// Returns `true` for a path that [`EntryPath::new`] does not change; most paths are so.
fn is_clean(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/')
        .all(|part| !matches!(part, b"" | b"." | b".."))
}

impl std::fmt::Display for EntryPath {
    /// With a leading slash, escaped.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "/{}", super::escape(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> EntryPath {
        EntryPath::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn paths_are_cleaned_and_never_leave_the_root() {
        assert_eq!(path("//a/./b/").as_bytes(), b"a/b");
        assert!(path("/").is_root());
        assert!(matches!(EntryPath::new(b"a/../b"), Err(EntryPathError::LeavesRoot(_))));
        assert!(matches!(EntryPath::new(b"a\0"), Err(EntryPathError::Nul(_))));
        assert!(matches!(
            EntryPath::new(&[b'a'; 4096]),
            Err(EntryPathError::TooLong(4096))
        ));
        assert_eq!(path("a").join(b"b/c").unwrap(), path("/a/b/c"));
        assert_eq!(path("b/c").below(&path("a")).unwrap(), path("a/b/c"));
        assert_eq!(
            (path("b").below(&path("")).unwrap(), path("").below(&path("b")).unwrap()),
            (path("b"), path("b"))
        );
        let long = EntryPath::new(&[b'a'; 4095]).unwrap();
        assert_eq!(path("b").below(&long), Err(EntryPathError::TooLong(4097)));
        for (text, clean) in [
            ("", ""),
            (".", ""),
            ("./a", "a"),
            ("a/.", "a"),
            ("a//b", "a/b"),
            (".a/..b", ".a/..b"),
        ] {
            assert_eq!(path(text).as_bytes(), clean.as_bytes());
        }
    }

    #[test]
    fn parents_and_ancestors() {
        assert_eq!(path("a/b").parent(), Some(path("a")));
        assert_eq!(
            (path("a/b/c").parent_bytes(), path("a").parent_bytes()),
            (&b"a/b"[..], &b""[..])
        );
        assert_eq!(
            (path("a/b/c").parent_name(), path("a").parent_name()),
            (&b"b"[..], &b""[..])
        );
        assert_eq!(path("a").parent(), Some(EntryPath::root()));
        assert_eq!(EntryPath::root().parent(), None);
        assert!(path("a/b").starts_with(&path("a")));
        assert!(!path("ab").starts_with(&path("a")));
        assert_eq!(path("a/b").file_name(), b"b");
    }
}
