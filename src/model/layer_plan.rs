//! What a layer will hold: entries known and sorted, times fixed, nothing read yet.
//!
//! The plan stage makes a [`LayerPlan`]; the pack stage turns it into a [`Layer`]. Two equal plans pack to equal bytes.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Descriptor, DiffId, MediaType};

/// The byte format in which layers are packed: `docs/concepts/bytes.md`. Another one has another number.
pub const BYTE_FORMAT: u32 = 1;

/// The annotation of a layer's descriptor that says how it was packed: [`Compression::packed_as`].
pub const PACKED_ANNOTATION: &str = "dev.ocitect.packed";

/// A layer that is not packed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerPlan {
    /// The layer's name in the spec; not part of its bytes.
    pub name: String,
    /// What it holds, sorted by path, each path once. Parents are there as they shall be written.
    pub entries: Vec<Entry>,
    /// Modification time of every entry, in seconds since 1970.
    pub mtime_s: i64,
    /// How it is compressed.
    pub compression: Compression,
    /// Annotations of its descriptor, sorted.
    pub annotations: BTreeMap<String, String>,
}

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Compression {
    /// gzip, by level.
    Gzip(i32),
    /// zstd, by level.
    Zstd(i32),
    /// Not at all.
    None,
}

impl Compression {
    /// Levels of gzip, the default among them: 6 is what every gzip takes unasked.
    pub const GZIP_LEVELS: std::ops::RangeInclusive<i32> = 0..=9;
    /// See [`Compression::GZIP_LEVELS`].
    pub const GZIP_DEFAULT_LEVEL: i32 = 6;
    /// Levels of zstd that the encoder has.
    pub const ZSTD_LEVELS: std::ops::RangeInclusive<i32> = 1..=22;
    /// The default of zstd's own tools.
    pub const ZSTD_DEFAULT_LEVEL: i32 = 3;

    /// Byte format, algorithm and level, which with the diff id decide a layer's digest: `1 gzip 6`, `1 none`.
    pub fn packed_as(self) -> String {
        match self {
            Self::Gzip(level) => format!("{BYTE_FORMAT} gzip {level}"),
            Self::Zstd(level) => format!("{BYTE_FORMAT} zstd {level}"),
            Self::None => format!("{BYTE_FORMAT} none"),
        }
    }

    /// The media type of a layer that is compressed so, in the OCI family.
    pub fn media_type(self) -> MediaType {
        match self {
            Self::Gzip(_) => MediaType::OciLayerGzip,
            Self::Zstd(_) => MediaType::OciLayerZstd,
            Self::None => MediaType::OciLayer,
        }
    }
}

/// One entry of a layer: a path and what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands in the image.
    pub path: EntryPath,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits, `& 07777`; 0777 of a symbolic link.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Extended attributes by full name (`security.capability`, `user.x`), sorted; values as the kernel has them.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file. Whiteouts are empty ones.
    File {
        /// Size of the content, in bytes. Content that turns out otherwise while it is read is an error.
        size_bytes: u64,
        /// Where the content comes from.
        content: Content,
    },
    /// A symbolic link.
    Symlink {
        /// What it points to, verbatim.
        target: Vec<u8>,
    },
}

impl EntryKind {
    /// Size of the content, in bytes; of what has none, zero.
    pub fn size_bytes(&self) -> u64 {
        match self {
            Self::File { size_bytes, .. } => *size_bytes,
            Self::Directory | Self::Symlink { .. } => 0,
        }
    }

    /// The path that a file of the disk is read from, escaped; empty for anything else.
    pub fn disk_path_text(&self) -> String {
        match self {
            Self::File { content: Content::Disk(file), .. } => super::escape(file.path.as_os_str().as_encoded_bytes()),
            _ => String::new(),
        }
    }
}

