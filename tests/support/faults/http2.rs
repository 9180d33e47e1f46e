//! HTTP/2 over TLS in front of a registry with HTTP/1.1, and faults of HTTP/2 only (RFC 9113).

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::server::tls_config;

/// A fault of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamFault {
    /// It was not processed (REFUSED_STREAM): the request can be sent again.
    Refused,
    /// The connection accepts no new streams (GOAWAY), and ends.
    GoAway,
    /// It ends in INTERNAL_ERROR after so many bytes of the request's body.
    BrokenInBody(u64),
    /// It ends in INTERNAL_ERROR after so many bytes of the reply's body.
    BrokenInReply(u64),
}

/// A fault, the requests that it applies to, and how often it still applies.
struct StreamRule {
    method: &'static str,
    text: String,
    fault: StreamFault,
    times: usize,
}

#[derive(Default)]
struct Shared {
    rules: Mutex<Vec<StreamRule>>,
    lines: Mutex<Vec<String>>,
    connections: Mutex<usize>,
}

/// The front, as `localhost:PORT`.
pub struct Front {
    address: SocketAddr,
    shared: Arc<Shared>,
    _end: oneshot::Sender<()>,
}

impl Front {
    /// Starts to pass everything on to `upstream` (`HOST:PORT`).
    pub fn start(upstream: &str) -> Self {
        let shared = Arc::<Shared>::default();
        let (end, ended) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let serving = shared.clone();
        let upstream = upstream.to_owned();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    () = accept(listener, serving, upstream) => {}
                    // The front was dropped, and its connections with the runtime.
                    _ = ended => {}
                }
            });
        });
        Self {
            address: told.recv().unwrap(),
            shared,
            _end: end,
        }
    }

    /// `localhost:PORT/NAME`
    pub fn image(&self, name: &str) -> String {
        format!("localhost:{}/{name}", self.address.port())
    }

    /// Applies a fault to so many requests of this method whose path has this text.
    pub fn rule(&self, method: &'static str, text: &str, fault: StreamFault, times: usize) -> &Self {
        self.shared.rules.lock().unwrap().push(StreamRule {
            method,
            text: text.to_owned(),
            fault,
            times,
        });
        self
    }

    /// Returns `METHOD PATH` of all requests.
    pub fn lines(&self) -> Vec<String> {
        self.shared.lines.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        *self.shared.connections.lock().unwrap()
    }

    /// Returns the number of faults that have not been applied.
    pub fn left(&self) -> usize {
        self.shared.rules.lock().unwrap().iter().map(|rule| rule.times).sum()
    }
}

impl Shared {
    fn fault_of(&self, method: &str, path: &str) -> Option<StreamFault> {
        let mut rules = self.rules.lock().unwrap();
        let meets = |rule: &&mut StreamRule| rule.times > 0 && rule.method == method && path.contains(&rule.text);
        let rule = rules.iter_mut().find(meets)?;
        rule.times -= 1;
        Some(rule.fault)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, upstream: String) {
    let acceptor = TlsAcceptor::from(Arc::new(tls_config(&[b"h2"])));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let acceptor = acceptor.clone();
        let shared = shared.clone();
        let upstream = upstream.clone();
        tokio::spawn(async move {
            // In some tests the client disconnects.
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            if let Ok(connection) = h2::server::handshake(stream).await {
                *shared.connections.lock().unwrap() += 1;
                serve(connection, shared, upstream).await;
            }
        });
    }
}

async fn serve(mut connection: Connection<TlsStream<TcpStream>, Bytes>, shared: Arc<Shared>, upstream: String) {
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let method = request.method().to_string();
        let path = request.uri().to_string();
        shared.lines.lock().unwrap().push(format!("{method} {path}"));
        match shared.fault_of(&method, &path) {
            Some(StreamFault::Refused) => respond.send_reset(Reason::REFUSED_STREAM),
            Some(StreamFault::GoAway) => connection.abrupt_shutdown(Reason::NO_ERROR),
            fault => {
                let upstream = upstream.clone();
                tokio::spawn(async move {
                    if let Err(error) = pass_on(request, &mut respond, &upstream, fault).await {
                        respond.send_reset(error.reason().unwrap_or(Reason::INTERNAL_ERROR));
                    }
                });
            }
        }
    }
}

async fn pass_on(
    request: Request<RecvStream>,
    respond: &mut SendResponse<Bytes>,
    upstream: &str,
    fault: Option<StreamFault>,
) -> Result<(), h2::Error> {
    let in_body = match fault {
        Some(StreamFault::BrokenInBody(bytes)) => bytes,
        _ => u64::MAX,
    };
    let mut server = TcpStream::connect(upstream).await.map_err(from_io)?;
    let (parts, mut body) = request.into_parts();
    let host = parts.uri.authority().map_or("", |authority| authority.as_str());
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut head = format!(
        "{} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n",
        parts.method
    );
    for (name, value) in &parts.headers {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap_or_default()));
    }
    head.push_str("\r\n");
    server.write_all(head.as_bytes()).await.map_err(from_io)?;
    let mut passed_bytes = 0;
    loop {
        if passed_bytes >= in_body {
            return Err(Reason::INTERNAL_ERROR.into());
        }
        let Some(piece) = body.data().await else { break };
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        let room = usize::try_from(in_body - passed_bytes)
            .unwrap_or(usize::MAX)
            .min(piece.len());
        server.write_all(&piece[..room]).await.map_err(from_io)?;
        passed_bytes += room as u64;
    }
    pass_back(server, respond, fault).await
}

/// Passes the reply back. It is read whole, since it is small.
async fn pass_back(
    mut server: TcpStream,
    respond: &mut SendResponse<Bytes>,
    fault: Option<StreamFault>,
) -> Result<(), h2::Error> {
    let mut bytes = Vec::new();
    server.read_to_end(&mut bytes).await.map_err(from_io)?;
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .ok_or(Reason::INTERNAL_ERROR)?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or("500");
    let mut reply = Response::builder().status(status);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if !name.eq_ignore_ascii_case("connection") {
            reply = reply.header(name, value.trim());
        }
    }
    let reply = reply.body(()).map_err(|_| Reason::INTERNAL_ERROR)?;
    let mut sending = respond.send_response(reply, false)?;
    let body = Bytes::from(bytes).slice(end + 4..);
    if let Some(StreamFault::BrokenInReply(limit)) = fault {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(body.len());
        sending.send_data(body.slice(..limit), false)?;
        // Lets data in transit arrive before the end.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        return Err(Reason::INTERNAL_ERROR.into());
    }
    sending.send_data(body, true)
}

fn from_io(_error: io::Error) -> h2::Error {
    Reason::INTERNAL_ERROR.into()
}
