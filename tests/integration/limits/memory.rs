//! The documented memory limits as numbers, compared with the peak of a process.

use ocitect::compress::{
    GZIP_BLOCK_UNIT_BYTES, MAX_BLOCK_UNITS, NONE_BLOCK_UNIT_BYTES, ZSTD_BLOCK_UNIT_BYTES, ZSTD_WINDOW_MAX_BYTES,
};
use ocitect::pack::MAX_THREADS;

use crate::support::Sandbox;

pub const MIB: u64 = 1024 * 1024;

/// Memory limit of any command, in bytes.
const RESIDENT_BYTES: u64 = 64 * MIB;
/// Memory limit of each entry of base and layers together, in bytes, without its path.
pub const ENTRY_BYTES: u64 = 512;
/// Copies of a path in memory while its layer is planned: the file's path, for reading and for messages; in the
/// listing; and in the image.
pub const PATH_COPIES: u64 = 4;
/// Copies of a link's target in memory: in the tree, and in the encoded facts from the cache.
const TARGET_COPIES: u64 = 2;
/// Concurrent blocks of each packing thread: being read, being compressed, compressed.
const BLOCKS_PER_THREAD: u64 = 3;
/// Memory of a deflate encoder besides its blocks, in bytes. Its own tables need more, within the limit of any command.
const GZIP_TABLES_BYTES: u64 = 512 * 1024;
/// Hash tables and sequences of zstd at its default level, in bytes.
const ZSTD_TABLES_BYTES: u64 = 4 * MIB;

/// The memory limit of a command.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allowance {
    /// Entries of base and layers together.
    entries: u64,
    /// Length of each entry's path.
    path_bytes: u64,
    /// Memory of each packing thread.
    thread_bytes: u64,
    window_bytes: u64,
    /// Total length of all link targets.
    target_bytes: u64,
}

impl Allowance {
    /// Returns the limit of a command that packs nothing.
    pub fn of_copying() -> Self {
        Self::default()
    }

    /// Returns the limit of packing with `compression`, at its default level.
    pub fn of_packing(compression: &str) -> Self {
        let (unit_bytes, tables_bytes) = match compression {
            "gzip" => (GZIP_BLOCK_UNIT_BYTES, GZIP_TABLES_BYTES),
            "zstd" => (ZSTD_BLOCK_UNIT_BYTES, ZSTD_TABLES_BYTES),
            "none" => (NONE_BLOCK_UNIT_BYTES, 0),
            other => panic!("{other} is no compression"),
        };
        let block_bytes = (MAX_BLOCK_UNITS * unit_bytes) as u64;
        Self {
            thread_bytes: BLOCKS_PER_THREAD * block_bytes + tables_bytes,
            ..Self::default()
        }
    }

    /// Adds `entries` in base and layers.
    pub fn with_entries(self, entries: u64) -> Self {
        Self { entries, ..self }
    }

    /// Sets paths of `path_bytes`, which the documented limit does not include.
    pub fn with_paths(self, path_bytes: u64) -> Self {
        Self { path_bytes, ..self }
    }

    /// Sets link targets of `target_bytes` in total, which the documented limit does not include either.
    pub fn with_link_targets(self, target_bytes: u64) -> Self {
        Self { target_bytes, ..self }
    }

    /// Adds a base layer with the largest allowed zstd window.
    pub fn with_largest_window(self) -> Self {
        Self {
            window_bytes: ZSTD_WINDOW_MAX_BYTES,
            ..self
        }
    }

    /// Returns the sum, in bytes.
    pub fn bytes(self) -> u64 {
        let threads = std::thread::available_parallelism()
            .map_or(1, usize::from)
            .min(MAX_THREADS) as u64;
        let entry_bytes = ENTRY_BYTES + PATH_COPIES * self.path_bytes;
        let target_bytes = TARGET_COPIES * self.target_bytes;
        RESIDENT_BYTES + entry_bytes * self.entries + threads * self.thread_bytes + self.window_bytes + target_bytes
    }

    /// Runs the program, which must succeed within the limit. Returns its peak, in bytes.
    #[track_caller]
    pub fn holds(self, what: &str, sandbox: &Sandbox, arguments: &[&str]) -> u64 {
        self.holds_with(0, &[], what, sandbox, arguments)
    }

    /// Like [`Allowance::holds`], for a run with this exit status and these words.
    #[track_caller]
    pub fn holds_with(self, code: i32, words: &[&str], what: &str, sandbox: &Sandbox, arguments: &[&str]) -> u64 {
        let (outcome, peak_bytes) = sandbox.run_measured(&sandbox.command(arguments));
        outcome.expect(code).says(words);
        let peak_mib = peak_bytes as f64 / MIB as f64;
        let allowed_mib = self.bytes() as f64 / MIB as f64;
        println!("{what}: {peak_mib:.1} MiB of {allowed_mib:.1} MiB");
        assert!(
            peak_bytes <= self.bytes(),
            "{what} took {peak_mib:.1} MiB, and may take {allowed_mib:.1} MiB"
        );
        peak_bytes
    }
}
