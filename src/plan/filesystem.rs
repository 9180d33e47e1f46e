//! Plans the layer `filesystem`: users, groups, directories and the working directory, below all layers of the spec
//! (passwd(5), group(5)).

use super::BaseImage;
use super::entries::{Attributes, attributes_of};
use super::error::PlanError;
use super::layer::{DirectoryAttrs, LayerBuilder};
use super::owners::owner_ids;
use super::sources::{DIRECTORY_MODE, FILE_MODE};
use crate::model::{Content, Entry, EntryKind, EntryPath, escape};
use crate::spec::{DirSpec, Place, PlatformSpec, User};
use crate::tree::{Accounts, GroupEntry, UserEntry, View};

/// The layer's name.
pub(super) const NAME: &str = "filesystem";

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// root's line, for an image without these files.
const ROOT_USER: &str = "root:*:0:0:root:/root:/bin/sh\n";
const ROOT_GROUP: &str = "root:x:0:\n";

/// The accounts of the image: those of the base image, and those of the spec.
#[derive(Debug, Default)]
pub(super) struct AccountFiles {
    pub accounts: Accounts,
    passwd: TextFile,
    group: TextFile,
    /// Home directories of new users.
    homes: Vec<Home>,
}

#[derive(Debug)]
struct Home {
    path: String,
    owner: (u64, u64),
    place: Place,
}

/// A text file to which lines are appended.
#[derive(Debug, Default)]
struct TextFile {
    bytes: Vec<u8>,
    changed: bool,
}

impl TextFile {
    /// Starts with the base image's bytes, or with root's line if the base image does not have the file.
    fn start(existing: &[u8], root: &str) -> Self {
        if existing.is_empty() {
            return Self {
                bytes: root.as_bytes().to_vec(),
                changed: true,
            };
        }
        let mut bytes = existing.to_vec();
        if bytes.last() != Some(&b'\n') {
            bytes.push(b'\n');
        }
        Self { bytes, changed: false }
    }

    fn append(&mut self, line: &str) {
        self.bytes.extend_from_slice(line.as_bytes());
        self.changed = true;
    }
}

impl AccountFiles {
    /// Collects the base image's accounts, then the new ones of the spec: `[[groups]]` first, so that they may list
    /// members for a user's primary group, then each user, with its primary group if it does not exist yet.
    pub fn new(spec: &PlatformSpec, base: Option<&BaseImage>) -> Result<Self, PlanError> {
        let (passwd, group) = base.map_or((&b""[..], &b""[..]), |base| (&base.passwd[..], &base.group[..]));
        if spec.users.is_empty() && spec.groups.is_empty() {
            return Ok(Self {
                accounts: Accounts::parse(passwd, group),
                ..Self::default()
            });
        }
        let mut files = Self {
            passwd: TextFile::start(passwd, ROOT_USER),
            group: TextFile::start(group, ROOT_GROUP),
            ..Self::default()
        };
        files.read();
        for group in &spec.groups {
            files.add_group(&group.name, group.gid, Some(&group.members), &group.place)?;
        }
        for user in &spec.users {
            // First, so that a uid in use is not reported as the gid that follows from it.
            files.add_user(user)?;
            files.add_group(&user.group, user.gid, None, &user.place)?;
        }
        Ok(files)
    }

    fn read(&mut self) {
        self.accounts = Accounts::parse(&self.passwd.bytes, &self.group.bytes);
    }

