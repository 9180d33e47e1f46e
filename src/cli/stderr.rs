//! Standard error, and standard output for people. All of their text goes through this module, which masks the secrets
//! of this run.
//!
//! Digest lines and the bytes of documents and archives are not for people and are written unchanged.

use std::borrow::Cow;
use std::io::{self, Write as _};
use std::sync::LazyLock;

use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::registry::Secrets;

/// The secrets that this process has sent. A process has one run and one standard error.
static SECRETS: LazyLock<Secrets> = LazyLock::new(Secrets::default);

/// Returns the secrets that this run has sent so far.
pub fn secrets() -> &'static Secrets {
    &SECRETS
}

/// Shortest secret that is masked in output on standard output, in bytes.
const MIN_BYTES_IN_ANSWERS: usize = 8;

/// Returns the output of a command with the secrets masked.
pub fn answer(text: &str) -> String {
    SECRETS.of_at_least(MIN_BYTES_IN_ANSWERS).blank(text).into_owned()
}

/// Returns a document with the secrets masked.
pub fn answer_json(document: Value) -> Value {
    SECRETS.of_at_least(MIN_BYTES_IN_ANSWERS).blank_json(document)
}

/// Returns text with the secrets masked.
pub fn shown(text: &str) -> Cow<'_, str> {
    SECRETS.blank(text)
}

/// Writes a line to stderr. A write error is ignored.
pub fn eprintln_line(line: &str) {
    write_line(&shown(line));
}

/// Writes an event as a line of JSON: its name, and the fields of `fields`.
pub fn emit_event(name: &str, fields: Value) {
    eprintln_json(event_json(name, fields));
}

/// Returns an event as JSON: its name, and the fields of `fields`.
pub fn event_json(name: &str, fields: Value) -> Value {
    let mut event = json!({ "event": name });
    if let (Some(event), Value::Object(fields)) = (event.as_object_mut(), fields) {
        event.extend(fields);
    }
    event
}

/// Writes a document as one line to stderr. Secrets are masked in each of its strings, so that the line is valid JSON.
pub fn eprintln_json(document: Value) {
    write_line(&SECRETS.blank_json(document).to_string());
}

/// Writes a line for scripts without masking: the name and the digest of an image.
pub fn eprintln_verbatim(line: &str) {
    write_line(line);
}

/// Moves the cursor of a terminal to the start of its line.
pub fn return_cursor() {
    let _ = io::stderr().lock().write_all(b"\r");
}

fn write_line(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// The destination of log lines.
pub struct Log;

impl<'a> MakeWriter<'a> for Log {
    type Writer = LogLine;

    fn make_writer(&'a self) -> Self::Writer {
        LogLine
    }
}

/// One log line, which is written at once.
pub struct LogLine;

impl io::Write for LogLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes);
        io::stderr().lock().write_all(shown(&line).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
