//! The file `size`: how many bytes are kept, so that not every build that stores something has to count them.
//!
//! It holds one line, `BYTES ADDITIONS`: what was counted the last time and came to it since, and how often something came
//! to it. It is locked while it is changed. It need not be right: a killed build adds nothing, and what is deleted as
//! damaged is not taken off. So a ledger that cannot be read, or was added to often, is made anew by counting.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// The file's name in the root.
pub(super) const NAME: &str = "size";

/// Mode of the file, before the umask: its owner alone writes it.
const FILE_MODE: u32 = 0o644;

/// How often is added before everything is counted again: it bounds what killed builds can leave unnoticed.
const MAX_ADDITIONS: u32 = 32;

/// How long another process is waited for. It may count or delete a hundred thousand files; who takes longer hangs.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a waiting process tries anew.
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Longest text that a ledger has: two numbers.
const MAX_BYTES: u64 = 64;

/// The ledger, locked until it is dropped.
pub(super) struct Ledger(File);

impl Ledger {
    /// Waits for the lock. `None` where another process has it for too long.
    pub fn lock(root: &Path) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true).mode(FILE_MODE).custom_flags(libc::O_NOFOLLOW);
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

    /// Adds what was stored. Gives the sum, or `None` where everything has to be counted.
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

    /// Notes what was counted.
    pub fn set(&mut self, size_bytes: u64) -> io::Result<()> {
        self.write(size_bytes, 0)
    }

    fn write(&mut self, size_bytes: u64, additions: u32) -> io::Result<()> {
        // Cut first: a half of a line that a killed process leaves has no end.
        self.0.set_len(0)?;
        self.0.rewind()?;
        self.0.write_all(format!("{size_bytes} {additions}\n").as_bytes())
    }
}

fn parse(text: &str) -> Option<(u64, u32)> {
    let (size_bytes, additions) = text.strip_suffix('\n')?.split_once(' ')?;
    Some((size_bytes.parse().ok()?, additions.parse().ok()?))
}
