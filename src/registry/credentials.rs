//! Lookup of credentials: the places are searched in order, and the first that has a credential wins. The place is
//! logged, the credential never.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::OnceCell;

use super::auth_file::{AuthFile, server_name};
use super::credential::Credential;
use super::helper::Helper;
use super::origin::canonical;
use super::{Credentials, Login, RegistryOptions, Secrets};
use crate::events::{Event, Observer};
use crate::model::{escape_path, locked};
use crate::store::StoreError;

type Found = Arc<OnceCell<Option<Arc<Credential>>>>;

/// Looks up each repository once and caches the result.
pub(super) struct CredentialStore {
    credentials: Credentials,
    /// Receives every credential that is found.
    secrets: Secrets,
    /// Receives one warning about a configured file that does not exist.
    observer: Arc<dyn Observer>,
    has_warned: AtomicBool,
    found: Mutex<BTreeMap<String, Found>>,
}

impl CredentialStore {
    pub(super) fn new(options: &RegistryOptions) -> Self {
        let credentials = options.credentials.clone();
        let secrets = options.secrets.clone();
        for login in &credentials.explicit {
            Credential::from(login).add_to(&secrets);
        }
        let observer = options.observer.clone();
        Self {
            credentials,
            secrets,
            observer,
            has_warned: AtomicBool::new(false),
            found: Mutex::default(),
        }
    }

    /// Returns the credential for a repository, or `None` to stay anonymous. A file that cannot be read or a helper
    /// that fails is an error.
    pub(super) async fn lookup(&self, registry: &str, path: &str) -> Result<Option<Arc<Credential>>, StoreError> {
        let registry = canonical(registry);
        let cell = {
            let mut found = locked(&self.found);
            Arc::clone(found.entry(format!("{registry}/{path}")).or_default())
        };
        let credential = cell.get_or_try_init(|| async {
            let found = self.search(registry, path).await?;
            match &found {
                Some((credential, place)) => {
                    credential.add_to(&self.secrets);
                    tracing::debug!(registry, place, "credentials found");
                }
                None => tracing::debug!(registry, "no credentials found"),
            }
            Ok::<_, StoreError>(found.map(|(credential, _)| Arc::new(credential)))
        });
        credential.await.cloned()
    }

    async fn search(&self, registry: &str, path: &str) -> Result<Option<(Credential, String)>, StoreError> {
        let credentials = &self.credentials;
        let of = |logins: &[Login]| {
            logins
                .iter()
                .find(|login| canonical(&login.registry) == registry)
                .map(Credential::from)
        };
        if let Some(credential) = of(&credentials.explicit) {
            return Ok(Some((credential, "the command line".to_owned())));
        }
        if let Some(text) = &credentials.docker_auth_config {
            let file = AuthFile::parse("DOCKER_AUTH_CONFIG".to_owned(), text.expose().as_bytes())?;
            if let Some(credential) = file.inline(registry, path)? {
                return Ok(Some((credential, file.place)));
            }
        }
        let files = match &credentials.auth_file {
            Some(file) => std::slice::from_ref(file),
            None => credentials.files.as_slice(),
        };
        for path_of_file in files {
            let Some(file) = AuthFile::read(path_of_file)? else {
                self.warn_of_missing(path_of_file);
                continue;
            };
            if let Some(found) = self.search_file(&file, registry, path).await? {
                return Ok(Some(found));
            }
        }
        Ok(of(&credentials.environment).map(|credential| (credential, "the environment".to_owned())))
    }

    /// Warns that the configured file does not exist. Default files may be missing.
    fn warn_of_missing(&self, file: &Path) {
        if self.credentials.auth_file.is_some() && !self.has_warned.swap(true, Ordering::Relaxed) {
            let shown = escape_path(file);
            let text = format!("credentials file {shown} (REGISTRY_AUTH_FILE) does not exist");
            self.observer.event(Event::Warning(text));
        }
    }

    /// Searches the registry's own helper, the file's helper, then the entries of the file.
    async fn search_file(
        &self,
        file: &AuthFile,
        registry: &str,
        path: &str,
    ) -> Result<Option<(Credential, String)>, StoreError> {
        for name in file.helpers(registry) {
            let helper = Helper::find(&name, self.credentials.helper_path.as_deref())?;
            if let Some(credential) = helper.lookup(server_name(registry)).await? {
                return Ok(Some((
                    credential,
                    format!("the credential helper {name} of {}", file.place),
                )));
            }
        }
        Ok(file
            .inline(registry, path)?
            .map(|credential| (credential, file.place.clone())))
    }
}
