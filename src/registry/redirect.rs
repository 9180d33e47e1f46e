//! Redirects, followed here and not by the HTTP library: a credential never leaves the origin that it was made for.

use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, LOCATION};
use url::Url;

use super::origin::origin;
use super::redact;
use super::request_error::RequestError;
use super::transport::{Outgoing, Payload, Reply, Transport};
use crate::store::StoreError;

/// Limit on the redirects of one request. Registries and their storage need two or three.
const MAX_HOPS: usize = 10;

/// Checks whether a request for `registry` may be redirected from `previous` to `next`. The error is the reason.
pub(super) type Rule = fn(registry: &Url, previous: &Url, next: &Url) -> Result<(), &'static str>;

/// Sends a request without a body and follows the redirects that `rule` allows.
pub(super) async fn follow(
    transport: &Transport,
    registry: &Url,
    rule: Rule,
    mut outgoing: Outgoing,
) -> Result<Reply, RequestError> {
    for _ in 0..=MAX_HOPS {
        let reply = transport.send(&outgoing, Payload::Empty).await?;
        let Some(location) = location(&reply) else {
            return Ok(reply);
        };
        let url = &outgoing.url;
        let refused = |reason: &str| {
            let shown = url
                .join(&location)
                .map_or_else(|_| redact::text(&location), |next| redact::address(&next));
            let detail = format!("the redirect to {shown} is not allowed: {reason}");
            StoreError::remote(outgoing.action, &outgoing.place, detail)
        };
        let next = url.join(&location).map_err(|_| refused("it is not a URL"))?;
        rule(registry, url, &next).map_err(refused)?;
        if origin(&next) != origin(url) {
            outgoing.headers.remove(AUTHORIZATION);
        }
        outgoing.url = next;
    }
    let detail = format!("more than {MAX_HOPS} redirects");
    Err(StoreError::remote(outgoing.action, &outgoing.place, detail).into())
}

fn location(reply: &Reply) -> Option<String> {
    let is_redirect = matches!(
        reply.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = reply.headers().get(LOCATION).filter(|_| is_redirect)?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}
