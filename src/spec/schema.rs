//! What a spec says for one platform: every key, with its meaning applied and variables put in.
//!
//! The JSON Schema is made from the same types: a doc comment of a key is the description that an editor shows, and a
//! value of another type names the form in which it is written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;

use super::cascades::{CompressionOfImage, CompressionOfLayer, FilesOfEntry, FilesOfImage, FilesOfLayer};
use super::forms::{MediaTypes, ModeText, OwnerText, TextOrInteger};
use crate::model::{Compression, Family, ImageName, Platform, Repository, Tag};

/// Default time of files in seconds: some runtimes treat 0 as "no such file".
pub const DEFAULT_MTIME_S: i64 = 1;

/// A position in the spec, for messages. Without a line, the name of what is not in a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The spec file, as it was named.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = crate::model::escape_path(&self.file);
        if self.line == 0 {
            return formatter.write_str(&file);
        }
        write!(formatter, "{file}:{}:{}", self.line, self.column)
    }
}

/// `[image]`
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImageSpec {
    /// Repository without tag, such as ghcr.io/me/app. Required to push, and for full names in archives.
    #[schemars(with = "Option<String>")]
    pub name: Option<Repository>,
    /// Tags; default: ["latest"].
    #[schemars(with = "Option<Vec<String>>", extend("default" = ["latest"]))]
    pub tags: Vec<Tag>,
    /// The platforms of the image: os/arch or os/arch/variant.
    #[schemars(with = "Vec<String>")]
    pub platforms: Vec<Platform>,
    /// If false, publishes the manifest without an index; requires a single platform.
    #[schemars(with = "Option<bool>", extend("default" = true))]
    pub index: bool,
    /// Media types of the manifests. Docker's support neither annotations nor zstd; podman reads health checks only from
    /// them.
    #[schemars(with = "Option<MediaTypes>", extend("default" = "oci"))]
    pub media_types: Family,
}

/// What the spec says for one platform. Its JSON Schema has the keys of `[image]` that a platform may override.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(description = "`[image]`", deny_unknown_fields, rename_all = "kebab-case")]
pub struct PlatformSpec {
    /// The platform.
    #[schemars(skip)]
    pub platform: Platform,
    /// "scratch" (default), "oci:DIR[:TAG]", "oci-archive:FILE[:TAG]", or a registry's reference.
    #[allow(
        rustdoc::broken_intra_doc_links,
        reason = "[:TAG] is a part of the syntax, which editors show as it is"
    )]
    #[schemars(with = "Option<String>", extend("default" = "scratch"))]
    pub base: Base,
    /// The base as it is written, variables put in: its path is not joined to anything.
    #[schemars(skip)]
    pub base_text: String,
    /// Maximum compressed size of the image of each platform, including the base, such as "100MB".
    #[schemars(rename = "max-size", with = "Option<TextOrInteger>")]
    pub max_size_bytes: Option<u64>,
    /// How the layer of users, groups and directories is compressed.
    #[schemars(flatten, with = "CompressionOfImage")]
    pub compression: Compression,
    /// Annotations of the index and of each manifest.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub annotations: BTreeMap<String, String>,
    /// Ignore file, relative to the spec.
    #[schemars(with = "Option<String>", extend("default" = ".ocitectignore"))]
    pub ignore_file: IgnoreFile,
    /// Time of every file, in seconds since 1970.
    #[schemars(flatten, with = "FilesOfImage")]
    pub mtime_s: i64,
    /// Users to be made, in order.
    #[schemars(skip)]
    pub users: Vec<User>,
    /// Groups to be made, in order.
    #[schemars(skip)]
    pub groups: Vec<Group>,
    /// Directories to be made or changed.
    #[schemars(skip)]
    pub dirs: Vec<DirSpec>,
    /// Layers of this platform, lowest first: those whose `platforms` leave this one out are not here.
    #[schemars(skip)]
    pub layers: Vec<LayerSpec>,
    /// `[check]`, for the check.
    #[schemars(skip)]
    pub check: CheckSpec,
}

/// A base image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// Nothing below the first layer.
    Scratch,
    /// An image: a layout or an archive (its path joined to the spec's directory), or a registry's reference.
    Image(ImageName),
    /// A member of the workspace, by its ID.
    Member(String),
}

/// An image that the spec names, as a base or as one that files are taken from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedImage {
    /// Its name as the spec writes it, variables put in; the same wherever the spec lies.
    pub text: String,
    /// Where it is: a local path is joined to the spec's directory.
    pub name: ImageName,
}

impl NamedImage {
    fn new(written: &str, name: &ImageName) -> Self {
        // `docker://REF` and `REF` are one image.
        let text = written
            .parse()
            .map_or_else(|_| written.to_owned(), |name: ImageName| name.to_string());
        Self {
            text,
            name: name.clone(),
        }
    }
}

impl PlatformSpec {
    /// The base; `None` for scratch, and for a member of the workspace.
    pub fn base_image(&self) -> Option<NamedImage> {
        match &self.base {
            Base::Scratch | Base::Member(_) => None,
            Base::Image(name) => Some(NamedImage::new(&self.base_text, name)),
        }
    }

