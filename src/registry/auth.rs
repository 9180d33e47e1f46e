//! Tokens. They are fetched from the token service that a challenge names, cached until shortly before they expire, and
//! fetched once for all requests that wait for the same token (distribution's token and oauth specifications).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::sync::Mutex as AsyncMutex;
use url::Url;
use url::form_urlencoded::Serializer;

use super::challenge::TokenChallenge;
use super::config::Endpoint;
use super::credential::Credential;
use super::origin::{check_hop, check_realm, origin};
use super::redirect::follow;
use super::reply::{self, FailedRequest};
use super::request_error::RequestError;
use super::retry::RetryInfo;
use super::scope::Scopes;
use super::small_body::{Unread, read_small};
use super::transport::{Outgoing, Payload, Reply, Transport};
use super::{Secret, redact};
use crate::model::locked;
use crate::store::StoreError;

/// Name of this client, as sent to token services.
const CLIENT_ID: &str = "ocitect";

/// Size limit of a token service's reply, in bytes. Tokens with many scopes have a few KiB.
const MAX_TOKEN_BYTES: u64 = 64 * 1024;

/// Lifetime of a token without `expires_in` or with a shorter one (distribution, token specification).
const MIN_LIFETIME: Duration = Duration::from_secs(60);

/// Longest time that a token is cached, whatever its `expires_in`.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A token is renewed this long before it expires, so that it does not expire in transit.
const RENEWAL_MARGIN: Duration = Duration::from_secs(15);

/// The action, for messages.
const ACTION: &str = "fetching a token";

/// A request for a token.
pub(super) struct TokenRequest<'a> {
    /// Root of the registry that sent the challenge.
    pub(super) registry: &'a Url,
    /// The registry as written in references, for messages.
    pub(super) name: &'a str,
    /// Settings of the registry's host. They also apply to a token service on the same host.
    pub(super) endpoint: Option<&'a Arc<Endpoint>>,
    /// The registry's challenge.
    pub(super) challenge: &'a TokenChallenge,
    /// Scopes that the token must allow.
    pub(super) scopes: &'a Scopes,
    /// Scopes to request when a new token is fetched: at least `scopes`, and others that will be needed later.
    pub(super) joined: &'a Scopes,
    /// The request that carries the token takes long: a token past half of its lifetime is not used.
    pub(super) is_for_long: bool,
    /// Credential to use; `None` for an anonymous token.
    pub(super) credential: Option<&'a Credential>,
    /// A token that was refused and must not be returned again.
    pub(super) refused: Option<&'a Secret>,
    /// The registry is a mirror. Requests to it are retried less often.
    pub(super) is_of_mirror: bool,
}

impl<'a> TokenRequest<'a> {
    /// Returns a request for an anonymous token with exactly these scopes.
    pub(super) fn new(registry: &'a Url, name: &'a str, challenge: &'a TokenChallenge, scopes: &'a Scopes) -> Self {
        Self {
            registry,
            name,
            endpoint: None,
            challenge,
            scopes,
            joined: scopes,
            is_for_long: false,
            credential: None,
            refused: None,
            is_of_mirror: false,
        }
    }
}

/// A token, and whether it was fetched just now.
pub(super) struct Fetched {
    pub(super) token: Secret,
    pub(super) is_fresh: bool,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    origin: String,
    realm: String,
    service: Option<String>,
    scopes: Scopes,
    is_anonymous: bool,
}

struct Token {
    secret: Secret,
    fetched_at: Instant,
    renew_at: Instant,
}

type TokenCell = Arc<AsyncMutex<Option<Token>>>;

/// The tokens of one client.
#[derive(Default)]
pub(super) struct Authenticator {
    cells: Mutex<BTreeMap<Key, TokenCell>>,
    /// Identity tokens that a service has replaced, by realm and old token.
    rotated: Mutex<BTreeMap<(String, Secret), Secret>>,
}

impl Token {
    /// Returns `true` if the token may be used for the request.
    fn serving(&self, request: &TokenRequest<'_>) -> Option<Fetched> {
        let now = Instant::now();
        let is_young = now < self.fetched_at + self.renew_at.saturating_duration_since(self.fetched_at) / 2;
        let serves = now < self.renew_at && request.refused != Some(&self.secret) && (is_young || !request.is_for_long);
        serves.then(|| Fetched {
            token: self.secret.clone(),
            is_fresh: false,
        })
    }
}

