//! Reads extended attributes of files on the disk, xattr(7). Supported on Linux only; other systems report none.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};

use globset::{Candidate, GlobSet, GlobSetBuilder};
use rustix::fs::FileType;

use super::error::FilesError;
use super::handle::{Directory, Status};
use super::pattern;
use crate::model::{FileStamp, xattr_owner};
use crate::spec::FilesEntry;

/// Attributes by name.
type Carried = BTreeMap<Vec<u8>, Vec<u8>>;

/// Selects the attributes that are packed.
pub(super) struct Attributes {
    names: GlobSet,
}

impl Attributes {
    /// Selects the attributes in `xattrs` of `entry`.
    pub(super) fn new(entry: &FilesEntry) -> Result<Self, FilesError> {
        let bad = |text: &str, reason: String| FilesError::Pattern {
            place: entry.place.clone(),
            key: "xattrs",
            pattern: text.to_owned(),
            reason,
        };
        let mut names = GlobSetBuilder::new();
        for text in &entry.xattrs {
            names.add(pattern::attribute_glob(text).map_err(|reason| bad(text, reason))?);
        }
        let names = names
            .build()
            .map_err(|error| bad(&entry.xattrs.join(" "), error.to_string()))?;
        Ok(Self { names })
    }

    /// Selects no attributes.
    pub(super) fn none() -> Self {
        Self {
            names: GlobSet::empty(),
        }
    }

    /// Returns the selected attributes of a directory.
    pub(super) fn of_directory(&self, directory: &Directory) -> io::Result<Carried> {
        if self.names.is_empty() {
            return Ok(Carried::new());
        }
        self.carried(&Holder::Handle(directory.handle()?))
    }

    /// Returns the selected attributes of the entry `name`, without following a symbolic link.
    pub(super) fn of_name(&self, directory: &Directory, name: &OsStr, status: &Status) -> io::Result<Carried> {
        match status.kind {
            _ if self.names.is_empty() => Ok(Carried::new()),
            FileType::Symlink => self.carried(&Holder::Link(directory.handle()?, name)),
            _ => self.of_file(|| directory.file(name), status),
        }
    }

    /// Returns the selected attributes of the file that `open` opens, if it is the file that was listed.
    pub(super) fn of_file(&self, open: impl FnOnce() -> io::Result<File>, status: &Status) -> io::Result<Carried> {
        if self.names.is_empty() {
            return Ok(Carried::new());
        }
        let file = open()?;
        if FileStamp::of(&file.metadata()?).identity != status.stamp.identity {
            return Err(io::Error::other("it was replaced while it was listed"));
        }
        self.carried(&Holder::Handle(file.as_fd()))
    }

    /// Returns the selected attributes. Those that belong to the machine and not to the file ([`xattr_owner`]) are
    /// never packed.
    fn carried(&self, holder: &Holder<'_>) -> io::Result<Carried> {
        let mut carried = Carried::new();
        for name in system::list(holder)? {
            if xattr_owner(&name).is_some() || !self.names.is_match_candidate(&Candidate::from_bytes(&name)) {
                continue;
            }
            if let Some(value) = system::value(holder, &name)? {
                carried.insert(name, value);
            }
        }
        Ok(carried)
    }
}

/// A file that has attributes.
enum Holder<'a> {
    /// An open file or directory.
    Handle(BorrowedFd<'a>),
    /// A symbolic link in a directory, since a link cannot be opened itself.
    Link(BorrowedFd<'a>, &'a OsStr),
}

#[cfg(target_os = "linux")]
mod system {
    use std::ffi::{CString, OsStr};
    use std::io;
    use std::os::fd::{AsRawFd as _, BorrowedFd};
    use std::path::PathBuf;

    use rustix::fs::{fgetxattr, flistxattr, lgetxattr, llistxattr};
    use rustix::io::Errno;

    use super::Holder;

    /// The kernel's limits for lists and values, XATTR_LIST_MAX and XATTR_SIZE_MAX of `linux/limits.h`.
    const MAX_BYTES: usize = 65536;

    /// Returns the names of the attributes; none if the file system does not support them.
    pub(super) fn list(holder: &Holder<'_>) -> io::Result<Vec<Vec<u8>>> {
        let mut names = vec![0; MAX_BYTES];
        let length = match holder {
            Holder::Handle(handle) => flistxattr(handle, &mut names[..]),
            Holder::Link(directory, name) => llistxattr(path(*directory, name), &mut names[..]),
        };
        let length = match length {
            Err(Errno::NOTSUP) => 0,
            other => other?,
        };
        names.truncate(length);
        Ok(names
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
            .map(<[u8]>::to_vec)
            .collect())
    }

    /// Returns the value of the attribute `name`; `None` if it was removed since it was listed.
    pub(super) fn value(holder: &Holder<'_>, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let name = CString::new(name)?;
        let mut value = vec![0; MAX_BYTES];
        let length = match holder {
            Holder::Handle(handle) => fgetxattr(handle, name.as_c_str(), &mut value[..]),
            Holder::Link(directory, link) => lgetxattr(path(*directory, link), name.as_c_str(), &mut value[..]),
        };
        match length {
            Err(Errno::NODATA) => Ok(None),
            Err(error) => Err(error.into()),
            Ok(length) => {
                value.truncate(length);
                Ok(Some(value))
            }
        }
    }

    /// Returns a path that begins at the handle of the directory, so that it is valid even if the directory was
    /// replaced.
    fn path(directory: BorrowedFd<'_>, name: &OsStr) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::io;

    use super::Holder;

    pub(super) fn list(_holder: &Holder<'_>) -> io::Result<Vec<Vec<u8>>> {
        Ok(Vec::new())
    }

    pub(super) fn value(_holder: &Holder<'_>, _name: &[u8]) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }
}
