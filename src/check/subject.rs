//! The object of the check: the image of one platform as a tree in memory, and the facts about its files.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::javascript::{Script, read_script};
use super::marks::Marks;
use super::own_file::{OwnFile, own_file};
use super::{Code, Evidence, Execution, Finding, Source};
use crate::elf::ElfFacts;
use crate::model::{
    Entry, EntryKind, EntryPath, Family, LayerPlan, OPAQUE_WHITEOUT, Platform, WHITEOUT_PREFIX, escape,
};
use crate::tree::{Accounts, Facts, Node, NodeKind, ResolveError, View};

/// Returns whether a path on the disk exists. Passed in, since rules are pure.
pub type OnDisk = Arc<dyn Fn(&Path) -> bool + Send + Sync>;

/// One platform's image. Rules read it and nothing else.
#[derive(Clone)]
pub struct Subject {
    /// The platform.
    pub platform: Platform,
    /// How a container is started.
    pub execution: Execution,
    /// The family of its manifest.
    pub family: Family,
    /// Time of every file of your layers, in seconds since 1970; `None` if it is not one for all.
    pub mtime_s: Option<i64>,
    /// Files that a later layer replaces, sorted by path.
    pub shadowed: Vec<Shadowed>,
    /// The environment of the base, in its order; empty if it is not known.
    pub base_env: Vec<(String, String)>,
    /// The spec of the base, if the base is built in the same run.
    pub base_spec: Option<PathBuf>,
    base: Arc<Facts>,
    // Shared with the same image for another platform.
    view: Arc<View>,
    own: Arc<BTreeMap<EntryPath, OwnFile>>,
    /// The modules that JavaScript sources of your layers load, as far as they were read.
    scripts: Arc<BTreeMap<EntryPath, Script>>,
    /// The imports of Python sources of your layers, as far as they were read.
    sources: Arc<BTreeMap<EntryPath, Source>>,
    on_disk: OnDisk,
}

/// A file that is in the image twice, of which only the upper one shows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shadowed {
    /// Where.
    pub path: EntryPath,
    /// Size of the hidden file, in bytes.
    pub size_bytes: u64,
    /// The layer that has it; `None` for the base.
    pub below: Option<Arc<str>>,
    /// The layer that replaces it.
    pub above: Arc<str>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Subject")
            .field("platform", &self.platform)
            .finish_non_exhaustive()
    }
}

impl Subject {
    /// Creates an image that consists of `base`. Files of `base` that `own` names count as files of your layers.
    pub fn new(
        platform: Platform,
        execution: Execution,
        family: Family,
        base: Arc<Facts>,
        mut own: BTreeMap<EntryPath, OwnFile>,
        on_disk: OnDisk,
    ) -> Self {
        let mut nodes = base.tree.cursor();
        for (path, file) in &mut own {
            file.marks = nodes.find(path).map(|node| Marks::of(path, node)).unwrap_or_default();
        }
        let own = Arc::new(own);
        let view = Arc::new(View::new(base.tree.clone()));
        let shadowed = Vec::new();
        let base_env = Vec::new();
        let base_spec = None;
        let scripts = Arc::default();
        let sources = Arc::default();
        Self {
            platform,
            execution,
            family,
            mtime_s: None,
            shadowed,
            base_env,
            base_spec,
            base,
            view,
            own,
            scripts,
            sources,
            on_disk,
        }
    }

    /// Adds a layer to the image. `evidence` returns the evidence of one of its entries.
    #[must_use]
    pub fn with_layer(mut self, layer: &LayerPlan, mut evidence: impl FnMut(&EntryPath) -> Evidence) -> Self {
        let name: Arc<str> = layer.name.as_str().into();
        self.mtime_s = Some(layer.mtime_s);
        // Whiteouts apply to lower layers, regardless of their position in the layer.
        for entry in &layer.entries {
            if let Some(hidden) = Hidden::of(&entry.path) {
                self.hide(&hidden);
            }
        }
        // Both maps are filled at once: in one that is filled in order, half of the room stays empty.
        let mut own = Vec::new();
        let mut nodes = Vec::with_capacity(layer.entries.len());
        for entry in layer.entries.iter().filter(|entry| Hidden::of(&entry.path).is_none()) {
            let node = Node::of_entry(entry);
            if !node.is_directory() {
                let mut file = own_file(entry, name.clone(), evidence(&entry.path));
                file.marks = Marks::of(&entry.path, &node);
                own.push((entry.path.clone(), file));
            }
            nodes.push((entry.path.clone(), node));
        }
        let view = self.view.clone();
        for (entry, standing) in view.standing(layer.entries.iter(), |entry| &entry.path) {
            self.replace(entry, standing, &name);
        }
        drop(view);
        Arc::make_mut(&mut self.own).append(&mut own.into_iter().collect());
        Arc::make_mut(&mut self.view).apply_layer(nodes);
        self
    }

