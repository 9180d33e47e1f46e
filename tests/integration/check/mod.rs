//! The findings of `ocitect check` and `ocitect build`, how they are reported, and that no image is written then.

mod alike;
mod bases;
mod images;
mod loader;
mod secrets;
mod spec;
mod starts;