    /// The ID of the member of the workspace that is the base; `None` for other bases.
    pub fn member_base(&self) -> Option<&str> {
        match &self.base {
            Base::Member(id) => Some(id),
            Base::Scratch | Base::Image(_) => None,
        }
    }

    /// The IDs of the members of the workspace that files are taken from, sorted.
    pub fn member_sources(&self) -> BTreeSet<&str> {
        let entries = self.layers.iter().flat_map(|layer| &layer.files);
        let ids = entries.filter_map(|entry| match &entry.from {
            From::Member { id, .. } => Some(id.as_str()),
            From::Disk { .. } | From::Image { .. } => None,
        });
        ids.collect()
    }

    /// Every image that is read from: the base, and those that files are taken from; each once, sorted.
    pub fn images(&self) -> BTreeSet<NamedImage> {
        let entries = self.layers.iter().flat_map(|layer| &layer.files);
        self.base_image()
            .into_iter()
            .chain(entries.filter_map(FilesEntry::image))
            .collect()
    }
}

impl FilesEntry {
    /// Returns an entry that packs `from` to `to` as it is, without patterns and other settings.
    pub fn new(from: From, from_text: String, to: String, place: Place) -> Self {
        Self {
            from,
            from_text,
            to,
            include: Vec::new(),
            exclude: Vec::new(),
            unpack: false,
            strip: 0,
            executable: Vec::new(),
            keep_modes: false,
            ownership: Ownership::default(),
            xattrs: Vec::new(),
            capabilities: Vec::new(),
            place,
        }
    }

    /// The image that the files are taken from; `None` for files of the disk.
    pub fn image(&self) -> Option<NamedImage> {
        let From::Image { image, .. } = &self.from else {
            return None;
        };
        let written = self
            .from_text
            .split_once("#/")
            .map_or(&*self.from_text, |(image, _)| image);
        Some(NamedImage::new(written, image))
    }
}

/// The ignore file of a spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoreFile {
    /// Its path, joined to the spec's directory.
    pub path: PathBuf,
    /// `true` if the spec names it, so that its absence is an error.
    pub required: bool,
}

/// `owner`, `mode` and `dir-mode` at one step of the cascade image → layer → files entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ownership {
    /// Who owns.
    pub owner: Option<Owner>,
    /// Mode of files.
    pub mode: Option<u32>,
    /// Mode of directories.
    pub dir_mode: Option<u32>,
}

impl Ownership {
    /// What is said here, else what the step around it says.
    pub fn or(&self, outer: &Ownership) -> Ownership {
        Ownership {
            owner: self.owner.clone().or_else(|| outer.owner.clone()),
            mode: self.mode.or(outer.mode),
            dir_mode: self.dir_mode.or(outer.dir_mode),
        }
    }
}

/// `user`, `user:group`, by names or numbers. Without a group it is the user's primary one; a number is the group too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Before the colon.
    pub user: NameOrId,
    /// After it.
    pub group: Option<NameOrId>,
}

/// A name of `/etc/passwd` or `/etc/group`, or a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameOrId {
    /// A name.
    Name(String),
    /// A number.
    Id(u64),
}

/// `[[users]]`
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "kebab-case")]
pub struct User {
    /// Login name.
    pub name: String,
    /// Numeric user id.
    #[schemars(with = "i64")]
    pub uid: u64,
    /// Numeric id of the primary group; default: the uid.
    #[schemars(with = "Option<i64>")]
    pub gid: u64,
    /// Name of the primary group, which is created if it does not exist; default: the user's name.
    #[schemars(with = "Option<String>")]
    pub group: String,
    /// Home directory; default: /home/NAME.
    #[schemars(with = "Option<String>")]
    pub home: String,
    /// Login shell.
    #[schemars(with = "Option<String>", extend("default" = "/bin/sh"))]
    pub shell: String,
    /// Its position in the spec.
    #[schemars(skip)]
    pub place: Place,
}

/// `[[groups]]`
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Group {
    /// Group name.
    pub name: String,
    /// Numeric group id.
    #[schemars(with = "i64")]
    pub gid: u64,
    /// Login names of the members.
    #[schemars(with = "Option<Vec<String>>")]
    pub members: Vec<String>,
    /// Its position in the spec.
    #[schemars(skip)]
    pub place: Place,
}

/// `[[dirs]]`
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(rename = "Dir", deny_unknown_fields, rename_all = "kebab-case")]
pub struct DirSpec {
    /// Absolute path in the image.
    pub path: String,
    /// Owner: user, user:group, by name or number.
    #[schemars(with = "Option<OwnerText>")]
    pub owner: Option<Owner>,
    /// Mode, octal; default: unchanged if the directory exists, otherwise 0755.
    #[schemars(with = "Option<ModeText>")]
    pub mode: Option<u32>,
    /// Its position in the spec.
    #[schemars(skip)]
    pub place: Place,
}

