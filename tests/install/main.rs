//! How ocitect is installed: the static binary needs no other file, and the archives of a release contain what they should.

#[path = "../support/mount.rs"]
mod mount;
mod release;
mod static_binary;
#[path = "../support/sandbox.rs"]
mod support;
