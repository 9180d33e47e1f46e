//! Uploads (distribution-spec, "Push"), with the behavior of each registry.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::answer::Reply;
use super::content::{Arriving, Contents};
use super::flavour::{AfterCut, Flavour, Location, Mounts, RangeWord, Stale, Uploads};
use super::http::{Body, Head};

/// An upload.
struct Session {
    repository: String,
    arriving: Arriving,
    /// Sizes of the parts so far, in bytes.
    parts: Vec<u64>,
    is_over: bool,
}

/// All uploads.
#[derive(Default)]
pub struct Sessions {
    open: Mutex<BTreeMap<String, Arc<Mutex<Session>>>>,
    begun: Mutex<usize>,
}

/// The context of an upload's request.
pub struct Context<'a> {
    pub flavour: &'a Flavour,
    pub contents: &'a Mutex<Contents>,
    pub scheme: &'a str,
    pub head: &'a Head,
    pub repository: &'a str,
}

impl Context<'_> {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rules(&self) -> &Uploads {
        &self.flavour.uploads
    }

    /// Adds the address of an upload, in the registry's form.
    fn locate(&self, reply: Reply, id: &str, offset: u64) -> Reply {
        let host = self.head.header("host").unwrap_or_default();
        let scheme = self.scheme;
        let path = format!("/v2/{}/blobs/uploads/{id}", self.repository);
        let location = match self.rules().location {
            Location::Absolute => format!("{scheme}://{host}{path}?_state={offset}"),
            Location::Relative => format!("{path}?_state={offset}"),
            Location::SchemeRelative => format!("//{host}{path}?_state={offset}"),
            Location::Escaped => format!("{scheme}://{host}{path}?key=a%2Bb%2F+c&_state={offset}"),
            Location::Http => format!("http://{host}{path}?_state={offset}"),
            Location::Missing => return reply,
        };
        reply.with("Location", location)
    }

    /// Adds the registry's `Range`.
    fn range(&self, reply: Reply, session: &Session) -> Reply {
        let size_bytes = session.arriving.size_bytes;
        let end = match self.rules().range {
            RangeWord::None => return reply,
            RangeWord::Always(range) => return reply.with("Range", range),
            RangeWord::Honest => size_bytes,
            RangeWord::StuckAtFirst => session.parts.first().copied().unwrap_or(size_bytes),
            RangeWord::OfPart => session.parts.last().copied().unwrap_or(size_bytes),
            RangeWord::Beyond(more) => size_bytes + more,
        };
        match end {
            0 => reply.with("Range", self.rules().empty_range),
            end => reply.with("Range", format!("0-{}", end - 1)),
        }
    }
}

