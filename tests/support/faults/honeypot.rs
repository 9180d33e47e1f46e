//! An origin that no secret may reach. It records everything that it receives.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::answer::Reply;
use super::http::{Body, Head};
use super::server::Server;

/// Recorded requests.
#[derive(Debug, Clone, Default)]
pub struct Kept(Arc<Mutex<Vec<Sent>>>);

/// A whole request.
#[derive(Debug)]
struct Sent {
    head: Head,
    body: Vec<u8>,
}

pub struct Honeypot {
    server: Server,
    kept: Kept,
}

impl Honeypot {
    /// Serves plain HTTP.
    pub fn start(answer: impl Fn(&Head) -> Reply + Send + Sync + 'static) -> Self {
        let kept = Kept::default();
        let keeping = kept.clone();
        let server = Server::start(move |head, body| {
            keeping.keep(head, body);
            answer(head)
        });
        Self { server, kept }
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> &str {
        self.server.host()
    }

    pub fn kept(&self) -> &Kept {
        &self.kept
    }
}

impl Kept {
    pub fn keep(&self, head: &Head, body: &mut Body<'_>) {
        let body = body.all().unwrap_or_default();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Sent {
            head: head.clone(),
            body,
        });
    }

    /// Returns the first lines of all requests.
    pub fn lines(&self) -> Vec<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter()
            .map(|sent| format!("{} {}", sent.head.method, sent.head.target))
            .collect()
    }

    /// Checks that no request has one of these secrets: as it is, escaped, or in a Basic header.
    #[track_caller]
    pub fn assert_without(&self, secrets: &[impl AsRef<str>]) {
        for sent in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let shown = shown(&sent.head, &sent.body);
            for secret in secrets.iter().map(AsRef::as_ref) {
                assert!(!shown.contains(secret), "{secret} was sent here:\n{shown}");
            }
        }
    }
}

/// Returns everything in a request, as readable text.
fn shown(head: &Head, body: &[u8]) -> String {
    let raw = String::from_utf8_lossy(&head.raw).into_owned();
    let body = String::from_utf8_lossy(body).into_owned();
    let unescape = |text: &str| {
        let pairs = url::form_urlencoded::parse(text.as_bytes());
        pairs
            .map(|(name, value)| format!("{name} {value}\n"))
            .collect::<String>()
    };
    let words = head.headers.iter().flat_map(|(_, value)| value.split(' '));
    let decoded: String = words
        .filter_map(|word| STANDARD.decode(word).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned() + "\n")
        .collect();
    let query = head.target.split_once('?').map_or("", |(_, query)| query);
    [raw.as_str(), &body, &unescape(query), &unescape(&body), &decoded].join("\n")
}
