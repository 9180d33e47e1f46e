//! Large inputs that are written quickly.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crate::limits::memory::MIB;
use crate::support::{Sandbox, tool};

/// Size of the large layer's one file, in bytes.
pub const LARGE_BYTES: u64 = 2048 * MIB;
/// Distance between two ranges that do not compress; the rest of the file is sparse.
const STRETCH_EVERY_BYTES: u64 = 64 * MIB;
const STRETCH_BYTES: usize = 2 * MIB as usize;

/// Number of small files.
pub const SMALL_FILES: u64 = 100_000;
/// Files in one directory of the small ones.
pub const FILES_PER_DIRECTORY: u64 = 500;
/// The small files' directories, and their parent.
pub const SMALL_DIRECTORIES: u64 = SMALL_FILES / FILES_PER_DIRECTORY + 1;

/// A sparse file of [`LARGE_BYTES`].
pub fn write_large_file(path: &Path) {
    let mut file = File::create(path).unwrap();
    file.set_len(LARGE_BYTES).unwrap();
    let mut noise = Noise(1);
    for at in (0..LARGE_BYTES).step_by(STRETCH_EVERY_BYTES as usize) {
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(&noise.bytes(STRETCH_BYTES)).unwrap();
    }
}

/// Bytes that no encoder compresses, the same in each run (splitmix64).
struct Noise(u64);

impl Noise {
    fn bytes(&mut self, size: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.next())
            .flat_map(u64::to_le_bytes)
            .take(size)
            .collect()
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Writes [`SMALL_FILES`] files in directories below `directory`. Returns the length of the longest path, in bytes.
pub fn write_small_files(directory: &Path) -> u64 {
    let mut longest = 0;
    for number in 0..SMALL_FILES {
        let parent = directory.join(format!("dir{:04}", number / FILES_PER_DIRECTORY));
        if number % FILES_PER_DIRECTORY == 0 {
            fs::create_dir_all(&parent).unwrap();
        }
        let path = parent.join(format!("file-{number:06}.txt"));
        fs::write(&path, format!("{number}\n")).unwrap();
        longest = longest.max(path.as_os_str().len() as u64);
    }
    longest
}

/// Writes a base as a layout at `relative`, with `make_base.py`.
pub fn make_base(sandbox: &Sandbox, relative: &str, kind: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/limits/make_base.py");
    let target = sandbox.path(relative);
    tool("python3", &["-B", script, target.to_str().unwrap(), kind]);
}
