//! Small projects for the tests of this room.

use std::fs;

/// A static program for x86-64.
pub const HELLO_AMD64: &[u8] = include_bytes!("../../../testdata/hello/bin/amd64/hello");

/// A static program for arm64.
pub const HELLO_ARM64: &[u8] = include_bytes!("../../../testdata/hello/bin/arm64/hello");

/// Writes a directory with these files.
pub fn project_of_bytes(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    directory
}

/// Writes a directory with these texts.
pub fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, text)| (*path, text.as_bytes())).collect();
    project_of_bytes(&files)
}
