//! File systems in memory and bind mounts for a single test, unmounted after it. The tests run as root, for whom modes
//! do not apply.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

use crate::support::{Sandbox, tool};

/// Smallest size of a file, and its increment, in bytes.
pub const PAGE_BYTES: u64 = 4096;

/// Name of the file that fills the file system.
const FILLER: &str = "filler";

/// A mounted file system.
pub struct Mount {
    pub path: PathBuf,
}

impl Mount {
    /// Mounts a file system in memory of so many KiB, at `name` in the sandbox.
    pub fn small(sandbox: &Sandbox, name: &str, size_kib: u32) -> Self {
        let path = sandbox.path(name);
        fs::create_dir(&path).unwrap();
        let size = format!("size={size_kib}k");
        tool("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", path.to_str().unwrap()]);
        Self { path }
    }

    /// Mounts a file of the machine at `name` in the sandbox.
    pub fn bind(sandbox: &Sandbox, source: &str, name: &str) -> Self {
        let path = sandbox.write(name, "").path(name);
        tool("mount", &["--bind", source, path.to_str().unwrap()]);
        Self { path }
    }

    /// Makes the content immutable.
    pub fn freeze(&self) {
        tool("mount", &["-o", "remount,ro", self.path.to_str().unwrap()]);
    }

    /// Fills all free space.
    pub fn fill(&self) {
        let mut file = File::create(self.path.join(FILLER)).unwrap();
        while file.write_all(&[1; PAGE_BYTES as usize]).is_ok() {}
    }

    /// Fills all free space except so many pages.
    pub fn fill_but(&self, pages: u64) {
        self.fill();
        let filler = File::options().write(true).open(self.path.join(FILLER)).unwrap();
        let whole = filler.metadata().unwrap().len();
        filler
            .set_len(
                whole
                    .checked_sub(pages * PAGE_BYTES)
                    .expect("more is asked for than there is"),
            )
            .unwrap();
    }

    /// Frees the filled space.
    pub fn make_room(&self) {
        fs::remove_file(self.path.join(FILLER)).unwrap();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily, so that an open file does not prevent it.
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.path).status();
    }
}
