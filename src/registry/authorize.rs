//! How a request is authorized: by a token or by credentials, as the registry's challenge requires.

use reqwest::Method;
use url::Url;

use super::Secret;
use super::auth::{TokenRequest, basic, bearer};
use super::challenge::{Challenge, TokenChallenge};
use super::client::{Client, RequestContext};
use super::credential::Credential;
use super::request_error::RequestError;
use super::scope::Scopes;
use super::session::{Authorization, Session};
use super::transport::{Outgoing, Payload};
use crate::model::Repository;

impl Client {
    /// Returns `true` if there are credentials for a repository.
    pub(super) async fn has_credentials(&self, repository: &Repository) -> bool {
        let found = self
            .0
            .credentials
            .lookup(repository.registry(), repository.path())
            .await;
        found.is_ok_and(|credential| credential.is_some())
    }

    /// Returns an anonymous token for a host that a registry redirected to.
    pub(super) async fn anonymous_token(
        &self,
        url: &Url,
        registry: &str,
        challenge: &TokenChallenge,
    ) -> Result<Secret, RequestError> {
        let scopes = Scopes::parse(challenge.scope.as_deref().unwrap_or_default());
        let request = TokenRequest::new(url, registry, challenge, &scopes);
        let fetched = self.0.authenticator.token(self.transport(), request).await;
        fetched
            .map(|fetched| fetched.token)
            .map_err(RequestError::of_token_service)
    }

    /// Returns the authorization for these scopes; `None` if the registry requires none or no credentials are known. A token
    /// that was `refused` is replaced.
    pub(super) async fn authorization(
        &self,
        session: &Session,
        context: RequestContext<'_>,
        scopes: &Scopes,
        is_for_long: bool,
        refused: Option<&Secret>,
    ) -> Result<Option<Authorization>, RequestError> {
        let Some(challenge) = session.challenge() else {
            return Ok(None);
        };
        let credential = self.0.credentials.lookup(session.registry(), context.path).await?;
        let credential = credential.as_deref();
        let fixed = |header| Authorization {
            header,
            token: None,
            is_fresh: true,
        };
        if let Some(Credential::Registry(token)) = credential {
            return Ok(Some(fixed(bearer(token))));
        }
        let Challenge::Bearer(challenge) = challenge else {
            let pair = credential.and_then(Credential::pair);
            return Ok(pair.map(|(user, password)| fixed(basic(user, password))));
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
            self.0.authenticator.token(self.transport(), request)
        };
        let fetched = match ask(&joined).await {
            // A token service may refuse scopes together that it grants separately.
            Err(refusal) if !refusal.retry.is_passing && session.ask_apart(scopes) => ask(scopes).await,
            fetched => fetched,
        };
        let fetched = fetched.map_err(RequestError::of_token_service)?;
        Ok(Some(Authorization {
            header: bearer(&fetched.token),
            token: Some(fetched.token),
            is_fresh: fetched.is_fresh,
        }))
    }

    /// Sends `GET /v2/` (distribution-spec, "Determining Support") after a 401 without a challenge, as seen with
    /// gcr.io.
    pub(super) async fn ask_for_challenge(&self, session: &Session) -> Result<(), RequestError> {
        let url = session.address("", session.registry())?;
        let outgoing = Outgoing::new(
            "connecting",
            session.registry(),
            Method::GET,
            url,
            Some(session.endpoint()),
        );
        let reply = self.transport().send(&outgoing, Payload::Empty).await?;
        session.learn(reply.headers(), &Scopes::default());
        Ok(())
    }
}
