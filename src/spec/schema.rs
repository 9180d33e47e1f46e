//! What a spec says for one platform: every key, with its meaning applied and variables put in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

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
        let file = crate::model::escape(self.file.as_os_str().as_encoded_bytes());
        if self.line == 0 {
            return formatter.write_str(&file);
        }
        write!(formatter, "{file}:{}:{}", self.line, self.column)
    }
}

/// What is said once for the whole image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSpec {
    /// Repository without tag.
    pub name: Option<Repository>,
    /// At least one.
    pub tags: Vec<Tag>,
    /// In the spec's order, each once.
    pub platforms: Vec<Platform>,
    /// False publishes the manifest itself; only with one platform.
    pub index: bool,
    /// The family of the manifests.
    pub media_types: Family,
}

/// What the spec says for one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformSpec {
    /// The platform.
    pub platform: Platform,
    /// The base.
    pub base: Base,
    /// The base as it is written, variables put in: its path is not joined to anything.
    pub base_text: String,
    /// Limit of the compressed size, base included.
    pub max_size_bytes: Option<u64>,
    /// Annotations of the manifest; those of the index are the ones that all platforms agree on.
    pub annotations: BTreeMap<String, String>,
    /// Time of every file, in seconds since 1970.
    pub mtime_s: i64,
    /// Ignore file: `Some` where one is named or the default exists by name (the caller passes over a default one that
    /// is not there).
    pub ignore_file: IgnoreFile,
    /// Users to be made, in order.
    pub users: Vec<User>,
    /// Groups to be made, in order.
    pub groups: Vec<Group>,
    /// Directories to be made or changed.
    pub dirs: Vec<DirSpec>,
    /// How the layer of users, groups and directories is compressed: what `[image]` says.
    pub compression: Compression,
    /// Layers of this platform, lowest first: those whose `platforms` leave this one out are not here.
    pub layers: Vec<LayerSpec>,
    /// `[check]`, for the check.
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

/// `[[users]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// Number.
    pub uid: u64,
    /// Number of the primary group.
    pub gid: u64,
    /// Name of the primary group.
    pub group: String,
    /// Home directory, absolute.
    pub home: String,
    /// Login shell.
    pub shell: String,
    /// Its position in the spec.
    pub place: Place,
}

/// `[[groups]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Number.
    pub gid: u64,
    /// Login names.
    pub members: Vec<String>,
    /// Its position in the spec.
    pub place: Place,
}

/// `[[dirs]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirSpec {
    /// Absolute path in the image.
    pub path: String,
    /// Owner, where said.
    pub owner: Option<Owner>,
    /// Mode, where said.
    pub mode: Option<u32>,
    /// Its position in the spec.
    pub place: Place,
}

/// `[[layers]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSpec {
    /// Unique name.
    pub name: String,
    /// What goes in.
    pub files: Vec<FilesEntry>,
    /// Symbolic links.
    pub links: Vec<LinkEntry>,
    /// Absolute paths of the layers below that go away.
    pub remove: Vec<Remove>,
    /// The cascade down to this layer: what the layer says, else what the image says.
    pub ownership: Ownership,
    /// How it is compressed.
    pub compression: Compression,
    /// Annotations of the layer's descriptor.
    pub annotations: BTreeMap<String, String>,
    /// Its position in the spec.
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

/// One entry of `links`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkEntry {
    /// Path of the link in the image.
    pub path: String,
    /// What it points to, verbatim.
    pub target: String,
    /// Owner, where said here.
    pub owner: Option<Owner>,
    /// Its position in the spec.
    pub place: Place,
}

/// One entry of `files`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesEntry {
    /// Where it comes from.
    pub from: From,
    /// `from` as the spec writes it, variables put in, for messages.
    pub from_text: String,
    /// Where it goes: absolute; a final `/` counts.
    pub to: String,
    /// gitignore patterns; what none of them matches is left out, where there is any.
    pub include: Vec<String>,
    /// gitignore patterns of what is left out.
    pub exclude: Vec<String>,
    /// Unpack archives.
    pub unpack: bool,
    /// Path components of an archive's members that are left out.
    pub strip: usize,
    /// Patterns of files that become 0755.
    pub executable: Vec<String>,
    /// Keep the modes that an archive or an image stores.
    pub keep_modes: bool,
    /// What this entry itself says, without the cascade.
    pub ownership: Ownership,
    /// Names or patterns of extended attributes to carry from the disk.
    pub xattrs: Vec<String>,
    /// Capabilities of a single file, such as `cap_net_bind_service`, checked to be known.
    pub capabilities: Vec<String>,
    /// Its position in the spec.
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
}

/// `[config]`, with variables and `${base.NAME}` put in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigSpec {
    /// Verbatim.
    pub user: Option<String>,
    /// Absolute path.
    pub workdir: Option<String>,
    /// `None` takes a variable of the base away.
    pub env: BTreeMap<String, Option<String>>,
    /// `None` takes a label of the base away.
    pub labels: BTreeMap<String, Option<String>>,
    /// `3000/tcp`.
    pub ports: Vec<String>,
    /// Absolute paths.
    pub volumes: Vec<String>,
    /// Such as `SIGTERM`.
    pub stop_signal: Option<String>,
    /// Names alone.
    pub required_env: Vec<String>,
    /// A list, or a string for the shell.
    pub entrypoint: Option<Command>,
    /// A list, or a string for the shell.
    pub cmd: Option<Command>,
    /// The shell of shell forms.
    pub shell: Option<Vec<String>>,
    /// The health check.
    pub healthcheck: Option<Healthcheck>,
}

/// A command in exec form or in shell form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The words themselves.
    Exec(Vec<String>),
    /// One string, which is run by the shell.
    Shell(String),
}

/// `[config] healthcheck`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Healthcheck {
    /// `false`: none, not even the base's.
    None,
    /// A check; lengths of time in nanoseconds, as the config writes them.
    Check {
        /// `["CMD", …]` or `["CMD-SHELL", …]`.
        test: Vec<String>,
        /// Between two checks.
        interval_ns: Option<u64>,
        /// Of one check.
        timeout_ns: Option<u64>,
        /// In which failures do not count.
        start_period_ns: Option<u64>,
        /// Between two checks in the start period.
        start_interval_ns: Option<u64>,
        /// Failures in a row that make it unhealthy.
        retries: Option<u64>,
    },
}

/// `[check]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckSpec {
    /// `code:pattern`, each split.
    pub allow: Vec<(String, String)>,
    /// Codes of warnings that are errors.
    pub deny: Vec<String>,
}
