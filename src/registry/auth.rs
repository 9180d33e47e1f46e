//! Tokens: fetched from the token service that a challenge names, kept until shortly before they end, and fetched once
//! for everyone who waits for the same (distribution's token and oauth specifications).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use tokio::sync::Mutex as AsyncMutex;
use url::Url;
use url::form_urlencoded::Serializer;

use super::body::{Unread, read_small};
use super::challenge::TokenChallenge;
use super::credentials::Credential;
use super::origin::{check_hop, check_realm, origin};
use super::redact;
use super::redirect::follow;
use super::reply::{self, Request};
use super::scope::Scopes;
use super::transport::{Outgoing, Payload, Transport};
use crate::store::StoreError;

/// Name of this client for token services.
const CLIENT_ID: &str = "ocitect";

/// Bytes of a token service's reply; tokens with many scopes have a few KiB.
const MAX_TOKEN_BYTES: u64 = 64 * 1024;

/// Lifetime of a token that says none, or less (distribution, token specification).
const MIN_LIFETIME: Duration = Duration::from_secs(60);

/// Longest time that a token is kept, whatever it says.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A token is renewed this long before its end, so that it does not end on the way.
const RENEWAL_MARGIN: Duration = Duration::from_secs(15);

/// What is being done, for messages.
const ACTION: &str = "fetching a token";

/// A token, and who is to have it.
pub(super) struct Asked<'a> {
    /// Root of the registry that sent the challenge.
    pub(super) registry: &'a Url,
    /// The registry as references write it, for messages.
    pub(super) name: &'a str,
    /// What the registry said.
    pub(super) challenge: &'a TokenChallenge,
    /// What the token must allow.
    pub(super) scopes: &'a Scopes,
    /// As whom; anonymously where there is none.
    pub(super) credential: Option<&'a Credential>,
    /// A token that was refused and is not wanted again.
    pub(super) refused: Option<&'a str>,
}

/// A token, and whether it was fetched just now.
pub(super) struct Fetched {
    pub(super) token: String,
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
    secret: String,
    renew_at: Instant,
}

type Slot = Arc<AsyncMutex<Option<Token>>>;

/// The tokens of one client.
#[derive(Default)]
pub(super) struct Authenticator {
    slots: Mutex<BTreeMap<Key, Slot>>,
    /// Identity tokens that a service has replaced, by the realm and the old token.
    rotated: Mutex<BTreeMap<(String, String), String>>,
}

impl Authenticator {
    /// A token that may be used now. Who asks for the same at the same time waits for one fetch.
    pub(super) async fn token(&self, transport: &Transport, asked: Asked<'_>) -> Result<Fetched, StoreError> {
        let key = Key {
            origin: origin(asked.registry),
            realm: asked.challenge.realm.clone(),
            service: asked.challenge.service.clone(),
            scopes: asked.scopes.clone(),
            is_anonymous: asked.credential.is_none(),
        };
        let slot = Arc::clone(self.slots.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default());
        let mut held = slot.lock().await;
        if let Some(token) = &*held
            && Instant::now() < token.renew_at
            && asked.refused != Some(token.secret.as_str())
        {
            return Ok(Fetched { token: token.secret.clone(), is_fresh: false });
        }
        let token = self.fetch(transport, &asked).await?;
        let secret = token.secret.clone();
        *held = Some(token);
        Ok(Fetched { token: secret, is_fresh: true })
    }

    async fn fetch(&self, transport: &Transport, asked: &Asked<'_>) -> Result<Token, StoreError> {
        let realm = realm(asked)?;
        let started = Instant::now();
        let reply = match asked.credential {
            Some(Credential::Identity { token, .. }) => {
                let reply = transport.send(self.refresh_request(asked, &realm, token)).await?;
                match reply.status().as_u16() {
                    // Services that do not know this way: GCR says 404, Artifactory 401, ACR 400.
                    400 | 401 | 404 | 405 => get(transport, asked, &realm).await?,
                    _ => reply,
                }
            }
            _ => get(transport, asked, &realm).await?,
        };
        self.read(transport, asked, &realm, reply, started).await
    }

    fn refresh_request(&self, asked: &Asked<'_>, realm: &Url, identity: &str) -> Outgoing {
        let rotated = self.rotated.lock().unwrap_or_else(PoisonError::into_inner);
        let identity = rotated.get(&(realm.to_string(), identity.to_owned())).map_or(identity, String::as_str);
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", identity);
        form.append_pair("client_id", CLIENT_ID);
        if let Some(service) = &asked.challenge.service {
            form.append_pair("service", service);
        }
        form.append_pair("scope", &asked.scopes.ordered().join(" "));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let payload = Payload::Bytes(form.finish().into());
        let (method, url, place) = (Method::POST, realm.clone(), asked.name.to_owned());
        Outgoing { action: ACTION, place, method, url, headers, payload }
    }