/// Where the content of a file comes from. Equal values mean equal bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// These bytes.
    Bytes(Arc<[u8]>),
    /// A file of the disk.
    Disk(DiskFile),
    /// A member of an archive on the disk, which the opener knows by its place in the archive.
    Member {
        /// The archive.
        archive: Arc<PathBuf>,
        /// Its state when it was listed.
        stamp: FileStamp,
        /// Position among the archive's members, from 0.
        index: u64,
    },
    /// A file of an image, by the digest of the image's manifest and its path there.
    Image {
        /// Digest of the manifest.
        manifest: super::Digest,
        /// Path in the image's file tree, after links on the way to it were followed.
        path: EntryPath,
    },
}

/// A file of the disk, and its state when it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskFile {
    /// Its path, as it can be opened from the working directory.
    pub path: PathBuf,
    /// Its state when it was listed.
    pub stamp: FileStamp,
}

impl DiskFile {
    /// Opens the file, if it is still as it was listed. A link that took its place is not followed, a pipe not waited for.
    ///
    /// # Errors
    /// Those of opening it, and one where it is another file now, or changed.
    pub fn open(&self) -> io::Result<std::fs::File> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = std::fs::File::options().read(true).custom_flags(flags).open(&self.path)?;
        if self.stamp.is_same_content(&FileStamp::of(&file.metadata()?)) {
            return Ok(file);
        }
        Err(io::Error::other("it changed after it was listed"))
    }
}

/// The state of a file, to notice that it changed between its listing and the end of its reading, or since an earlier build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp {
    /// Device and inode.
    pub identity: (u64, u64),
    /// Size, in bytes.
    pub size_bytes: u64,
    /// Modification time: seconds, nanoseconds.
    pub modified: (i64, i64),
    /// Change of the inode: seconds, nanoseconds. A new hard link moves it too: see [`FileStamp::is_same_content`].
    pub changed: (i64, i64),
    /// Kind and permission bits.
    pub mode: u32,
}

impl FileStamp {
    /// The state of a file, from what the system says of it.
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
    /// The time of the inode may differ: installers of uv and pnpm link the files of a tree to those of their cache, and each
    /// tree that is installed or removed gives all of them another number of links. A write that puts the modification time
    /// back is not seen here.
    pub fn is_same_content(&self, other: &Self) -> bool {
        let essence = |stamp: &Self| (stamp.identity, stamp.size_bytes, stamp.modified, stamp.mode);
        essence(self) == essence(other)
    }
}

/// Opens content that lies in archives or images; pack opens bytes and files of the disk itself.
///
/// Implemented where archives and images are known, so that packing knows neither.
pub trait ContentOpener: Send + Sync {
    /// A reader over the whole content. It may be called from several threads.
    fn open(&self, content: &Content) -> io::Result<Box<dyn io::Read + Send + '_>>;
}

/// A layer that is packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Media type (of the OCI family), digest, size and annotations of the compressed bytes.
    pub descriptor: Descriptor,
    /// Digest of the uncompressed tar.
    pub diff_id: DiffId,
    /// Size of the uncompressed tar, in bytes.
    pub tar_size_bytes: u64,
}

/// A path inside an image: relative to its root, without `.`, `..`, empty components and trailing slash. Any bytes but
/// NUL; the root itself is the empty path. Sorted by bytes. Clones share the bytes: a plan has each path several times.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct EntryPath(Arc<[u8]>);

/// A path that cannot stand in an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryPathError {
    /// It has a component `..`.
    #[error("\"{}\" points outside of the image", super::escape(.0))]
    LeavesRoot(Vec<u8>),
    /// It has a NUL byte.
    #[error("\"{}\" contains a NUL byte", super::escape(.0))]
    Nul(Vec<u8>),
    /// It is longer than any system would accept.
    #[error("a path of {0} bytes is over the limit of {MAX_PATH_BYTES}")]
    TooLong(usize),
}

/// Greatest length of a path in an image: Linux's PATH_MAX, 4096 with the final NUL.
pub const MAX_PATH_BYTES: usize = 4095;

