//! How ocitect is installed: the static binary needs no other file, and the archives of a release contain what they should.

mod release;
mod static_binary;
