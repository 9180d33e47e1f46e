//! Faults of a registry for single requests: the changed reply, the matching requests, and how often it applies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::answer::{Delivery, Reply};
use super::http::Head;

/// A fault, and the requests that it applies to.
pub struct Hook {
    method: &'static str,
    text: String,
    times: usize,
    met: AtomicUsize,
    pub(super) act: Act,
}

/// The effect of a hook.
#[derive(Clone)]
pub enum Act {
    /// Replies at once, without handling the request or reading its body.
    Answer(Reply),
    /// Reads and discards the body, and then replies.
    AnswerAfterBody(Reply),
    /// Changes the request.
    Ask(Arc<dyn Fn(&mut Head) + Send + Sync>),
    /// Handles the request, and changes the reply.
    Change(Arc<dyn Fn(Reply) -> Reply + Send + Sync>),
}

impl Hook {
    fn new(act: Act) -> Self {
        Self {
            method: "",
            text: String::new(),
            times: usize::MAX,
            met: AtomicUsize::new(0),
            act,
        }
    }

    pub fn answer(reply: Reply) -> Self {
        Self::new(Act::Answer(reply))
    }

    pub fn answer_after_body(reply: Reply) -> Self {
        Self::new(Act::AnswerAfterBody(reply))
    }

    pub fn change(change: impl Fn(Reply) -> Reply + Send + Sync + 'static) -> Self {
        Self::new(Act::Change(Arc::new(change)))
    }

    /// Ignores `Range`.
    pub fn ignore_range() -> Self {
        Self::new(Act::Ask(Arc::new(|head| {
            head.headers.retain(|(name, _)| name != "range")
        })))
    }

    /// Replies to a range with another, which begins so many bytes earlier.
    pub fn shift_range(by_bytes: u64) -> Self {
        Self::new(Act::Ask(Arc::new(move |head| {
            let range = head.headers.iter_mut().find(|(name, _)| name == "range");
            let start = range
                .as_ref()
                .and_then(|(_, value)| value.strip_prefix("bytes=")?.strip_suffix('-'));
            if let (Some(start), Some((_, value))) = (start.and_then(|start| start.parse::<u64>().ok()), range) {
                *value = format!("bytes={}-", start.saturating_sub(by_bytes));
            }
        })))
    }

    /// Handles the request, and ends the connection without a reply.
    pub fn lose_reply() -> Self {
        Self::change(|_| Reply::lost())
    }

    /// Changes the delivery of the reply.
    pub fn deliver(change: impl Fn(&mut Delivery) + Send + Sync + 'static) -> Self {
        Self::change(move |reply| reply.deliver(&change))
    }

    /// Changes a byte of the body.
    pub fn flip(at: u64) -> Self {
        Self::deliver(move |delivery| delivery.flip_at = Some(at))
    }

    /// Ends the connection after so many bytes of the body.
    pub fn cut(after_bytes: u64) -> Self {
        Self::deliver(move |delivery| delivery.cut_after_bytes = Some(after_bytes))
    }

    /// Sends the body in pieces of so many bytes, with a pause after each.
    pub fn drip(piece_bytes: usize, pause: Duration) -> Self {
        Self::deliver(move |delivery| delivery.drip = Some((piece_bytes, pause)))
    }

    /// Limits the hook to requests of this method whose target has this text.
    pub fn on(self, method: &'static str, text: &str) -> Self {
        Self {
            method,
            text: text.to_owned(),
            ..self
        }
    }

    /// Limits the hook to so many requests.
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    pub(super) fn meets(&self, head: &Head) -> bool {
        let is_meant = (self.method.is_empty() || self.method == head.method) && head.target.contains(&self.text);
        if !is_meant {
            return false;
        }
        let number = self.met.fetch_add(1, Ordering::SeqCst);
        number < self.times
    }
}
