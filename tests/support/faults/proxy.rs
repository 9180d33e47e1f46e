//! A proxy in front of one server, which passes everything on, byte for byte, counts it, and breaks connections by a
//! script.
//!
//! It parses requests' heads and follows their bodies; replies are only passed on. Other protocols are passed on
//! without parsing.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::http::{Framing, Head, Next, Wire};
use super::log::Log;
use super::script::{Fault, Rule, Script};

const PIECE_BYTES: usize = 64 * 1024;

/// The proxy, on a free port of this machine.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: String,
    script: Script,
    log: Log,
    sent_bytes: AtomicU64,
    answered_bytes: AtomicU64,
    connections: AtomicUsize,
    is_over: AtomicBool,
}

impl Proxy {
    /// Starts to pass everything on to `upstream` (`HOST:PORT`).
    pub fn start(upstream: impl Into<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream: upstream.into(),
            script: Script::default(),
            log: Log::default(),
            sent_bytes: AtomicU64::new(0),
            answered_bytes: AtomicU64::new(0),
            connections: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        });
        let accepting = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let shared = accepting.clone();
                // Broken connections are expected.
                thread::spawn(move || pass_on(client, &shared).ok());
            }
        });
        Self { address, shared }
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// `HOST:PORT/NAME`
    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// Adds a rule. If several match a request, the first applies.
    pub fn rule(&self, rule: Rule) -> &Self {
        self.shared.script.add(rule);
        self
    }

    pub fn script(&self) -> &Script {
        &self.shared.script
    }

    /// Returns the requests so far, with the bytes of their bodies that were passed on.
    pub fn log(&self) -> &Log {
        &self.shared.log
    }

    /// Returns the bytes from clients that were passed on, including heads.
    pub fn sent_bytes(&self) -> u64 {
        self.shared.sent_bytes.load(Ordering::SeqCst)
    }

    /// Returns the bytes that were sent to clients, including heads.
    pub fn answered_bytes(&self) -> u64 {
        self.shared.answered_bytes.load(Ordering::SeqCst)
    }

    /// Returns the number of connections with a request.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then ends.
        let _ = TcpStream::connect(self.address);
    }
}

/// State for the replies that the request side sets.
#[derive(Default)]
struct Replies {
    /// The fault for the reply to the last request.
    fault: Option<Fault>,
    /// Passed bytes of that reply.
    passed_bytes: u64,
    /// The connection ends in a reset, and must not be closed before.
    is_reset: bool,
}

/// One connection, both directions.
struct Passage<'a> {
    shared: &'a Shared,
    client: Arc<TcpStream>,
    server: Arc<TcpStream>,
    replies: Arc<Mutex<Replies>>,
    number: Option<usize>,
    left_bytes: u64,
}

fn pass_on(client: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    let client = Arc::new(client);
    let server = Arc::new(TcpStream::connect(&shared.upstream)?);
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let replies = Arc::<Mutex<Replies>>::default();
    let back = {
        let shared = shared.clone();
        let client = client.clone();
        let server = server.clone();
        let replies = replies.clone();
        thread::spawn(move || {
            let _ = pass_back(&shared, &client, &server, &replies);
            let _ = server.shutdown(Shutdown::Both);
        })
    };
    let left_bytes = shared.script.connection_limit().unwrap_or(u64::MAX);
    let mut passage = Passage {
        shared,
        client,
        server,
        replies,
        number: None,
        left_bytes,
    };
    let ended = passage.requests();
    // The server sees the end before the client does: by then it has decided what to keep of a broken request.
    let _ = passage.server.shutdown(Shutdown::Write);
    let _ = back.join();
    ended
}

