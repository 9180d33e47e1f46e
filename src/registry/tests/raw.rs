//! A server whose replies are bytes from a test, with a selectable end, and which keeps every byte that it received.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The reply of a raw server, and whether it then stays silent instead of closing the connection.
pub(super) struct Raw {
    pub(super) bytes: Vec<u8>,
    pub(super) falls_silent: bool,
}

/// Head and body.
pub(super) fn raw(head: &str, body: &[u8]) -> Raw {
    let mut bytes = format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body);
    Raw {
        bytes,
        falls_silent: false,
    }
}

pub(super) struct RawServer {
    /// `127.0.0.1:PORT`
    pub(super) host: String,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl RawServer {
    /// Replies to each request by the number of requests before it and by its head.
    pub(super) async fn start(answer: impl Fn(usize, &str) -> Raw + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            host: listener.local_addr().unwrap().to_string(),
            sent: Arc::default(),
        };
        let sent = Arc::clone(&server.sent);
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let sent = Arc::clone(&sent);
                let answer = Arc::clone(&answer);
                tokio::spawn(async move {
                    // In some tests the client disconnects.
                    let _ = serve(stream, number, &sent, &*answer).await;
                });
            }
        });
        server
    }

    /// Returns everything that was received, as text.
    pub(super) fn sent(&self) -> String {
        String::from_utf8_lossy(&self.sent.lock().unwrap()).into_owned()
    }
}

async fn serve(
    mut stream: TcpStream,
    number: usize,
    sent: &Mutex<Vec<u8>>,
    answer: &(dyn Fn(usize, &str) -> Raw + Send + Sync),
) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !is_whole(&request) {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await?;
        sent.lock().unwrap().extend_from_slice(&piece[..read]);
        request.extend_from_slice(&piece[..read]);
        // The end, or a TLS handshake.
        if read == 0 || !request[0].is_ascii_uppercase() {
            return Ok(());
        }
    }
    let Raw { bytes, falls_silent } = answer(number, &String::from_utf8_lossy(&request));
    stream.write_all(&bytes).await?;
    if falls_silent {
        // Until the client disconnects.
        while stream.read(&mut [0; 64]).await? > 0 {}
    }
    stream.shutdown().await
}

/// Returns `true` if head and body are complete.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}