impl std::borrow::Borrow<[u8]> for EntryPath {
    /// Sorted and compared as its bytes are.
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl EntryPath {
    /// The root of the image.
    pub fn root() -> Self {
        Self::default()
    }

    /// Takes a path with or without leading slash; `.` and empty components are dropped, `..` is refused.
    pub fn new(path: &[u8]) -> Result<Self, EntryPathError> {
        if path.contains(&0) {
            return Err(EntryPathError::Nul(path.to_vec()));
        }
        if path.len() <= MAX_PATH_BYTES && is_clean(path) {
            return Ok(Self(path.into()));
        }
        let mut clean = Vec::with_capacity(path.len());
        for component in path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".") {
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

    /// The bytes, without leading and trailing slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// True for the root of the image.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path below `self` that `relative` names, by the same rules as [`EntryPath::new`].
    pub fn join(&self, relative: &[u8]) -> Result<Self, EntryPathError> {
        Self::new(&[&self.0, &b"/"[..], relative].concat())
    }

    /// The directory that it stands in; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        Some(Self(self.0[..end].into()))
    }

    /// The bytes of the directory that it stands in: as [`EntryPath::parent`], without a value of its own. Empty for what
    /// stands in the root, and for the root.
    pub fn parent_bytes(&self) -> &[u8] {
        &self.0[..self.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0)]
    }

    /// The name of the directory that it stands in; empty for what stands in the root.
    pub fn parent_name(&self) -> &[u8] {
        self.parent_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default()
    }

    /// The path `self` below `directory`, as [`EntryPath::join`] with its bytes.
    pub fn below(&self, directory: &Self) -> Result<Self, EntryPathError> {
        if directory.is_root() {
            return Ok(self.clone());
        }
        if self.is_root() {
            return Ok(directory.clone());
        }
        // Both are clean, so what comes of them is.
        let path = [&directory.0, &b"/"[..], &self.0].concat();
        if path.len() > MAX_PATH_BYTES { Err(EntryPathError::TooLong(path.len())) } else { Ok(Self(path.into())) }
    }

    /// The last component; empty for the root.
    pub fn file_name(&self) -> &[u8] {
        self.0.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
    }

    /// The components, from the root down.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|part| !part.is_empty())
    }

    /// True where `self` is `ancestor` or stands below it.
    pub fn starts_with(&self, ancestor: &EntryPath) -> bool {
        ancestor.is_root() || self.0.strip_prefix(&*ancestor.0).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }

    /// Order of a parent before its children and of whole subtrees side by side; not the order of a layer, which is that
    /// of the bytes.
    pub fn cmp_by_components(&self, other: &Self) -> Ordering {
        self.components().cmp(other.components())
    }
}

/// True for what [`EntryPath::new`] takes as it is; most paths are so.
fn is_clean(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').all(|part| !matches!(part, b"" | b"." | b".."))
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
        assert!(matches!(EntryPath::new(&[b'a'; 4096]), Err(EntryPathError::TooLong(4096))));
        assert_eq!(path("a").join(b"b/c").unwrap(), path("/a/b/c"));
        assert_eq!(path("b/c").below(&path("a")).unwrap(), path("a/b/c"));
        assert_eq!((path("b").below(&path("")).unwrap(), path("").below(&path("b")).unwrap()), (path("b"), path("b")));
        let long = EntryPath::new(&[b'a'; 4095]).unwrap();
        assert_eq!(path("b").below(&long), Err(EntryPathError::TooLong(4097)));
        for (text, clean) in [("", ""), (".", ""), ("./a", "a"), ("a/.", "a"), ("a//b", "a/b"), (".a/..b", ".a/..b")] {
            assert_eq!(path(text).as_bytes(), clean.as_bytes());
        }
    }

    #[test]
    fn parents_and_ancestors() {
        assert_eq!(path("a/b").parent(), Some(path("a")));
        assert_eq!((path("a/b/c").parent_bytes(), path("a").parent_bytes()), (&b"a/b"[..], &b""[..]));
        assert_eq!((path("a/b/c").parent_name(), path("a").parent_name()), (&b"b"[..], &b""[..]));
        assert_eq!(path("a").parent(), Some(EntryPath::root()));
        assert_eq!(EntryPath::root().parent(), None);
        assert!(path("a/b").starts_with(&path("a")));
        assert!(!path("ab").starts_with(&path("a")));
        assert_eq!(path("a/b").file_name(), b"b");
    }
}
