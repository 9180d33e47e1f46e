//! Error replies: the error envelope of the distribution-spec, and what each status means to the user.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::challenge::is_short_of_scope;
use super::small_body::read_small;
use super::transport::Reply;
use super::{Secrets, redact, retry};
use crate::store::{ErrorCode, StoreError};

/// Bytes of an error's body that are read. Other clients use the same limit.
const MAX_ERROR_BYTES: u64 = 64 * 1024;

/// The purpose of a failed request.
pub(super) struct FailedRequest<'a> {
    /// The requested content; a 404 means that it does not exist.
    pub(super) what: Option<String>,
    /// The repository, or the registry.
    pub(super) place: String,
    /// The registry as references write it.
    pub(super) registry: &'a str,
    /// What helps if these credentials are wrong; `None` if none were sent.
    pub(super) login_help: Option<String>,
}

/// Turns an error reply into an error.
pub(super) async fn failure(reply: Reply, method: &str, request: FailedRequest<'_>) -> StoreError {
    let action = reply.action;
    let mut status = reply.status();
    let address = redact::address(reply.url());
    let is_short = is_short_of_scope(reply.headers());
    let limit = limit(status, reply.headers());
    let tried = retry::tried(reply.tries());
    let secrets = reply.secrets().clone();
    let body = read_small(reply, MAX_ERROR_BYTES).await.unwrap_or_default();
    let document = ErrorDocument::parse(&body, &secrets);
    let detail = format!(
        "{method} {address} returned {}{}{limit}{tried}",
        status.as_u16(),
        document.shown()
    );
    let FailedRequest {
        what,
        place,
        registry,
        login_help,
    } = request;
    // Registries with tokens reply 401 to a known account without permission: a new login would not help.
    if status == StatusCode::UNAUTHORIZED && login_help.is_some() && is_short {
        status = StatusCode::FORBIDDEN;
    }
    match (status, what) {
        (StatusCode::UNAUTHORIZED, _) if login_help.is_some() => StoreError::Unauthorized {
            place,
            detail,
            help: login_help,
        },
        (StatusCode::UNAUTHORIZED, _) => authentication_required(place, detail, registry),
        (StatusCode::FORBIDDEN, _) => {
            let help = Some(format!("use an account with permission for {action}"));
            StoreError::Denied { place, detail, help }
        }
        (StatusCode::NOT_FOUND, Some(what)) => {
            let help = if document.code == Some(ErrorCode::NameUnknown) {
                "check the name of the repository: it does not exist, or the account has no access"
            } else if what.starts_with("tag ") {
                "check the repository and the tag"
            } else {
                "check the repository and the digest"
            };
            let help = Some(help.to_owned());
            StoreError::NotFound { what, place, help }
        }
        _ => {
            let help = help(status, document.code.as_ref());
            StoreError::Remote {
                action: action.to_owned(),
                place,
                detail,
                code: document.code,
                help,
                cause: None,
            }
        }
    }
}

/// Returns the error of a request without credentials.
pub(super) fn authentication_required(place: String, detail: String, registry: &str) -> StoreError {
    let help = Some(format!("log in: ocitect login {registry}"));
    StoreError::AuthenticationRequired { place, detail, help }
}

/// Returns what a reply says about when to retry.
fn limit(status: StatusCode, headers: &HeaderMap) -> String {
    match (retry::quota(status, headers), retry::retry_after(headers)) {
        (Some(quota), _) => format!("; {quota}"),
        (None, Some(wait)) if retry::is_temporary(status) => format!("; retry after {}", retry::span(wait)),
        _ => String::new(),
    }
}

fn help(status: StatusCode, code: Option<&ErrorCode>) -> Option<String> {
    let text = match status {
        StatusCode::TOO_MANY_REQUESTS => "wait, or log in for a higher limit: the registry limits the request rate",
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            "the proxy needs credentials: write USER:PASSWORD@ before its host in HTTP_PROXY"
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            "use smaller layers: the registry, or a proxy in front of it, does not accept requests of this size"
        }
        _ if retry::is_temporary(status) => "try again later",
        _ => match code {
            Some(ErrorCode::ManifestBlobUnknown | ErrorCode::BlobUnknown) => "push again: the registry lost a blob",
            _ => return None,
        },
    };
    Some(text.to_owned())
}

/// The document in the body of an error reply.
#[derive(Debug, Default, PartialEq, Eq)]
struct ErrorDocument {
    code: Option<ErrorCode>,
    message: Option<String>,
}

impl ErrorDocument {
    /// Parses `{"errors":[{"code","message"}]}`, and `{"details"}` and `{"error"}` of token services. Secrets are
    /// masked before the text is truncated.
    fn parse(body: &[u8], secrets: &Secrets) -> Self {
        let Ok(json) = serde_json::from_slice::<Value>(body) else {
            return Self::default();
        };
        let first = json.pointer("/errors/0").unwrap_or(&json);
        let text = |names: &[&str]| {
            let found = names.iter().find_map(|name| first.get(name).and_then(Value::as_str));
            let shown = redact::text(&secrets.blank(found?));
            Some(shown).filter(|shown| !shown.is_empty())
        };
        Self {
            code: text(&["code", "error"]).map(|code| ErrorCode::from(code.as_str())),
            message: text(&["message", "details", "error_description"]),
        }
    }

    fn shown(&self) -> String {
        let code = self.code.as_ref().map(|code| format!(" ({code})"));
        let message = self.message.as_ref().map(|message| format!(": {message}"));
        code.into_iter().chain(message).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &[u8]) -> ErrorDocument {
        ErrorDocument::parse(body, &Secrets::default())
    }

    #[test]
    fn envelopes_of_every_kind_are_read_or_passed_over() {
        let document = parse(br#"{"errors":[{"code":"DENIED","message":"no\u001b[31m","detail":{}}]}"#);
        assert_eq!(document.shown(), " (DENIED): no\\u{1b}[31m");
        assert_eq!(
            parse(br#"{"details":"incorrect username"}"#).shown(),
            ": incorrect username"
        );
        assert_eq!(parse(br#"{"error":"invalid_grant"}"#).shown(), " (invalid_grant)");
        for other in [
            &b""[..],
            b"<html>",
            b"[]",
            b"{\"errors\":[]}",
            b"{\"errors\":7}",
            b"\xff",
        ] {
            assert_eq!(parse(other), ErrorDocument::default());
        }
    }
}
