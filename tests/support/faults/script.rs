//! The faults of a proxy, the matching requests, and how often each applies.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::http::Head;

/// A fault of a connection during a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A reset after so many bytes of the request's body were passed on.
    ResetInBody(u64),
    /// A reset after so many bytes of the reply, its head included, were passed on.
    ResetInReply(u64),
    /// The whole request is passed on; the connection ends before the reply.
    CloseBeforeReply,
    /// After so many bytes of the body nothing is passed on any more, without an error.
    StallInBody(u64),
    /// The request is delayed before it is passed on.
    Delay(Duration),
    /// The reply is passed on in pieces of so many bytes, with a pause after each.
    DripReply(usize, Duration),
}

/// A fault, and the requests that it applies to.
#[derive(Debug)]
pub struct Rule {
    fault: Fault,
    methods: &'static [&'static str],
    text: String,
    /// Fewest bytes of the body.
    from_bytes: u64,
    skip: usize,
    times: usize,
    met: AtomicUsize,
}

impl Rule {
    /// Applies to every request.
    pub fn new(fault: Fault) -> Self {
        let text = String::new();
        let met = AtomicUsize::new(0);
        Self {
            fault,
            methods: &[],
            text,
            from_bytes: 0,
            skip: 0,
            times: usize::MAX,
            met,
        }
    }

    /// Limits the rule to these methods.
    pub fn on(self, methods: &'static [&'static str]) -> Self {
        Self { methods, ..self }
    }

    /// Limits the rule to targets with this text.
    pub fn at(self, text: &str) -> Self {
        Self {
            text: text.to_owned(),
            ..self
        }
    }

    /// Limits the rule to bodies of at least so many bytes, and those of unknown size.
    pub fn bodies_from(self, from_bytes: u64) -> Self {
        Self { from_bytes, ..self }
    }

    /// Skips so many matching requests.
    pub fn after(self, skip: usize) -> Self {
        Self { skip, ..self }
    }

    /// Limits the rule to so many requests.
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    fn meets(&self, head: &Head) -> bool {
        let is_meant = (self.methods.is_empty() || self.methods.contains(&head.method.as_str()))
            && head.target.contains(&self.text)
            && head.framing().length().is_none_or(|length| length >= self.from_bytes);
        if !is_meant {
            return false;
        }
        let number = self.met.fetch_add(1, Ordering::SeqCst);
        number >= self.skip && number - self.skip < self.times
    }
}

/// The rules of a proxy, and the fault of all its connections.
#[derive(Debug, Default)]
pub struct Script {
    rules: Mutex<Vec<Rule>>,
    /// Every connection is reset after so many bytes from the client.
    reset_after_bytes: Mutex<Option<u64>>,
    /// Number of calls of [`Script::clear`].
    clearings: AtomicUsize,
}

impl Script {
    pub fn add(&self, rule: Rule) {
        self.rules.lock().unwrap().push(rule);
    }

    /// Removes all faults. Stalled connections end.
    pub fn clear(&self) {
        self.clearings.fetch_add(1, Ordering::SeqCst);
        self.rules.lock().unwrap().clear();
        *self.reset_after_bytes.lock().unwrap() = None;
    }

    /// Resets every connection from now on after so many bytes from the client.
    pub fn reset_each_after(&self, bytes: u64) {
        *self.reset_after_bytes.lock().unwrap() = Some(bytes);
    }

    pub(super) fn clearings(&self) -> usize {
        self.clearings.load(Ordering::SeqCst)
    }

    pub(super) fn connection_limit(&self) -> Option<u64> {
        *self.reset_after_bytes.lock().unwrap()
    }

    /// Returns the fault of the first matching rule.
    pub(super) fn fault_of(&self, head: &Head) -> Option<Fault> {
        self.rules
            .lock()
            .unwrap()
            .iter()
            .find(|rule| rule.meets(head))
            .map(|rule| rule.fault)
    }
}
