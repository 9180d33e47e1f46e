//! Uploads to a registry that keeps real sessions, and that fails, refuses and lies where a test demands it.

mod faults;
mod journal;
mod modes;
mod resume;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::*;
use crate::model::{Descriptor, Digest, MediaType};
use crate::store::{MemoryStore, StoreError};

/// Decides about a request by the request and its number among those of its method.
type Rule<T> = Box<dyn Fn(&ReceivedRequest, usize) -> Option<T> + Send + Sync>;

/// The registry's deviations from a correct one.
pub(super) struct Rules {
    /// The bytes of an interrupted body are kept; otherwise its session is lost.
    pub(super) keeps: bool,
    /// Number of bytes after which a request's body is interrupted.
    pub(super) cut: Rule<usize>,
    /// The reply in place of handling the request.
    pub(super) instead: Rule<Answer>,
    /// The reply after the request was handled.
    pub(super) after: Rule<Answer>,
}

impl Default for Rules {
    fn default() -> Self {
        let (cut, instead, after): (Rule<usize>, Rule<Answer>, Rule<Answer>) =
            (Box::new(|_, _| None), Box::new(|_, _| None), Box::new(|_, _| None));
        Self {
            keeps: true,
            cut,
            instead,
            after,
        }
    }
}

/// Returns a rule for requests of one method, by their number.
pub(super) fn on<T>(method: &'static str, rule: impl Fn(usize) -> Option<T> + Send + Sync + 'static) -> Rule<T> {
    Box::new(move |request, number| if request.method == method { rule(number) } else { None })
}

/// Returns a rule for the requests with bytes of a blob, by their number among all of them.
pub(super) fn on_bodies<T>(rule: impl Fn(usize) -> Option<T> + Send + Sync + 'static) -> Rule<T> {
    let count = Mutex::new(0);
    Box::new(move |request, _| {
        if request.header("content-length").is_none_or(|length| length == "0") {
            return None;
        }
        let mut count = count.lock().unwrap();
        *count += 1;
        rule(*count - 1)
    })
}

#[derive(Default)]
struct State {
    /// Bytes, and the number of changes of the location.
    sessions: BTreeMap<usize, (Vec<u8>, usize)>,
    opened: usize,
    blobs: BTreeMap<String, Vec<u8>>,
    numbers: BTreeMap<String, usize>,
    /// PUTs and PATCHes to locations that are not the session's newest.
    replays: Vec<String>,
}

pub(super) struct Fake {
    pub(super) server: Server,
    state: Arc<Mutex<State>>,
}

impl Fake {
    pub(super) async fn start(rules: Rules) -> Self {
        let mut server = Server::bind().await;
        let state = Arc::<Mutex<State>>::default();
        let numbers = Mutex::new(BTreeMap::<String, usize>::new());
        let Rules {
            keeps,
            cut,
            instead,
            after,
        } = rules;
        let cut = Arc::new(cut);
        let served = Arc::clone(&state);
        let cut = move |request: &ReceivedRequest| {
            let mut numbers = numbers.lock().unwrap();
            let number = numbers.entry(request.method.clone()).or_default();
            *number += 1;
            cut(request, *number - 1)
        };
        server.serve_and_cut(cut, move |request| {
            let mut state = served.lock().unwrap();
            let number = state.numbers.entry(request.method.clone()).or_default();
            *number += 1;
            let number = *number - 1;
            if let Some(answer) = instead(request, number) {
                return answer;
            }
            let answer = state.answer(request, keeps);
            after(request, number).unwrap_or(answer)
        });
        Self { server, state }
    }

    /// Returns the blob as it was stored.
    pub(super) fn stored(&self, descriptor: &Descriptor) -> Option<Vec<u8>> {
        self.state
            .lock()
            .unwrap()
            .blobs
            .get(&descriptor.digest.to_string())
            .cloned()
    }

    /// Forgets all sessions.
    pub(super) fn drop_sessions(&self) {
        self.state.lock().unwrap().sessions.clear();
    }

