//! A registry on loopback with one image, any part of which can be replaced by wrong content.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::support::{Layout, Sandbox};

pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The reply to GET (and, without the body, to HEAD).
#[derive(Clone)]
pub struct Page {
    pub status: u16,
    pub content_type: String,
    pub body: Vec<u8>,
    /// `Content-Length`; `None` leaves it out, so that the end of the connection ends the body.
    pub length: Option<usize>,
    /// `WWW-Authenticate`.
    pub challenge: Option<String>,
}

impl Page {
    pub fn new(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self {
            status: 200,
            content_type: content_type.to_owned(),
            length: Some(body.len()),
            body,
            challenge: None,
        }
    }

    /// Returns the error envelope of the distribution-spec.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let body = format!("{{\"errors\":[{{\"code\":\"{code}\",\"message\":\"{message}\"}}]}}");
        Self {
            status,
            ..Self::new("application/json", body)
        }
    }
}

#[derive(Default)]
struct Shared {
    pages: Mutex<BTreeMap<String, Page>>,
    requests: Mutex<Vec<String>>,
    stopped: AtomicBool,
}

/// The registry; its repository is `app`.
pub struct Liar {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Digest of its index.
    pub index: String,
    pub manifest: String,
    pub config: String,
    pub layer: String,
    /// All content, by digest.
    pub blobs: BTreeMap<String, Vec<u8>>,
}

/// Returns `sha256:…` of some bytes.
pub fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

impl Liar {
    /// Serves a valid image of one layer for linux/amd64.
    pub fn honest() -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("app", "x".repeat(10_000));
        sandbox.spec("[image]\nplatforms = [\"linux/amd64\"]\ncompression = \"none\"\n[[layers]]\nname = \"a\"\nfiles = [{ from = \"app\", to = \"/base/app\" }]\n");
        sandbox.ok(&["build"]);
        let layout = sandbox.layout("build/oci");
        let named = |value: &Value| value["digest"].as_str().unwrap().to_owned();
        let index = named(&layout.index()["manifests"][0]);
        let manifest = layout.manifest("latest", "linux/amd64");
        let config = named(&manifest["config"]);
        let layer = named(&manifest["layers"][0]);
        let manifest = named(&layout.tagged("latest")["manifests"][0]);

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let thread = std::thread::spawn({
            let shared = shared.clone();
            move || serve(&listener, &shared)
        });
        let blobs = [&index, &manifest, &config, &layer].map(|digest| (digest.clone(), layout.blob(digest)));
        let liar = Self {
            address,
            shared,
            thread: Some(thread),
            index,
            manifest,
            config,
            layer,
            blobs: blobs.into(),
        };
        liar.put_all(&layout);
        liar
    }

    fn put_all(&self, layout: &Layout) {
        self.put("/v2/", Page::new("application/json", "{}"));
        self.put("/v2/app/manifests/latest", Page::new(INDEX, layout.blob(&self.index)));
        self.put(
            &format!("/v2/app/manifests/{}", self.index),
            Page::new(INDEX, layout.blob(&self.index)),
        );
        self.put(
            &format!("/v2/app/manifests/{}", self.manifest),
            Page::new(MANIFEST, layout.blob(&self.manifest)),
        );
        for digest in [&self.config, &self.layer] {
            self.put(
                &format!("/v2/app/blobs/{digest}"),
                Page::new("application/octet-stream", layout.blob(digest)),
            );
        }
    }

    /// `HOST:PORT/app`.
    pub fn image(&self) -> String {
        format!("{}/app", self.address)
    }

    /// `HOST:PORT`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Replaces the reply for a path.
    pub fn put(&self, path: &str, page: Page) {
        self.shared.pages.lock().unwrap().insert(path.to_owned(), page);
    }

    /// Replaces a blob.
    pub fn put_blob(&self, digest: &str, body: Vec<u8>) {
        self.put(
            &format!("/v2/app/blobs/{digest}"),
            Page::new("application/octet-stream", body),
        );
    }

    /// Replaces the image's manifest, with its digest in a new index. Returns that digest.
    pub fn put_manifest(&self, body: &[u8]) -> String {
        let digest = digest(body);
        self.put(&format!("/v2/app/manifests/{digest}"), Page::new(MANIFEST, body));
        let mut index: Value = serde_json::from_slice(&self.blobs[&self.index]).unwrap();
        index["manifests"][0]["digest"] = digest.as_str().into();
        index["manifests"][0]["size"] = body.len().into();
        self.put("/v2/app/manifests/latest", Page::new(INDEX, index.to_string()));
        digest
    }

    /// Replaces the image's config, with a manifest and an index that name it.
    pub fn put_config(&self, body: &[u8]) {
        let digest = digest(body);
        self.put_blob(&digest, body.to_vec());
        let mut manifest: Value = serde_json::from_slice(&self.blobs[&self.manifest]).unwrap();
        manifest["config"]["digest"] = digest.into();
        manifest["config"]["size"] = body.len().into();
        self.put_manifest(manifest.to_string().as_bytes());
    }

    /// Replaces the image's layer, stored as `body`, with everything that names it. Its diff ID matches no content.
    pub fn put_layer(&self, media_type: &str, body: Vec<u8>) {
        let mut config: Value = serde_json::from_slice(&self.blobs[&self.config]).unwrap();
        config["rootfs"]["diff_ids"] = serde_json::json!([digest(b"no layer at all")]);
        let config = config.to_string().into_bytes();
        let mut manifest: Value = serde_json::from_slice(&self.blobs[&self.manifest]).unwrap();
        manifest["config"]["digest"] = digest(&config).into();
        manifest["config"]["size"] = config.len().into();
        let layer = digest(&body);
        manifest["layers"][0] = serde_json::json!({ "mediaType": media_type, "digest": layer, "size": body.len() });
        self.put_blob(&digest(&config), config);
        self.put_blob(&layer, body);
        self.put_manifest(manifest.to_string().as_bytes());
    }

    /// Returns all requests so far, as `METHOD PATH`.
    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Checks that no request could write.
    #[track_caller]
    pub fn assert_only_read(&self) {
        for request in self.requests() {
            assert!(request.starts_with("GET ") || request.starts_with("HEAD "), "{request}");
        }
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread, which then ends.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        let (Ok(stream), shared) = (stream, shared.clone()) else {
            continue;
        };
        std::thread::spawn(move || {
            let _ = answer(stream, &shared);
        });
    }
}

/// Serves one request, and ends the connection.
fn answer(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let Some(Ok(first)) = lines.next() else {
        // A TLS handshake: the reply of web servers without TLS, which the client recognizes.
        return stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    };
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let mut words = first.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Ok(());
    };
    let path = target.split('?').next().unwrap_or_default();
    shared.requests.lock().unwrap().push(format!("{method} {path}"));
    let missing = || Page::error(404, "NOT_FOUND", "there is nothing here");
    let page = shared.pages.lock().unwrap().get(path).cloned().unwrap_or_else(missing);
    let length = page
        .length
        .map(|length| format!("Content-Length: {length}\r\n"))
        .unwrap_or_default();
    let challenge = page
        .challenge
        .map(|text| format!("WWW-Authenticate: {text}\r\n"))
        .unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {} X\r\nContent-Type: {}\r\n{length}{challenge}Connection: close\r\n\r\n",
        page.status, page.content_type
    );
    stream.write_all(head.as_bytes())?;
    if method != "HEAD" {
        stream.write_all(&page.body)?;
    }
    Ok(())
}
