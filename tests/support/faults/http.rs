//! HTTP/1.1 for servers and proxies (RFC 9112): heads, and the ends of bodies.

use std::io::{self, Read, Write};

/// Longest head of a request. Go's servers accept a megabyte; tokens have a few KiB.
const MAX_HEAD_BYTES: usize = 256 * 1024;
const BUFFER_BYTES: usize = 64 * 1024;
/// First byte of a TLS handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// A connection.
pub trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// First line and headers of a request.
#[derive(Debug, Clone, Default)]
pub struct Head {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The received bytes, with the empty line.
    pub raw: Vec<u8>,
}

impl Head {
    fn parse(raw: Vec<u8>) -> Self {
        let text = String::from_utf8_lossy(&raw).into_owned();
        let mut lines = text.split("\r\n");
        let mut first = lines.next().unwrap_or_default().split(' ').map(ToOwned::to_owned);
        let method = first.next().unwrap_or_default();
        let target = first.next().unwrap_or_default();
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        Self {
            method,
            target,
            headers: lines.filter_map(header).collect(),
            raw,
        }
    }

    /// Returns the first header of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Returns the values of a query parameter, unescaped, in order.
    pub fn all(&self, name: &str) -> Vec<String> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs
            .filter(|(other, _)| other == name)
            .map(|(_, value)| value.into_owned())
            .collect()
    }

    pub fn query(&self, name: &str) -> Option<String> {
        self.all(name).into_iter().next()
    }

    /// Returns the framing after so many bytes were read; for a chunked body, only if none were.
    pub fn framing_from(&self, received_bytes: u64) -> Framing {
        match self.framing() {
            Framing::Length(length) => Framing::Length(length.saturating_sub(received_bytes)),
            chunked @ Framing::Chunked(_) => chunked,
        }
    }

    /// Returns where the body of this request ends.
    pub fn framing(&self) -> Framing {
        let is_chunked = self
            .header("transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        match self.header("content-length").and_then(|value| value.parse().ok()) {
            _ if is_chunked => Framing::Chunked(Chunk::Size(Vec::new())),
            Some(length) => Framing::Length(length),
            None => Framing::Length(0),
        }
    }
}

/// The rest of a body.
#[derive(Debug, Clone)]
pub enum Framing {
    /// So many bytes.
    Length(u64),
    Chunked(Chunk),
}

/// The position in a chunked body.
#[derive(Debug, Clone)]
pub enum Chunk {
    /// In the line with the next chunk's size.
    Size(Vec<u8>),
    /// So many bytes of data, and the line end after them.
    Data(u64),
    /// In the lines after the last chunk.
    Trailer(Vec<u8>),
    Done,
}

impl Framing {
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::Done))
    }

    /// Returns the number of remaining bytes, if it is known.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Length(length) => Some(*length),
            Self::Chunked(_) => None,
        }
    }

    /// Takes the body's part from the front of `input`, passes its payload on, and returns how much it took.
    pub fn take(&mut self, input: &[u8], payload: &mut dyn FnMut(&[u8])) -> usize {
        let mut taken = 0;
        while taken < input.len() && !self.is_done() {
            let rest = &input[taken..];
            taken += match self {
                Self::Length(left) => {
                    let piece = &rest[..rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX))];
                    payload(piece);
                    *left -= piece.len() as u64;
                    piece.len()
                }
                Self::Chunked(chunk) => chunk.take(rest, payload),
            };
        }
        taken
    }
}

impl Chunk {
    fn take(&mut self, rest: &[u8], payload: &mut dyn FnMut(&[u8])) -> usize {
        match self {
            Self::Data(left) if *left > 2 => {
                let piece = &rest[..rest.len().min(usize::try_from(*left - 2).unwrap_or(usize::MAX))];
                payload(piece);
                *left -= piece.len() as u64;
                piece.len()
            }
            Self::Data(left) => {
                *left -= 1;
                if *left == 0 {
                    *self = Self::Size(Vec::new());
                }
                1
            }
            Self::Size(line) | Self::Trailer(line) => {
                line.push(rest[0]);
                if line.ends_with(b"\r\n") {
                    self.end_line();
                }
                1
            }
            Self::Done => 0,
        }
    }

