//! Questions on the terminal: a user name, and a password, which is not shown while it is typed.
//!
//! Echo must be on again however the process ends. A question turns it on when it is answered or fails, and
//! [`super::interrupt`] calls [`restore`] for the signals that it handles. SIGKILL cannot be handled.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr};

/// The terminal of the process.
const TERMINAL: &str = "/dev/tty";

/// Longest line that Linux passes on, in bytes, without its line end. It drops the rest of a longer one silently.
const MAX_LINE_BYTES: usize = 4095;

/// A terminal whose echo is off, with its settings from before.
static HIDDEN: Mutex<Option<(File, Termios)>> = Mutex::new(None);

/// The terminal that a person uses.
pub struct Terminal(File);

impl Terminal {
    /// Opens the terminal of the process, if standard input is one. A run with other input, such as a pipe, has no user
    /// who could answer.
    pub fn open() -> Option<Self> {
        if !io::stdin().is_terminal() {
            return None;
        }
        OpenOptions::new().read(true).write(true).open(TERMINAL).ok().map(Self)
    }

    /// Asks for a line, and returns it without its line end.
    ///
    /// # Errors
    /// Fails if the terminal fails, or if the line is too long or not UTF-8.
    pub async fn ask(&self, question: &'static str) -> io::Result<String> {
        let device = self.0.try_clone()?;
        in_background(move || {
            (&device).write_all(question.as_bytes())?;
            read_line(&device)
        })
        .await
    }

    /// Asks for a line that is not shown.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn ask_hidden(&self, question: &'static str) -> io::Result<String> {
        let device = self.0.try_clone()?;
        in_background(move || {
            let _hidden = Hidden::start(&device)?;
            (&device).write_all(question.as_bytes())?;
            read_line(&device)
        })
        .await
    }
}

/// Waits on another thread, so that signals are handled meanwhile.
async fn in_background(ask: impl FnOnce() -> io::Result<String> + Send + 'static) -> io::Result<String> {
    tokio::task::spawn_blocking(ask).await.map_err(io::Error::other)?
}

/// Reads up to the end of a line. A terminal returns a line at most for each read.
fn read_line(mut input: impl io::Read) -> io::Result<String> {
    let mut line = Vec::new();
    let mut piece = [0; MAX_LINE_BYTES + 1];
    while !line.ends_with(b"\n") {
        match input.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => line.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if line.len() > MAX_LINE_BYTES {
            return Err(io::Error::other("the line is too long for a terminal"));
        }
    }
    let line = String::from_utf8(line).map_err(|_| io::Error::other("the line is not UTF-8"))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Keeps echo off until it is dropped.
struct Hidden;

impl Hidden {
    fn start(device: &File) -> io::Result<Self> {
        let before = tcgetattr(device)?;
        let mut settings = before.clone();
        settings.local_modes.remove(LocalModes::ECHO);
        // Stored first: a signal that comes in between finds it.
        *HIDDEN.lock().unwrap_or_else(PoisonError::into_inner) = Some((device.try_clone()?, before));
        let hidden = Self;
        // Discards what was typed, and shown, before the question.
        tcsetattr(device, OptionalActions::Flush, &settings)?;
        Ok(hidden)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        show(|_| {});
    }
}

/// Turns echo on again if a question has turned it off. For a process that is about to end: the part of a password that
/// was typed is discarded, so that no other program reads and shows it.
pub fn restore() {
    show(|device| {
        let _ = tcflush(device, QueueSelector::IFlush);
    });
}

fn show(before: impl FnOnce(&File)) {
    let hidden = HIDDEN.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((device, settings)) = hidden {
        before(&device);
        // A terminal that is gone needs no settings.
        let _ = tcsetattr(&device, OptionalActions::Now, &settings);
        // The line end that was typed was not shown.
        let _ = (&device).write_all(b"\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_without_their_end() {
        let read = |bytes: &[u8]| read_line(bytes).map_err(|error| error.to_string());
        assert_eq!(read(b"secret\n").unwrap(), "secret");
        assert_eq!(read(b" a b \r\n").unwrap(), " a b ");
        assert_eq!(read(b"").unwrap(), "");
        assert_eq!(read(b"no end").unwrap(), "no end");
        assert!(read(b"\xff\n").unwrap_err().contains("not UTF-8"));
        let longest = [vec![b'x'; MAX_LINE_BYTES - 1], b"\n".to_vec()].concat();
        assert_eq!(read(&longest).unwrap().len(), MAX_LINE_BYTES - 1);
        // Linux cuts longer lines to this length, so that this one may have been longer.
        let cut = [vec![b'x'; MAX_LINE_BYTES], b"\n".to_vec()].concat();
        assert!(read(&cut).unwrap_err().contains("too long"));
    }
}
