//! A server on a free port of this machine: one thread for each connection, one handler for all requests.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::answer::Reply;
use super::http::{Body, Head, Next, Stream, Wire};
use super::log::Log;

/// If more of a body is unread, the server closes the connection after its reply, like Go's.
const READ_ON_BYTES: u64 = 256 * 1024;

/// Returns the reply to a request; it may read the body.
type Handler = dyn Fn(&Head, &mut Body<'_>) -> Reply + Send + Sync;

pub struct Server {
    address: SocketAddr,
    host: String,
    log: Log,
    is_over: Arc<AtomicBool>,
}

struct Listening {
    handler: Box<Handler>,
    tls: Option<Arc<ServerConfig>>,
    log: Log,
}

impl Server {
    /// Serves plain HTTP, as `127.0.0.1:PORT`.
    pub fn start(handler: impl Fn(&Head, &mut Body<'_>) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen("127.0.0.1", None, Box::new(handler))
    }

    /// Serves HTTPS, as `localhost:PORT`; [`CA_FILE`] is its authority.
    pub fn start_tls(handler: impl Fn(&Head, &mut Body<'_>) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(
            "localhost",
            Some(Arc::new(tls_config(&[b"http/1.1"]))),
            Box::new(handler),
        )
    }

    fn listen(name: &str, tls: Option<Arc<ServerConfig>>, handler: Box<Handler>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let log = Log::default();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let listening = Arc::new(Listening {
            handler,
            tls,
            log: log.clone(),
        });
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let listening = listening.clone();
                // In some tests the client disconnects.
                thread::spawn(move || listening.connection(stream).ok());
            }
        });
        Self {
            address,
            host: format!("{name}:{}", address.port()),
            log,
            is_over,
        }
    }

    /// `HOST:PORT`
    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn log(&self) -> &Log {
        &self.log
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then ends.
        let _ = TcpStream::connect(self.address);
    }
}

/// Certificate of the authority that the servers' certificate is from.
pub const CA_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tls/ca.crt");
const CERTIFICATE_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tls/server.crt");
const KEY_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tls/server.key");

/// Returns the configuration of a server as `localhost`, for these protocols.
pub fn tls_config(protocols: &[&[u8]]) -> ServerConfig {
    let certificates = CertificateDer::pem_file_iter(CERTIFICATE_FILE).unwrap();
    let certificates = certificates.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(KEY_FILE).unwrap();
    let provider = Arc::new(rustls_graviola::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let mut config = builder
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config
}

impl Listening {
    fn connection(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &self.tls {
            Some(config) => {
                let connection = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
                Box::new(StreamOwned::new(connection, stream))
            }
            None => Box::new(stream),
        };
        let mut wire = Wire::new(stream);
        loop {
            match wire.next()? {
                Next::End => return Ok(()),
                // The reply of web servers without TLS, which the client recognizes.
                Next::Handshake => {
                    return wire
                        .stream
                        .write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
                }
                Next::Head(head) => {
                    if !self.exchange(&mut wire, &head)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Serves one request. Returns `false` if the connection has to end.
    fn exchange(&self, wire: &mut Wire<Box<dyn Stream>>, head: &Head) -> io::Result<bool> {
        let entry = self.log.begin(head);
        let mut body = Body::new(wire, head.framing());
        let reply = (self.handler)(head, &mut body);
        let received = body.received_bytes;
        let is_cut = body.is_cut;
        let declared: u64 = head
            .header("content-length")
            .and_then(|value| value.parse().ok())
            .unwrap_or_default();
        let is_read = body.is_done();
        let left_bytes = declared.saturating_sub(received);
        let status = (!reply.delivery.is_lost && !is_cut).then_some(reply.status);
        self.log.note(entry, |seen| {
            (seen.body_bytes, seen.is_cut, seen.status) = (received, is_cut, status)
        });
        if status.is_none() {
            return Ok(false);
        }
        let is_last = head
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let ends = is_last || (!is_read && left_bytes > READ_ON_BYTES);
        let goes_on = reply.send(&mut wire.stream, head.method == "HEAD", ends)?;
        if !is_read {
            // The rest is discarded, so that the client receives the reply before the end.
            let mut rest = Body::new(wire, head.framing_from(received));
            rest.each(|_| {});
            return Ok(goes_on && !rest.is_cut);
        }
        Ok(goes_on)
    }
}
