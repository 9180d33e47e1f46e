//! Writes to standard output.

use std::io::Write as _;

use super::choices::Progress;
use super::failure::{Done, Failure};
use super::stderr;

/// Writes the output of a command to standard output, without the long secrets of this run: a registry may have put one
/// into a document. Short ones may be words of the output, which a script reads.
pub fn print(bytes: &[u8]) -> Done {
    print_exactly(stderr::answer(&String::from_utf8_lossy(bytes)).as_bytes())
}

/// Writes a file of the user to standard output, byte by byte.
pub fn print_file(bytes: &[u8]) -> Done {
    print_exactly(bytes)
}

/// Writes to standard output. A closed pipe (`| head`) is not an error.
fn print_exactly(bytes: &[u8]) -> Done {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::here(&format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints the `NAME@DIGEST` of a new image: on stdout, or on stderr if stdout is an archive.
pub fn print_result(image: &str, stdout_is_taken: bool, progress: Progress) -> Done {
    match (stdout_is_taken, progress) {
        (false, _) => return print_exactly(format!("{image}\n").as_bytes()),
        (true, Progress::Json) => stderr::emit_event("done", serde_json::json!({ "image": image })),
        (true, _) => stderr::eprintln_verbatim(image),
    }
    Ok(())
}

/// Writes a document to standard output, without the secrets of this run.
pub fn print_json(value: &serde_json::Value) -> Done {
    print_exactly(format!("{:#}\n", stderr::answer_json(value.clone())).as_bytes())
}

/// Writes a document to standard output as one line, without the secrets of this run.
pub fn print_json_line(value: &serde_json::Value) -> Done {
    print_exactly(format!("{}\n", stderr::answer_json(value.clone())).as_bytes())
}
