//! Bits of a mode that the rules look at (inode(7), "The file type and mode").

/// Everybody may write.
pub const OTHERS_WRITE: u32 = 0o002;

/// In a directory: only the owner of a file can remove it.
pub const STICKY: u32 = 0o1000;

/// Runs with the rights of its owner or group.
pub const SET_ID: u32 = 0o6000;

/// Returns `true` for a mode with more permissions than most files need.
pub fn is_open(mode: u32) -> bool {
    mode & (OTHERS_WRITE | SET_ID) != 0
}
