//! The spec file, `ocitect.toml`: from text to what each platform shall be.

mod schema;

pub use schema::{
    Base, CheckSpec, Command, ConfigSpec, DirSpec, FilesEntry, From, Group, Healthcheck, IgnoreFile, ImageSpec,
    LayerSpec, LinkEntry, NameOrId, Owner, Ownership, Place, PlatformSpec, Remove, User,
};
