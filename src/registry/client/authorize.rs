//! How a request is authorized: by a token or by credentials, as the registry's challenge requires.

use reqwest::Method;
use reqwest::header::HeaderMap;
use url::Url;

use super::super::auth::{Authenticator, TokenRequest, basic, bearer};
use super::super::challenge::{Challenge, TokenChallenge};
use super::super::credential::Credential;
use super::super::credentials::CredentialStore;
use super::super::request_error::RequestError;
use super::super::scope::Scopes;
use super::super::session::{Authorization, Session};
use super::super::transport::{Connection, Outgoing, Payload, Transport};
use super::super::{RegistryOptions, Secret};
use super::request::RequestContext;
use crate::model::Repository;

/// The accounts and the tokens of a client.
pub(super) struct Authorizer {
    authenticator: Authenticator,
    credentials: CredentialStore,
}

impl Authorizer {
    /// Returns the accounts of the options, and no tokens.
    pub(super) fn new(options: &RegistryOptions) -> Self {
        Self {
            authenticator: Authenticator::default(),
            credentials: CredentialStore::new(options),
        }
    }

    /// Returns `true` if there are credentials for a repository.
    pub(super) async fn has_credentials(&self, repository: &Repository) -> bool {
        let found = self.credentials.lookup(repository.registry(), repository.path()).await;
        found.is_ok_and(|credential| credential.is_some())
    }

    /// Returns an anonymous token for a host that a registry redirected to.
    pub(super) async fn anonymous_token(
        &self,
        transport: &Transport,
        url: &Url,
        registry: &str,
        challenge: &TokenChallenge,
    ) -> Result<Secret, RequestError> {
        let scopes = Scopes::parse(challenge.scope.as_deref().unwrap_or_default());
        let request = TokenRequest::new(url, registry, challenge, &scopes);
        let fetched = self.authenticator.token(transport, request).await;
        fetched
            .map(|fetched| fetched.token)
            .map_err(RequestError::of_token_service)
    }

    /// Returns the authorization for these scopes; `None` if the registry requires none or no credentials are known. A token
    /// that was `refused` is replaced.
    pub(super) async fn authorization(
        &self,
        transport: &Transport,
        session: &Session,
        context: RequestContext<'_>,
        scopes: &Scopes,
        is_for_long: bool,
        refused: Option<&Secret>,
    ) -> Result<Option<Authorization>, RequestError> {
        let Some(challenge) = session.challenge() else {
            return Ok(None);
        };
        let credential = self.credentials.lookup(session.registry(), context.path).await?;
        let credential = credential.as_deref();
        if let Some(Credential::Registry(token)) = credential {
            return Ok(Some(Authorization {
                header: bearer(token),
                token: None,
                is_fresh: true,
            }));
        }
        let challenge = match challenge {
            Challenge::Basic => {
                let pair = credential.and_then(Credential::pair);
                return Ok(pair.map(|(user, password)| Authorization {
                    header: basic(user, password),
                    token: None,
                    is_fresh: true,
                }));
            }
            Challenge::Bearer(challenge) => challenge,
        };
        let base = session.base();
        let joined = session.joined(scopes);
        let ask = |joined| {
            let request = TokenRequest {
                endpoint: Some(session.endpoint()),
                joined,
                is_for_long,
                credential,
                refused,
                is_of_mirror: context.mirror.is_some(),
                ..TokenRequest::new(&base, session.registry(), &challenge, scopes)
            };
            self.authenticator.token(transport, request)
        };
        let fetched = match ask(&joined).await {
            // A token service may refuse scopes together that it grants separately.
            Err(refusal) if !refusal.retry.is_passing && session.ask_apart(scopes) => ask(scopes).await,
            fetched => fetched,
        };
        let fetched = fetched.map_err(RequestError::of_token_service)?;
        let header = bearer(&fetched.token);
        let is_fresh = fetched.is_fresh;
        Ok(Some(Authorization {
            header,
            token: Some(fetched.token),
            is_fresh,
        }))
    }
}

/// Sends `GET /v2/` (distribution-spec, "Determining Support") after a 401 without a challenge, as seen with
/// gcr.io.
pub(super) async fn ask_for_challenge(transport: &Transport, session: &Session) -> Result<(), RequestError> {
    let action = "connecting";
    let place = session.registry().to_owned();
    let method = Method::GET;
    let url = session.address("", session.registry())?;
    let headers = HeaderMap::new();
    let payload = Payload::Empty;
    let connection = Connection::Shared;
    let endpoint = Some(session.endpoint().clone());
    let outgoing = Outgoing {
        action,
        place,
        method,
        url,
        headers,
        payload,
        connection,
        endpoint,
    };
    let reply = transport.send(outgoing).await?;
    session.learn(reply.headers(), &Scopes::default());
    Ok(())
}