    /// Returns the requests, each as its method and the position of its bytes.
    pub(super) fn told(&self) -> Vec<String> {
        let requests = self.server.requests();
        requests
            .iter()
            .map(
                |request| match (request.header("content-range"), request.header("content-length")) {
                    (Some(range), _) => format!("{} {range}", request.method),
                    (None, Some(length)) if length != "0" => format!("{} {length}", request.method),
                    _ => request.method.clone(),
                },
            )
            .collect()
    }

    /// Returns the number of received body bytes.
    pub(super) fn received_bytes(&self) -> usize {
        self.server.requests().iter().map(|request| request.body.len()).sum()
    }

    pub(super) async fn upload(&self, content: &[u8]) -> Result<Descriptor, StoreError> {
        self.upload_with(self.server.options(), content).await
    }

    /// Uploads. After a success, checks that the blob is right and that no location was used twice.
    pub(super) async fn upload_with(&self, options: RegistryOptions, content: &[u8]) -> Result<Descriptor, StoreError> {
        self.upload_to(&repository(&self.server, options), content).await
    }

    pub(super) async fn upload_to(
        &self,
        repository: &RoutedRepository,
        content: &[u8],
    ) -> Result<Descriptor, StoreError> {
        let descriptor = Descriptor::of(MediaType::OciLayer, content);
        let source = MemoryStore::new("memory").with_blob(&descriptor, content.to_vec());
        let done = repository.writer().unwrap().upload(&descriptor, &source, None).await;
        assert_eq!(self.state.lock().unwrap().replays, [""; 0]);
        done?;
        assert!(
            self.stored(&descriptor).as_deref() == Some(content),
            "what is stored is another"
        );
        Ok(descriptor)
    }
}

impl State {
    fn answer(&mut self, request: &ReceivedRequest, keeps: bool) -> Answer {
        if let Some(digest) = request.path.strip_prefix("/v2/x/blobs/sha256:") {
            let found = self.blobs.get(&format!("sha256:{digest}"));
            return found.map_or(status(404), |blob| {
                status(200).with("Content-Length", blob.len().to_string())
            });
        }
        if request.method == "POST" {
            self.opened += 1;
            self.sessions.insert(self.opened, (Vec::new(), 0));
            return status(202).with("Location", format!("/up/{}?v=0", self.opened));
        }
        let Some((session, version)) = place(&request.path) else {
            return status(200);
        };
        let Some((bytes, newest)) = self.sessions.get_mut(&session) else {
            return status(404);
        };
        if version != *newest && matches!(request.method.as_str(), "PUT" | "PATCH") {
            self.replays.push(request.line());
        }
        if request.method == "DELETE" {
            self.sessions.remove(&session);
            return status(204);
        }
        if let Some(range) = request.header("content-range")
            && range.split_once('-').unwrap().0 != bytes.len().to_string()
        {
            return status(416);
        }
        if request.is_cut && !keeps {
            self.sessions.remove(&session);
            return status(404);
        }
        bytes.extend_from_slice(&request.body);
        *newest += 1;
        // Before the first bytes: distribution's range for no bytes.
        let range = format!("0-{}", bytes.len().saturating_sub(1));
        let located = |code| {
            status(code)
                .with("Location", format!("/up/{session}?v={newest}"))
                .with("Range", range.clone())
        };
        match request.method.as_str() {
            "GET" => located(204),
            "PUT" if !request.is_cut || request.body.len().to_string() == request.header("content-length").unwrap() => {
                let digest = Digest::of(bytes).to_string();
                let Some((bytes, _)) = self.sessions.remove(&session) else {
                    unreachable!()
                };
                if !request
                    .path
                    .ends_with(&format!("digest={}", digest.replace(':', "%3A")))
                {
                    return status(400).body(r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#);
                }
                self.blobs.insert(digest, bytes);
                status(201)
            }
            _ => located(202),
        }
    }
}

fn place(path: &str) -> Option<(usize, usize)> {
    let (session, query) = path.strip_prefix("/up/")?.split_once('?')?;
    let version = query.strip_prefix("v=")?;
    Some((session.parse().ok()?, version.split('&').next()?.parse().ok()?))
}

/// Returns content without repetitions.
pub(super) fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

pub(super) const MIB: usize = 1024 * 1024;
