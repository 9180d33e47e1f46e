//! Plans a layer of the spec: places its files, links and removals on the image so far.

use std::collections::BTreeMap;

use super::entries::Attributes;
use super::error::PlanError;
use super::layer::{DirectoryAttrs, LayerBuilder};
use super::owners::owner_ids;
use super::pending::Origin;
use crate::model::{Entry, EntryKind, EntryPath, ListedItem, ListedRoot, Listing, escape};
use crate::spec::{FilesEntry, LayerSpec, LinkEntry, Ownership};
use crate::tree::{Accounts, View};

/// Default mode of directories.
pub(super) const DIRECTORY_MODE: u32 = 0o755;

/// Default mode of executable files.
const EXECUTABLE_MODE: u32 = 0o755;

/// Default mode of other files.
pub(super) const FILE_MODE: u32 = 0o644;

/// Mode of symbolic links; the system has no other.
const LINK_MODE: u32 = 0o777;

/// The bits of a mode that an entry carries.
const MODE_MASK: u32 = 0o7777;

/// Returns the entries of one layer, sorted, and updates `view` to the image with this layer. `listings` are those of
/// the layer's `files`, in their order.
pub(super) fn layer_entries(
    view: &mut View,
    layer: &LayerSpec,
    listings: Vec<Listing>,
    accounts: &Accounts,
) -> Result<Vec<Entry>, PlanError> {
    let mut builder = LayerBuilder::new(&layer.name, view);
    builder.remove(&layer.remove)?;
    for (entry, listing) in layer.files.iter().zip(listings) {
        Placement::new(entry, layer, accounts)?.place(&mut builder, entry, listing)?;
    }
    for link in &layer.links {
        place_link(&mut builder, link, layer, accounts)?;
    }
    builder.finish()
}

/// The attributes for the items of one `files` entry.
struct Placement {
    /// Owner and modes, with the inherited values.
    ownership: Ownership,
    owner: (u64, u64),
    /// The mode for directories that exist: only a value that the entry itself sets.
    changed_mode: Option<u32>,
    changed_owner: Option<(u64, u64)>,
    origin: String,
}

impl Placement {
    fn new(entry: &FilesEntry, layer: &LayerSpec, accounts: &Accounts) -> Result<Self, PlanError> {
        let origin = format!("\"{}\" ({})", escape(entry.from_text.as_bytes()), entry.place);
        let ownership = entry.ownership.or(&layer.ownership);
        let owner = match &ownership.owner {
            Some(owner) => owner_ids(accounts, owner, &origin)?,
            None => (0, 0),
        };
        let changed_owner = entry.ownership.owner.is_some().then_some(owner);
        Ok(Self {
            ownership,
            owner,
            changed_mode: entry.ownership.dir_mode,
            changed_owner,
            origin,
        })
    }

    fn place(&self, builder: &mut LayerBuilder<'_>, entry: &FilesEntry, listing: Listing) -> Result<(), PlanError> {
        let to = EntryPath::new(entry.to.as_bytes()).map_err(|cause| builder.bad_path(&self.origin, cause))?;
        let target = match &listing.root {
            ListedRoot::File { name } if entry.to.ends_with('/') => {
                to.join(name).map_err(|cause| builder.bad_path(&self.origin, cause))?
            }
            ListedRoot::File { .. } | ListedRoot::Glob => to,
            ListedRoot::Directory => {
                let mode = self.ownership.dir_mode.unwrap_or(DIRECTORY_MODE);
                builder.place_directory(&to, self.directory(mode, BTreeMap::new()), self.origin.clone())?;
                to
            }
        };
        for item in listing.items {
            self.place_item(builder, &target, item)?;
        }
        Ok(())
    }

    fn place_item(
        &self,
        builder: &mut LayerBuilder<'_>,
        target: &EntryPath,
        item: ListedItem,
    ) -> Result<(), PlanError> {
        let path = item
            .path
            .below(target)
            .map_err(|cause| builder.bad_path(&item.origin_text(), cause))?;
        let mode = self.mode(&item);
        match item.kind {
            EntryKind::Directory => builder.place_directory(
                &path,
                self.directory(mode, item.xattrs),
                item.origin.unwrap_or_default(),
            ),
            kind => {
                let attributes = Attributes {
                    mode,
                    owner: self.owner,
                    xattrs: item.xattrs,
                };
                builder.place_leaf(
                    &path,
                    kind,
                    attributes,
                    item.origin.map_or(Origin::Content, Origin::Text),
                )
            }
        }
    }

    fn directory(&self, mode: u32, xattrs: BTreeMap<Vec<u8>, Vec<u8>>) -> DirectoryAttrs {
        DirectoryAttrs {
            new: Attributes {
                mode,
                owner: self.owner,
                xattrs,
            },
            changed_mode: self.changed_mode,
            changed_owner: self.changed_owner,
        }
    }

    /// Returns the mode of an item. A mode of the item itself (`keep-modes`) takes precedence over `mode` and
    /// `dir-mode` of the entry and its outer levels, which take precedence over the default.
    fn mode(&self, item: &ListedItem) -> u32 {
        let mode = match item.kind {
            EntryKind::Symlink { .. } => return LINK_MODE,
            EntryKind::Directory => item.kept_mode.or(self.ownership.dir_mode).unwrap_or(DIRECTORY_MODE),
            EntryKind::File { .. } => {
                let by_rule = if item.executable { EXECUTABLE_MODE } else { FILE_MODE };
                item.kept_mode.or(self.ownership.mode).unwrap_or(by_rule)
            }
        };
        mode & MODE_MASK
    }
}

fn place_link(
    builder: &mut LayerBuilder<'_>,
    link: &LinkEntry,
    layer: &LayerSpec,
    accounts: &Accounts,
) -> Result<(), PlanError> {
    let origin = format!("the link \"{}\" ({})", escape(link.path.as_bytes()), link.place);
    let owner = match link.owner.as_ref().or(layer.ownership.owner.as_ref()) {
        Some(owner) => owner_ids(accounts, owner, &origin)?,
        None => (0, 0),
    };
    let path = EntryPath::new(link.path.as_bytes()).map_err(|cause| builder.bad_path(&origin, cause))?;
    let kind = EntryKind::Symlink {
        target: link.target.clone().into_bytes(),
    };
    builder.place_leaf(
        &path,
        kind,
        Attributes {
            mode: LINK_MODE,
            owner,
            xattrs: BTreeMap::new(),
        },
        origin.into(),
    )
}
