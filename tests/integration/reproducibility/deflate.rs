//! ocitect's deflate, wrapped as gzip, read by other programs: one member of many blocks, at every level.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use ocitect::compress::{Algorithm, Compression, Encoder, GZIP_LEVEL_MAX, GZIP_LEVEL_MIN};

use crate::support::Sandbox;

/// Decodes standard input to standard output with zlib, for a given format; the stream must end.
const PYTHON: &str = "
import sys, zlib
stream = zlib.decompressobj(31)
sys.stdout.buffer.write(stream.decompress(sys.stdin.buffer.read()))
assert stream.eof and not stream.unused_data
";

/// The readers: programs, arguments.
const READERS: [(&str, &[&str]); 4] = [
    ("gzip", &["-dc"]),
    ("python3", &["-c", PYTHON]),
    ("libdeflate-gunzip", &["-c"]),
    ("igzip", &["-dc"]),
];

/// Returns more than two blocks: of the binary itself, of text, of incompressible data, and of zeros.
fn content() -> Vec<u8> {
    let binary = fs::read(env!("CARGO_BIN_EXE_ocitect")).unwrap();
    let mut content = binary[..binary.len().min(1536 * 1024)].to_vec();
    content.extend((0..40_000).flat_map(|number: u32| format!("line {number}: {}\n", number % 97).into_bytes()));
    let mut state = 1_u32;
    content.extend((0..300_000).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    }));
    content.resize(content.len() + 100_000, 0);
    content
}

fn gzip(level: i32, content: &[u8]) -> Vec<u8> {
    let compression = Compression::new(Algorithm::Gzip, Some(level)).unwrap();
    let mut encoder = Encoder::new(compression, Vec::new()).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn read_by(program: &str, arguments: &[&str], path: &Path) -> Vec<u8> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(fs::File::open(path).unwrap())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

#[test]
fn every_program_reads_every_level() {
    let sandbox = Sandbox::new();
    for content in [content(), Vec::new(), b"x".to_vec()] {
        for level in GZIP_LEVEL_MIN..=GZIP_LEVEL_MAX {
            let path = sandbox.path(format!("{level}.gz"));
            fs::write(&path, gzip(level, &content)).unwrap();
            for (program, arguments) in READERS {
                assert!(
                    read_by(program, arguments, &path) == content,
                    "{program} at level {level}"
                );
            }
        }
    }
}
