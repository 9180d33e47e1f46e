//! Network traffic of a run: counted where it happens, reported at the end.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::Method;

use crate::events::Traffic;
use crate::model::locked;

/// The counters behind [`Traffic`], shared by all senders.
#[derive(Default)]
pub(super) struct Counters {
    requests: Mutex<BTreeMap<String, u64>>,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
    retries: AtomicU64,
}

impl Counters {
    pub(super) fn request(&self, method: &Method) {
        *locked(&self.requests).entry(method.to_string()).or_default() += 1;
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn received(&self, bytes: usize) {
        self.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn snapshot(&self) -> Traffic {
        Traffic {
            requests: locked(&self.requests).clone(),
            sent_bytes: self.sent_bytes.load(Ordering::Relaxed),
            received_bytes: self.received_bytes.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
        }
    }
}
