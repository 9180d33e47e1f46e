//! The handling of a registry's requests (distribution-spec, "Endpoints").

use super::answer::{Content, Reply};
use super::content::{Blob, Manifest};
use super::fake::Registry;
use super::http::{Body, Head};
use super::tokens::Need;
use super::uploads::Context;

/// The meaning of a path.
enum Route<'a> {
    Base,
    Token,
    Manifest(&'a str, &'a str),
    Blob(&'a str, &'a str),
    Uploads(&'a str),
    Upload(&'a str, &'a str),
    Unknown,
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Self {
        match path {
            "/v2/" => return Self::Base,
            "/token" => return Self::Token,
            _ => {}
        }
        let Some(rest) = path.strip_prefix("/v2/") else {
            return Self::Unknown;
        };
        if let Some(name) = rest.strip_suffix("/blobs/uploads/") {
            return Self::Uploads(name);
        }
        type Make<'a> = fn(&'a str, &'a str) -> Route<'a>;
        let kinds: [(&str, Make<'a>); 3] = [
            ("/blobs/uploads/", Route::Upload),
            ("/blobs/", Route::Blob),
            ("/manifests/", Route::Manifest),
        ];
        let found = kinds
            .iter()
            .find_map(|(kind, make)| rest.split_once(kind).map(|(name, last)| make(name, last)));
        found.unwrap_or(Self::Unknown)
    }

    /// Returns what a token must allow.
    fn needs(&self, head: &'a Head, from: Option<&'a str>) -> Vec<Need<'a>> {
        let action = match head.method.as_str() {
            "GET" | "HEAD" => "pull",
            _ => "push",
        };
        match self {
            Self::Manifest(name, _) | Self::Blob(name, _) => vec![(name, action)],
            Self::Uploads(name) => {
                let from = from.map(|from| (from, "pull"));
                [Some((*name, "pull")), Some((*name, "push")), from]
                    .into_iter()
                    .flatten()
                    .collect()
            }
            Self::Upload(name, _) => vec![(name, "pull"), (name, "push")],
            Self::Base | Self::Token | Self::Unknown => Vec::new(),
        }
    }
}

impl Registry {
    /// Returns the reply to a request that no hook has matched.
    pub(super) fn route(&self, head: &Head, body: &mut Body<'_>) -> Reply {
        let route = Route::of(head.path());
        let from = head.query("from").filter(|_| head.query("mount").is_some());
        let from = from.filter(|_| {
            self.flavour
                .tokens
                .as_ref()
                .is_some_and(|tokens| tokens.needs_source_scope)
        });
        let needs = route.needs(head, from.as_deref());
        if let (Some(tokens), false) = (&self.flavour.tokens, matches!(route, Route::Token)) {
            if let Err(reply) = self.tokens.check(tokens, head, &needs) {
                return reply;
            }
            let length = head
                .header("content-length")
                .and_then(|value| value.parse().ok())
                .unwrap_or_default();
            if let Err(reply) = self.tokens.count_bytes(tokens, head, &needs, length) {
                // The token has expired while the body arrived.
                body.each(|_| {});
                return reply;
            }
        }
        if let Some(reply) = self.refused_size(head) {
            return reply;
        }
        match route {
            Route::Token => match &self.flavour.tokens {
                Some(tokens) => self.tokens.answer(tokens, head, body),
                None => not_found(),
            },
            Route::Base => Reply::new(200)
                .with("Docker-Distribution-Api-Version", "registry/2.0")
                .body("{}"),
            Route::Manifest(name, reference) => self.manifest(head, name, reference, body),
            Route::Blob(name, digest) => self.blob(head, name, digest),
            Route::Uploads(name) if head.method == "POST" => self.sessions.begin(&self.context(head, name)),
            Route::Upload(name, id) => self.sessions.answer(&self.context(head, name), id, body),
            Route::Uploads(_) | Route::Unknown => not_found(),
        }
    }