    /// Returns the image for another platform that has the same files and starts something else.
    #[must_use]
    pub fn for_platform(&self, platform: Platform, execution: Execution, family: Family) -> Self {
        Self {
            platform,
            execution,
            family,
            ..self.clone()
        }
    }

    /// Records the effects of replacing a node by an entry.
    fn replace(&mut self, entry: &Entry, standing: &Node, layer: &Arc<str>) {
        let path = &entry.path;
        if Hidden::of(path).is_some() {
            return;
        }
        match (&entry.kind, &standing.kind) {
            (EntryKind::File { .. }, NodeKind::File { size_bytes, .. }) => {
                let below = self.own.get(path).map(|own| own.layer.clone());
                let path = path.clone();
                let size_bytes = *size_bytes;
                let above = layer.clone();
                self.shadowed.push(Shadowed {
                    path,
                    size_bytes,
                    below,
                    above,
                });
            }
            (EntryKind::File { .. } | EntryKind::Symlink { .. }, NodeKind::Directory) => self.forget_below(path),
            _ => {}
        }
    }

    fn hide(&mut self, hidden: &Hidden) {
        let path = match hidden {
            Hidden::Path(path) | Hidden::Below(path) => path,
        };
        self.forget_below(path);
        match hidden {
            Hidden::Path(_) => {
                Arc::make_mut(&mut self.own).remove(path);
                Arc::make_mut(&mut self.view).remove(path);
            }
            Hidden::Below(_) => Arc::make_mut(&mut self.view).remove_below(path),
        }
    }

    fn forget_below(&mut self, path: &EntryPath) {
        let doomed: Vec<EntryPath> = match self.view.node(path) {
            Some(node) if node.is_directory() => self
                .own
                .keys()
                .filter(|own| *own != path && own.starts_with(path))
                .cloned()
                .collect(),
            _ => Vec::new(),
        };
        for path in doomed {
            Arc::make_mut(&mut self.own).remove(&path);
        }
    }

    /// Returns a finding in this image, with its code's severity and without evidence.
    pub(super) fn finding(&self, code: Code, path: EntryPath, message: String, help: impl Into<String>) -> Finding {
        Finding::new(code, &self.platform, path, message, help)
    }

    /// Returns the node at exactly this path. Links are not followed.
    pub fn node(&self, path: &EntryPath) -> Option<&Node> {
        self.view.node(path)
    }

    /// Resolves a path inside the image, links followed. Components that do not exist stay as they are.
    ///
    /// # Errors
    /// Returns an error for a path that cannot be resolved: too many links, a file on the way.
    pub fn resolve(&self, path: &EntryPath) -> Result<EntryPath, ResolveError> {
        self.view.resolve(path)
    }

    /// Returns the node that a path leads to, links followed, and its path. The root is a directory without a node.
    pub fn find(&self, path: &EntryPath) -> Option<(EntryPath, &Node)> {
        let at = self.view.resolve(path).ok()?;
        let node = self.view.node(&at)?;
        Some((at, node))
    }

    /// Returns `true` if something exists at the target of a path, or below it.
    pub fn exists(&self, path: &EntryPath) -> bool {
        self.view
            .resolve(path)
            .is_ok_and(|at| at.is_root() || self.view.node(&at).is_some() || self.view.has_below(&at))
    }

