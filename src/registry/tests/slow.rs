//! Servers that neither reply nor disconnect: every request ends, and its error has the number of tries.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncRead;

use super::*;
use crate::model::{Descriptor, Diagnostic as _, ErrorKind, MediaType, Selector};
use crate::store::{MemoryStore, Sink as _, Source as _, StoreError, open};

/// Behavior of a server on a connection that has sent a request's head.
#[derive(Clone, Copy)]
enum Habit {
    /// Sends nothing.
    Silent,
    /// Sends one informational reply after another.
    EarlyHints,
    /// Sends the head of a reply byte by byte, without end.
    DripsHead,
    /// Sends a body byte by byte.
    DripsBody,
    /// Sends a chunked body, and trailers byte by byte.
    DripsTrailers,
}

/// A server with a behavior, and the number of requests that it has received. It reads no bodies.
async fn server(habit: Habit) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                // The client disconnects when it has waited long enough.
                let _ = serve(stream, habit, &count).await;
            });
        }
    });
    (host, requests)
}

async fn serve(mut stream: TcpStream, habit: Habit, count: &AtomicUsize) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    count.fetch_add(1, Ordering::SeqCst);
    let (begin, piece): (&str, &str) = match habit {
        Habit::Silent => ("", ""),
        Habit::EarlyHints => ("", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
        Habit::DripsHead => ("HTTP/1.1 200 OK\r\nx: ", "x"),
        Habit::DripsBody => ("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", "x"),
        Habit::DripsTrailers => (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx: ",
            "x",
        ),
    };
    stream.write_all(begin.as_bytes()).await?;
    loop {
        stream.write_all(piece.as_bytes()).await?;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Options with a timeout of less than a second, and two tries.
fn impatience() -> RegistryOptions {
    let idle_timeout = Duration::from_millis(500);
    let retry = RetryOptions {
        longest_silence: idle_timeout * 2,
        ..quick()
    };
    RegistryOptions {
        idle_timeout,
        retry,
        ..RegistryOptions::default()
    }
}

fn impatient(host: &str) -> RoutedRepository {
    let options = RegistryOptions {
        plain_http: [host.to_owned()].into(),
        ..impatience()
    };
    Client::new(options)
        .unwrap()
        .repository(format!("{host}/x").parse().unwrap())
}

#[track_caller]
fn assert_given_up(error: &StoreError, requests: &AtomicUsize, words: &str) {
    assert_eq!(error.error_kind(), ErrorKind::Remote, "{error}");
    assert!(
        error.to_string().contains(words) && error.to_string().contains("tried 2 times"),
        "{error}"
    );
    assert_eq!(requests.load(Ordering::SeqCst), 2, "{error}");
}

#[tokio::test]
async fn questions_without_an_answer_end() {
    for habit in [Habit::Silent, Habit::EarlyHints, Habit::DripsHead] {
        let (host, requests) = server(habit).await;
        let error = impatient(&host).resolve(&Selector::Only).await.unwrap_err();
        assert_given_up(&error, &requests, "no data from");
    }
}

#[tokio::test]
async fn documents_that_come_in_drops_end() {
    for habit in [Habit::DripsBody, Habit::DripsTrailers] {
        let (host, requests) = server(habit).await;
        let error = impatient(&host).resolve(&Selector::Only).await.unwrap_err();
        assert_given_up(&error, &requests, "is incomplete");
    }
}

async fn read_all(mut reader: impl AsyncRead + Unpin) -> std::io::Result<u64> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).await.map(|count| count as u64)
}

#[tokio::test]
async fn blobs_that_come_in_drops_end() {
    let (host, requests) = server(Habit::DripsBody).await;
    let descriptor = Descriptor {
        size_bytes: 1_000_000,
        ..Descriptor::of(MediaType::OciLayer, b"")
    };
    let error = match open(&impatient(&host), &descriptor).await {
        Ok(reader) => StoreError::from_reader(read_all(reader).await.unwrap_err()).unwrap(),
        Err(error) => error,
    };
    assert_given_up(&error, &requests, "ended after");
}

#[tokio::test]
async fn an_upload_that_is_not_answered_ends() {
    let descriptor = Descriptor::of(MediaType::OciLayer, b"content");
    let source = MemoryStore::new("memory").with_blob(&descriptor, &b"content"[..]);
    for habit in [Habit::Silent, Habit::EarlyHints, Habit::DripsHead] {
        let (host, requests) = server(habit).await;
        let error = impatient(&host).put(&descriptor, &source).await.unwrap_err();
        assert_given_up(&error, &requests, "no data from");
    }
}

