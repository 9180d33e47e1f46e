//! The findings of `ocitect check` and `ocitect build`, how they are reported, and that no image is written then.

mod compose;
mod compose_files;
mod coverage;
mod docs;
mod secrets;