    /// Returns everything below a path, sorted. Links are not followed.
    pub fn below<'a>(&'a self, path: &EntryPath) -> impl Iterator<Item = (&'a EntryPath, &'a Node)> + use<'a> {
        self.view.below(path)
    }

    /// Returns the number of files in the image.
    pub fn file_count(&self) -> usize {
        self.below(&EntryPath::root())
            .filter(|(_, node)| matches!(node.kind, NodeKind::File { .. }))
            .count()
    }

    /// Returns the files and links of your layers, sorted by path.
    pub fn own(&self) -> &BTreeMap<EntryPath, OwnFile> {
        &self.own
    }

    /// Returns those of [`Subject::own`] that a rule which goes by `marks` looks at.
    pub(super) fn own_marked(&self, marks: Marks) -> impl Iterator<Item = (&EntryPath, &OwnFile)> {
        self.own.iter().filter(move |(_, own)| own.has(marks))
    }

    /// Returns the facts about the image below your layers.
    pub fn base(&self) -> &Facts {
        &self.base
    }

    /// Returns a variable that the base sets. If the base's environment is not known, the image's own is used.
    pub(super) fn base_variable(&self, name: &str) -> Option<&str> {
        let known = if self.base_env.is_empty() {
            &self.execution.env
        } else {
            &self.base_env
        };
        known
            .iter()
            .rev()
            .find(|(known, _)| known == name)
            .map(|(_, value)| &**value)
    }

    /// Returns the help for something that the base image does not contain. A base of the same run is named by its spec.
    pub(super) fn base_help(&self, what: &str) -> String {
        match &self.base_spec {
            Some(spec) => format!("add {what} to the base in {}", escape(spec.as_os_str().as_bytes())),
            None => format!("use a base image that contains {what}"),
        }
    }

    /// Returns `true` if a file belongs to the base image and your layers do not change it. In an existing image, all
    /// files may belong to the base image.
    pub(super) fn is_of_base(&self, path: &EntryPath) -> bool {
        self.base
            .tree
            .node(path)
            .is_some_and(|node| self.view.node(path) == Some(node))
    }

    /// Returns the image without your layers. Problems in it are not caused by this build.
    #[must_use]
    pub fn base_alone(&self) -> Self {
        let own = BTreeMap::new();
        let execution = self.execution.clone();
        Self::new(
            self.platform.clone(),
            execution,
            self.family,
            self.base.clone(),
            own,
            self.on_disk.clone(),
        )
    }

    /// Returns the facts of the ELF file at exactly this path. `None` for anything else, and if the file is damaged.
    pub fn elf(&self, path: &EntryPath) -> Option<&ElfFacts> {
        match self.own.get(path) {
            Some(own) => match own.evidence() {
                Evidence::Elf(facts) => Some(facts),
                Evidence::NotRead => self.base_elf(path),
                _ => None,
            },
            None => self.base_elf(path),
        }
    }

    fn base_elf(&self, path: &EntryPath) -> Option<&ElfFacts> {
        let facts = self.base.elf.get(path)?;
        (self.view.node(path) == self.base.tree.node(path)).then_some(facts)
    }

    /// Returns every ELF program and library of the image, sorted by path.
    pub fn elf_files(&self) -> BTreeMap<&EntryPath, &ElfFacts> {
        let of_base = self.base.elf.keys().filter_map(|path| Some((path, self.elf(path)?)));
        let own = self.own.iter().filter_map(|(path, own)| match own.evidence() {
            Evidence::Elf(facts) => Some((path, &**facts)),
            _ => None,
        });
        of_base.chain(own).collect()
    }

    /// Returns the first line of the script at exactly this path, with `#!` and without the line feed. `None` if it is
    /// not a script or not executable.
    pub fn shebang(&self, path: &EntryPath) -> Option<&[u8]> {
        let node = self.view.node(path)?;
        let first_line = |bytes: &'_ [u8]| bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        match self.own.get(path).map(OwnFile::evidence) {
            Some(Evidence::Head(bytes) | Evidence::Whole(bytes)) => {
                let is_script = node.mode & 0o111 != 0 && bytes.starts_with(b"#!");
                is_script.then(|| &bytes[..first_line(bytes)])
            }
            Some(Evidence::Elf(_) | Evidence::DamagedElf(_) | Evidence::Jar(_) | Evidence::DamagedJar) => None,
            Some(Evidence::NotRead | Evidence::Script(_) | Evidence::Source(_)) | None => {
                let line = self.base.shebangs.get(path)?;
                (self.base.tree.node(path) == Some(node)).then_some(line)
            }
        }
    }

    /// Returns the content of your file at exactly this path, if it was read whole.
    pub fn content(&self, path: &EntryPath) -> Option<&[u8]> {
        let own = self.own.get(path)?;
        match own.evidence() {
            Evidence::Whole(bytes) => Some(bytes),
            Evidence::Head(bytes) if bytes.len() as u64 == own.size_bytes => Some(bytes),
            _ => None,
        }
    }

    /// Returns the modules that the JavaScript source of your layers at exactly this path loads, if it was read.
    pub fn script(&self, path: &EntryPath) -> Option<Cow<'_, Script>> {
        let known = self.scripts.get(path).map(Cow::Borrowed);
        known.or_else(|| self.content(path).map(|content| Cow::Owned(read_script(content))))
    }

    /// Returns the content of your file at exactly this path, as far as it was read.
    pub fn head(&self, path: &EntryPath) -> Option<&[u8]> {
        match self.own.get(path)?.evidence() {
            Evidence::Head(bytes) | Evidence::Whole(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Adds the evidence of a file of your layers after the others.
    pub fn see(&mut self, path: &EntryPath, evidence: Evidence) {
        match evidence {
            Evidence::Script(script) => _ = Arc::make_mut(&mut self.scripts).insert(path.clone(), *script),
            Evidence::Source(source) => {
                Arc::make_mut(&mut self.sources).insert(path.clone(), *source);
            }
            evidence => {
                if let Some(own) = Arc::make_mut(&mut self.own).get_mut(path) {
                    *own = own.clone().seen(evidence, None);
                }
            }
        }
    }

    /// Returns the imports of the Python source at exactly this path, if it was read.
    pub fn source(&self, path: &EntryPath) -> Option<&Source> {
        self.sources.get(path)
    }

    /// Returns the users and groups of the image.
    pub fn accounts(&self) -> Accounts {
        let base = |bytes: &Option<Vec<u8>>| bytes.clone().unwrap_or_default();
        let file = |path: &[u8], below: &Option<Vec<u8>>| -> Vec<u8> {
            let Ok(path) = EntryPath::new(path) else {
                return Vec::new();
            };
            match self.find(&path) {
                Some((at, _)) if self.own.contains_key(&at) => {
                    self.content(&at).map(<[u8]>::to_vec).unwrap_or_else(|| base(below))
                }
                Some(_) => base(below),
                None => Vec::new(),
            }
        };
        Accounts::parse(
            &file(b"etc/passwd", &self.base.passwd),
            &file(b"etc/group", &self.base.group),
        )
    }

    /// Returns the files that configure the dynamic loader's search, by path: the base's and yours.
    pub fn loader_configs(&self) -> BTreeMap<EntryPath, Vec<u8>> {
        let is_there = |path: &EntryPath| self.find(path).is_some();
        let base = self.base.loader_configs.iter().filter(|(path, _)| is_there(path));
        let mut configs: BTreeMap<EntryPath, Vec<u8>> =
            base.map(|(path, bytes)| (path.clone(), bytes.clone())).collect();
        let own = self
            .own
            .range::<[u8], _>((Bound::Included(&b"etc/ld"[..]), Bound::Unbounded));
        for (path, _) in own.take_while(|(path, _)| path.as_bytes().starts_with(b"etc/ld")) {
            if let Some(bytes) = self.content(path) {
                configs.insert(path.clone(), bytes.to_vec());
            }
        }
        configs
    }

    /// Returns `true` if a path of the disk exists.
    pub fn is_on_disk(&self, path: &Path) -> bool {
        (self.on_disk)(path)
    }

    /// Returns the directories that your layers write, sorted by path: new ones, and directories of the base that they
    /// change.
    pub fn own_directories(&self) -> impl Iterator<Item = (&EntryPath, &Node)> {
        self.view.written().filter(|(_, node)| node.is_directory())
    }
}

/// The entries that a whiteout hides (image-spec, layer.md, "Whiteouts").
enum Hidden {
    Path(EntryPath),
    Below(EntryPath),
}

impl Hidden {
    fn of(path: &EntryPath) -> Option<Self> {
        let folder = path.parent()?;
        if path.file_name() == OPAQUE_WHITEOUT {
            return Some(Self::Below(folder));
        }
        let name = path.file_name().strip_prefix(WHITEOUT_PREFIX)?;
        folder.join(name).ok().map(Self::Path)
    }
}
