//! The token service of a registry, and the permissions of its tokens (distribution's token specification).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answer::Reply;
use super::http::{Body, Head};

/// How tokens are issued, and how long they last.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    /// The account that may push; `None`: no login is required.
    pub login: Option<(String, String)>,
    /// An identity token that is equivalent to the login.
    pub identity: Option<String>,
    /// Only so many of the first tokens expire; later ones never do.
    pub ending: Option<usize>,
    /// Requests after which a token expires.
    pub lives_requests: Option<usize>,
    /// Bytes of bodies after which a token expires. Its first body may have any size.
    pub lives_bytes: Option<u64>,
    /// Tokens are also checked after the body: the content is refused if the token has expired meanwhile.
    pub is_checked_after_body: bool,
    /// Fields of the reply besides the token.
    pub more: Option<Value>,
    /// The token is only in `access_token`.
    pub as_access_token: bool,
    /// The handling of several scopes in one request.
    pub joined: Joined,
    /// The status for a scope on a repository whose path begins otherwise than the first scope's.
    pub refuses_unrelated: Option<u16>,
    /// Such a scope is left out of the token, without an error.
    pub leaves_out_unrelated: bool,
    /// A mount requires `pull` on its source repository.
    pub needs_source_scope: bool,
    /// The `scope` of every challenge.
    pub challenge_scope: Option<&'static str>,
    /// POST is refused with this status.
    pub post_status: Option<u16>,
    /// The `realm` of every challenge; by default `/token` of the registry itself.
    pub realm: Option<String>,
    /// Every token is refused.
    pub never_satisfied: bool,
}

/// A token service's handling of several scopes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Joined {
    #[default]
    Granted,
    /// It replies with this status.
    Refused(u16),
    /// It reads only the first.
    FirstOnly,
}

/// A required permission: a repository and an action.
pub type Need<'a> = (&'a str, &'a str);

#[derive(Debug, Default)]
struct Issued {
    number: usize,
    allows: BTreeMap<String, BTreeSet<String>>,
    used_requests: usize,
    used_bytes: u64,
}

impl Tokens {
    fn ends(&self, token: &Issued) -> bool {
        self.ending.is_none_or(|ending| token.number < ending)
    }
}

/// The issued tokens.
#[derive(Default)]
pub struct TokenService {
    issued: Mutex<BTreeMap<String, Issued>>,
}

impl TokenService {
    fn issued(&self) -> MutexGuard<'_, BTreeMap<String, Issued>> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns all tokens so far.
    pub fn all(&self) -> Vec<String> {
        self.issued().keys().cloned().collect()
    }

    /// Returns the number of tokens.
    pub fn count(&self) -> usize {
        self.issued().len()
    }

    /// Replies to `GET` and `POST /token`.
    pub fn answer(&self, tokens: &Tokens, head: &Head, body: &mut Body<'_>) -> Reply {
        let form = body.all().unwrap_or_default();
        let is_post = head.method == "POST";
        let (scopes, is_known) = if is_post {
            if let Some(status) = tokens.post_status {
                return Reply::error(status, "UNSUPPORTED", "no tokens by POST");
            }
            let field = |name: &str| {
                let mut pairs = url::form_urlencoded::parse(&form);
                pairs
                    .find(|(other, _)| other == name)
                    .map(|(_, value)| value.into_owned())
            };
            let is_known = tokens.identity.is_some() && field("refresh_token") == tokens.identity;
            let scopes = field("scope").unwrap_or_default();
            (scopes.split(' ').map(ToOwned::to_owned).collect(), is_known)
        } else {
            (
                head.all("scope"),
                tokens.login.as_ref().is_none_or(|login| is_login(head, login)),
            )
        };
        if (is_post || head.header("authorization").is_some()) && !is_known {
            return Reply::error(401, "UNAUTHORIZED", "wrong credentials");
        }
        let scopes: Vec<String> = scopes
            .iter()
            .flat_map(|scope| scope.split(' '))
            .map(ToOwned::to_owned)
            .collect();
        match allowed(tokens, &scopes, is_known) {
            Ok(allows) => self.issue(tokens, allows),
            Err(reply) => reply,
        }
    }

    fn issue(&self, tokens: &Tokens, allows: BTreeMap<String, BTreeSet<String>>) -> Reply {
        let mut issued = self.issued();
        let token = format!("weather-token-{}-{:x}", issued.len(), std::process::id());
        let number = issued.len();
        issued.insert(
            token.clone(),
            Issued {
                number,
                allows,
                ..Issued::default()
            },
        );
        let name = if tokens.as_access_token {
            "access_token"
        } else {
            "token"
        };
        let mut reply = json!({ name: token, "expires_in": 300 });
        if let Some(more) = tokens.more.as_ref().and_then(Value::as_object) {
            for (name, value) in more {
                reply[name] = value.clone();
            }
        }
        Reply::new(200)
            .with("Content-Type", "application/json")
            .body(reply.to_string())
    }