impl Authenticator {
    /// Returns a usable token: a cached one, even if it allows more, or a new one. Concurrent requests for the same
    /// token wait for one fetch. A refusal is not retried.
    pub(super) async fn token(
        &self,
        transport: &Transport,
        request: TokenRequest<'_>,
    ) -> Result<Fetched, RequestError> {
        let key = |scopes: &Scopes| Key {
            origin: origin(request.registry),
            realm: request.challenge.realm.clone(),
            service: request.challenge.service.clone(),
            scopes: scopes.clone(),
            is_anonymous: request.credential.is_none(),
        };
        let serving = |held: &Option<Token>| held.as_ref()?.serving(&request);
        for cell in self.covering(&key(request.scopes), request.joined) {
            if let Some(found) = serving(&*cell.lock().await) {
                return Ok(found);
            }
        }
        let cell = Arc::clone(self.cells().entry(key(request.joined)).or_default());
        let mut held = cell.lock().await;
        if let Some(found) = serving(&held) {
            return Ok(found);
        }
        let token = self.fetch(transport, &request).await?;
        let secret = token.secret.clone();
        *held = Some(token);
        Ok(Fetched {
            token: secret,
            is_fresh: true,
        })
    }

    fn cells(&self) -> MutexGuard<'_, BTreeMap<Key, TokenCell>> {
        locked(&self.cells)
    }

    /// Returns the cells whose tokens allow the scopes of `wanted` and no scopes outside `joined`.
    fn covering(&self, wanted: &Key, joined: &Scopes) -> Vec<TokenCell> {
        let cells = self.cells();
        let covers = |key: &Key| {
            let same = Key {
                scopes: wanted.scopes.clone(),
                ..key.clone()
            } == *wanted;
            same && key.scopes.covers(&wanted.scopes) && joined.covers(&key.scopes)
        };
        cells
            .iter()
            .filter(|(key, _)| covers(key))
            .map(|(_, cell)| Arc::clone(cell))
            .collect()
    }

    async fn fetch(&self, transport: &Transport, request: &TokenRequest<'_>) -> Result<Token, RequestError> {
        let realm = realm(request)?;
        let started = Instant::now();
        let reply = match request.credential {
            Some(Credential::Identity { token, .. }) => {
                let send = || self.refresh(transport, request, &realm, token);
                let mut backoff = transport.backoff(request.is_of_mirror);
                let reply = transport.retrying(&mut backoff, ACTION, request.name, send).await?;
                match reply.status().as_u16() {
                    // Token services that do not support POST: GCR replies 404, Artifactory 401, ACR 400.
                    400 | 401 | 404 | 405 => get(transport, request, &realm).await?,
                    _ => reply,
                }
            }
            _ => get(transport, request, &realm).await?,
        };
        let token = self.read(transport, request, &realm, reply, started).await?;
        transport.options().secrets.add(&token.secret);
        Ok(token)
    }

    async fn refresh(
        &self,
        transport: &Transport,
        request: &TokenRequest<'_>,
        realm: &Url,
        identity: &Secret,
    ) -> Result<Reply, RequestError> {
        let key = (realm.to_string(), identity.clone());
        let rotated = locked(&self.rotated).get(&key).cloned();
        let form = {
            let mut form = Serializer::new(String::new());
            form.append_pair("grant_type", "refresh_token")
                .append_pair("refresh_token", rotated.as_ref().unwrap_or(identity).expose())
                .append_pair("client_id", CLIENT_ID);
            if let Some(service) = &request.challenge.service {
                form.append_pair("service", service);
            }
            form.append_pair("scope", &request.joined.ordered().join(" "));
            form.finish()
        };
        let mut outgoing = Outgoing::new(ACTION, request.name, Method::POST, realm.clone(), request.endpoint);
        outgoing.headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        transport.send(&outgoing, Payload::Bytes(form.into())).await
    }

    async fn read(
        &self,
        transport: &Transport,
        request: &TokenRequest<'_>,
        realm: &Url,
        reply: Reply,
        started: Instant,
    ) -> Result<Token, RequestError> {
        if !reply.status().is_success() {
            return Err(refused(reply, request, transport).await);
        }
        let secrets = reply.secrets().clone();
        let body = read_small(reply, MAX_TOKEN_BYTES)
            .await
            .map_err(|unread| match unread {
                Unread::TooLarge => broken(request, realm, &format!("more than {MAX_TOKEN_BYTES} bytes")),
                Unread::Broken(_) => broken(request, realm, "an incomplete reply"),
            })?;
        // The parser's message is not shown: it may quote the token.
        let json: Value =
            serde_json::from_slice(&body).map_err(|_| broken(request, realm, "a reply that is not JSON"))?;
        let text = |name| json.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if let (Some(Credential::Identity { token, .. }), Some(next)) = (request.credential, text("refresh_token")) {
            secrets.add(&next.into());
            let mut rotated = locked(&self.rotated);
            rotated.insert((realm.to_string(), token.clone()), next.into());
        }
        let secret = text("token").or_else(|| text("access_token")).map(Secret::from);
        let secret = secret.ok_or_else(|| broken(request, realm, "a reply without a token"))?;
        let renew_at = started + lifetime(&json) - RENEWAL_MARGIN;
        Ok(Token {
            secret,
            fetched_at: started,
            renew_at,
        })
    }
}

/// Returns the lifetime of a token. `issued_at` is ignored: it is the token service's clock, which may be wrong.
fn lifetime(json: &Value) -> Duration {
    let seconds = json
        .get("expires_in")
        .and_then(|value| value.as_f64().or_else(|| value.as_str()?.parse().ok()));
    let lifetime = seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .unwrap_or(MIN_LIFETIME);
    lifetime.clamp(MIN_LIFETIME, MAX_LIFETIME)
}

