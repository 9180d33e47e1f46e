//! Replies: their content, and faults in their delivery.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

const PIECE_BYTES: usize = 64 * 1024;

/// A reply, or none.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub content: Content,
    pub delivery: Delivery,
}

/// A body.
#[derive(Debug, Clone)]
pub enum Content {
    Bytes(Vec<u8>),
    /// The bytes of a file from `start` up to `end`.
    File {
        file: Arc<File>,
        start: u64,
        end: u64,
    },
}

/// Faults while a reply is sent.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    /// The connection ends without a reply.
    pub is_lost: bool,
    /// The connection ends after the reply.
    pub closes: bool,
    /// The connection ends after so many bytes of the body.
    pub cut_after_bytes: Option<u64>,
    /// The byte at this position of the body is changed.
    pub flip_at: Option<u64>,
    /// The value of `Content-Length`.
    pub declared_bytes: Option<u64>,
    /// The body is chunked.
    pub is_chunked: bool,
    /// The body is sent in pieces of so many bytes, with a pause after each.
    pub drip: Option<(usize, Duration)>,
}

impl Reply {
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content: Content::Bytes(Vec::new()),
            delivery: Delivery::default(),
        }
    }

    /// Returns an error in the form of the distribution-spec ("Error Codes").
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let body = json!({ "errors": [{ "code": code, "message": message }] });
        Self::new(status)
            .with("Content-Type", "application/json")
            .body(body.to_string())
    }

    /// Returns no reply: the connection ends.
    pub fn lost() -> Self {
        let delivery = Delivery {
            is_lost: true,
            ..Delivery::default()
        };
        Self {
            delivery,
            ..Self::new(0)
        }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Replaces the headers of a name by one.
    pub fn instead(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.with(name, value)
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self {
            content: Content::Bytes(body.into()),
            ..self
        }
    }

    pub fn deliver(mut self, change: impl FnOnce(&mut Delivery)) -> Self {
        change(&mut self.delivery);
        self
    }

    /// Sends the reply. Returns `false` if the connection has to end.
    pub fn send(&self, stream: &mut dyn Write, is_head: bool, ends: bool) -> io::Result<bool> {
        let closes = self.delivery.closes || ends;
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let length = self.delivery.declared_bytes.unwrap_or_else(|| self.content.len());
        match (self.delivery.is_chunked, self.status) {
            (true, _) => head.push_str("Transfer-Encoding: chunked\r\n"),
            (false, 204 | 304) => {}
            // A HEAD may have the length of the GET's body.
            _ if is_head && self.header("content-length").is_some() => {}
            _ => head.push_str(&format!("Content-Length: {length}\r\n")),
        }
        if closes {
            head.push_str("Connection: close\r\n");
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        let is_whole = is_head || self.send_body(stream)?;
        stream.flush()?;
        Ok(is_whole && !closes)
    }

    fn send_body(&self, stream: &mut dyn Write) -> io::Result<bool> {
        let delivery = &self.delivery;
        let limit = delivery.cut_after_bytes.unwrap_or(u64::MAX).min(self.content.len());
        let (piece_bytes, pause) = delivery.drip.unwrap_or((PIECE_BYTES, Duration::ZERO));
        let mut at = 0;
        while at < limit {
            let size = usize::try_from(limit - at).unwrap_or(usize::MAX).min(piece_bytes);
            let mut piece = self.content.piece(at, size)?;
            if let Some(flipped) = delivery.flip_at.filter(|flip| (at..at + size as u64).contains(flip)) {
                piece[usize::try_from(flipped - at).expect("within a piece")] ^= 1;
            }
            if delivery.is_chunked {
                write!(stream, "{size:x}\r\n")?;
            }
            stream.write_all(&piece)?;
            if delivery.is_chunked {
                stream.write_all(b"\r\n")?;
            }
            if !pause.is_zero() {
                stream.flush()?;
                std::thread::sleep(pause);
            }
            at += size as u64;
        }
        let is_whole = limit == self.content.len();
        if delivery.is_chunked && is_whole {
            stream.write_all(b"0\r\n\r\n")?;
        }
        Ok(is_whole && delivery.declared_bytes.is_none())
    }
}

impl Content {
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { start, end, .. } => end - start,
        }
    }

    fn piece(&self, at: u64, size: usize) -> io::Result<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => {
                let at = usize::try_from(at).expect("within memory");
                Ok(bytes[at..at + size].to_vec())
            }
            Self::File { file, start, .. } => {
                let mut piece = vec![0; size];
                file.read_exact_at(&mut piece, start + at)?;
                Ok(piece)
            }
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        _ => "Said",
    }
}
