//! A registry whose replies a test defines, and the client's behavior with it.

mod auth;
mod helpers;
mod mirrors;
mod origins;
mod pull;
mod push;
mod raw;
mod redirect;
mod referrers;
mod resume;
mod slow;
mod upload;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::events::{Event, Observer};

use super::{Client, Credentials, Login, RegistryOptions, RetryOptions, RoutedRepository};

/// Keeps the notes to the user.
#[derive(Clone, Default)]
pub(super) struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    pub(super) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Observer for Notes {
    fn event(&self, event: Event) {
        if let Event::Note(text) = event {
            self.0.lock().unwrap().push(text);
        }
    }
}

/// A request as a server received it.
#[derive(Debug, Clone)]
pub(super) struct ReceivedRequest {
    pub(super) method: String,
    /// Path and query.
    pub(super) path: String,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// The connection ended before the body did.
    pub(super) is_cut: bool,
}

impl ReceivedRequest {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn authorization(&self) -> Option<&str> {
        self.header("authorization")
    }

    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// A reply to send.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

pub(super) fn status(status: u16) -> Answer {
    Answer {
        status,
        headers: Vec::new(),
        body: Vec::new(),
    }
}

impl Answer {
    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..self
        }
    }
}

/// A server on a free port of this machine. Its connections end with the test's runtime.
pub(super) struct Server {
    listener: Option<TcpListener>,
    /// `127.0.0.1:PORT`
    pub(super) host: String,
    requests: Arc<Mutex<Vec<ReceivedRequest>>>,
}

impl Server {
    pub(super) async fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        Self {
            listener: Some(listener),
            host,
            requests: Arc::default(),
        }
    }

    pub(super) async fn start(answer: impl Fn(&ReceivedRequest) -> Answer + Send + Sync + 'static) -> Self {
        let mut server = Self::bind().await;
        server.serve(answer);
        server
    }

    pub(super) fn serve(&mut self, answer: impl Fn(&ReceivedRequest) -> Answer + Send + Sync + 'static) {
        self.serve_and_cut(|_| None, answer);
    }

    /// Like [`Server::serve`], but breaks the connection after so many bytes of a request's body as `cut` returns,
    /// which receives the request without its body. `answer` receives what arrived; its reply is not sent.
    pub(super) fn serve_and_cut(
        &mut self,
        cut: impl Fn(&ReceivedRequest) -> Option<usize> + Send + Sync + 'static,
        answer: impl Fn(&ReceivedRequest) -> Answer + Send + Sync + 'static,
    ) {
        let listener = self.listener.take().unwrap();
        let requests = Arc::clone(&self.requests);
        let cut = Arc::new(cut);
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let requests = Arc::clone(&requests);
                let cut = Arc::clone(&cut);
                let answer = Arc::clone(&answer);
                tokio::spawn(async move {
                    // In some tests the client disconnects.
                    let _ = serve_one(stream, &requests, &*cut, &*answer).await;
                });
            }
        });
    }

    pub(super) fn requests(&self) -> Vec<ReceivedRequest> {
        self.requests.lock().unwrap().clone()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.requests().iter().map(ReceivedRequest::line).collect()
    }

    /// Returns the number of requests whose line has this prefix.
    pub(super) fn count(&self, prefix: &str) -> usize {
        self.lines().iter().filter(|line| line.starts_with(prefix)).count()
    }

    pub(super) fn options(&self) -> RegistryOptions {
        RegistryOptions {
            plain_http: [self.host.clone()].into(),
            retry: quick(),
            ..RegistryOptions::default()
        }
    }

    pub(super) fn options_as(&self, user: &str, secret: &str) -> RegistryOptions {
        let login = Login {
            registry: self.host.clone(),
            user: user.to_owned(),
            secret: secret.into(),
        };
        let credentials = Credentials {
            explicit: vec![login],
            ..Credentials::default()
        };
        RegistryOptions {
            credentials,
            ..self.options()
        }
    }

    pub(super) fn repository(&self) -> RoutedRepository {
        repository(self, self.options())
    }
}

/// Returns the retry policy with waits of milliseconds.
pub(super) fn quick() -> RetryOptions {
    let first_wait = Duration::from_millis(1);
    let longest_wait = Duration::from_millis(4);
    RetryOptions {
        first_wait,
        longest_wait,
        ..RetryOptions::default()
    }
}

pub(super) fn repository(server: &Server, options: RegistryOptions) -> RoutedRepository {
    Client::new(options)
        .unwrap()
        .repository(format!("{}/x", server.host).parse().unwrap())
}

/// Serves one request, and closes the connection.
async fn serve_one(
    mut stream: TcpStream,
    requests: &Mutex<Vec<ReceivedRequest>>,
    cut: &(dyn Fn(&ReceivedRequest) -> Option<usize> + Send + Sync),
    answer: &(dyn Fn(&ReceivedRequest) -> Answer + Send + Sync),
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
        if !head[0].is_ascii_uppercase() {
            return stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .await;
        }
    }
    let text = String::from_utf8(head).unwrap();
    let mut lines = text.lines();
    let mut first = lines.next().unwrap().split(' ');
    let method = first.next().unwrap().to_owned();
    let path = first.next().unwrap().to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers: Vec<_> = headers
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let mut request = ReceivedRequest {
        method,
        path,
        headers,
        body: Vec::new(),
        is_cut: false,
    };
    let length: usize = request
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let cut = cut(&request);
    let until = cut.map_or(length, |cut| cut.min(length));
    while request.body.len() < until && !request.is_cut {
        let mut piece = vec![0; (until - request.body.len()).min(64 * 1024)];
        let read = stream.read(&mut piece).await.unwrap_or(0);
        request.body.extend_from_slice(&piece[..read]);
        request.is_cut = read == 0;
    }
    let was_left = request.is_cut;
    request.is_cut |= cut.is_some();
    requests.lock().unwrap().push(request.clone());
    if was_left {
        return Ok(());
    }
    let answer = answer(&request);
    if request.is_cut {
        return Ok(());
    }
    let mut reply = format!("HTTP/1.1 {} Status\r\nConnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        reply.push_str(&format!("{name}: {value}\r\n"));
    }
    if !answer.headers.iter().any(|(name, _)| name == "Content-Length") && answer.status != 204 {
        reply.push_str(&format!("Content-Length: {}\r\n", answer.body.len()));
    }
    reply.push_str("\r\n");
    stream.write_all(reply.as_bytes()).await?;
    if request.method != "HEAD" {
        stream.write_all(&answer.body).await?;
    }
    stream.shutdown().await
}
