//! The storage of a registry's blobs, on another port: its addresses expire, and allow only GET.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::answer::Reply;
use super::content::Contents;
use super::flavour::Presigned;
use super::http::Head;
use super::log::Log;
use super::router::blob_reply;
use super::server::Server;

pub struct Storage {
    server: Server,
    signed: Arc<Mutex<Signed>>,
}

/// The issued addresses, with the bytes that each may still return.
struct Signed {
    presigned: Presigned,
    left_bytes: BTreeMap<String, u64>,
}

impl Storage {
    pub(super) fn start(presigned: Presigned, contents: Arc<Mutex<Contents>>) -> Self {
        let signed = Arc::new(Mutex::new(Signed {
            presigned,
            left_bytes: BTreeMap::new(),
        }));
        let serving = signed.clone();
        let server = Server::start(move |head, _| answer(head, &serving, &contents));
        Self { server, signed }
    }

    /// Returns a new address for a blob.
    pub(super) fn sign(&self, digest: &str) -> String {
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        let signature = format!("signature-{}", signed.left_bytes.len());
        let lives = signed.presigned.ends_after_bytes.unwrap_or(u64::MAX);
        signed.left_bytes.insert(signature.clone(), lives);
        format!(
            "http://{}/storage/{digest}?X-Signature={signature}&X-Expires=300",
            self.server.host()
        )
    }

    pub(super) fn log(&self) -> &Log {
        self.server.log()
    }
}

fn answer(head: &Head, signed: &Mutex<Signed>, contents: &Mutex<Contents>) -> Reply {
    let mut signed = signed.lock().unwrap_or_else(PoisonError::into_inner);
    let status = signed.presigned.status;
    let refused = || {
        Reply::new(status)
            .with("Content-Type", "application/xml")
            .body("<Code>AccessDenied</Code>")
    };
    let digest = head.path().strip_prefix("/storage/").unwrap_or_default();
    let blob = contents
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .blobs
        .get(digest)
        .cloned();
    let left_bytes = head
        .query("X-Signature")
        .and_then(|signature| signed.left_bytes.get_mut(&signature));
    let (Some(blob), Some(left_bytes), "GET") = (blob, left_bytes, head.method.as_str()) else {
        return refused();
    };
    // Storage refuses a second credential beside the signature.
    if *left_bytes == 0 || head.header("authorization").is_some() {
        return refused();
    }
    let reply = blob_reply(head, &blob);
    let size_bytes = reply.content.len();
    let passed_bytes = size_bytes.min(*left_bytes);
    *left_bytes -= passed_bytes;
    if passed_bytes < size_bytes {
        reply.deliver(|delivery| delivery.cut_after_bytes = Some(passed_bytes))
    } else {
        reply
    }
}
