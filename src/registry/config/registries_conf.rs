//! containers-registries.conf(5), version 2: `registries.conf` and the drop-in files beside it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::document::{File, Place, Table, Value};
use super::files::ConfigFiles;
use super::prefix::{Location, Prefix};
use crate::model::{Repository, ShortNames, escape, escape_path};
use crate::store::StoreError;

/// Limit on the drop-in files of one directory. Systems have a handful.
const MAX_DROP_INS: usize = 1000;

/// Limit on the mirrors of one table. Each may cost a request before the upstream is tried.
const MAX_MIRRORS: usize = 64;

/// The contents of one file, or of several merged files.
#[derive(Debug, Default)]
pub(super) struct RegistriesConf {
    registries: Vec<Registry>,
    /// `unqualified-search-registries`.
    search: Option<Vec<String>>,
    /// `None` deletes an alias.
    aliases: BTreeMap<String, Option<Repository>>,
}

/// A `[[registry]]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Registry {
    pub(super) prefix: Prefix,
    /// New location of the names below `prefix`; `None` if they are not changed.
    pub(super) location: Option<Location>,
    pub(super) insecure: bool,
    /// The place of `blocked = true`.
    pub(super) blocked: Option<Place>,
    pub(super) mirrors: Vec<Mirror>,
    /// The place where the table begins.
    pub(super) place: Place,
}

/// A `[[registry.mirror]]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mirror {
    pub(super) location: Location,
    pub(super) insecure: bool,
    pub(super) pulls: MirrorPulls,
}

/// The requests that a mirror serves: `pull-from-mirror`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MirrorPulls {
    All,
    DigestOnly,
    TagOnly,
}

impl RegistriesConf {
    /// Reads the files: the configured one, or else the user's or the system's with its drop-in files, the system's
    /// first.
    pub(super) fn read(files: &ConfigFiles) -> Result<Self, StoreError> {
        if let Some(path) = &files.registries_conf {
            let file = File::read(path)?.ok_or_else(|| {
                StoreError::malformed(escape_path(path), "no such file")
                    .with_help("set CONTAINERS_REGISTRIES_CONF to a readable file, or unset it")
            })?;
            return Self::parse(&file);
        }
        let mut merged = Self::default();
        let main = |directory: &Option<PathBuf>| match directory {
            Some(directory) => File::read(&directory.join("registries.conf")),
            None => Ok(None),
        };
        let user_file = main(&files.user_directory)?;
        let mut directories = vec![&files.user_directory];
        let main_file = match user_file {
            Some(file) => Some(file),
            None => {
                directories.insert(0, &files.system_directory);
                main(&files.system_directory)?
            }
        };
        if let Some(file) = main_file {
            merged = merged.over(Self::parse(&file)?);
        }
        for directory in directories.into_iter().flatten() {
            for path in drop_ins(&directory.join("registries.conf.d"))? {
                // A file may have been removed since it was listed.
                if let Some(file) = File::read(&path)? {
                    merged = merged.over(Self::parse(&file)?);
                }
            }
        }
        Ok(merged)
    }

    /// Returns the table with the longest prefix of a name.
    pub(super) fn table(&self, name: &Location) -> Option<&Registry> {
        let matching = self
            .registries
            .iter()
            .filter(|registry| registry.prefix.rest_of(name).is_some());
        matching.max_by_key(|registry| registry.prefix.length())
    }

    pub(super) fn parse(file: &File) -> Result<Self, StoreError> {
        let parsed = file.parse()?;
        let root = file.root(&parsed);
        refuse_version_1(&root)?;
        check_short_name_mode(&root)?;
        let mut registries: Vec<Registry> = Vec::new();
        for table in root.list("registry")? {
            let registry = parse_registry(&table.table()?)?;
            // The first table of a file takes precedence, as with podman and skopeo.
            if !registries.iter().any(|known| known.prefix == registry.prefix) {
                registries.push(registry);
            }
        }
        let search = root
            .value("unqualified-search-registries")
            .map(|value| parse_search(&value))
            .transpose()?;
        let mut aliases = BTreeMap::new();
        if let Some(table) = root.value("aliases") {
            for (name, value) in table.table()?.entries("aliases") {
                aliases.insert(name.to_owned(), parse_alias(&value)?);
            }
        }
        Ok(Self {
            registries,
            search,
            aliases,
        })
    }

    /// Merges a later file into this one: its tables replace those with the same prefix.
    fn over(mut self, later: Self) -> Self {
        self.registries
            .retain(|known| !later.registries.iter().any(|registry| registry.prefix == known.prefix));
        self.registries.extend(later.registries);
        self.search = later.search.or(self.search);
        self.aliases.extend(later.aliases);
        self
    }

    /// Returns `[aliases]` and `unqualified-search-registries`.
    pub(super) fn short_names(&self) -> ShortNames {
        let aliases = self.aliases.clone().into_iter();
        ShortNames {
            aliases: aliases.filter_map(|(name, value)| Some((name, value?))).collect(),
            registries: self.search.clone().unwrap_or_default(),
        }
    }
}

