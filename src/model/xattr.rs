//! Decides which extended attributes belong to an image (xattr(7)), and which to the machine that stores it.
//!
//! A layer carries `security.capability` and attributes of the namespace `user`. Attributes in which a storage driver,
//! a security module or a file system of the host keeps its own data never go into a layer. With overlayfs, for
//! example, a directory that an upper layer marks as opaque hides all entries below it.

use std::fmt;

use super::capability;

/// The owner of an attribute that is not part of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XattrOwner {
    /// A storage driver of containers, such as overlayfs.
    StorageDriver,
    /// A security module of the host, such as SELinux.
    SecurityModule,
    /// The file system that holds the file, or the host's own tools.
    Host,
    /// The kernel's POSIX access control lists. Their users and groups are those of the machine that they were read on;
    /// inside an image they would refer to the image's own users and groups.
    AccessControl,
}

impl fmt::Display for XattrOwner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::StorageDriver => "a storage driver",
            Self::SecurityModule => "a security module of the host",
            Self::Host => "the host's file system",
            Self::AccessControl => "the host's access control lists",
        })
    }
}

/// Namespaces and names that storage drivers reserve: overlayfs (with and without privileges), fuse-overlayfs, the
/// override of modes and owners by containers/storage, and the rootless modes of umoci and others.
const DRIVER_PREFIXES: [&[u8]; 5] = [
    b"trusted.overlay.",
    b"user.overlay.",
    b"user.fuseoverlayfs.",
    b"user.containers.",
    b"user.rootlesscontainers",
];

/// The namespace of security modules. Only [`capability::ATTRIBUTE`] of it is part of an image.
const SECURITY_PREFIX: &[u8] = b"security.";

/// The namespace whose attributes belong to the image, except those of [`DRIVER_PREFIXES`].
const USER_PREFIX: &[u8] = b"user.";

/// The attributes of access control lists.
const ACCESS_CONTROL_PREFIX: &[u8] = b"system.posix_acl_";

/// Returns the owner of the attribute `name`; `None` if it is part of an image. Namespaces that Linux does not have
/// (such as `com.apple.`) belong to the host.
pub fn xattr_owner(name: &[u8]) -> Option<XattrOwner> {
    if DRIVER_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        Some(XattrOwner::StorageDriver)
    } else if name == capability::ATTRIBUTE || name.starts_with(USER_PREFIX) {
        None
    } else if name.starts_with(SECURITY_PREFIX) {
        Some(XattrOwner::SecurityModule)
    } else if name.starts_with(ACCESS_CONTROL_PREFIX) {
        Some(XattrOwner::AccessControl)
    } else {
        Some(XattrOwner::Host)
    }
}

/// Returns the owner of every attribute that a pattern (`*`, `?`, `[…]`) can match; `None` if some of them may be part
/// of an image.
pub fn xattr_pattern_owner(pattern: &str) -> Option<XattrOwner> {
    let Some(wildcard) = pattern.find(['*', '?', '[']) else {
        return xattr_owner(pattern.as_bytes());
    };
    let start = &pattern.as_bytes()[..wildcard];
    if capability::ATTRIBUTE.starts_with(start) || USER_PREFIX.starts_with(start) {
        return None;
    }
    xattr_owner(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_and_attributes_of_users_belong_to_the_image() {
        for name in [
            "security.capability",
            "user.note",
            "user.overlay",
            "user.overlayed",
            "user.mime_type",
            "user.containersx",
        ] {
            assert_eq!(xattr_owner(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn what_the_machine_keeps_does_not() {
        use XattrOwner::{AccessControl, Host, SecurityModule, StorageDriver};
        for (name, owner) in [
            ("trusted.overlay.opaque", StorageDriver),
            ("trusted.overlay.redirect", StorageDriver),
            ("user.overlay.whiteout", StorageDriver),
            ("user.fuseoverlayfs.origin", StorageDriver),
            ("user.containers.override_stat", StorageDriver),
            ("user.rootlesscontainers", StorageDriver),
            ("security.selinux", SecurityModule),
            ("security.ima", SecurityModule),
            ("security.evm", SecurityModule),
            ("security.apparmor", SecurityModule),
            ("security.SMACK64", SecurityModule),
            ("security.capabilityx", SecurityModule),
            ("system.posix_acl_access", AccessControl),
            ("system.posix_acl_default", AccessControl),
            ("system.nfs4_acl", Host),
            ("trusted.md5sum", Host),
            ("com.apple.quarantine", Host),
            ("btrfs.compression", Host),
            ("", Host),
        ] {
            assert_eq!(xattr_owner(name.as_bytes()), Some(owner), "{name}");
        }
    }

    #[test]
    fn patterns_are_refused_only_where_nothing_of_an_image_can_match() {
        for pattern in [
            "*",
            "user.*",
            "u*",
            "?ser.x",
            "security.*",
            "security.cap*",
            "s*",
            "user.overlay*",
            "[us]*",
        ] {
            assert_eq!(xattr_pattern_owner(pattern), None, "{pattern}");
        }
        for pattern in [
            "trusted.*",
            "trusted.overlay.*",
            "user.overlay.*",
            "security.sel*",
            "system.*",
            "trusted.overlay.opaque",
        ] {
            assert!(xattr_pattern_owner(pattern).is_some(), "{pattern}");
        }
    }
}