fn realm(request: &TokenRequest<'_>) -> Result<Url, StoreError> {
    let refused = |which: String, reason: &str| {
        let detail = format!("the token service{which} was not used: {reason}");
        StoreError::remote(ACTION, request.name, detail)
            .with_help("check the configuration of the registry; no credentials were sent")
    };
    let realm = Url::parse(&request.challenge.realm).map_err(|_| refused(String::new(), "it is not a URL"))?;
    check_realm(request.registry, &realm).map_err(|reason| refused(format!(" {}", redact::address(&realm)), reason))?;
    Ok(realm)
}

async fn get(transport: &Transport, request: &TokenRequest<'_>, realm: &Url) -> Result<Reply, RequestError> {
    let mut outgoing = Outgoing::new(ACTION, request.name, Method::GET, realm.clone(), request.endpoint);
    {
        let mut query = outgoing.url.query_pairs_mut();
        if let Some(service) = &request.challenge.service {
            query.append_pair("service", service);
        }
        for scope in request.joined.ordered() {
            query.append_pair("scope", &scope);
        }
        query.append_pair("client_id", CLIENT_ID);
        if let Some((user, password)) = request.credential.and_then(Credential::pair) {
            query.append_pair("account", user);
            outgoing.headers.insert(AUTHORIZATION, basic(user, password));
        }
    }
    let rule = |registry: &Url, previous: &Url, next: &Url| {
        check_hop(registry, previous, next)?;
        check_realm(registry, next)
    };
    let send = || follow(transport, request.registry, rule, outgoing.clone());
    transport
        .retrying(&mut transport.backoff(request.is_of_mirror), ACTION, request.name, send)
        .await
}

/// Turns a token service's refusal into an error. Some services reply 400 to unknown credentials.
async fn refused(reply: Reply, request: &TokenRequest<'_>, transport: &Transport) -> RequestError {
    let is_refusal = matches!(reply.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    let retry = RetryInfo::of(reply.status(), reply.headers());
    let had_credentials = request.credential.is_some();
    let login_help = had_credentials.then(|| transport.options().credentials.login_help(request.name));
    let failed = FailedRequest {
        what: None,
        place: request.name.to_owned(),
        registry: request.name,
        login_help: login_help.clone(),
    };
    let error = match reply::failure(reply, "the token service", failed).await {
        StoreError::Denied { place, detail, .. } if is_refusal && !had_credentials => {
            reply::authentication_required(place, detail, request.name)
        }
        StoreError::Denied { place, detail, .. } if is_refusal => {
            let help = login_help;
            StoreError::Unauthorized { place, detail, help }
        }
        other => other,
    };
    RequestError {
        retry,
        ..RequestError::from(error)
    }
}

fn broken(request: &TokenRequest<'_>, realm: &Url, what: &str) -> StoreError {
    let detail = format!("the token service {} returned {what}", redact::address(realm));
    StoreError::remote(ACTION, request.name, detail)
}

/// Returns the `Authorization` value for a user and a password, marked as sensitive.
pub(super) fn basic(user: &str, password: &Secret) -> HeaderValue {
    secret_header(format!(
        "Basic {}",
        STANDARD.encode(format!("{user}:{}", password.expose()))
    ))
}

/// Returns the `Authorization` value for a token, marked as sensitive. The value is empty if the token has bytes that a
/// header cannot hold; the registry then refuses it as any wrong token.
pub(super) fn bearer(token: &Secret) -> HeaderValue {
    secret_header(format!("Bearer {}", token.expose()))
}

fn secret_header(text: String) -> HeaderValue {
    let mut value = HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_held_within_bounds() {
        let seconds = |text: &str| lifetime(&serde_json::from_str(text).unwrap()).as_secs();
        assert_eq!(seconds("{}"), 60);
        assert_eq!(seconds(r#"{"expires_in":5}"#), 60);
        assert_eq!(seconds(r#"{"expires_in":300,"issued_at":"2001-01-01T00:00:00Z"}"#), 300);
        assert_eq!(seconds(r#"{"expires_in":"300"}"#), 300);
        assert_eq!(seconds(r#"{"expires_in":1e300}"#), 60);
        assert_eq!(seconds(r#"{"expires_in":18446744073709551615}"#), 60);
        assert_eq!(seconds(r#"{"expires_in":99999999}"#), 86400);
        assert_eq!(seconds(r#"{"expires_in":-1}"#), 60);
    }

    #[test]
    fn secrets_are_marked() {
        assert_eq!(
            basic("Aladdin", &"open sesame".into()),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
        assert!(basic("a", &"b".into()).is_sensitive() && bearer(&"a".into()).is_sensitive());
        assert_eq!(format!("{:?}", bearer(&"secret".into())), "Sensitive");
        assert_eq!(bearer(&"a\nb".into()), "");
    }
}