    fn end_line(&mut self) {
        *self = match self {
            Self::Size(line) => {
                let text = String::from_utf8_lossy(line).into_owned();
                let size = text.trim().split(';').next().unwrap_or_default();
                match u64::from_str_radix(size, 16).expect("the client sends a chunk's size in hexadecimal digits") {
                    0 => Self::Trailer(Vec::new()),
                    size => Self::Data(size + 2),
                }
            }
            Self::Trailer(line) if line.len() > 2 => Self::Trailer(Vec::new()),
            _ => Self::Done,
        };
    }
}

/// A connection, with bytes that were read and not used yet.
pub struct Wire<S> {
    pub stream: S,
    buffer: Vec<u8>,
    start: usize,
}

/// The beginning of a connection's next request.
pub enum Next {
    Head(Head),
    /// Not HTTP: a TLS handshake.
    Handshake,
    /// The connection has ended.
    End,
}

impl<S: Read> Wire<S> {
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            start: 0,
        }
    }

    /// Returns the buffered bytes, after one read if there are none; empty at the end.
    pub fn filled(&mut self) -> io::Result<&[u8]> {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
            self.read_more()?;
        }
        Ok(&self.buffer[self.start..])
    }

    pub fn consume(&mut self, count: usize) {
        self.start += count;
    }

    fn read_more(&mut self) -> io::Result<usize> {
        let before = self.buffer.len();
        self.buffer.resize(before + BUFFER_BYTES, 0);
        let read = self.stream.read(&mut self.buffer[before..]);
        self.buffer.truncate(before + *read.as_ref().unwrap_or(&0));
        read
    }

    /// Reads the head of the next request.
    pub fn next(&mut self) -> io::Result<Next> {
        self.buffer.drain(..self.start);
        self.start = 0;
        loop {
            if self.buffer.first() == Some(&TLS_HANDSHAKE) {
                return Ok(Next::Handshake);
            }
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let raw: Vec<u8> = self.buffer.drain(..end + 4).collect();
                return Ok(Next::Head(Head::parse(raw)));
            }
            assert!(self.buffer.len() <= MAX_HEAD_BYTES, "a head without end");
            if self.read_more()? == 0 {
                return Ok(Next::End);
            }
        }
    }
}

/// The body of a request while it arrives.
pub struct Body<'a> {
    wire: &'a mut Wire<Box<dyn Stream>>,
    framing: Framing,
    /// Bytes of payload so far.
    pub received_bytes: u64,
    /// The connection ended before the body did.
    pub is_cut: bool,
}

impl<'a> Body<'a> {
    pub fn new(wire: &'a mut Wire<Box<dyn Stream>>, framing: Framing) -> Self {
        Self {
            wire,
            framing,
            received_bytes: 0,
            is_cut: false,
        }
    }

    pub fn is_done(&self) -> bool {
        self.framing.is_done()
    }

    /// Passes on the whole body as it arrives; [`Body::is_cut`] is `true` if it was interrupted.
    pub fn each(&mut self, mut payload: impl FnMut(&[u8])) {
        while !self.framing.is_done() && !self.is_cut {
            let piece = self.wire.filled().unwrap_or_default();
            self.is_cut = piece.is_empty();
            let received_bytes = &mut self.received_bytes;
            let taken = self.framing.take(piece, &mut |piece| {
                *received_bytes += piece.len() as u64;
                payload(piece);
            });
            self.wire.consume(taken);
        }
    }

    /// Returns the whole body, or `None` if it was interrupted.
    pub fn all(&mut self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.each(|piece| bytes.extend_from_slice(piece));
        (!self.is_cut).then_some(bytes)
    }
}
