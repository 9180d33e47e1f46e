//! The file `size`: the total size of the cache in bytes, so that not every build that stores something has to count
//! it.
//!
//! It has one line, `BYTES ADDITIONS`: the size at the last count plus what was stored since, and the number of
//! additions. It is locked while it is changed. It need not be exact: a killed build adds nothing, and deleted damaged
//! files are not subtracted. So a ledger that cannot be read, or has many additions, is replaced by counting again.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// The file's name in the root.
pub(super) const NAME: &str = "size";

/// Mode of the file, before the umask: only its owner writes it.
const FILE_MODE: u32 = 0o644;

/// Number of additions after which everything is counted again. It limits the error that killed builds can cause.
const MAX_ADDITIONS: u32 = 32;

/// How long to wait for another process. It may count or delete a hundred thousand files; one that takes longer hangs.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// Interval at which a waiting process tries to lock again.
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Longest valid text of a ledger: two numbers.
const MAX_BYTES: u64 = 64;

/// The ledger, locked until it is dropped.
pub(super) struct Ledger(File);

impl Ledger {
    /// Waits for the lock. Returns `None` if another process holds it for too long.
    pub fn lock(root: &Path) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        options
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(FILE_MODE)
            .custom_flags(libc::O_NOFOLLOW);
        let file = options.open(root.join(NAME))?;
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self(file))),
                Err(TryLockError::Error(cause)) => return Err(cause),
                Err(TryLockError::WouldBlock) if started.elapsed() >= LOCK_TIMEOUT => return Ok(None),
                Err(TryLockError::WouldBlock) => thread::sleep(LOCK_POLL_INTERVAL),
            }
        }
    }

    /// Adds the size of stored files. Returns the sum, or `None` if everything has to be counted again.
    pub fn add(&mut self, stored_bytes: u64) -> io::Result<Option<u64>> {
        let mut text = String::new();
        self.0.rewind()?;
        if (&self.0).take(MAX_BYTES).read_to_string(&mut text).is_err() {
            return Ok(None);
        }
        let Some((size_bytes, additions)) = parse(&text).filter(|(_, additions)| *additions < MAX_ADDITIONS) else {
            return Ok(None);
        };
        let sum_bytes = size_bytes.saturating_add(stored_bytes);
        self.write(sum_bytes, additions + 1)?;
        Ok(Some(sum_bytes))
    }

    /// Stores a counted size.
    pub fn set(&mut self, size_bytes: u64) -> io::Result<()> {
        self.write(size_bytes, 0)
    }

    fn write(&mut self, size_bytes: u64, additions: u32) -> io::Result<()> {
        // Truncated first: a partial line of a killed process has no newline.
        self.0.set_len(0)?;
        self.0.rewind()?;
        self.0.write_all(format!("{size_bytes} {additions}\n").as_bytes())
    }
}

fn parse(text: &str) -> Option<(u64, u32)> {
    let (size_bytes, additions) = text.strip_suffix('\n')?.split_once(' ')?;
    Some((size_bytes.parse().ok()?, additions.parse().ok()?))
}
