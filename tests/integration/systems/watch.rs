//! Which files below some directories are opened.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::FromRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Bytes of one event before its name: descriptor, mask, cookie, length of the name.
const HEAD_BYTES: usize = 16;

/// A watch on directories, by inotify.
pub struct Watch {
    events: File,
    /// The directories, by the numbers of their watches.
    folders: BTreeMap<i32, PathBuf>,
}

impl Watch {
    /// Starts to watch these directories and all below them.
    pub fn start(folders: &[PathBuf]) -> Self {
        // SAFETY: the descriptor is new, and owned by the file alone.
        let events = unsafe {
            let descriptor = libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC);
            assert!(descriptor >= 0);
            File::from_raw_fd(descriptor)
        };
        let mut watch = Self {
            events,
            folders: BTreeMap::new(),
        };
        for folder in folders {
            watch.add(folder, Path::new(folder.file_name().unwrap()));
        }
        watch
    }

    fn add(&mut self, folder: &Path, shown: &Path) {
        let path = CString::new(folder.as_os_str().as_bytes()).unwrap();
        // SAFETY: the descriptor is open for as long as the file is borrowed, and the path ends with a zero byte.
        let number = unsafe {
            let descriptor = std::os::fd::AsRawFd::as_raw_fd(&self.events);
            libc::inotify_add_watch(descriptor, path.as_ptr(), libc::IN_OPEN)
        };
        assert!(number >= 0, "{}", folder.display());
        self.folders.insert(number, shown.to_owned());
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                self.add(&entry.path(), &shown.join(entry.file_name()));
            }
        }
    }

    /// Returns the files, not the directories, that were opened since the last call; each once, sorted.
    pub fn opened(&self) -> Vec<String> {
        let mut buffer = vec![0; 1024 * 1024];
        let count = (&self.events).read(&mut buffer).unwrap_or_default();
        let mut left = &buffer[..count];
        let mut opened = Vec::new();
        while left.len() >= HEAD_BYTES {
            let number = |at: usize| i32::from_ne_bytes(left[at..at + 4].try_into().unwrap());
            let name_bytes = usize::try_from(number(12)).unwrap();
            let (event, rest) = left.split_at(HEAD_BYTES + name_bytes);
            let mask = number(4).cast_unsigned();
            if mask & libc::IN_ISDIR == 0 {
                let name = event[HEAD_BYTES..].split(|byte| *byte == 0).next().unwrap();
                let folder = &self.folders[&number(0)];
                opened.push(
                    folder
                        .join(String::from_utf8_lossy(name).as_ref())
                        .display()
                        .to_string(),
                );
            }
            left = rest;
        }
        opened.sort();
        opened.dedup();
        opened
    }
}
