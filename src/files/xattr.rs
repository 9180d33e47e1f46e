//! Extended attributes of files on the disk, xattr(7). Only Linux has them in this form; elsewhere there are none.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use globset::{Candidate, GlobSet, GlobSetBuilder};

use super::{FilesError, pattern};
use crate::model::xattr_owner;
use crate::spec::FilesEntry;

/// Which attributes are carried.
pub(super) struct Attributes {
    names: GlobSet,
}

impl Attributes {
    /// Those that `xattrs` of `entry` names.
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
        let names = names.build().map_err(|error| bad(&entry.xattrs.join(" "), error.to_string()))?;
        Ok(Self { names })
    }

    /// None at all.
    pub(super) fn none() -> Self {
        Self { names: GlobSet::empty() }
    }

    /// Those of `path` itself (a symbolic link is not followed) that are carried. What belongs to the machine and not to the
    /// file ([`xattr_owner`]) never is.
    pub(super) fn of(&self, path: &Path) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
        let mut carried = BTreeMap::new();
        if self.names.is_empty() {
            return Ok(carried);
        }
        for name in system::list(path)? {
            if xattr_owner(&name).is_some() || !self.names.is_match_candidate(&Candidate::from_bytes(&name)) {
                continue;
            }
            if let Some(value) = system::value(path, &name)? {
                carried.insert(name, value);
            }
        }
        Ok(carried)
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::ffi::CString;
    use std::io;
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;

    /// The kernel's own limits, XATTR_LIST_MAX and XATTR_SIZE_MAX of `linux/limits.h`: no list and no value is longer.
    const MAX_BYTES: usize = 65536;

    /// Names of the attributes of `path`; none where the file system has none.
    pub(super) fn list(path: &Path) -> io::Result<Vec<Vec<u8>>> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        // SAFETY: the path ends in NUL, and the buffer has the size that is told.
        let names = read(|buffer| unsafe { libc::llistxattr(path.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) });
        let names = match names {
            Err(error) if error.raw_os_error() == Some(libc::ENOTSUP) => Vec::new(),
            other => other?,
        };
        Ok(names.split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect())
    }

    /// The value of the attribute `name` of `path`; `None` where it went away since it was listed.
    pub(super) fn value(path: &Path, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        let name = CString::new(name)?;
        let value = read(|buffer| {
            // SAFETY: path and name end in NUL, and the buffer has the size that is told.
            unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) }
        });
        match value {
            Err(error) if error.raw_os_error() == Some(libc::ENODATA) => Ok(None),
            other => other.map(Some),
        }
    }

    fn read(call: impl FnOnce(&mut [u8]) -> libc::ssize_t) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; MAX_BYTES];
        let length = usize::try_from(call(&mut buffer)).map_err(|_| io::Error::last_os_error())?;
        buffer.truncate(length);
        Ok(buffer)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::io;
    use std::path::Path;

    pub(super) fn list(_path: &Path) -> io::Result<Vec<Vec<u8>>> {
        Ok(Vec::new())
    }

    pub(super) fn value(_path: &Path, _name: &[u8]) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }
}