/// A registry that starts every upload, and replies to it like `put`.
async fn uploads(put: impl Fn(&ReceivedRequest) -> Answer + Send + Sync + 'static) -> Server {
    Server::start(move |request| match request.method.as_str() {
        "POST" => status(202).with("Location", "/up"),
        "HEAD" => status(404),
        _ => put(request),
    })
    .await
}

#[tokio::test]
async fn tries_of_an_upload_and_of_the_questions_about_it_are_one_budget() {
    let descriptor = Descriptor::of(MediaType::OciLayer, b"content");
    let source = MemoryStore::new("memory").with_blob(&descriptor, &b"content"[..]);
    let server = uploads(|_| status(503)).await;
    let error = server.repository().put(&descriptor, &source).await.unwrap_err();
    assert_eq!(error.error_kind(), ErrorKind::Remote, "{error}");
    let asked = server.count("GET /up") + server.count("PUT /up");
    assert!(asked <= 10, "{:#?}", server.lines());
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let uploads = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&uploads);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await?);
                }
                if !head.starts_with(b"PUT") && !head.starts_with(b"PATCH") {
                    let reply = if head.starts_with(b"POST") {
                        "HTTP/1.1 202 Accepted\r\nLocation: /up\r\n"
                    } else {
                        "HTTP/1.1 404 Not Found\r\n"
                    };
                    return stream
                        .write_all(format!("{reply}Content-Length: 0\r\nConnection: close\r\n\r\n").as_bytes())
                        .await;
                }
                // The body is not read until the client disconnects.
                count.fetch_add(1, Ordering::SeqCst);
                std::future::pending().await
            });
        }
    });
    let content = vec![7; 16 * 1024 * 1024];
    let descriptor = Descriptor::of(MediaType::OciLayer, &content);
    let source = MemoryStore::new("memory").with_blob(&descriptor, content);
    let error = impatient(&host).put(&descriptor, &source).await.unwrap_err();
    assert_given_up(&error, &uploads, "no data from");
}

/// An HTTP/2 server whose windows never open: it replies to requests without a body, and counts the others.
#[cfg(feature = "graviola")]
async fn closed_windows(uploads: Arc<AtomicUsize>) -> String {
    use rustls_pki_types::pem::PemObject as _;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};

    let certificate =
        CertificateDer::from_pem_file(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tls/server.crt")).unwrap();
    let key =
        PrivateKeyDer::from_pem_file(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tls/server.key")).unwrap();
    let builder = rustls::ServerConfig::builder_with_provider(Arc::new(rustls_graviola::default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth();
    let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            let uploads = Arc::clone(&uploads);
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let handshake = h2::server::Builder::new()
                    .initial_window_size(0)
                    .handshake::<_, bytes::Bytes>(stream);
                let Ok(mut connection) = handshake.await else { return };
                let mut held = Vec::new();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let reply = http::Response::builder();
                    let reply = match request.method().as_str() {
                        "POST" => reply.status(202).header("location", "/up"),
                        "PUT" | "PATCH" => {
                            uploads.fetch_add(1, Ordering::SeqCst);
                            held.push((request, respond));
                            continue;
                        }
                        _ => reply.status(404),
                    };
                    respond.send_response(reply.body(()).unwrap(), true).unwrap();
                }
            });
        }
    });
    host
}

#[cfg(feature = "graviola")]
#[tokio::test]
async fn an_http2_window_that_never_opens_ends() {
    let uploads = Arc::new(AtomicUsize::new(0));
    let host = closed_windows(Arc::clone(&uploads)).await;
    let content = vec![7; 1024 * 1024];
    let descriptor = Descriptor::of(MediaType::OciLayer, &content);
    let source = MemoryStore::new("memory").with_blob(&descriptor, content);
    let options = RegistryOptions {
        ca_files: vec![concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tls/ca.crt").into()],
        ..impatience()
    };
    let repository = Client::new(options)
        .unwrap()
        .repository(format!("{host}/x").parse().unwrap());
    let error = repository.put(&descriptor, &source).await.unwrap_err();
    assert_given_up(&error, &uploads, "no data from");
}