    /// Checks whether a request is allowed. The error is the reply with the challenge.
    pub fn check(&self, tokens: &Tokens, head: &Head, needs: &[Need<'_>]) -> Result<(), Reply> {
        let challenge = |error: &str| Err(challenge(tokens, head, needs, error));
        let Some(token) = token_of(head) else {
            return challenge("");
        };
        let mut issued = self.issued();
        let Some(known) = issued.get_mut(token) else {
            return challenge("invalid_token");
        };
        let is_used_up = tokens.lives_requests.is_some_and(|lives| known.used_requests >= lives)
            || tokens.lives_bytes.is_some_and(|lives| known.used_bytes >= lives);
        let is_used_up = is_used_up && tokens.ends(known);
        if is_used_up || tokens.never_satisfied {
            return challenge("invalid_token");
        }
        let is_allowed = |(repository, action): &Need<'_>| {
            known
                .allows
                .get(*repository)
                .is_some_and(|actions| actions.contains(*action))
        };
        if !needs.iter().all(is_allowed) {
            return challenge("insufficient_scope");
        }
        known.used_requests += 1;
        Ok(())
    }

    /// Counts a body. Returns `Err` if the token has expired during it, and that is checked.
    pub fn count_bytes(&self, tokens: &Tokens, head: &Head, needs: &[Need<'_>], bytes: u64) -> Result<(), Reply> {
        let mut issued = self.issued();
        let Some(known) = token_of(head).and_then(|token| issued.get_mut(token)) else {
            return Ok(());
        };
        let was_unused = known.used_bytes == 0;
        known.used_bytes += bytes;
        let has_ended = tokens.lives_bytes.is_some_and(|lives| known.used_bytes > lives);
        if has_ended && tokens.ends(known) && !was_unused && tokens.is_checked_after_body {
            Err(challenge(tokens, head, needs, "invalid_token"))
        } else {
            Ok(())
        }
    }
}

fn token_of(head: &Head) -> Option<&str> {
    head.header("authorization")?.strip_prefix("Bearer ")
}

fn is_login(head: &Head, (user, password): &(String, String)) -> bool {
    head.header("authorization") == Some(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

fn challenge(tokens: &Tokens, head: &Head, needs: &[Need<'_>], error: &str) -> Reply {
    let host = head.header("host").unwrap_or_default();
    let realm = tokens.realm.clone().unwrap_or_else(|| format!("http://{host}/token"));
    let mut scopes = BTreeMap::<&str, Vec<&str>>::new();
    for (repository, action) in needs {
        scopes.entry(repository).or_default().push(action);
    }
    let scopes: Vec<_> = scopes
        .iter()
        .map(|(name, actions)| format!("repository:{name}:{}", actions.join(",")))
        .collect();
    let scope = tokens
        .challenge_scope
        .map_or_else(|| scopes.join(" "), ToOwned::to_owned);
    let mut value = format!("Bearer realm=\"{realm}\",service=\"weather\"");
    if !scope.is_empty() {
        value.push_str(&format!(",scope=\"{scope}\""));
    }
    if !error.is_empty() {
        value.push_str(&format!(",error=\"{error}\""));
    }
    Reply::error(401, "UNAUTHORIZED", "authentication required").with("WWW-Authenticate", value)
}

/// Returns the permissions of a token for these scopes.
fn allowed(tokens: &Tokens, scopes: &[String], is_known: bool) -> Result<BTreeMap<String, BTreeSet<String>>, Reply> {
    let repositories: Vec<(&str, &str)> = scopes
        .iter()
        .filter_map(|scope| scope.strip_prefix("repository:")?.rsplit_once(':'))
        .collect();
    if let (Joined::Refused(status), 2..) = (tokens.joined, repositories.len()) {
        return Err(Reply::error(status, "UNSUPPORTED", "one scope at a time"));
    }
    let group = |path: &str| path.split('/').next().unwrap_or_default().to_owned();
    let first = repositories.first().map(|(path, _)| group(path));
    let mut allows = BTreeMap::new();
    for (at, (path, actions)) in repositories.iter().enumerate() {
        let is_unrelated = first.as_ref().is_some_and(|first| *first != group(path));
        if let (true, Some(status)) = (is_unrelated, tokens.refuses_unrelated) {
            return Err(Reply::error(status, "DENIED", "access forbidden"));
        }
        if (is_unrelated && tokens.leaves_out_unrelated) || (at > 0 && tokens.joined == Joined::FirstOnly) {
            continue;
        }
        let actions = actions.split(',').filter(|action| *action == "pull" || is_known);
        allows.insert((*path).to_owned(), actions.map(ToOwned::to_owned).collect());
    }
    Ok(allows)
}
