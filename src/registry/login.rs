//! `login` and `logout`: store credentials in a file or in the helper that the file names, and remove them.

use std::ffi::OsStr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use super::Login;
use super::auth_file::{AuthFile, server_name};
use super::helper::Helper;
use super::origin::canonical;
use crate::model::{Repository, escape, escape_path};
use crate::store::output::{Access, OutputKind, write_output};
use crate::store::{StoreError, local};

/// Mode of a directory that is created for a credential file: accessible to its owner only.
const DIRECTORY_MODE: u32 = 0o700;

/// Stores credentials in the helper that the file at `path` names for the registry, or else in the file itself, in the
/// form of containers-auth.json(5). Unknown fields are kept. The file is replaced atomically, with mode 0600.
/// `helper_path` is the value of `PATH`. Returns where the credentials were stored.
pub async fn store_login(path: &Path, helper_path: Option<&OsStr>, login: &Login) -> Result<String, StoreError> {
    check_registry(&login.registry)?;
    let file = read(path)?;
    if let Some(name) = file.helpers(canonical(&login.registry)).first() {
        let helper = Helper::find(name, helper_path)?;
        helper
            .store(server_name(&login.registry), &login.user, &login.secret)
            .await?;
        return Ok(format!("the credential helper {name}"));
    }
    write(
        path,
        &file.with_login(&login.registry, &login.user, &login.secret).to_text(),
    )?;
    Ok(escape_path(path))
}

/// Removes the credentials of a registry, from the helper that the file at `path` names for it and from the file.
/// Returns `false` if there were none.
pub async fn remove_login(path: &Path, helper_path: Option<&OsStr>, registry: &str) -> Result<bool, StoreError> {
    check_registry(registry)?;
    let file = read(path)?;
    let mut is_removed = false;
    if let Some(name) = file.helpers(canonical(registry)).first() {
        is_removed = Helper::find(name, helper_path)?.erase(server_name(registry)).await?;
    }
    let (file, was_there) = file.without_login(registry);
    if was_there {
        write(path, &file.to_text())?;
    }
    Ok(is_removed || was_there)
}

/// Checks that a registry is a host with an optional port, since its name is passed to helpers and written as a key.
fn check_registry(registry: &str) -> Result<(), StoreError> {
    format!("{registry}/x").parse::<Repository>()?;
    if registry.contains('/') {
        let reason = "a registry is a host with an optional port, such as ghcr.io";
        Err(StoreError::malformed(escape(registry.as_bytes()), reason))
    } else {
        Ok(())
    }
}

fn read(path: &Path) -> Result<AuthFile, StoreError> {
    match AuthFile::read(path)? {
        Some(file) => Ok(file),
        None => AuthFile::parse(escape_path(path), b""),
    }
}

/// Replaces the file atomically. A directory that is created for it is accessible to its owner only.
fn write(path: &Path, text: &str) -> Result<(), StoreError> {
    if let OutputKind::Replaced(target) = OutputKind::of(path)? {
        let failed = |cause| StoreError::io("write", &target, cause);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(local::parent(&target))
            .map_err(failed)?;
    }
    write_output(path, text.as_bytes(), Access::Owner)
}
