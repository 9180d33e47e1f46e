//! Deleting (distribution-spec, "Deleting Manifests"). Registries may have it disabled, and many have.

use reqwest::{Method, StatusCode};

use super::RegistryRepository;
use super::scope::Scopes;
use crate::model::Digest;
use crate::store::StoreError;

/// What is being done, for messages.
const DELETING: &str = "deleting a manifest";

impl RegistryRepository {
    /// Deletes a manifest or an index, with every tag that names it. What it refers to stays, for the registry to
    /// collect. It needs an account that may delete.
    ///
    /// Where the registry does not have it, [`StoreError::NotFound`]; that may also be the answer where the connection
    /// broke after a first try that worked. Where deletion is disabled there, an error that says so.
    pub(super) async fn delete_manifest(&self, digest: &Digest) -> Result<(), StoreError> {
        let path = self.repository.path();
        let scopes = Scopes::pull(path).merged(&Scopes::parse(&format!("repository:{path}:delete")));
        let reply = self.ask(Method::DELETE, format!("manifests/{digest}"), DELETING, scopes).await?;
        let status = reply.status();
        match status {
            StatusCode::ACCEPTED | StatusCode::OK | StatusCode::NO_CONTENT => return Ok(()),
            _ => {}
        }
        let error = self.failure(reply, &Method::DELETE, DELETING, Some(format!("manifest {digest}"))).await;
        match (status, error) {
            (
                StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED,
                StoreError::Remote { action, place, detail, cause, .. },
            ) => {
                let help = Some("the registry has deletion disabled".to_owned());
                Err(StoreError::Remote { action, place, detail, help, cause })
            }
            (_, error) => Err(error),
        }
    }
}