impl Passage<'_> {
    fn requests(&mut self) -> io::Result<()> {
        let client = self.client.clone();
        let mut wire = Wire::new(&*client);
        loop {
            match wire.next()? {
                Next::End => return Ok(()),
                Next::Handshake => return self.tunnel(&mut wire),
                Next::Head(head) => self.request(&mut wire, &head)?,
            }
        }
    }

    fn tunnel(&mut self, wire: &mut Wire<&TcpStream>) -> io::Result<()> {
        loop {
            let piece = wire.filled()?;
            let count = piece.len();
            (&*self.server).write_all(piece)?;
            wire.consume(count);
            if count == 0 {
                return Ok(());
            }
        }
    }

    fn request(&mut self, wire: &mut Wire<&TcpStream>, head: &Head) -> io::Result<()> {
        let new_number = || self.shared.connections.fetch_add(1, Ordering::SeqCst);
        self.number.get_or_insert_with(new_number);
        let entry = self.shared.log.begin(head);
        let fault = self.shared.script.fault_of(head);
        *self.replies.lock().unwrap() = Replies {
            fault,
            ..Replies::default()
        };
        if let Some(Fault::Delay(pause)) = fault {
            thread::sleep(pause);
        }
        self.send(&head.raw)?;
        let ended = self.body(wire, head.framing(), fault, entry);
        if ended.is_err() {
            self.shared.log.note(entry, |seen| seen.is_cut = true);
        }
        ended
    }

    fn body(
        &mut self,
        wire: &mut Wire<&TcpStream>,
        mut framing: Framing,
        fault: Option<Fault>,
        entry: usize,
    ) -> io::Result<()> {
        let (limit_bytes, is_stall) = match fault {
            Some(Fault::ResetInBody(bytes)) => (bytes, false),
            Some(Fault::StallInBody(bytes)) => (bytes, true),
            _ => (u64::MAX, false),
        };
        let mut passed_bytes = 0;
        loop {
            if passed_bytes >= limit_bytes {
                return if is_stall { self.stall() } else { Err(self.reset()) };
            }
            if framing.is_done() {
                return Ok(());
            }
            let room = usize::try_from(limit_bytes - passed_bytes).unwrap_or(usize::MAX);
            let piece = wire.filled()?;
            if piece.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let piece = &piece[..piece.len().min(room)];
            let taken = framing.take(piece, &mut |_| {});
            let before_bytes = self.left_bytes;
            let sent = self.send(&piece[..taken]);
            wire.consume(taken);
            passed_bytes += before_bytes - self.left_bytes;
            self.shared.log.note(entry, |seen| seen.body_bytes = passed_bytes);
            sent?;
        }
    }

    /// Sends to the server, up to the connection's limit.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let passed = bytes.len().min(usize::try_from(self.left_bytes).unwrap_or(usize::MAX));
        self.shared.sent_bytes.fetch_add(passed as u64, Ordering::SeqCst);
        self.left_bytes -= passed as u64;
        // If the server has already replied and closed the connection, the client will see it.
        let sent = (&*self.server).write_all(&bytes[..passed]);
        if self.left_bytes == 0 {
            return Err(self.reset());
        }
        sent.or(Ok(()))
    }

    /// Stops until the client gives up; further bytes from the client stay in the buffers.
    fn stall(&self) -> io::Result<()> {
        // The end of a killed client comes after the bytes that it had still to send.
        let clearings = self.shared.script.clearings();
        while !has_hung_up(&self.client)
            && self.shared.script.clearings() == clearings
            && !self.shared.is_over.load(Ordering::SeqCst)
        {}
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    fn reset(&self) -> io::Error {
        self.replies.lock().unwrap().is_reset = true;
        reset(&self.client)
    }
}

/// Waits for a tenth of a second, or until the peer has closed the connection. Returns `true` then.
fn has_hung_up(stream: &TcpStream) -> bool {
    let mut poll = libc::pollfd {
        fd: stream.as_raw_fd(),
        events: libc::POLLRDHUP,
        revents: 0,
    };
    // SAFETY: one descriptor is passed, which is open for as long as the stream is borrowed.
    unsafe { libc::poll(&raw mut poll, 1, 100) != 0 }
}

/// Makes this connection end in a reset.
fn reset(client: &TcpStream) -> io::Error {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let size = libc::socklen_t::try_from(size_of::<libc::linger>()).expect("the size of two integers");
    // SAFETY: the descriptor is open for as long as the stream is borrowed, and `linger` is read within its size.
    let done = unsafe {
        libc::setsockopt(
            client.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size,
        )
    };
    assert_eq!(done, 0, "SO_LINGER: {}", io::Error::last_os_error());
    io::ErrorKind::ConnectionReset.into()
}

/// Passes replies from the server to the client.
fn pass_back(shared: &Shared, client: &TcpStream, server: &TcpStream, replies: &Mutex<Replies>) -> io::Result<()> {
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        let count = (&mut &*server).read(&mut buffer).unwrap_or_default();
        let (fault, before, is_reset) = {
            let mut replies = replies.lock().unwrap();
            replies.passed_bytes += count as u64;
            (replies.fault, replies.passed_bytes - count as u64, replies.is_reset)
        };
        if count == 0 || is_reset {
            // Both directions: a server that closed the connection sends no more replies.
            return if is_reset {
                Ok(())
            } else {
                client.shutdown(Shutdown::Both)
            };
        }
        let room = |limit: u64| count.min(usize::try_from(limit.saturating_sub(before)).unwrap_or(usize::MAX));
        let (passed, ending) = match fault {
            Some(Fault::CloseBeforeReply) => (0, Some(fault)),
            Some(Fault::ResetInReply(limit)) if room(limit) < count => (room(limit), Some(fault)),
            _ => (count, None),
        };
        shared.answered_bytes.fetch_add(passed as u64, Ordering::SeqCst);
        let mut client_side = client;
        match fault {
            Some(Fault::DripReply(size, pause)) => {
                for piece in buffer[..passed].chunks(size) {
                    client_side.write_all(piece)?;
                    thread::sleep(pause);
                }
            }
            _ => client_side.write_all(&buffer[..passed])?,
        }
        match ending.flatten() {
            Some(Fault::CloseBeforeReply) => return client.shutdown(Shutdown::Both),
            Some(_) => {
                replies.lock().unwrap().is_reset = true;
                reset(client);
                // Wakes the thread of the requests, which holds the connection too.
                client.shutdown(Shutdown::Read)?;
                return Ok(());
            }
            None => {}
        }
    }
}