    /// `members: None` accepts an existing group of that name and ID unchanged.
    fn add_group(
        &mut self,
        name: &str,
        gid: u64,
        members: Option<&Vec<String>>,
        place: &Place,
    ) -> Result<(), PlanError> {
        let conflict = |difference: String| account_conflict("group", name, place, difference);
        if let Some(found) = self.accounts.group(name) {
            return match group_difference(found, gid, members) {
                Some(difference) => Err(conflict(difference)),
                None => Ok(()),
            };
        }
        let id = u32::try_from(gid).map_err(|_| conflict(too_large(gid)))?;
        if let Some(found) = self.accounts.group_by_id(id) {
            return Err(conflict(format!(
                "has the gid {gid}, which is used by the group \"{}\"",
                escape(found.name.as_bytes())
            )));
        }
        let members = members.map(Vec::as_slice).unwrap_or_default();
        check_texts(
            GROUP,
            place,
            std::iter::once(name).chain(members.iter().map(String::as_str)),
        )?;
        self.group.append(&format!("{name}:x:{gid}:{}\n", members.join(",")));
        self.read();
        Ok(())
    }

    fn add_user(&mut self, user: &User) -> Result<(), PlanError> {
        let conflict = |difference: String| account_conflict("user", &user.name, &user.place, difference);
        if let Some(found) = self.accounts.user(&user.name) {
            return match user_difference(found, user) {
                Some(difference) => Err(conflict(difference)),
                None => Ok(()),
            };
        }
        let id = u32::try_from(user.uid).map_err(|_| conflict(too_large(user.uid)))?;
        if let Some(found) = self.accounts.user_by_id(id) {
            let name = escape(found.name.as_bytes());
            return Err(conflict(format!(
                "has the uid {}, which is used by the user \"{name}\"",
                user.uid
            )));
        }
        check_texts(PASSWD, &user.place, [&*user.name, &user.home, &user.shell].into_iter())?;
        let User {
            name,
            uid,
            gid,
            home,
            shell,
            ..
        } = user;
        self.passwd.append(&format!("{name}:*:{uid}:{gid}::{home}:{shell}\n"));
        self.homes.push(Home {
            path: home.clone(),
            owner: (*uid, *gid),
            place: user.place.clone(),
        });
        self.read();
        Ok(())
    }
}

fn too_large(id: u64) -> String {
    format!("has the id {id}, over the limit of {}", u32::MAX)
}

fn account_conflict(kind: &'static str, name: &str, place: &Place, difference: String) -> PlanError {
    PlanError::AccountConflict {
        kind,
        name: name.to_owned(),
        place: place.clone(),
        difference,
    }
}

fn group_difference(found: &GroupEntry, gid: u64, members: Option<&Vec<String>>) -> Option<String> {
    if u64::from(found.gid) != gid {
        return Some(format!("already exists with the gid {}, not {gid}", found.gid));
    }
    let members = members.filter(|members| **members != found.members)?;
    let [there, wanted] = [&found.members, members].map(|names| escape(names.join(",").as_bytes()));
    Some(format!("already exists with the members \"{there}\", not \"{wanted}\""))
}

fn user_difference(found: &UserEntry, user: &User) -> Option<String> {
    let fields = [
        ("uid", found.uid.to_string(), user.uid.to_string()),
        ("gid", found.gid.to_string(), user.gid.to_string()),
        ("home", found.home.clone(), user.home.clone()),
        ("shell", found.shell.clone(), user.shell.clone()),
    ];
    let (field, there, wanted) = fields.into_iter().find(|(_, there, wanted)| there != wanted)?;
    let [there, wanted] = [there, wanted].map(|text| escape(text.as_bytes()));
    Some(format!("already exists with {field} {there}, not {wanted}"))
}

/// Refuses texts with a colon or a line break, which would create other fields or lines, or with a comma, which would
/// create another member.
fn check_texts<'a>(
    file: &'static str,
    place: &Place,
    mut texts: impl Iterator<Item = &'a str>,
) -> Result<(), PlanError> {
    match texts.find(|text| text.is_empty() || text.contains([':', ',', '\n', '\0'])) {
        Some(text) => Err(PlanError::AccountText {
            text: text.to_owned(),
            file,
            place: place.clone(),
        }),
        None => Ok(()),
    }
}

