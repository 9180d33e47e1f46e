//! Standard error, and standard output for people: what is written there goes through here, and no secret of this run with
//! it.
//!
//! Digest lines and the bytes of documents and archives are not for people: they stay as they are.

use std::borrow::Cow;
use std::io::{self, Write as _};
use std::sync::LazyLock;

use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::registry::Secrets;

/// What this process has sent as a secret. There is one run in a process, and one standard error.
static SECRETS: LazyLock<Secrets> = LazyLock::new(Secrets::default);

/// What this run has sent as a secret so far.
pub fn secrets() -> &'static Secrets {
    &SECRETS
}

/// Fewest bytes of a secret that is taken out of the answers on standard output.
const MIN_BYTES_IN_ANSWERS: usize = 8;

/// The answer of a command, as it may be printed.
pub fn answer(text: &str) -> String {
    SECRETS.of_at_least(MIN_BYTES_IN_ANSWERS).blank(text).into_owned()
}

/// The same for a document.
pub fn answer_json(document: Value) -> Value {
    SECRETS.of_at_least(MIN_BYTES_IN_ANSWERS).blank_json(document)
}

/// Text as it may be shown.
pub fn shown(text: &str) -> Cow<'_, str> {
    SECRETS.blank(text)
}

/// Writes a line to stderr. A stderr that cannot be written is no reason to fail.
pub fn tell(line: &str) {
    write_line(&shown(line));
}

/// Writes an event as a line of JSON: its name, and the fields of `fields`.
pub fn tell_event(name: &str, fields: Value) {
    let mut event = json!({ "event": name });
    if let (Some(event), Value::Object(fields)) = (event.as_object_mut(), fields) {
        event.extend(fields);
    }
    tell_json(event);
}

/// Writes a document as one line to stderr. Its texts are looked through one by one: the line stays JSON.
pub fn tell_json(document: Value) {
    write_line(&SECRETS.blank_json(document).to_string());
}

/// Writes a line that a script reads, and that this program made by itself: the name and the digest of an image.
pub fn tell_exactly(line: &str) {
    write_line(line);
}

fn write_line(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Where log lines go.
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
