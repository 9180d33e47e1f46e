//! Deletion of manifests (distribution-spec, "Deleting Manifests"). Registries may disable it, and many do.

use reqwest::{Method, StatusCode};

use super::RegistryRepository;
use super::scope::Scopes;
use crate::model::Digest;
use crate::store::StoreError;

/// The action, for messages.
const DELETING: &str = "deleting a manifest";

impl RegistryRepository {
    /// Deletes a manifest or an index, and every tag that names it. Blobs and manifests that it refers to are left to
    /// the registry's garbage collection. The account needs permission to delete.
    ///
    /// Returns [`StoreError::NotFound`] if the registry does not have it. That may also be the result if the connection
    /// broke after a first request that succeeded. If deletion is disabled, the error says so.
    pub(super) async fn delete_manifest(&self, digest: &Digest) -> Result<(), StoreError> {
        let path = self.repository.path();
        let scopes = Scopes::pull(path).merged(&Scopes::parse(&format!("repository:{path}:delete")));
        let reply = self
            .ask(Method::DELETE, format!("manifests/{digest}"), DELETING, scopes)
            .await?;
        let status = reply.status();
        match status {
            StatusCode::ACCEPTED | StatusCode::OK | StatusCode::NO_CONTENT => return Ok(()),
            _ => {}
        }
        let error = self
            .failure(reply, &Method::DELETE, DELETING, Some(format!("manifest {digest}")))
            .await;
        match (status, error) {
            (
                StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED,
                StoreError::Remote {
                    action,
                    place,
                    detail,
                    cause,
                    ..
                },
            ) => {
                let help = Some("the registry has deletion disabled".to_owned());
                Err(StoreError::Remote {
                    action,
                    place,
                    detail,
                    help,
                    cause,
                })
            }
            (_, error) => Err(error),
        }
    }
}