/// `[[layers]]`
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(rename = "Layer", deny_unknown_fields, rename_all = "kebab-case")]
pub struct LayerSpec {
    /// Unique name.
    pub name: String,
    /// Files to add.
    #[schemars(with = "Option<Vec<FilesEntry>>")]
    pub files: Vec<FilesEntry>,
    /// Symbolic links.
    #[schemars(with = "Option<Vec<LinkEntry>>")]
    pub links: Vec<LinkEntry>,
    /// Absolute paths to remove from the base or from lower layers.
    #[schemars(with = "Option<Vec<String>>")]
    pub remove: Vec<Remove>,
    /// The cascade down to this layer: what the layer says, else what the image says.
    #[schemars(flatten, with = "FilesOfLayer")]
    pub ownership: Ownership,
    /// How it is compressed.
    #[schemars(flatten, with = "CompressionOfLayer")]
    pub compression: Compression,
    /// Annotations of the layer's descriptor.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub annotations: BTreeMap<String, String>,
    /// Its position in the spec.
    #[schemars(skip)]
    pub place: Place,
}

/// One path of `remove`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remove {
    /// Absolute path in the image.
    pub path: String,
    /// Its position in the spec.
    pub place: Place,
}

/// An entry of `links`.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(rename = "Link", deny_unknown_fields, rename_all = "kebab-case")]
pub struct LinkEntry {
    /// Absolute path of the link in the image.
    pub path: String,
    /// Target of the link, verbatim.
    pub target: String,
    /// Owner: user, user:group, by name or number.
    #[schemars(with = "Option<OwnerText>")]
    pub owner: Option<Owner>,
    /// Its position in the spec.
    #[schemars(skip)]
    pub place: Place,
}

/// An entry of `files`.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(rename = "Files", deny_unknown_fields, rename_all = "kebab-case")]
pub struct FilesEntry {
    /// A path or glob relative to the spec, or a path in an image: docker://REF#/path, oci:DIR[:TAG]#/path; in a
    /// workspace also workspace:ID#/path.
    #[allow(
        rustdoc::broken_intra_doc_links,
        reason = "[:TAG] is a part of the syntax, which editors show as it is"
    )]
    #[schemars(with = "String")]
    pub from: From,
    /// `from` as the spec writes it, variables put in, for messages.
    #[schemars(skip)]
    pub from_text: String,
    /// Absolute path in the image. If it ends in /, a file is put into that directory.
    pub to: String,
    /// gitignore patterns, relative to `from`, of files to pack; default: all files.
    #[schemars(default)]
    pub include: Vec<String>,
    /// gitignore patterns, relative to `from`, of files to exclude.
    #[schemars(default)]
    pub exclude: Vec<String>,
    /// Unpack an archive: tar, tar.gz, tar.zst, zip.
    #[schemars(default)]
    pub unpack: bool,
    /// Number of leading path components to remove from the archive's members.
    #[schemars(with = "Option<i64>", extend("minimum" = 0, "default" = 0))]
    pub strip: usize,
    /// Patterns of files that get mode 0755.
    #[schemars(default)]
    pub executable: Vec<String>,
    /// Keep the modes stored in the archive or the image.
    #[schemars(with = "Option<bool>", extend("default" = false))]
    pub keep_modes: bool,
    /// What this entry itself says, without the cascade.
    #[schemars(flatten, with = "FilesOfEntry")]
    pub ownership: Ownership,
    /// Names or patterns of extended attributes to pack from the disk.
    #[schemars(with = "Option<Vec<String>>")]
    pub xattrs: Vec<String>,
    /// Capabilities of a single file, such as cap_net_bind_service.
    #[schemars(with = "Option<Vec<String>>")]
    pub capabilities: Vec<String>,
    /// Its position in the spec.
    #[schemars(skip)]
    pub place: Place,
}

/// The source of a `files` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// A path or a glob of the disk, joined to the spec's directory (an absolute one as it is).
    Disk {
        /// The spec's directory.
        directory: PathBuf,
        /// The path or glob as it is written, after variables were put in.
        pattern: String,
    },
    /// A path inside an image: `docker://REF#/path`, `oci:DIR[:TAG]#/path`.
    Image {
        /// The image; a local path is joined to the spec's directory.
        image: ImageName,
        /// Absolute path inside.
        path: String,
    },
    /// A path inside the image of a member of the workspace: `workspace:ID#/path`.
    Member {
        /// The member's ID.
        id: String,
        /// Absolute path inside.
        path: String,
    },
}

/// `[check]`
#[derive(Debug, Clone, PartialEq, Eq, Default, JsonSchema)]
#[schemars(rename = "Check", deny_unknown_fields, rename_all = "kebab-case")]
pub struct CheckSpec {
    /// Findings to ignore, as code:pattern, such as "runs-as-root:/**".
    #[schemars(with = "Option<Vec<String>>")]
    pub allow: Vec<(String, String)>,
    /// `true` if `allow` is that of the `[defaults]` of a workspace, of which a member needs not have every finding.
    #[schemars(skip)]
    pub is_shared_allow: bool,
    /// Codes of warnings to treat as errors.
    #[schemars(with = "Option<Vec<String>>")]
    pub deny: Vec<String>,
}