impl Sessions {
    fn open(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Mutex<Session>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of unfinished uploads.
    pub fn count(&self) -> usize {
        self.open().len()
    }

    /// Drops all uploads, like a registry that was restarted.
    pub fn forget_all(&self) {
        self.open().clear();
    }

    /// Handles `POST /v2/NAME/blobs/uploads/`.
    pub fn begin(&self, context: &Context<'_>) -> Reply {
        let is_known = context.contents().repositories.contains_key(context.repository);
        if context.flavour.must_be_made && !is_known {
            return Reply::lost();
        }
        if let Some(reply) = mount(context) {
            return reply;
        }
        let id = {
            let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            *begun += 1;
            format!("upload-{begun}")
        };
        let arriving = Arriving::new(context.flavour.keeps_blobs);
        let session = Session {
            repository: context.repository.to_owned(),
            arriving,
            parts: Vec::new(),
            is_over: false,
        };
        let mut reply = context.range(context.locate(Reply::new(202), &id, 0), &session);
        if let Some(bytes) = context.rules().min_chunk_header {
            reply = reply.with("OCI-Chunk-Min-Length", bytes.to_string());
        }
        reply = reply.with("Docker-Upload-UUID", id.clone());
        self.open().insert(id, Arc::new(Mutex::new(session)));
        reply
    }

    /// Handles PATCH, PUT, GET and DELETE of an upload.
    pub fn answer(&self, context: &Context<'_>, id: &str, body: &mut Body<'_>) -> Reply {
        let unknown = || Reply::error(404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload");
        let session = self.open().get(id).cloned();
        let Some(session) = session else { return unknown() };
        // One request at a time: a query of the state waits until an interrupted request was read to its end.
        let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
        if session.is_over || session.repository != context.repository {
            return unknown();
        }
        if let Some(reply) = refused_address(context, &mut session) {
            self.close(id, &session);
            return reply;
        }
        let reply = match context.head.method.as_str() {
            "PATCH" => patch(context, id, &mut session, body),
            "PUT" => put(context, &mut session, body),
            "GET" => status(context, id, &session),
            "DELETE" => {
                session.is_over = true;
                Reply::new(204)
            }
            _ => Reply::error(405, "UNSUPPORTED", "not for uploads"),
        };
        self.close(id, &session);
        reply
    }

    fn close(&self, id: &str, session: &Session) {
        if session.is_over {
            self.open().remove(id);
        }
    }
}

/// Returns the reply to an address that is not the newest.
fn refused_address(context: &Context<'_>, session: &mut Session) -> Option<Reply> {
    if context.rules().location == Location::Escaped && !context.head.target.contains("?key=a%2Bb%2F+c&_state=") {
        return Some(Reply::error(400, "BLOB_UPLOAD_INVALID", "the address is another"));
    }
    let is_newest = context.head.query("_state") == Some(session.arriving.size_bytes.to_string());
    match context.rules().stale {
        _ if is_newest => None,
        Stale::Ignored => None,
        Stale::Refused(_) if context.head.method == "GET" || context.head.method == "DELETE" => None,
        Stale::Refused(status) => Some(Reply::error(status, "RANGE_INVALID", "the address is not the newest")),
        Stale::Ends => {
            session.is_over = true;
            Some(Reply::error(404, "BLOB_UPLOAD_INVALID", "resumed at the wrong offset"))
        }
    }
}

fn status(context: &Context<'_>, id: &str, session: &Session) -> Reply {
    if let Some(status) = context.rules().status_refused {
        return Reply::error(status, "BLOB_UPLOAD_UNKNOWN", "not told");
    }
    context.range(
        context.locate(Reply::new(204), id, session.arriving.size_bytes),
        session,
    )
}

fn patch(context: &Context<'_>, id: &str, session: &mut Session, body: &mut Body<'_>) -> Reply {
    let rules = context.rules();
    if let Some(status) = rules.patch_refused {
        return Reply::error(status, "UNSUPPORTED", "chunked uploads are not supported");
    }
    let length: Option<u64> = context
        .head
        .header("content-length")
        .and_then(|value| value.parse().ok());
    match context.head.header("content-range").map(range_of) {
        Some(range) => {
            let is_next = range
                .is_some_and(|(start, end)| start == session.arriving.size_bytes && length == Some(end + 1 - start));
            let is_small = rules
                .largest_ranged_bytes
                .is_none_or(|largest| length.is_some_and(|bytes| bytes <= largest));
            if !is_next || !is_small {
                return Reply::error(416, "RANGE_INVALID", "not the next range");
            }
        }
        None if rules.streams_once && session.arriving.size_bytes > 0 => {
            return Reply::error(
                400,
                "BLOB_UPLOAD_INVALID",
                "stream uploads after the first write are not allowed",
            );
        }
        None => {}
    }
    if let Some(reply) = take(context, session, body) {
        return reply;
    }
    let reply = context.locate(Reply::new(rules.patch_status), id, session.arriving.size_bytes);
    context.range(reply, session)
}

fn put(context: &Context<'_>, session: &mut Session, body: &mut Body<'_>) -> Reply {
    let rules = context.rules();
    let Some(digest) = context.head.query("digest") else {
        return Reply::error(400, "DIGEST_INVALID", "no digest");
    };
    if let Some(status) = rules.put_body_refused.filter(|_| !body.is_done()) {
        return Reply::error(status, "UNSUPPORTED", "send the content by PATCH");
    }
    if let Some(status) = rules
        .closing_put_refused
        .filter(|_| body.is_done() && !session.parts.is_empty())
    {
        return Reply::error(status, "UNKNOWN", "internal error");
    }
    let parts_before = session.parts.len();
    if let Some(reply) = take(context, session, body) {
        return reply;
    }
    let before_last = session.parts.split_last().map_or(&[][..], |(_, before)| before);
    let smallest = rules.smallest_part_bytes.unwrap_or_default();
    if parts_before > 0 && before_last.iter().any(|bytes| *bytes < smallest) {
        return Reply::error(400, "BLOB_UPLOAD_INVALID", "a part is too small");
    }
    session.is_over = true;
    let actual = session.arriving.digest();
    if actual != digest {
        return Reply::error(400, "DIGEST_INVALID", &format!("what came is {actual}"));
    }
    let arrived = std::mem::replace(&mut session.arriving, Arriving::new(false));
    context
        .contents()
        .put_blob(context.repository, &digest, arrived.into_blob());
    created(context, &digest)
}

/// Adds the body to the upload. Returns the reply if that fails.
fn take(context: &Context<'_>, session: &mut Session, body: &mut Body<'_>) -> Option<Reply> {
    let mark = session.arriving.mark();
    let before = session.arriving.size_bytes;
    let arriving = &mut session.arriving;
    body.each(|piece| arriving.push(piece));
    if body.is_cut {
        match context.rules().after_cut {
            AfterCut::Keep => {}
            AfterCut::Forget => session.arriving.rewind(mark),
            AfterCut::Drop => session.is_over = true,
        }
        return Some(Reply::lost());
    }
    let came = session.arriving.size_bytes - before;
    if came > 0 {
        session.parts.push(came);
    }
    None
}

fn created(context: &Context<'_>, digest: &str) -> Reply {
    let location = format!("/v2/{}/blobs/{digest}", context.repository);
    let reply = Reply::new(201).with("Location", location);
    if context.flavour.names_digests {
        reply.with("Docker-Content-Digest", digest)
    } else {
        reply
    }
}

/// Parses `START-END`, without a unit.
fn range_of(text: &str) -> Option<(u64, u64)> {
    let (start, end) = text.split_once('-')?;
    let start = start.parse().ok()?;
    let end = end.parse().ok()?;
    (start <= end).then_some((start, end))
}

/// Returns the reply to a POST with a mount, unless an upload simply starts.
fn mount(context: &Context<'_>) -> Option<Reply> {
    let digest = context.head.query("mount");
    let from = context.head.query("from");
    let refused = |status: u16| Some(Reply::error(status, "UNSUPPORTED", "not mounted"));
    if digest.is_none() && from.is_some() && context.flavour.mounts == Mounts::Anything {
        return refused(405);
    }
    let digest = digest?;
    let mut contents = context.contents();
    let has_source = from
        .as_ref()
        .is_some_and(|from| contents.repositories.contains_key(from));
    match context.flavour.mounts {
        Mounts::Never => return None,
        Mounts::Refused(status) => return refused(status),
        Mounts::MissingIs(status) if !has_source => return refused(status),
        Mounts::FromOrElse(status) if from.is_none() => return refused(status),
        Mounts::Anything if contents.blobs.contains_key(&digest) => {}
        _ if from.is_some_and(|from| contents.blob(&from, &digest).is_some()) => {}
        _ => return None,
    }
    contents.link_blob(context.repository, &digest);
    drop(contents);
    Some(created(context, &digest))
}
