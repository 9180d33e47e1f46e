//! The requests that servers received.

use std::sync::{Arc, Mutex, PoisonError};

use super::http::Head;

/// A request as a server received it.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Received bytes of the body.
    pub body_bytes: u64,
    /// The connection ended before the body did.
    pub is_cut: bool,
    /// The status of the reply; `None` if there was none (yet).
    pub status: Option<u16>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns `METHOD TARGET -> STATUS`, with the body's size if it has one.
    pub fn line(&self) -> String {
        let status = self.status.map_or("none".to_owned(), |status| status.to_string());
        let cut = if self.is_cut { ", cut" } else { "" };
        let range = self.header("content-range").or(self.header("range"));
        let range = range.map_or(String::new(), |range| format!(" [{range}]"));
        format!(
            "{} {}{range} ({} bytes{cut}) -> {status}",
            self.method, self.target, self.body_bytes
        )
    }
}

/// The requests of a server, in the order in which they began.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<Seen>>>);

impl Log {
    /// Records a request that begins, and returns its number.
    pub fn begin(&self, head: &Head) -> usize {
        let method = head.method.clone();
        let target = head.target.clone();
        let headers = head.headers.clone();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Seen {
            method,
            target,
            headers,
            ..Seen::default()
        });
        all.len() - 1
    }

    /// Changes the record of a request.
    pub fn note(&self, number: usize, change: impl FnOnce(&mut Seen)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)[number]);
    }

    pub fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns each request as [`Seen::line`].
    pub fn lines(&self) -> Vec<String> {
        self.all().iter().map(Seen::line).collect()
    }

    /// Returns the requests of a method whose target has this text.
    pub fn of(&self, method: &str, text: &str) -> Vec<Seen> {
        let mut all = self.all();
        all.retain(|seen| seen.method == method && seen.target.contains(text));
        all
    }

    pub fn count(&self, method: &str, text: &str) -> usize {
        self.of(method, text).len()
    }

    /// Returns the bytes of all bodies.
    pub fn body_bytes(&self) -> u64 {
        self.all().iter().map(|seen| seen.body_bytes).sum()
    }
}
