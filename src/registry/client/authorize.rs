//! How a request is authorized: by a token or by credentials, as the registry's challenge requires.

use reqwest::Method;
use reqwest::header::HeaderMap;

use super::super::auth::{TokenRequest, basic, bearer};
use super::super::challenge::Challenge;
use super::super::credentials::Credential;
use super::super::retry::RequestError;
use super::super::scope::Scopes;
use super::super::session::{Authorization, Session};
use super::super::transport::{Connection, Outgoing, Payload};
use super::super::{Secret, grant};
use super::{Client, RequestContext};
use crate::store::StoreError;

impl Client {
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
            self.0.authenticator.token(&self.0.transport, request)
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

    /// Returns `true` if the token for `scopes` itself says that the repository cannot be pushed to with it.
    pub(in super::super) async fn token_forbids_push(
        &self,
        context: RequestContext<'_>,
        scopes: &Scopes,
    ) -> Result<bool, StoreError> {
        let session = self.session(context.endpoint)?;
        let authorization = self.authorization(&session, context, scopes, false, None).await;
        let token = authorization
            .map_err(|request_error| request_error.error)?
            .and_then(|known| known.token);
        Ok(token.is_some_and(|token| grant::forbids_push(&token, context.path)))
    }

    /// Sends `GET /v2/` (distribution-spec, "Determining Support") after a 401 without a challenge, as seen with
    /// gcr.io.
    pub(super) async fn ask_for_challenge(&self, session: &Session) -> Result<(), RequestError> {
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
        let reply = self.0.transport.send(outgoing).await?;
        session.learn(reply.headers(), &Scopes::default());
        Ok(())
    }
}