/// Returns the entries of the layer, sorted; empty if nothing has to be created. Updates `view` to the image with this
/// layer. `workdir` is a directory that no layer provides.
pub(super) fn entries(
    view: &mut View,
    spec: &PlatformSpec,
    files: &AccountFiles,
    workdir: Option<&EntryPath>,
) -> Result<Vec<Entry>, PlanError> {
    let mut builder = LayerBuilder::new(NAME, view);
    place_text(&mut builder, PASSWD, &files.passwd)?;
    place_text(&mut builder, GROUP, &files.group)?;
    for directory in &spec.dirs {
        place_dir(&mut builder, directory, &files.accounts)?;
    }
    for home in &files.homes {
        place_home(&mut builder, home)?;
    }
    if let Some(path) = workdir
        && !builder.has_claim(path)
    {
        builder.place_directory(path, new_directory((0, 0)), "the working directory".to_owned())?;
    }
    builder.finish()
}

/// Writes an account file if it changed, with its existing mode and owner.
fn place_text(builder: &mut LayerBuilder<'_>, name: &str, file: &TextFile) -> Result<(), PlanError> {
    if !file.changed {
        return Ok(());
    }
    let path = EntryPath::new(name.as_bytes()).map_err(|cause| builder.bad_path(name, cause))?;
    let at = builder
        .view()
        .resolve(&path)
        .map_err(|cause| builder.unresolved(name, cause))?;
    let new = Attributes {
        mode: FILE_MODE,
        ..Attributes::default()
    };
    let attributes = builder.view().node(&at).map_or(new, attributes_of);
    let content = Content::Bytes(file.bytes.as_slice().into());
    let kind = EntryKind::File {
        size_bytes: file.bytes.len() as u64,
        content,
    };
    builder.place_leaf(&at, kind, attributes, name.to_owned().into())
}

/// Writes a directory, unless it exists and does not change.
fn place_dir(builder: &mut LayerBuilder<'_>, dir: &DirSpec, accounts: &Accounts) -> Result<(), PlanError> {
    let origin = format!("\"{}\" of dirs ({})", escape(dir.path.as_bytes()), dir.place);
    let path = EntryPath::new(dir.path.as_bytes()).map_err(|cause| builder.bad_path(&origin, cause))?;
    let owner = dir
        .owner
        .as_ref()
        .map(|owner| owner_ids(accounts, owner, &origin))
        .transpose()?;
    let stands = builder.existing_directory(&path, &origin)?.is_some_and(|node| {
        dir.mode.is_none_or(|mode| mode == node.mode) && owner.is_none_or(|owner| owner == (node.uid, node.gid))
    });
    if stands {
        return Ok(());
    }
    let new = Attributes {
        mode: dir.mode.unwrap_or(DIRECTORY_MODE),
        owner: owner.unwrap_or_default(),
        ..Attributes::default()
    };
    builder.place_directory(
        &path,
        DirectoryAttrs {
            new,
            changed_mode: dir.mode,
            changed_owner: owner,
        },
        origin,
    )
}

/// Writes a home directory, unless `[[dirs]]` creates it or it exists.
fn place_home(builder: &mut LayerBuilder<'_>, home: &Home) -> Result<(), PlanError> {
    let origin = format!("the home \"{}\" ({})", escape(home.path.as_bytes()), home.place);
    let path = EntryPath::new(home.path.as_bytes()).map_err(|cause| builder.bad_path(&origin, cause))?;
    let at = builder
        .view()
        .resolve(&path)
        .map_err(|cause| builder.unresolved(&origin, cause))?;
    if builder.has_claim(&at) || builder.view().node(&at).is_some() || builder.view().has_below(&at) {
        return Ok(());
    }
    builder.place_directory(&path, new_directory(home.owner), origin)
}

fn new_directory(owner: (u64, u64)) -> DirectoryAttrs {
    let new = Attributes {
        mode: DIRECTORY_MODE,
        owner,
        ..Attributes::default()
    };
    DirectoryAttrs {
        new,
        changed_mode: None,
        changed_owner: None,
    }
}