    fn context<'a>(&'a self, head: &'a Head, repository: &'a str) -> Context<'a> {
        Context {
            flavour: &self.flavour,
            contents: &self.contents,
            scheme: self.scheme,
            head,
            repository,
        }
    }

    /// Returns the reply to a body that is too large, before it is read.
    fn refused_size(&self, head: &Head) -> Option<Reply> {
        let length: u64 = head.header("content-length")?.parse().ok()?;
        if self.flavour.largest_body_bytes.is_some_and(|largest| length > largest) {
            return Some(
                Reply::new(413)
                    .with("Content-Type", "text/html")
                    .body("<h1>413 Too Large</h1>"),
            );
        }
        let is_upload = head.target.contains("/blobs/uploads/");
        let quota = self.flavour.push_quota_bytes.filter(|_| is_upload)?;
        let message = format!("adding {length} bytes of storage resource, which will exceed the quota of {quota}");
        (length > quota).then(|| Reply::error(403, "DENIED", &message))
    }

    fn manifest(&self, head: &Head, name: &str, reference: &str, body: &mut Body<'_>) -> Reply {
        match head.method.as_str() {
            "PUT" => self.put_manifest(head, name, reference, body),
            "GET" if self.is_quota_used_up() => quota_reply(),
            "GET" | "HEAD" => self.read_manifest(name, reference),
            _ => Reply::error(405, "UNSUPPORTED", "not for manifests"),
        }
    }

    fn read_manifest(&self, name: &str, reference: &str) -> Reply {
        let found = self.contents().manifest(name, reference);
        let Some((digest, manifest)) = found else {
            let code = if self.flavour.missing_manifest == 404 {
                "MANIFEST_UNKNOWN"
            } else {
                "DENIED"
            };
            return Reply::error(self.flavour.missing_manifest, code, "there is no such manifest");
        };
        let reply = Reply::new(200)
            .with("Content-Type", manifest.media_type)
            .body(manifest.bytes);
        if self.flavour.names_digests {
            reply.with("Docker-Content-Digest", digest)
        } else {
            reply
        }
    }

    fn put_manifest(&self, head: &Head, name: &str, reference: &str, body: &mut Body<'_>) -> Reply {
        let Some(bytes) = body.all() else { return Reply::lost() };
        let media_type = head.header("content-type").unwrap_or_default().to_owned();
        let manifest = Manifest { media_type, bytes };
        let mut contents = self.contents();
        if let Some(missing) = contents.missing(name, &manifest) {
            return Reply::error(400, "MANIFEST_BLOB_UNKNOWN", &format!("{missing} is not there"));
        }
        if reference.starts_with("sha256:") && super::content::digest(&manifest.bytes) != reference {
            return Reply::error(400, "DIGEST_INVALID", "the manifest has another digest");
        }
        let subject = manifest.json()["subject"]["digest"].as_str().map(ToOwned::to_owned);
        let digest = contents.put_manifest(name, reference, manifest);
        let mut reply = Reply::new(201);
        if let Some(subject) = subject.filter(|_| self.flavour.lists_referrers) {
            reply = reply.with("OCI-Subject", subject);
        }
        if self.flavour.names_manifest {
            reply = reply.with("Location", format!("/v2/{name}/manifests/{digest}"));
        }
        if self.flavour.names_digests {
            reply.with("Docker-Content-Digest", digest)
        } else {
            reply
        }
    }

    fn blob(&self, head: &Head, name: &str, digest: &str) -> Reply {
        let found = self.contents().blob(name, digest);
        let Some(blob) = found else {
            return Reply::error(404, "BLOB_UNKNOWN", "there is no such blob");
        };
        match (head.method.as_str(), &self.storage) {
            ("GET", Some(storage)) => Reply::new(307)
                .with("Location", storage.sign(digest))
                .with("Docker-Content-Digest", digest),
            ("GET" | "HEAD", _) => {
                let reply = blob_reply(head, &blob);
                if self.flavour.names_digests {
                    reply.with("Docker-Content-Digest", digest)
                } else {
                    reply
                }
            }
            _ => Reply::error(405, "UNSUPPORTED", "not for blobs"),
        }
    }
}

/// Returns the bytes of a blob, or those of a `Range`.
pub(super) fn blob_reply(head: &Head, blob: &Blob) -> Reply {
    let Some(file) = blob.file.clone() else {
        // Its bytes were not kept; a HEAD has none.
        return match head.method.as_str() {
            "HEAD" => Reply::new(200).with("Content-Length", blob.size_bytes.to_string()),
            _ => Reply::error(500, "UNKNOWN", "this registry keeps nothing"),
        };
    };
    let end = blob.size_bytes;
    let start = head
        .header("range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let reply = match start {
        Some(start) if start >= end => return Reply::new(416).with("Content-Range", format!("bytes */{end}")),
        Some(start) => Reply::new(206).with("Content-Range", format!("bytes {start}-{}/{end}", end - 1)),
        None => Reply::new(200),
    };
    let content = Content::File {
        file,
        start: start.unwrap_or_default(),
        end,
    };
    let reply = reply
        .with("Content-Type", "application/octet-stream")
        .with("Accept-Ranges", "bytes");
    Reply { content, ..reply }
}

fn not_found() -> Reply {
    Reply::error(404, "NOT_FOUND", "there is nothing here")
}

/// Returns Docker Hub's reply to a pull over the quota.
pub fn quota_reply() -> Reply {
    let message = "You have reached your unauthenticated pull rate limit.";
    Reply::error(429, "TOOMANYREQUESTS", message)
        .with("ratelimit-limit", "100;w=21600")
        .with("ratelimit-remaining", "0;w=21600")
        .with("docker-ratelimit-source", "192.0.2.1")
}