/// Returns the `*.conf` files of a directory, sorted; none if the directory does not exist.
fn drop_ins(directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let failed = |cause| StoreError::io("read", directory, cause);
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(failed(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension() == Some(OsStr::new("conf")) && !path.is_dir() {
            paths.push(path);
        }
        if paths.len() > MAX_DROP_INS {
            let reason = format!("it has more than {MAX_DROP_INS} files");
            return Err(StoreError::malformed(escape_path(directory), reason));
        }
    }
    paths.sort();
    Ok(paths)
}

/// Rejects version 1, which has lists below `[registries]`. Empty lists are ignored.
fn refuse_version_1(root: &Table<'_>) -> Result<(), StoreError> {
    let Some(registries) = root.value("registries") else {
        return Ok(());
    };
    let table = registries.table()?;
    for part in ["search", "insecure", "block"] {
        let Some(value) = table.value(part) else { continue };
        let lists = value.table()?;
        if let Some(list) = lists.value("registries")
            && !list.list()?.is_empty()
        {
            let reason = format!("[registries.{part}] belongs to version 1 of this file, which is not supported");
            return Err(list.place().invalid(reason).with_help(
                "write it in version 2: unqualified-search-registries = [\"HOST\"], and [[registry]] tables with \
                 location, insecure and blocked (containers-registries.conf(5))",
            ));
        }
    }
    Ok(())
}

/// Checks the mode. Short names are always rejected, but an invalid mode is still an error.
fn check_short_name_mode(root: &Table<'_>) -> Result<(), StoreError> {
    match root.text("short-name-mode")? {
        None | Some(("enforcing" | "permissive" | "disabled", _)) => Ok(()),
        Some((_, value)) => Err(value.invalid("expected enforcing, permissive or disabled")),
    }
}

fn parse_search(value: &Value<'_>) -> Result<Vec<String>, StoreError> {
    let host = |value: &Value<'_>| {
        let location = Location::parse(value.string()?).map_err(|reason| value.invalid(reason))?;
        if location.path.is_empty() {
            Ok(location.registry)
        } else {
            Err(value.invalid("expected HOST[:PORT] without a path"))
        }
    };
    value.list()?.iter().map(host).collect()
}

/// Returns the full name of an alias, or `None` for the empty one, which deletes it.
fn parse_alias(value: &Value<'_>) -> Result<Option<Repository>, StoreError> {
    let text = value.string()?;
    if text.is_empty() {
        return Ok(None);
    }
    let full = text.parse().map_err(|_| {
        value.invalid(format!(
            "\"{}\" is not a full name without tag and digest",
            escape(text.as_bytes())
        ))
    })?;
    Ok(Some(full))
}

fn parse_registry(table: &Table<'_>) -> Result<Registry, StoreError> {
    let location = parse_location(table)?;
    let prefix = match (table.text("prefix")?, &location) {
        (Some((text, value)), _) => Prefix::parse(text).map_err(|reason| value.invalid(reason))?,
        (None, Some(location)) => Prefix::Name(location.clone()),
        (None, None) => {
            return Err(table
                .place()
                .invalid("a [[registry]] table needs `prefix` or `location`"));
        }
    };
    if let Some(value) = table.value("pull-from-mirror") {
        return Err(value.invalid("it is allowed only in [[registry.mirror]]"));
    }
    let blocked = table.value("blocked");
    let by_digest_only = table.flag("mirror-by-digest-only")?;
    let mirrors = match table.value("mirror") {
        None => Vec::new(),
        Some(value) => {
            let list = value.bounded(value.list()?, MAX_MIRRORS)?;
            let mirror = |value: &Value<'_>| parse_mirror(&value.table()?, by_digest_only);
            list.iter().map(mirror).collect::<Result<_, _>>()?
        }
    };
    table.warn_of_proxy();
    let registry = Registry {
        insecure: table.flag("insecure")?,
        blocked: if table.flag("blocked")? {
            blocked.map(|value| value.place())
        } else {
            None
        },
        prefix,
        location,
        mirrors,
        place: table.place(),
    };
    check_pins(&registry)?;
    Ok(registry)
}

fn parse_mirror(table: &Table<'_>, by_digest_only: bool) -> Result<Mirror, StoreError> {
    let location =
        parse_location(table)?.ok_or_else(|| table.place().invalid("a [[registry.mirror]] table needs `location`"))?;
    let pulls = match table.text("pull-from-mirror")? {
        Some((_, value)) if by_digest_only => {
            return Err(value.invalid("the registry's table sets `mirror-by-digest-only`: remove one of them"));
        }
        None if by_digest_only => MirrorPulls::DigestOnly,
        None | Some(("all", _)) => MirrorPulls::All,
        Some(("digest-only", _)) => MirrorPulls::DigestOnly,
        Some(("tag-only", _)) => MirrorPulls::TagOnly,
        Some((_, value)) => return Err(value.invalid("expected all, digest-only or tag-only")),
    };
    table.warn_of_proxy();
    Ok(Mirror {
        location,
        insecure: table.flag("insecure")?,
        pulls,
    })
}

fn parse_location(table: &Table<'_>) -> Result<Option<Location>, StoreError> {
    let location = |(text, value): (&str, Value<'_>)| Location::parse(text).map_err(|reason| value.invalid(reason));
    table.text("location")?.map(location).transpose()
}

/// Checks tags and digests. In a prefix they select a table; they are not rewritten.
fn check_pins(registry: &Registry) -> Result<(), StoreError> {
    let pin = match &registry.prefix {
        Prefix::Name(name) => &name.pin,
        Prefix::Subdomains(_) => &None,
    };
    let locations = registry
        .location
        .iter()
        .chain(registry.mirrors.iter().map(|mirror| &mirror.location));
    if locations.into_iter().all(|location| location.pin == *pin) {
        Ok(())
    } else {
        let reason = "`prefix` and `location` differ in tag or digest, which cannot be rewritten";
        Err(registry.place.invalid(reason))
    }
}