    async fn read(
        &self,
        transport: &Transport,
        asked: &Asked<'_>,
        realm: &Url,
        reply: Response,
        started: Instant,
    ) -> Result<Token, StoreError> {
        let idle = transport.options().idle_timeout;
        if !reply.status().is_success() {
            return Err(refused(reply, asked, idle).await);
        }
        let body = read_small(reply, MAX_TOKEN_BYTES, idle).await.map_err(|unread| match unread {
            Unread::TooLarge => broken(asked, realm, &format!("more than {MAX_TOKEN_BYTES} bytes")),
            Unread::Broken(_) => broken(asked, realm, "a reply that breaks off"),
        })?;
        // What the parser says is not shown: it may quote the token.
        let json: Value =
            serde_json::from_slice(&body).map_err(|_| broken(asked, realm, "something else than JSON"))?;
        let text = |name| json.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if let (Some(Credential::Identity { token, .. }), Some(next)) = (asked.credential, text("refresh_token")) {
            let mut rotated = self.rotated.lock().unwrap_or_else(PoisonError::into_inner);
            rotated.insert((realm.to_string(), token.clone()), next.to_owned());
        }
        let secret = text("token").or_else(|| text("access_token")).map(ToOwned::to_owned);
        let secret = secret.ok_or_else(|| broken(asked, realm, "a reply without a token"))?;
        Ok(Token { secret, renew_at: started + lifetime(&json) - RENEWAL_MARGIN })
    }
}

/// `issued_at` is passed over: it is of the other side's clock, which may be wrong.
fn lifetime(json: &Value) -> Duration {
    let seconds = json.get("expires_in").and_then(|value| value.as_f64().or_else(|| value.as_str()?.parse().ok()));
    let lifetime = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(MIN_LIFETIME);
    lifetime.clamp(MIN_LIFETIME, MAX_LIFETIME)
}

fn realm(asked: &Asked<'_>) -> Result<Url, StoreError> {
    let refused = |reason: &str| StoreError::Remote {
        action: ACTION.to_owned(),
        place: asked.name.to_owned(),
        detail: match Url::parse(&asked.challenge.realm) {
            Ok(realm) => format!("its token service {} is not asked: {reason}", redact::address(&realm)),
            Err(_) => format!("its token service is not asked: {reason}"),
        },
        help: Some("no credentials were sent; the registry is set up wrongly, or is not what it seems".to_owned()),
        cause: None,
    };
    let realm = Url::parse(&asked.challenge.realm).map_err(|_| refused("it is not an address"))?;
    check_realm(asked.registry, &realm).map_err(refused)?;
    Ok(realm)
}

async fn get(transport: &Transport, asked: &Asked<'_>, realm: &Url) -> Result<Response, StoreError> {
    let mut url = realm.clone();
    let mut headers = HeaderMap::new();
    {
        let mut query = url.query_pairs_mut();
        if let Some(service) = &asked.challenge.service {
            query.append_pair("service", service);
        }
        for scope in asked.scopes.ordered() {
            query.append_pair("scope", &scope);
        }
        query.append_pair("client_id", CLIENT_ID);
        if let Some((user, password)) = asked.credential.and_then(Credential::pair) {
            query.append_pair("account", user);
            headers.insert(AUTHORIZATION, basic(user, password));
        }
    }
    let (method, place) = (Method::GET, asked.name.to_owned());
    let outgoing = Outgoing { action: ACTION, place, method, url, headers, payload: Payload::Empty };
    let rule = |registry: &Url, previous: &Url, next: &Url| {
        check_hop(registry, previous, next)?;
        check_realm(registry, next)
    };
    follow(transport, asked.registry, rule, outgoing).await
}

/// A token service's no. 400 is what some say to credentials that they do not know.
async fn refused(reply: Response, asked: &Asked<'_>, idle: Duration) -> StoreError {
    let is_refusal = matches!(reply.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    let had_credentials = asked.credential.is_some();
    let request =
        Request { action: ACTION, what: None, place: asked.name.to_owned(), registry: asked.name, had_credentials };
    match reply::failure(reply, "the token service", request, idle).await {
        StoreError::Denied { place, detail, .. } if is_refusal => {
            let help = Some(format!("renew the credentials: ocitect login {}", asked.name));
            StoreError::Unauthorized { place, detail, help }
        }
        other => other,
    }
}

fn broken(asked: &Asked<'_>, realm: &Url, what: &str) -> StoreError {
    StoreError::Remote {
        action: ACTION.to_owned(),
        place: asked.name.to_owned(),
        detail: format!("its token service {} gave {what}", redact::address(realm)),
        help: None,
        cause: None,
    }
}

/// The value of `Authorization` for a user and a password, marked as a secret.
pub(super) fn basic(user: &str, password: &str) -> HeaderValue {
    secret_header(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

/// The value of `Authorization` for a token, marked as a secret. Bytes that no header can hold make it empty, which is
/// refused as any wrong token is.
pub(super) fn bearer(token: &str) -> HeaderValue {
    secret_header(format!("Bearer {token}"))
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
        assert_eq!(basic("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(basic("a", "b").is_sensitive() && bearer("a").is_sensitive());
        assert_eq!(format!("{:?}", bearer("secret")), "Sensitive");
        assert_eq!(bearer("a\nb"), "");
    }
}
